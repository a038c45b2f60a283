// SPDX-License-Identifier: Apache-2.0
// Tests of the flag parser.
#include "lib/base/str.h"
#include "lib/base/test.h"
#include "rnx/args.h"

struct options {
	bool yes, tty, input;
	const char *name;
	int64_t number, wait;
	char **env;
};

static const struct flag flags[] = {
    {"yes", 'y', FLAG_BOOL, offsetof(struct options, yes), NULL, "", 0, 0},
    {"tty", 't', FLAG_BOOL, offsetof(struct options, tty), NULL, "", 0, 0},
    {"input", 'i', FLAG_BOOL, offsetof(struct options, input), NULL, "", 0, 0},
    {"name", 0, FLAG_TEXT, offsetof(struct options, name), "NAME", "", 0, 0},
    {"number", 'n', FLAG_INT, offsetof(struct options, number), "N", "", 0, 100},
    {"wait", 0, FLAG_DURATION, offsetof(struct options, wait), "D", "", 0, 0},
    {"env", 'e', FLAG_LIST, offsetof(struct options, env), "NAME=V", "", 0, 0},
};

// Parses a line whose words are separated by spaces; the result is how the words came out, or "!" and the
// error.
static const char *parse(const char *line, enum args_order order, struct options *o)
{
	static char out[2048];
	static char text[512];
	static struct args_error e;
	char *argv[32] = {NULL};
	cleanup_free char **words = NULL;
	struct flag_group g = {flags, ARRAY_LEN(flags), o};
	size_t n = 0;

	*o = (struct options){0};
	snprintf(text, sizeof(text), "%s", line);
	for (char *save, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	e = (struct args_error){0};
	if (args_parse(&g, 1, order, argv, &words, &e) < 0) {
		snprintf(out, sizeof(out), "!%s|%s", e.what.msg, e.hint);
		args_free(&g);
		return out;
	}
	out[0] = '\0';
	for (size_t i = 0; words[i]; i++) {
		size_t len = strlen(out);
		snprintf(out + len, sizeof(out) - len, "%s%s", i ? " " : "", words[i]);
	}
	return out;
}

static void free_env(struct options *o)
{
	strv_free(o->env);
	o->env = NULL;
}

static void test_values(void)
{
	struct options o;

	test_is_str(parse("--name=a b --number 7 c", ARGS_MIXED, &o), "b c", "flags among words");
	test_ok(str_eq(o.name, "a") && o.number == 7, "both forms of a value");
	test_is_str(parse("-it -n5 x", ARGS_MIXED, &o), "x", "letters in one word");
	test_ok(o.input && o.tty && o.number == 5 && !o.yes, "each letter counts");
	parse("-n 6", ARGS_MIXED, &o);
	test_is_int(o.number, 6, "a letter with its value in the next word");
	parse("-n=8", ARGS_MIXED, &o);
	test_is_int(o.number, 8, "a letter with an equals sign");
	parse("--name=a=b", ARGS_MIXED, &o);
	test_is_str(o.name, "a=b", "only the first equals sign separates");
	parse("--name=", ARGS_MIXED, &o);
	test_is_str(o.name, "", "an empty value is one");
	parse("--name --yes", ARGS_MIXED, &o);
	test_is_str(o.name, "--yes", "a flag that wants a value takes the next word as it is");
	parse("--yes --yes=false", ARGS_MIXED, &o);
	test_ok(!o.yes, "a switch is taken back");
	parse("--wait 1h30m", ARGS_MIXED, &o);
	test_is_int(o.wait / 1000000000, 5400, "a duration");
	parse("-e A=1 --env=B=2 -eC=3", ARGS_MIXED, &o);
	test_ok(strv_len(o.env) == 3 && str_eq(o.env[0], "A=1") && str_eq(o.env[2], "C=3"), "a list");
	free_env(&o);
}

static void test_order(void)
{
	struct options o;

	test_is_str(parse("--yes ls --number 3 -l", ARGS_WORD_FIRST, &o), "ls --number 3 -l",
		    "flags of the command are the command's");
	test_ok(o.yes && o.number == 0, "and not ours");
	test_is_str(parse("--yes -- --number 3", ARGS_WORD_FIRST, &o), "--number 3", "-- ends the flags");
	test_is_str(parse("a -- b --yes -- c", ARGS_MIXED, &o), "a b --yes -- c", "a second -- is a word");
	test_ok(!o.yes, "a flag behind -- is a word");
	test_is_str(parse("sh -- -c", ARGS_WORD_FIRST, &o), "sh -- -c",
		    "-- behind the command is the command's");
	test_is_str(parse("-", ARGS_MIXED, &o), "-", "a dash is a word");
	test_is_str(parse("", ARGS_MIXED, &o), "", "nothing");
}

static void test_errors(void)
{
	struct options o;

	test_is_str(parse("--numbr 3", ARGS_MIXED, &o), "!unknown flag --numbr|did you mean --number?",
		    "a letter missing");
	test_is_str(parse("--nmae=x", ARGS_MIXED, &o), "!unknown flag --nmae|did you mean --name?",
		    "letters swapped");
	test_is_str(parse("--frobnicate", ARGS_MIXED, &o), "!unknown flag --frobnicate|", "nothing near");
	test_is_str(parse("-x", ARGS_MIXED, &o), "!unknown flag -x|", "an unknown letter");
	test_is_str(parse("--number 12a", ARGS_MIXED, &o), "!--number 12a: not a number|",
		    "a number that is none");
	test_is_str(parse("--number=", ARGS_MIXED, &o), "!--number : not a number|", "an empty number");
	test_is_str(parse("--number=-1", ARGS_MIXED, &o), "!--number -1: must be a number from 0 to 100|",
		    "too small");
	test_is_str(parse("--number 101", ARGS_MIXED, &o), "!--number 101: must be a number from 0 to 100|",
		    "too large");
	test_is_str(parse("--number", ARGS_MIXED, &o), "!--number: a value is missing (N)|", "no value");
	test_is_str(parse("-n", ARGS_MIXED, &o), "!--number: a value is missing (N)|",
		    "no value for a letter");
	test_is_str(parse("--yes=maybe", ARGS_MIXED, &o), "!--yes=maybe: true or false|",
		    "a switch with a wrong value");
	test_ok(str_starts(parse("--wait soon", ARGS_MIXED, &o), "!--wait soon: not a duration"),
		"no duration");
	test_ok(str_starts(parse("-e A=1 --nope", ARGS_MIXED, &o), "!unknown flag --nope"),
		"an error after a list");
}

int main(void)
{
	test_begin();
	test_values();
	test_order();
	test_errors();
	return test_end();
}
