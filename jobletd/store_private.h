// SPDX-License-Identifier: Apache-2.0
// What store.c (changes, commit) and store_read.c (questions) share.
#pragma once

#include <sqlite3.h>

#include "jobletd/store.h"

enum store_statement {
	STORE_INSERT,
	STORE_UPDATE,
	STORE_DELETE,
	STORE_FIND_KEY,
	STORE_WRITES,
	STORE_GET = STORE_WRITES,
	STORE_HAS,
	STORE_FIND_PREFIX,
	STORE_FIND_NAME,
	STORE_FIND_LAST,
	STORE_STATEMENTS
};

struct store {
	sqlite3 *db;	 // changes
	sqlite3 *reader; // questions: sees only what is committed
	sqlite3_stmt *statements[STORE_STATEMENTS];
	char *path;
	sd_event *loop;
	sd_event_source *commit_source;
	bool waited;  // a turn has passed since the first change of this transaction
	bool is_open; // a transaction
	int failed;   // -errno of the first change that failed, with its text
	struct err err;
	struct store_change *head, **tail;
	uint64_t last_seq;
	int lock_fd;
};

// The columns of a whole row, in the order in which store_read.c reads them.
#define STORE_COLUMNS                                                                                        \
	"seq, id, state, name, owner, idem, request, created_ns, scheduled_ns, timeout_ns, has_secrets, "    \
	"queued_ns, "                                                                                        \
	"started_ns, started_boot_ns, ended_ns, exit_code, signal, oom_killed, reason, slot, pid, "          \
	"shim_pid, "                                                                                         \
	"pid_start, shim_start, stop, stop_by, stop_boot_ns, kill_as, "                                      \
	"memory_peak, cpu_ns, io_read, io_written, lines_dropped, bytes_dropped"

int store_error(struct store *s, sqlite3 *db, const char *what, struct err *e); // -errno with its text
int store_prepare_reads(struct store *s, struct err *e) attr_must_check;
