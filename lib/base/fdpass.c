// SPDX-License-Identifier: Apache-2.0
// Descriptors over a Unix socket (SCM_RIGHTS, unix(7)). Needs libc only.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "file.h"
#include "str.h"

union control {
	struct cmsghdr align;
	char data[CMSG_SPACE(FILE_FDS_MAX * sizeof(int))];
};

int file_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (str_copy(a.sun_path, sizeof(a.sun_path), path) != 0)
		return -ENAMETOOLONG;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		return -errno;
	return take_fd(fd);
}

// The rest of a stream message whose first part, with the descriptors, has gone: half a message must not stay
// behind.
static int send_rest(int sock, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(sock, data, len, MSG_NOSIGNAL);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EAGAIN) {
			struct pollfd p = {.fd = sock, .events = POLLOUT};
			if (poll(&p, 1, -1) < 0 && errno != EINTR)
				return -errno;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int file_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control;
	ssize_t sent;

	if (len == 0 || n > FILE_FDS_MAX)
		return -EINVAL;
	if (n) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.data;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		// analyzed: control has room for a header
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	do {
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return send_rest(sock, (const char *)data + sent, len - (size_t)sent);
}

// Takes every descriptor of the message into fds, as far as there is room, and closes the others. Returns how
// many there were.
static size_t collect(struct msghdr *msg, int *fds, size_t room)
{
	size_t total = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++, total++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (total < room)
				fds[total] = fd;
			else
				close(fd);
		}
	}
	return total;
}

ssize_t file_recv_fds(int sock, void *data, size_t size, int *fds, size_t *n)
{
	struct iovec iov = {.iov_base = data, .iov_len = size};
	union control control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.data,
			     .msg_controllen = sizeof(control.data)};
	size_t room = *n;
	ssize_t got;

	*n = 0;
	if (room > FILE_FDS_MAX)
		return -EINVAL;
	do {
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	size_t total = collect(&msg, fds, room);
	if (total > room || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < total && i < room; i++)
			close(fds[i]);
		return -EMSGSIZE;
	}
	*n = total;
	return got;
}
