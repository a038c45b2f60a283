// SPDX-License-Identifier: Apache-2.0
// One RPC, from the client to the core: its headers are judged here, its messages pass through. Nothing of it
// is kept but what the core's socket has not taken, and that is bounded by the window that the client was
// given.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "jobletd/gateway/gw.h"

#define FIELDS_MAX	64
#define FIELD_BYTES_MAX 8192
#define FIELD_OVERHEAD	32 // RFC 9113 6.5.2
#define STRIKES_MAX	3
#define TO_CORE_BUFFER	(64 * 1024)
#define TO_GW_BUFFER	(128 * 1024)

static bool equals(const char *value, size_t len, const char *s)
{
	return len == strlen(s) && memcmp(value, s, len) == 0;
}

struct gw_stream *gw_stream_new(struct gw_conn *c, int32_t id)
{
	struct gw_stream *s = xcalloc(1, sizeof(*s));

	s->conn = c;
	s->id = id;
	s->method = -1;
	s->sock = s->core_end = -1;
	s->progress_ns = gw_now(c->gw);
	s->next = c->streams;
	if (c->streams)
		c->streams->prev = s;
	c->streams = s;
	c->stream_count++;
	c->had_stream = true;
	return s;
}

void gw_stream_hang_up(struct gw_stream *s)
{
	gw_control_forget(s->conn->gw, s);
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->deadline);
	s->io = s->deadline = NULL;
	if (s->sock >= 0)
		close(s->sock);
	if (s->core_end >= 0)
		close(s->core_end);
	s->sock = s->core_end = -1;
	// What the core never took counts as taken: the window belongs to the whole connection.
	size_t left = s->pending.len - s->pending_at;
	if (left && s->conn->h2.session)
		nghttp2_session_consume(s->conn->h2.session, s->id, left);
	buf_free(&s->pending);
	s->pending_at = 0;
}

void gw_stream_free(struct gw_stream *s)
{
	struct gw_conn *c = s->conn;

	gw_stream_hang_up(s);
	if (c->h2.session)
		nghttp2_session_set_stream_user_data(c->h2.session, s->id, NULL);
	if (s->prev)
		s->prev->next = s->next;
	else
		c->streams = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (--c->stream_count == 0)
		c->idle_ns = gw_now(c->gw);
	buf_free(&s->status);
	free(s);
}

// ---- the headers
// -----------------------------------------------------------------------------------------------------------------

static bool is_grpc_type(const char *value, size_t len)
{
	return equals(value, len, "application/grpc") || equals(value, len, "application/grpc+proto");
}

static void read_timeout(struct gw_stream *s, const char *value, size_t len)
{
	if (s->has_timeout || grpc_timeout_parse(value, len, &s->timeout_ns))
		s->is_garbled = true;
	s->has_timeout = true;
}

void gw_stream_header(struct gw_stream *s, const char *name, size_t name_len, const char *value, size_t len)
{
	s->fields++;
	s->field_bytes += name_len + len + FIELD_OVERHEAD;
	// Later ones are the trailers of the request, which say nothing to us.
	if (s->fields > FIELDS_MAX || s->field_bytes > FIELD_BYTES_MAX || s->begun)
		return;
	if (equals(name, name_len, ":path")) {
		s->method = gw_method_find(value, len);
	} else if (equals(name, name_len, ":method")) {
		s->is_post = equals(value, len, "POST");
	} else if (equals(name, name_len, "content-type")) {
		s->is_garbled = s->is_garbled || s->has_type;
		s->has_type = true;
		s->is_grpc = is_grpc_type(value, len);
	} else if (equals(name, name_len, "te")) {
		s->has_te = equals(value, len, "trailers");
	} else if (equals(name, name_len, "grpc-encoding")) {
		s->is_encoded = !equals(value, len, "identity");
	} else if (equals(name, name_len, "grpc-timeout")) {
		read_timeout(s, value, len);
	}
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct gw_stream *s = userdata;
	struct gw_conn *c = s->conn;

	(void)source;
	(void)usec;
	// A client that does not read would never see trailers: they queue behind the data that it does not
	// take.
	if (s->responded && !s->deferred) {
		nghttp2_submit_rst_stream(c->h2.session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
		gw_stream_hang_up(s);
	} else {
		gw_reply_finish(s, RPC_DEADLINE_EXCEEDED, "the time for the call is over");
	}
	gw_conn_flush(c);
	return 0;
}

static void flush_pending(struct gw_stream *s);

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct gw_stream *s = userdata;
	struct gw_conn *c = s->conn;

	(void)source;
	(void)fd;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		flush_pending(s);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		gw_reply_readable(s);
	gw_conn_flush(c);
	return 0;
}

