// SPDX-License-Identifier: Apache-2.0
// What every command has in hand: the flags that stand before it, the configuration, the connection. And what
// a command is: a row of the table in main.c.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/rpc/client.h"
#include "rnx/args.h"
#include "rnx/config.h"

// Exit statuses: specs/exit_code.def.
enum exit_code {
#define EXIT_CODE(name, number, meaning) EXIT_CODE_##name = (number),
#include "specs/exit_code.def"
#undef EXIT_CODE
};

struct rnx {
	const char *config_path, *node_name, *color; // flags
	bool json, version, help;
	bool stdin_is_closed; // fd 0 was not open when rnx started

	struct config *config; // from here on by connect.c
	const struct config_node *node;
	struct rpc_client *client;
};

// What the words of a command are, for the completion.
enum word_kind { WORDS_NONE, WORDS_JOBS, WORDS_NODES, WORDS_COMMANDS, WORDS_SHELLS };

struct command {
	const char *group; // "job", or NULL
	const char *name;
	const char *const *aliases; // NULL-terminated, or NULL
	const char *words;	    // how they are shown in the help
	const char *summary;	    // one line
	const char *examples;	    // lines, each indented by two
	const char *about;	    // what else must be known, or NULL
	const struct flag *flags;
	size_t flag_count;
	size_t options_size;
	enum args_order order;
	size_t min_words, max_words;
	enum word_kind kind;
	bool is_hidden;
	// options is zeroed memory of options_size with the flags in it; words is NULL-terminated. Returns
	// the exit status.
	int (*run)(struct rnx *r, void *options, char **words);
};

#define WORDS_ANY SIZE_MAX

// The table, in the order of the help; NULL-terminated.
extern const struct command *const commands[];
// The flags that every command has, with their places in struct rnx.
extern const struct flag global_flags[];
extern const size_t global_flag_count;

// By name or alias; group NULL: a command without one. NULL when there is none.
const struct command *command_find(const char *group, const char *name);
// Help of one command, of a group, or of all (both NULL).
void help_command(const struct command *c, FILE *to);
void help_group(const char *group, FILE *to);

extern const struct command cmd_job_run, cmd_job_list, cmd_job_status, cmd_job_log, cmd_job_stop,
    cmd_job_cancel, cmd_job_delete, cmd_job_delete_all, cmd_job_wait, cmd_job_attach, cmd_job_signal,
    cmd_nodes, cmd_use, cmd_help, cmd_completion, cmd_complete;
