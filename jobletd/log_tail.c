// SPDX-License-Identifier: Apache-2.0
// Where the last lines of a log begin: read backwards, a block at a time, so that the length of the log does
// not matter.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "jobletd/log_line.h"
#include "jobletd/log_reader.h"

#define BLOCK ((size_t)64 << 10)

struct tail {
	int64_t wanted, found;
	int stream;
	bool seen[3]; // a later line of this stream has been seen
	int64_t start;
};

// One line, going backwards. Whether the lines that are wanted all lie behind it.
static bool is_enough(struct tail *t, const char *line, size_t len, int64_t at)
{
	struct log_line l;
	if (log_line_parse(line, len, &l))
		return true; // damaged: nothing before it is looked at
	if (t->stream && l.stream != t->stream)
		return false;
	// A full line ends a line of the job; so does a part that nothing follows.
	if (!l.partial || !t->seen[l.stream]) {
		if (t->found == t->wanted)
			return true;
		t->found++;
	}
	t->seen[l.stream] = true;
	t->start = at;
	return false;
}

static int read_block(int fd, char *buf, size_t len, int64_t at, struct err *e)
{
	for (size_t have = 0; have < len;) {
		ssize_t n = pread(fd, buf + have, len - have, at + (int64_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, -errno, "log");
		if (n == 0)
			return err_set(e, -ESTALE, "the log was cut short");
		have += (size_t)n;
	}
	return 0;
}

// The lines of a block that begins at `at` in the file and ends behind a newline, the last first. *rest is
// how many bytes at its beginning belong to a line that begins before it. Returns whether that was enough.
static bool walk(struct tail *t, const char *buf, size_t len, int64_t at, size_t *rest)
{
	size_t end = len;
	while (end) {
		const char *nl = end > 1 ? memrchr(buf, '\n', end - 1) : NULL;
		if (!nl && at)
			break;
		size_t begin = nl ? (size_t)(nl + 1 - buf) : 0;
		if (is_enough(t, buf + begin, end - 1 - begin, at + (int64_t)begin))
			return true;
		end = begin;
	}
	*rest = end;
	return false;
}

// The end of the last whole line before end, so that walk begins behind a newline.
static int last_newline(int fd, int64_t *end, char *buf, struct err *e)
{
	while (*end) {
		size_t n = *end < (int64_t)BLOCK ? (size_t)*end : BLOCK;
		int rc = read_block(fd, buf, n, *end - (int64_t)n, e);
		if (rc)
			return rc;
		const char *nl = memrchr(buf, '\n', n);
		*end -= (int64_t)n;
		if (nl) {
			*end += nl + 1 - buf;
			return 0;
		}
	}
	return 0;
}

int log_tail_offset(int fd, int64_t end, int64_t n, int stream, int64_t *out, struct err *e)
{
	size_t size = BLOCK;
	cleanup_free char *buf = xmalloc(size);
	int rc = last_newline(fd, &end, buf, e);
	struct tail t = {.wanted = n, .stream = stream, .start = end};

	*out = end;
	while (!rc && end && n) {
		size_t len = end < (int64_t)size ? (size_t)end : size, rest = 0;
		rc = read_block(fd, buf, len, end - (int64_t)len, e);
		if (rc || walk(&t, buf, len, end - (int64_t)len, &rest))
			break;
		if (rest == len && size >= 2 * LOG_LINE_MAX)
			break;
		if (rest == len && len < (size_t)end) // one line fills the block
			buf = xrealloc(buf, size *= 2);
		end -= (int64_t)(len - rest);
		if (!rest && end == 0)
			break;
	}
	*out = t.start;
	return rc;
}
