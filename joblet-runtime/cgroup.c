// SPDX-License-Identifier: Apache-2.0
// The cgroup of one container in every hierarchy: made, joined, verified. cgroup_layout.c knows what the
// machine has, cgroup_apply.c which controller takes which limit, cgroup_kill.c how it ends. It never writes
// above the first directory that the path names, but for enabling controllers on v2.
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define PROC_TEXT_MAX ((size_t)4 << 20)
#define CREATE_TRIES  16

static int read_proc(const char *path, char **out, struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "%s", path);
	int rc = file_read_fd(fd, PROC_TEXT_MAX, out, NULL);
	return rc < 0 ? err_sys(e, rc, "%s", path) : 0;
}

// Opens the mount and makes sure that it is the one which mountinfo meant, and no other that covers it.
static int open_mount(struct cgroup_hier *h, struct err *e)
{
	struct statfs fs;
	struct stat st;
	h->root_fd = open(h->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->root_fd < 0 || fstatfs(h->root_fd, &fs) < 0 || fstat(h->root_fd, &st) < 0)
		return err_sys(e, -errno, "cgroup mount %s", h->mount);
	if ((long)fs.f_type != (h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC) || st.st_dev != h->dev)
		return err_set(e, -ENODEV, "cgroup mount %s is covered by another mount", h->mount);
	return 0;
}

int cgroup_open(const char *path, struct cgroup **out, struct err *e)
{
	cleanup_cgroup struct cgroup *c = xcalloc(1, sizeof(*c));
	cleanup_free char *self = NULL, *mounts = NULL;

	int rc = cgroup_path_parse(path, c, e);
	if (rc == 0)
		rc = read_proc("/proc/self/cgroup", &self, e);
	if (rc == 0)
		rc = read_proc("/proc/self/mountinfo", &mounts, e);
	if (rc == 0)
		rc = cgroup_layout_parse(self, mounts, c, e);
	for (size_t i = 0; rc == 0 && i < c->hier_count; i++) {
		struct cgroup_hier *h = &c->hier[i];
		h->made_from = (int)c->part_count;
		rc = open_mount(h, e);
		if (rc < 0)
			break;
		h->fd = cgroup_open_dir(h->root_fd, c->path);
		if (h->fd < 0 && h->fd != -ENOENT)
			rc = err_sys(e, h->fd, "cgroup %s/%s", h->mount, c->path);
		if (h->fd < 0)
			h->fd = -1;
	}
	if (rc < 0)
		return rc;
	*out = take_ptr(c);
	return 0;
}

void cgroup_free(struct cgroup *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->hier_count; i++) {
		free(c->hier[i].name);
		free(c->hier[i].mount);
		free(c->hier[i].root);
		free(c->hier[i].sub);
		cleanup_close_p(&c->hier[i].root_fd);
		cleanup_close_p(&c->hier[i].fd);
	}
	strv_free(c->parts);
	free(c->path);
	free(c);
}

enum cgroup_layout cgroup_layout(const struct cgroup *c)
{
	return c->layout;
}

const char *cgroup_path(const struct cgroup *c)
{
	return c->path;
}

int cgroup_v2_fd(const struct cgroup *c)
{
	for (size_t i = 0; i < c->hier_count; i++)
		if (c->hier[i].v2)
			return c->hier[i].fd;
	return -1;
}

// One level: made if it is not there, opened, and ready for children or processes.
static int make_level(struct cgroup *c, struct cgroup_hier *h, int parent, size_t level, struct err *e)
{
	const char *part = c->parts[level];
	if (h->v2) {
		int rc = cgroup_v2_enable(parent, e);
		if (rc < 0)
			return rc;
	}
	if (mkdirat(parent, part, 0755) == 0) {
		if ((int)level < h->made_from)
			h->made_from = (int)level;
	} else if (errno != EEXIST) {
		int rc = -errno;
		err_sys_text(e, rc, "cgroup %s: making %s", h->mount, part);
		return rc == -EROFS ? err_wrap(e, rc,
					       "the cgroups are mounted read-only: remount them, or use "
					       "--cgroup-manager disabled")
				    : rc;
	}
	cleanup_close int fd = cgroup_open_dir(parent, part);
	if (fd < 0)
		return err_sys(e, fd, "cgroup %s: opening %s", h->mount, part);
	if (cgroup_has_word(h->name, "cpuset")) {
		int rc = cgroup_v1_cpuset_inherit(parent, fd, e);
		if (rc < 0)
			return rc;
	}
	return take_fd(fd);
}

