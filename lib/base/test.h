// SPDX-License-Identifier: Apache-2.0
// The harness of the C tests: TAP on stdout, exit status 0 when all passed, and a count of the process's own
// descriptors and children at the end, so that a leak fails the test that made it. A test program is
//
//	int main(void)
//	{
//		test_begin();
//		test_ok(1 + 1 == 2, "addition");
//		return test_end();
//	}
//
// Included by *_test.c only, linked with lib/base.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "base.h"
#include "file.h"

static struct {
	unsigned count;
	unsigned failed;
	int fds; // open at the beginning
	char dir[64];
} test_state;

// Open descriptors, without the one that does the counting.
static inline int test_count_fds(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static inline void test_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	close_range(3, ~0u, 0); // what the caller's shell had open is not ours to count
	test_state.fds = test_count_fds();
}

static inline bool attr_printf(4, 5)
    test_result(bool passed, const char *file, int line, const char *fmt, ...)
{
	char name[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == '#')
			*p = '?';
	printf("%sok %u - %s\n", passed ? "" : "not ", ++test_state.count, name);
	if (!passed) {
		test_state.failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	return passed;
}

// All take a printf format with its arguments as the test's name, and are true when the test passed.
#define test_ok(cond, ...) test_result((cond), __FILE__, __LINE__, __VA_ARGS__)

#define test_is_int(got, want, ...)                                                                          \
	({                                                                                                   \
		intmax_t test_got = (intmax_t)(got);                                                         \
		intmax_t test_want = (intmax_t)(want);                                                       \
		bool test_passed = test_result(test_got == test_want, __FILE__, __LINE__, __VA_ARGS__);      \
		if (!test_passed)                                                                            \
			printf("# got %jd, wanted %jd\n", test_got, test_want);                              \
		test_passed;                                                                                 \
	})

#define test_is_str(got, want, ...)                                                                          \
	({                                                                                                   \
		const char *test_got = (got);                                                                \
		const char *test_want = (want);                                                              \
		bool test_same =                                                                             \
		    test_got && test_want ? strcmp(test_got, test_want) == 0 : test_got == test_want;        \
		bool test_passed = test_result(test_same, __FILE__, __LINE__, __VA_ARGS__);                  \
		if (!test_passed)                                                                            \
			printf("# got    \"%s\"\n# wanted \"%s\"\n", test_got ? test_got : "(NULL)",         \
			       test_want ? test_want : "(NULL)");                                            \
		test_passed;                                                                                 \
	})

// Where the machine lacks something; the reason is shown and counted.
#define test_skip(reason) printf("ok %u # SKIP %s\n", ++test_state.count, (reason))

// A directory of this test's own, made at the first call, removed by test_end.
static inline const char *test_dir(void)
{
	if (!test_state.dir[0]) {
		snprintf(test_state.dir, sizeof(test_state.dir), "/tmp/joblet-test-XXXXXX");
		if (!mkdtemp(test_state.dir)) {
			printf("Bail out! no temporary directory: %s\n", strerror(errno));
			exit(1);
		}
	}
	return test_state.dir;
}

// dir/name, in a buffer of the caller's.
static inline const char *test_path(char out[256], const char *name)
{
	snprintf(out, 256, "%s/%s", test_dir(), name);
	return out;
}

// The exit status of the program.
static inline int attr_must_check test_end(void)
{
	if (test_state.dir[0])
		test_is_int(file_remove_tree(AT_FDCWD, test_state.dir, NULL), 0, "the test's directory goes");
	test_is_int(test_count_fds(), test_state.fds, "no descriptor is left open");
	test_ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no child is left behind");
	printf("1..%u\n", test_state.count);
	return test_state.failed ? 1 : 0;
}
