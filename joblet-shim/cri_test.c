// SPDX-License-Identifier: Apache-2.0
// The CRI line builder: time stamps against gmtime, and every cut of a line against a decoder written only
// for the test.
#include <time.h>

#include "joblet-shim/cri.h"
#include "lib/base/test.h"

static bool stamp_is(int64_t ns, enum cri_stream stream, const char *want)
{
	struct cri_stamp s = {0};
	cri_stamp(&s, ns, stream);
	return memcmp(s.text, want, 43) == 0;
}

static void test_stamps(void)
{
	test_ok(stamp_is(0, CRI_STDOUT, "1970-01-01T00:00:00.000000000+00:00 stdout "), "the epoch");
	test_ok(stamp_is(1795456401298756433, CRI_STDERR, "2026-11-23T17:53:21.298756433+00:00 stderr "),
		"a time of 2026");
	test_ok(stamp_is(951782400000000001, CRI_STDOUT, "2000-02-29T00:00:00.000000001+00:00 stdout "),
		"a leap day");
	bool is_same = true;
	struct cri_stamp s = {0};
	for (int64_t day = 0; day < 80000; day++) {
		char want[64];
		time_t t = day * 86400 + day % 86400;
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		cri_stamp(&s, (int64_t)t * 1000000000 + 7, CRI_STDOUT);
		is_same = is_same && !memcmp(s.text, want, 19) && !memcmp(s.text + 19, ".000000007", 10);
	}
	test_ok(is_same, "219 years of days, one stamp used again and again");
}

// Takes lines apart and puts the payload into out; 0 when a line is not well-formed.
static size_t decode(const char *text, size_t len, char *out)
{
	size_t n = 0;
	while (len) {
		const char *nl = memchr(text, '\n', len);
		if (!nl || nl - text < 45 || nl - text - 45 > CRI_CHUNK ||
		    (text[43] != 'F' && text[43] != 'P') || text[44] != ' ')
			return 0;
		memcpy(out + n, text + 45, (size_t)(nl - text) - 45);
		n += (size_t)(nl - text) - 45;
		if (text[43] == 'F')
			out[n++] = '\n';
		len -= (size_t)(nl + 1 - text);
		text = nl + 1;
	}
	return n;
}

static void test_round_trip(void)
{
	static char in[40000], lines[CRI_CHUNK + CRI_OVERHEAD], out[41000];
	struct cri_stamp s = {0};
	unsigned seed = 1;
	bool is_same = true, is_moving = true;
	cri_stamp(&s, 1795456401298756433, CRI_STDOUT);
	for (int round = 0; round < 200; round++) {
		unsigned every = round % 4 == 0 ? 1 : round % 4 == 1 ? 80 : round % 4 == 2 ? 9000 : 100000;
		size_t len = (size_t)(rand_r(&seed) % (int)sizeof(in)), got = 0;
		for (size_t i = 0; i < len; i++)
			in[i] = (unsigned)rand_r(&seed) % every == 0 ? '\n' : (char)rand_r(&seed);
		for (size_t at = 0; at < len;) {
			size_t taken, n = cri_build(&s, in + at, len - at, lines, sizeof(lines), &taken);
			is_moving = is_moving && taken;
			if (!taken)
				break;
			got += decode(lines, n, out + got);
			at += taken;
		}
		is_same = is_same && got == len && !memcmp(in, out, len);
	}
	test_ok(is_moving, "the smallest output buffer always takes something");
	test_ok(is_same, "random bytes come back as they were");
}

static void test_cuts(void)
{
	static char in[3 * CRI_CHUNK], lines[4 * CRI_CHUNK];
	struct cri_stamp s = {0};
	size_t taken;
	cri_stamp(&s, 0, CRI_STDOUT);
	memset(in, 'x', sizeof(in));
	in[CRI_CHUNK] = '\n';
	size_t n = cri_build(&s, in, CRI_CHUNK + 1, lines, sizeof(lines), &taken);
	test_ok(n == CRI_CHUNK + CRI_OVERHEAD && lines[43] == 'F',
		"a line of exactly a chunk is one full line");
	in[CRI_CHUNK] = 'x';
	n = cri_build(&s, in, CRI_CHUNK + 1, lines, sizeof(lines), &taken);
	test_ok(n == CRI_CHUNK + 1 + 2 * CRI_OVERHEAD && lines[43] == 'P',
		"one byte more makes two partial lines");
	n = cri_build(&s, "\n\n", 2, lines, sizeof(lines), &taken);
	test_ok(n == 2 * CRI_OVERHEAD && taken == 2, "empty lines");
	n = cri_build(&s, "a\0b\n", 4, lines, sizeof(lines), &taken);
	test_ok(n == 3 + CRI_OVERHEAD && !memcmp(lines + 45, "a\0b\n", 4), "NUL is a byte like any other");
	test_is_int((int)cri_build(&s, "", 0, lines, sizeof(lines), &taken), 0, "nothing makes nothing");
}

int main(void)
{
	test_begin();
	test_stamps();
	test_round_trip();
	test_cuts();
	return test_end();
}
