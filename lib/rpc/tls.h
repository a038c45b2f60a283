// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 with certificates on both sides, and who the other side is. No loop, no file: certificates come as
// PEM text.
#pragma once

#include <openssl/ssl.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

enum tls_side { TLS_CLIENT, TLS_SERVER };

// A context that speaks TLS 1.3 with ALPN h2 only, keeps no session and issues no ticket, and demands a
// certificate that ca signed. -EINVAL with a text: which PEM cannot be read, the key does not match,
// "certificate expired", "not yet valid (check the clock)".
int tls_context_new(enum tls_side side, const char *cert, const char *key, const char *ca, SSL_CTX **out,
		    struct err *e) attr_must_check;
// Narrows the cipher suites to names, separated by colons, in the order of preference. -EINVAL: none of
// TLS 1.3 in it.
int tls_set_ciphers(SSL_CTX *ctx, const char *names, struct err *e) attr_must_check;

// A connection on the socket fd, which is borrowed and must be non-blocking. Writing to a closed connection
// raises no SIGPIPE. server_name, of a client: what the certificate must be for.
SSL *tls_new(SSL_CTX *ctx, enum tls_side side, int fd, const char *server_name) attr_must_check;

// One step of the handshake: 0 done; TLS_WANT_READ, TLS_WANT_WRITE; negative with a text a person can act on:
// -EACCES when a certificate was refused by either side, -EPROTO, -ECONNRESET.
enum { TLS_WANT_READ = 1, TLS_WANT_WRITE = 2 };
int tls_handshake(SSL *ssl, struct err *e) attr_must_check;

// Why the last call on ssl failed: as above, or TLS_WANT_*. rc is what the call returned.
int tls_error(SSL *ssl, int rc, struct err *e) attr_must_check;

#define TLS_CN_MAX     257
#define TLS_OU_MAX     65
#define TLS_SERIAL_MAX 65
struct tls_identity {
	char cn[TLS_CN_MAX];
	char ou[TLS_OU_MAX];
	char serial[TLS_SERIAL_MAX]; // hex
	uint8_t fingerprint[32];     // SHA-256 of the certificate
};

// The subject must have exactly one CN and exactly one OU, each a UTF-8 text without NUL or control
// characters in an attribute that stands alone. -EACCES else; id holds then what is known. cert is borrowed.
int tls_identity_read(X509 *cert, struct tls_identity *id, struct err *e) attr_must_check;
