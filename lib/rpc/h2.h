// SPDX-License-Identifier: Apache-2.0
// One HTTP/2 connection on a TLS connection on a socket: moves bytes between nghttp2 and the peer. It has no
// loop: the owner polls fd for h2_events and calls h2_read and h2_write. What frames mean is the owner's
// affair, by nghttp2's callbacks.
#pragma once

#include <nghttp2/nghttp2.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/rpc/tls.h"

struct h2 {
	int fd; // owned
	SSL *ssl;
	nghttp2_session *session; // set by the owner after h2_open_take
	struct buf out;		  // bytes that nghttp2 made and TLS has not taken
	size_t out_at;
	bool shaken;	 // the handshake is done
	bool wait_write; // TLS cannot go on before the socket is writable
	bool eof;	 // the peer has closed
	bool stop;	 // set by the owner: nothing that comes is looked at any more
	uint64_t bytes_in, bytes_out;
};

// Takes fd (non-blocking) in every case.
void h2_open_take(struct h2 *h, int fd, SSL_CTX *ctx, enum tls_side side, const char *server_name);
void h2_close(struct h2 *h); // also after h2_open_take failed half-way, or on a zeroed struct with fd -1

// One step of the handshake: 0 done, H2_AGAIN, or tls_handshake's errors.
enum { H2_AGAIN = 1 };
int h2_handshake(struct h2 *h, struct err *e) attr_must_check;

// Reads what is there and feeds the session, until the socket is empty, the session wants no more, or about 1
// MiB was read (the socket stays readable then). 0, with eof set when the peer has closed; -errno: the
// connection is of no further use.
int h2_read(struct h2 *h, struct err *e) attr_must_check;
// Sends what the session has until the socket is full. 0 or -errno.
int h2_write(struct h2 *h, struct err *e) attr_must_check;

short h2_events(const struct h2 *h);	 // POLLIN, POLLOUT
bool h2_is_blocked(const struct h2 *h);	 // bytes wait for the peer to read
bool h2_is_finished(const struct h2 *h); // the session neither reads nor writes any more
