// SPDX-License-Identifier: Apache-2.0
// One TLS connection: from accept to close, and the clocks that end it. What its frames mean is gw_h2.c.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "jobletd/gateway/gw.h"
#include "lib/base/log.h"

#define SECOND		 INT64_C(1000000000)
#define FIRST_REQUEST_NS (10 * SECOND)
#define FRAME_NS	 (10 * SECOND) // for one frame to arrive whole
#define BLOCKED_NS	 (60 * SECOND) // without a byte taken by the peer
#define PING_WAIT_NS	 (20 * SECOND)
#define LINGER_NS	 (1 * SECOND)
#define LOOK_NS		 (10 * SECOND) // the clocks are looked at no later than this
#define LINGER_BYTES	 ((size_t)64 << 10)
#define SHAKING_MAX	 100

static void arm_timer(struct gw_conn *c, int64_t at_ns)
{
	sd_event_source_set_time(c->timer, (uint64_t)at_ns / 1000);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static void arm_io(struct gw_conn *c)
{
	short want = c->state == GW_CONN_LINGER ? POLLIN : h2_events(&c->h2);
	uint32_t events = (want & POLLIN ? EPOLLIN : 0) | (want & POLLOUT ? EPOLLOUT : 0);

	if (events != c->events)
		sd_event_source_set_io_events(c->io, events);
	c->events = events;
}

void gw_conn_free(struct gw_conn *c)
{
	struct gw *gw = c->gw;

	while (c->streams)
		gw_stream_free(c->streams);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	h2_close(&c->h2);
	if (c->prev)
		c->prev->next = c->next;
	else
		gw->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	gw->conn_count--;
	gw->shaking_count -= c->state == GW_CONN_SHAKING;
	free(c);
	if (gw->draining && !gw->conns)
		sd_event_exit(gw->loop, 0);
}

// ---- the end
// ---------------------------------------------------------------------------------------------------------------------

void gw_conn_kill(struct gw_conn *c, uint32_t error_code)
{
	if (c->h2.stop)
		return;
	log_debug("gateway: %s: connection ended: %s", c->peer, nghttp2_http2_strerror(error_code));
	c->h2.stop = true;
	c->kill_ns = gw_now(c->gw);
	nghttp2_session_terminate_session(c->h2.session, error_code);
	arm_timer(c, c->kill_ns + LINGER_NS);
}

// Closing at once would make the kernel send a reset that can overtake the alert which says why.
static void linger(struct gw_conn *c)
{
	c->gw->shaking_count -= c->state == GW_CONN_SHAKING;
	c->state = GW_CONN_LINGER;
	shutdown(c->h2.fd, SHUT_WR);
	arm_timer(c, gw_now(c->gw) + LINGER_NS);
	arm_io(c);
}

static void linger_read(struct gw_conn *c)
{
	char data[4096];
	ssize_t n = recv(c->h2.fd, data, sizeof(data), MSG_DONTWAIT);

	if (n > 0)
		c->lingered += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->lingered > LINGER_BYTES)
		gw_conn_free(c);
}

static void goaway(struct gw_conn *c, uint32_t code, const char *text)
{
	if (c->going)
		return;
	c->going = true;
	nghttp2_submit_goaway(c->h2.session, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(c->h2.session), code,
			      (const uint8_t *)text, strlen(text));
}

void gw_conn_drain(struct gw_conn *c, bool final)
{
	if (c->state != GW_CONN_OPEN) {
		gw_conn_free(c);
		return;
	}
	if (final)
		goaway(c, NGHTTP2_NO_ERROR, "the server restarts");
	else
		nghttp2_submit_shutdown_notice(c->h2.session);
	gw_conn_flush(c);
}

// ---- clocks
// ----------------------------------------------------------------------------------------------------------------------

