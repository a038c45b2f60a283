// SPDX-License-Identifier: Apache-2.0
// A command is one file and one const struct command; main.c has the table. specs/runtime.md is the reference
// of all options.
#pragma once

#include "joblet-runtime/placement.h"
#include "joblet-runtime/rights.h"
#include "lib/base/err.h"

struct globals {
	const char *root;
	bool debug;
	enum rights rights;
	enum cgroup_manager manager;
	bool rootless; // of cgroups only what the bundle asks for must succeed
	int *failure;  // exit status of an error, 1 unless the command says otherwise
	char **argv;   // of main, to execute this program again
};

// An option is --name, and -c when letter is not 0. With arg it takes a value: `--name v`, `--name=v`, `-c
// v`. Given twice it must say the same, unless it has a list.
struct option_def {
	const char *name;
	char letter;
	bool arg;
	const char **value; // set to the value, or to "1"
	const char *help;
	char ***list; // of copies, in their order; the caller's (strv_free). Instead of value
};

struct command {
	const char *name;
	const char *usage; // behind the name
	const char *help;
	bool program; // behind the first word stands a command line, whose options are not ours
	// args and n: what stands behind the command's name. Returns the exit status, or -errno with a text.
	int (*run)(const struct globals *g, char **args, int n, struct err *e);
};

extern const struct command cmd_checkpoint, cmd_create, cmd_delete, cmd_events, cmd_exec, cmd_features,
    cmd_kill, cmd_list, cmd_pause, cmd_ps, cmd_restore, cmd_resume, cmd_run, cmd_spec, cmd_start, cmd_state,
    cmd_update;

// Sorts args: options anywhere, the rest in order to rest, which ends with NULL and has room for max. `--`
// ends the options. *n_rest is their number. -EINVAL and a text for an unknown option, a missing value or too
// many words. --help prints and returns 1.
int args_parse(const struct command *cmd, const struct option_def *opts, size_t n_opts, char **args, int n,
	       const char **rest, int max, int *n_rest, struct err *e) attr_must_check;
// The same for options that stand before the command; stops at the first word that is none. Returns its
// index.
int args_parse_global(const struct option_def *opts, size_t n_opts, char **args, int n,
		      struct err *e) attr_must_check;