// The call's socket, both ends bounded: what a client can make the kernel hold is this times its calls.
static int open_socket(struct gw_stream *s)
{
	const int to_core = TO_CORE_BUFFER, to_gw = TO_GW_BUFFER;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	s->sock = pair[0];
	s->core_end = pair[1];
	setsockopt(s->sock, SOL_SOCKET, SO_SNDBUF, &to_core, sizeof(to_core));
	setsockopt(s->core_end, SOL_SOCKET, SO_SNDBUF, &to_gw, sizeof(to_gw));
	// Edge-triggered: both directions go on until the kernel says no, and a stream that waits for its
	// client costs nothing.
	return sd_event_add_io(s->conn->gw->loop, &s->io, s->sock, EPOLLIN | EPOLLET, on_socket, s);
}

static void start_call(struct gw_stream *s)
{
	struct gw *gw = s->conn->gw;
	int rc = open_socket(s);

	if (rc >= 0 && s->timeout_ns) {
		// Not the loop's clock, which may stand at a time before the client's began to run.
		s->deadline_ns = clock_ns(CLOCK_MONOTONIC) + s->timeout_ns;
		rc = sd_event_add_time(gw->loop, &s->deadline, CLOCK_MONOTONIC,
				       (uint64_t)s->deadline_ns / 1000, 1000, on_deadline, s);
	}
	if (rc < 0) {
		gw_reply_finish(s, RPC_RESOURCE_EXHAUSTED, "the daemon has too many calls");
		return;
	}
	// One request message: the core hears of the call when that has a good beginning. A stream may wait
	// for the server to speak first.
	if (gw_method_client_streams(s->method))
		gw_control_offer(gw, s);
}

void gw_stream_begin(struct gw_stream *s)
{
	struct gw_conn *c = s->conn;

	s->begun = true;
	if (s->fields > FIELDS_MAX || s->field_bytes > FIELD_BYTES_MAX) {
		gw_reply_http(s, "431", RPC_RESOURCE_EXHAUSTED, "too many or too long headers");
		if (++c->strikes >= STRIKES_MAX)
			gw_conn_kill(c, NGHTTP2_ENHANCE_YOUR_CALM);
	} else if (!s->is_post) {
		gw_reply_http(s, "405", RPC_UNIMPLEMENTED, "gRPC calls are POST");
	} else if (!s->is_grpc) {
		gw_reply_http(s, "415", RPC_UNKNOWN, "the content-type is not application/grpc");
	} else if (!s->has_te) {
		gw_reply_http(s, "400", RPC_INTERNAL, "a gRPC call has te: trailers");
	} else if (s->is_garbled) {
		gw_reply_http(s, "400", RPC_INTERNAL, "a header of the call is garbled");
	} else if (c->refuse_code) {
		gw_reply_finish(s, c->refuse_code, c->refuse_text);
	} else if (s->method < 0) {
		gw_reply_finish(s, RPC_UNIMPLEMENTED, "this server has no such method");
	} else if (s->is_encoded) {
		gw_reply_finish(s, RPC_UNIMPLEMENTED, "compressed messages are not supported");
	} else if (s->has_timeout && s->timeout_ns == 0) {
		gw_reply_finish(s, RPC_DEADLINE_EXCEEDED, "the time for the call is over");
	} else {
		start_call(s);
	}
}

