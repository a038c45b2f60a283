// SPDX-License-Identifier: Apache-2.0
// The client's connection: connecting, the handshake, HTTP/2, timers. Calls are in call.c. No loop of its
// own; see client.h.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/rpc/client_internal.h"

#define MAX_MESSAGE_DEFAULT ((size_t)16 << 20)
#define STREAM_WINDOW	    ((int32_t)512 << 10)
#define HEADER_LIST_MAX	    (16 * 1024)
#define KEEPALIVE_NS	    (30 * INT64_C(1000000000)) // silence before a PING, while calls are open
#define KEEPALIVE_WAIT_NS   (20 * INT64_C(1000000000)) // and until the connection counts as lost

static int left_ms(int64_t end_ns)
{
	int64_t left = (end_ns - clock_ns(CLOCK_MONOTONIC) + 999999) / 1000000;

	return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

// ---- connecting
// ------------------------------------------------------------------------------------------------------------------

// host:port or [v6]:port; host and port are the caller's to free.
static int split_address(const char *address, char **host, char **port, struct err *e)
{
	const char *colon = address ? strrchr(address, ':') : NULL;

	if (!colon || colon == address || !colon[1])
		return err_set(e, -EINVAL, "the address \"%s\" is not host:port", address ? address : "");
	size_t len = (size_t)(colon - address);
	if (address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return err_set(e, -EINVAL, "the address \"%s\" is not host:port (IPv6 stands in brackets)",
			       address);
	}
	*host = xstrndup(address, len);
	*port = xstrdup(colon + 1);
	return 0;
}

static int wait_fd(int fd, short events, int64_t end_ns)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int left = left_ms(end_ns);
		int n = poll(&p, 1, left);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_one(const struct addrinfo *ai, int64_t end_ns, int *out)
{
	cleanup_close int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failure = 0, one = 1;
	socklen_t len = sizeof(failure);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		int rc = wait_fd(fd, POLLOUT, end_ns);
		if (rc)
			return rc;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
			return -errno;
		if (failure)
			return -failure;
	}
	*out = take_fd(fd);
	return 0;
}

static int connect_any(const char *address, int64_t end_ns, int *out, struct err *e)
{
	cleanup_free char *host = NULL, *port = NULL;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	int rc = split_address(address, &host, &port, e);

	if (rc)
		return rc;
	int gai = getaddrinfo(host, port, &hints, &list);
	if (gai)
		return err_set(e, -EHOSTUNREACH, "cannot find %s: %s", address, gai_strerror(gai));
	rc = -EHOSTUNREACH;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		rc = connect_one(ai, end_ns, out);
		if (rc == 0 || rc == -ETIMEDOUT)
			break;
	}
	freeaddrinfo(list);
	return rc ? err_sys(e, rc, "cannot connect to %s", address) : 0;
}

// ---- nghttp2's callbacks
// ---------------------------------------------------------------------------------------------------------

static struct rpc_call *find_call(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *userdata)
{
	struct rpc_call *call = find_call(session, frame->hd.stream_id);

	(void)flags;
	(void)userdata;
	if (call)
		rpc_call_on_header(call, (const char *)name, name_len, (const char *)value, value_len);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
		   void *userdata)
{
	struct rpc_call *call = find_call(session, stream);

	(void)flags;
	(void)userdata;
	// A call that nobody reads must not hold back the others: only its own window waits for the caller.
	nghttp2_session_consume_connection(session, len);
	if (call)
		rpc_call_on_data(call, data, len);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error_code, void *userdata)
{
	struct rpc_call *call = find_call(session, stream);

	(void)userdata;
	if (call)
		rpc_call_on_close(call, error_code);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct rpc_client *c = userdata;

	(void)session;
	if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		c->settled = true;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		c->going = true;
	return 0;
}

// A request that could not leave: the server has said GOAWAY before.
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code, void *userdata)
{
	struct rpc_client *c = userdata;

	(void)session;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	for (struct rpc_call *call = c->calls; call; call = call->next) {
		if (call->stream != frame->hd.stream_id)
			continue;
		call->stream = 0;
		rpc_call_end(call, RPC_UNAVAILABLE, nghttp2_strerror(code));
		break;
	}
	return 0;
}

