// SPDX-License-Identifier: Apache-2.0
// Whether an audit log is what was written (specs/audit.md). Reads files and changes nothing.
#pragma once

#include <openssl/types.h>

#include "jobletd/audit_chain.h"

// In the order of their weight; also the exit statuses of `jobletd audit verify`.
enum audit_verdict {
	AUDIT_WHOLE = 0,
	AUDIT_ALTERED = 1,	// a record is not what was written, or not where it was written
	AUDIT_TRUNCATED = 2,	// records are missing at the end or, without a word of why, at the beginning
	AUDIT_UNVERIFIABLE = 3, // a file or a key is missing or cannot be read
};

struct audit_verify_options {
	const char *log_file;
	EVP_PKEY *key; // NULL: the one that the log itself names, which says nothing about who wrote it
	const char *head_file; // NULL, or one that need not be there
	uint64_t expect_seq;   // 0, or a record that somebody has noted
	uint8_t expect_hash[AUDIT_HASH_BYTES];
};

struct audit_report {
	enum audit_verdict verdict;
	uint64_t records, checkpoints, first_seq, last_seq, signed_seq;
	unsigned files;
	char last_hash[AUDIT_HEX_LEN + 1];
	// where the first thing that is wrong stands; file "" when it is in none
	char file[256];
	uint64_t line, offset;
	struct err what;
};

void audit_verify(const struct audit_verify_options *o, struct audit_report *r);
