// SPDX-License-Identifier: Apache-2.0
// `rnx help`, and the help that -h shows everywhere: examples first, then the flags of the tables.
#include <string.h>

#include "lib/base/str.h"
#include "rnx/print.h"
#include "rnx/rnx.h"

static void put_flags(const struct flag *flags, size_t count, FILE *to)
{
	for (size_t i = 0; i < count; i++) {
		const struct flag *f = &flags[i];
		char left[64];
		if (!f->help)
			continue;
		snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", f->letter ? '-' : ' ',
			 f->letter ? f->letter : ' ', f->letter ? ',' : ' ', f->name, f->value ? " " : "",
			 f->value ? f->value : "");
		fprintf(to, "%-34s %s\n", left, f->help);
	}
}

static void put_name(const struct command *c, FILE *to)
{
	fprintf(to, "rnx %s%s%s", c->group ? c->group : "", c->group ? " " : "", c->name);
}

void help_command(const struct command *c, FILE *to)
{
	fprintf(to, "%s\n", c->summary);
	if (c->examples)
		fprintf(to, "\nExamples:\n%s", c->examples);
	fprintf(to, "\nUsage:\n  ");
	put_name(c, to);
	fprintf(to, "%s%s\n", *c->words ? " " : "", c->words);
	for (size_t i = 0; c->aliases && c->aliases[i]; i++)
		fprintf(to, "%s%s", i ? ", " : "\nAlso called: ", c->aliases[i]);
	if (c->aliases)
		fputc('\n', to);
	if (c->flag_count)
		fprintf(to, "\nFlags:\n");
	put_flags(c->flags, c->flag_count, to);
	fprintf(to, "\nFlags of every command:\n");
	put_flags(global_flags, global_flag_count, to);
	if (c->about)
		fprintf(to, "\n%s", c->about);
}

void help_group(const char *group, FILE *to)
{
	if (!group)
		fprintf(to, "Runs commands on joblet servers.\n\n"
			    "Examples:\n"
			    "  rnx job run echo hello\n"
			    "  rnx job run -it bash\n"
			    "  rnx job list\n\n");
	fprintf(to, "Usage:\n  rnx %s%s[flags] command\n\nCommands:\n", group ? group : "", group ? " " : "");
	for (size_t i = 0; commands[i]; i++) {
		const struct command *c = commands[i];
		char left[48];
		if (c->is_hidden || (group && !str_eq(c->group, group)))
			continue;
		snprintf(left, sizeof(left), "%s%s%s", c->group ? c->group : "", c->group ? " " : "",
			 c->name);
		fprintf(to, "  %-16s %s\n", left, c->summary);
	}
	fprintf(to, "\nFlags:\n");
	put_flags(global_flags, global_flag_count, to);
	if (!group)
		fprintf(to, "      --version                    the version of rnx\n");
	fprintf(to, "\n`rnx help COMMAND` says more; so does rnx(1).\n");
}

static int run(struct rnx *r, void *options, char **words)
{
	const char *group = words[0] && words[1] ? words[0] : NULL;

	(void)r;
	(void)options;
	if (!words[0]) {
		help_group(NULL, stdout);
		return EXIT_CODE_OK;
	}
	const struct command *c = command_find(group, words[group ? 1 : 0]);
	for (size_t i = 0; !c && !group && commands[i]; i++)
		if (str_eq(commands[i]->group, words[0])) {
			help_group(words[0], stdout);
			return EXIT_CODE_OK;
		}
	if (!c && !group)
		c = command_find("job", words[0]); // `rnx help run`
	if (!c)
		return print_usage("see `rnx help`", "no command %s%s%s", words[0], words[1] ? " " : "",
				   words[1] ? words[1] : "");
	help_command(c, stdout);
	return EXIT_CODE_OK;
}

const struct command cmd_help = {
    .name = "help",
    .words = "[command]",
    .summary = "Says how a command is used",
    .examples = "  rnx help job run\n",
    .max_words = 2,
    .kind = WORDS_COMMANDS,
    .run = run,
};
