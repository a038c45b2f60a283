// SPDX-License-Identifier: Apache-2.0
// console-socket of runc: a stream socket on which one message with one descriptor comes. The runtime has
// sent it before it ends, so it is looked for then and the loop has nothing to watch.
#include "joblet-shim/console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "joblet-shim/sockets.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

static int listen_fd = -1, dir_fd = -1;
static char name[32], path_for_runtime[PATH_MAX];
static const char *dir;

int console_open(const struct options *o, const char **path, struct err *e)
{
	dir = o->bundle ? o->bundle : ".";
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_sys(e, -errno, "%.300s", dir);
	snprintf(name, sizeof(name), "console-%d.sock", getpid()); // executions may share a directory
	listen_fd = sockets_open(dir, name, SOCK_STREAM, 0600, e);
	if (listen_fd < 0)
		return listen_fd;
	int n = snprintf(path_for_runtime, sizeof(path_for_runtime), "%s/%s", dir, name);
	if (n >= (int)sizeof(((struct sockaddr_un *)0)->sun_path)) // then by our own descriptor
		snprintf(path_for_runtime, sizeof(path_for_runtime), "/proc/%d/fd/%d/%s", getpid(), dir_fd,
			 name);
	*path = path_for_runtime;
	return 0;
}

int console_receive(struct err *e)
{
	char data[PATH_MAX]; // the terminal's name, which nobody needs
	int fds[1];
	size_t count = 1;
	struct termios t;
	cleanup_close int peer = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return err_set(e, -ENOENT, "the runtime did not connect to the console socket");
	ssize_t n = file_recv_fds(peer, data, sizeof(data), fds, &count);
	if (n < 0)
		return err_sys(e, (int)n, "console socket");
	if (count != 1)
		return err_set(e, -ENOENT, "the runtime sent no terminal");
	// runc turns this off; whoever reads the output of a terminal expects it on.
	if (tcgetattr(fds[0], &t) == 0) {
		t.c_oflag |= ONLCR;
		tcsetattr(fds[0], TCSANOW, &t);
	}
	return fds[0];
}

void console_close(void)
{
	if (dir_fd < 0)
		return;
	sockets_remove(dir, name);
	close(dir_fd);
	if (listen_fd >= 0)
		close(listen_fd);
	dir_fd = listen_fd = -1;
}
