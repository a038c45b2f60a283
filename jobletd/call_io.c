// SPDX-License-Identifier: Apache-2.0
// The socket of a call (specs/gateway.md, "The call's socket"). Sizes are checked here again: the gateway is
// not trusted.
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "jobletd/call_io.h"
#include "lib/base/str.h"

#define READ_STEP     ((size_t)64 << 10)
#define READ_A_TURN   ((size_t)1 << 20)
#define DISCARD_BOUND ((size_t)16 << 20)

// Room for the rest of the frame that is coming in, as far as it is known, but never much more than has
// really arrived.
static size_t step(const struct call *c)
{
	size_t have = c->rx.len - c->rx_off;
	return have < 4096 ? 4096 : READ_STEP;
}

int call_io_read(struct call *c)
{
	size_t turn = 0;

	c->rx.max = (size_t)c->cfg->grpc.max_recv_msg_size + GW_FRAME_HEADER + READ_STEP;
	while (turn < READ_A_TURN) {
		if (c->rx_off) {
			buf_drop(&c->rx, c->rx_off);
			c->rx_off = 0;
		}
		size_t room = step(c);
		int rc = buf_reserve(&c->rx, room);
		if (rc)
			return rc;
		ssize_t n = recv(c->fd, c->rx.data + c->rx.len, room, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return CALL_IO_END;
		c->rx.len += (size_t)n;
		turn += (size_t)n;
		if ((size_t)n < room)
			return 0;
		// A message that is whole is handled before more is read.
		if (c->rx.len >= (size_t)c->cfg->grpc.max_recv_msg_size + GW_FRAME_HEADER)
			return 0;
	}
	return 0;
}

int call_io_frame(struct call *c, struct call_frame *f, struct err *e)
{
	size_t have = c->rx.len - c->rx_off;
	uint8_t *p = (uint8_t *)c->rx.data + c->rx_off;
	uint32_t len;

	if (have < GW_FRAME_HEADER)
		return 0;
	memcpy(&len, p + 1, 4);
	len = ntohl(len);
	if (p[0] != GW_FRAME_MESSAGE)
		return err_set(e, -EBADMSG, "frame with unknown flags");
	if (len > (uint64_t)c->cfg->grpc.max_recv_msg_size)
		return err_set(e, -EBADMSG, "message of %u bytes is larger than %lld", len,
			       (long long)c->cfg->grpc.max_recv_msg_size);
	if (have - GW_FRAME_HEADER < len)
		return 0;
	f->data = p + GW_FRAME_HEADER;
	f->len = len;
	c->rx_off += GW_FRAME_HEADER + len;
	return 1;
}

void call_io_shrink(struct call *c)
{
	if (c->rx_off == c->rx.len) {
		buf_free(&c->rx);
		c->rx_off = 0;
	}
}

// A frame's header at the end of tx; len bytes are to follow.
static void put_header(struct call *c, uint8_t flags, size_t len)
{
	uint8_t h[GW_FRAME_HEADER] = {flags};
	uint32_t be = htonl((uint32_t)len);
	memcpy(h + 1, &be, 4);
	buf_add(&c->tx, h, sizeof(h));
}

void call_io_put_message(struct call *c, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	if (buf_reserve(&c->tx, len + GW_FRAME_HEADER))
		abort(); // a handler has sent without asking call_can_send: a bug of ours
	put_header(c, GW_FRAME_MESSAGE, len);
	c->tx.len += protobuf_c_message_pack(m, (uint8_t *)c->tx.data + c->tx.len);
}

// Where text has to end so that it is at most max bytes and no character is cut in two.
static size_t cut(const char *text, size_t max)
{
	size_t n = strlen(text);
	if (n <= max)
		return n;
	for (n = max; n && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

void call_io_put_status(struct call *c, int code, const char *text)
{
	size_t len = cut(text, GW_STATUS_TEXT_MAX);
	if (!str_is_utf8(text, len)) {
		text = "(the message is not UTF-8)";
		len = strlen(text);
	}
	uint32_t be = htonl((uint32_t)code);
	put_header(c, GW_FRAME_STATUS, len + sizeof(be));
	buf_add(&c->tx, &be, sizeof(be));
	buf_add(&c->tx, text, len);
}

int call_io_flush(struct call *c)
{
	while (c->tx_off < c->tx.len) {
		ssize_t n =
		    send(c->fd, c->tx.data + c->tx_off, c->tx.len - c->tx_off, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EAGAIN : -errno;
		c->tx_off += (size_t)n;
	}
	c->tx_off = 0;
	c->tx.len = 0;
	return 0;
}

void call_io_discard(struct call *c)
{
	char junk[16384];
	size_t total = 0;
	ssize_t n;

	while (total < DISCARD_BOUND && (n = recv(c->fd, junk, sizeof(junk), MSG_DONTWAIT)) > 0)
		total += (size_t)n;
}
