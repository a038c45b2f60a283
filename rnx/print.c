// SPDX-License-Identifier: Apache-2.0
// Text and JSON for people and programs. Makes no call to a server.
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "rnx/clean.h"
#include "rnx/print.h"
#include "rnx/rnx.h"

static struct {
	bool json;
	bool color_out, color_err;
} look;

bool print_setup(bool json, const char *color)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool may = !(no_color && *no_color) && !(term && str_eq(term, "dumb"));

	look.json = json;
	look.color_out = may && isatty(STDOUT_FILENO);
	look.color_err = may && isatty(STDERR_FILENO);
	if (!color || str_eq(color, "auto"))
		return true;
	look.color_out = look.color_err = str_eq(color, "always");
	return look.color_out || str_eq(color, "never");
}

bool print_has_color(void)
{
	return look.color_out;
}

void print_reader_gone(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGPIPE);
	_exit(EXIT_CODE_SIGNAL_BASE + SIGPIPE);
}

int print_data(const struct buf *b)
{
	int rc = b->len ? file_write_all(STDOUT_FILENO, b->data, b->len) : 0;

	if (rc == -EPIPE)
		print_reader_gone();
	if (rc < 0)
		return print_fail(EXIT_CODE_INTERNAL, "OUTPUT", NULL, "stdout: %s", strerror(-rc));
	return 0;
}

// To stderr, made safe when a terminal shows it. What cannot be said is lost: there is nobody to tell.
static void say(const char *text, size_t len, const char *before, const char *after)
{
	cleanup_buf struct buf out = {0};
	struct clean c = {0};
	int rc = buf_add_str(&out, before);

	if (rc == 0)
		rc = clean_add(&c, text, len, &out);
	if (rc == 0)
		rc = clean_end(&c, &out);
	if (rc == 0)
		rc = buf_add_str(&out, after);
	if (rc == 0)
		rc = buf_add(&out, "\n", 1);
	if (rc == 0)
		rc = file_write_all(STDERR_FILENO, out.data, out.len);
	(void)rc;
}

static void fail_json(const char *code, const char *message, const char *hint)
{
	cleanup_buf struct buf out = {0};
	struct json_out o;

	json_out_begin(&o, &out, false);
	json_open_obj(&o);
	json_key(&o, "error");
	json_open_obj(&o);
	json_kv_str(&o, "code", code);
	json_kv_str(&o, "message", message);
	json_kv_str(&o, "hint", hint ? hint : "");
	json_close_obj(&o);
	json_close_obj(&o);
	if (json_out_end(&o) == 0 && buf_add(&out, "\n", 1) == 0 &&
	    file_write_all(STDERR_FILENO, out.data, out.len) < 0)
		return;
}

static void attr_printf(3, 0) fail(const char *code, const char *hint, const char *fmt, va_list ap)
{
	cleanup_free char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	if (look.json) {
		fail_json(code, text, hint);
		return;
	}
	say(text, strlen(text), look.color_err ? "\x1b[1;31merror:\x1b[0m " : "error: ", "");
	if (hint && *hint)
		say(hint, strlen(hint), "hint: ", "");
}

int print_fail(int status, const char *code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(code, hint, fmt, ap);
	va_end(ap);
	return status;
}

int print_usage(const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail("USAGE", hint, fmt, ap);
	va_end(ap);
	return EXIT_CODE_USAGE;
}

int print_denied(const char *text)
{
	static const char first[] = "Permission denied";

	if (look.json) {
		cleanup_free char *both = xasprintf("%s: %s", first, text);
		fail_json("PERMISSION_DENIED", both, "");
		return EXIT_CODE_FAILURE;
	}
	say(first, strlen(first), look.color_err ? "\x1b[1;31mERROR:\x1b[0m " : "ERROR: ", "");
	say(text, strlen(text), "", "");
	return EXIT_CODE_FAILURE;
}

void print_note(const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	say(text, strlen(text), "", "");
}

size_t print_width(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

void print_time(const char *rfc3339, char out[PRINT_TIME_MAX])
{
	struct tm tm;
	int64_t ns;

	snprintf(out, PRINT_TIME_MAX, "-");
	if (!rfc3339 || !*rfc3339 || str_parse_time(rfc3339, &ns) < 0)
		return;
	time_t s = (time_t)(ns / 1000000000);
	if (localtime_r(&s, &tm))
		strftime(out, PRINT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
}
