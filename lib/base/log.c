// SPDX-License-Identifier: Apache-2.0
// What a program says about itself: one line, one write(2). Takes no memory, so it works when there is none,
// and needs libc only.
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "log.h"
#include "str.h"

// A longer message is cut. Escaping may make each byte six.
#define LOG_MESSAGE_MAX 4096
#define LOG_LINE_MAX	(LOG_MESSAGE_MAX * 6 + 256)

static struct {
	const char *prog;
	int fd;
	enum log_level level;
	enum log_format format;
} log_state = {.prog = "joblet", .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_names_runc[] = {"debug", "info", "warning", "error"};

void log_init(const char *prog, int fd, enum log_level level, enum log_format format)
{
	log_state.prog = prog;
	log_state.fd = fd;
	log_state.level = level;
	log_state.format = format;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

void log_set_fd(int fd)
{
	log_state.fd = fd;
}

int log_level_parse(const char *s, enum log_level *out)
{
	for (size_t i = 0; s && i < ARRAY_LEN(level_names); i++) {
		if (str_eq(s, level_names[i]) || str_eq(s, level_names_runc[i])) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct line {
	char data[LOG_LINE_MAX];
	size_t len;
};

static void line_add(struct line *l, const char *s)
{
	size_t n = strlen(s);

	if (n > sizeof(l->data) - l->len)
		n = sizeof(l->data) - l->len;
	memcpy(l->data + l->len, s, n);
	l->len += n;
}

// What a client or a job chose cannot begin a line of its own, move the cursor or, in JSON, leave the string.
static void line_add_safe(struct line *l, const char *s, enum log_format format)
{
	bool is_json = format == LOG_FORMAT_JSON;
	bool is_utf8 = str_is_utf8(s, strlen(s));

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char tmp[8];
		if (is_json && (c == '"' || c == '\\'))
			snprintf(tmp, sizeof(tmp), "\\%c", c);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			snprintf(tmp, sizeof(tmp), is_json ? "\\u%04x" : "\\x%02x", c);
		else if (c == 0xc2 && (unsigned char)s[1] < 0xa0)
			// U+0080 to U+009F: terminals take them for control sequences
			snprintf(tmp, sizeof(tmp), is_json ? "\\u%04x" : "\\x%02x", (unsigned char)*++s);
		else
			snprintf(tmp, sizeof(tmp), "%c", c);
		line_add(l, tmp);
	}
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if (level < log_state.level)
		return;
	int saved_errno = errno;
	char msg[LOG_MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);

	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	char when[STR_TIME_MAX];
	str_time_rfc3339((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, when);
	// milliseconds are enough for a person: 2026-11-23T17:53:21.298Z
	snprintf(when + 23, sizeof(when) - 23, "Z");

	struct line l;
	l.len = 0;
	if (log_state.format == LOG_FORMAT_JSON) {
		line_add(&l, "{\"level\":\"");
		line_add(&l, level_names_runc[level]);
		line_add(&l, "\",\"msg\":\"");
		line_add_safe(&l, msg, LOG_FORMAT_JSON);
		line_add(&l, "\",\"time\":\"");
		line_add(&l, when);
		line_add(&l, "\"}\n");
	} else {
		line_add(&l, when);
		line_add(&l, " ");
		line_add(&l, level_names[level]);
		line_add(&l, " ");
		line_add(&l, log_state.prog);
		line_add(&l, ": ");
		line_add_safe(&l, msg, LOG_FORMAT_TEXT);
		line_add(&l, "\n");
	}
	// There is nobody to tell when this fails.
	attr_unused ssize_t n = write(log_state.fd, l.data, l.len);
	errno = saved_errno;
}
