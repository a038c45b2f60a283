// SPDX-License-Identifier: Apache-2.0
// `rnx completion SHELL` prints the script of a shell; the scripts ask `rnx complete` for the words that may
// come next, which reads the same tables as everything else, so that they never go stale.
#include <errno.h>
#include <string.h>

#include "joblet.pb-c.h"
#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/print.h"

#define COMPLETE_MS   2000 // a shell is waiting
#define COMPLETE_JOBS 100

#define SCRIPT(name, file)                                                                                   \
	__asm__(".pushsection .rodata\n" #name ":\n.incbin \"rnx/completions/" file                          \
		"\"\n.byte 0\n.popsection\n");                                                               \
	extern const char name[] __attribute__((visibility("hidden")))
SCRIPT(script_bash, "rnx.bash");
SCRIPT(script_zsh, "_rnx");
SCRIPT(script_fish, "rnx.fish");

static int run_completion(struct rnx *r, void *options, char **words)
{
	cleanup_buf struct buf out = {0};
	const char *script = str_eq(words[0], "bash")	? script_bash
			     : str_eq(words[0], "zsh")	? script_zsh
			     : str_eq(words[0], "fish") ? script_fish
							: NULL;

	(void)r;
	(void)options;
	if (!script)
		return print_usage("bash, zsh or fish", "no completion for %s", words[0]);
	return buf_add_str(&out, script) < 0 ? EXIT_CODE_INTERNAL : print_data(&out);
}

static void offer(struct buf *out, const char *word, const char *what)
{
	if (str_starts(what, word) && buf_printf(out, "%s\n", what) < 0)
		return;
}

static void offer_flags(struct buf *out, const char *word, const struct flag *flags, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = xasprintf("--%s", flags[i].name);
		if (flags[i].help)
			offer(out, word, name);
	}
}

static void offer_commands(struct buf *out, const char *word, const char *group)
{
	const char *last = NULL;

	for (size_t i = 0; commands[i]; i++) {
		const struct command *c = commands[i];
		if (c->is_hidden || (group && !str_eq(c->group, group)))
			continue;
		const char *name = group || !c->group ? c->name : c->group;
		if (!last || !str_eq(last, name))
			offer(out, word, name);
		last = name;
	}
}

// Quiet and quick: no server means no words. One that has begun an id gets ids, else names are offered too.
static void offer_jobs(struct rnx *r, struct buf *out, const char *word)
{
	Joblet__FindJobsRequest q = JOBLET__FIND_JOBS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	cleanup_free char *path = NULL;
	char hint[CONFIG_HINT_MAX];
	struct rpc_status s;
	struct err e;

	offer(out, word, "@last");
	if (config_find(r->config_path, &path, &e) < 0 || config_load(path, &r->config, hint, &e) < 0 ||
	    config_pick(r->config, r->node_name ? r->node_name : getenv("RNX_NODE"), &r->node, &e) < 0 ||
	    connect_try(r, COMPLETE_MS, &e) < 0)
		return;
	q.page_size = COMPLETE_JOBS;
	if (rpc_unary(r->client, "/joblet.JobControlService/FindJobs", COMPLETE_MS, &q.base,
		      &joblet__find_jobs_response__descriptor, &reply, &s) != 0)
		return;
	const Joblet__FindJobsResponse *f = (const Joblet__FindJobsResponse *)reply;
	for (size_t i = 0; i < f->n_jobs; i++) {
		offer(out, word, f->jobs[i]->uuid);
		if (str_is_name(f->jobs[i]->name))
			offer(out, word, f->jobs[i]->name);
	}
	protobuf_c_message_free_unpacked(reply, NULL);
}

static void offer_nodes(struct rnx *r, struct buf *out, const char *word)
{
	cleanup_free char *path = NULL;
	char hint[CONFIG_HINT_MAX];
	struct err e;

	if (config_find(r->config_path, &path, &e) < 0 || config_load(path, &r->config, hint, &e) < 0)
		return;
	for (size_t i = 0; i < r->config->count; i++)
		offer(out, word, r->config->nodes[i].name);
}

// The command that the words before the last one name, *at behind it; NULL when they name none yet.
static const struct command *command_of(char **words, size_t n, const char **group, size_t *at)
{
	const struct command *c = NULL;

	*group = NULL;
	for (*at = 0; *at < n && !c; (*at)++) {
		if (words[*at][0] == '-') {
			if (!strchr(words[*at], '=') &&
			    (str_eq(words[*at], "--node") || str_eq(words[*at], "--config")))
				(*at)++;
			continue;
		}
		c = command_find(*group, words[*at]);
		if (!c && !*group && str_eq(words[*at], "job"))
			*group = "job";
		else if (!c)
			return NULL;
	}
	return c;
}

static int run_complete(struct rnx *r, void *options, char **words)
{
	cleanup_buf struct buf out = {0};
	size_t n = strv_len(words);
	const char *word = n ? words[n - 1] : "";
	const char *group;
	size_t at;
	const struct command *c = n ? command_of(words, n - 1, &group, &at) : NULL;

	(void)options;
	if (word[0] == '-') {
		if (c)
			offer_flags(&out, word, c->flags, c->flag_count);
		offer_flags(&out, word, global_flags, global_flag_count);
	} else if (!c) {
		offer_commands(&out, word, n > 1 ? group : NULL);
	} else if (c->kind == WORDS_JOBS) {
		offer_jobs(r, &out, word);
	} else if (c->kind == WORDS_NODES) {
		offer_nodes(r, &out, word);
	} else if (c->kind == WORDS_COMMANDS) {
		offer_commands(&out, word, n - 1 > at ? words[at] : NULL);
	} else if (c->kind == WORDS_SHELLS) {
		offer(&out, word, "bash");
		offer(&out, word, "fish");
		offer(&out, word, "zsh");
	}
	return print_data(&out);
}

const struct command cmd_completion = {
    .name = "completion",
    .words = "bash|zsh|fish",
    .summary = "Prints the completion script of a shell",
    .examples = "  source <(rnx completion bash)\n",
    .min_words = 1,
    .max_words = 1,
    .kind = WORDS_SHELLS,
    .run = run_completion,
};

const struct command cmd_complete = {
    .name = "complete",
    .words = "[word…]",
    .summary = "Words that may come next, for the completion scripts",
    .order = ARGS_WORD_FIRST,
    .max_words = WORDS_ANY,
    .is_hidden = true,
    .run = run_complete,
};
