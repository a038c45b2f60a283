// SPDX-License-Identifier: Apache-2.0
// What client.c (the connection) and call.c (its calls) share. Nobody else includes this.
#pragma once

#include "lib/rpc/client.h"
#include "lib/rpc/grpc.h"
#include "lib/rpc/h2.h"

// Bytes that come in at one end and leave at the other, without moving the rest each time.
struct bytes {
	struct buf buf;
	size_t at;
};

struct rpc_client {
	struct h2 h2;
	SSL_CTX *tls;
	char *address;
	struct rpc_call *calls; // all that are attached
	uint32_t max_message;
	bool settled;	  // the server's SETTINGS came: it has accepted our certificate
	bool lost;	  // the connection is gone and that was said
	bool going;	  // GOAWAY came: no new calls
	int64_t heard_ns; // when the last byte came
	int64_t ping_ns;  // when a PING that is not answered was sent, or 0
	uint64_t heard_bytes;
};

struct rpc_call {
	struct rpc_client *client; // NULL once the call is over or the client is gone
	struct rpc_call *next, *prev;
	int32_t stream;
	int64_t deadline_ns;
	uint32_t max_message;
	// towards the server
	struct bytes out;
	bool close_send, sent_all, deferred;
	// from the server
	struct bytes in;
	size_t credited; // bytes at the head of in that the server has got new room for already
	bool in_refused; // a frame that is none: nothing more is taken
	// how it went
	bool over;
	bool has_code;
	int http_status;
	struct rpc_status status;
};

// nghttp2's session with its callbacks and limits, on a connection that is there.
int rpc_session_start(struct rpc_client *c, struct err *e) attr_must_check;
int rpc_flush(struct rpc_client *c,
	      struct err *e) attr_must_check; // sends what there is, and ends all calls on failure
int rpc_lost(struct rpc_client *c, int rc, struct err *e);

// Called by the connection.
void rpc_call_on_header(struct rpc_call *call, const char *name, size_t name_len, const char *value,
			size_t len);
void rpc_call_on_data(struct rpc_call *call, const uint8_t *data, size_t len);
void rpc_call_on_close(struct rpc_call *call, uint32_t error_code);
ssize_t rpc_call_on_send(struct rpc_call *call, uint8_t *data, size_t len, uint32_t *flags);
// Ends the call from this side, once; text is what the user reads.
void rpc_call_end(struct rpc_call *call, int code, const char *text);
