// SPDX-License-Identifier: Apache-2.0
// nghttp2's callbacks of the gateway, and what a peer may send how often. nghttp2 keeps some floods out by
// itself; what it does not count is counted here: header fields, resets that we are made to send, PING,
// SETTINGS and frames that carry nothing.
#include <errno.h>
#include <string.h>

#include "jobletd/gateway/gw.h"

#define HEADER_LIST_MAX 8192
#define CONN_WINDOW	((int32_t)1 << 20)
#define RESET_BURST	100
#define RESET_RATE	10
#define PING_BURST	200
#define PING_RATE	10
#define SETTINGS_BURST	20
#define SETTINGS_RATE	1
#define CHEAP_BURST	10000
#define CHEAP_RATE	1000

static struct gw_stream *find(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static void flood(struct gw_conn *c)
{
	gw_conn_kill(c, NGHTTP2_ENHANCE_YOUR_CALM);
}

static bool is_cheap(const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_SETTINGS:
	case NGHTTP2_PING: return false; // counted elsewhere
	case NGHTTP2_DATA: return hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM);
	default: return true;
	}
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *userdata)
{
	struct gw_conn *c = userdata;
	int64_t now = gw_now(c->gw);

	(void)session;
	c->frame_ns = now;
	if (is_cheap(hd) && !gw_bucket_take(&c->cheap, now, CHEAP_BURST, CHEAP_RATE))
		flood(c);
	if (hd->type == NGHTTP2_PING && !(hd->flags & NGHTTP2_FLAG_ACK) &&
	    !gw_bucket_take(&c->pings, now, PING_BURST, PING_RATE))
		flood(c);
	if (hd->type == NGHTTP2_SETTINGS && !(hd->flags & NGHTTP2_FLAG_ACK) &&
	    !gw_bucket_take(&c->settings, now, SETTINGS_BURST, SETTINGS_RATE))
		flood(c);
	return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct gw_conn *c = userdata;

	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (c->stream_count >= (unsigned)c->gw->limits.max_streams || c->h2.stop) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
					  NGHTTP2_REFUSED_STREAM);
		return 0;
	}
	struct gw_stream *s = gw_stream_new(c, frame->hd.stream_id);
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *userdata)
{
	struct gw_stream *s = find(session, frame->hd.stream_id);

	(void)flags;
	(void)userdata;
	if (s)
		gw_stream_header(s, (const char *)name, name_len, (const char *)value, value_len);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct gw_conn *c = userdata;
	struct gw_stream *s = NULL;

	c->frame_ns = 0;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	s = find(session, frame->hd.stream_id);
	if (!s)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		gw_stream_begin(s);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		gw_stream_end(s);
	return 0;
}

// nghttp2 has refused a frame and will answer by itself.
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *userdata)
{
	struct gw_conn *c = userdata;

	(void)session;
	(void)frame;
	(void)code;
	c->frame_ns = 0;
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
		   void *userdata)
{
	struct gw_conn *c = userdata;
	struct gw_stream *s = find(session, id);

	(void)flags;
	c->frame_ns = gw_now(c->gw);
	gw_bucket_credit(&c->pings, 1, PING_RATE);
	if (s)
		gw_stream_data(s, data, len);
	else
		nghttp2_session_consume(session, id, len);
	return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct gw_conn *c = userdata;
	const nghttp2_frame_hd *hd = &frame->hd;

	if (hd->type == NGHTTP2_DATA) {
		gw_bucket_credit(&c->pings, 1, PING_RATE);
		gw_bucket_credit(&c->cheap, 16, CHEAP_RATE);
	}
	if (hd->type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
	    !gw_bucket_take(&c->resets, gw_now(c->gw), RESET_BURST, RESET_RATE))
		flood(c);
	// An answer before the end of the request: the client need not send the rest.
	if (hd->type == NGHTTP2_HEADERS && (hd->flags & NGHTTP2_FLAG_END_STREAM)) {
		struct gw_stream *s = find(session, hd->stream_id);
		if (s && !s->request_over)
			nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, hd->stream_id,
						  NGHTTP2_NO_ERROR);
	}
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *userdata)
{
	struct gw_stream *s = find(session, id);

	(void)code;
	(void)userdata;
	if (s)
		gw_stream_free(s);
	return 0;
}

static void set_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
}

static void set_options(nghttp2_option *opt)
{
	nghttp2_option_set_no_auto_window_update(opt, 1);
	nghttp2_option_set_max_outbound_ack(opt, 100);
	nghttp2_option_set_max_settings(opt, 16);
	nghttp2_option_set_stream_reset_rate_limit(opt, RESET_BURST, RESET_RATE);
	nghttp2_option_set_max_continuations(opt, 8);
	nghttp2_option_set_no_closed_streams(opt, 1);
}

int gw_h2_start(struct gw_conn *c, struct err *e)
{
	const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)c->gw->limits.max_streams},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
	    // No table that a peer fills: nothing small can stand for something large.
	    {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0},
	    {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	nghttp2_session_callbacks *cb;
	nghttp2_option *opt;

	if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&opt))
		abort();
	set_callbacks(cb);
	set_options(opt);
	int rc = nghttp2_session_server_new2(&c->h2.session, cb, c, opt);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(opt);
	if (rc == 0)
		rc = nghttp2_submit_settings(c->h2.session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(c->h2.session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
	return rc ? err_set(e, -EPROTO, "HTTP/2: %s", nghttp2_strerror(rc)) : 0;
}
