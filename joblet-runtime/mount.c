// SPDX-License-Identifier: Apache-2.0
// Init's half of the mounts: new filesystems, and the trees that the parent opened, put below the new root,
// which is then entered. Runs with the rights of the container's root, before anything of the container runs.
#include "joblet-runtime/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "joblet-runtime/lookup.h"
#include "joblet-runtime/mount_copyup.h"
#include "joblet-runtime/mount_options.h"
#include "lib/base/str.h"

#define CGROUP_DIR    "/sys/fs/cgroup"
#define PROC_ROOT_INO 1

static int attach(int treefd, int targetfd)
{
	return move_mount(treefd, "", targetfd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0
		   ? 0
		   : -errno;
}

int mount_set_readonly(int fd, bool recursive)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) == 0
		   ? 0
		   : -errno;
}

// The kernel says in words what it did not like: lines "e text" that are read from the context.
static int fs_error(int fs, int rc, const struct spec_mount *m, const char *what, struct err *e)
{
	char text[256];
	ssize_t n = fs < 0 ? -1 : read(fs, text, sizeof(text) - 1);
	if (n > 2) {
		text[n] = 0;
		text[strcspn(text, "\n")] = 0;
		return err_sys(e, rc, "mount %s: %s: %s", m->destination, what, text + 2);
	}
	return err_sys(e, rc, "mount %s: %s", m->destination, what);
}

static int set_option(int fs, const char *option)
{
	char key[256];
	const char *equals = strchr(option, '=');
	size_t len = equals ? (size_t)(equals - option) : strlen(option);
	if (len >= sizeof(key))
		return -EINVAL;
	memcpy(key, option, len);
	key[len] = 0;
	int rc = equals ? fsconfig(fs, FSCONFIG_SET_STRING, key, equals + 1, 0)
			: fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	return rc == 0 ? 0 : -errno;
}

static int try_filesystem(const struct spec_mount *m, const char *type, const struct mount_options *o,
			  bool without_gid, struct err *e)
{
	cleanup_close int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_sys(e, -errno, "mount %s: filesystem %.64s", m->destination, type);
	if (m->source && *m->source && fsconfig(fs, FSCONFIG_SET_STRING, "source", m->source, 0) != 0)
		return fs_error(fs, -errno, m, "source", e);
	for (size_t i = 0; i < o->data_count; i++) {
		if (without_gid && str_starts(o->data[i], "gid="))
			continue;
		int rc = set_option(fs, o->data[i]);
		if (rc)
			return fs_error(fs, rc, m, o->data[i], e);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return fs_error(fs, -errno, m, type, e);
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)(o->set | o->rec_set));
	return fd < 0 ? fs_error(fs, -errno, m, type, e) : fd;
}

// A new filesystem as a detached mount: its descriptor or -errno. Terminals belong to a group, tty, that
// every engine asks for; where the user namespace has no such group, they belong to none.
static int make_filesystem(const struct spec_mount *m, const char *type, const struct mount_options *o,
			   struct err *e)
{
	int fd = try_filesystem(m, type, o, false, e);
	return fd == -EINVAL && str_eq(type, "devpts") ? try_filesystem(m, type, o, true, e) : fd;
}

static int propagate(int fd, const struct mount_options *o, const struct spec_mount *m, struct err *e)
{
	struct mount_attr attr = {.propagation = o->propagation};
	if (!o->propagation)
		return 0;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (o->propagation_recursive ? AT_RECURSIVE : 0), &attr,
			  sizeof(attr)) != 0)
		return err_sys(e, -errno, "mount %s: propagation", m->destination);
	return 0;
}

// A link of the image may lead to the root itself: what is mounted there nobody would see.
static bool is_same_place(int a, int b)
{
	struct statx x, y;
	return statx(a, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &x) == 0 &&
	       statx(b, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &y) == 0 && x.stx_ino == y.stx_ino &&
	       x.stx_mnt_id == y.stx_mnt_id;
}

