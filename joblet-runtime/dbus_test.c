// SPDX-License-Identifier: Apache-2.0
// D-Bus messages, the greeting with a peer that is ours, and what of systemd's interface needs no systemd.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "joblet-runtime/dbus.h"
#include "joblet-runtime/systemd.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

// An answer as systemd would write it: made by hand from the specification.
static const uint8_t ANSWER[] = {
    'l', 2, 0,	 1, 9,	 0,   0,   0,	7, 0, 0,   0, 15, 0,   0, 0, // type, version, body, serial, fields
    5,	 1, 'u', 0, 1,	 0,   0,   0,	8, 1, 'g', 0, 1,  'o', 0, 0, // reply serial 1, signature "o"
    4,	 0, 0,	 0, '/', 'j', '/', '1', 0,
};

static void test_write(void)
{
	cleanup_buf struct buf body = {0}, out = {0};
	dbus_put_str(&body, "x");
	struct dbus_array a = dbus_array(&body, 8);
	systemd_put_u64(&body, "T", 3);
	dbus_array_end(&body, a);
	const struct dbus_method m = {
	    .path = "/a", .interface = "b.c", .member = "D", .signature = "sa(sv)", .body = &body};
	static const uint8_t want[] = {
	    1,	0, 0, 0, 'x', 0, 0, 0,				 // "x", padded
	    24, 0, 0, 0, 0,   0, 0, 0,				 // an array of 24 bytes, padded to 8
	    1,	0, 0, 0, 'T', 0, 1, 't', 0, 0, 0, 0, 0, 0, 0, 0, // "T", a variant of t
	    3,	0, 0, 0, 0,   0, 0, 0,
	};
	test_ok(body.len == sizeof(want) && memcmp(body.data, want, sizeof(want)) == 0,
		"a property is written as the specification has it");
	size_t size = 0;
	struct dbus_message back;
	test_is_int(dbus_put_call(&out, &m, 5), 0, "a call is written");
	test_is_int(dbus_message_size((uint8_t *)out.data, &size), 0, "its head tells its size");
	test_is_int((int64_t)size, (int64_t)out.len, "which is the right one");
	test_is_int(dbus_message_parse((uint8_t *)out.data, out.len, &back), 0, "and it can be read");
	test_ok(str_eq(back.member, "D") && str_eq(back.signature, "sa(sv)") && back.type == DBUS_CALL,
		"with what was written");
	test_is_str(dbus_get_str(&back.body), "x", "and its first value");
	const struct buf huge = {.len = DBUS_CALL_MAX + 1}; // refused before it is looked at
	const struct dbus_method too_long = {
	    .path = "/a", .interface = "b.c", .member = "D", .signature = "s", .body = &huge};
	test_is_int(dbus_put_call(&out, &too_long, 5), -EMSGSIZE, "too long a call is refused");
}

static int parse_changed(size_t at, uint8_t value, struct dbus_message *m)
{
	static uint8_t copy[sizeof(ANSWER)];
	memcpy(copy, ANSWER, sizeof(copy));
	copy[at] = value;
	return dbus_message_parse(copy, sizeof(copy), m);
}

static void test_read(void)
{
	struct dbus_message m;
	test_is_int(dbus_message_parse(ANSWER, sizeof(ANSWER), &m), 0, "an answer is read");
	test_ok(m.type == DBUS_REPLY && m.reply_serial == 1 && str_eq(m.signature, "o"), "with its header");
	test_is_str(dbus_get_str(&m.body), "/j/1", "and its body");
	test_is_str(dbus_get_str(&m.body), "", "behind which there is nothing");
	test_ok(m.body.bad, "and that is told");
	for (size_t n = 0; n < sizeof(ANSWER); n++)
		if (dbus_message_parse(ANSWER, n, &m) != -EBADMSG)
			test_ok(false, "cut off after %zu bytes it was taken", n);
	test_is_int(parse_changed(0, 'B', &m), -EBADMSG, "another byte order");
	test_is_int(parse_changed(1, 9, &m), -EBADMSG, "an unknown type");
	test_is_int(parse_changed(3, 2, &m), -EBADMSG, "another version");
	test_is_int(parse_changed(7, 0xff, &m), -EBADMSG, "a body of 4 GB");
	test_is_int(parse_changed(18, 'a', &m), -EBADMSG, "a header field that is an array");
	test_is_int(parse_changed(17, 200, &m), -EBADMSG, "a signature that ends behind the header");
	test_is_int(parse_changed(32, 200, &m), 0, "a string that ends behind the body is a body");
	test_ok(str_eq(dbus_get_str(&m.body), "") && m.body.bad, "but no string");
	test_is_int(parse_changed(38, 0, &m), 0, "a string with a NUL in it is a body");
	test_ok(str_eq(dbus_get_str(&m.body), "") && m.body.bad, "but no string either");
}

