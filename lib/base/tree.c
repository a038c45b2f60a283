// SPDX-License-Identifier: Apache-2.0
// Removal of a tree that a job may have written: no symbolic link is followed, no mount is entered, and
// neither depth nor names can exhaust descriptors, stack or path length.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "file.h"

// Directories deeper than this are moved up to the top of the tree and removed from there.
#define TREE_DEPTH_MAX 48

struct tree {
	int top; // borrowed
	unsigned long hoisted;
	int first_error;
};

static int open_dir(int dirfd, const char *name)
{
	struct open_how how = {
	    .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	    .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR)); // somebody renames meanwhile: openat2(2)
	return fd < 0 ? -errno : (int)fd;
}

// Under a name that is free there. The rename is the whole work, so a tree of any depth costs one visit a
// directory.
static int hoist(struct tree *t, int dirfd, const char *name)
{
	char to[40];

	for (;;) {
		snprintf(to, sizeof(to), ".removed-%lu", ++t->hoisted);
		if (renameat2(dirfd, name, t->top, to, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
}

static void note(struct tree *t, int rc)
{
	if (rc < 0 && rc != -ENOENT && !t->first_error)
		t->first_error = rc;
}

static int remove_entry(struct tree *t, int dirfd, const char *name, unsigned depth);

// Goes on past an entry that cannot be removed: what can go, goes.
static int empty_dir(struct tree *t, int fd, unsigned depth)
{
	cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	cleanup_closedir DIR *d = fdopendir(copy);
	if (!d)
		return -errno;
	take_fd(copy);
	rewinddir(d); // the copy shares its position with fd, which may have been read before
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(d);
		if (!entry)
			return -errno;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		note(t, remove_entry(t, fd, entry->d_name, depth));
	}
}

static int remove_entry(struct tree *t, int dirfd, const char *name, unsigned depth)
{
	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	// unlink(2) of a directory: EISDIR on Linux, EPERM by POSIX
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	int unlink_error = -errno;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == ENOTDIR)
		return unlink_error;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (depth >= TREE_DEPTH_MAX)
		return hoist(t, dirfd, name);
	cleanup_close int fd = open_dir(dirfd, name);
	if (fd < 0)
		return fd;
	int rc = empty_dir(t, fd, depth + 1);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		// what was put there in the meantime is looked after by the next round at the top
		return rc < 0 ? rc : -errno;
	return 0;
}

int file_remove_tree(int dirfd, const char *name, struct err *e)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, -errno, "remove %s", name);
	cleanup_close int top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "remove %s", name);
	struct statx stx;
	if (statx(top, "", AT_EMPTY_PATH, 0, &stx) < 0)
		return err_sys(e, -errno, "remove %s", name);
	if (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return err_set(e, -EBUSY, "remove %s: it is a mount point", name);
	struct tree t = {.top = top};
	unsigned long before;
	do { // again for as long as something was moved up here, where this reading may have missed it
		before = t.hoisted;
		t.first_error = 0;
		note(&t, empty_dir(&t, top, 0));
	} while (t.hoisted != before);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, t.first_error ? t.first_error : -errno, "remove %s", name);
	return 0;
}