static int make_path(struct cgroup *c, struct cgroup_hier *h, struct err *e)
{
	cleanup_close int fd = -1;
	for (size_t level = 0; level < c->part_count; level++) {
		int next = make_level(c, h, fd < 0 ? h->root_fd : fd, level, e);
		if (next < 0)
			return next;
		cleanup_close_p(&fd);
		fd = next;
	}
	cleanup_close_p(&h->fd);
	h->fd = take_fd(fd);
	return 0;
}

// Where the parents are there already, which is every job but the first, two system calls are enough.
static bool make_leaf_only(struct cgroup *c, struct cgroup_hier *h)
{
	if (h->v2 || cgroup_has_word(h->name, "cpuset") || mkdirat(h->root_fd, c->path, 0755) < 0)
		return false;
	h->made_from = (int)c->part_count - 1;
	int fd = cgroup_open_dir(h->root_fd, c->path);
	if (fd < 0)
		return false;
	cleanup_close_p(&h->fd);
	h->fd = fd;
	return true;
}

static int make_hier(struct cgroup *c, struct cgroup_hier *h, struct err *e)
{
	if (h->fd < 0 && make_leaf_only(c, h))
		return 0;
	// A parent may be removed by someone else between two steps: then begin again, a bounded number of
	// times.
	int rc = -ENOENT;
	for (int i = 0; i < CREATE_TRIES && (rc == -ENOENT || rc == -ENODEV); i++)
		rc = make_path(c, h, e);
	return rc;
}

static void undo_create(struct cgroup *c)
{
	for (size_t i = 0; i < c->hier_count; i++) {
		struct cgroup_hier *h = &c->hier[i];
		if (h->made_from == (int)c->part_count)
			continue;
		cleanup_close_p(&h->fd);
		h->fd = -1;
		cleanup_free char *path = xstrdup(c->path);
		for (int level = (int)c->part_count - 1; level >= h->made_from; level--) {
			if (unlinkat(h->root_fd, path, AT_REMOVEDIR) < 0)
				break;
			char *slash = strrchr(path, '/');
			if (slash)
				*slash = '\0';
		}
		h->made_from = (int)c->part_count;
	}
}

int cgroup_adopt(struct cgroup *c, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->hier_count; i++)
		rc = make_hier(c, &c->hier[i], e);
	return rc;
}

int cgroup_create(struct cgroup *c, struct err *e)
{
	int rc = 0;
	bool existed = false;
	for (size_t i = 0; i < c->hier_count; i++)
		c->hier[i].made_from = (int)c->part_count;
	for (size_t i = 0; rc == 0 && i < c->hier_count; i++) {
		rc = make_hier(c, &c->hier[i], e);
		existed = existed || c->hier[i].made_from == (int)c->part_count;
	}
	if (rc == 0 && existed) {
		cleanup_free pid_t *pids = NULL;
		size_t n = 0;
		rc = cgroup_pids(c, &pids, &n, e);
		if (rc == 0 && n)
			rc = err_set(e, -EEXIST, "cgroup %s exists and has %zu processes", c->path, n);
		if (rc == 0) // a frozen cgroup that someone left would stop the container before its first
			     // instruction
			rc = cgroup_freeze(c, false, e);
	}
	if (rc < 0)
		undo_create(c);
	return rc;
}

static int join_one(struct cgroup_hier *h, const struct cgroup *c, pid_t pid, struct err *e)
{
	if (h->fd < 0)
		return err_set(e, -ENOENT, "cgroup %s/%s does not exist", h->mount, c->path);
	// A thread that moves itself through `tasks` needs no global lock: the kernel skips it for exactly
	// this case.
	const char *file = pid == 0 && !h->v2 ? "tasks" : "cgroup.procs";
	int rc = cgroup_writef(h->fd, file, e, "%d", (int)pid);
	return rc < 0 ? err_wrap(e, rc, "joining %s/%s", h->mount, c->path) : 0;
}

