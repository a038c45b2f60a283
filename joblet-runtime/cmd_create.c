// SPDX-License-Identifier: Apache-2.0
// create: makes a container up to the last step before its program, which `start` takes.
#include "joblet-runtime/create_options.h"

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	struct container_options o;
	struct container c;
	int rc = create_options(&cmd_create, g, args, n, NULL, NULL, &o, e);
	if (rc)
		return rc < 0 ? rc : 0;
	o.detached = true;
	if ((rc = container_create(&o, &c, e)))
		return rc;
	container_close(&c);
	return 0;
}

const struct command cmd_create = {
    .name = "create",
    .usage = "[OPTIONS] ID",
    .help = "makes a container of a bundle",
    .run = run,
};
