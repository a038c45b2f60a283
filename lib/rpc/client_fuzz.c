// SPDX-License-Identifier: Apache-2.0
// Fuzzes what a server sends: HTTP/2 frames into a client with two calls, one of which reads slowly. The
// input comes in pieces whose size is its first byte. Whatever comes, a call ends with a status that can be
// shown.
#include <errno.h>
#include <string.h>

#include "health.pb-c.h"
#include "lib/rpc/client_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct rpc_client *c)
{
	const uint8_t *out;

	while (nghttp2_session_mem_send(c->h2.session, &out) > 0)
		;
}

// Messages that are there.
static void take(struct rpc_call *call)
{
	const ProtobufCMessageDescriptor *type = &grpc__health__v1__health_check_response__descriptor;
	ProtobufCMessage *m;

	while (rpc_call_recv(call, type, &m) == 1)
		protobuf_c_message_free_unpacked(m, NULL);
}

static void check(const struct rpc_call *call)
{
	const struct rpc_status *s = rpc_call_status(call);

	if (s->code < RPC_OK || s->code > RPC_UNAUTHENTICATED)
		abort();
	for (const char *p = s->text; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_client *c = xcalloc(1, sizeof(*c));
	struct rpc_call *calls[2];
	struct err e = {0};

	if (!size)
		return free(c), 0;
	c->h2.fd = -1;
	c->address = xstrdup("127.0.0.1:1");
	c->max_message = 4096;
	if (rpc_session_start(c, &e))
		abort();
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (rpc_call_start(c, "/grpc.health.v1.Health/Watch", 0, &calls[i]))
			abort();
	drain(c);
	size_t piece = (size_t)data[0] + 1;
	for (size_t at = 1, n; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		if (nghttp2_session_mem_recv(c->h2.session, data + at, n) < 0)
			break;
		take(calls[0]);
		drain(c);
	}
	take(calls[1]);
	rpc_lost(c, -ECONNRESET, &e);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		take(calls[i]);
		check(calls[i]);
		rpc_call_free(calls[i]);
	}
	rpc_client_free(c);
	return 0;
}
