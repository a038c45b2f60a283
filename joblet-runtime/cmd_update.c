// SPDX-License-Identifier: Apache-2.0
// update: changes the limits of a container.
#include <errno.h>
#include <fcntl.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/update.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

static int read_resources(const char *path, char **text, size_t *len, struct err *e)
{
	bool is_stdin = str_eq(path, "-");
	cleanup_close int opened = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = is_stdin ? STDIN_FILENO : opened;
	int rc = fd < 0 ? -errno : file_read_fd(fd, SPEC_SIZE_MAX, text, len);
	return rc ? err_sys(e, rc, "cannot read the resources of %s", is_stdin ? "stdin" : path) : 0;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	struct update_flags f = {0};
	const char *file = NULL, *l3 = NULL, *bandwidth = NULL, *rest[2];
	int n_rest;
	const struct option_def options[] = {
	    {"resources", 'r', true, &file, "a file as linux.resources of config.json, - for stdin", NULL},
	    {"memory", 0, true, &f.memory, "bytes, such as 64m; -1 for no limit", NULL},
	    {"memory-reservation", 0, true, &f.memory_reservation, "bytes that are left to it last", NULL},
	    {"memory-swap", 0, true, &f.memory_swap, "bytes of memory and swap together", NULL},
	    {"kernel-memory", 0, true, &f.kernel_memory, "accepted, without effect", NULL},
	    {"kernel-memory-tcp", 0, true, &f.kernel_memory_tcp, "bytes of TCP buffers (v1)", NULL},
	    {"cpu-share", 0, true, &f.cpu_shares, "weight, 1024 is usual", NULL},
	    {"cpu-quota", 0, true, &f.cpu_quota, "microseconds in a period, -1 for no limit", NULL},
	    {"cpu-period", 0, true, &f.cpu_period, "microseconds", NULL},
	    {"cpu-burst", 0, true, &f.cpu_burst, "microseconds that may be saved up", NULL},
	    {"cpu-idle", 0, true, &f.cpu_idle, "1: only what nobody else wants", NULL},
	    {"cpu-rt-runtime", 0, true, &f.rt_runtime, "microseconds of realtime in a period (v1)", NULL},
	    {"cpu-rt-period", 0, true, &f.rt_period, "microseconds (v1)", NULL},
	    {"cpuset-cpus", 0, true, &f.cpuset_cpus, "cpus, such as 0-3,7", NULL},
	    {"cpuset-mems", 0, true, &f.cpuset_mems, "memory nodes", NULL},
	    {"pids-limit", 0, true, &f.pids, "processes and threads, -1 for no limit", NULL},
	    {"blkio-weight", 0, true, &f.blkio_weight, "10 to 1000", NULL},
	    {"l3-cache-schema", 0, true, &l3, "refused: Intel RDT", NULL},
	    {"mem-bw-schema", 0, true, &bandwidth, "refused: Intel RDT", NULL},
	};
	int rc = args_parse(&cmd_update, options, ARRAY_LEN(options), args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "update: a container id is needed");
	if (l3 || bandwidth)
		return err_set(e, -ENOTSUP, "update: Intel RDT is not supported");
	cleanup_buf struct buf flags = {0};
	cleanup_free char *text = NULL;
	size_t len = 0;
	if (file)
		rc = read_resources(file, &text, &len, e);
	else
		rc = update_from_flags(&f, &flags, e);
	if (rc)
		return rc;
	return file ? update_container(g->root, rest[0], text, len, e)
		    : update_container(g->root, rest[0], flags.data, flags.len, e);
}

const struct command cmd_update = {
    .name = "update",
    .usage = "[OPTIONS] ID",
    .help = "changes the limits of a container",
    .run = run,
};
