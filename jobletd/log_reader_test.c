// SPDX-License-Identifier: Apache-2.0
// The log from lines to chunks: parts and full lines, streams, offsets, tails, times, torn ends, damage.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "jobletd/log_line.h"
#include "jobletd/log_reader.h"
#include "lib/base/buf.h"

static int count, failed;

static void ok(bool good, const char *fmt, ...) attr_printf(2, 3);
static void ok(bool good, const char *fmt, ...)
{
	va_list ap;
	printf("%sok %d - ", good ? "" : "not ", ++count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	failed += !good;
}

#define T "2026-11-23T17:53:21.298756433Z"

static void lines(void)
{
	struct log_line l;
	static const char *const bad[] = {"",
					  "x",
					  T,
					  T " ",
					  T " stdout",
					  T " stdout ",
					  T " stdin F x",
					  T " stdout X x",
					  T "  stdout F x",
					  " stdout F x",
					  T " stdoutF x",
					  T " stdout Fx"};
	ok(!log_line_parse(T " stdout F hello", strlen(T) + 15, &l) && l.stream == LOG_STDOUT && !l.partial &&
	       l.len == 5 && !memcmp(l.text, "hello", 5),
	   "a full line");
	ok(!log_line_parse(T " stderr P a b", strlen(T) + 13, &l) && l.stream == LOG_STDERR && l.partial &&
	       l.len == 3,
	   "a part");
	ok(!log_line_parse(T " stdout F ", strlen(T) + 10, &l) && l.len == 0, "an empty line");
	ok(!log_line_parse(T " stdout F", strlen(T) + 9, &l) && l.len == 0,
	   "an empty line without the space");
	ok(!log_line_parse(T " stdout F \0\xff x", strlen(T) + 14, &l) && l.len == 4, "binary text");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(log_line_parse(bad[i], strlen(bad[i]), &l) == -EBADMSG, "no line: \"%s\"", bad[i]);
}

static void times(void)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"2026-11-23T17:53:21.298756433Z", 1795456401298756433},
	    {"2026-11-23T17:53:21.298756433+00:00", 1795456401298756433},
	    {"2026-11-23T18:53:21.298756433+01:00", 1795456401298756433},
	    {"2026-11-23T12:23:21.298756433-05:30", 1795456401298756433},
	    {"2024-02-29T00:00:00.5Z", 1709164800500000000},
	    {"2000-03-01T00:00:00Z", 951868800000000000},
	};
	static const char *const bad[] = {"",
					  "2026-11-23",
					  "2026-13-23T17:53:21Z",
					  "2026-11-32T17:53:21Z",
					  "2026-11-23T24:53:21Z",
					  "2026-11-23 17:53:21Z",
					  "2026-11-23T17:53:21",
					  "2026-11-23T17:53:21+01",
					  "2026-11-23T17:53:21Zx",
					  "9999-11-23T17:53:21Z"};
	int64_t ns = 0;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct log_line l = {.time = good[i].text, .time_len = strlen(good[i].text)};
		ok(!log_line_time(&l, &ns) && ns == good[i].ns, "%s is %lld", good[i].text, (long long)ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct log_line l = {.time = bad[i], .time_len = strlen(bad[i])};
		ok(log_line_time(&l, &ns) == -EBADMSG, "no time: \"%s\"", bad[i]);
	}
}

static char path[64];

static int file_with(const void *data, size_t len)
{
	snprintf(path, sizeof(path), "/tmp/joblet-log-XXXXXX");
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	return fd;
}

static void close_file(int fd)
{
	unlink(path);
	close(fd);
}

// Everything that a reader gives, as `1text|2text|`, and the last code.
static int all(int fd, const struct log_options *o, bool final, struct buf *out, int64_t *offset)
{
	struct log_reader *r = NULL;
	struct log_chunk c;
	struct err e = {0};
	int rc = log_reader_open_take(dup(fd), o, &r, &e);

	out->len = 0;
	buf_add_str(out, "");
	if (rc)
		return rc;
	if (final)
		log_reader_set_final(r);
	while ((rc = log_reader_next(r, &c, &e)) == 1) {
		buf_printf(out, "%d", c.stream);
		buf_add(out, c.data, c.len);
		buf_add_str(out, "|");
		if (offset)
			*offset = c.offset;
	}
	log_reader_free(r);
	return rc;
}

