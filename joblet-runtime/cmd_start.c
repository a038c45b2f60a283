// SPDX-License-Identifier: Apache-2.0
// start: lets a created container's program run.
#include "joblet-runtime/start.h"

#include <errno.h>
#include <unistd.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/hook.h"
#include "joblet-runtime/sync.h"
#include "lib/base/log.h"

#define START_SOCKET "start"

void start_run_hooks(const struct state *st, bool poststop)
{
	cleanup_buf struct buf text = {0};
	struct err e = {0};
	cleanup_spec struct spec *s = xcalloc(1, sizeof(*s));
	int rc = st->root ? spec_read_hooks(s, st->root, &e) : 0;
	const struct spec_hook_list *list = poststop ? &s->poststop : &s->poststart;
	if (!rc && list->n == 0)
		return;
	if (!rc)
		rc = state_print(st, poststop ? STATE_STOPPED : STATE_RUNNING, false, &text);
	if (!rc)
		rc = hook_run(list, poststop ? "poststop" : "poststart", text.data, text.len, &e);
	if (rc)
		log_warn("%s", e.msg);
}

int start_container(const char *root, const char *id, struct err *e)
{
	cleanup_state struct state st;
	int rc = state_open(root, id, &st, e);
	if (rc || (rc = state_lock(&st, e)))
		return rc;
	enum state_status status = state_status(&st);
	if (status != STATE_CREATED)
		return err_set(e, -EINVAL, "cannot start a container in the %s state",
			       state_status_name(status));
	cleanup_close int conn = state_connect(st.dirfd, e);
	if (conn < 0)
		return conn;
	if ((rc = sync_send(conn, SYNC_START)) && rc != -EPIPE)
		return err_sys(e, rc, "cannot talk to the container's first process");
	if ((rc = sync_expect_end(conn, e)))
		return rc;
	if (unlinkat(st.dirfd, START_SOCKET, 0) != 0 && errno != ENOENT)
		return err_sys(e, -errno, "cannot remove the start socket");
	state_unlock(&st); // a hook may call this program
	start_run_hooks(&st, false);
	return 0;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *rest[2];
	int n_rest;
	int rc = args_parse(&cmd_start, NULL, 0, args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "start: a container id is needed");
	return start_container(g->root, rest[0], e);
}

const struct command cmd_start = {
    .name = "start",
    .usage = "ID",
    .help = "runs the program of a created container",
    .run = run,
};
