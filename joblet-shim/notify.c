// SPDX-License-Identifier: Apache-2.0
// A container is not trusted with its host's service manager: of what it says only that it is ready, and that
// it lives, goes on.
#include "joblet-shim/notify.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "joblet-shim/loop.h"
#include "joblet-shim/sockets.h"
#include "lib/base/log.h"

static void notify_ready(struct source *s, uint32_t events);

static struct source listener = {.fd = -1, .ready = notify_ready};
static const char *host_socket;
static char dir[PATH_MAX];

int notify_open(const struct options *o, struct err *e)
{
	if (!o->sdnotify_socket || !o->bundle)
		return 0;
	host_socket = o->sdnotify_socket;
	snprintf(dir, sizeof(dir), "%s/notify", o->bundle);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "%.300s", dir);
	int fd = sockets_open(dir, "notify.sock", SOCK_DGRAM, 0777, e);
	if (fd < 0)
		return fd;
	loop_close(&listener);
	listener.fd = fd;
	int rc = loop_add(&listener, EPOLLIN);
	return rc ? err_sys(e, rc, "notify socket") : 0;
}

const char *notify_filter(const char *text, size_t n)
{
	static const char *const passed[] = {"READY=1", "WATCHDOG=1"};
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		size_t want = strlen(passed[i]);
		for (const char *p = text, *end = text + n; p < end;) {
			const char *nl = memchr(p, '\n', (size_t)(end - p));
			size_t len = (size_t)((nl ? nl : end) - p);
			if (len == want && !memcmp(p, passed[i], want))
				return passed[i];
			p += len + 1;
		}
	}
	return NULL;
}

static void pass_on(const char *text)
{
	cleanup_close int fd = sockets_connect(host_socket, SOCK_DGRAM);
	if (fd < 0 || send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn("%s: %s could not be passed on: %s", host_socket, text,
			 strerror(fd < 0 ? -fd : errno));
}

static void notify_ready(struct source *s, uint32_t events)
{
	(void)events;
	char text[4096];
	ssize_t n = recv(s->fd, text, sizeof(text), MSG_DONTWAIT);
	const char *what = n > 0 ? notify_filter(text, (size_t)n) : NULL;
	if (what)
		pass_on(what);
}

void notify_close(void)
{
	if (listener.fd >= 0)
		sockets_remove(dir, "notify.sock");
	loop_close(&listener);
}
