// SPDX-License-Identifier: Apache-2.0
// The control socket: packets to the core and from it. It holds only a few packets, so calls wait in a list
// until there is room; their bytes wait in their own sockets meanwhile.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "jobletd/gateway/gw.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

#define AUTH_FAILED_PER_SECOND 10
#define AUTH_WAIT_US	       (1000 * 1000)
// How long clients have to hear that no new calls are taken before those they have sent are refused.
#define DRAIN_NOTICE_US (1000 * 1000)

// Cuts and always ends with a NUL; the sizes of the wire and of lib/rpc may differ.
static void copy_text(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size - 1);

	memcpy(dst, src, n);
	memset(dst + n, 0, size - n);
}

int gw_control_send_text(int fd, enum gw_type type, const char *text)
{
	struct gw_text packet = {.type = type};

	copy_text(packet.text, sizeof(packet.text), text);
	size_t len = type == GW_FAILED ? sizeof(packet) : sizeof(packet.type);
	return send(fd, &packet, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_call(struct gw *gw, struct gw_stream *s)
{
	const struct gw_conn *c = s->conn;
	struct gw_call packet = {.type = GW_CALL,
				 .method = (uint32_t)s->method,
				 .deadline_ns = s->deadline_ns};

	memcpy(packet.fingerprint, c->id.fingerprint, sizeof(packet.fingerprint));
	copy_text(packet.cn, sizeof(packet.cn), c->id.cn);
	copy_text(packet.ou, sizeof(packet.ou), c->id.ou);
	copy_text(packet.serial, sizeof(packet.serial), c->id.serial);
	copy_text(packet.peer, sizeof(packet.peer), c->peer);
	int rc = file_send_fds(gw->control, &packet, sizeof(packet), &s->core_end, 1);
	if (rc == 0) {
		close(s->core_end);
		s->core_end = -1;
	}
	return rc;
}

static void arm_control(struct gw *gw)
{
	sd_event_source_set_io_events(gw->control_io, gw->waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void gw_control_offer(struct gw *gw, struct gw_stream *s)
{
	if (s->offered)
		return;
	s->offered = true;
	int rc = gw->waiting ? -EAGAIN : send_call(gw, s);
	if (rc == 0)
		return;
	if (rc != -EAGAIN && rc != -ETOOMANYREFS && rc != -ENOBUFS) {
		gw_reply_finish(s, RPC_UNAVAILABLE, "the daemon does not answer");
		return;
	}
	s->is_waiting = true;
	s->wait_next = NULL;
	if (gw->waiting)
		gw->waiting_last->wait_next = s;
	else
		gw->waiting = s;
	gw->waiting_last = s;
	arm_control(gw);
}

void gw_control_forget(struct gw *gw, struct gw_stream *s)
{
	if (!s->is_waiting)
		return;
	struct gw_stream **at = &gw->waiting, *before = NULL;
	while (*at != s) {
		before = *at;
		at = &before->wait_next;
	}
	*at = s->wait_next;
	if (gw->waiting_last == s)
		gw->waiting_last = before;
	s->is_waiting = false;
	s->wait_next = NULL;
}

static void offer_waiting(struct gw *gw)
{
	while (gw->waiting) {
		struct gw_stream *s = gw->waiting;
		int rc = send_call(gw, s);
		if (rc == -EAGAIN || rc == -ETOOMANYREFS || rc == -ENOBUFS)
			break;
		gw_control_forget(gw, s);
	}
	arm_control(gw);
}

static bool send_auth_failed(struct gw *gw, const struct gw_auth_failed *packet)
{
	gw->auth_waits = send(gw->control, packet, sizeof(*packet), MSG_NOSIGNAL) < 0;
	return !gw->auth_waits;
}

static int on_auth_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct gw *gw = userdata;

	(void)source;
	(void)usec;
	// Still no room in the control socket: with the next failure, then.
	if (gw->auth_waits &&
	    gw_bucket_take(&gw->auth_failed, gw_now(gw), AUTH_FAILED_PER_SECOND, AUTH_FAILED_PER_SECOND))
		send_auth_failed(gw, &gw->auth_last);
	return 0;
}

// A failure without a packet of its own is never forgotten: it is counted in the next, or told a second later
// with the number before it.
static void keep_auth_failed(struct gw *gw, const struct gw_auth_failed *packet)
{
	gw->auth_last = *packet;
	gw->auth_waits = true;
	if (!gw->auth_timer)
		sd_event_add_time_relative(gw->loop, &gw->auth_timer, CLOCK_MONOTONIC, AUTH_WAIT_US, 0,
					   on_auth_timer, gw);
	else if (sd_event_source_get_enabled(gw->auth_timer, NULL) == 0) {
		sd_event_source_set_time_relative(gw->auth_timer, AUTH_WAIT_US);
		sd_event_source_set_enabled(gw->auth_timer, SD_EVENT_ONESHOT);
	}
}

void gw_control_auth_failed(struct gw *gw, const struct gw_conn *c, const char *reason)
{
	struct gw_auth_failed packet = {.type = GW_AUTH_FAILED};

	if (gw->auth_waits)
		packet.left_out = gw->auth_last.left_out + 1;
	copy_text(packet.peer, sizeof(packet.peer), c->peer);
	copy_text(packet.cn, sizeof(packet.cn), c->id.cn);
	copy_text(packet.reason, sizeof(packet.reason), reason);
	if (!gw_bucket_take(&gw->auth_failed, gw_now(gw), AUTH_FAILED_PER_SECOND, AUTH_FAILED_PER_SECOND) ||
	    !send_auth_failed(gw, &packet))
		keep_auth_failed(gw, &packet);
}

// ---- from the core
// ---------------------------------------------------------------------------------------------------------------

static void end_when_empty(struct gw *gw)
{
	if (gw->draining && !gw->conns)
		sd_event_exit(gw->loop, 0);
}

static int on_drain_notice_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct gw *gw = userdata;

	(void)source;
	(void)usec;
	for (struct gw_conn *c = gw->conns, *next; c; c = next) {
		next = c->next;
		gw_conn_drain(c, true);
	}
	end_when_empty(gw);
	return 0;
}

static void drain(struct gw *gw)
{
	if (gw->draining)
		return;
	gw->draining = true;
	sd_event_source_disable_unref(gw->listen_io);
	sd_event_source_disable_unref(gw->listen_timer);
	gw->listen_io = gw->listen_timer = NULL;
	close(gw->listen);
	gw->listen = -1;
	for (struct gw_conn *c = gw->conns, *next; c; c = next) {
		next = c->next;
		gw_conn_drain(c, false);
	}
	sd_event_add_time_relative(gw->loop, &gw->drain_timer, CLOCK_MONOTONIC, DRAIN_NOTICE_US, 0,
				   on_drain_notice_over, gw);
	end_when_empty(gw);
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct gw *gw = userdata;
	uint32_t type;

	(void)source;
	if (events & EPOLLOUT)
		offer_waiting(gw);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	ssize_t n = recv(fd, &type, sizeof(type), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) // the core is gone, and so are all calls
		return sd_event_exit(gw->loop, 0);
	if (n != sizeof(type) || type != GW_DRAIN) {
		log_error("gateway: a packet from the core that is none");
		return sd_event_exit(gw->loop, 1);
	}
	drain(gw);
	return 0;
}

int gw_control_start(struct gw *gw)
{
	return sd_event_add_io(gw->loop, &gw->control_io, gw->control, EPOLLIN, on_control, gw);
}
