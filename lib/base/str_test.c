// SPDX-License-Identifier: Apache-2.0
// Tests of strings from outside.
#include "str.h"
#include "test.h"

#define NS 1000000000LL

static void test_numbers(void)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} rows[] = {
	    {"0", 0, 0},
	    {"-0", 0, 0},
	    {"007", 0, 7},
	    {"9223372036854775807", 0, INT64_MAX},
	    {"-9223372036854775808", 0, INT64_MIN},
	    {"9223372036854775808", -ERANGE, 0},
	    {"-9223372036854775809", -ERANGE, 0},
	    {"99999999999999999999999", -ERANGE, 0},
	    {"", -EINVAL, 0},
	    {"-", -EINVAL, 0},
	    {"+1", -EINVAL, 0},
	    {"--1", -EINVAL, 0},
	    {" 1", -EINVAL, 0},
	    {"1 ", -EINVAL, 0},
	    {"0x10", -EINVAL, 0},
	    {"1e3", -EINVAL, 0},
	    {"99999999999999999999999x", -EINVAL, 0},
	    {NULL, -EINVAL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 0;
		int rc = str_to_i64(rows[i].text, INT64_MIN, INT64_MAX, &v);
		test_ok(rc == rows[i].rc && v == rows[i].value, "i64 of %s",
			rows[i].text ? rows[i].text : "NULL");
	}
	int64_t i;
	uint64_t u = 5;
	test_is_int(str_to_i64("11", 0, 10, &i), -ERANGE, "above the maximum");
	test_is_int(str_to_i64("-1", 0, 10, &i), -ERANGE, "below the minimum");
	test_is_int(str_to_u64("-1", UINT64_MAX, &u), -EINVAL, "no sign in an unsigned number");
	test_ok(str_to_u64("18446744073709551615", UINT64_MAX, &u) == 0 && u == UINT64_MAX, "the largest");
	test_is_int(str_to_u64("18446744073709551616", UINT64_MAX, &u), -ERANGE, "one more");
	test_ok(u == UINT64_MAX, "an error leaves the value");
}

static void test_bytes(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} rows[] = {
	    {"512", 0, 512},	    {"64k", 0, 65536},
	    {"10MB", 0, 10 << 20},  {"1GB", 0, 1 << 30},
	    {"1GiB", 0, 1 << 30},   {"1gib", 0, 1 << 30},
	    {"7B", 0, 7},	    {"16383P", 0, 16383ULL << 50},
	    {"16384P", -ERANGE, 0}, {"99999999999999999999", -ERANGE, 0},
	    {"1.5GB", -EINVAL, 0},  {"GB", -EINVAL, 0},
	    {"-1MB", -EINVAL, 0},   {"1 MB", -EINVAL, 0},
	    {"1XB", -EINVAL, 0},    {"1MBx", -EINVAL, 0},
	    {"1iB", -EINVAL, 0},    {"", -EINVAL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;
		int rc = str_to_bytes(rows[i].text, &v);
		test_ok(rc == rows[i].rc && v == rows[i].value, "bytes of '%s'", rows[i].text);
	}
}

static void test_durations(void)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} rows[] = {
	    {"90", 0, 90 * NS},
	    {"90s", 0, 90 * NS},
	    {"30min", 0, 1800 * NS},
	    {"1hour", 0, 3600 * NS},
	    {"2h30m", 0, 9000 * NS},
	    {"1h30min10s500ms", 0, 5410 * NS + NS / 2},
	    {"500ms", 0, NS / 2},
	    {"1D", 0, 86400 * NS},
	    {"0", 0, 0},
	    {"3650d", 0, 3650 * 86400 * NS},
	    {"3651d", -ERANGE, 0},
	    {"99999999999999999999s", -ERANGE, 0},
	    {"999999999999999999h", -ERANGE, 0},
	    {"2h30", -EINVAL, 0},
	    {"30m2h", -EINVAL, 0},
	    {"1h1h", -EINVAL, 0},
	    {"-5s", -EINVAL, 0},
	    {"1.5h", -EINVAL, 0},
	    {"5 s", -EINVAL, 0},
	    {"5fortnights", -EINVAL, 0},
	    {"s", -EINVAL, 0},
	    {"", -EINVAL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 0;
		int rc = str_to_duration(rows[i].text, &v);
		test_ok(rc == rows[i].rc && v == rows[i].value, "duration of '%s'", rows[i].text);
	}
}

