// SPDX-License-Identifier: Apache-2.0
// One RPC, from the core to the client. Bytes are read from the call's socket straight into nghttp2's frame,
// and only when the stream's window has room: nothing is kept in between but the status that ends the call.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "jobletd/gateway/gw.h"

#define STATUS_MIN (GW_FRAME_HEADER + 4)

#define FIELD(n, v) ((nghttp2_nv){(uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE})

// Three bytes for one at most, so that no text is cut by its encoding.
#define ENCODED_MAX (3 * GW_STATUS_TEXT_MAX + 1)

static size_t status_fields(const struct gw_stream *s, char number[4], char *encoded, nghttp2_nv out[2])
{
	snprintf(number, 4, "%d", s->code);
	out[0] = FIELD("grpc-status", number);
	if (!s->text[0])
		return 1;
	grpc_message_encode(s->text, strlen(s->text), encoded, ENCODED_MAX);
	out[1] = FIELD("grpc-message", encoded);
	return 2;
}

static void submit_trailers_only(struct gw_stream *s, const char *http_status)
{
	char number[4], encoded[ENCODED_MAX];
	nghttp2_nv fields[5] = {FIELD(":status", http_status), FIELD("content-type", "application/grpc"),
				FIELD("grpc-accept-encoding", "identity")};
	size_t n = 3 + status_fields(s, number, encoded, fields + 3);

	s->responded = true;
	nghttp2_submit_response(s->conn->h2.session, s->id, fields, n, NULL);
}

static void submit_trailers(struct gw_stream *s)
{
	char number[4], encoded[ENCODED_MAX];
	nghttp2_nv fields[2];
	size_t n = status_fields(s, number, encoded, fields);

	nghttp2_submit_trailer(s->conn->h2.session, s->id, fields, n);
}

static void settle(struct gw_stream *s, int code, const char *text)
{
	s->final = true;
	s->code = code;
	snprintf(s->text, sizeof(s->text), "%s", text);
	gw_stream_hang_up(s);
}

void gw_reply_http(struct gw_stream *s, const char *http_status, int code, const char *text)
{
	if (s->final)
		return;
	settle(s, code, text);
	if (!s->responded)
		submit_trailers_only(s, http_status);
	else if (s->deferred)
		nghttp2_session_resume_data(s->conn->h2.session, s->id);
	s->deferred = false;
}

void gw_reply_finish(struct gw_stream *s, int code, const char *text)
{
	gw_reply_http(s, "200", code, text);
}

// ---- the status frame
// ------------------------------------------------------------------------------------------------------------

static void lose_core(struct gw_stream *s)
{
	settle(s, RPC_UNAVAILABLE, "the daemon has stopped");
}

// 1 when the status is whole (settled then), 0 when more must come. s->status never grows beyond one status
// frame.
static int parse_status(struct gw_stream *s)
{
	char text[GW_STATUS_TEXT_MAX + 1];
	const char *p = s->status.data;

	if (s->status.len < GW_FRAME_HEADER)
		return 0;
	uint32_t len = grpc_be32(p + 1);
	if (len < 4 || len > 4 + GW_STATUS_TEXT_MAX) {
		settle(s, RPC_INTERNAL, "the daemon's answer is garbled");
		return 1;
	}
	if (s->status.len < GW_FRAME_HEADER + len)
		return 0;
	uint32_t code = grpc_be32(p + GW_FRAME_HEADER);
	memcpy(text, p + STATUS_MIN, len - 4);
	text[len - 4] = 0;
	settle(s, code <= RPC_UNAUTHENTICATED ? (int)code : RPC_UNKNOWN, text);
	return 1;
}

static int read_status(struct gw_stream *s)
{
	char data[STATUS_MIN + GW_STATUS_TEXT_MAX];

	for (;;) {
		if (s->status.len && parse_status(s))
			return 1;
		ssize_t n = recv(s->sock, data, sizeof(data) - s->status.len, MSG_DONTWAIT);
		if (n > 0) {
			buf_add(&s->status, data, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			return 0;
		} else if (n == 0 || errno != EINTR) {
			lose_core(s);
			return 1;
		}
	}
}

// ---- data
// ------------------------------------------------------------------------------------------------------------------------

// Reads up to len bytes of messages into data. The number; 0 with s->final set, or with nothing there.
static size_t read_messages(struct gw_stream *s, uint8_t *data, size_t len)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = recv(s->sock, data, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		lose_core(s);
		return 0;
	}
	enum grpc_verdict v = grpc_scan(&s->out, data, (size_t)n, UINT32_MAX, &used);
	if (v == GRPC_FINE)
		return (size_t)n;
	if (s->out.head[0] != GW_FRAME_STATUS) {
		settle(s, RPC_INTERNAL, "the daemon's answer is garbled");
		return used;
	}
	s->in_status = true;
	size_t rest = (size_t)n - used;
	if (rest > STATUS_MIN + GW_STATUS_TEXT_MAX)
		rest = STATUS_MIN + GW_STATUS_TEXT_MAX;
	buf_add(&s->status, data + used, rest);
	return used;
}

static ssize_t on_send(nghttp2_session *session, int32_t id, uint8_t *data, size_t len, uint32_t *flags,
		       nghttp2_data_source *source, void *userdata)
{
	struct gw_stream *s = nghttp2_session_get_stream_user_data(session, id);
	size_t n = 0;

	(void)source;
	(void)userdata;
	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	s->progress_ns = gw_now(s->conn->gw);
	if (!s->final && s->sock < 0) // hung up on: its reset is on the way
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!s->final && !s->in_status)
		n = read_messages(s, data, len);
	if (!s->final && s->in_status)
		read_status(s);
	if (s->final) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_trailers(s);
		return (ssize_t)n;
	}
	if (n == 0) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

static void submit_response(struct gw_stream *s)
{
	nghttp2_data_provider source = {.read_callback = on_send};
	const nghttp2_nv fields[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
				     FIELD("grpc-accept-encoding", "identity")};

	s->responded = true;
	nghttp2_submit_response(s->conn->h2.session, s->id, fields, ARRAY_LEN(fields), &source);
}

void gw_reply_readable(struct gw_stream *s)
{
	uint8_t first;

	if (s->final || s->sock < 0)
		return;
	if (s->responded) {
		if (s->deferred) {
			s->deferred = false;
			nghttp2_session_resume_data(s->conn->h2.session, s->id);
		}
		return;
	}
	if (!s->in_status) {
		// Only a look: a call that ends without a message is answered by one header block.
		ssize_t n = recv(s->sock, &first, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lose_core(s);
			submit_trailers_only(s, "200");
			return;
		}
		if (first != GW_FRAME_STATUS) {
			submit_response(s);
			return;
		}
		s->in_status = true;
	}
	if (read_status(s))
		submit_trailers_only(s, "200");
}
