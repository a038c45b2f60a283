// SPDX-License-Identifier: Apache-2.0
// Files: whole reads with a limit, whole writes, state files that are replaced atomically, directories. Needs
// libc only.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "file.h"

int file_read_fd(int fd, size_t max, char **out, size_t *len)
{
	size_t cap =
	    max < 4095 ? max + 1 : 4096; // one more than is kept tells a full file from one that is too long
	size_t used = 0;
	cleanup_free char *data = xmalloc(cap + 1);

	for (;;) {
		if (used == cap) {
			cap = cap > max / 2 ? max + 1 : cap * 2;
			data = xrealloc(data, cap + 1);
		}
		ssize_t n = read(fd, data + used, cap - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max)
			return -EFBIG;
	}
	data[used] = '\0';
	*out = take_ptr(data);
	if (len)
		*len = used;
	return 0;
}

int file_read(int dirfd, const char *path, size_t max, char **out, size_t *len, struct err *e)
{
	struct stat st;

	// O_NONBLOCK: a FIFO in the place of the file must not hold us up.
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, -errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s is not a regular file", path);
	int rc = file_read_fd(fd, max, out, len);
	if (rc == -EFBIG)
		return err_set(e, rc, "%s is larger than %zu bytes", path, max);
	if (rc < 0)
		return err_sys(e, rc, "read %s", path);
	return 0;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

// A new file with a name that nobody can foresee, `.tmp-` and 16 hexadecimal digits.
static int open_temporary(int dirfd, char name[32])
{
	for (int tries = 0; tries < 16; tries++) {
		uint64_t random;
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -errno;
		snprintf(name, 32, ".tmp-%016llx", (unsigned long long)random);
		int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int fill_and_rename(int dirfd, int fd, const char *temporary, const char *name, const void *data,
			   size_t len, mode_t mode, enum file_sync sync)
{
	int rc = file_write_all(fd, data, len);

	if (rc < 0)
		return rc;
	if (fchmod(fd, mode) < 0)
		return -errno;
	if (sync == FILE_SYNC && fsync(fd) < 0)
		return -errno;
	if (renameat(dirfd, temporary, dirfd, name) < 0)
		return -errno;
	if (sync == FILE_SYNC && fsync(dirfd) < 0)
		return -errno;
	return 0;
}

// The directory that holds path, and its last component. fd is -1 when dirfd itself is the directory.
static int open_parent(int dirfd, const char *path, const char **base, int *fd)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	*fd = -1;
	*base = slash ? slash + 1 : path;
	if (!**base)
		return -EINVAL;
	if (!slash && dirfd != AT_FDCWD)
		return 0;
	size_t n = slash ? (size_t)(slash - path) : 0;
	if (n >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, n);
	parent[n] = '\0';
	*fd = openat(dirfd, slash ? (n ? parent : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

int file_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode, enum file_sync sync,
		 struct err *e)
{
	cleanup_close int parent = -1;
	const char *base;
	char temporary[32];

	int rc = open_parent(dirfd, name, &base, &parent);
	if (rc < 0)
		return err_sys(e, rc, "open the directory of %s", name);
	int dir = parent >= 0 ? parent : dirfd;
	cleanup_close int fd = open_temporary(dir, temporary);
	if (fd < 0)
		return err_sys(e, fd, "create a temporary file beside %s", name);
	rc = fill_and_rename(dir, fd, temporary, base, data, len, mode, sync);
	if (rc < 0) {
		unlinkat(dir, temporary, 0); // absent already when only the last fsync failed
		return err_sys(e, rc, "write %s", name);
	}
	return 0;
}

// One component: opened, or made with exactly this mode. Returns a descriptor.
static int enter_or_make(int dirfd, const char *name, mode_t mode)
{
	bool made = mkdirat(dirfd, name, 0700) == 0;

	if (!made && errno != EEXIST)
		return -errno;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (made ? O_NOFOLLOW : 0));
	if (fd < 0 && !made && errno == EACCES) // may be passed through, though not listed
		fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (made && fchmod(fd, mode) < 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int file_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char component[NAME_MAX + 1];

	if (!*path)
		return err_set(e, -EINVAL, "make directory: the path is empty");
	cleanup_close int dir = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "make directory %s", path);
	for (const char *p = path + strspn(path, "/"); *p;) {
		size_t n = strcspn(p, "/");
		if (n > NAME_MAX)
			return err_sys(e, -ENAMETOOLONG, "make directory %s", path);
		memcpy(component, p, n);
		component[n] = '\0';
		p += n;
		p += strspn(p, "/");
		int next = enter_or_make(dir, component, *p ? 0755 : mode);
		if (next < 0)
			return err_sys(e, next, "make directory %s", path);
		close(dir);
		dir = next;
	}
	return 0;
}

int file_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)
		return -errno;
	return 0;
}
