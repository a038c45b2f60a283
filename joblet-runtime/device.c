// SPDX-License-Identifier: Apache-2.0
// Device nodes of the container.
#include "joblet-runtime/device.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "joblet-runtime/lookup.h"
#include "joblet-runtime/mount.h"
#include "joblet-runtime/spec_read.h"
#include "lib/base/str.h"

static const struct spec_device defaults[] = {
    {"/dev/null", 'c', 1, 3, 0666, 0, 0},   {"/dev/zero", 'c', 1, 5, 0666, 0, 0},
    {"/dev/full", 'c', 1, 7, 0666, 0, 0},   {"/dev/tty", 'c', 5, 0, 0666, 0, 0},
    {"/dev/random", 'c', 1, 8, 0666, 0, 0}, {"/dev/urandom", 'c', 1, 9, 0666, 0, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
    {"fd", "/proc/self/fd"},	   {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

static mode_t type_mode(char type)
{
	return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

static bool is_node(const struct stat *st, const struct spec_device *d)
{
	return (st->st_mode & S_IFMT) == type_mode(d->type) &&
	       (d->type == 'p' || st->st_rdev == makedev((unsigned)d->major, (unsigned)d->minor));
}

static int make_node(int dirfd, const char *name, const struct spec_device *d)
{
	struct stat st;
	if (mknodat(dirfd, name, type_mode(d->type) | d->mode,
		    makedev((unsigned)d->major, (unsigned)d->minor)) != 0) {
		if (errno != EEXIST)
			return -errno;
		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return -errno;
		return is_node(&st, d) ? 0 : -EEXIST;
	}
	if ((d->uid || d->gid) && fchownat(dirfd, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	return 0;
}

// The path is still the host's: the old root has not been left yet.
static int bind_node(int dirfd, const char *name, const struct spec_device *d)
{
	struct stat st;
	cleanup_close int fd = open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	return is_node(&st, d) ? mount_file_at(fd, dirfd, name) : -ENODEV;
}

static int make_in(int rootfd, const struct spec_device *d, bool bind)
{
	const char *slash = strrchr(d->path, '/');
	cleanup_free char *dir = xstrndup(d->path, (size_t)(slash - d->path) + 1);
	cleanup_close int dirfd = lookup_make(rootfd, dir, LOOKUP_DIR);
	if (dirfd < 0)
		return dirfd;
	return bind ? bind_node(dirfd, slash + 1, d) : make_node(dirfd, slash + 1, d);
}

static bool has_bound_dev(const struct spec *s)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		const struct spec_mount *m = &s->mounts[i];
		if (!str_eq(m->destination, "/dev") && !str_eq(m->destination, "/dev/"))
			continue;
		for (size_t k = 0; k < m->option_count; k++)
			if (str_eq(m->options[k], "bind") || str_eq(m->options[k], "rbind"))
				return true;
		return str_eq(m->type, "bind");
	}
	return false;
}

static int make_links(int dev, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		if (symlinkat(links[i].target, dev, links[i].name) == 0 || errno == EEXIST)
			continue;
		return err_sys(e, -errno, "cannot make the link /dev/%s", links[i].name);
	}
	return 0;
}

int device_make_all(const struct spec *s, int rootfd, bool bind, struct err *e)
{
	int rc;
	bind = bind || spec_namespace(s, CLONE_NEWUSER);
	if (has_bound_dev(s))
		return 0;
	cleanup_close int dev = lookup_make(rootfd, "/dev", LOOKUP_DIR);
	if (dev < 0)
		return err_sys(e, dev, "cannot open /dev of the container");
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		const char *name = defaults[i].path + strlen("/dev/");
		rc = bind ? bind_node(dev, name, &defaults[i]) : make_node(dev, name, &defaults[i]);
		if (rc)
			return err_sys(e, rc, "cannot make the device %s", defaults[i].path);
	}
	for (size_t i = 0; i < s->device_count; i++)
		if ((rc = make_in(rootfd, &s->devices[i], bind)))
			return err_sys(e, rc, "cannot make the device %s", s->devices[i].path);
	return make_links(dev, e);
}

// Whether the last rule of the spec that speaks of this device alone, or of all, allows everything already.
static bool is_allowed(const struct spec_resources *r, int64_t major, int64_t minor)
{
	for (size_t i = r->device_count; i-- > 0;) {
		const struct spec_device_rule *d = &r->devices[i];
		if (!d->allow)
			return false;
		if (d->type == 'c' && d->major == major && d->minor == minor && d->read && d->write &&
		    d->mknod)
			return true;
	}
	return false;
}

void device_add_rules(struct spec *s, struct spec_resources *r)
{
	static const int64_t numbers[][2] = {{1, 3}, {1, 5}, {1, 7}, {1, 8},
					     {1, 9}, {5, 0}, {5, 2}, {136, -1}};
	bool mknod = s->process.caps.bounding >> 27 & 1; // CAP_MKNOD: making a node is not using it
	size_t n = 0;
	struct spec_device_rule *v =
	    spec_alloc(s, r->device_count + s->device_count + ARRAY_LEN(numbers) + 3, sizeof(*v));
	if (r->device_count == 0)
		v[n++] = (struct spec_device_rule){false, 'a', -1, -1, true, true, true};
	for (size_t i = 0; i < r->device_count; i++)
		v[n++] = r->devices[i];
	if (mknod) {
		v[n++] = (struct spec_device_rule){true, 'c', -1, -1, false, false, true};
		v[n++] = (struct spec_device_rule){true, 'b', -1, -1, false, false, true};
	}
	// Init makes the nodes that linux.devices names; whether the program may open them is for the rules.
	for (size_t i = 0; i < s->device_count && !mknod; i++)
		if (s->devices[i].type != 'p')
			v[n++] = (struct spec_device_rule){
			    true, s->devices[i].type, s->devices[i].major, s->devices[i].minor, false, false,
			    true};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!is_allowed(r, numbers[i][0], numbers[i][1]))
			v[n++] = (struct spec_device_rule){true, 'c',  numbers[i][0], numbers[i][1],
							   true, true, true};
	r->devices = v;
	r->device_count = n;
}