static ssize_t on_send(nghttp2_session *session, int32_t stream, uint8_t *data, size_t len, uint32_t *flags,
		       nghttp2_data_source *source, void *userdata)
{
	struct rpc_call *call = find_call(session, stream);

	(void)source;
	(void)userdata;
	return call ? rpc_call_on_send(call, data, len, flags) : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int rpc_session_start(struct rpc_client *c, struct err *e)
{
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
	};
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt;

	if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&opt))
		abort();
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_sent);
	nghttp2_option_set_no_auto_window_update(opt, 1);
	nghttp2_option_set_max_outbound_ack(opt, 100);
	int rc = nghttp2_session_client_new2(&c->h2.session, cb, c, opt);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(opt);
	if (rc == 0)
		rc = nghttp2_submit_settings(c->h2.session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(c->h2.session, NGHTTP2_FLAG_NONE, 0,
							   4 * STREAM_WINDOW);
	return rc ? err_set(e, -EPROTO, "HTTP/2: %s", nghttp2_strerror(rc)) : 0;
}

// ---- opening
// ---------------------------------------------------------------------------------------------------------------------

static int shake(struct rpc_client *c, int64_t end_ns, struct err *e)
{
	for (;;) {
		int rc = h2_handshake(&c->h2, e);
		if (rc != H2_AGAIN)
			return rc;
		rc = wait_fd(c->h2.fd, h2_events(&c->h2), end_ns);
		if (rc)
			return err_sys(e, rc, "the TLS handshake");
	}
}

// In TLS 1.3 the client is through before the server has judged its certificate, so the server's first frame
// is waited for.
static int settle(struct rpc_client *c, int64_t end_ns, struct err *e)
{
	while (!c->settled) {
		// What cannot be written may have its reason waiting to be read.
		struct err write_e = {0};
		int write_rc = h2_write(&c->h2, &write_e);
		int rc = h2_read(&c->h2, e);
		if (rc)
			return rc;
		if (c->settled)
			break;
		if (write_rc) {
			if (e)
				*e = write_e;
			return write_rc;
		}
		if (c->h2.eof)
			return err_set(
			    e, -ECONNRESET,
			    "the server closed the connection: it may have refused the certificate");
		rc = wait_fd(c->h2.fd, h2_events(&c->h2), end_ns);
		if (rc)
			return err_sys(e, rc, "waiting for the server");
	}
	return 0;
}

int rpc_client_open(const struct rpc_client_config *cfg, struct rpc_client **out, struct err *e)
{
	int64_t end_ns =
	    clock_ns(CLOCK_MONOTONIC) + (int64_t)(cfg->timeout_ms > 0 ? cfg->timeout_ms : 10000) * 1000000;
	struct rpc_client *c = xcalloc(1, sizeof(*c));
	int fd = -1;

	c->h2.fd = -1;
	c->max_message = (uint32_t)(cfg->max_message ? cfg->max_message : MAX_MESSAGE_DEFAULT);
	c->address = xstrdup(cfg->address ? cfg->address : "");
	int rc = tls_context_new(TLS_CLIENT, cfg->cert, cfg->key, cfg->ca, &c->tls, e);
	if (rc == 0)
		rc = connect_any(c->address, end_ns, &fd, e);
	if (rc == 0) {
		h2_open_take(&c->h2, fd, c->tls, TLS_CLIENT, cfg->server_name);
		rc = shake(c, end_ns, e);
		if (rc == 0)
			rc = rpc_session_start(c, e);
		if (rc == 0)
			rc = settle(c, end_ns, e);
		if (rc)
			err_wrap(e, rc, "%s", c->address);
	}
	if (rc) {
		rpc_client_free(c);
		return rc;
	}
	c->heard_ns = clock_ns(CLOCK_MONOTONIC);
	*out = c;
	return 0;
}

// ---- running
// ---------------------------------------------------------------------------------------------------------------------

int rpc_lost(struct rpc_client *c, int rc, struct err *e)
{
	char text[sizeof(e->msg) + 64];

	c->lost = true;
	err_wrap(e, rc, "the connection to %s is lost", c->address);
	snprintf(text, sizeof(text), "%s", e ? e->msg : "the connection is lost");
	while (c->calls)
		rpc_call_end(c->calls, RPC_UNAVAILABLE, text);
	return rc;
}

