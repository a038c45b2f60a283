// SPDX-License-Identifier: Apache-2.0
// The parent's half of the mounts: trees of the host that config.json names are cloned, detached, while the
// runtime is still the real root and has its final attributes before the container can see it.
#include "joblet-runtime/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "joblet-runtime/mount_idmap.h"
#include "joblet-runtime/mount_options.h"
#include "lib/base/str.h"

static int set_attr(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
	if (!set && !clear && !propagation)
		return 0;
	return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) == 0
		   ? 0
		   : -errno;
}

static int clone_tree(int dirfd, const char *path, bool recursive, bool nofollow, struct mount_tree *out)
{
	struct stat st;
	cleanup_close int fd =
	    open_tree(dirfd, path,
		      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U) |
			  (nofollow ? AT_SYMLINK_NOFOLLOW : 0U));
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	out->is_dir = S_ISDIR(st.st_mode);
	out->fd = take_fd(fd);
	return 0;
}

static int open_root(const struct spec *s, int bundlefd, struct mount_sources *out, struct err *e)
{
	uint64_t propagation = MS_PRIVATE;
	bool recursive = true;
	int rc = clone_tree(bundlefd, s->root_path, true, true, &out->root);
	if (rc)
		return err_sys(e, rc, "cannot open the root %s", s->root_path);
	if (!out->root.is_dir)
		return err_set(e, -ENOTDIR, "the root %s is not a directory", s->root_path);
	if (s->rootfs_propagation && *s->rootfs_propagation)
		rc = mount_propagation(s->rootfs_propagation, &propagation, &recursive);
	if (!rc) // pivot_root(2) refuses a shared tree; mount_pivot makes it shared afterwards
		rc = set_attr(out->root.fd, true, 0, 0,
			      propagation == MS_SHARED || propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE);
	return rc ? err_sys(e, rc, "cannot set the propagation of the root") : 0;
}

static int open_bind(const struct spec *s, const struct spec_mount *m, const struct mount_options *o,
		     int bundlefd, struct mount_tree *out, struct err *e)
{
	int rc = clone_tree(bundlefd, m->source, o->recursive, false, out);
	if (rc)
		return err_sys(e, rc, "mount %s: cannot open the source %s", m->destination, m->source);
	uint64_t propagation = o->propagation ? o->propagation : MS_PRIVATE;
	bool propagate_rec = o->recursive && (!o->propagation || o->propagation_recursive);
	if (!(rc = set_attr(out->fd, propagate_rec, 0, 0, propagation)) &&
	    !(rc = set_attr(out->fd, false, o->set, o->clear, 0)))
		rc = set_attr(out->fd, o->recursive, o->rec_set, o->rec_clear, 0);
	if (rc)
		return err_sys(e, rc, "mount %s: cannot set its attributes", m->destination);
	return o->idmap ? mount_idmap(s, m, out->fd, o->idmap_recursive, e) : 0;
}

static int add_cgroup(struct mount_sources *out, const char *name, size_t name_len, const char *dir,
		      bool readonly, struct err *e)
{
	struct mount_tree tree = {.fd = -1};
	if (name_len > 5 && strncmp(name, "name=", 5) == 0) {
		name += 5;
		name_len -= 5;
	}
	if (out->cgroup_count == MOUNT_CGROUPS_MAX || name_len >= sizeof(out->cgroups[0].name))
		return err_set(e, -E2BIG, "too many cgroup hierarchies");
	int rc = clone_tree(AT_FDCWD, dir, false, true, &tree);
	if (!rc)
		out->cgroups[out->cgroup_count].fd = tree.fd;
	if (!rc)
		rc = set_attr(tree.fd, false,
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
				  (readonly ? MOUNT_ATTR_RDONLY : 0),
			      0, MS_PRIVATE);
	if (rc)
		return err_sys(e, rc, "cannot open the cgroup directory %s", dir);
	memcpy(out->cgroups[out->cgroup_count].name, name, name_len);
	out->cgroup_count++;
	return 0;
}

static int open_cgroups(const struct cgroup *cg, bool readonly, struct mount_sources *out, struct err *e)
{
	cleanup_buf struct buf text = {0};
	int rc = cgroup_describe(cg, &text);
	out->unified = cgroup_layout(cg) == CGROUP_V2;
	for (char *line = text.data; !rc && line && *line;) {
		char *end = line + strcspn(line, "\n");
		char *colon = memchr(line, ':', (size_t)(end - line));
		bool more = *end;
		*end = 0;
		if (colon)
			rc = add_cgroup(out, line, (size_t)(colon - line), colon + 1, readonly, e);
		line = more ? end + 1 : end;
	}
	return rc;
}

static int open_one(const struct spec *s, size_t i, int bundlefd, const struct cgroup *cg,
		    struct mount_sources *out, struct err *e)
{
	struct mount_options o;
	const struct spec_mount *m = &s->mounts[i];
	int rc = mount_options_parse(m, &o, e);
	if (!rc && !o.remount && o.bind)
		rc = open_bind(s, m, &o, bundlefd, &out->binds[i], e);
	else if (!rc && !o.remount && (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2")) && cg &&
		 !out->cgroup_count)
		rc = open_cgroups(cg, (o.set & MOUNT_ATTR_RDONLY) != 0, out, e);
	mount_options_free(&o);
	return rc;
}

int mount_open_sources(const struct spec *s, int bundlefd, const struct cgroup *cg, struct mount_sources *out,
		       struct err *e)
{
	*out = (struct mount_sources){.root.fd = -1, .bind_count = s->mount_count};
	out->binds = xcalloc(s->mount_count + 1, sizeof(*out->binds));
	for (size_t i = 0; i < s->mount_count; i++)
		out->binds[i].fd = -1;
	int rc = open_root(s, bundlefd, out, e);
	for (size_t i = 0; !rc && i < s->mount_count; i++)
		rc = open_one(s, i, bundlefd, cg, out, e);
	return rc;
}

void mount_close_sources(struct mount_sources *src)
{
	cleanup_close_p(&src->root.fd);
	for (size_t i = 0; i < src->bind_count; i++)
		cleanup_close_p(&src->binds[i].fd);
	for (size_t i = 0; i < src->cgroup_count; i++)
		cleanup_close_p(&src->cgroups[i].fd);
	free(src->binds);
	*src = (struct mount_sources){.root.fd = -1};
}
