// SPDX-License-Identifier: Apache-2.0
// Drives lib/rpc's client from the command line, for tests: rpc-try ADDRESS CERT KEY CA MODE [NUMBER…].
// Prints what came. Never installed.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "joblet.pb-c.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/rpc/client.h"

#define UNARY  "/joblet.JobService/ListJobs"
#define STREAM "/joblet.JobService/GetJobLogs"
#define BIDI   "/joblet.JobControlService/AttachJob"
#define TYPE   (&joblet__data_chunk__descriptor)

static Joblet__DataChunk chunk(uint8_t *data, size_t len)
{
	Joblet__DataChunk m = JOBLET__DATA_CHUNK__INIT;
	m.payload.data = data;
	m.payload.len = len;
	return m;
}

static int say(const struct rpc_status *s)
{
	printf("%s%s: %s\n", rpc_code_name(s->code), s->is_local ? " (local)" : "", s->text);
	return s->code ? 1 : 0;
}

static int64_t number(char **argv, int at, int argc, int64_t fallback)
{
	int64_t n = fallback;
	if (at < argc && str_to_i64(argv[at], 0, INT64_MAX, &n))
		exit(2);
	return n;
}

// unary SIZE TIMEOUT_MS
static int try_unary(struct rpc_client *c, int64_t size, int64_t timeout_ms)
{
	cleanup_free uint8_t *data = xcalloc(1, (size_t)size + 1);
	struct rpc_status status;
	ProtobufCMessage *reply = NULL;

	for (int64_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 31);
	Joblet__DataChunk m = chunk(data, (size_t)size);
	int rc = rpc_unary(c, UNARY, timeout_ms, &m.base, TYPE, &reply, &status);
	if (rc < 0)
		return 3;
	if (rc == 0) {
		Joblet__DataChunk *r = (Joblet__DataChunk *)reply;
		bool same =
		    r->payload.len == (size_t)size && memcmp(r->payload.data, data, (size_t)size) == 0;
		printf("reply %zu %s\n", r->payload.len, same ? "same" : "different");
		protobuf_c_message_free_unpacked(reply, NULL);
	}
	return say(&status);
}

// stream PAUSE_MS TIMEOUT_MS: takes a message, pauses, …
static int try_stream(struct rpc_client *c, const char *request, int64_t pause_ms, int64_t timeout_ms)
{
	struct rpc_call *call = NULL;
	ProtobufCMessage *m = NULL;
	uint64_t bytes = 0, messages = 0;
	int rc = rpc_call_start(c, STREAM, timeout_ms, &call);

	Joblet__DataChunk ask = chunk((uint8_t *)request, strlen(request));
	if (rc || rpc_call_send(call, &ask.base) || rpc_call_close_send(call))
		return 3;
	while ((rc = rpc_call_recv_wait(call, TYPE, &m)) == 1) {
		bytes += ((Joblet__DataChunk *)m)->payload.len;
		messages++;
		protobuf_c_message_free_unpacked(m, NULL);
		if (pause_ms)
			poll(NULL, 0, (int)pause_ms);
	}
	printf("%llu messages %llu bytes\n", (unsigned long long)messages, (unsigned long long)bytes);
	rc = say(rpc_call_status(call));
	rpc_call_free(call);
	return rc;
}

static int pump(struct rpc_client *c)
{
	struct err e = {0};
	struct pollfd p = {.fd = rpc_client_fd(c), .events = rpc_client_events(c)};

	poll(&p, 1, rpc_client_timeout(c));
	int rc = rpc_client_process(c, &e);
	if (rc)
		printf("lost: %s\n", e.msg);
	return rc;
}

// bidi COUNT SIZE: sends as fast as the call takes, counts what comes back
static int try_bidi(struct rpc_client *c, int64_t count, int64_t size)
{
	cleanup_free uint8_t *data = xcalloc(1, (size_t)size + 1);
	struct rpc_call *call = NULL;
	ProtobufCMessage *m = NULL;
	int64_t sent = 0, got = 0;
	int rc = rpc_call_start(c, BIDI, 0, &call);

	if (rc)
		return 3;
	for (;;) {
		while (sent < count && rpc_call_can_send(call)) {
			Joblet__DataChunk out = chunk(data, (size_t)size);
			if (rpc_call_send(call, &out.base))
				return 3;
			if (++sent == count && rpc_call_close_send(call))
				return 3;
		}
		while ((rc = rpc_call_recv(call, TYPE, &m)) == 1) {
			got += ((Joblet__DataChunk *)m)->payload.len == (size_t)size;
			protobuf_c_message_free_unpacked(m, NULL);
		}
		if (rc)
			break;
		pump(c);
	}
	printf("%lld back\n", (long long)got);
	rc = say(rpc_call_status(call));
	rpc_call_free(call);
	return rc;
}

// cancel: takes one message of a stream and drops the call; then a unary call on the same connection
static int try_cancel(struct rpc_client *c)
{
	struct rpc_call *call = NULL;
	ProtobufCMessage *m = NULL;
	Joblet__DataChunk ask = chunk((uint8_t *)"forever", 7);

	if (rpc_call_start(c, STREAM, 0, &call) || rpc_call_send(call, &ask.base) ||
	    rpc_call_close_send(call))
		return 3;
	int rc = rpc_call_recv_wait(call, TYPE, &m);
	if (rc == 1)
		protobuf_c_message_free_unpacked(m, NULL);
	rpc_call_free(call);
	return try_unary(c, 10, 0);
}

static int run(struct rpc_client *c, char **argv, int argc)
{
	const char *mode = argv[5];

	if (str_eq(mode, "unary"))
		return try_unary(c, number(argv, 6, argc, 10), number(argv, 7, argc, 0));
	if (str_eq(mode, "stream"))
		return try_stream(c, argc > 6 ? argv[6] : "", number(argv, 7, argc, 0),
				  number(argv, 8, argc, 0));
	if (str_eq(mode, "bidi"))
		return try_bidi(c, number(argv, 6, argc, 10), number(argv, 7, argc, 100));
	if (str_eq(mode, "cancel"))
		return try_cancel(c);
	return 2;
}

int main(int argc, char **argv)
{
	cleanup_free char *cert = NULL, *key = NULL, *ca = NULL;
	struct rpc_client *c = NULL;
	struct err e = {0};

	if (argc < 6)
		return 2;
	if (file_read(AT_FDCWD, argv[2], 1 << 20, &cert, NULL, &e) ||
	    file_read(AT_FDCWD, argv[3], 1 << 20, &key, NULL, &e) ||
	    file_read(AT_FDCWD, argv[4], 1 << 20, &ca, NULL, &e)) {
		printf("%s\n", e.msg);
		return 2;
	}
	struct rpc_client_config cfg = {.address = argv[1],
					.cert = cert,
					.key = key,
					.ca = ca,
					.server_name = "joblet",
					.timeout_ms = 5000};
	int rc = rpc_client_open(&cfg, &c, &e);
	if (rc) {
		printf("open: %s: %s\n", strerror(-rc), e.msg);
		return 4;
	}
	rc = run(c, argv, argc);
	rpc_client_free(c);
	return rc;
}