// ---- the messages
// ----------------------------------------------------------------------------------------------------------------

static void want_out(struct gw_stream *s, bool on)
{
	if (s->wants_out == on || !s->io)
		return;
	s->wants_out = on;
	sd_event_source_set_io_events(s->io, EPOLLIN | EPOLLET | (on ? EPOLLOUT : 0));
}

static void shut_when_done(struct gw_stream *s)
{
	if (s->request_over && !s->shut && s->sock >= 0 && s->pending_at == s->pending.len) {
		shutdown(s->sock, SHUT_WR);
		s->shut = true;
	}
}

// How much of it the core's socket took; a core that reads no more takes everything, for its answer may be on
// the way.
static size_t push(struct gw_stream *s, const void *data, size_t len)
{
	size_t at = 0;

	while (at < len && !s->core_deaf) {
		ssize_t n = send(s->sock, (const char *)data + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			return at;
		else if (n < 0 && errno != EINTR)
			s->core_deaf = true;
	}
	return len;
}

static void flush_pending(struct gw_stream *s)
{
	size_t left = s->pending.len - s->pending_at;

	if (left && s->sock >= 0) {
		size_t n = push(s, s->pending.data + s->pending_at, left);
		s->pending_at += n;
		nghttp2_session_consume(s->conn->h2.session, s->id, n);
		if (s->pending_at == s->pending.len) {
			buf_free(&s->pending);
			s->pending_at = 0;
		}
	}
	want_out(s, s->pending.len > 0);
	shut_when_done(s);
}

static bool refuse_message(struct gw_stream *s, enum grpc_verdict v)
{
	char text[96];

	switch (v) {
	case GRPC_FINE:
		if (s->in.messages < 2 || gw_method_client_streams(s->method))
			return false;
		gw_reply_finish(s, RPC_INTERNAL, "this method takes one message");
		return true;
	case GRPC_COMPRESSED:
		gw_reply_finish(s, RPC_UNIMPLEMENTED, "compressed messages are not supported");
		return true;
	case GRPC_TOO_LONG:
		snprintf(text, sizeof(text), "a message is longer than %lld bytes",
			 (long long)s->conn->gw->limits.max_message);
		gw_reply_finish(s, RPC_RESOURCE_EXHAUSTED, text);
		return true;
	default: gw_reply_finish(s, RPC_INTERNAL, "a message has a garbled prefix"); return true;
	}
}

void gw_stream_data(struct gw_stream *s, const uint8_t *data, size_t len)
{
	nghttp2_session *session = s->conn->h2.session;
	size_t good, taken = 0;

	if (s->final || s->sock < 0) {
		nghttp2_session_consume(session, s->id, len);
		return;
	}
	enum grpc_verdict v = grpc_scan(&s->in, data, len, (uint32_t)s->conn->gw->limits.max_message, &good);
	if (refuse_message(s, v)) {
		nghttp2_session_consume(session, s->id, len);
		return;
	}
	if (s->in.messages)
		gw_control_offer(s->conn->gw, s);
	if (s->sock >= 0 && s->pending.len == 0)
		taken = push(s, data, len);
	if (s->sock < 0) // the core could not be told
		taken = len;
	if (taken < len)
		buf_add(&s->pending, data + taken, len - taken);
	if (taken)
		nghttp2_session_consume(session, s->id, taken);
	want_out(s, s->pending.len > 0);
}

void gw_stream_end(struct gw_stream *s)
{
	s->request_over = true;
	if (s->final || s->sock < 0)
		return;
	if (!grpc_scan_at_boundary(&s->in))
		gw_reply_finish(s, RPC_INTERNAL, "the request ends in the middle of a message");
	else if (!s->in.messages && !gw_method_client_streams(s->method))
		gw_reply_finish(s, RPC_INTERNAL, "the request has no message");
	else
		shut_when_done(s);
}