// A client that was stopped (^Z) or waits for its own output answers no PING, but its kernel still
// acknowledges. Only a peer of which nothing at all is heard is gone.
static bool kernel_answers(const struct gw_conn *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	return getsockopt(c->h2.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_ESTABLISHED &&
	       (int64_t)info.tcpi_last_ack_recv * 1000000 < PING_WAIT_NS && info.tcpi_retransmits == 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t check_keepalive(struct gw_conn *c, int64_t now)
{
	int64_t keepalive = c->gw->limits.keepalive_ns;

	if (c->heard_bytes != c->h2.bytes_in) {
		c->heard_bytes = c->h2.bytes_in;
		c->heard_ns = now;
		c->ping_ns = 0;
	}
	if (c->ping_ns && now - c->ping_ns >= PING_WAIT_NS) {
		if (!kernel_answers(c))
			return 0;
		c->ping_ns = 0;
		c->heard_ns = now;
	}
	if (!c->ping_ns && now - c->heard_ns >= keepalive) {
		nghttp2_submit_ping(c->h2.session, NGHTTP2_FLAG_NONE, NULL);
		c->ping_ns = now;
	}
	return c->ping_ns ? c->ping_ns + PING_WAIT_NS : c->heard_ns + keepalive;
}

static bool is_stalled(const struct gw_stream *s, int64_t now, int64_t limit)
{
	if (now - s->progress_ns < limit)
		return false;
	if (s->responded)
		return !s->deferred;
	return s->begun && !s->request_over && !s->final && s->method >= 0 &&
	       !gw_method_client_streams(s->method);
}

// A client that takes nothing of a stream, or never ends a single message, keeps a call of the core for
// itself.
static void check_streams(struct gw_conn *c, int64_t now)
{
	for (struct gw_stream *s = c->streams, *next; s; s = next) {
		next = s->next;
		if (!is_stalled(s, now, c->gw->limits.idle_ns))
			continue;
		nghttp2_submit_rst_stream(c->h2.session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
		gw_stream_hang_up(s);
		s->progress_ns = now;
	}
}

static int64_t check_blocked(struct gw_conn *c, int64_t now)
{
	if (!h2_is_blocked(&c->h2) || c->blocked_bytes != c->h2.bytes_out) {
		c->blocked_bytes = c->h2.bytes_out;
		c->blocked_ns = now;
		return now + BLOCKED_NS;
	}
	return c->blocked_ns + BLOCKED_NS > now ? c->blocked_ns + BLOCKED_NS : 0;
}

// When to look again; 0: the connection is over.
static int64_t check_open(struct gw_conn *c, int64_t now)
{
	const struct gw_limits *l = &c->gw->limits;
	int64_t next = now + sooner(LOOK_NS, l->idle_ns);

	if (c->kill_ns)
		return 0;
	if (c->stream_count == 0) {
		int64_t idle = c->had_stream ? c->idle_ns + l->idle_ns
					     : c->opened_ns + sooner(FIRST_REQUEST_NS, l->idle_ns);
		if (now >= idle) {
			gw_conn_kill(c, NGHTTP2_NO_ERROR);
			return c->kill_ns + LINGER_NS;
		}
		next = sooner(next, idle);
	}
	if (c->frame_ns && now - c->frame_ns >= FRAME_NS) {
		gw_conn_kill(c, NGHTTP2_ENHANCE_YOUR_CALM);
		return c->kill_ns + LINGER_NS;
	}
	check_streams(c, now);
	int64_t keepalive = check_keepalive(c, now), blocked = check_blocked(c, now);
	if (!keepalive || !blocked)
		return 0;
	return sooner(next, sooner(keepalive, blocked));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct gw_conn *c = userdata;
	int64_t now = gw_now(c->gw), next = 0;

	(void)source;
	(void)usec;
	if (c->state == GW_CONN_OPEN)
		next = check_open(c, now);
	if (next == 0) {
		if (c->state == GW_CONN_SHAKING)
			log_debug("gateway: %s: the handshake took too long", c->peer);
		gw_conn_free(c);
		return 0;
	}
	arm_timer(c, next > now ? next : now + SECOND / 100);
	gw_conn_flush(c);
	return 0;
}

// ---- bytes
// -----------------------------------------------------------------------------------------------------------------------

void gw_conn_flush(struct gw_conn *c)
{
	struct err e = {0};

	if (c->state != GW_CONN_OPEN)
		return;
	// Who may make no call is let go of with the answer to the first.
	if (c->refuse_code && c->had_stream && c->stream_count == 0)
		goaway(c, NGHTTP2_NO_ERROR, c->refuse_text);
	int rc = h2_write(&c->h2, &e);
	if (rc)
		log_debug("gateway: %s: %s", c->peer, e.msg);
	if (rc || c->h2.eof || h2_is_finished(&c->h2))
		gw_conn_free(c);
	else
		arm_io(c);
}

// Who is it, and may one more connection of theirs be open? Both are found out too late for a TLS alert with
// a reason, so the calls of the connection are answered with it.
static void judge(struct gw_conn *c)
{
	X509 *cert = SSL_get1_peer_certificate(c->h2.ssl);
	struct err e = {0};
	unsigned same = 0;

	int rc = cert ? tls_identity_read(cert, &c->id, &e) : err_set(&e, -EACCES, "no certificate");
	X509_free(cert);
	if (rc) {
		c->refuse_code = RPC_UNAUTHENTICATED;
		snprintf(c->refuse_text, sizeof(c->refuse_text), "%.200s", e.msg);
		gw_control_auth_failed(c->gw, c, e.msg);
		return;
	}
	for (const struct gw_conn *other = c->gw->conns; other; other = other->next)
		same += other != c && other->state == GW_CONN_OPEN &&
			memcmp(other->id.fingerprint, c->id.fingerprint, sizeof(c->id.fingerprint)) == 0;
	if (same >= (unsigned)c->gw->limits.max_conns_per_client) {
		c->refuse_code = RPC_RESOURCE_EXHAUSTED;
		snprintf(c->refuse_text, sizeof(c->refuse_text),
			 "too many connections with this certificate");
	}
}

static void shake(struct gw_conn *c)
{
	struct err e = {0};
	int rc = h2_handshake(&c->h2, &e);

	if (rc == H2_AGAIN) {
		arm_io(c);
		return;
	}
	if (rc == 0) {
		judge(c);
		rc = gw_h2_start(c, &e);
	}
	if (rc) {
		log_debug("gateway: %s: %s", c->peer, e.msg);
		if (rc == -EACCES)
			gw_control_auth_failed(c->gw, c, e.msg);
		linger(c);
		return;
	}
	int64_t now = gw_now(c->gw);
	c->gw->shaking_count--;
	c->state = GW_CONN_OPEN;
	c->opened_ns = c->idle_ns = c->heard_ns = c->blocked_ns = now;
	if (c->gw->draining)
		goaway(c, NGHTTP2_NO_ERROR, "the server restarts");
	arm_timer(c, check_open(c, now));
	gw_conn_flush(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct gw_conn *c = userdata;
	struct err e = {0};

	(void)source;
	(void)fd;
	(void)events;
	if (c->state == GW_CONN_SHAKING) {
		shake(c);
		return 0;
	}
	if (c->state == GW_CONN_LINGER) {
		linger_read(c);
		return 0;
	}
	int rc = h2_read(&c->h2, &e);
	if (rc) {
		log_debug("gateway: %s: %s", c->peer, e.msg);
		c->h2.eof = true; // a GOAWAY that nghttp2 has made is sent, then it is over
	}
	gw_conn_flush(c);
	return 0;
}

// ---- the beginning
// ---------------------------------------------------------------------------------------------------------------

static void set_peer(struct gw_conn *c, const struct sockaddr_storage *ss)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)ss;
		inet_ntop(AF_INET, &a->sin_addr, ip, sizeof(ip));
		snprintf(c->peer, sizeof(c->peer), "%s:%u", ip, ntohs(a->sin_port));
		c->address.s6_addr[10] = c->address.s6_addr[11] = 0xff;
		memcpy(c->address.s6_addr + 12, &a->sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)ss;
		inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof(ip));
		snprintf(c->peer, sizeof(c->peer), "[%s]:%u", ip, ntohs(a->sin6_port));
		c->address = a->sin6_addr;
		// A whole IPv6 network is one user; an address costs nothing.
		if (!IN6_IS_ADDR_V4MAPPED(&c->address))
			memset(c->address.s6_addr + 7, 0, 9);
	}
}