static void test_times(void)
{
	static const struct {
		const char *text;
		int rc;
		int64_t seconds;
	} rows[] = {
	    {"1970-01-01T00:00:00Z", 0, 0},
	    {"2026-11-23T17:53:21Z", 0, 1795456401},
	    {"2026-11-23t17:53:21+01:30", 0, 1795456401 - 5400},
	    {"2026-11-23T17:53:21-08:00", 0, 1795456401 + 28800},
	    {"2024-02-29T00:00:00Z", 0, 1709164800},
	    {"1969-12-31T23:59:59Z", 0, -1},
	    {"2026-11-23 17:53:21", 0, 1795456401 - 3600}, // local, see main
	    {"2023-02-29T00:00:00Z", -EINVAL, 0},
	    {"2100-02-29T00:00:00Z", -EINVAL, 0},
	    {"2026-13-01T00:00:00Z", -EINVAL, 0},
	    {"2026-00-01T00:00:00Z", -EINVAL, 0},
	    {"2026-01-01T24:00:00Z", -EINVAL, 0},
	    {"2026-01-01T00:60:00Z", -EINVAL, 0},
	    {"2026-01-01T00:00:00.Z", -EINVAL, 0},
	    {"2026-01-01T00:00:00ZZ", -EINVAL, 0},
	    {"2026-01-01T00:00:00+0100", -EINVAL, 0},
	    {"2026-01-01T00:00:00+01:00x", -EINVAL, 0},
	    {"2026-01-01", -EINVAL, 0},
	    {"2026-1-1T00:00:00Z", -EINVAL, 0},
	    {"9999-01-01T00:00:00Z", -EINVAL, 0},
	    {"tomorrow", -EINVAL, 0},
	    {"", -EINVAL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 0;
		int rc = str_parse_time(rows[i].text, &v);
		test_ok(rc == rows[i].rc && v == rows[i].seconds * NS, "time '%s'", rows[i].text);
	}
	int64_t v;
	char out[STR_TIME_MAX];
	test_ok(str_parse_time("2026-11-23T17:53:21.298756433Z", &v) == 0, "nine digits of a second");
	str_time_rfc3339(v, out);
	test_is_str(out, "2026-11-23T17:53:21.298756433Z", "and the same back");
	str_time_rfc3339(-1, out);
	test_is_str(out, "1969-12-31T23:59:59.999999999Z", "before the epoch");
	str_time_rfc3339(INT64_MAX, out);
	test_is_str(out, "2262-04-11T23:47:16.854775807Z", "the last one");
	str_time_rfc3339(INT64_MIN, out);
	test_is_str(out, "1677-09-21T00:12:43.145224192Z", "the first one");
	bool same = true;
	for (int64_t day = -100000; day < 100000; day += 13) {
		str_time_rfc3339(day * 86400 * NS + 7, out);
		same = same && str_parse_time(out, &v) == 0 && v == day * 86400 * NS + 7;
	}
	test_ok(same, "days of five centuries there and back");
}

static void test_names(void)
{
	char sixty_four[65];
	memset(sixty_four, 'a', 64);
	sixty_four[64] = '\0';

	test_ok(str_is_name("a-b_1") && str_is_name("_x") && str_is_name(sixty_four + 1), "names");
	test_ok(!str_is_name("") && !str_is_name("-a") && !str_is_name("1a") && !str_is_name("a/b") &&
		    !str_is_name("..") && !str_is_name("a b") && !str_is_name("a\n") && !str_is_name("é") &&
		    !str_is_name(NULL) && !str_is_name(sixty_four),
		"not names");
	test_ok(str_is_env_name("A_1") && !str_is_env_name("A-1") && !str_is_env_name("A="),
		"environment names");
	test_is_int(str_check_cpu_list("0-3,7", 7), 0, "CPUs 0-3,7");
	test_is_int(str_check_cpu_list("0-3,8", 7), -ERANGE, "CPU 8 of 8");
	test_is_int(str_check_cpu_list("99999999999999999999", 7), -ERANGE, "CPU past 64 bits");
	static const char *const bad[] = {"",	"a",  "3-1",  "1-",    "-1",   "1,,2",
					  "1,", ",1", "1 ,2", "1-2-3", "0-3:1"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		test_is_int(str_check_cpu_list(bad[i], 7), -EINVAL, "no CPU list: '%s'", bad[i]);
	static const char *const utf8[] = {"", "abc", "é", "€", "\xf0\x9f\x92\xa9", "\xf4\x8f\xbf\xbf"};
	for (size_t i = 0; i < ARRAY_LEN(utf8); i++)
		test_ok(str_is_utf8(utf8[i], strlen(utf8[i])), "UTF-8 row %zu", i);
	static const char *const broken[] = {"\xff",
					     "\xc0\x80",
					     "\xc1\xbf",
					     "\xe0\x80\x80",
					     "\xed\xa0\x80",
					     "\xf4\x90\x80\x80",
					     "\xf8\x88\x80\x80\x80",
					     "\xe2\x82",
					     "a\x80",
					     "\xf0\x80\x80\x80"};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		test_ok(!str_is_utf8(broken[i], strlen(broken[i])), "broken UTF-8 row %zu", i);
}

static void test_vectors(void)
{
	char small[4] = "zzz";
	cleanup_strv char **v = NULL;

	test_ok(str_copy(small, sizeof(small), "abc") == 0 && str_eq(small, "abc"), "copy that just fits");
	test_ok(str_copy(small, sizeof(small), "abcd") == -ENAMETOOLONG && !*small, "one byte too many");
	test_ok(str_eq(NULL, NULL) && !str_eq(NULL, "") && str_starts("abc", "ab") && !str_starts("a", "ab"),
		"compare");
	for (int i = 0; i < 100; i++)
		strv_add_take(&v, xasprintf("%d", i));
	strv_add(&v, "end");
	test_ok(strv_len(v) == 101 && str_eq(v[64], "64") && str_eq(v[100], "end") && !v[101],
		"a vector grows");
}

static void test_nearest(void)
{
	static const char *const words[] = {"run", "list", "status", "delete", "delete-all", NULL};

	test_is_str(str_nearest("stauts", words), "status", "swapped");
	test_is_str(str_nearest("lst", words), "list", "left out");
	test_is_str(str_nearest("del", words), "delete", "begun");
	test_is_str(str_nearest("rum", words), "run", "changed");
	test_ok(!str_nearest("monitor", words), "far from all");
	test_ok(!str_nearest("", words), "empty");
	test_ok(!str_nearest("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", words), "long");
}

int main(void)
{
	setenv("TZ", "XXX-1", 1); // one hour east
	test_begin();
	test_numbers();
	test_bytes();
	test_durations();
	test_times();
	test_names();
	test_vectors();
	test_nearest();
	return test_end();
}
