// SPDX-License-Identifier: Apache-2.0
// One log file: whole CRI lines appended, a limit on its size, files that it has outgrown, gaps that are
// named.
#pragma once

#include "joblet-shim/options.h"

struct logfile {
	const char *path;
	int fd;
	int64_t size;	// of the file
	int64_t total;	// written in all files of this path
	unsigned files; // changes when a place in the file is no longer good: another file, or a gap
	struct gap {
		uint64_t lines, bytes; // output that is missing behind the last line
		int why;	       // errno of the first loss
	} gap;
	uint64_t dropped_lines, dropped_bytes; // all gaps together
};

void logfile_limits(const struct options *o);
int logfile_open(struct logfile *l, const char *path) attr_must_check; // 0600, appended to; -errno

// Appends whole lines, or as many as fit: the bytes of lines that are in the file or, over the limit of all
// files, never will be. *why is the errno of what stopped it.
size_t logfile_append(struct logfile *l, const char *lines, size_t len, int *why);
// Counts lines as dropped; the next append says so in the file first.
void logfile_drop(struct logfile *l, const char *lines, size_t len, int why);

int logfile_reopen(struct logfile *l) attr_must_check;
void logfile_finish(struct logfile *l, bool is_synced);

// The text of a gap, with its newline.
size_t logfile_gap_text(const struct gap *g, char *text, size_t size);