static int target(int rootfd, const struct spec_mount *m, enum lookup_kind kind, struct err *e)
{
	cleanup_close int fd = lookup_make(rootfd, m->destination, kind);
	if (fd < 0)
		return err_sys(e, fd, "mount %s: cannot open or make the mount point", m->destination);
	if (is_same_place(rootfd, fd))
		return err_set(e, -EINVAL, "mount %s: the mount point is the root of the container",
			       m->destination);
	if (!str_eq(m->type, "proc") && !str_eq(m->type, "sysfs"))
		return take_fd(fd);
	// What the runtime and programs read and write there must not be somewhere else.
	int plain = lookup_plain(rootfd, m->destination, O_PATH);
	return plain < 0 ? err_sys(e, plain, "mount %s: %s belongs on an ordinary directory", m->destination,
				   m->type)
			 : plain;
}

static int mount_bind(int rootfd, const struct spec_mount *m, const struct mount_tree *tree, struct err *e)
{
	cleanup_close int at = target(rootfd, m, tree->is_dir ? LOOKUP_DIR : LOOKUP_FILE, e);
	if (at < 0)
		return at;
	int rc = attach(tree->fd, at);
	return rc ? err_sys(e, rc, "mount %s", m->destination) : 0;
}

static int mount_again(int rootfd, const struct spec_mount *m, const struct mount_options *o, struct err *e)
{
	struct mount_attr attr = {.attr_set = o->set, .attr_clr = o->clear};
	cleanup_close int at = lookup_in_root(rootfd, m->destination, O_PATH);
	if (at < 0)
		return err_sys(e, at, "mount %s", m->destination);
	if (mount_setattr(at, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0)
		return err_sys(e, -errno, "mount %s: remount", m->destination);
	return propagate(at, o, m, e);
}

static bool is_given(const struct mount_options *o, const char *key)
{
	for (size_t i = 0; i < o->data_count; i++)
		if (strncmp(o->data[i], key, strlen(key)) == 0)
			return true;
	return false;
}

// What the options say of the tmpfs itself stands, the rest is the mount point's.
static int copy_up(int at, int fd, const struct mount_options *o, struct err *e)
{
	if (!o->tmpcopyup)
		return 0;
	return mount_copyup(at, fd, !is_given(o, "uid=") && !is_given(o, "gid="), !is_given(o, "mode="), e);
}

static int mount_new(int rootfd, const struct spec_mount *m, const char *type, const struct mount_options *o,
		     int *out, struct err *e)
{
	struct mount_options first = *o;
	if (o->tmpcopyup)
		first.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	cleanup_close int fd = make_filesystem(m, type, &first, e);
	if (fd < 0)
		return fd;
	cleanup_close int at = target(rootfd, m, LOOKUP_DIR, e);
	if (at < 0)
		return at;
	int rc = copy_up(at, fd, o, e);
	if (rc)
		return err_wrap(e, rc, "mount %s", m->destination);
	if (first.set != o->set)
		rc = mount_set_readonly(fd, false);
	if (rc || (rc = attach(fd, at)))
		return err_sys(e, rc, "mount %s", m->destination);
	if ((rc = propagate(fd, o, m, e)))
		return rc;
	if (out)
		*out = take_fd(fd);
	return 0;
}

// The caller's own tree, seen from the old root, with all below it.
static int mount_callers(int rootfd, const struct spec_mount *m, const char *path,
			 const struct mount_options *o, uint64_t more, struct err *e)
{
	struct mount_attr attr = {
	    .attr_set = (o->set & ~(uint64_t)MOUNT_ATTR__ATIME) | o->rec_set | more | MOUNT_ATTR_NOSUID |
			MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	    .propagation = MS_PRIVATE,
	};
	cleanup_close int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) != 0)
		return err_sys(e, -errno, "mount %s: binding %s", m->destination, path);
	return mount_bind(rootfd, m, &(struct mount_tree){fd, true}, e);
}

// Filesystems that show a namespace can be made by that namespace's owner only. A container without rights on
// the host that shares one with its caller gets what the caller sees.
static const char *shared_filesystem(const struct spec *s, const char *type)
{
	static const struct {
		const char *type, *path;
		uint64_t flag;
	} shared[] = {{"sysfs", "/sys", CLONE_NEWNET},
		      {"mqueue", "/dev/mqueue", CLONE_NEWIPC},
		      {"proc", "/proc", CLONE_NEWPID}};
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (str_eq(type, shared[i].type) && !spec_namespace(s, shared[i].flag))
			return shared[i].path;
	return NULL;
}

