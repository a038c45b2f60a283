// SPDX-License-Identifier: Apache-2.0
// Tests of the filter for terminals. Every case is fed whole and byte by byte.
#include "lib/base/str.h"
#include "lib/base/test.h"
#include "rnx/clean.h"

#define FFFD "\xef\xbf\xbd"

static void feed(const char *in, size_t len, size_t step, struct buf *out)
{
	struct clean c = {0};

	for (size_t i = 0; i < len; i += step)
		test_state.failed += clean_add(&c, in + i, len - i < step ? len - i : step, out) != 0;
	test_state.failed += clean_end(&c, out) != 0;
	if (buf_add(out, "", 0) < 0)
		test_state.failed++;
}

static void check(const char *in, size_t len, const char *want, const char *name)
{
	for (size_t step = 1; step <= len + 1; step += step < 3 ? 1 : len) {
		cleanup_buf struct buf out = {0};
		feed(in, len, step, &out);
		test_is_str(out.data ? out.data : "", want, "%s, in steps of %zu", name, step);
	}
}

#define CHECK(in, want, name) check(in, sizeof(in) - 1, want, name)

static void test_plain(void)
{
	CHECK("hello\n", "hello\n", "text");
	CHECK("a\tb\n", "a\tb\n", "a tab");
	CHECK("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "UTF-8");
	CHECK("no line end", "no line end", "no line end");
}

static void test_controls(void)
{
	CHECK("a\0b\ac\bd\x7f", "abcd", "NUL, BEL, BS and DEL");
	CHECK("a\r\nb\r\n", "a\nb\n", "line ends of the other kind");
	CHECK("good\rbad", "good\nbad", "a carriage return writes over nothing");
	CHECK("a\r\r\nb", "a\n\nb", "two of them");
	CHECK("a\xc2\x85"
	      "b",
	      "ab", "a C1 control");
	CHECK("a\xc2\x9b"
	      "31mb",
	      "ab", "CSI as a C1 control");
	CHECK("a\xc2\x9d"
	      "0;title\ab",
	      "ab", "OSC as a C1 control");
}

static void test_sequences(void)
{
	CHECK("\x1b[31mred\x1b[0m", "red", "colours");
	CHECK("\x1b[2J\x1b[1;1Hx", "x", "clearing the screen");
	CHECK("\x1b]0;title\ax", "x", "a title ended by BEL");
	CHECK("\x1b]52;c;ZXZpbA==\x1b\\x", "x", "the clipboard, ended by ST");
	CHECK("\x1bP$qm\x1b\\x", "x", "DCS");
	CHECK("\x1b(Bx\x1b=y\x1b"
	      "cz",
	      "xyz", "short sequences");
	CHECK("\x1b]0;never ended\nnext line", "\nnext line", "an OSC without an end stops at the line");
	CHECK("\x1b[12\nx", "\nx", "a CSI without an end stops at the line");
	CHECK("\x1b[1\x1b[31mx", "x", "a sequence within a sequence");
	CHECK("\x1b]0;a\x1b[31mx", "x", "a sequence within a string");
	CHECK("\x1b[1\x18x", "x", "CAN ends a sequence");
	CHECK("\x1b[\xc3\xbcx", "\xc3\xbcx", "a character ends a sequence");
	CHECK("end\x1b", "end", "ESC at the end");
}

static void test_invalid(void)
{
	CHECK("a\x80z", "a" FFFD "z", "a byte that begins nothing");
	CHECK("a\xc3", "a" FFFD, "a character cut off at the end");
	CHECK("a\xc3z", "a" FFFD "z", "a character cut off by another");
	CHECK("a\xe2\x82z", "a" FFFD "z", "two bytes of three");
	CHECK("\xc3\x1b[31mx", FFFD "x", "ESC within a character");
	CHECK("\xc0\x9b"
	      "31m",
	      FFFD FFFD "31m", "an overlong CSI");
	CHECK("\xed\xa0\x80", FFFD FFFD FFFD, "a surrogate");
	CHECK("\xff\xfe", FFFD FFFD, "never in UTF-8");
	CHECK("a\xe2\x80\xae"
	      "b",
	      "a" FFFD "b", "the direction of text");
}

static void test_long_string(void)
{
	cleanup_buf struct buf out = {0};
	struct clean c = {0};
	char fill[1000];

	memset(fill, 'x', sizeof(fill));
	test_is_int(clean_add(&c, "\x1b]", 2, &out), 0, "a string begins");
	for (int i = 0; i < 5; i++)
		test_state.failed += clean_add(&c, fill, sizeof(fill), &out) != 0;
	test_ok(out.len > 0 && out.len < 1000, "and is given up after some thousand bytes");
}

// What comes out never holds a control, whatever goes in.
static void test_any_bytes(void)
{
	cleanup_buf struct buf out = {0};
	struct clean c = {0};
	uint32_t seed = 12345;
	unsigned bad = 0;

	for (int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		unsigned char b = (unsigned char)((seed >> 24) & (i % 3 ? 0xff : 0x9f));
		if (clean_add(&c, &b, 1, &out) < 0)
			bad++;
	}
	bad += clean_end(&c, &out) < 0;
	for (size_t i = 0; i < out.len; i++) {
		unsigned char b = (unsigned char)out.data[i];
		bad += (b < 0x20 && b != '\n' && b != '\t') || b == 0x7f;
		bad += b == 0xc2 && (unsigned char)out.data[i + 1] < 0xa0;
	}
	test_is_int(bad, 0, "random bytes leave no control");
	test_ok(str_is_utf8(out.data, out.len), "and are UTF-8");
}

int main(void)
{
	test_begin();
	test_plain();
	test_controls();
	test_sequences();
	test_invalid();
	test_long_string();
	test_any_bytes();
	return test_end();
}
