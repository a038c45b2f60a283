// SPDX-License-Identifier: Apache-2.0
// Command lines. Go's flag forms are accepted, since callers of runc use them: one dash or two, `--x v`,
// `--x=v`, `--x=true`. No system calls.
#include "joblet-runtime/command.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

struct parser {
	const struct option_def *opts;
	size_t n_opts;
	uint64_t seen; // bit n: option n was given
};

static const struct option_def *find(const struct parser *p, const char *name, size_t len)
{
	for (size_t i = 0; i < p->n_opts; i++)
		if ((strlen(p->opts[i].name) == len && strncmp(p->opts[i].name, name, len) == 0) ||
		    (len == 1 && p->opts[i].letter == name[0]))
			return &p->opts[i];
	return NULL;
}

static int unknown(const struct parser *p, const char *word, const char *name, size_t len, struct err *e)
{
	const char *names[64] = {NULL};
	cleanup_free char *own = xstrndup(name, len);
	for (size_t i = 0; i < p->n_opts && i < ARRAY_LEN(names) - 1; i++)
		names[i] = p->opts[i].name;
	const char *nearest = str_nearest(own, names);
	return nearest ? err_set(e, -EINVAL, "unknown option %.64s: did you mean --%s?", word, nearest)
		       : err_set(e, -EINVAL, "unknown option %.64s", word);
}

static int store(struct parser *p, const struct option_def *o, const char *value, struct err *e)
{
	uint64_t bit = (uint64_t)1 << (o - p->opts);
	if (o->list) {
		strv_add(o->list, value);
		return 0;
	}
	if (o->arg && (p->seen & bit) && !str_eq(*o->value, value))
		return err_set(e, -EINVAL, "option --%s is given twice, as \"%.64s\" and as \"%.64s\"",
			       o->name, *o->value, value);
	*o->value = value;
	p->seen |= bit;
	return 0;
}

// Returns how many words were used, 1 or 2.
static int take(struct parser *p, char **args, int n, struct err *e)
{
	const char *name = args[0] + (args[0][1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	const struct option_def *o = find(p, name, len);
	if (!o)
		return unknown(p, args[0], name, len, e);
	const char *value = name[len] ? name + len + 1 : NULL;
	if (o->arg && !value && n < 2)
		return err_set(e, -EINVAL, "option --%s needs a value", o->name);
	if (!o->arg && value && !str_eq(value, "true") && !str_eq(value, "false"))
		return err_set(e, -EINVAL, "option --%s takes no value", o->name);
	bool next = o->arg && !value;
	if (!o->arg)
		value = str_eq(value, "false") ? NULL : "1";
	int rc = store(p, o, next ? args[1] : value, e);
	return rc ? rc : next ? 2 : 1;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

static void print_help(const struct command *cmd, const struct option_def *opts, size_t n_opts)
{
	printf("Usage: joblet-runtime %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->help);
	for (size_t i = 0; i < n_opts; i++) {
		char left[64];
		snprintf(left, sizeof(left), "%s%c%s--%s%s", opts[i].letter ? "-" : " ",
			 opts[i].letter ? opts[i].letter : ' ', opts[i].letter ? ", " : "  ", opts[i].name,
			 opts[i].arg ? " VALUE" : "");
		printf("%s  %-28s %s\n", i ? "" : "\nOptions:\n", left, opts[i].help);
	}
}

int args_parse(const struct command *cmd, const struct option_def *opts, size_t n_opts, char **args, int n,
	       const char **rest, int max, int *n_rest, struct err *e)
{
	struct parser p = {.opts = opts, .n_opts = n_opts};
	bool options = true;
	*n_rest = 0;
	for (int i = 0; i < n;) {
		if (options && str_eq(args[i], "--")) {
			options = false;
			i++;
		} else if (options && (str_eq(args[i], "--help") || str_eq(args[i], "-h"))) {
			print_help(cmd, opts, n_opts);
			return 1;
		} else if (options && is_option(args[i])) {
			int used = take(&p, args + i, n - i, e);
			if (used < 0)
				return err_wrap(e, used, "%s", cmd->name);
			i += used;
		} else if (*n_rest >= max) {
			return err_set(e, -EINVAL, "%s: unexpected argument \"%.64s\"", cmd->name, args[i]);
		} else {
			rest[(*n_rest)++] = args[i++];
			if (cmd->program && *n_rest == 1)
				options = false;
		}
	}
	rest[*n_rest] = NULL;
	return 0;
}

int args_parse_global(const struct option_def *opts, size_t n_opts, char **args, int n, struct err *e)
{
	struct parser p = {.opts = opts, .n_opts = n_opts};
	int i = 0;
	while (i < n && is_option(args[i]) && !str_eq(args[i], "--")) {
		int used = take(&p, args + i, n - i, e);
		if (used < 0)
			return used;
		i += used;
	}
	return i;
}
