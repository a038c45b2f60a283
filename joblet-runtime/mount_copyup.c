// SPDX-License-Identifier: Apache-2.0
// Copies a tree by descriptors. What is copied is the image's and may be of any shape; it is copied as the
// container's root.
#include "joblet-runtime/mount_copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "joblet-runtime/lookup.h"
#include "lib/base/str.h"

#define DEPTH_MAX 64 // each level holds two descriptors

static int copy_dir(int from, int to, unsigned depth, struct err *e);

// Ids that the container's user namespace does not map cannot be given.
static int give(int dirfd, const char *name, const struct stat *st)
{
	return fchownat(dirfd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 ||
		       errno == EINVAL || errno == EPERM
		   ? 0
		   : -errno;
}

static int finish(int dirfd, const char *name, const struct stat *st)
{
	struct timespec times[] = {st->st_atim, st->st_mtim};
	int rc = give(dirfd, name, st);
	if (rc)
		return rc;
	// After the owner, whose change takes the set-id bits away; a link has no mode.
	if (!S_ISLNK(st->st_mode) && fchmodat(dirfd, name, st->st_mode & 07777, 0) != 0)
		return -errno;
	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return -errno;
	cleanup_close int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	for (off_t left = st->st_size; left > 0;) {
		ssize_t n = sendfile(out, in, NULL, (size_t)left);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		left -= n;
	}
	return 0;
}

static int copy_link(int from, int to, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, to, name) == 0 ? 0 : -errno;
}

static int copy_subdir(int from, int to, const char *name, unsigned depth, struct err *e)
{
	cleanup_close int in = lookup_beneath(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (in == -EXDEV) // something is mounted there
		return mkdirat(to, name, 0700) == 0 ? 0 : -errno;
	if (in < 0)
		return in;
	if (mkdirat(to, name, 0700) != 0)
		return -errno;
	cleanup_close int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return out < 0 ? -errno : copy_dir(in, out, depth + 1, e);
}

static int copy_one(int from, int to, const char *name, unsigned depth, struct err *e)
{
	struct stat st;
	int rc;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		rc = copy_subdir(from, to, name, depth, e);
	else if (S_ISREG(st.st_mode))
		rc = copy_file(from, to, name, &st);
	else if (S_ISLNK(st.st_mode))
		rc = copy_link(from, to, name);
	else
		rc = mknodat(to, name, st.st_mode & (S_IFMT | 0700), st.st_rdev) == 0 ? 0 : -errno;
	return rc ? rc : finish(to, name, &st);
}

static int copy_dir(int from, int to, unsigned depth, struct err *e)
{
	int copy = depth > DEPTH_MAX ? -ELOOP : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return err_sys(e, copy == -1 ? -errno : copy, "tmpcopyup");
	cleanup_closedir DIR *d = fdopendir(copy);
	if (!d) {
		close(copy);
		return -errno;
	}
	for (struct dirent *it; (it = readdir(d));) {
		if (str_eq(it->d_name, ".") || str_eq(it->d_name, ".."))
			continue;
		int rc = copy_one(from, to, it->d_name, depth, e);
		if (rc)
			return e->msg[0] ? rc : err_sys(e, rc, "tmpcopyup: %.128s", it->d_name);
	}
	return 0;
}

int mount_copyup(int from, int to, bool owner, bool mode, struct err *e)
{
	struct stat st;
	int rc = copy_dir(from, to, 0, e);
	if (rc)
		return rc;
	if (fstat(from, &st) != 0 || (owner && (rc = give(to, "", &st))) ||
	    (mode && fchmodat(to, ".", st.st_mode & 07777, 0) != 0))
		return err_sys(e, rc ? rc : -errno, "tmpcopyup");
	return 0;
}
