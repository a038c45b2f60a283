// SPDX-License-Identifier: Apache-2.0
// state: what is known of a container, as JSON.
#include <errno.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/state.h"

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *rest[2];
	int n_rest;
	int rc = args_parse(&cmd_state, NULL, 0, args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "state: a container id is needed");
	cleanup_state struct state st;
	if ((rc = state_open(g->root, rest[0], &st, e)))
		return rc;
	cleanup_buf struct buf text = {0};
	if ((rc = state_print(&st, state_status(&st), true, &text)))
		return err_sys(e, rc, "cannot write the state");
	puts(text.data);
	return 0;
}

const struct command cmd_state = {
    .name = "state",
    .usage = "ID",
    .help = "prints the state of a container",
    .run = run,
};
