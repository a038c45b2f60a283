// SPDX-License-Identifier: Apache-2.0
// OpenSSL, set up once for both ends of our wire. TLS 1.3 only; nothing is resumed, because a resumed session
// would skip the check of the certificate. X509_V_FLAG_X509_STRICT is left out: plain `openssl x509 -req`
// makes certificates without key identifiers.
#include "lib/rpc/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>

#define PEM_MAX	      ((size_t)1 << 20)
#define CERT_LIST_MAX (16 * 1024)
#define CHAIN_DEPTH   3

// ---- the socket, without SIGPIPE
// -------------------------------------------------------------------------------------------------

static int sock_write(BIO *b, const char *data, int len)
{
	BIO_clear_retry_flags(b);
	ssize_t n = send((int)(intptr_t)BIO_get_data(b), data, (size_t)len, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(b);
	return (int)n;
}

static int sock_read(BIO *b, char *data, int len)
{
	BIO_clear_retry_flags(b);
	ssize_t n = recv((int)(intptr_t)BIO_get_data(b), data, (size_t)len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	if (n == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static long sock_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static const BIO_METHOD *sock_method(void)
{
	static BIO_METHOD *m;
	if (!m) {
		m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
		if (!m)
			abort();
		BIO_meth_set_write(m, sock_write);
		BIO_meth_set_read(m, sock_read);
		BIO_meth_set_ctrl(m, sock_ctrl);
	}
	return m;
}

// ---- the context
// -----------------------------------------------------------------------------------------------------------------

static BIO *text_bio(const char *pem)
{
	return pem && strlen(pem) < PEM_MAX ? BIO_new_mem_buf(pem, -1) : NULL;
}

// A key with a password must not ask for it on a terminal.
static int no_password(char *buf, int size, int rwflag, void *u)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)u;
	return -1;
}

static int check_time(const X509 *cert, const char *what, struct err *e)
{
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		return err_set(e, -EINVAL, "the %s is not yet valid (check the clock)", what);
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		return err_set(e, -EINVAL, "the %s: certificate expired", what);
	return 0;
}

static int load_cert(SSL_CTX *ctx, BIO *b, struct err *e)
{
	X509 *leaf = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;

	if (!leaf)
		return err_set(e, -EINVAL, "the certificate is not readable PEM");
	int rc = check_time(leaf, "certificate", e);
	if (rc == 0 && SSL_CTX_use_certificate(ctx, leaf) != 1)
		rc = err_set(e, -EINVAL, "the certificate cannot be used: its key or signature is too weak");
	X509_free(leaf);
	while (rc == 0) { // what follows in the text are the intermediates
		X509 *more = PEM_read_bio_X509(b, NULL, no_password, NULL);
		if (!more)
			break;
		if (SSL_CTX_add0_chain_cert(ctx, more) != 1) {
			X509_free(more);
			rc = err_set(e, -EINVAL, "the certificate's chain cannot be used");
		}
	}
	ERR_clear_error();
	return rc;
}

static int load_key(SSL_CTX *ctx, BIO *b, struct err *e)
{
	EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	int rc = 0;

	if (!key)
		return err_set(e, -EINVAL, "the key is not readable PEM (or has a password)");
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		rc = err_set(e, -EINVAL, "the key does not match the certificate");
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

static int load_ca(SSL_CTX *ctx, enum tls_side side, BIO *b, struct err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int rc = 0, n = 0;
	X509 *ca = NULL;

	while (b && rc == 0 && (ca = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
		n++;
		if (X509_STORE_add_cert(store, ca) != 1 ||
		    (side == TLS_SERVER && SSL_CTX_add_client_CA(ctx, ca) != 1))
			rc = err_set(e, -EINVAL, "the CA certificate cannot be used");
		// One that is over would refuse every peer with a text that blames the peer.
		if (rc == 0 && n == 1)
			rc = check_time(ca, "CA certificate", e);
		X509_free(ca);
	}
	ERR_clear_error();
	if (rc == 0 && n == 0)
		rc = err_set(e, -EINVAL, "the CA certificate is not readable PEM");
	return rc;
}

static const uint8_t alpn_h2[] = {2, 'h', '2'};

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		     unsigned len, void *arg)
{
	(void)ssl;
	(void)arg;
	for (unsigned at = 0; at < len && in[at] < len - at; at += 1U + in[at])
		if (in[at] == 2 && memcmp(in + at + 1, "h2", 2) == 0) {
			*out = in + at + 1;
			*out_len = 2;
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_rules(SSL_CTX *ctx, enum tls_side side, struct err *e)
{
	static const uint8_t session_context[] = "joblet";
	int ok = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		 SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		 SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
					       "TLS_AES_128_GCM_SHA256") == 1 &&
		 SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
		 SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) == 1 &&
		 SSL_CTX_set_max_early_data(ctx, 0) == 1;

	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
	if (side == TLS_SERVER)
		SSL_CTX_set_alpn_select_cb(ctx, select_h2, NULL);
	else
		ok = ok && SSL_CTX_set_alpn_protos(ctx, alpn_h2, sizeof(alpn_h2)) == 0;
	// Who may be a client and who a server: an extended key usage, where there is one, must say so.
	ok = ok && SSL_CTX_set_purpose(ctx, side == TLS_SERVER ? X509_PURPOSE_SSL_CLIENT
							       : X509_PURPOSE_SSL_SERVER) == 1;
	return ok ? 0 : err_set(e, -EINVAL, "TLS 1.3 cannot be set up with this OpenSSL");
}

int tls_set_ciphers(SSL_CTX *ctx, const char *names, struct err *e)
{
	int ok = SSL_CTX_set_ciphersuites(ctx, names) == 1;
	ERR_clear_error();
	return ok ? 0
		  : err_set(e, -EINVAL, "cipher suites %.200s: none of TLS 1.3 that this OpenSSL knows",
			    names);
}

int tls_context_new(enum tls_side side, const char *cert, const char *key, const char *ca, SSL_CTX **out,
		    struct err *e)
{
	// The machine's openssl.cnf must not be able to change the rules.
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(side == TLS_SERVER ? TLS_server_method() : TLS_client_method());
	BIO *cert_bio = text_bio(cert), *key_bio = text_bio(key), *ca_bio = text_bio(ca);
	int rc = ctx ? set_rules(ctx, side, e) : err_set(e, -ENOMEM, "no TLS context");

	if (rc == 0)
		rc = load_cert(ctx, cert_bio, e);
	if (rc == 0)
		rc = load_key(ctx, key_bio, e);
	if (rc == 0)
		rc = load_ca(ctx, side, ca_bio, e);
	BIO_free(cert_bio);
	BIO_free(key_bio);
	BIO_free(ca_bio);
	ERR_clear_error();
	if (rc)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return rc;
}

SSL *tls_new(SSL_CTX *ctx, enum tls_side side, int fd, const char *server_name)
{
	SSL *ssl = SSL_new(ctx);
	BIO *bio = BIO_new(sock_method());

	if (!ssl || !bio)
		abort();
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	if (side == TLS_SERVER) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_set_connect_state(ssl);
	if (server_name) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if (SSL_set1_host(ssl, server_name) != 1 || SSL_set_tlsext_host_name(ssl, server_name) != 1)
			abort();
	}
	return ssl;
}

// ---- what went wrong
// -------------------------------------------------------------------------------------------------------------

// Texts of alerts that a certificate can cause, as the side that got them says them.
static const struct {
	int reason;
	const char *text;
} alerts[] = {
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "certificate expired (or not yet valid: check both clocks)"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "certificate revoked"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "certificate not accepted"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "bad certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "the certificate is not made for this use"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the certificate was signed by a CA it does not know"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "a certificate is required"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, "access denied"},
    {SSL_R_TLSV1_ALERT_DECRYPT_ERROR, "the certificate's signature is wrong"},
};

static int verify_error(SSL *ssl, struct err *e)
{
	long v = SSL_get_verify_result(ssl);

	switch (v) {
	case X509_V_ERR_CERT_HAS_EXPIRED: return err_set(e, -EACCES, "certificate expired");
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return err_set(e, -EACCES, "certificate not yet valid (check the clock)");
	case X509_V_ERR_HOSTNAME_MISMATCH: return err_set(e, -EACCES, "the certificate is for another name");
	case X509_V_ERR_INVALID_PURPOSE:
		return err_set(e, -EACCES, "the certificate's extended key usage does not allow this use");
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return err_set(e, -EACCES, "the certificate was signed by an unknown CA");
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return err_set(e, -EACCES, "the certificate is self-signed");
	default: return err_set(e, -EACCES, "%s", X509_verify_cert_error_string(v));
	}
}

static int ssl_error(SSL *ssl, struct err *e)
{
	unsigned long first = ERR_peek_error();
	int reason = ERR_GET_REASON(first);
	const char *text = ERR_reason_error_string(first);

	ERR_clear_error();
	for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
		if (alerts[i].reason == reason)
			return err_set(e, -EACCES, "refused by the other side: %s", alerts[i].text);
	switch (reason) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED: return verify_error(ssl, e);
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return err_set(e, -EACCES, "the client sent no certificate");
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return err_set(e, -ECONNRESET, "the other side closed the connection");
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_PACKET_LENGTH_TOO_LONG: return err_set(e, -EPROTO, "the other side does not speak TLS");
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return err_set(e, -EPROTO, "the other side does not speak TLS 1.3");
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return err_set(e, -EPROTO, "the other side does not speak HTTP/2");
	default: return err_set(e, -EPROTO, "TLS: %s", text ? text : "unknown error");
	}
}

int tls_error(SSL *ssl, int rc, struct err *e)
{
	int saved = errno;

	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN: return err_set(e, -ECONNRESET, "the other side closed the connection");
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		if (saved == 0)
			return err_set(e, -ECONNRESET, "the other side closed the connection");
		return err_sys(e, -saved, "the connection broke");
	default: return ssl_error(ssl, e);
	}
}

int tls_handshake(SSL *ssl, struct err *e)
{
	const unsigned char *proto;
	unsigned len;

	ERR_clear_error();
	errno = 0;
	int rc = SSL_do_handshake(ssl);
	if (rc != 1)
		return tls_error(ssl, rc, e);
	SSL_get0_alpn_selected(ssl, &proto, &len);
	if (len != 2 || memcmp(proto, "h2", 2) != 0)
		return err_set(e, -EPROTO, "the other side did not agree on HTTP/2");
	return 0;
}
