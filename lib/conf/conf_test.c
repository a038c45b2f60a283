// SPDX-License-Identifier: Apache-2.0
// Tests of the tree that a configuration file becomes, and of what is refused with its line.
#include "lib/conf/conf.h"

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

static const char *refusal(const char *text)
{
	static struct err e;
	cleanup_conf struct conf_doc *doc = NULL;
	const struct conf_node *root;

	e = (struct err){0};
	return conf_parse("f", text, strlen(text), &doc, &root, &e) < 0 ? e.msg : "accepted";
}

static void test_tree(void)
{
	static const char text[] = "# a remark\n"
				   "a: 1\n"
				   "b:\n"
				   "  c: \"\"\n"
				   "  d: |\n"
				   "    two\n"
				   "    lines\n"
				   "list:\n"
				   "  - x\n"
				   "  - {k: [1, 2]}\n"
				   "empty:\n";
	cleanup_conf struct conf_doc *doc = NULL;
	const struct conf_node *root = NULL;
	struct err e = {0};
	char path[CONF_PATH_MAX];

	if (!test_is_int(conf_parse("f", text, sizeof(text) - 1, &doc, &root, &e), 0, "a file: %s", e.msg))
		return;
	test_is_int(root->count, 4, "its keys");
	test_is_str(conf_get(root, "a")->text, "1", "a value");
	const struct conf_node *b = conf_get(root, "b");
	test_is_int(b->line, 3, "a block has its key's line");
	test_is_str(conf_get(b, "d")->text, "two\nlines\n", "a text of several lines");
	test_ok(!conf_is_empty(conf_get(b, "c")), "\"\" is a value");
	test_ok(conf_is_empty(conf_get(root, "empty")), "nothing is none");
	const struct conf_node *list = conf_get(root, "list");
	test_is_int(list->count, 2, "a list");
	const struct conf_node *two = conf_get(list->first->next, "k")->first->next;
	conf_path(two, path);
	test_is_str(path, "list[1].k[1]", "a path");
	test_is_int(two->line, 10, "an element has its line");
	test_ok(!conf_get(root, "z") && !conf_get(conf_get(root, "a"), "z"), "what is not there");
}

static void test_empty(void)
{
	static const char *const texts[] = {"", "# only a remark\n", "---\n", "~\n", "---\n...\n"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup_conf struct conf_doc *doc = NULL;
		const struct conf_node *root = NULL;
		struct err e = {0};
		int rc = conf_parse("f", texts[i], strlen(texts[i]), &doc, &root, &e);
		test_ok(rc == 0 && root->type == CONF_BLOCK && root->count == 0, "empty %zu: %s", i, e.msg);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"a: 1\nb: 2\na: 3\n", "f:3: the key \"a\" is there twice, first in line 1"},
	    {"b:\n  a: 1\n  a: 2\n", "f:3: the key \"b.a\" is there twice, first in line 2"},
	    {"a: &x 1\nb: *x\n", "f:1: anchors and tags are not supported"},
	    {"a: !!str 1\n", "f:1: anchors and tags are not supported"},
	    {"a: &x {}\n", "f:1: anchors and tags are not supported"},
	    {"a: *x\n", "f:1: aliases (*name) are not supported"},
	    {"<<: {a: 1}\n", "f:1: merging blocks (<<) is not supported"},
	    {"[a]: 1\n", "f:1: a key must be a text"},
	    {"? {a: 1}\n: 1\n", "f:1: a key must be a text"},
	    {"a: 1\n---\nb: 2\n", "f:2: a second document"},
	    {"- a\n", "f:1: the file must hold keys, not a list"},
	    {"a\n", "f:1: the file must hold keys, not a value"},
	    {"a: \"x\\0y\"\n", "f:1: a NUL in a text"},
	    {"a: [[[[[[[[1]]]]]]]]\n", "f:1: more than 8 levels of blocks and lists"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		test_is_str(refusal(rows[i].text), rows[i].want, "refused %zu", i);
	test_ok(str_starts(refusal("a:\n\tb: 1\n"), "f:2: not YAML: "), "a tab: %s", refusal("a:\n\tb: 1\n"));
	test_ok(str_starts(refusal("a: \"\n"), "f:2: not YAML: "), "no end: %s", refusal("a: \"\n"));
	test_ok(str_starts(refusal("a: \xff\n"), "f:1: not YAML: "), "no UTF-8: %s", refusal("a: \xff\n"));
}

static void test_many(void)
{
	cleanup_buf struct buf text = {0};
	cleanup_conf struct conf_doc *doc = NULL;
	const struct conf_node *root;
	struct err e = {0};

	buf_add_str(&text, "a:\n");
	for (int i = 0; i <= CONF_NODES_MAX; i++)
		buf_add_str(&text, " - 1\n");
	test_is_int(conf_parse("f", text.data, text.len, &doc, &root, &e), -EINVAL, "too many values");
	test_ok(strstr(e.msg, "more than 20000 values"), "%s", e.msg);
}

static void test_bool(void)
{
	static const char text[] = "a: yes\nb: off\nc: \"true\"\nd: perhaps\ne: [true]\n";
	cleanup_conf struct conf_doc *doc = NULL;
	const struct conf_node *root = NULL;
	struct err e = {0};
	bool v = false;

	if (!test_is_int(conf_parse("f", text, sizeof(text) - 1, &doc, &root, &e), 0, "truths"))
		return;
	test_ok(conf_to_bool(conf_get(root, "a"), &v) == 0 && v, "yes");
	test_ok(conf_to_bool(conf_get(root, "b"), &v) == 0 && !v, "off");
	test_is_int(conf_to_bool(conf_get(root, "c"), &v), -EINVAL, "a quoted one is a text");
	test_is_int(conf_to_bool(conf_get(root, "d"), &v), -EINVAL, "no truth");
	test_is_int(conf_to_bool(conf_get(root, "e"), &v), -EINVAL, "a list");
}

int main(void)
{
	test_begin();
	test_tree();
	test_empty();
	test_refused();
	test_many();
	test_bool();
	return test_end();
}
