// SPDX-License-Identifier: Apache-2.0
// run: create and start in one. In the foreground it passes signals on, and its exit status is the program's.
#include <errno.h>

#include "joblet-runtime/create_options.h"
#include "joblet-runtime/foreground.h"
#include "joblet-runtime/start.h"
#include "joblet-runtime/terminal.h"
#include "lib/base/log.h"

static int remove_container(const struct container_options *o, bool kill, struct err *e)
{
	cleanup_state struct state st;
	int rc = state_open(o->root, o->id, &st, e);
	if (rc || (rc = state_lock(&st, e)))
		return rc == -ENOENT ? 0 : rc; // somebody deleted it meanwhile
	if ((rc = container_destroy(o->root, &st, kill, e)))
		return rc;
	start_run_hooks(&st, true);
	return 0;
}

// Nobody else is there to remove it, so what failed is tried once more.
static int finish(const struct container_options *o, bool kill, struct err *e)
{
	return remove_container(o, kill, e) ? remove_container(o, kill, e) : 0;
}

static int wait_for(struct terminal *t, int pidfd, int signals, struct err *e)
{
	return t->ours >= 0 ? terminal_wait(t, pidfd, signals, e) : foreground_wait(pidfd, signals, e);
}

static int run_waiting(const struct container_options *o, int signals, bool keep, struct err *e)
{
	struct container c;
	int rc = container_create(o, &c, e);
	if (rc)
		return rc;
	if (o->terminal->ours >= 0)
		rc = terminal_take(o->terminal, e);
	if (rc || (rc = container_start(&c, e))) {
		container_undo(&c);
		container_close(&c);
		return rc;
	}
	cleanup_close int pidfd = take_fd(c.pidfd);
	container_run_poststart(&c);
	container_close(&c);
	int status = wait_for(o->terminal, pidfd, signals, e);
	if (status < 0) { // it runs on, and nobody waits for it
		struct err ignored = {0};
		if (finish(o, true, &ignored) != 0)
			log_warn("%s", ignored.msg);
		return status;
	}
	rc = keep ? 0 : finish(o, false, e);
	return rc ? rc : status;
}

static int run_foreground(struct container_options *o, bool keep, struct err *e)
{
	struct terminal terminal = {.ours = -1, .theirs = -1, .master = -1};
	cleanup_close int signals = foreground_signals(e);
	if (signals < 0)
		return signals;
	// analyzed: o ends with its caller
	o->terminal = &terminal;
	int rc = run_waiting(o, signals, keep, e);
	terminal_close(&terminal);
	return rc; // analyzed: o ends with its caller
}

static int run_detached(const struct container_options *o, struct err *e)
{
	struct container c;
	int rc = container_create(o, &c, e);
	if (rc)
		return rc;
	if ((rc = container_start(&c, e)))
		container_undo(&c);
	else
		container_run_poststart(&c);
	container_close(&c);
	return rc;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	struct container_options o;
	const char *keep = NULL, *detach = NULL;
	int rc = create_options(&cmd_run, g, args, n, &keep, &detach, &o, e);
	if (rc)
		return rc < 0 ? rc : 0;
	return detach ? run_detached(&o, e) : run_foreground(&o, keep != NULL, e);
}

const struct command cmd_run = {
    .name = "run",
    .usage = "[OPTIONS] ID",
    .help = "creates and starts a container, and waits for it",
    .run = run,
};
