// SPDX-License-Identifier: Apache-2.0
// Tests of gRPC's small codecs.
#include "lib/rpc/grpc.h"

#include "lib/base/test.h"

static void test_timeout(void)
{
	static const struct {
		const char *text;
		int64_t ns; // -1: refused
	} rows[] = {
	    {"1n", 1},
	    {"5u", 5000},
	    {"100m", 100000000},
	    {"3S", 3000000000},
	    {"2M", 120000000000},
	    {"1H", 3600000000000},
	    {"0m", 0},
	    {"99999999S", 99999999000000000},
	    {"99999999H", (int64_t)3650 * 86400 * 1000000000},
	    {"", -1},
	    {"5", -1},
	    {"S", -1},
	    {"123456789S", -1},
	    {"-1S", -1},
	    {"1s", -1},
	    {" 1S", -1},
	    {"1 S", -1},
	    {"0x1S", -1},
	    {"1.5S", -1},
	};
	char out[GRPC_TIMEOUT_MAX];
	int64_t ns;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ns = -7;
		int rc = grpc_timeout_parse(rows[i].text, strlen(rows[i].text), &ns);
		if (rows[i].ns < 0)
			test_is_int(rc, -EINVAL, "timeout \"%s\" is refused", rows[i].text);
		else
			test_ok(rc == 0 && ns == rows[i].ns, "timeout \"%s\"", rows[i].text);
	}
	for (int64_t want = 1; want < INT64_C(4000000000000000000); want = want * 7 + 3) {
		grpc_timeout_format(want, out);
		int rc = grpc_timeout_parse(out, strlen(out), &ns);
		bool cut = want > (int64_t)3650 * 86400 * 1000000000;
		if (rc || (!cut && (ns < want || ns - want > want / 100000)))
			test_ok(false, "%jd as %s is %jd", (intmax_t)want, out, (intmax_t)ns);
	}
	grpc_timeout_format(1500000000, out);
	test_is_str(out, "1500000u", "1.5 s is written without loss");
}

static void test_message(void)
{
	char out[64], back[64];

	grpc_message_encode("50% \xc3\xbc\n~ \x7f", 10, out, sizeof(out));
	test_is_str(out, "50%25 %C3%BC%0A~ %7F", "encoded");
	grpc_message_decode("50%25 %c3%BC", 12, back, sizeof(back));
	test_is_str(back, "50% \xc3\xbc", "decoded, either case");
	grpc_message_decode("%%4%zz%", 7, back, sizeof(back));
	test_is_str(back, "%%4%zz%", "what is no escape stays");
	grpc_message_decode("a%1b[2Jb%00c\x07", 13, back, sizeof(back));
	test_is_str(back, "a?[2Jb?c?", "control characters do not reach the terminal");
	grpc_message_encode(" a b ", 5, out, sizeof(out));
	test_is_str(out, "%20a b%20", "a space at either end is encoded: a field value must not have one");
	grpc_message_encode("ab  cd", 6, out, 5);
	test_is_str(out, "ab", "nor where it is cut");
	grpc_message_encode("\n\n\n", 3, out, 9);
	test_is_str(out, "%0A%0A", "cut at a whole character");
	grpc_message_decode("abcdef", 6, back, 4);
	test_is_str(back, "abc", "cut at the size");
}

// The same bytes in pieces of every size must give the same verdict at the same place.
static void test_scan(void)
{
	uint8_t stream[600];
	size_t len = 0;

	for (uint32_t i = 0; i < 20; i++) {
		grpc_prefix(stream + len, 0, i);
		memset(stream + len + GRPC_PREFIX, 0x55, i);
		len += GRPC_PREFIX + i;
	}
	size_t good = len;
	grpc_prefix(stream + len, 0x80, 6);
	len += GRPC_PREFIX + 6;
	for (size_t piece = 1; piece <= len; piece++) {
		struct grpc_scan s = {0};
		enum grpc_verdict v = GRPC_FINE;
		size_t at = 0, used = 0;
		while (at < len && v == GRPC_FINE) {
			size_t n = len - at < piece ? len - at : piece;
			v = grpc_scan(&s, stream + at, n, 100, &used);
			at += used;
		}
		if (v != GRPC_BAD_FLAGS || at != good || s.messages != 20)
			test_ok(false, "pieces of %zu: verdict %d at %zu", piece, v, at);
	}
	test_ok(true, "pieces of every size");
	struct grpc_scan s = {0};
	size_t used;
	test_is_int(grpc_scan(&s, "\0\0\0\0\x65", 5, 100, &used), GRPC_TOO_LONG, "a message over the limit");
	s = (struct grpc_scan){0};
	test_is_int(grpc_scan(&s, "\0\0\0\0\x64", 5, 100, &used), GRPC_FINE, "a message at the limit");
	test_ok(!grpc_scan_at_boundary(&s), "its bytes are still to come");
	s = (struct grpc_scan){0};
	test_is_int(grpc_scan(&s, "\1", 1, 100, &used), GRPC_COMPRESSED,
		    "compression is seen in the first byte");
	s = (struct grpc_scan){0};
	test_is_int(grpc_scan(&s, "\0\xff\xff\xff\xff", 5, UINT32_MAX, &used), GRPC_FINE,
		    "4 GiB do not overflow");
	test_is_int(s.left, UINT32_MAX, "and are waited for");
}

static void test_codes(void)
{
	test_is_str(rpc_code_name(0), "OK", "0");
	test_is_str(rpc_code_name(16), "UNAUTHENTICATED", "16");
	test_is_str(rpc_code_name(17), "UNKNOWN", "17 is none");
	test_is_str(rpc_code_name(-1), "UNKNOWN", "-1 is none");
	test_is_int(grpc_code_from_http(503), RPC_UNAVAILABLE, "HTTP 503");
	test_is_int(grpc_code_from_http(404), RPC_UNIMPLEMENTED, "HTTP 404");
	test_is_int(grpc_code_from_h2(7), RPC_UNAVAILABLE, "REFUSED_STREAM");
	test_is_int(grpc_code_from_h2(8), RPC_CANCELLED, "CANCEL");
}

int main(void)
{
	test_begin();
	test_timeout();
	test_message();
	test_scan();
	test_codes();
	return test_end();
}