int rpc_flush(struct rpc_client *c, struct err *e)
{
	int rc = c->lost ? 0 : h2_write(&c->h2, e);

	return rc ? rpc_lost(c, rc, e) : 0;
}

static void run_deadlines(struct rpc_client *c, int64_t now)
{
	for (struct rpc_call *call = c->calls, *next; call; call = next) {
		next = call->next;
		if (call->deadline_ns && now >= call->deadline_ns)
			rpc_call_end(call, RPC_DEADLINE_EXCEEDED, "the time for the call is over");
	}
}

static int run_keepalive(struct rpc_client *c, int64_t now, struct err *e)
{
	if (c->heard_bytes != c->h2.bytes_in) {
		c->heard_bytes = c->h2.bytes_in;
		c->heard_ns = now;
		c->ping_ns = 0;
	}
	if (!c->calls)
		return 0;
	if (c->ping_ns && now - c->ping_ns >= KEEPALIVE_WAIT_NS)
		return err_set(e, -ETIMEDOUT, "the server does not answer");
	if (!c->ping_ns && now - c->heard_ns >= KEEPALIVE_NS) {
		nghttp2_submit_ping(c->h2.session, NGHTTP2_FLAG_NONE, NULL);
		c->ping_ns = now;
	}
	return 0;
}

int rpc_client_process(struct rpc_client *c, struct err *e)
{
	struct err write_e = {0};

	if (c->lost)
		return 0;
	// First out, then in: what the peer said last is read even when nothing can be written any more.
	int write_rc = h2_write(&c->h2, &write_e);
	int rc = h2_read(&c->h2, e);
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	if (rc == 0)
		rc = run_keepalive(c, now, e);
	run_deadlines(c, now);
	if (rc == 0 && write_rc) {
		if (e)
			*e = write_e;
		rc = write_rc;
	}
	if (rc == 0)
		rc = h2_write(&c->h2, e);
	if (rc == 0 && (c->h2.eof || h2_is_finished(&c->h2)))
		rc = err_set(e, -ECONNRESET, "the server closed it");
	return rc ? rpc_lost(c, rc, e) : 0;
}

int rpc_client_fd(const struct rpc_client *c)
{
	return c->h2.fd;
}

short rpc_client_events(const struct rpc_client *c)
{
	if (c->lost)
		return 0;
	short events = h2_events(&c->h2);
	return nghttp2_session_want_write(c->h2.session) ? events | POLLOUT : events;
}

int rpc_client_timeout(const struct rpc_client *c)
{
	int64_t end = INT64_MAX;

	if (c->lost || !c->calls)
		return -1;
	end = c->ping_ns ? c->ping_ns + KEEPALIVE_WAIT_NS : c->heard_ns + KEEPALIVE_NS;
	for (const struct rpc_call *call = c->calls; call; call = call->next)
		if (call->deadline_ns && call->deadline_ns < end)
			end = call->deadline_ns;
	return left_ms(end);
}

void rpc_client_free(struct rpc_client *c)
{
	if (!c)
		return;
	while (c->calls)
		rpc_call_end(c->calls, RPC_UNAVAILABLE, "the connection was closed");
	if (c->h2.session && !c->lost) {
		struct err e = {0};
		nghttp2_session_terminate_session(c->h2.session, NGHTTP2_NO_ERROR);
		(void)!h2_write(&c->h2, &e);
	}
	h2_close(&c->h2);
	SSL_CTX_free(c->tls);
	free(c->address);
	free(c);
}

// ---- calls
// -----------------------------------------------------------------------------------------------------------------------

