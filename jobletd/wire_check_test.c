// SPDX-License-Identifier: Apache-2.0
// What the scan lets through and what it refuses; whatever it lets through, protobuf-c unpacks.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "joblet.pb-c.h"
#include "jobletd/wire_check.h"
#include "lib/base/buf.h"

static int count, failed;

static void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failed += !good;
}

#define RUN (&joblet__run_job_request__descriptor)

static void row(const char *name, const char *bytes, size_t len, int rc, const char *text)
{
	struct err e = {0};
	int got = wire_check(RUN, (const void *)bytes, len, 100, &e);
	ProtobufCMessage *m = got ? NULL : protobuf_c_message_unpack(RUN, NULL, len, (const void *)bytes);
	ok(got == rc && (rc || m) && (!text || strstr(e.msg, text)), name);
	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}
#define ROW(name, bytes, rc, text) row(name, bytes, sizeof(bytes) - 1, rc, text)

static void rows(void)
{
	ROW("empty", "", 0, NULL);
	ROW("a command", "\x12\x02ls", 0, NULL);
	ROW("a number", "\x20\x05", 0, NULL);
	ROW("an unknown field", "\xf8\x7f\x01", 0, NULL);
	ROW("a map entry", "\x72\x06\x0a\x01\x41\x12\x01\x42", 0, NULL);
	ROW("a tag that is cut off", "\x92", -EBADMSG, "cut off");
	ROW("a length that is cut off", "\x12\x80", -EBADMSG, "cut off");
	ROW("a string that is cut off", "\x12\x05ls", -EBADMSG, "cut off");
	ROW("a length of 2^63", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f", -EBADMSG, "cut off");
	ROW("a number that is too long", "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", -EBADMSG, "64 bits");
	ROW("a number of eleven bytes", "\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", -EBADMSG,
	    "64 bits");
	ROW("NUL in a string", "\x12\x03l\0s", -EBADMSG, "command holds a NUL");
	ROW("NUL in an argument", "\x1a\x03l\0s", -EBADMSG, "args holds a NUL");
	ROW("NUL in a map's value", "\x72\x06\x0a\x01\x41\x12\x01\0", -EBADMSG, "value holds a NUL");
	ROW("not UTF-8", "\x12\x02\xc3\x28", -EBADMSG, "not UTF-8");
	ROW("a surrogate", "\x12\x03\xed\xa0\x80", -EBADMSG, "not UTF-8");
	ROW("newlines are the job's affair", "\x1a\x03l\ns", 0, NULL);
	ROW("a group", "\x13\x14", -EBADMSG, "wire type");
	ROW("an unknown group", "\xfb\x7f\xfc\x7f", -EBADMSG, "group");
	ROW("wire type 7", "\xff\x7f", -EBADMSG, "unknown wire type");
	ROW("a string as a number", "\x10\x01", -EBADMSG, "command has the wrong wire type");
	ROW("a number as a string", "\x22\x01x", -EBADMSG, "wrong wire type");
	ROW("field 0", "\x02\x00", -EBADMSG, "field number");
	ROW("field 2^29", "\x80\x80\x80\x80\x10\x00", -EBADMSG, "field number");
	ROW("a fixed number that is cut off", "\xfd\x7f\x01", -EBADMSG, "cut off");
	ROW("bytes may be anything", "\x42\x05\x12\x03\0\xff\xfe", 0, NULL);
}

static void many(void)
{
	struct buf b = {0};
	struct err e = {0};

	for (int i = 0; i < 1000; i++)
		buf_add(&b, "\x1a\x00", 2);
	ok(wire_check(RUN, (void *)b.data, b.len, 1000, &e) == 0, "as many fields as may be");
	ok(wire_check(RUN, (void *)b.data, b.len, 999, &e) == -EBADMSG && strstr(e.msg, "too many"),
	   "one more");
	b.len = 0;
	for (int i = 0; i < 65; i++)
		buf_add(&b, "\xf8\x7f\x01", 3);
	ok(wire_check(RUN, (void *)b.data, b.len, 1000, &e) == -EBADMSG && strstr(e.msg, "unknown"),
	   "too many unknown fields");
	buf_free(&b);
}

// Random changes of a good message: what passes is unpacked, which the sanitizers watch.
static void noise(void)
{
	static const char seed_message[] =
	    "\x12\x02ls\x1a\x03-la\x20\x05\x72\x06\x0a\x01\x41\x12\x01\x42\x42\x06\x0a\x01\x61\x12\x01\x62";
	unsigned seed = 1;
	int passed = 0;

	for (int i = 0; i < 200000; i++) {
		char m[sizeof(seed_message) - 1];
		struct err e = {0};
		memcpy(m, seed_message, sizeof(m));
		for (int k = 0; k < 1 + i % 4; k++) {
			seed = seed * 1103515245 + 12345;
			m[(seed >> 16) % sizeof(m)] = (char)(seed >> 8);
		}
		if (wire_check(RUN, (void *)m, sizeof(m), 100, &e))
			continue;
		ProtobufCMessage *p = protobuf_c_message_unpack(RUN, NULL, sizeof(m), (void *)m);
		passed++;
		if (!p) {
			ok(false, "what passes is unpacked");
			return;
		}
		protobuf_c_message_free_unpacked(p, NULL);
	}
	ok(passed > 1000, "what passes is unpacked");
}

int main(void)
{
	rows();
	many();
	noise();
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}
