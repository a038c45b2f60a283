// SPDX-License-Identifier: Apache-2.0
// Bytes between nghttp2 and TLS. No loop and no policy; see h2.h.
#include "lib/rpc/h2.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>

// A whole TLS record is taken at once, so that none stays inside of OpenSSL where poll cannot see it.
#define READ_CHUNK  (16 * 1024)
#define READ_BUDGET ((uint64_t)1 << 20)
// As many frames as come together in one call of SSL_write.
#define WRITE_BATCH (48 * 1024)

void h2_open_take(struct h2 *h, int fd, SSL_CTX *ctx, enum tls_side side, const char *server_name)
{
	memset(h, 0, sizeof(*h));
	h->fd = fd;
	h->ssl = tls_new(ctx, side, fd, server_name);
}

void h2_close(struct h2 *h)
{
	nghttp2_session_del(h->session);
	h->session = NULL;
	// A close_notify where it fits without waiting; the result does not matter any more.
	if (h->ssl && h->shaken && !h->wait_write) {
		ERR_clear_error();
		SSL_shutdown(h->ssl);
		ERR_clear_error();
	}
	SSL_free(h->ssl);
	h->ssl = NULL;
	buf_free(&h->out);
	h->out_at = 0;
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

int h2_handshake(struct h2 *h, struct err *e)
{
	int rc = tls_handshake(h->ssl, e);

	h->wait_write = rc == TLS_WANT_WRITE;
	if (rc > 0)
		return H2_AGAIN;
	h->shaken = rc == 0;
	return rc;
}

static int feed(struct h2 *h, const uint8_t *data, size_t len, struct err *e)
{
	ssize_t n = nghttp2_session_mem_recv(h->session, data, len);

	if (n >= 0)
		return 0;
	if (n == NGHTTP2_ERR_FLOODED)
		return err_set(e, -EPROTO, "HTTP/2: the other side floods");
	return err_set(e, -EPROTO, "HTTP/2: %s", nghttp2_strerror((int)n));
}

int h2_read(struct h2 *h, struct err *e)
{
	uint8_t data[READ_CHUNK];
	uint64_t end = h->bytes_in + READ_BUDGET;

	while (!h->eof && !h->stop && nghttp2_session_want_read(h->session)) {
		if (h->bytes_in >= end && !SSL_has_pending(h->ssl))
			break;
		ERR_clear_error();
		errno = 0;
		int n = SSL_read(h->ssl, data, sizeof(data));
		if (n > 0) {
			h->bytes_in += (uint64_t)n;
			int rc = feed(h, data, (size_t)n, e);
			if (rc)
				return rc;
			continue;
		}
		int rc = tls_error(h->ssl, n, e);
		if (rc == TLS_WANT_WRITE)
			h->wait_write = true;
		if (rc > 0)
			break;
		// A fatal alert sets the flag too, but has a reason to tell.
		if (rc == -ECONNRESET && (SSL_get_shutdown(h->ssl) & SSL_RECEIVED_SHUTDOWN)) {
			h->eof = true;
			break;
		}
		return rc;
	}
	return 0;
}

// Fills out from the session. 1 when there is something to send.
static int gather(struct h2 *h, struct err *e)
{
	while (h->out.len < WRITE_BATCH) {
		const uint8_t *data;
		ssize_t n = nghttp2_session_mem_send(h->session, &data);
		if (n < 0)
			return err_set(e, -EPROTO, "HTTP/2: %s", nghttp2_strerror((int)n));
		if (n == 0)
			break;
		int rc =
		    buf_reserve(&h->out, n > 1024 && h->out.cap < WRITE_BATCH ? 2 * WRITE_BATCH : (size_t)n);
		if (rc == 0)
			rc = buf_add(&h->out, data, (size_t)n);
		if (rc)
			return err_set(e, rc, "HTTP/2: a frame is too large");
	}
	return h->out.len > 0;
}

int h2_write(struct h2 *h, struct err *e)
{
	h->wait_write = false;
	for (;;) {
		if (h->out_at == h->out.len) {
			h->out.len = h->out_at = 0;
			int more = gather(h, e);
			if (more < 0)
				return more;
			if (more == 0)
				break;
		}
		ERR_clear_error();
		errno = 0;
		int n = SSL_write(h->ssl, h->out.data + h->out_at, (int)(h->out.len - h->out_at));
		if (n > 0) {
			h->out_at += (size_t)n;
			h->bytes_out += (uint64_t)n;
			continue;
		}
		int rc = tls_error(h->ssl, n, e);
		if (rc < 0)
			return rc;
		h->wait_write = true;
		return 0;
	}
	buf_free(&h->out); // an idle connection holds no memory
	return 0;
}

short h2_events(const struct h2 *h)
{
	if (h->shaken && (h->eof || h->stop || !nghttp2_session_want_read(h->session)))
		return h->wait_write ? POLLOUT : 0;
	return h->wait_write ? POLLIN | POLLOUT : POLLIN;
}

bool h2_is_blocked(const struct h2 *h)
{
	return h->wait_write;
}

bool h2_is_finished(const struct h2 *h)
{
	return h->out_at == h->out.len && !nghttp2_session_want_write(h->session) &&
	       (h->eof || h->stop || !nghttp2_session_want_read(h->session));
}
