// SPDX-License-Identifier: Apache-2.0
// socket(2), bind(2) and connect(2) for Unix sockets, once.
#include "joblet-shim/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BACKLOG 64

int sockets_open(const char *dir, const char *name, int type, mode_t mode, struct err *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_sys(e, -errno, "%.300s", dir);
	if (unlinkat(at, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "%.300s/%.60s", dir, name);
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", at, name);
	if (n >= (int)sizeof(addr.sun_path))
		return err_set(e, -ENAMETOOLONG, "socket %.300s/%.60s: name too long", dir, name);
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	// The mode before the name: nobody connects in between. The umask would take its part of it.
	if (fd < 0 || fchmod(fd, mode) < 0 || bind(fd, (void *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(at, name, mode, 0) < 0 || (type != SOCK_DGRAM && listen(fd, BACKLOG) < 0))
		return err_sys(e, -errno, "socket %.300s/%.60s", dir, name);
	return take_fd(fd);
}

void sockets_remove(const char *dir, const char *name)
{
	cleanup_close int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at >= 0)
		unlinkat(at, name, 0);
}

int sockets_connect(const char *path, int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] != '@'));
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (void *)&addr, size) < 0)
		return -errno;
	return take_fd(fd);
}
