// SPDX-License-Identifier: Apache-2.0
// Reading a job's log: whole lines of the file, joined to chunks of one stream within the read buffer itself.
// A line that is still being written is left where it is and read again later. Makes system calls on the file
// only; who waits for more is log_follow.c.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobletd/log_line.h"
#include "jobletd/log_reader.h"

#define BUFFER_SIZE  ((size_t)128 << 10)
#define CHUNK_TARGET ((size_t)60 << 10)
#define FILLS_A_CALL 32 // then others have their turn, when nothing of it was wanted

struct log_reader {
	int fd;
	struct log_options o;
	bool final, done;
	int64_t offset; // of buf[pos] in the file
	char *buf;
	size_t cap, pos, len;
};

// The offset is the start of a line when it is 0 or a newline stands before it.
static int check_offset(int fd, int64_t offset, int64_t size, struct err *e)
{
	char before;
	if (offset > size)
		return err_set(e, -ERANGE, "offset %lld is behind the end of the log (%lld)",
			       (long long)offset, (long long)size);
	if (offset == 0)
		return 0;
	ssize_t n = pread(fd, &before, 1, offset - 1);
	if (n < 0)
		return err_sys(e, -errno, "log");
	if (n == 0 || before != '\n')
		return err_set(e, -EINVAL, "offset %lld is not one that an earlier chunk gave",
			       (long long)offset);
	return 0;
}

static int start(struct log_reader *r, struct err *e)
{
	struct stat st;
	if (fstat(r->fd, &st) < 0)
		return err_sys(e, -errno, "log");
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "the log is not a file");
	// The end is the start of the last line that is whole: what is being written now comes as a whole
	// later.
	if (r->o.from_offset < 0)
		return log_tail_offset(r->fd, st.st_size, 0, 0, &r->offset, e);
	r->offset = r->o.from_offset;
	int rc = check_offset(r->fd, r->offset, st.st_size, e);
	if (rc || !r->o.tail)
		return rc;
	int64_t from = r->offset;
	rc = log_tail_offset(r->fd, st.st_size, r->o.tail, r->o.stream, &r->offset, e);
	if (r->offset < from)
		r->offset = from;
	return rc;
}

