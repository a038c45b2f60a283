// SPDX-License-Identifier: Apache-2.0
// Fuzzes what the gateway tells the core: the packet of a call (behind an odd first byte), and the frames on
// its socket in pieces of that byte's size. A frame has the length that it says and is within the limit; a
// packet that is accepted has texts that end.
#include <string.h>
#include <sys/socket.h>

#include "jobletd/call_io.h"
#include "lib/base/str.h"

#define MESSAGE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void packet(const uint8_t *data, size_t size)
{
	struct gw_call p = {.type = GW_CALL};
	struct err e = {0};

	memcpy(&p, data, size < sizeof(p) ? size : sizeof(p));
	if (call_check_packet(&p, &e))
		return;
	if (!memchr(p.cn, 0, sizeof(p.cn)) || !memchr(p.ou, 0, sizeof(p.ou)) || p.deadline_ns < 0 ||
	    strpbrk(p.cn, "\n\033\177") || !str_is_utf8(p.peer, strnlen(p.peer, sizeof(p.peer))))
		abort();
}

// Takes the frames that are whole. False when the stream is at fault.
static bool take(struct call *c)
{
	struct call_frame f;
	struct err e = {0};
	int rc;

	while ((rc = call_io_frame(c, &f, &e)) == 1)
		if (f.len > MESSAGE_MAX || f.data + f.len > (uint8_t *)c->rx.data + c->rx.len)
			abort();
	call_io_shrink(c);
	return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config cfg = {.grpc = {.max_recv_msg_size = MESSAGE_MAX}};
	struct call c = {.cfg = &cfg};
	int pair[2];

	if (!size)
		return 0;
	if (data[0] & 1) {
		packet(data + 1, size - 1);
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	c.fd = pair[0];
	size_t piece = ((size_t)data[0] + 2) * 8;
	bool fine = true;
	for (size_t at = 1, n; at < size && fine; at += n) {
		n = size - at < piece ? size - at : piece;
		if (send(pair[1], data + at, n, MSG_DONTWAIT) != (ssize_t)n)
			abort();
		fine = call_io_read(&c) == 0 && take(&c);
	}
	close(pair[1]);
	if (fine && call_io_read(&c) != CALL_IO_END)
		abort();
	buf_free(&c.rx);
	close(c.fd);
	return 0;
}
