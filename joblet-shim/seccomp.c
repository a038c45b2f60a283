// SPDX-License-Identifier: Apache-2.0
// conmon loads shared objects that answer a filter's questions; a static program cannot, and should not run
// strangers' code as root. Here `--seccomp-notify-plugins` names a Unix socket: the message and the
// descriptor that the runtime sent go on to it as they came. Without one each question is logged and refused,
// so that no process of the container waits for ever.
#include "joblet-shim/seccomp.h"

#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "joblet-shim/loop.h"
#include "joblet-shim/sockets.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

#define LISTENERS 8 // filters of one container: its init and what is executed in it

static void socket_ready(struct source *s, uint32_t events);
static void peer_ready(struct source *s, uint32_t events);
static void listener_ready(struct source *s, uint32_t events);

static struct source socket_source = {.fd = -1, .ready = socket_ready};
static struct source peer = {.fd = -1, .ready = peer_ready};
static struct source listeners[LISTENERS];
static const char *receiver; // the socket that decides, or NULL
static char dir[PATH_MAX], name[64];

int seccomp_open(const struct options *o, struct err *e)
{
	char copy[PATH_MAX];
	if (!o->seccomp_socket)
		return 0;
	int n = snprintf(copy, sizeof(copy), "%s", o->seccomp_socket);
	const char *slash = strrchr(copy, '/');
	if (n >= PATH_MAX || !slash || strlen(slash + 1) >= sizeof(name))
		return err_set(e, -EINVAL, "--seccomp-notify-socket: '%.200s' is no usable path", copy);
	memcpy(name, slash + 1, strlen(slash + 1) + 1);
	snprintf(dir, sizeof(dir), "%.*s", slash == copy ? 1 : (int)(slash - copy), copy);
	receiver = o->seccomp_plugins;
	for (size_t i = 0; i < LISTENERS; i++)
		listeners[i] = (struct source){.fd = -1, .ready = listener_ready};
	int fd = sockets_open(dir, name, SOCK_STREAM, 0700, e);
	if (fd < 0)
		return fd;
	socket_source.fd = fd;
	int rc = loop_add(&socket_source, EPOLLIN);
	return rc ? err_sys(e, rc, "seccomp socket") : 0;
}

static void socket_ready(struct source *s, uint32_t events)
{
	(void)events;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	loop_close(&peer); // one at a time: the newest
	peer.fd = fd;
	if (loop_add(&peer, EPOLLIN) < 0)
		loop_close(&peer);
}

static void forward(const char *message, size_t len, const int *fds, size_t n)
{
	cleanup_close int fd = sockets_connect(receiver, SOCK_STREAM);
	int rc = fd < 0 ? fd : file_send_fds(fd, message, len, fds, n);
	if (rc)
		log_error("seccomp: %s does not take the filter's listener: %s", receiver, strerror(-rc));
}

static void keep(int fd)
{
	for (size_t i = 0; i < LISTENERS; i++)
		if (listeners[i].fd < 0) {
			listeners[i].fd = fd;
			if (loop_add(&listeners[i], EPOLLIN) < 0)
				loop_close(&listeners[i]);
			return;
		}
	log_error("seccomp: more than %d filters ask", LISTENERS);
	close(fd);
}

static void peer_ready(struct source *s, uint32_t events)
{
	(void)events;
	static char message[32 << 10]; // the container's state, which the receiver reads
	int fds[FILE_FDS_MAX];
	size_t n = ARRAY_LEN(fds);
	ssize_t len = file_recv_fds(s->fd, message, sizeof(message), fds, &n);
	if (len == -EAGAIN)
		return;
	loop_close(s);
	if (len <= 0)
		return;
	if (receiver && n)
		forward(message, (size_t)len, fds, n);
	for (size_t i = 0; i < n; i++)
		if (receiver || i > 0)
			close(fds[i]);
		else
			keep(fds[i]);
}

// Every question is answered, with the error that conmon gives when no plugin knows one.
static void listener_ready(struct source *s, uint32_t events)
{
	union {
		struct seccomp_notif n;
		char room[256]; // newer kernels may write more
	} ask;
	struct seccomp_notif_sizes sizes;
	struct seccomp_notif_resp answer = {.error = -EOPNOTSUPP};
	memset(&ask, 0, sizeof(ask));
	if (events & (EPOLLHUP | EPOLLERR) || syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0 ||
	    sizes.seccomp_notif > sizeof(ask) || sizes.seccomp_notif_resp > sizeof(answer)) {
		loop_close(s); // whoever still asks is told ENOSYS by the kernel
		return;
	}
	if (ioctl(s->fd, SECCOMP_IOCTL_NOTIF_RECV, &ask.n) < 0)
		return;
	log_warn("seccomp: process %u asks for system call %d: refused", ask.n.pid, ask.n.data.nr);
	answer.id = ask.n.id;
	(void)ioctl(s->fd, SECCOMP_IOCTL_NOTIF_SEND, &answer); // who asked may be gone
}

void seccomp_close(void)
{
	if (socket_source.fd >= 0)
		sockets_remove(dir, name);
	loop_close(&socket_source);
	loop_close(&peer);
	for (size_t i = 0; i < LISTENERS; i++)
		if (listeners[i].ready)
			loop_close(&listeners[i]);
}
