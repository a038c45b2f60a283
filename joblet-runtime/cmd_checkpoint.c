// SPDX-License-Identifier: Apache-2.0
// checkpoint and restore: refused, with a reason; the command lines are read, since engines ask for their
// help.
#include <errno.h>

#include "joblet-runtime/command.h"
#include "lib/base/str.h"

static int refuse(const struct command *cmd, char **args, int n, struct err *e)
{
	const char *rest[1];
	int n_rest;
	for (int i = 0; i < n; i++)
		if (str_eq(args[i], "--help") || str_eq(args[i], "-h"))
			return args_parse(cmd, NULL, 0, args + i, 1, rest, 0, &n_rest, e);
	return err_set(e, -ENOTSUP, "%s is not supported: this runtime does not drive criu", cmd->name);
}

static int checkpoint_run(const struct globals *g, char **args, int n, struct err *e)
{
	(void)g;
	int rc = refuse(&cmd_checkpoint, args, n, e);
	return rc < 0 ? rc : 0;
}

static int restore_run(const struct globals *g, char **args, int n, struct err *e)
{
	(void)g;
	int rc = refuse(&cmd_restore, args, n, e);
	return rc < 0 ? rc : 0;
}

const struct command cmd_checkpoint = {
    .name = "checkpoint",
    .usage = "[OPTIONS] ID",
    .help = "refused: containers cannot be saved",
    .run = checkpoint_run,
};

const struct command cmd_restore = {
    .name = "restore",
    .usage = "[OPTIONS] ID",
    .help = "refused: containers cannot be restored",
    .run = restore_run,
};
