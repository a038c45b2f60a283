// SPDX-License-Identifier: Apache-2.0
// Writing to the shim's attach socket (specs/shim.md): SOCK_SEQPACKET, a packet is at most PACKET_MAX, a full
// socket is waited for.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "jobletd/attach_stdin.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"

#define PACKET_MAX ((size_t)32 << 10) // what conmon reads at once

struct attach_stdin {
	int fd;
	sd_event *loop;
	sd_event_source *io; // while something waits
	struct buf waiting;
	size_t off;
	bool wants_eof, is_shut;
	void (*ready)(void *userdata);
	void *userdata;
};

int attach_stdin_open(sd_event *loop, struct jobs *jobs, const char *id, void (*ready)(void *userdata),
		      void *userdata, struct attach_stdin **out, struct err *e)
{
	int fd = -1;
	int rc = job_stdin_open(jobs, id, &fd, e);
	if (rc)
		return rc;
	struct attach_stdin *s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	s->loop = loop;
	s->ready = ready;
	s->userdata = userdata;
	*out = s;
	return 0;
}

void attach_stdin_free(struct attach_stdin *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->io);
	close(s->fd);
	buf_free(&s->waiting);
	free(s);
}

// An empty packet is the end of stdin (specs/shim.md); to hang up alone is not. A socket that is full is made
// to hold one more.
static void shut(struct attach_stdin *s)
{
	int room = 400 << 10;

	if (s->is_shut)
		return;
	s->is_shut = true;
	if (send(s->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
		if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0 &&
		    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0)
			log_warn("stdin of a job: %s", strerror(errno));
		if (send(s->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			log_warn("stdin of a job does not end: %s", strerror(errno));
	}
	shutdown(s->fd, SHUT_WR);
}

// How many of the bytes the socket took. All of them when nobody reads any more.
static size_t write_some(struct attach_stdin *s, const char *p, size_t len)
{
	size_t done = 0;
	while (done < len) {
		size_t n = len - done < PACKET_MAX ? len - done : PACKET_MAX;
		if (send(s->fd, p + done, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			done += n;
		} else if (errno == EAGAIN) {
			return done;
		} else if (errno != EINTR) {
			s->is_shut = true;
			return len;
		}
	}
	return done;
}

static int on_io(sd_event_source *source attr_unused, int fd attr_unused, uint32_t revents, void *userdata)
{
	struct attach_stdin *s = userdata;

	if (revents & (EPOLLHUP | EPOLLERR))
		s->is_shut = true;
	s->off = s->is_shut ? s->waiting.len
			    : s->off + write_some(s, s->waiting.data + s->off, s->waiting.len - s->off);
	if (s->off < s->waiting.len)
		return 0;
	buf_free(&s->waiting);
	s->off = 0;
	s->io = sd_event_source_disable_unref(s->io);
	if (s->wants_eof)
		shut(s);
	s->ready(s->userdata);
	return 0;
}

int attach_stdin_write(struct attach_stdin *s, const void *data, size_t len)
{
	const char *p = data;
	size_t done = 0;

	if (s->is_shut || s->wants_eof)
		return 0;
	if (!s->io)
		done = write_some(s, p, len);
	if (done == len)
		return 0;
	buf_add(&s->waiting, p + done, len - done); // at most one message: the caller stops at FULL
	if (!s->io && sd_event_add_io(s->loop, &s->io, s->fd, EPOLLOUT, on_io, s) < 0) {
		s->is_shut = true;
		return 0;
	}
	return ATTACH_STDIN_FULL;
}

void attach_stdin_cut(struct attach_stdin *s)
{
	shut(s);
}

void attach_stdin_eof(struct attach_stdin *s)
{
	s->wants_eof = true;
	if (!s->io)
		shut(s);
}
