// SPDX-License-Identifier: Apache-2.0
// Reads the command line by tables of flags. Decides what was typed, never what it means. Makes no system
// call.
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "lib/base/str.h"
#include "rnx/args.h"

#define FLAGS_MAX 64 // in all groups of one command

struct parser {
	const struct flag_group *groups;
	size_t count;
	struct args_error *e;
	char **next; // of argv
};

static int wrong(struct parser *p, const char *hint, const char *fmt, ...) attr_printf(3, 4);

static int wrong(struct parser *p, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->e->what.msg, sizeof(p->e->what.msg), fmt, ap);
	va_end(ap);
	snprintf(p->e->hint, sizeof(p->e->hint), "%s", hint ? hint : "");
	return -EINVAL;
}

static const struct flag *find(struct parser *p, const char *name, size_t len, void **options)
{
	for (size_t g = 0; g < p->count; g++)
		for (size_t i = 0; i < p->groups[g].count; i++) {
			const struct flag *f = &p->groups[g].flags[i];
			if (strlen(f->name) == len && memcmp(f->name, name, len) == 0) {
				*options = p->groups[g].options;
				return f;
			}
		}
	return NULL;
}

static const struct flag *find_letter(struct parser *p, char letter, void **options)
{
	for (size_t g = 0; g < p->count; g++)
		for (size_t i = 0; i < p->groups[g].count; i++)
			if (letter && p->groups[g].flags[i].letter == letter) {
				*options = p->groups[g].options;
				return &p->groups[g].flags[i];
			}
	return NULL;
}

static int unknown(struct parser *p, const char *name, size_t len)
{
	const char *names[FLAGS_MAX + 1] = {NULL};
	cleanup_free char *word = xstrndup(name, len);
	char hint[128] = "";
	size_t n = 0;

	for (size_t g = 0; g < p->count; g++)
		for (size_t i = 0; i < p->groups[g].count && n < FLAGS_MAX; i++)
			names[n++] = p->groups[g].flags[i].name;
	const char *near = str_nearest(word, names);
	if (near)
		snprintf(hint, sizeof(hint), "did you mean --%s?", near);
	return wrong(p, hint, "unknown flag --%s", word);
}

static int set_int(struct parser *p, const struct flag *f, const char *value, int64_t *to)
{
	int rc = str_to_i64(value, f->min, f->max, to);

	if (rc == -ERANGE)
		return wrong(p, NULL, "--%s %s: must be a number from %lld to %lld", f->name, value,
			     (long long)f->min, (long long)f->max);
	if (rc < 0)
		return wrong(p, NULL, "--%s %s: not a number", f->name, value);
	return 0;
}

static int set_bool(struct parser *p, const struct flag *f, const char *value, bool *to)
{
	if (!value || str_eq(value, "true"))
		*to = true;
	else if (str_eq(value, "false"))
		*to = false;
	else
		return wrong(p, NULL, "--%s=%s: true or false", f->name, value);
	return 0;
}

// value is NULL for a FLAG_BOOL without one.
static int set(struct parser *p, const struct flag *f, const char *value, void *options)
{
	void *to = (char *)options + f->at;

	switch (f->type) {
	case FLAG_BOOL: return set_bool(p, f, value, to);
	case FLAG_TEXT: *(const char **)to = value; return 0;
	case FLAG_INT: return set_int(p, f, value, to);
	case FLAG_LIST: strv_add(to, value); return 0;
	case FLAG_DURATION:
		if (str_to_duration(value, to) < 0 || *(int64_t *)to < 0)
			return wrong(p, "as in 90s, 15min, 2h30m", "--%s %s: not a duration", f->name, value);
		return 0;
	}
	return -EINVAL;
}

static int missing(struct parser *p, const struct flag *f)
{
	return wrong(p, NULL, "--%s: a value is missing (%s)", f->name, f->value);
}

static int parse_long(struct parser *p, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	void *options = NULL;
	const struct flag *f = find(p, text, len, &options);

	if (!f)
		return unknown(p, text, len);
	if (equals || f->type == FLAG_BOOL)
		return set(p, f, equals ? equals + 1 : NULL, options);
	if (!*p->next)
		return missing(p, f);
	return set(p, f, *p->next++, options);
}

// Letters in one word; the first that takes a value takes the rest of the word, or the next word.
static int parse_letters(struct parser *p, const char *text)
{
	for (; *text; text++) {
		void *options = NULL;
		const struct flag *f = find_letter(p, *text, &options);
		if (!f)
			return wrong(p, NULL, "unknown flag -%c", *text);
		if (f->type == FLAG_BOOL) {
			int rc = set(p, f, NULL, options);
			if (rc < 0)
				return rc;
			continue;
		}
		if (text[1])
			return set(p, f, text + 1 + (text[1] == '='), options);
		if (!*p->next)
			return missing(p, f);
		return set(p, f, *p->next++, options);
	}
	return 0;
}

int args_parse(const struct flag_group *groups, size_t count, enum args_order order, char **argv,
	       char ***words, struct args_error *e)
{
	struct parser p = {.groups = groups, .count = count, .e = e, .next = argv};
	size_t total = 0;
	size_t n = 0;

	while (argv[total])
		total++;
	cleanup_free char **found = xcalloc(total + 1, sizeof(*found));
	bool is_over = false;
	*words = NULL;
	while (*p.next) {
		char *arg = *p.next++;
		if (is_over || arg[0] != '-' || !arg[1]) {
			found[n++] = arg;
			is_over |= order == ARGS_WORD_FIRST;
			continue;
		}
		if (str_eq(arg, "--")) {
			is_over = true;
			continue;
		}
		int rc = arg[1] == '-' ? parse_long(&p, arg + 2) : parse_letters(&p, arg + 1);
		if (rc < 0)
			return rc;
	}
	*words = take_ptr(found);
	return 0;
}

void args_free(const struct flag_group *group)
{
	for (size_t i = 0; i < group->count; i++)
		if (group->flags[i].type == FLAG_LIST) {
			char ***list = (void *)((char *)group->options + group->flags[i].at);
			strv_free(*list);
			*list = NULL;
		}
}
