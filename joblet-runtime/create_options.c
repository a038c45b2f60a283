// SPDX-License-Identifier: Apache-2.0
// Options of create and run.
#include "joblet-runtime/create_options.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/base/str.h"

#define PRESERVE_MAX 64 // below LOG_FD_MIN of main.c

// A number that the caller did not open would later be one of our own files.
int preserved_fds(const char *text, int *out, struct err *e)
{
	int64_t n;
	if (str_to_i64(text, 0, PRESERVE_MAX, &n) != 0)
		return err_set(e, -EINVAL, "--preserve-fds must be a number from 0 to %d", PRESERVE_MAX);
	for (int fd = 3; fd < 3 + (int)n; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return err_set(e, -EBADF, "--preserve-fds=%d: descriptor %d is not open", (int)n, fd);
	*out = (int)n;
	return 0;
}

int create_options(const struct command *cmd, const struct globals *g, char **args, int n, const char **keep,
		   const char **detach, struct container_options *out, struct err *e)
{
	const char *preserve = "0", *no_pivot = NULL, *no_new_keyring = NULL, *no_subreaper = NULL, *rest[2];
	int n_rest, rc;
	*out = (struct container_options){.root = g->root, .bundle = ".", .config = "config.json"};
	const struct option_def options[] = {
	    {"bundle", 'b', true, &out->bundle, "directory with config.json (.)", NULL},
	    {"config", 'f', true, &out->config, "another file than config.json", NULL},
	    {"pid-file", 0, true, &out->pid_file, "where to write the process id", NULL},
	    {"console-socket", 0, true, &out->console_socket, "socket that gets the terminal", NULL},
	    {"pidfd-socket", 0, true, &out->pidfd_socket, "socket that gets a descriptor of the process",
	     NULL},
	    {"preserve-fds", 0, true, &preserve, "descriptors behind 2 that the program inherits", NULL},
	    {"no-pivot", 0, false, &no_pivot, "refused: pivot_root is always used", NULL},
	    {"no-new-keyring", 0, false, &no_new_keyring, "leave the session keyring", NULL},
	    {"no-subreaper", 0, false, &no_subreaper, "accepted, without effect", NULL},
	    {"keep", 0, false, keep, "do not delete the container when it ends", NULL},
	    {"detach", 'd', false, detach, "return once the program runs", NULL},
	};
	rc = args_parse(cmd, options, ARRAY_LEN(options) - (keep ? 0 : 2), args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "%s: a container id is needed", cmd->name);
	if (no_pivot)
		return err_set(
		    e, -ENOTSUP,
		    "--no-pivot is not supported: a root that is not entered by pivot_root can be left");
	out->id = rest[0];
	out->rights = g->rights;
	out->manager = g->manager;
	out->rootless = g->rootless;
	out->new_keyring = !no_new_keyring;
	out->argv = g->argv;
	return preserved_fds(preserve, &out->preserve_fds, e);
}
