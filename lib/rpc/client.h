// SPDX-License-Identifier: Apache-2.0
// The client's end of the wire: one TLS connection, HTTP/2, any number of calls at once. It has no loop of
// its own: the caller polls rpc_client_fd and calls rpc_client_process, or uses the blocking helpers at the
// end.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/rpc/status.h"

struct rpc_client;
struct rpc_call;

struct rpc_client_config {
	const char *address;	     // host:port, [v6]:port
	const char *cert, *key, *ca; // PEM texts
	const char *server_name;     // the certificate must be for this name
	size_t max_message;	     // bytes received in one message; 0: 16 MiB
	int timeout_ms;		     // for connecting and the handshake
};

// What came of a call. code is an rpc_code; text is the server's message, or what failed on the way (then
// is_local, and code is UNAVAILABLE or DEADLINE_EXCEEDED).
struct rpc_status {
	int code;
	bool is_local;
	char text[4096];
};

// Connects and shakes hands, blocking up to timeout_ms. -ETIMEDOUT, -ECONNREFUSED, -EACCES (the server
// refused the certificate or its own is not for server_name), other -errno, each with a text that names the
// address.
int rpc_client_open(const struct rpc_client_config *cfg, struct rpc_client **out,
		    struct err *e) attr_must_check;
void rpc_client_free(
    struct rpc_client *c); // calls that are open end with UNAVAILABLE; free them first or after

int rpc_client_fd(const struct rpc_client *c);
short rpc_client_events(const struct rpc_client *c); // POLLIN and POLLOUT as needed now
int rpc_client_timeout(
    const struct rpc_client *c); // milliseconds to the next deadline or keepalive; -1: none
// Reads, writes and runs timers without blocking. A lost connection is an error once, and every open call has
// ended.
int rpc_client_process(struct rpc_client *c, struct err *e) attr_must_check;

// timeout_ms 0: none. path is "/joblet.JobService/RunJob".
int rpc_call_start(struct rpc_client *c, const char *path, int64_t timeout_ms,
		   struct rpc_call **out) attr_must_check;
void rpc_call_free(struct rpc_call *call); // cancels it when it is not over

// Queues one message. -EAGAIN when 256 KiB wait already: poll and try again. -EPIPE when the call is over or
// its sending side closed.
int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *m) attr_must_check;
bool rpc_call_can_send(const struct rpc_call *call);
int rpc_call_close_send(struct rpc_call *call) attr_must_check;

// The next message that has arrived, unpacked: 1 and *out is the caller's (protobuf_c_message_free_unpacked);
// 0 none yet; RPC_CALL_OVER the call has ended, see rpc_call_status; negative: the message is none (-EBADMSG,
// the call is cancelled). Flow control gives the server new room when a message is taken, so a slow caller
// holds back the server.
enum { RPC_CALL_OVER = 2 };
int rpc_call_recv(struct rpc_call *call, const ProtobufCMessageDescriptor *type,
		  ProtobufCMessage **out) attr_must_check;
const struct rpc_status *rpc_call_status(const struct rpc_call *call);

// Blocking: one request, one reply. 0 with *reply, or positive RPC_FAILED with *status filled; timeout_ms 0:
// none.
enum { RPC_FAILED = 1 };
int rpc_unary(struct rpc_client *c, const char *path, int64_t timeout_ms, const ProtobufCMessage *request,
	      const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **reply,
	      struct rpc_status *status) attr_must_check;
// Blocking: the next message of a stream: as rpc_call_recv but never 0.
int rpc_call_recv_wait(struct rpc_call *call, const ProtobufCMessageDescriptor *type,
		       ProtobufCMessage **out) attr_must_check;
