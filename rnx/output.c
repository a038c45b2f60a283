// SPDX-License-Identifier: Apache-2.0
// Writes to descriptors that were inherited and may be shared: their flags are never changed. Knows nothing
// of jobs.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "rnx/output.h"

// What a pipe that poll calls writable takes for certain without blocking (pipe(7)).
#define SAFE_WRITE ((size_t)4096)

void output_open(struct output *o, int fd, enum output_mode mode)
{
	char path[40];
	struct stat st;

	*o = (struct output){.fd = fd};
	if (fstat(fd, &st) < 0)
		return;
	o->is_cleaned = mode == OUTPUT_CLEAN && isatty(fd);
	o->is_socket = S_ISSOCK(st.st_mode);
	o->is_file = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !(S_ISCHR(st.st_mode) && isatty(fd)))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return; // another user's: written in small pieces
	o->fd = own;
	o->is_own = o->is_nonblocking = true;
}

void output_close(struct output *o)
{
	if (o->is_own)
		close(o->fd);
	buf_free(&o->pending);
	*o = (struct output){.fd = -1};
}

// As write, but never waits: -EAGAIN when it would.
static ssize_t write_some(const struct output *o, const char *data, size_t len)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};
	ssize_t n;

	if (o->is_socket) {
		n = send(o->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (o->is_file || o->is_nonblocking) {
		n = write(o->fd, data, len);
	} else {
		if (poll(&p, 1, 0) == 0)
			return -EAGAIN;
		n = write(o->fd, data, len < SAFE_WRITE ? len : SAFE_WRITE);
	}
	return n < 0 ? -errno : n;
}

// Writes as much as goes. Returns how much, or -errno; waiting is no error.
static ssize_t write_most(const struct output *o, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write_some(o, data + done, len - done);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN || n == -EWOULDBLOCK)
			break;
		if (n < 0)
			return n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int give_up(struct output *o, int rc)
{
	buf_free(&o->pending);
	o->at = 0;
	o->error = rc;
	return rc;
}

int output_flush(struct output *o)
{
	if (o->error || !output_is_pending(o))
		return 0;
	ssize_t n = write_most(o, o->pending.data + o->at, o->pending.len - o->at);
	if (n < 0)
		return give_up(o, (int)n);
	o->at += (size_t)n;
	if (o->at == o->pending.len)
		o->pending.len = o->at = 0;
	return 0;
}

int output_put(struct output *o, const void *data, size_t len)
{
	size_t done = 0;
	int rc;

	if (o->error)
		return 0;
	if (!o->is_cleaned && !output_is_pending(o)) {
		ssize_t n = write_most(o, data, len);
		if (n < 0)
			return give_up(o, (int)n);
		done = (size_t)n;
	}
	if (done == len)
		return 0;
	rc = o->is_cleaned ? clean_add(&o->filter, data, len, &o->pending)
			   : buf_add(&o->pending, (const char *)data + done, len - done);
	return rc < 0 ? give_up(o, rc) : output_flush(o);
}

int output_end(struct output *o)
{
	int rc = o->is_cleaned && !o->error ? clean_end(&o->filter, &o->pending) : 0;

	return rc < 0 ? give_up(o, rc) : output_flush(o);
}

bool output_is_pending(const struct output *o)
{
	return o->at < o->pending.len;
}

int output_wait(struct rpc_client *client, struct output *outs, size_t count, struct pollfd *more,
		size_t more_count, int timeout_ms, struct err *e)
{
	struct pollfd p[1 + 2 + OUTPUT_WAIT_MORE];
	size_t n = 0;

	if (client) {
		int limit = rpc_client_timeout(client);
		if (limit >= 0 && (timeout_ms < 0 || limit < timeout_ms))
			timeout_ms = limit;
		p[n++] = (struct pollfd){.fd = rpc_client_fd(client), .events = rpc_client_events(client)};
	}
	for (size_t i = 0; i < count && i < 2; i++)
		if (output_is_pending(&outs[i]))
			p[n++] = (struct pollfd){.fd = outs[i].fd, .events = POLLOUT};
	size_t first_more = n;
	for (size_t i = 0; i < more_count && i < OUTPUT_WAIT_MORE; i++)
		p[n++] = more[i];
	int rc = poll(p, n, timeout_ms);
	if (rc < 0 && errno != EINTR)
		return err_sys(e, -errno, "poll");
	for (size_t i = 0; i < more_count && i < OUTPUT_WAIT_MORE; i++)
		more[i].revents = rc < 0 ? 0 : p[first_more + i].revents;
	for (size_t i = 0; i < count; i++)
		if (output_flush(&outs[i]) < 0)
			continue; // is in outs[i].error
	return client ? rpc_client_process(client, e) : 0;
}
