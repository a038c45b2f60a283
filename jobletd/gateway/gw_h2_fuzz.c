// SPDX-License-Identifier: Apache-2.0
// Fuzzes what a client sends: HTTP/2 frames behind the preface, in pieces whose size is the first byte. The
// core's end of each call gets messages that are whole and within the limit, and nothing else.
#include "jobletd/gateway/gw_fuzz.h"

#define CALLS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	int fd[CALLS];
	struct grpc_scan scan[CALLS];
	size_t count;
} core;

static void accept_calls(void)
{
	int fd;

	while ((fd = fuzz_core_accept()) >= 0) {
		if (core.count == CALLS) {
			close(fd);
			continue;
		}
		core.fd[core.count] = fd;
		core.scan[core.count++] = (struct grpc_scan){0};
	}
}

static void read_calls(void)
{
	uint8_t bytes[4096];

	for (size_t i = 0; i < core.count; i++) {
		ssize_t n;
		while ((n = recv(core.fd[i], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
			size_t used;
			if (grpc_scan(&core.scan[i], bytes, (size_t)n, 4096, &used) != GRPC_FINE)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	static const uint8_t settings[9] = {0, 0, 0, 4};

	if (!size)
		return 0;
	fuzz_gw_init();
	struct gw_conn *c = fuzz_conn_new();
	nghttp2_session *session = c->h2.session;
	if (nghttp2_session_mem_recv(session, (const uint8_t *)preface, sizeof(preface) - 1) < 0 ||
	    nghttp2_session_mem_recv(session, settings, sizeof(settings)) < 0)
		abort();
	size_t piece = ((size_t)data[0] + 1) * 4;
	for (size_t at = 1, n; at < size && !c->h2.stop; at += n) {
		n = size - at < piece ? size - at : piece;
		if (nghttp2_session_mem_recv(session, data + at, n) < 0)
			break;
		fuzz_turn(c, NULL);
		accept_calls();
		read_calls();
	}
	if (c->stream_count > (unsigned)fuzz_gw.limits.max_streams)
		abort();
	gw_conn_free(c);
	accept_calls();
	while (core.count)
		close(core.fd[--core.count]);
	if (fuzz_gw.conns || fuzz_gw.waiting)
		abort();
	return 0;
}
