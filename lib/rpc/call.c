// SPDX-License-Identifier: Apache-2.0
// One call of the client: messages out, messages in, and its status. The connection is client.c.
#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/rpc/client_internal.h"

#define SEND_MAX ((size_t)256 << 10)

static size_t bytes_len(const struct bytes *b)
{
	return b->buf.len - b->at;
}

static const uint8_t *bytes_data(const struct bytes *b)
{
	return (const uint8_t *)b->buf.data + b->at;
}

static void bytes_drop(struct bytes *b, size_t n)
{
	b->at += n;
	if (b->at == b->buf.len) {
		b->buf.len = b->at = 0;
	} else if (b->at > b->buf.len / 2 && b->at > 65536) {
		buf_drop(&b->buf, b->at);
		b->at = 0;
	}
}

// ---- the status
// ------------------------------------------------------------------------------------------------------------------

static void detach(struct rpc_call *call)
{
	struct rpc_client *c = call->client;

	if (!c)
		return;
	if (call->stream > 0 && c->h2.session)
		nghttp2_session_set_stream_user_data(c->h2.session, call->stream, NULL);
	if (call->prev)
		call->prev->next = call->next;
	else
		c->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	call->next = call->prev = NULL;
	call->client = NULL;
}

static void finish(struct rpc_call *call, int code, const char *text, bool is_local)
{
	if (call->over)
		return;
	call->over = true;
	call->status.code = code;
	call->status.is_local = is_local;
	snprintf(call->status.text, sizeof(call->status.text), "%s", text);
	buf_free(&call->out.buf);
	call->out.at = 0;
	detach(call);
}

void rpc_call_end(struct rpc_call *call, int code, const char *text)
{
	struct rpc_client *c = call->client;

	if (c && c->h2.session && call->stream > 0)
		nghttp2_submit_rst_stream(c->h2.session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
	finish(call, code, text, true);
}

void rpc_call_on_header(struct rpc_call *call, const char *name, size_t name_len, const char *value,
			size_t len)
{
	int64_t n;
	char number[16];

	bool is_http = name_len == 7 && memcmp(name, ":status", 7) == 0;
	bool is_code = name_len == 11 && memcmp(name, "grpc-status", 11) == 0;
	if (name_len == 12 && memcmp(name, "grpc-message", 12) == 0)
		grpc_message_decode(value, len, call->status.text, sizeof(call->status.text));
	if ((!is_http && !is_code) || len >= sizeof(number))
		return;
	memcpy(number, value, len);
	number[len] = 0;
	if (str_to_i64(number, 0, 999, &n))
		n = RPC_UNKNOWN;
	if (is_http) {
		call->http_status = (int)n;
	} else {
		call->status.code = n <= RPC_UNAUTHENTICATED ? (int)n : RPC_UNKNOWN;
		call->has_code = true;
	}
}

void rpc_call_on_close(struct rpc_call *call, uint32_t error_code)
{
	char text[sizeof(call->status.text)];

	if (call->over)
		return;
	if (call->has_code && call->status.code == RPC_OK && bytes_len(&call->in) && !call->in_refused) {
		// Whether the rest is whole messages is seen when they are taken.
		struct grpc_scan s = {0};
		size_t used;
		if (grpc_scan(&s, bytes_data(&call->in), bytes_len(&call->in), UINT32_MAX, &used) !=
			GRPC_FINE ||
		    !grpc_scan_at_boundary(&s)) {
			finish(call, RPC_INTERNAL, "the reply ends in the middle of a message", true);
			return;
		}
	}
	if (call->has_code) {
		memcpy(text, call->status.text, sizeof(text));
		finish(call, call->status.code, text, false);
	} else if (call->http_status && call->http_status != 200) {
		snprintf(text, sizeof(text), "the server answered with HTTP status %d", call->http_status);
		finish(call, grpc_code_from_http(call->http_status), text, true);
	} else if (error_code == NGHTTP2_NO_ERROR) {
		finish(call, RPC_INTERNAL, "the server ended the call without a status", true);
	} else if (error_code == NGHTTP2_CANCEL && call->deadline_ns &&
		   clock_ns(CLOCK_MONOTONIC) >= call->deadline_ns) {
		// The server has seen the same deadline pass, and its word was read before our clock.
		finish(call, RPC_DEADLINE_EXCEEDED, "the time for the call is over", true);
	} else {
		snprintf(text, sizeof(text), "the call was cut off (HTTP/2: %s)",
			 nghttp2_http2_strerror(error_code));
		finish(call, grpc_code_from_h2(error_code), text, true);
	}
}

// ---- out
// -------------------------------------------------------------------------------------------------------------------------

ssize_t rpc_call_on_send(struct rpc_call *call, uint8_t *data, size_t len, uint32_t *flags)
{
	size_t n = bytes_len(&call->out);

	if (n == 0 && !call->close_send) {
		call->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n > len)
		n = len;
	if (n) {
		memcpy(data, bytes_data(&call->out), n);
		bytes_drop(&call->out, n);
	}
	if (bytes_len(&call->out) == 0 && call->close_send) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		call->sent_all = true;
	}
	return (ssize_t)n;
}

