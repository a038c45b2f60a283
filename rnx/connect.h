// SPDX-License-Identifier: Apache-2.0
// From a command to the server: configuration, node, connection, calls with another try where that is safe.
// Every function that returns an exit status has reported what went wrong.
#pragma once

#include "lib/rpc/client.h"
#include "rnx/rnx.h"

enum { CALL_TIMEOUT_MS = 30000, CONNECT_TIMEOUT_MS = 10000 };

// Reads the configuration and chooses the node. 0 or an exit status.
int connect_config(struct rnx *r) attr_must_check;
// Connects if there is no connection yet. A server that refuses the connection is tried again for a second
// and a half. 0 or an exit status.
int connect_open(struct rnx *r) attr_must_check;
// One try, without a report.
int connect_try(struct rnx *r, int timeout_ms, struct err *e) attr_must_check;
void connect_close(struct rnx *r);

// May the call be made twice? CALL_AGAIN: yes, so a lost connection is tried again.
enum call_mode { CALL_ONCE, CALL_AGAIN };

// One request, one reply; *reply is the caller's (protobuf_c_message_free_unpacked). 0 or an exit status.
int connect_call(struct rnx *r, enum call_mode mode, const char *path, int64_t timeout_ms,
		 const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
		 ProtobufCMessage **reply) attr_must_check;

// Reports a call that failed, with what before it unless that is NULL; the exit status: 1 when the server
// refused, 125 when something broke.
int connect_report(const struct rnx *r, const struct rpc_status *s, const char *what);

// Milliseconds to wait before try number n (from 1): 100, 200, 400 … up to max. For lost connections.
int connect_backoff(unsigned n, int max);
