// SPDX-License-Identifier: Apache-2.0
// What the files of the gateway share. One process, one loop: gw is the process, gw_conn a TLS connection,
// gw_stream one RPC on it.
#pragma once

#include <netinet/in.h>
#include <systemd/sd-event.h>

#include "jobletd/gateway/wire.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/rpc/grpc.h"
#include "lib/rpc/h2.h"

#if defined(__SANITIZE_ADDRESS__)
#define GW_SANITIZED 1
#elif defined(__has_feature)
#define GW_SANITIZED __has_feature(address_sanitizer)
#else
#define GW_SANITIZED 0
#endif

struct gw_limits {
	int64_t max_message, max_streams;
	int64_t max_conns, max_conns_per_client, max_conns_per_address;
	int64_t handshake_ns, idle_ns, keepalive_ns;
};

struct gw_config {
	char *cert, *key, *ca;
	char *ciphers; // NULL: all of TLS 1.3
	int64_t uid, gid;
	struct gw_limits limits;
};

// A flow of events that is fine up to a rate; more of them is a flood. tokens are nanoseconds of rate.
struct gw_bucket {
	int64_t full_at_ns;
};

struct gw {
	sd_event *loop;
	SSL_CTX *tls;
	struct gw_limits limits;
	int control, listen; // listen is -1 while draining
	sd_event_source *control_io, *listen_io, *listen_timer;
	struct gw_conn *conns;
	unsigned conn_count, shaking_count;
	struct gw_stream *waiting, *waiting_last; // calls that the control socket had no room for
	bool draining;
	sd_event_source *drain_timer;
	struct gw_bucket auth_failed;
	struct gw_auth_failed
	    auth_last; // the last failure that got no packet; its left_out counts those before it
	bool auth_waits;
	sd_event_source *auth_timer;
};

enum gw_conn_state { GW_CONN_SHAKING, GW_CONN_OPEN, GW_CONN_LINGER };

struct gw_conn {
	struct gw *gw;
	struct gw_conn *next, *prev;
	struct h2 h2;
	sd_event_source *io, *timer;
	uint32_t events; // that io is armed for
	enum gw_conn_state state;
	struct tls_identity id;
	char peer[GW_PEER_MAX];
	struct in6_addr address; // IPv4 as a mapped address
	// Not 0: who this is was found out, and every call is answered with this. A bare TLS alert would tell
	// the user nothing.
	int refuse_code;
	char refuse_text[256];
	struct gw_stream *streams;
	unsigned stream_count;
	bool had_stream, going;
	unsigned strikes;	    // requests with too many headers
	int64_t opened_ns, idle_ns; // idle: since when without a stream
	int64_t heard_ns, ping_ns;  // the last byte; a PING that waits for an answer
	int64_t frame_ns;	    // when the frame that is being read began, 0 between frames
	int64_t kill_ns;	    // when it was told to end
	int64_t blocked_ns;	    // since when the peer takes no byte off the socket
	uint64_t heard_bytes, blocked_bytes;
	size_t lingered;
	struct gw_bucket resets, pings, settings, cheap;
};

struct gw_stream {
	struct gw_conn *conn;
	struct gw_stream *next, *prev;
	struct gw_stream *wait_next; // in gw.waiting
	bool is_waiting;
	int32_t id;
	// the request's headers
	int method; // row of method.def, -1 unknown
	bool begun; // all of them are there
	unsigned fields;
	size_t field_bytes;
	bool is_post, has_type, is_grpc, has_te, is_encoded, has_timeout, is_garbled;
	int64_t timeout_ns; // 0 none
	int64_t deadline_ns;
	sd_event_source *deadline;
	// the call's socket
	int sock, core_end; // core_end until the core has it
	sd_event_source *io;
	bool wants_out; // io is armed for EPOLLOUT too
	bool offered;	// the core has been told, or will be
	// client to core
	struct grpc_scan in;
	struct buf pending; // what the socket has not taken; never more than the stream's window
	size_t pending_at;
	bool request_over, shut, core_deaf;
	// core to client
	struct grpc_scan out;
	bool responded; // headers are submitted
	bool deferred;	// nghttp2 waits for us to have data
	bool in_status; // what comes from the core now is the status
	struct buf status;
	bool final; // code and text are known; the call's socket is closed
	int code;
	char text[GW_STATUS_TEXT_MAX + 1];
	int64_t progress_ns;
};

int64_t gw_now(const struct gw *gw); // CLOCK_MONOTONIC of this turn of the loop, nanoseconds

// gw_config.c
int gw_config_parse(const char *text, size_t len, struct gw_config *out, struct err *e) attr_must_check;
void gw_config_free(struct gw_config *c); // wipes the key

// gw_confine.c: gives up everything but the descriptors that are open. nofile: how many descriptors may be
// open.
int gw_confine(uid_t uid, gid_t gid, uint64_t nofile, struct err *e) attr_must_check;

// gw_method.c: the row of method.def whose path is exactly this, or -1.
int gw_method_find(const char *path, size_t len);
bool gw_method_client_streams(int method);
int gw_method_count(void);
const char *gw_method_path(int method);

// gw_limit.c: true when the event is within burst and per_second.
bool gw_bucket_take(struct gw_bucket *b, int64_t now_ns, unsigned burst, unsigned per_second);
void gw_bucket_credit(struct gw_bucket *b, unsigned events, unsigned per_second);

// gw_control.c: the core's side
int gw_control_send_text(int fd, enum gw_type type, const char *text);
void gw_control_offer(struct gw *gw, struct gw_stream *s); // hands the call over, now or when there is room
void gw_control_forget(struct gw *gw, struct gw_stream *s);
void gw_control_auth_failed(struct gw *gw, const struct gw_conn *c, const char *reason);
int gw_control_start(struct gw *gw) attr_must_check;

// gw_conn.c
void gw_conn_accept_take(struct gw *gw, int fd, const struct sockaddr_storage *peer);
void gw_conn_free(struct gw_conn *c);
// Sends what there is and may free c: the last thing a handler does.
void gw_conn_flush(struct gw_conn *c);
void gw_conn_drain(struct gw_conn *c, bool final);
void gw_conn_kill(struct gw_conn *c, uint32_t error_code); // GOAWAY; the connection ends with this turn

// gw_h2.c: nghttp2's callbacks and the limits on what a peer may send
int gw_h2_start(struct gw_conn *c, struct err *e) attr_must_check;

// gw_stream.c: one RPC
struct gw_stream *gw_stream_new(struct gw_conn *c, int32_t id);
void gw_stream_free(struct gw_stream *s);
void gw_stream_header(struct gw_stream *s, const char *name, size_t name_len, const char *value, size_t len);
void gw_stream_begin(struct gw_stream *s); // all headers are there
void gw_stream_data(struct gw_stream *s, const uint8_t *data, size_t len);
void gw_stream_end(struct gw_stream *s); // the client has ended its side

// gw_reply.c: from the core to the client
void gw_reply_finish(struct gw_stream *s, int code, const char *text); // ends the call with this status, once
void gw_reply_http(struct gw_stream *s, const char *http_status, int code, const char *text);
void gw_reply_readable(struct gw_stream *s); // the core's socket has something
void gw_stream_hang_up(struct gw_stream *s); // closes the call's socket
