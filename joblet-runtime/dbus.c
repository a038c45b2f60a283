// SPDX-License-Identifier: Apache-2.0
// A connection to one D-Bus peer: the greeting, calls and their answers. Everything is done before one
// deadline, for a service that hangs must not hang whoever wants a container.
#include "joblet-runtime/dbus.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/base/file.h"
#include "lib/base/str.h"

#define LINE_MAX_LEN 256

static int wait_for(const struct dbus *d, short events)
{
	for (;;) {
		int64_t left = d->deadline - clock_ms(CLOCK_MONOTONIC);
		struct pollfd p = {.fd = d->fd, .events = events};
		if (left <= 0)
			return -ETIMEDOUT;
		int n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int send_all(const struct dbus *d, const char *data, size_t len)
{
	while (len > 0) {
		int rc = wait_for(d, POLLOUT);
		if (rc)
			return rc;
		ssize_t n = send(d->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int receive_all(const struct dbus *d, char *data, size_t len)
{
	while (len > 0) {
		int rc = wait_for(d, POLLIN);
		if (rc)
			return rc;
		ssize_t n = recv(d->fd, data, len, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

// Byte by byte: what stands behind the line is no line any more.
static int receive_line(const struct dbus *d, char line[LINE_MAX_LEN])
{
	for (size_t n = 0; n < LINE_MAX_LEN; n++) {
		int rc = receive_all(d, line + n, 1);
		if (rc)
			return rc;
		if (n > 0 && line[n] == '\n' && line[n - 1] == '\r') {
			line[n - 1] = 0;
			return 0;
		}
	}
	return -EBADMSG;
}

// EXTERNAL: the peer asks the kernel who we are. No number is named, since within a user namespace it would
// be another one than the peer sees. BEGIN goes along, as sd-bus itself does it: systemd forgets to look at a
// call that arrives together with BEGIN, and this way it has read BEGIN when it says OK.
static int greet(const struct dbus *d)
{
	static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
	char line[LINE_MAX_LEN];
	int rc = send_all(d, hello, sizeof(hello) - 1);
	if (!rc)
		rc = receive_line(d, line);
	if (!rc && str_starts(line, "DATA"))
		rc = receive_line(d, line);
	return rc || str_starts(line, "OK ") ? rc : -EACCES;
}

int dbus_connect(struct dbus *d, const char *path, int timeout_ms, struct err *e)
{
	*d = (struct dbus){.deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms,
			   .in = {.max = DBUS_MESSAGE_MAX}};
	d->fd = file_connect(path);
	int rc = d->fd < 0 ? d->fd : greet(d);
	return rc ? err_sys(e, rc, "%s", path) : 0;
}

int dbus_next(struct dbus *d, struct dbus_message *out, struct err *e)
{
	uint8_t head[DBUS_HEAD];
	size_t size = 0;
	buf_drop(&d->in, d->in.len);
	int rc = receive_all(d, (char *)head, sizeof(head));
	if (!rc)
		rc = dbus_message_size(head, &size);
	if (!rc)
		rc = buf_reserve(&d->in, size);
	if (!rc)
		rc = buf_add(&d->in, head, sizeof(head));
	if (!rc && (rc = receive_all(d, d->in.data + DBUS_HEAD, size - DBUS_HEAD)) == 0) {
		d->in.len = size;
		rc = dbus_message_parse((const uint8_t *)d->in.data, size, out);
	}
	return rc ? err_sys(e, rc, "cannot read the answer") : 0;
}

int dbus_call(struct dbus *d, const struct dbus_method *m, struct dbus_message *answer, struct err *e)
{
	cleanup_buf struct buf text = {0};
	int rc = dbus_put_call(&text, m, ++d->serial);
	if (!rc)
		rc = send_all(d, text.data, text.len);
	if (rc)
		return err_sys(e, rc, "cannot call %s", m->member);
	do {
		rc = dbus_next(d, answer, e);
		if (rc)
			return err_wrap(e, rc, "%s", m->member);
	} while (answer->reply_serial != d->serial ||
		 (answer->type != DBUS_REPLY && answer->type != DBUS_ERROR));
	return 0;
}

void dbus_close(struct dbus *d)
{
	cleanup_close_p(&d->fd);
	d->fd = -1;
	buf_free(&d->in);
}
