// SPDX-License-Identifier: Apache-2.0
// The command line as a table of flags. Both `--flag value` and `--flag=value`; letters in one word (`-it`);
// `--` ends the flags; a number is strict; an unknown flag is an error that names the nearest right one. No
// function here makes a system call.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

enum flag_type {
	FLAG_BOOL,     // bool; `--flag=false` takes it back
	FLAG_TEXT,     // const char *, borrowed from argv; the last one counts
	FLAG_INT,      // int64_t within [min, max]
	FLAG_LIST,     // char **, one copy for each time the flag is given
	FLAG_DURATION, // int64_t nanoseconds
};

struct flag {
	const char *name; // without the dashes
	char letter;	  // 0: none
	enum flag_type type;
	size_t at;	   // where in the options it goes
	const char *value; // what its value is called in the help; NULL for FLAG_BOOL
	const char *help;  // NULL: not shown
	int64_t min, max;  // FLAG_INT
};

// Flags that are understood together, each group with its own options.
struct flag_group {
	const struct flag *flags;
	size_t count;
	void *options;
};

// What is wrong with a command line, and what may have been meant.
struct args_error {
	struct err what;
	char hint[256];
};

enum args_order {
	ARGS_MIXED,	 // flags may stand behind words
	ARGS_WORD_FIRST, // the first word ends the flags
};

// Reads flags from argv (NULL-terminated, without the program's name). words gets the words, NULL-terminated,
// each borrowed from argv, the vector allocated. With ARGS_WORD_FIRST it is everything from the first word
// on. A word that is `--` is dropped and ends the flags. 0 or -EINVAL with e filled; words is NULL then.
int args_parse(const struct flag_group *groups, size_t count, enum args_order order, char **argv,
	       char ***words, struct args_error *e) attr_must_check;
// Frees what FLAG_LIST made.
void args_free(const struct flag_group *group);
