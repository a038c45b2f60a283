// SPDX-License-Identifier: Apache-2.0
// Tests of buffers, errors and the log line.
#include <sys/socket.h>

#include "buf.h"
#include "err.h"
#include "log.h"
#include "test.h"

static void test_buf(void)
{
	cleanup_buf struct buf b = {.max = 1000};

	test_ok(buf_add(&b, "ab\0c", 4) == 0 && b.len == 4 && b.data[4] == '\0',
		"add keeps a NUL behind the bytes");
	test_ok(buf_printf(&b, "%d-%s", 42, "x") == 0 && memcmp(b.data, "ab\0c42-x", 9) == 0,
		"printf appends");
	buf_drop(&b, 4);
	test_is_str(b.data, "42-x", "drop takes from the front");
	char big[996];
	memset(big, 'y', sizeof(big));
	test_is_int(buf_add(&b, big, sizeof(big)), 0, "exactly to the ceiling");
	test_is_int(b.len, 1000, "1000 bytes");
	test_is_int(buf_add(&b, "z", 1), -EMSGSIZE, "one more is refused");
	test_is_int(buf_printf(&b, "%s", "z"), -EMSGSIZE, "by printf too");
	test_is_int(buf_reserve(&b, SIZE_MAX), -EMSGSIZE, "and without overflow");
	test_ok(b.len == 1000 && b.data[1000] == '\0' && b.data[999] == 'y',
		"which leaves the buffer as it was");
	cleanup_free char *all = buf_take(&b);
	test_ok(strlen(all) == 1000 && b.len == 0 && !b.data, "take empties it");
	cleanup_free char *none = buf_take(&b);
	test_is_str(none, "", "take of nothing is an empty string");
}

static void test_err(void)
{
	struct err e = {0};

	test_is_int(err_set(&e, 3, "n %d", 1), 3, "err_set returns the code");
	test_is_str(e.msg, "n 1", "and sets the text");
	test_is_int(err_sys(&e, -ENOENT, "open %s", "x"), -ENOENT, "err_sys returns the code");
	test_is_str(e.msg, "open x: No such file or directory", "with the system's words");
	err_wrap(&e, -1, "job %s", "a");
	test_is_str(e.msg, "job a: open x: No such file or directory", "err_wrap puts its text before");
	for (int i = 0; i < 300; i++)
		err_wrap(&e, -1, "12345");
	test_is_int(strlen(e.msg), sizeof(e.msg) - 1, "too long a text is cut");
	test_ok(strstr(e.msg, "...") && strstr(e.msg, "job a: open x: No such file or directory"),
		"in its middle, so that the reason stays");
	char path[5000];
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	err_sys(&e, -ENAMETOOLONG, "open %s", path);
	test_ok(strlen(e.msg) == sizeof(e.msg) - 1 && strstr(e.msg, "pp...: File name too long"),
		"after a path that is too long the system's words stand");
	err_wrap(&e, -1, "mount %s", path);
	test_ok(strncmp(e.msg, "mount ppp", 9) == 0 && strstr(e.msg, ": open pp") &&
		    strstr(e.msg, "pp...: File name too long"),
		"and with another one before it: %s", e.msg);
	test_is_int(err_set(NULL, -5, "x") + err_sys(NULL, -5, "x") + err_wrap(NULL, -5, "x"), -15,
		    "NULL is fine");
}

// What one call writes, as one datagram: so it also shows that a line is one write.
static const char *logged(int fd)
{
	static char line[32768];
	ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);

	line[n < 0 ? 0 : n] = '\0';
	return line;
}

static void test_log(void)
{
	int pair[2];
	enum log_level level;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	log_init("prog", pair[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_debug("below the level");
	test_is_str(logged(pair[0]), "", "below the level nothing is written");
	log_warn("a\nb\033[2Jc%s", "\xc2\x9b");
	const char *line = logged(pair[0]);
	test_ok(strlen(line) > 25 && line[10] == 'T' && line[23] == 'Z' && line[24] == ' ',
		"the time comes first");
	test_is_str(line + 25, "warn prog: a\\x0ab\\x1b[2Jc\\x9b\n", "control characters are escaped");
	log_info("%s", "\xff");
	test_is_str(logged(pair[0]) + 25, "info prog: \\xff\n", "and bytes that are no UTF-8");
	log_init("prog", pair[1], LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
	log_warn("say \"x\\y\"\n");
	test_ok(strncmp(logged(pair[0]),
			"{\"level\":\"warning\",\"msg\":\"say \\\"x\\\\y\\\"\\u000a\",\"time\":\"", 48) == 0,
		"JSON is escaped");
	char long_text[8192];
	memset(long_text, '\001', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	log_error("%s", long_text);
	line = logged(pair[0]);
	test_ok(strlen(line) > 4095 * 6 && strcmp(line + strlen(line) - 3, "\"}\n") == 0,
		"a long line is cut, not broken");
	test_ok(log_level_parse("warning", &level) == 0 && level == LOG_LEVEL_WARN, "warning is warn");
	test_is_int(log_level_parse("loud", &level), -EINVAL, "an unknown level is refused");
	log_set_fd(STDERR_FILENO);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	test_begin();
	test_buf();
	test_err();
	test_log();
	return test_end();
}
