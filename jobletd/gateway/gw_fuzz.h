// SPDX-License-Identifier: Apache-2.0
// A gateway of a fuzzer's own: a connection without TLS whose bytes are the fuzzer's, and a core that is the
// other end of the control socket. Included by *_fuzz.c only.
#pragma once

#include <string.h>
#include <sys/socket.h>

#include "jobletd/gateway/gw.h"
#include "lib/base/file.h"

static struct gw fuzz_gw;
static int fuzz_core = -1; // the core's end of the control socket

static inline void fuzz_gw_init(void)
{
	int pair[2];

	if (fuzz_gw.loop)
		return;
	fuzz_gw.limits = (struct gw_limits){.max_message = 4096,
					    .max_streams = 8,
					    .max_conns = 8,
					    .max_conns_per_client = 8,
					    .max_conns_per_address = 8,
					    .handshake_ns = INT64_C(10000000000),
					    .idle_ns = INT64_C(60000000000),
					    .keepalive_ns = INT64_C(60000000000)};
	if (sd_event_new(&fuzz_gw.loop) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	fuzz_gw.control = pair[0];
	fuzz_gw.listen = -1;
	fuzz_core = pair[1];
}

// A connection that has shaken hands. It lingers as far as gw_conn.c is concerned, which then leaves the
// bytes to us.
static inline struct gw_conn *fuzz_conn_new(void)
{
	struct gw_conn *c = xcalloc(1, sizeof(*c));
	struct err e = {0};

	c->gw = &fuzz_gw;
	c->h2.fd = -1;
	c->state = GW_CONN_LINGER;
	memcpy(c->id.cn, "fuzz", 5);
	memcpy(c->id.ou, "admin", 6);
	if (sd_event_add_time(fuzz_gw.loop, &c->timer, CLOCK_MONOTONIC, UINT64_MAX - 1, 0, NULL, c) < 0 ||
	    gw_h2_start(c, &e))
		abort();
	fuzz_gw.conns = c;
	fuzz_gw.conn_count++;
	return c;
}

// The next call's socket as the core has it, or -1.
static inline int fuzz_core_accept(void)
{
	struct gw_call call;
	int fd = -1;
	size_t n = 1;
	ssize_t len = file_recv_fds(fuzz_core, &call, sizeof(call), &fd, &n);

	if (len < 0)
		return -1;
	if (len != sizeof(call) || n != 1 || call.type != GW_CALL ||
	    call.method >= (unsigned)gw_method_count() || !memchr(call.cn, 0, sizeof(call.cn)))
		abort();
	return fd;
}

// What the loop has to do, then what nghttp2 has to say; its bytes go to out when there is one.
static inline void fuzz_turn(struct gw_conn *c, struct buf *out)
{
	const uint8_t *bytes;
	ssize_t n;

	while (sd_event_run(fuzz_gw.loop, 0) > 0)
		;
	while ((n = nghttp2_session_mem_send(c->h2.session, &bytes)) > 0)
		if (out)
			buf_add(out, bytes, (size_t)n);
}