static void expect(const char *log, struct log_options o, bool final, int rc, const char *want,
		   const char *name)
{
	struct buf out = {0};
	int fd = file_with(log, strlen(log));
	int got = all(fd, &o, final, &out, NULL);
	bool good = got == rc && out.data && strcmp(out.data, want) == 0;
	ok(good, "%s", name);
	if (!good)
		printf("# got %d \"%s\", wanted %d \"%s\"\n", got, out.data ? out.data : "", rc, want);
	buf_free(&out);
	close_file(fd);
}

static const char *const two = T " stdout F a\n" T " stdout F b\n" T " stderr F c\n" T " stdout F d\n";
static const char *const parts =
    T " stdout P a\n" T " stdout P b\n" T " stderr F x\n" T " stdout F c\n" T " stdout F \n";

static void chunks(void)
{
	struct log_options none = {0};
	expect("", none, false, 0, "", "an empty log");
	expect(two, none, false, 0, "1a\nb\n|2c\n|1d\n|", "lines of one stream are joined");
	expect(parts, none, false, 0, "1ab|2x\n|1c\n\n|", "parts are joined without a newline");
	expect(two, (struct log_options){.stream = LOG_STDERR}, false, 0, "2c\n|", "one stream");
	expect(two, (struct log_options){.stream = LOG_STDOUT}, false, 0, "1a\nb\nd\n|",
	       "the other stream, joined over the gap");
	expect(T " stdout P \n" T " stderr F b\n", none, false, 0, "2b\n|", "an empty part gives nothing");
	expect(T " stdout F a\n" T " stdout F b", none, false, 0, "1a\n|",
	       "a line that is being written waits");
	expect(T " stdout F a\n" T " stdout F b", none, true, 0, "1a\n|1b|",
	       "a torn line at the end is given");
	expect(T " stdout F a\n" T " stdo", none, true, 0, "1a\n|", "a torn head is not");
	expect(T " stdout F a\n" T " stdout P ", none, true, 0, "1a\n|",
	       "a torn head with nothing behind it is not");
	expect(T " stdout F a\nrubbish\n" T " stdout F b\n", none, false, -EBADMSG, "1a\n|",
	       "damage is told, after what is before it");
	expect(two, (struct log_options){.timestamps = true}, false, 0, "1a\n|1b\n|2c\n|1d\n|",
	       "with times each line is a chunk");
	expect("x stdout F a\n", (struct log_options){.timestamps = true}, false, -EBADMSG, "",
	       "a time that is none");
}

static void tails(void)
{
	expect(two, (struct log_options){.tail = 1}, false, 0, "1d\n|", "the last line");
	expect(two, (struct log_options){.tail = 2}, false, 0, "2c\n|1d\n|", "the last two");
	expect(two, (struct log_options){.tail = 4}, false, 0, "1a\nb\n|2c\n|1d\n|", "all four");
	expect(two, (struct log_options){.tail = 9}, false, 0, "1a\nb\n|2c\n|1d\n|", "more than there are");
	expect(two, (struct log_options){.tail = 1, .stream = LOG_STDERR}, false, 0, "2c\n|",
	       "the last of a stream");
	expect(two, (struct log_options){.tail = 2, .stream = LOG_STDOUT}, false, 0, "1b\nd\n|",
	       "the last two of a stream");
	expect(parts, (struct log_options){.tail = 1}, false, 0, "1\n|", "an empty line counts");
	expect(T " stdout F a\n" T " stdout P b\n" T " stdout P c\n" T " stdout F d\n",
	       (struct log_options){.tail = 1}, false, 0, "1bcd\n|", "the parts of a line belong to it");
	expect(T " stdout F a\n" T " stdout P b\n", (struct log_options){.tail = 1}, false, 0, "1b|",
	       "a line without its end counts");
	expect(T " stdout F a\n" T " stdout F b\n" T " std", (struct log_options){.tail = 1}, false, 0,
	       "1b\n|", "what is being written does not count");
	expect(T " std", (struct log_options){.tail = 1}, false, 0, "",
	       "nothing but a line that is being written");
	expect(two, (struct log_options){.from_offset = -1}, false, 0, "", "from the end");
	expect(two, (struct log_options){.from_offset = 100000}, false, -ERANGE, "", "behind the end");
	expect(two, (struct log_options){.from_offset = 3}, false, -EINVAL, "", "not the start of a line");
}

