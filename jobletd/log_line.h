// SPDX-License-Identifier: Apache-2.0
// One line of a job's log, in the CRI log format: `2026-11-23T17:53:21.298756433Z stdout F text`. P marks a
// part of a longer line: the text goes on in the next line of that stream, without a newline between. Pure.
#pragma once

#include "lib/base/base.h"

enum { LOG_STDOUT = 1, LOG_STDERR = 2 };

struct log_line {
	int stream;
	bool partial;
	const char *text; // within the line that was parsed; the newline of the file is not part of it
	size_t len;
	const char *time;
	size_t time_len;
};

// line is without its newline. 0 or -EBADMSG.
int log_line_parse(const char *line, size_t len, struct log_line *out) attr_must_check;

// The time in nanoseconds since 1970. 0 or -EBADMSG.
int log_line_time(const struct log_line *l, int64_t *ns) attr_must_check;