static void test_scope(void)
{
	static const struct {
		const char *path, *id, *slice, *unit; // NULL: refused
		bool user;
	} rows[] = {
	    {"a-b.slice:p:n", "x", "a-b.slice", "p-n.scope", false},
	    {":p:n", "x", "system.slice", "p-n.scope", false},
	    {":p:n", "x", "user.slice", "p-n.scope", true},
	    {"a.slice::n", "x", "a.slice", "n.scope", false},
	    {NULL, "x.1_y", "system.slice", "joblet-runtime-x.1_y.scope", false},
	    {"", "x", "system.slice", "joblet-runtime-x.scope", false},
	    {NULL, "a+b", NULL, NULL, false},
	    {"/a/b", "x", NULL, NULL, false},
	    {"a.slice:p", "x", NULL, NULL, false},
	    {"a.slice:p:n:m", "x", NULL, NULL, false},
	    {"a.slice:p:", "x", NULL, NULL, false},
	    {"a.scope:p:n", "x", NULL, NULL, false},
	    {".slice:p:n", "x", NULL, NULL, false},
	    {"a.slice:p:n.slice", "x", NULL, NULL, false},
	    {"../a.slice:p:n", "x", NULL, NULL, false},
	    {"a.slice:p/q:n", "x", NULL, NULL, false},
	    {"a.slice:p:n\n", "x", NULL, NULL, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct systemd_scope s;
		struct err e = {0};
		int rc = systemd_scope_parse(rows[i].path, rows[i].id, rows[i].user, &s, &e);
		test_ok((rc == 0) == (rows[i].unit != NULL) && str_eq(s.unit, rows[i].unit) &&
			    str_eq(s.slice, rows[i].slice) && (rc == 0) == !*e.msg,
			"cgroupsPath %s", rows[i].path ? rows[i].path : rows[i].id);
		systemd_scope_free(&s);
	}
	cleanup_free char *path = xasprintf("a.slice:p:%0250d", 1);
	struct systemd_scope s;
	test_is_int(systemd_scope_parse(path, "x", false, &s, NULL), -ENAMETOOLONG, "too long a name");
}

static void test_limits(void)
{
	uint8_t mask[SYSTEMD_MASK_MAX];
	test_is_int((int64_t)systemd_mask("0-2,9", mask), 2, "a list of cpus has so many bytes");
	test_ok(mask[0] == 7 && mask[1] == 2, "and these bits");
	test_is_int((int64_t)systemd_mask("8191", mask), SYSTEMD_MASK_MAX, "the highest cpu");
	test_is_int((int64_t)systemd_mask("8192", mask), 0, "there is none above");
	test_is_int((int64_t)systemd_mask("", mask), 0, "no list");
	static const struct {
		const char *text;
		int rc;
		uint64_t per_second, period;
	} rows[] = {
	    {"50000 100000", 0, 500000, 100000},
	    {"33333 100000", 0, 340000, 100000},
	    {"1000 1000000", 0, 10000, 1000000},
	    {"max 50000", 0, UINT64_MAX, 50000},
	    {"50000", -EINVAL, 0, 0},
	    {"50000 0", -EINVAL, 0, 0},
	    {"x 100000", -EINVAL, 0, 0},
	    {"18446744073709551615 100000", -EINVAL, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t per_second = 0, period = 0;
		int rc = systemd_quota(rows[i].text, &per_second, &period);
		test_ok(rc == rows[i].rc &&
			    (rc || (per_second == rows[i].per_second && period == rows[i].period)),
			"cpu.max \"%s\"", rows[i].text);
	}
}

// The peer's part of the greeting, and one answer.
static void serve(int listener, const char *greeting, size_t len)
{
	char text[512];
	cleanup_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || recv(fd, text, sizeof(text), 0) <= 0 || file_write_all(fd, greeting, len) != 0 ||
	    recv(fd, text, sizeof(text), 0) <= 0 || file_write_all(fd, ANSWER, sizeof(ANSWER)) != 0)
		_exit(1);
	_exit(0);
}

static int call_peer(const char *path, const char *greeting, size_t len)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup_dbus struct dbus d = {.fd = -1};
	cleanup_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct dbus_method m = {.path = "/a", .interface = "b.c", .member = "D"};
	struct dbus_message answer;
	struct err e = {0};
	if (str_copy(a.sun_path, sizeof(a.sun_path), path) != 0 ||
	    bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listener, 1) != 0)
		return -EIO;
	pid_t pid = fork();
	if (pid == 0)
		serve(listener, greeting, len);
	cleanup_close_p(&listener);
	listener = -1;
	int rc = dbus_connect(&d, path, 10000, &e);
	if (!rc)
		rc = dbus_call(&d, &m, &answer, &e);
	if (!rc && !str_eq(dbus_get_str(&answer.body), "/j/1"))
		rc = -EBADMSG;
	dbus_close(&d);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)unlink(path);
	return rc;
}

#define CALL(text) call_peer(path, text, sizeof(text) - 1)

static void test_peer(void)
{
	cleanup_free char *path = xasprintf("/tmp/joblet-dbus-test-%d", (int)getpid());
	struct dbus d = {.fd = -1};
	test_is_int(CALL("DATA\r\nOK 0123456789abcdef\r\n"), 0, "a call to a peer that asks who we are");
	test_is_int(CALL("OK 0123456789abcdef\r\n"), 0, "and to one that knows");
	test_is_int(CALL("REJECTED EXTERNAL\r\n"), -EACCES, "one that refuses");
	static char noise[1024];
	memset(noise, 'x', sizeof(noise));
	test_is_int(call_peer(path, noise, sizeof(noise)), -EBADMSG, "one that never ends its line");
	test_is_int(dbus_connect(&d, path, 1000, NULL), -ENOENT, "none");
	dbus_close(&d);
}

int main(void)
{
	test_begin();
	test_write();
	test_read();
	test_scope();
	test_limits();
	test_peer();
	return test_end();
}
