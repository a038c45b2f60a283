// SPDX-License-Identifier: Apache-2.0
// The table of commands and the flags that all of them take: a new command is a file cmd_*.c and a line here.
#include "lib/base/str.h"
#include "rnx/rnx.h"

const struct command *const commands[] = {
    &cmd_job_run,  &cmd_job_list,   &cmd_job_status, &cmd_job_log,
    &cmd_job_stop, &cmd_job_cancel, &cmd_job_delete, &cmd_job_delete_all,
    &cmd_job_wait, &cmd_job_attach, &cmd_job_signal, &cmd_nodes,
    &cmd_use,	   &cmd_completion, &cmd_help,	     &cmd_complete,
    NULL,
};

#define AT(member) offsetof(struct rnx, member)
const struct flag global_flags[] = {
    {"config", 0, FLAG_TEXT, AT(config_path), "PATH", "configuration file", 0, 0},
    {"node", 0, FLAG_TEXT, AT(node_name), "NAME", "node of the configuration to speak to", 0, 0},
    {"json", 0, FLAG_BOOL, AT(json), NULL, "JSON on stdout, errors as JSON on stderr", 0, 0},
    {"color", 0, FLAG_TEXT, AT(color), "WHEN", "auto, always or never", 0, 0},
    {"help", 'h', FLAG_BOOL, AT(help), NULL, "this help", 0, 0},
};
const size_t global_flag_count = ARRAY_LEN(global_flags);

static bool is_called(const struct command *c, const char *name)
{
	if (str_eq(c->name, name))
		return true;
	for (size_t i = 0; c->aliases && c->aliases[i]; i++)
		if (str_eq(c->aliases[i], name))
			return true;
	return false;
}

const struct command *command_find(const char *group, const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (str_eq(commands[i]->group, group) && is_called(commands[i], name))
			return commands[i];
	return NULL;
}
