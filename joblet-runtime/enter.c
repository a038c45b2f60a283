// SPDX-License-Identifier: Apache-2.0
// Entering the v1 hierarchies.
#include "joblet-runtime/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int open_one(const char *dir, struct enter *out, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/tasks", dir);
	if (out->n == ENTER_MAX)
		return err_set(e, -E2BIG, "too many cgroup hierarchies");
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0; // cgroup v2 has no such file
	if (fd < 0)
		return err_sys(e, -errno, "cannot open %s", path);
	out->fds[out->n++] = fd;
	return 0;
}

int enter_open(const struct cgroup *cg, struct enter *out, struct err *e)
{
	cleanup_buf struct buf text = {0};
	out->n = 0;
	if (cgroup_layout(cg) == CGROUP_V2)
		return 0;
	int rc = cgroup_describe(cg, &text);
	for (char *line = text.data; !rc && line && *line;) {
		char *end = line + strcspn(line, "\n");
		const char *dir = memchr(line, ':', (size_t)(end - line));
		bool more = *end;
		*end = 0;
		if (dir)
			rc = open_one(dir + 1, out, e);
		line = more ? end + 1 : end;
	}
	return rc;
}

void enter_close(struct enter *en)
{
	for (size_t i = 0; i < en->n; i++)
		close(en->fds[i]);
	en->n = 0;
}

int enter_all(const struct enter *en, struct err *e)
{
	for (size_t i = 0; i < en->n; i++)
		if (write(en->fds[i], "0", 1) != 1)
			return err_sys(e, -errno, "cannot enter the cgroup");
	return 0;
}