// The container has no cgroup of its own: what it sees is the caller's, and nothing that it could change.
static int mount_callers_cgroups(const struct spec *s, int rootfd, const struct spec_mount *m,
				 const struct mount_options *o, struct err *e)
{
	struct statfs fs;
	if (spec_has_new(s, CLONE_NEWCGROUP) && statfs(CGROUP_DIR, &fs) == 0 &&
	    (long)fs.f_type == CGROUP2_SUPER_MAGIC) {
		struct mount_options plain = {.set = o->set | o->rec_set | MOUNT_ATTR_RDONLY};
		int rc = mount_new(rootfd, m, "cgroup2", &plain, NULL, e);
		if (rc != -EPERM)
			return rc;
	}
	return mount_callers(rootfd, m, CGROUP_DIR, o, MOUNT_ATTR_RDONLY, e);
}

// `cpu,cpuacct` is also known as `cpu` and as `cpuacct`.
static int link_controllers(int dirfd, const char *name)
{
	if (!strchr(name, ','))
		return 0;
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, ",");
		cleanup_free char *one = xstrndup(p, len);
		if (symlinkat(name, dirfd, one) != 0)
			return -errno;
		p += len + (p[len] == ',');
	}
	return 0;
}

// The container's own cgroups, whatever layout the host has: with v2 the tree itself, else a tmpfs with one
// directory a hierarchy.
static int mount_cgroups(int rootfd, const struct spec_mount *m, const struct mount_options *o,
			 const struct mount_sources *src, struct err *e)
{
	struct mount_options tmpfs = {.data = (const char *[]){"mode=755"}, .data_count = 1};
	cleanup_close int dir = -1;
	int rc;
	if (src->unified && src->cgroup_count)
		return mount_bind(rootfd, m, &(struct mount_tree){src->cgroups[0].fd, true}, e);
	tmpfs.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	if ((rc = mount_new(rootfd, m, "tmpfs", &tmpfs, &dir, e)))
		return rc;
	for (size_t i = 0; i < src->cgroup_count; i++) {
		const char *name = *src->cgroups[i].name ? src->cgroups[i].name : "unified";
		cleanup_close int at = lookup_make(dir, name, LOOKUP_DIR);
		rc = at < 0 ? at : attach(src->cgroups[i].fd, at);
		if (!rc)
			rc = link_controllers(dir, name);
		if (rc)
			return err_sys(e, rc, "mount %s: %s", m->destination, name);
	}
	rc = o->set & MOUNT_ATTR_RDONLY ? mount_set_readonly(dir, false) : 0;
	return rc ? err_sys(e, rc, "mount %s", m->destination) : 0;
}

static int mount_one(const struct spec *s, size_t i, const struct mount_sources *src,
		     const struct mount_options *o, int *procfd, struct err *e)
{
	const struct spec_mount *m = &s->mounts[i];
	int rootfd = src->root.fd;
	if (o->remount)
		return mount_again(rootfd, m, o, e);
	if (o->bind)
		return mount_bind(rootfd, m, &src->binds[i], e);
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
		return src->cgroup_count ? mount_cgroups(rootfd, m, o, src, e)
					 : mount_callers_cgroups(s, rootfd, m, o, e);
	int rc = mount_new(rootfd, m, m->type, o, str_eq(m->type, "proc") && *procfd < 0 ? procfd : NULL, e);
	const char *path = rc == -EPERM ? shared_filesystem(s, m->type) : NULL;
	return path ? mount_callers(rootfd, m, path, o, 0, e) : rc;
}

// The caller's procfs, which is the container's where the processes are shared; nothing lies on its root.
static int callers_proc(int *procfd, struct err *e)
{
	struct statfs fs;
	struct stat st;
	cleanup_close int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) != 0 || fstat(fd, &st) != 0)
		return err_sys(e, -errno, "cannot open /proc");
	if ((long)fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INO)
		return err_set(e, -ENODEV, "/proc is not a procfs");
	*procfd = take_fd(fd);
	return 0;
}

static int private_proc(const struct spec *s, int *procfd, struct err *e)
{
	static const struct spec_mount proc = {.destination = "(private)", .source = "proc"};
	struct mount_options none = {0};
	int fd = make_filesystem(&proc, "proc", &none, e);
	if (fd == -EPERM && shared_filesystem(s, "proc"))
		return callers_proc(procfd, e);
	if (fd < 0)
		return fd;
	*procfd = fd;
	return 0;
}