int cgroup_join(struct cgroup *c, pid_t pid, struct err *e)
{
	for (size_t i = 0; i < c->hier_count; i++) {
		int rc = join_one(&c->hier[i], c, pid, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cgroup_join_v1(struct cgroup *c, pid_t pid, struct err *e)
{
	for (size_t i = 0; i < c->hier_count; i++) {
		int rc = c->hier[i].v2 ? 0 : join_one(&c->hier[i], c, pid, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cgroup_verify(const struct cgroup *c, const char *proc_cgroup_text, struct err *e)
{
	return cgroup_verify_text(c, proc_cgroup_text, e);
}

int cgroup_describe(const struct cgroup *c, struct buf *out)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->hier_count; i++) {
		const struct cgroup_hier *h = &c->hier[i];
		rc = buf_printf(out, "%s:%s/%s%s%s\n", h->name, h->mount, c->path, h->sub ? "/" : "",
				h->sub ? h->sub : "");
	}
	return rc;
}

static int select_one(struct cgroup *c, struct cgroup_hier *h, const char *sub, struct err *e)
{
	int fd = h->fd < 0 ? -ENOENT : cgroup_open_dir(h->fd, sub);
	if (fd < 0)
		return err_sys(e, fd, "cgroup %s/%s/%s", h->mount, c->path, sub);
	cleanup_close_p(&h->fd);
	h->fd = fd;
	free(h->sub);
	h->sub = xstrdup(sub);
	return 0;
}

// "a//b/" to "a/b", "" for the cgroup itself. -EINVAL for "..".
static int clean_sub(const char *path, char **out, struct err *e)
{
	struct cgroup parsed = {0};
	path += strspn(path, "/");
	size_t len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	*out = xstrndup(path, len);
	int rc = len ? cgroup_path_parse(*out, &parsed, e) : 0;
	strv_free(parsed.parts);
	free(parsed.path);
	return rc;
}

int cgroup_select(struct cgroup *c, const char *controllers, const char *path, struct err *e)
{
	cleanup_free char *sub = NULL, *copy = controllers ? xstrdup(controllers) : NULL;
	int rc = clean_sub(path, &sub, e);
	for (size_t i = 0; rc == 0 && !copy && *sub && i < c->hier_count; i++) {
		struct cgroup_hier *h = &c->hier[i];
		rc = select_one(c, h, sub, e);
		if (rc == -ENOENT && h->v2 && c->layout == CGROUP_HYBRID)
			rc = 0; // no controller is there
	}
	char *save = copy;
	for (char *name; rc == 0 && copy && (name = strsep(&save, ","));) {
		struct cgroup_hier *found = NULL;
		for (size_t i = 0; i < c->hier_count; i++)
			if (!c->hier[i].v2 && *name && cgroup_has_word(c->hier[i].name, name))
				found = &c->hier[i];
		if (!found)
			return err_set(e, -EINVAL, "--cgroup: there is no cgroup v1 controller \"%.64s\"",
				       name);
		rc = *sub ? select_one(c, found, sub, e) : 0;
	}
	return rc;
}

int cgroup_follow(struct cgroup *c, const char *text, struct err *e)
{
	for (size_t i = 0; i < c->hier_count; i++) {
		struct cgroup_hier *h = &c->hier[i];
		if (!h->v2)
			continue;
		cleanup_free char *own = xasprintf("%s/%s/", h->root, c->path);
		const char *line = strstr(text, "0::");
		if (!line || !str_starts(line + 3, own))
			return err_set(e, -EBUSY, "cgroup %s/%s takes no process", h->mount, c->path);
		const char *rest = line + 3 + strlen(own);
		cleanup_free char *sub = xstrndup(rest, strcspn(rest, "\n"));
		return select_one(c, h, sub, e);
	}
	return err_set(e, -ENOENT, "there is no unified cgroup tree");
}
