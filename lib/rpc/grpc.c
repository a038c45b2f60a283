// SPDX-License-Identifier: Apache-2.0
// The small codecs of gRPC. Both ends use them; no system call, no allocation. What they mean is in grpc.h.
#include "lib/rpc/grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

void grpc_prefix(uint8_t out[GRPC_PREFIX], uint8_t flags, uint32_t len)
{
	out[0] = flags;
	out[1] = (uint8_t)(len >> 24);
	out[2] = (uint8_t)(len >> 16);
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
}

uint32_t grpc_be32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static enum grpc_verdict check_prefix(const uint8_t head[GRPC_PREFIX], uint32_t max)
{
	if (head[0] == 1)
		return GRPC_COMPRESSED;
	if (head[0] != 0)
		return GRPC_BAD_FLAGS;
	return grpc_be32(head + 1) > max ? GRPC_TOO_LONG : GRPC_FINE;
}

enum grpc_verdict grpc_scan(struct grpc_scan *s, const void *data, size_t len, uint32_t max, size_t *used)
{
	const uint8_t *p = data;
	size_t at = 0, boundary = 0;

	while (at < len) {
		if (s->left) {
			size_t n = len - at < s->left ? len - at : s->left;
			s->left -= (uint32_t)n;
			at += n;
			boundary = at;
			continue;
		}
		if (s->have == 0)
			boundary = at;
		s->head[s->have++] = p[at++];
		// The flags are judged at once: a sender that stops after one wrong byte is not waited for.
		enum grpc_verdict v = GRPC_FINE;
		if (s->have == 1 && s->head[0] != 0)
			v = check_prefix(s->head, UINT32_MAX);
		else if (s->have == GRPC_PREFIX)
			v = check_prefix(s->head, max);
		if (v != GRPC_FINE) {
			*used = boundary;
			return v;
		}
		if (s->have == GRPC_PREFIX) {
			s->left = grpc_be32(s->head + 1);
			s->have = 0;
			s->messages++;
		}
	}
	*used = len;
	return GRPC_FINE;
}

static const struct {
	char unit;
	int64_t ns;
} units[] = {
    {'n', 1}, {'u', 1000}, {'m', 1000000}, {'S', 1000000000}, {'M', 60000000000}, {'H', 3600000000000},
};

int grpc_timeout_parse(const char *s, size_t len, int64_t *ns)
{
	const int64_t limit = (int64_t)3650 * 24 * 3600 * 1000000000;
	int64_t value = 0;

	if (len < 2 || len > 9)
		return -EINVAL;
	for (size_t i = 0; i + 1 < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		value = value * 10 + (s[i] - '0');
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (units[i].unit != s[len - 1])
			continue;
		*ns = value > limit / units[i].ns ? limit : value * units[i].ns;
		return 0;
	}
	return -EINVAL;
}

void grpc_timeout_format(int64_t ns, char out[GRPC_TIMEOUT_MAX])
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		int64_t value = ns / units[i].ns + (ns % units[i].ns != 0);
		if (value > 99999999)
			continue;
		snprintf(out, GRPC_TIMEOUT_MAX, "%d%c", (int)value, units[i].unit);
		return;
	}
	snprintf(out, GRPC_TIMEOUT_MAX, "99999999H");
}

void grpc_message_encode(const char *in, size_t len, char *out, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)in[i];
		bool plain = c >= 0x20 && c <= 0x7e && c != '%';
		// A field value neither begins nor ends with a space (RFC 9113 8.2.1).
		if (c == ' ' && (i == 0 || i == len - 1))
			plain = false;
		if (o + (plain ? 1 : 3) >= size) {
			while (o && out[o - 1] == ' ')
				o--;
			break;
		}
		if (plain) {
			out[o++] = (char)c;
			continue;
		}
		out[o++] = '%';
		out[o++] = hex[c >> 4];
		out[o++] = hex[c & 15];
	}
	out[o] = 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void grpc_message_decode(const char *in, size_t len, char *out, size_t size)
{
	size_t o = 0;

	for (size_t i = 0; i < len && o + 1 < size; i++) {
		uint8_t c = (uint8_t)in[i];
		if (c == '%' && i + 2 < len && hex_value(in[i + 1]) >= 0 && hex_value(in[i + 2]) >= 0) {
			c = (uint8_t)(hex_value(in[i + 1]) << 4 | hex_value(in[i + 2]));
			i += 2;
		}
		bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
		out[o++] = control ? '?' : (char)c;
	}
	out[o] = 0;
}

int grpc_code_from_http(int status)
{
	switch (status) {
	case 400: return RPC_INTERNAL;
	case 401: return RPC_UNAUTHENTICATED;
	case 403: return RPC_PERMISSION_DENIED;
	case 404: return RPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504: return RPC_UNAVAILABLE;
	default: return RPC_UNKNOWN;
	}
}

int grpc_code_from_h2(uint32_t error_code)
{
	switch (error_code) {
	case NGHTTP2_REFUSED_STREAM: return RPC_UNAVAILABLE;
	case NGHTTP2_CANCEL: return RPC_CANCELLED;
	case NGHTTP2_ENHANCE_YOUR_CALM: return RPC_RESOURCE_EXHAUSTED;
	case NGHTTP2_INADEQUATE_SECURITY: return RPC_PERMISSION_DENIED;
	default: return RPC_INTERNAL;
	}
}

const char *rpc_code_name(int code)
{
	static const char *const names[] = {
	    "OK",	 "CANCELLED",	    "UNKNOWN",		 "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
	    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
	    "ABORTED",	 "OUT_OF_RANGE",    "UNIMPLEMENTED",	 "INTERNAL",	       "UNAVAILABLE",
	    "DATA_LOSS", "UNAUTHENTICATED",
	};
	return code >= 0 && (size_t)code < ARRAY_LEN(names) ? names[code] : "UNKNOWN";
}