static void bounds(void)
{
	static const char *const log = "2026-01-01T00:00:01Z stdout F a\n2026-01-01T00:00:02Z stdout F "
				       "b\n2026-01-01T00:00:03Z stdout F c\n";
	const int64_t t = 1767225600, s = 1000000000;
	expect(log, (struct log_options){.since_ns = (t + 2) * s}, false, 0, "1b\nc\n|", "since");
	expect(log, (struct log_options){.until_ns = (t + 2) * s}, false, LOG_READER_DONE, "1a\nb\n|",
	       "until");
	expect(log, (struct log_options){.since_ns = (t + 2) * s, .until_ns = (t + 2) * s}, false,
	       LOG_READER_DONE, "1b\n|", "both");
	expect(log, (struct log_options){.since_ns = (t + 9) * s}, false, 0, "", "since later than all");
}

// A log of many lines of every size: read in one go, and again from the offset of every chunk, it is the
// same.
static void big(void)
{
	struct buf log = {0}, want = {0}, got = {0};
	struct log_reader *r = NULL;
	struct log_options o = {0};
	struct log_chunk c;
	struct err e = {0};
	size_t chunks = 0, largest = 0;
	unsigned seed = 7;

	for (int i = 0; i < 30000; i++) {
		char text[400];
		seed = seed * 1103515245 + 12345;
		size_t n = (seed >> 16) % 300;
		bool part = (seed >> 8) % 5 == 0;
		memset(text, 'a' + i % 26, n);
		buf_printf(&log, "%s stdout %c ", T, part ? 'P' : 'F');
		buf_add(&log, text, n);
		buf_add(&log, "\n", 1);
		buf_add(&want, text, n);
		if (!part)
			buf_add(&want, "\n", 1);
	}
	int fd = file_with(log.data, log.len);
	for (;;) { // a new reader for every chunk, as a client does that is cut off again and again
		if (log_reader_open_take(dup(fd), &o, &r, &e))
			break;
		int rc = log_reader_next(r, &c, &e);
		if (rc == 1) {
			buf_add(&got, c.data, c.len);
			o.from_offset = c.offset;
			largest = c.len > largest ? c.len : largest;
			chunks++;
		}
		log_reader_free(r);
		if (rc != 1)
			break;
	}
	ok(got.len == want.len && !memcmp(got.data, want.data, got.len),
	   "resumed at every chunk, nothing is lost or twice");
	ok(chunks < want.len / 40000 && largest < 70000, "chunks are large, %zu of at most %zu bytes", chunks,
	   largest);
	close_file(fd);

	// a line as long as the shim may never write, and one longer than that
	buf_free(&log);
	buf_add_str(&log, T " stdout F ");
	for (int i = 0; i < 900; i++)
		buf_printf(&log, "%01000d", i);
	buf_add_str(&log, "\n");
	fd = file_with(log.data, log.len);
	ok(all(fd, &(struct log_options){.tail = 1}, false, &got, NULL) == 0 && got.len == 900003,
	   "a line of 900 kB, by tail");
	close_file(fd);
	log.len--;
	for (int i = 0; i < 300; i++)
		buf_printf(&log, "%01000d", i);
	fd = file_with(log.data, log.len);
	ok(all(fd, &(struct log_options){0}, false, &got, NULL) == -EBADMSG,
	   "a line without an end is damage");
	close_file(fd);
	buf_free(&log);
	buf_free(&want);
	buf_free(&got);
}

static void growing(void)
{
	struct log_options o = {0};
	struct log_reader *r = NULL;
	struct log_chunk c;
	struct err e = {0};
	int fd = file_with(T " stdout F a\n" T " stdo", strlen(T) * 2 + 17);

	ok(!log_reader_open_take(dup(fd), &o, &r, &e), "a log that grows");
	ok(log_reader_next(r, &c, &e) == 1 && c.len == 2 && log_reader_next(r, &c, &e) == 0,
	   "what is whole is given");
	if (write(fd, "ut F b\n", 7) != 7)
		abort();
	ok(log_reader_next(r, &c, &e) == 1 && c.len == 2 && !memcmp(c.data, "b\n", 2),
	   "the rest of the line came");
	unlink(path);
	ok(log_reader_next(r, &c, &e) == -ESTALE, "a file that nobody can reach any more is told");
	if (ftruncate(fd, 3))
		abort();
	log_reader_set_final(r);
	ok(log_reader_next(r, &c, &e) == -ESTALE && strstr(e.msg, "cut short"), "and one that was cut short");
	log_reader_free(r);
	close_file(fd);
}

int main(void)
{
	int before = dup(0);
	close(before);
	lines();
	times();
	chunks();
	tails();
	bounds();
	big();
	growing();
	int after = dup(0);
	close(after);
	ok(before == after, "no descriptor is left");
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}
