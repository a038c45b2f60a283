// SPDX-License-Identifier: Apache-2.0
// pause and resume: all processes of a container stand still, or go on.
#include <errno.h>

#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/command.h"
#include "joblet-runtime/state.h"

static int freeze(const struct command *cmd, const struct globals *g, char **args, int n, bool frozen,
		  struct err *e)
{
	const char *rest[2];
	int n_rest;
	int rc = args_parse(cmd, NULL, 0, args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "%s: a container id is needed", cmd->name);
	cleanup_state struct state st;
	cleanup_cgroup struct cgroup *cg = NULL;
	if ((rc = state_open(g->root, rest[0], &st, e)) || (rc = state_lock(&st, e)))
		return rc;
	enum state_status status = state_status(&st);
	if (frozen ? status != STATE_RUNNING && status != STATE_CREATED : status != STATE_PAUSED)
		return err_set(e, -EINVAL, "cannot %s a container in the %s state", cmd->name,
			       state_status_name(status));
	if (!st.cgroup)
		return err_set(e, -ENOTSUP, "container %s has no cgroup, so it cannot be %s", rest[0],
			       frozen ? "paused" : "resumed");
	if ((rc = cgroup_open(st.cgroup, &cg, e)))
		return rc;
	return cgroup_freeze(cg, frozen, e);
}

static int pause_run(const struct globals *g, char **args, int n, struct err *e)
{
	return freeze(&cmd_pause, g, args, n, true, e);
}

static int resume_run(const struct globals *g, char **args, int n, struct err *e)
{
	return freeze(&cmd_resume, g, args, n, false, e);
}

const struct command cmd_pause = {
    .name = "pause",
    .usage = "ID",
    .help = "stops all processes of a container where they are",
    .run = pause_run,
};

const struct command cmd_resume = {
    .name = "resume",
    .usage = "ID",
    .help = "lets them go on",
    .run = resume_run,
};
