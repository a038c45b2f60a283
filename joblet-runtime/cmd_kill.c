// SPDX-License-Identifier: Apache-2.0
// kill: sends a signal to a container's first process, or to all of its processes.
#include <errno.h>
#include <signal.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/members.h"
#include "lib/base/proc.h"

static int kill_one(const struct state *st, int sig, struct err *e)
{
	cleanup_close int pidfd = state_pidfd(st);
	int rc = pidfd < 0 ? pidfd : proc_pidfd_kill(pidfd, sig);
	if (rc == -ESRCH)
		return err_set(e, rc, "container not running");
	return rc ? err_sys(e, rc, "cannot signal the container") : 0;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *all = NULL, *rest[3];
	int n_rest, sig = SIGTERM;
	const struct option_def options[] = {
	    {"all", 'a', false, &all, "every process of the container", NULL}};
	int rc = args_parse(&cmd_kill, options, ARRAY_LEN(options), args, n, rest, 2, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest < 1)
		return err_set(e, -EINVAL, "kill: a container id is needed");
	if (n_rest > 1 && (proc_signal_parse(rest[1], &sig) != 0 || sig < 0))
		return err_set(e, -EINVAL, "unknown signal \"%.64s\"", rest[1]);
	cleanup_state struct state st;
	if ((rc = state_open(g->root, rest[0], &st, e)))
		return rc;
	return all ? members_kill(&st, sig, e) : kill_one(&st, sig, e);
}

const struct command cmd_kill = {
    .name = "kill",
    .usage = "[-a] ID [SIGNAL]",
    .help = "sends a signal (TERM) to a container",
    .run = run,
};
