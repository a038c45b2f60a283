// SPDX-License-Identifier: Apache-2.0
// The small parsers: ctl and winsz lines, cgroup files, and the escaping of messages.
#include "joblet-shim/caller.h"
#include "joblet-shim/cgroup_find.h"
#include "joblet-shim/control.h"
#include "lib/base/test.h"

static void test_control(void)
{
	static const struct {
		const char *line;
		bool is_winsz;
		enum control_command want;
		int rows, columns;
	} rows[] = {
	    {"1 24 80", false, CONTROL_RESIZE, 24, 80},
	    {"1  24   80 ", false, CONTROL_RESIZE, 24, 80},
	    {"2 0 0", false, CONTROL_REOPEN, 0, 0},
	    {"24 80", true, CONTROL_RESIZE, 24, 80},
	    {"3 0 0", false, CONTROL_NOTHING, 0, 0},
	    {"1 24", false, CONTROL_NOTHING, 0, 0},
	    {"1 24 80 9", false, CONTROL_NOTHING, 0, 0},
	    {"", false, CONTROL_NOTHING, 0, 0},
	    {"1 65536 1", false, CONTROL_NOTHING, 0, 0},
	    {"1 -1 1", false, CONTROL_NOTHING, 0, 0},
	    {"x y z", false, CONTROL_NOTHING, 0, 0},
	    {"1 24 80", true, CONTROL_NOTHING, 0, 0},
	    {"1 99999999999999999999 1", false, CONTROL_NOTHING, 0, 0},
	    {"1 0000000000000000000000000000024 80", false, CONTROL_NOTHING, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned short r = 0, c = 0;
		test_ok(control_parse(rows[i].line, rows[i].is_winsz, &r, &c) == rows[i].want &&
			    r == rows[i].rows && c == rows[i].columns,
			"control '%s'", rows[i].line);
	}
}

// The lines that come out of the bytes, each in brackets.
static void test_control_bytes(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want;
	} rows[] = {
	    {"1 2 3\n4\n", 8, "[1 2 3][4]"},
	    {"\n\n1", 3, ""},
	    {"a\0b\nc\n", 6, "[c]"}, // what has a NUL in it is no command
	    {"123456789012345678901234567890123456789012345678901234567890123\n", 64,
	     "[123456789012345678901234567890123456789012345678901234567890123]"},
	    {"1234567890123456789012345678901234567890123456789012345678901234\n5\n", 67, "[5]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct control_line l = {.len = 0};
		char got[256] = "";
		for (size_t j = 0; j < rows[i].len; j++)
			if (control_take(&l, rows[i].bytes[j]))
				snprintf(got + strlen(got), sizeof(got) - strlen(got), "[%s]", l.text);
		test_is_str(got, rows[i].want, "bytes to lines, row %zu", i);
	}
}

static void test_cgroup(void)
{
	static const char text[] = "9:name=systemd:/s\n4:memory:/a/b:c\n1:cpu,cpuacct:/\n0::/u\n";
	static const struct {
		const char *controller, *want;
	} rows[] = {{"memory", "/a/b:c"},   {"cpuacct", "/"}, {"cpu", "/"},  {"", "/u"},
		    {"name=systemd", "/s"}, {"mem", NULL},    {"pids", NULL}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *path = NULL;
		size_t len = 0;
		int rc = cgroup_path_of(text, rows[i].controller, &path, &len);
		bool is_right =
		    rows[i].want ? rc == 0 && len == strlen(rows[i].want) && !memcmp(path, rows[i].want, len)
				 : rc == -ENOENT;
		test_ok(is_right, "cgroup of '%s'", rows[i].controller);
	}
	const char *path;
	size_t len;
	test_is_int(cgroup_path_of("", "memory", &path, &len), -ENOENT, "an empty file");
	test_is_int(cgroup_path_of("no colons\n4:memory", "memory", &path, &len), -ENOENT,
		    "lines that are none");
	test_is_int((int)cgroup_count_of("low 0\noom 3\noom_kill 2\noom_group_kill 1\n", "oom_kill"), 2,
		    "oom_kill of memory.events");
	test_is_int((int)cgroup_count_of("oom_kill_disable 1\nunder_oom 0\noom_kill 4\n", "oom_kill"), 4,
		    "oom_kill of memory.oom_control");
	test_is_int((int)cgroup_count_of("oom_kill\n", "oom_kill"), 0, "no number");
	test_is_int((int)cgroup_count_of("oom_kill 99999999999999999999999999\n", "oom_kill"), 0,
		    "a number that is too long");
}

static void test_escape(void)
{
	char out[64], tiny[5];
	caller_escape(out, sizeof(out), "a\"b\\c\n\x01", 7);
	test_is_str(out, "a\\\"b\\\\c\\n\\u0001", "quotes, backslash, control characters");
	caller_escape(out, sizeof(out), "\xc3\xa4\xff\xc3(\xed\xa0\x80\xf0\x9f\x98\x80", 12);
	test_is_str(out,
		    "\xc3\xa4?"
		    "?(???\xf0\x9f\x98\x80",
		    "what is no UTF-8 becomes a question mark");
	test_is_int((int)caller_escape(tiny, sizeof(tiny), "abc\n", 4), 3, "an escape is not cut in half");
	test_is_str(tiny, "abc", "what fits is there");
	test_is_int((int)caller_escape(out, sizeof(out), "", 0), 0, "nothing");
	test_is_int((int)caller_escape(tiny, sizeof(tiny), "\xe2\x82", 2), 2, "a sequence that ends early");
}

int main(void)
{
	test_begin();
	test_control();
	test_control_bytes();
	test_cgroup();
	test_escape();
	return test_end();
}
