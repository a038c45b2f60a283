// SPDX-License-Identifier: Apache-2.0
// The exit record: files that are there, whole and on disk, before anybody is told.
#pragma once

#include "joblet-shim/options.h"
#include "joblet-shim/usage.h"

struct record {
	int code; // 0 to 255, 128 + signal, or -1 after --timeout
	int signal;
	bool is_oom, is_timed_out;
	int64_t created_ns, ended_ns; // since the epoch
	struct usage usage;
	uint64_t dropped_lines, dropped_bytes; // output that is in no log
};

// Writes <bundle>/exit.json, then <persist-dir>/exit and <exit-dir>/<cid>, which hold the code alone:
// temporary file, fsync, rename, fsync of the directory. What was written stays written when another one
// fails, so it can be called again. After some calls it goes on without an exit.json that cannot be written.
int record_exit(const struct options *o, const struct record *r, struct err *e) attr_must_check;

// Removes what an earlier container of this name left: its exit file must not be read as the new one's.
void record_clear(const struct options *o);
