// SPDX-License-Identifier: Apache-2.0
// The audit log on disk (specs/audit.md): the file, the head file beside the store, the checkpoints, and the
// closed files. Only records that are whole are ever in it; what a crash cut off is set aside when it is
// opened.
#pragma once

#include <sys/types.h>

#include "jobletd/audit_chain.h"
#include "jobletd/config.h"
#include "lib/base/json.h"

#define AUDIT_CHECKPOINT_RECORDS 1000 // at most, between two checkpoints
#define AUDIT_NAME_MAX		 200

struct audit_file {
	EVP_PKEY *key;
	int dir, fd, head;
	char name[AUDIT_NAME_MAX + 1]; // of the log in dir
	char log_id[AUDIT_ID_LEN + 1];
	struct audit_chain chain;
	uint64_t signed_seq; // the last checkpoint
	off_t size;
	int64_t max_size, retention_ns;
	bool is_immutable;
	const char *node; // borrowed
};

// Opens or begins the log; what was wrong with it is recorded in it. Another writer: -EBUSY.
int audit_file_open(const struct config *cfg, struct audit_file **out, struct err *e) attr_must_check;
void audit_file_close(struct audit_file *f);

// A record: begin, members by json_*, end. end writes it whole or not at all; the file is rotated and signed
// when it is time. -EIO, -ENOSPC and so on leave the log as it was.
void audit_file_begin(const struct audit_file *f, struct json_out *o, struct buf *line, const char *event);
int audit_file_end(struct audit_file *f, struct json_out *o, struct err *e) attr_must_check;

// After an error: a rotation that failed half-way is finished. Call it before the next begin.
int audit_file_repair(struct audit_file *f, struct err *e) attr_must_check;

int audit_file_sync(struct audit_file *f, struct err *e) attr_must_check;
// Signs what is not signed yet, and syncs.
int audit_file_checkpoint(struct audit_file *f, struct err *e) attr_must_check;
// Removes closed files older than the retention, each with a record that says so.
int audit_file_retain(struct audit_file *f, struct err *e) attr_must_check;

// The closed files of a log, oldest first: names in dirfd. *out is the caller's.
int audit_file_closed(int dirfd, const char *name, char ***out, struct err *e) attr_must_check;