static void resume(struct rpc_call *call)
{
	if (call->deferred)
		nghttp2_session_resume_data(call->client->h2.session, call->stream);
	call->deferred = false;
}

bool rpc_call_can_send(const struct rpc_call *call)
{
	return !call->over && !call->close_send && bytes_len(&call->out) < SEND_MAX;
}

int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t prefix[GRPC_PREFIX];

	if (call->over || call->close_send)
		return -EPIPE;
	if (bytes_len(&call->out) >= SEND_MAX)
		return -EAGAIN;
	if (len > UINT32_MAX)
		return -EMSGSIZE;
	int rc = buf_reserve(&call->out.buf, len + GRPC_PREFIX);
	if (rc)
		return rc;
	grpc_prefix(prefix, 0, (uint32_t)len);
	buf_add(&call->out.buf, prefix, sizeof(prefix));
	protobuf_c_message_pack(m, (uint8_t *)call->out.buf.data + call->out.buf.len);
	call->out.buf.len += len;
	resume(call);
	return 0;
}

int rpc_call_close_send(struct rpc_call *call)
{
	if (call->over || call->close_send)
		return -EPIPE;
	call->close_send = true;
	resume(call);
	return 0;
}

// ---- in
// --------------------------------------------------------------------------------------------------------------------------

// The length of the whole message at the head: 1, 0 not there yet, -EBADMSG.
static int head_message(const struct rpc_call *call, size_t *len)
{
	const uint8_t *p = bytes_data(&call->in);
	size_t n = bytes_len(&call->in);

	if (n < GRPC_PREFIX)
		return n && p[0] ? -EBADMSG : 0;
	*len = grpc_be32(p + 1);
	if (p[0] != 0 || *len > call->max_message)
		return -EBADMSG;
	return n - GRPC_PREFIX >= *len;
}

static void credit(struct rpc_call *call, size_t n)
{
	if (n && call->client)
		nghttp2_session_consume_stream(call->client->h2.session, call->stream, n);
}

// A message that has begun must be able to arrive whole, however long: its bytes are credited at once when
// nothing stands before it.
static void credit_partial(struct rpc_call *call)
{
	size_t len, all = bytes_len(&call->in);

	if (call->client && head_message(call, &len) == 0) {
		credit(call, all - call->credited);
		call->credited = all;
	}
}

void rpc_call_on_data(struct rpc_call *call, const uint8_t *data, size_t len)
{
	if (call->in_refused || call->over)
		return;
	if (buf_add(&call->in.buf, data, len)) {
		call->in_refused = true;
		rpc_call_end(call, RPC_RESOURCE_EXHAUSTED, "the reply is too large");
		return;
	}
	credit_partial(call);
}

static int refuse(struct rpc_call *call, int code, const char *text)
{
	call->in_refused = true;
	buf_free(&call->in.buf);
	call->in.at = 0;
	rpc_call_end(call, code, text);
	// A call that had ended well did not: its reply is unreadable.
	if (call->status.code == RPC_OK) {
		call->status.code = code;
		call->status.is_local = true;
		snprintf(call->status.text, sizeof(call->status.text), "%s", text);
	}
	return -EBADMSG;
}

int rpc_call_recv(struct rpc_call *call, const ProtobufCMessageDescriptor *type, ProtobufCMessage **out)
{
	size_t len = 0;

	*out = NULL;
	if (call->in_refused)
		return RPC_CALL_OVER;
	int rc = head_message(call, &len);
	if (rc < 0) {
		const uint8_t *p = bytes_data(&call->in);
		if (p[0] == 0)
			return refuse(call, RPC_RESOURCE_EXHAUSTED, "a message of the reply is too large");
		return refuse(call, RPC_INTERNAL, "the reply is compressed or garbled");
	}
	if (rc == 0)
		return call->over ? RPC_CALL_OVER : 0;
	*out = protobuf_c_message_unpack(type, NULL, len, bytes_data(&call->in) + GRPC_PREFIX);
	if (!*out)
		return refuse(call, RPC_INTERNAL, "a message of the reply cannot be read");
	len += GRPC_PREFIX;
	bytes_drop(&call->in, len);
	if (call->credited >= len) {
		call->credited -= len;
	} else {
		credit(call, len - call->credited);
		call->credited = 0;
	}
	credit_partial(call);
	return 1;
}

const struct rpc_status *rpc_call_status(const struct rpc_call *call)
{
	return &call->status;
}

void rpc_call_free(struct rpc_call *call)
{
	if (!call)
		return;
	struct rpc_client *c = call->client;
	if (!call->over) {
		rpc_call_end(call, RPC_CANCELLED, "cancelled");
		// Best effort: the server should know at once even when the caller never polls again.
		if (c && !c->lost) {
			struct err e = {0};
			(void)!rpc_flush(c, &e);
		}
	}
	buf_free(&call->in.buf);
	buf_free(&call->out.buf);
	free(call);
}