int log_reader_open_take(int fd, const struct log_options *o, struct log_reader **out, struct err *e)
{
	struct log_reader *r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	r->o = *o;
	int rc = start(r, e);
	if (rc) {
		log_reader_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void log_reader_free(struct log_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	free(r->buf);
	free(r);
}

void log_reader_set_final(struct log_reader *r)
{
	r->final = true;
}

static void let_go(struct log_reader *r)
{
	free(r->buf);
	r->buf = NULL;
	r->cap = r->pos = r->len = 0;
}

// Why there is nothing more: that may be the end for now, or the file is not what it was.
static int at_end(struct log_reader *r, struct err *e)
{
	struct stat st;
	if (fstat(r->fd, &st) < 0)
		return err_sys(e, -errno, "log");
	if (st.st_size < r->offset)
		return err_set(e, -ESTALE, "the log was cut short at %lld", (long long)st.st_size);
	if (st.st_nlink == 0 && !r->final)
		return err_set(e, -ESTALE, "the log was removed while the job ran");
	return 0;
}

// Reads more behind what is there. 1 there is more, 0 end of file, -errno.
static int fill(struct log_reader *r, struct err *e)
{
	if (r->pos) {
		memmove(r->buf, r->buf + r->pos, r->len - r->pos);
		r->len -= r->pos;
		r->pos = 0;
	}
	if (r->len == r->cap) {
		if (r->cap >= LOG_LINE_MAX)
			return err_set(e, -EBADMSG, "the log is damaged at %lld: a line without an end",
				       (long long)r->offset);
		r->cap = r->cap ? r->cap * 2 : BUFFER_SIZE;
		r->buf = xrealloc(r->buf, r->cap);
	}
	ssize_t n;
	do {
		n = pread(r->fd, r->buf + r->len, r->cap - r->len, r->offset + (int64_t)r->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, -errno, "log");
	r->len += (size_t)n;
	return n > 0;
}

// What the options say about a line. Lines stand in the order of time, so the first that is late enough ends
// the question of since.
enum verdict { TAKE, SKIP, STOP, DAMAGED };
static enum verdict judge(struct log_reader *r, const struct log_line *l, int64_t *time_ns)
{
	if (r->o.since_ns || r->o.until_ns || r->o.timestamps) {
		if (log_line_time(l, time_ns))
			return DAMAGED;
		if (r->o.since_ns && *time_ns < r->o.since_ns)
			return SKIP;
		r->o.since_ns = 0;
		if (r->o.until_ns && *time_ns > r->o.until_ns)
			return STOP;
	}
	return r->o.stream && l->stream != r->o.stream ? SKIP : TAKE;
}

static void consume(struct log_reader *r, size_t n)
{
	r->pos += n;
	r->offset += (int64_t)n;
}

// Adds the text of a line, with the newline that stands behind it in the file when it is a full one. `to` is
// where the chunk ends so far.
static char *append(struct log_reader *r, struct log_chunk *out, char *to, const struct log_line *l,
		    int64_t time_ns)
{
	size_t n = l->len + !l->partial;
	if (!n)
		return to;
	if (!out->data) {
		to = r->buf + (l->text - r->buf);
		*out = (struct log_chunk){.stream = l->stream,
					  .time_ns = r->o.timestamps ? time_ns : 0,
					  .data = to};
	} else {
		// analyzed: out has data, and then it has an end
		memmove(to, l->text, n);
	}
	out->len += n;
	return to + n;
}

// Joins the whole lines in the buffer that belong to one chunk; the texts move together over the heads
// between them. Returns whether the chunk has anything, or -EBADMSG.
static int gather(struct log_reader *r, struct log_chunk *out, struct err *e)
{
	char *to = NULL;
	int64_t time_ns = 0;
	struct log_line l;

	*out = (struct log_chunk){0};
	while (out->len < CHUNK_TARGET && !r->done) {
		char *p = r->buf + r->pos;
		char *nl = r->pos < r->len ? memchr(p, '\n', r->len - r->pos) : NULL;
		if (!nl)
			break;
		enum verdict v = log_line_parse(p, (size_t)(nl - p), &l) ? DAMAGED : judge(r, &l, &time_ns);
		if (v == DAMAGED && !out->data)
			return err_set(e, -EBADMSG, "the log is damaged at %lld", (long long)r->offset);
		if (v == DAMAGED || (v == TAKE && out->data && (out->stream != l.stream || r->o.timestamps)))
			break; // another chunk, or the next call's affair
		r->done = v == STOP;
		if (v == TAKE)
			to = append(r, out, to, &l, time_ns);
		if (v != STOP)
			consume(r, (size_t)(nl + 1 - p));
	}
	out->offset = r->offset;
	return out->data != NULL;
}

// What stands behind the last newline when the writer is dead. A torn head is nothing that the job printed.
static int torn_end(struct log_reader *r, struct log_chunk *out)
{
	struct log_line l;
	int64_t time_ns = 0;
	size_t len = r->len - r->pos;
	bool take =
	    len && !log_line_parse(r->buf + r->pos, len, &l) && l.len && judge(r, &l, &time_ns) == TAKE;

	consume(r, len);
	if (!take)
		return 0;
	*out = (struct log_chunk){l.stream, r->offset, r->o.timestamps ? time_ns : 0, l.text, l.len};
	return 1;
}

int log_reader_next(struct log_reader *r, struct log_chunk *out, struct err *e)
{
	for (int fills = 0; fills < FILLS_A_CALL; fills++) {
		int rc = gather(r, out, e);
		if (rc)
			return rc;
		if (r->done) {
			let_go(r);
			return LOG_READER_DONE;
		}
		rc = fill(r, e);
		if (rc < 0)
			return rc;
		if (rc == 0) {
			if (r->final && r->len > r->pos && torn_end(r, out))
				return 1;
			let_go(r);
			return at_end(r, e);
		}
	}
	return LOG_READER_AGAIN;
}
