// SPDX-License-Identifier: Apache-2.0
// A job's log file read from an offset on, as chunks of what the job printed. Offsets are positions in the
// file: a reader that starts at the offset of a chunk goes on exactly behind it. Memory is one buffer, held
// only while there is something in it.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

struct log_options {
	int stream;		    // LOG_STDOUT or LOG_STDERR; 0: both
	int64_t tail;		    // only the last n lines; 0: all
	int64_t from_offset;	    // -1: from the end
	int64_t since_ns, until_ns; // 0: no bound
	bool timestamps;	    // a chunk for each line of the file, with its time
};

struct log_chunk {
	int stream;
	int64_t offset;	  // where to go on behind it
	int64_t time_ns;  // with timestamps only
	const char *data; // valid until the next call
	size_t len;
};

struct log_reader;

// fd is taken. -ERANGE the offset is behind the end, -EINVAL it is not the start of a line, -errno.
int log_reader_open_take(int fd, const struct log_options *o, struct log_reader **out,
			 struct err *e) attr_must_check;
void log_reader_free(struct log_reader *r);

// Nobody writes to the file any more: what stands behind the last newline is delivered too.
void log_reader_set_final(struct log_reader *r);

// 1 a chunk; 0 the file has no more just now; LOG_READER_DONE the rest is later than until_ns; -EBADMSG the
// file is damaged; -ESTALE it was cut short or removed; LOG_READER_AGAIN much was passed over, give way and
// call again; -errno.
enum { LOG_READER_DONE = 2, LOG_READER_AGAIN = 3 };
int log_reader_next(struct log_reader *r, struct log_chunk *out, struct err *e) attr_must_check;

// The offset at which the last n lines before end begin (log_tail.c). A line that was written in parts counts
// once.
int log_tail_offset(int fd, int64_t end, int64_t n, int stream, int64_t *out, struct err *e) attr_must_check;

#define LOG_LINE_MAX ((size_t)1 << 20) // a longer line of the file (not of the job) means that it is damaged
