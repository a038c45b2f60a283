// SPDX-License-Identifier: Apache-2.0
// The keys of joblet-config.yml as rows: what each is called, what it may be, where its value goes. Inner
// header of config*.c: everybody else reads struct config.
#pragma once

#include "jobletd/config.h"
#include "lib/conf/conf.h"

enum config_type {
	CONFIG_TEXT,	 // char *
	CONFIG_PEM,	 // char *, secret
	CONFIG_NUMBER,	 // int64_t
	CONFIG_UNSIGNED, // unsigned
	CONFIG_DURATION, // int64_t in nanoseconds
	CONFIG_SIZE,	 // int64_t in bytes
	CONFIG_TRUTH,	 // bool
	CONFIG_CHOICE,	 // int: the index in choices
	CONFIG_LIST,	 // char **, NULL-terminated
	CONFIG_FIXED,	 // no field: one value is possible, and why is said when another is given
};

struct config_row {
	const char *key; // dotted
	enum config_type type;
	size_t offset;	      // in struct config
	const char *fallback; // the value when the key is not there; NULL: what config.c finds, or none
	int64_t min, max;     // of numbers, durations (nanoseconds) and sizes (bytes)
	// Of CONFIG_TEXT and each element of CONFIG_LIST; NULL: any single line.
	bool (*is_valid)(const char *value);
	const char *wanted;	    // what is_valid asks for, or why a CONFIG_FIXED is so: for messages
	const char *const *choices; // of CONFIG_CHOICE, NULL-terminated
};

extern const struct config_row config_rows[];
extern const size_t config_row_count;

// The row of a dotted path, NULL when there is none; other spellings of a key are known (audit.enabled is
// security.audit.enabled).
const struct config_row *config_row_find(const char *path);
// Whether a path is a block that rows stand below.
bool config_is_block(const char *path);
// The known key or block of the same place that is meant most likely; the caller's to free. NULL when none is
// near.
char *config_nearest(const char *path);
