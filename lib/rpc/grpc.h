// SPDX-License-Identifier: Apache-2.0
// What gRPC puts on top of HTTP/2 (doc/PROTOCOL-HTTP2.md of gRPC): the five bytes before a message, the
// timeout header, the encoded status text, and how other failures become a status. Pure: no system call, no
// memory, so that tests and fuzzers need nothing.
#pragma once

#include "lib/base/base.h"
#include "lib/rpc/status.h"

#define GRPC_PREFIX 5 // a byte of flags and a 32-bit big-endian length

// Follows the frames of a byte stream without keeping their bytes. Zero-initialise it.
struct grpc_scan {
	uint8_t head[GRPC_PREFIX];
	unsigned have;	   // bytes of head that are there
	uint32_t left;	   // bytes of the message still to come
	uint64_t messages; // prefixes seen
};

enum grpc_verdict { GRPC_FINE, GRPC_COMPRESSED, GRPC_BAD_FLAGS, GRPC_TOO_LONG };

// Walks over len bytes that follow those seen before. GRPC_FINE, or why the stream is refused: then *used
// says how many bytes stood before the prefix that is at fault. max is the longest message allowed.
enum grpc_verdict grpc_scan(struct grpc_scan *s, const void *data, size_t len, uint32_t max, size_t *used);
// Between two messages, where a stream may end.
static inline bool grpc_scan_at_boundary(const struct grpc_scan *s)
{
	return s->have == 0 && s->left == 0;
}

void grpc_prefix(uint8_t out[GRPC_PREFIX], uint8_t flags, uint32_t len);
uint32_t grpc_be32(const void *p);

// The value of grpc-timeout, "100m", "5S": at most 8 digits and a unit. 0 or -EINVAL. ns is cut at ten years.
int grpc_timeout_parse(const char *s, size_t len, int64_t *ns) attr_must_check;
#define GRPC_TIMEOUT_MAX 12
void grpc_timeout_format(int64_t ns, char out[GRPC_TIMEOUT_MAX]); // rounded up; ns > 0

// grpc-message: bytes outside of 0x20..0x7e, '%', and a space at either end become %XX. What does not fit is
// cut at a whole character of the encoding.
void grpc_message_encode(const char *in, size_t len, char *out, size_t size);
// The other way, lenient: a '%' that starts no escape stays. Control characters become '?': the text goes to
// a terminal.
void grpc_message_decode(const char *in, size_t len, char *out, size_t size);

int grpc_code_from_http(int status);	    // a reply without grpc-status
int grpc_code_from_h2(uint32_t error_code); // RST_STREAM without a status
