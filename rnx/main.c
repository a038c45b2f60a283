// SPDX-License-Identifier: Apache-2.0
// rnx: the command line of joblet. Finds the command in the table (commands.c), reads its flags by its own
// table, and runs it. One file a command (cmd_*.c); print.c writes what people read, output.c what jobs
// wrote, connect.c speaks with the server.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/print.h"
#include "rnx/rnx.h"

#define AT(member) offsetof(struct rnx, member)
static const struct flag version_flag[] = {
    {"version", 0, FLAG_BOOL, AT(version), NULL, "the version of rnx", 0, 0},
};

static bool is_group(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->group && str_eq(commands[i]->group, name))
			return true;
	return false;
}

static int unknown_command(const char *group, const char *word)
{
	const char *names[64] = {NULL};
	char hint[128];
	size_t n = 0;

	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->is_hidden)
			continue;
		const char *name = str_eq(commands[i]->group, group) ? commands[i]->name
				   : !group			     ? commands[i]->group
								     : NULL;
		if (name && n + 1 < ARRAY_LEN(names))
			names[n++] = name;
	}
	const char *near = str_nearest(word, names);
	if (near)
		snprintf(hint, sizeof(hint), "did you mean `rnx %s%s%s`?", group ? group : "",
			 group ? " " : "", near);
	else
		snprintf(hint, sizeof(hint), "see `rnx help%s%s`", group ? " " : "", group ? group : "");
	return print_usage(hint, "unknown command %s%s%s", group ? group : "", group ? " " : "", word);
}

// The flags up to the next word. *word is NULL when there is none; *rest are the words behind it, to be freed
// by the caller with *all.
static int next_word(struct rnx *r, char **argv, char ***all, char **word, char ***rest)
{
	struct flag_group groups[] = {{global_flags, global_flag_count, r},
				      {version_flag, ARRAY_LEN(version_flag), r}};
	struct args_error e = {0};

	if (args_parse(groups, ARRAY_LEN(groups), ARGS_WORD_FIRST, argv, all, &e) < 0)
		return print_usage(e.hint, "%s", e.what.msg);
	*word = (*all)[0];
	*rest = *word ? *all + 1 : *all;
	return 0;
}

static int show_version(const struct rnx *r)
{
	cleanup_buf struct buf b = {0};
	int rc = r->json ? buf_printf(&b, "{\"version\":\"%s\",\"commit\":\"%s\"}\n", JOBLET_VERSION,
				      JOBLET_COMMIT)
			 : buf_printf(&b, "rnx %s (%s)\n", JOBLET_VERSION, JOBLET_COMMIT);

	return rc < 0 ? EXIT_CODE_INTERNAL : print_data(&b);
}

static int check_words(const struct command *c, char *const *words)
{
	size_t n = strv_len(words);
	char hint[160];

	snprintf(hint, sizeof(hint), "rnx %s%s%s %s", c->group ? c->group : "", c->group ? " " : "", c->name,
		 c->words);
	if (n < c->min_words)
		return print_usage(hint, "%s: something is missing", c->name);
	if (n > c->max_words)
		return print_usage(hint, "%s: %s is one word too many", c->name, words[c->max_words]);
	return 0;
}

static int run_command(struct rnx *r, const struct command *c, char **argv)
{
	cleanup_free void *options = xcalloc(1, c->options_size ? c->options_size : 1);
	cleanup_free char **words = NULL;
	struct flag_group groups[] = {{c->flags, c->flag_count, options},
				      {global_flags, global_flag_count, r}};
	struct args_error e = {0};
	int status;

	if (args_parse(groups, ARRAY_LEN(groups), c->order, argv, &words, &e) < 0)
		status = print_usage(e.hint, "%s", e.what.msg);
	else if (!print_setup(r->json, r->color))
		status = print_usage(NULL, "--color %s: auto, always or never", r->color);
	else if (r->help)
		help_command(c, stdout), status = EXIT_CODE_OK;
	else if ((status = check_words(c, words)) == 0)
		status = c->run(r, options, words);
	args_free(&groups[0]);
	return status;
}

static int dispatch(struct rnx *r, char **argv)
{
	cleanup_free char **all = NULL;
	cleanup_free char **all_inner = NULL;
	const char *group = NULL;
	char *word;
	char **rest;

	int status = next_word(r, argv, &all, &word, &rest);
	// analyzed: next_word has set it
	if (status == 0 && word && is_group(word)) {
		group = word;
		status = next_word(r, rest, &all_inner, &word, &rest);
	}
	if (status)
		return status;
	if (!print_setup(r->json, r->color))
		return print_usage(NULL, "--color %s: auto, always or never", r->color);
	if (r->version)
		return show_version(r);
	const struct command *c = word ? command_find(group, word) : NULL;
	if (word && !c)
		return unknown_command(group, word);
	if (c)
		return run_command(r, c, rest);
	help_group(group, r->help ? stdout : stderr);
	return r->help ? EXIT_CODE_OK : EXIT_CODE_USAGE;
}

// Descriptors 0 to 2 are open from here on, so that no socket gets their place.
static bool open_standard(void)
{
	bool was_closed = fcntl(STDIN_FILENO, F_GETFD) < 0;
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return was_closed;
}

// Errors of the command line come out as JSON too, wherever the flag stands.
static bool has_json(char *const *argv)
{
	for (; *argv && !str_eq(*argv, "--"); argv++)
		if (str_eq(*argv, "--json"))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct rnx r = {.stdin_is_closed = open_standard()};

	signal(SIGPIPE, SIG_IGN);
	print_setup(has_json(argv + (argc > 0)), NULL);
	int status = dispatch(&r, argv + (argc > 0));
	connect_close(&r);
	config_free(r.config);
	if (fflush(stdout) == 0)
		return status;
	if (errno == EPIPE)
		print_reader_gone();
	return print_fail(EXIT_CODE_INTERNAL, "OUTPUT", NULL, "stdout: %s", strerror(errno));
}
