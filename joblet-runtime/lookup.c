// SPDX-License-Identifier: Apache-2.0
// Lookups below a root. No path string from config.json goes to the kernel in any other way.
#include "joblet-runtime/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define TRIES 128 // EAGAIN: something was renamed below the root while ".." was walked

static int open2(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .resolve = resolve};
	for (int i = 0; i < TRIES; i++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int lookup_in_root(int rootfd, const char *path, int flags)
{
	return open2(rootfd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int lookup_plain(int rootfd, const char *path, int flags)
{
	return open2(rootfd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int lookup_beneath(int dirfd, const char *path, int flags)
{
	return open2(dirfd, path, flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

static int make_last(int parent, const char *name, enum lookup_kind kind)
{
	if (kind == LOOKUP_DIR)
		return mkdirat(parent, name, 0755) == 0 || errno == EEXIST ? 0 : -errno;
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	close(fd);
	return 0;
}

// Opens the prefix of path that ends at end, making its last component below parent when it is missing.
static int step(int rootfd, int parent, char *path, char *end, enum lookup_kind kind)
{
	char saved = *end;
	*end = 0;
	int fd = lookup_in_root(rootfd, path, O_PATH);
	if (fd == -ENOENT) {
		const char *slash = strrchr(path, '/');
		const char *name = slash ? slash + 1 : path;
		int rc = strcmp(name, "..") == 0 ? -ENOENT : make_last(parent, name, kind);
		fd = rc ? rc : lookup_in_root(rootfd, path, O_PATH);
	}
	*end = saved;
	return fd;
}

int lookup_make(int rootfd, const char *path, enum lookup_kind kind)
{
	int fd = lookup_in_root(rootfd, path, O_PATH);
	if (fd != -ENOENT)
		return fd;
	cleanup_free char *copy = xstrdup(path);
	cleanup_close int parent = -1;
	char *p = copy;
	for (;;) {
		p += strspn(p, "/");
		char *end = p + strcspn(p, "/");
		bool last = end[strspn(end, "/")] == 0;
		int next = step(rootfd, parent < 0 ? rootfd : parent, copy, end, last ? kind : LOOKUP_DIR);
		if (next < 0 || last)
			return next;
		if (parent >= 0)
			close(parent);
		parent = next;
		p = end;
	}
}