int mount_all(const struct spec *s, const struct mount_sources *src, int *procfd, struct err *e)
{
	int rc;
	struct mount_attr private = {.propagation = MS_PRIVATE};
	// A new user namespace made everything a slave already: nothing leaves it.
	if (!spec_has_new(s, CLONE_NEWUSER) &&
	    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)) != 0)
		return err_sys(e, -errno, "cannot cut the mounts off from the host's");
	// On top of the old root: no path of the host needs to be reachable for the container's root.
	if (move_mount(src->root.fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0)
		return err_sys(e, -errno, "cannot attach the root");
	for (size_t i = 0; i < s->mount_count; i++) {
		struct mount_options o;
		if (!(rc = mount_options_parse(&s->mounts[i], &o, e)))
			rc = mount_one(s, i, src, &o, procfd, e);
		mount_options_free(&o);
		if (rc)
			return rc;
	}
	return *procfd < 0 ? private_proc(s, procfd, e) : 0;
}

int mount_file_at(int treefd, int dirfd, const char *name)
{
	cleanup_close int at = lookup_make(dirfd, name, LOOKUP_FILE);
	return at < 0 ? at : attach(treefd, at);
}

static int mask_file(int at)
{
	struct stat st;
	cleanup_close int null = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (null < 0 || fstat(null, &st) != 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return -ENODEV;
	return attach(null, at);
}

// All masked directories show one empty read-only tmpfs: *maskfd, attached at the first.
static int mask_dir(int at, int *maskfd)
{
	if (*maskfd >= 0) {
		cleanup_close int copy =
		    open_tree(*maskfd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		return copy < 0 ? -errno : attach(copy, at);
	}
	cleanup_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "2", 0) != 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return -errno;
	*maskfd = fsmount(fs, FSMOUNT_CLOEXEC,
			  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return *maskfd < 0 ? -errno : attach(*maskfd, at);
}

int mount_mask(const struct spec *s, int rootfd, struct err *e)
{
	cleanup_close int maskfd = -1;
	for (size_t i = 0; i < s->masked_count; i++) {
		struct stat st;
		cleanup_close int at = lookup_in_root(rootfd, s->masked_paths[i], O_PATH);
		if (at == -ENOENT || at == -ENOTDIR)
			continue;
		int rc = at < 0		       ? at
			 : fstat(at, &st) != 0 ? -errno
			 : S_ISDIR(st.st_mode) ? mask_dir(at, &maskfd)
					       : mask_file(at);
		if (rc)
			return err_sys(e, rc, "cannot mask %s", s->masked_paths[i]);
	}
	return 0;
}

static int readonly_one(int at)
{
	cleanup_close int tree =
	    open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return -errno;
	int rc = mount_set_readonly(tree, true);
	return rc ? rc : attach(tree, at);
}

int mount_readonly(const struct spec *s, int rootfd, struct err *e)
{
	for (size_t i = 0; i < s->readonly_count; i++) {
		cleanup_close int at = lookup_in_root(rootfd, s->readonly_paths[i], O_PATH);
		if (at == -ENOENT || at == -ENOTDIR)
			continue;
		int rc = at < 0 ? at : readonly_one(at);
		if (rc)
			return err_sys(e, rc, "cannot make %s read-only", s->readonly_paths[i]);
	}
	return 0;
}

int mount_pivot(const struct spec *s, int rootfd, struct err *e)
{
	uint64_t propagation;
	bool recursive;
	if (fchdir(rootfd) != 0)
		return err_sys(e, -errno, "cannot enter the root");
	// The old root ends up on top of the new one, and is taken off with everything on it. pivot_root(2).
	if (syscall(SYS_pivot_root, ".", ".") != 0)
		return err_sys(e, -errno, "cannot change the root");
	if (umount2(".", MNT_DETACH) != 0)
		return err_sys(e, -errno, "cannot detach the old root");
	if (chdir("/") != 0)
		return err_sys(e, -errno, "cannot enter the new root");
	if (!s->rootfs_propagation || !*s->rootfs_propagation)
		return 0;
	int rc = mount_propagation(s->rootfs_propagation, &propagation, &recursive);
	struct mount_attr attr = {.propagation = rc ? 0 : propagation};
	if (!rc && mount_setattr(AT_FDCWD, "/", recursive ? AT_RECURSIVE : 0, &attr, sizeof(attr)) != 0)
		rc = -errno;
	return rc ? err_sys(e, rc, "cannot set linux.rootfsPropagation") : 0;
}
