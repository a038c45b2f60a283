// SPDX-License-Identifier: Apache-2.0
// Fuzzes what the core answers on a call's socket: any bytes, in pieces whose size is the first byte. The
// client always gets an end: a header block or trailers that close the stream, or a reset.
#include "jobletd/gateway/gw_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_ended;

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	(void)session;
	(void)userdata;
	if ((frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) ||
	    frame->hd.type == NGHTTP2_RST_STREAM)
		has_ended = true;
	return 0;
}

static nghttp2_session *client_new(void)
{
	nghttp2_session_callbacks *cb;
	nghttp2_session *client;

	if (nghttp2_session_callbacks_new(&cb))
		abort();
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	if (nghttp2_session_client_new(&client, cb, NULL))
		abort();
	nghttp2_session_callbacks_del(cb);
	return client;
}

#define FIELD(n, v) ((nghttp2_nv){(uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE})

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *data, size_t len, uint32_t *flags,
		       nghttp2_data_source *source, void *userdata)
{
	(void)session, (void)id, (void)source, (void)userdata;
	if (len < GRPC_PREFIX)
		abort();
	memset(data, 0, GRPC_PREFIX); // an empty message
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return GRPC_PREFIX;
}

static void ask(nghttp2_session *client)
{
	const nghttp2_nv fields[] = {
	    FIELD(":method", "POST"), FIELD(":scheme", "https"), FIELD(":path", gw_method_path(0)),
	    FIELD(":authority", "a"), FIELD("te", "trailers"),	 FIELD("content-type", "application/grpc")};
	nghttp2_data_provider body = {.read_callback = on_read};

	if (nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, NULL, 0) ||
	    nghttp2_submit_request(client, NULL, fields, ARRAY_LEN(fields), &body, NULL) < 0)
		abort();
}

// Bytes both ways until nobody has any more.
static void talk(nghttp2_session *client, struct gw_conn *c)
{
	const uint8_t *bytes;
	ssize_t n;

	for (int i = 0; i < 8; i++) {
		cleanup_buf struct buf out = {0};
		while ((n = nghttp2_session_mem_send(client, &bytes)) > 0)
			if (nghttp2_session_mem_recv(c->h2.session, bytes, (size_t)n) != n)
				abort();
		fuzz_turn(c, &out);
		if (out.len &&
		    nghttp2_session_mem_recv(client, (const uint8_t *)out.data, out.len) != (ssize_t)out.len)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	fuzz_gw_init();
	has_ended = false;
	nghttp2_session *client = client_new();
	struct gw_conn *c = fuzz_conn_new();
	ask(client);
	talk(client, c);
	int fd = fuzz_core_accept();
	if (fd < 0)
		abort();
	size_t piece = ((size_t)data[0] + 1) * 4;
	for (size_t at = 1, n; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		if (send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
			break; // it has heard enough
		talk(client, c);
	}
	close(fd);
	talk(client, c);
	if (!has_ended)
		abort();
	gw_conn_free(c);
	nghttp2_session_del(client);
	return 0;
}