// Before the handshake nothing is known but the address, so that is what is counted.
static bool is_welcome(const struct gw *gw, const struct gw_conn *c)
{
	unsigned same = 0;

	if (gw->conn_count >= (unsigned)gw->limits.max_conns || gw->shaking_count >= SHAKING_MAX)
		return false;
	for (const struct gw_conn *other = gw->conns; other; other = other->next)
		same += other->state != GW_CONN_OPEN &&
			memcmp(&other->address, &c->address, sizeof(c->address)) == 0;
	return same < (unsigned)gw->limits.max_conns_per_address;
}

void gw_conn_accept_take(struct gw *gw, int fd, const struct sockaddr_storage *peer)
{
	struct gw_conn *c = xcalloc(1, sizeof(*c));
	int64_t now = gw_now(gw);
	int one = 1;

	c->gw = gw;
	set_peer(c, peer);
	if (!is_welcome(gw, c)) {
		log_debug("gateway: %s: too many connections", c->peer);
		close(fd);
		free(c);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	h2_open_take(&c->h2, fd, gw->tls, TLS_SERVER, NULL);
	c->next = gw->conns;
	if (gw->conns)
		gw->conns->prev = c;
	gw->conns = c;
	gw->conn_count++;
	gw->shaking_count++;
	c->events = EPOLLIN;
	if (sd_event_add_io(gw->loop, &c->io, fd, EPOLLIN, on_io, c) < 0 ||
	    sd_event_add_time(gw->loop, &c->timer, CLOCK_MONOTONIC,
			      (uint64_t)(now + gw->limits.handshake_ns) / 1000, 10000, on_timer, c) < 0)
		gw_conn_free(c);
}