#define HEADER(n, v)                                                                                         \
	((nghttp2_nv){(uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE})

int rpc_call_start(struct rpc_client *c, const char *path, int64_t timeout_ms, struct rpc_call **out)
{
	char timeout[GRPC_TIMEOUT_MAX] = "";
	nghttp2_data_provider source = {.read_callback = on_send};

	if (c->lost || c->going)
		return -ENOTCONN;
	nghttp2_nv headers[] = {
	    HEADER(":method", "POST"),
	    HEADER(":scheme", "https"),
	    HEADER(":path", path),
	    HEADER(":authority", c->address),
	    HEADER("te", "trailers"),
	    HEADER("content-type", "application/grpc"),
	    HEADER("user-agent", "joblet-c/" JOBLET_VERSION),
	    HEADER("grpc-timeout", ""),
	};
	size_t count = ARRAY_LEN(headers);
	if (timeout_ms > 0) {
		grpc_timeout_format(timeout_ms * 1000000, timeout);
		headers[count - 1].value = (uint8_t *)timeout;
		headers[count - 1].valuelen = strlen(timeout);
	} else {
		count--;
	}
	struct rpc_call *call = xcalloc(1, sizeof(*call));
	int32_t stream = nghttp2_submit_request(c->h2.session, NULL, headers, count, &source, call);
	if (stream < 0) {
		free(call);
		return -ENOTCONN;
	}
	call->stream = stream;
	call->client = c;
	call->max_message = c->max_message;
	call->deadline_ns = timeout_ms > 0 ? clock_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000 : 0;
	if (!c->calls) // the silence before was nobody's concern
		c->heard_ns = clock_ns(CLOCK_MONOTONIC);
	call->next = c->calls;
	if (c->calls)
		c->calls->prev = call;
	c->calls = call;
	*out = call;
	return 0;
}

int rpc_call_recv_wait(struct rpc_call *call, const ProtobufCMessageDescriptor *type, ProtobufCMessage **out)
{
	struct err e = {0};

	for (;;) {
		int rc = rpc_call_recv(call, type, out);
		struct rpc_client *c = call->client;
		if (rc || !c)
			return rc ? rc : RPC_CALL_OVER;
		// A lost connection ends the call, which the next rpc_call_recv says.
		rc = rpc_client_process(c, &e);
		if (rc == 0)
			rc = rpc_call_recv(call, type, out);
		if (rc > 0 || rc == -EBADMSG)
			return rc;
		if (rc < 0)
			continue;
		struct pollfd p = {.fd = c->h2.fd, .events = rpc_client_events(c)};
		if (poll(&p, 1, rpc_client_timeout(c)) < 0 && errno != EINTR)
			return -errno;
	}
}

static int take_reply(struct rpc_call *call, const ProtobufCMessageDescriptor *type, ProtobufCMessage **reply,
		      struct rpc_status *status)
{
	ProtobufCMessage *extra = NULL;
	int rc = rpc_call_recv_wait(call, type, reply);

	if (rc == 1)
		rc = rpc_call_recv_wait(call, type, &extra);
	*status = call->status;
	if (rc < 0 && rc != -EBADMSG)
		return rc;
	if (rc == RPC_CALL_OVER && status->code == RPC_OK && *reply)
		return 0;
	if (status->code == RPC_OK) {
		status->code = RPC_INTERNAL;
		status->is_local = true;
		snprintf(status->text, sizeof(status->text), "the server sent %s reply",
			 extra ? "more than one" : "no");
	}
	if (extra)
		protobuf_c_message_free_unpacked(extra, NULL);
	if (*reply)
		protobuf_c_message_free_unpacked(*reply, NULL);
	*reply = NULL;
	return RPC_FAILED;
}

int rpc_unary(struct rpc_client *c, const char *path, int64_t timeout_ms, const ProtobufCMessage *request,
	      const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **reply,
	      struct rpc_status *status)
{
	struct rpc_call *call = NULL;

	*reply = NULL;
	memset(status, 0, sizeof(*status));
	int rc = rpc_call_start(c, path, timeout_ms, &call);
	if (rc) {
		*status = (struct rpc_status){.code = RPC_UNAVAILABLE, .is_local = true};
		snprintf(status->text, sizeof(status->text), "the connection to %s is closed", c->address);
		return RPC_FAILED;
	}
	rc = rpc_call_send(call, request);
	if (rc == 0)
		rc = rpc_call_close_send(call);
	if (rc == 0)
		rc = take_reply(call, reply_type, reply, status);
	rpc_call_free(call);
	return rc;
}
