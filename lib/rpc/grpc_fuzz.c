// SPDX-License-Identifier: Apache-2.0
// Fuzzes the frame scanner and the texts: a stream in one piece and in pieces of the first byte's size must
// be judged alike, and an encoded text must come back.
#include <string.h>

#include "lib/rpc/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t scan_in(const uint8_t *data, size_t size, size_t piece, enum grpc_verdict *v,
		      uint64_t *messages)
{
	struct grpc_scan s = {0};
	size_t at = 0, used = 0;

	*v = GRPC_FINE;
	while (at < size && *v == GRPC_FINE) {
		size_t n = size - at < piece ? size - at : piece;
		*v = grpc_scan(&s, data + at, n, 4096, &used);
		if (used > n)
			abort();
		at += used;
	}
	*messages = s.messages;
	return at;
}

// A room that is too small: in memory of just that size, whose end the sanitizer guards.
static void cut_off(const char *text, size_t len, size_t room)
{
	cleanup_free char *out = xmalloc(room);

	grpc_message_encode(text, len, out, room);
	if (strnlen(out, room) == room)
		abort();
	grpc_message_decode(text, len, out, room);
	if (strnlen(out, room) == room)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char encoded[3 * 4096 + 1], back[4097];
	enum grpc_verdict whole, pieces;
	uint64_t a, b;
	int64_t ns;

	if (size < 1)
		return 0;
	scan_in(data + 1, size - 1, size, &whole, &a);
	scan_in(data + 1, size - 1, (size_t)data[0] + 1, &pieces, &b);
	if (whole != pieces || a != b)
		abort();
	if (grpc_timeout_parse((const char *)data, size, &ns) == 0 && ns < 0)
		abort();
	if (size > 4096)
		return 0;
	cut_off((const char *)data, size, (size_t)data[0] + 1);
	grpc_message_encode((const char *)data, size, encoded, sizeof(encoded));
	for (const char *p = encoded; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
	grpc_message_decode(encoded, strlen(encoded), back, sizeof(back));
	if (strlen(back) != size)
		abort(); // every byte comes back as one, control characters as '?'
	return 0;
}
