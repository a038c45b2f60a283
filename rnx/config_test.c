// SPDX-License-Identifier: Apache-2.0
// Tests of rnx-config.yml.
#include <sys/stat.h>

#include "lib/base/str.h"
#include "lib/base/test.h"
#include "rnx/config.h"

#define PEM(what) "    " what ": |\n      -----BEGIN-----\n      isDefault: true\n      -----END-----\n"
#define KEYS	  PEM("cert") PEM("key") PEM("ca")

static const char two_nodes[] = "version: \"3.0\"\n"
				"# a remark\n"
				"nodes:\n"
				"  one: # the first\n"
				"    # inner remark\n"
				"    address: \"host-1:50051\"\n"
				"    isDefault: true\n" KEYS "  two:\n"
				"    address: \"[::1]:50051\"\n"
				"    nodeId: n2\n" KEYS;

static const char *parse(const char *text)
{
	static struct err e;
	cleanup_config struct config *c = NULL;

	e = (struct err){0};
	return config_parse("f", text, strlen(text), &c, &e) < 0 ? e.msg : "ok";
}

static void test_parse(void)
{
	cleanup_config struct config *c = NULL;
	struct err e = {0};

	if (!test_is_int(config_parse("f", two_nodes, strlen(two_nodes), &c, &e), 0, "two nodes"))
		return;
	test_is_int(c->count, 2, "both are there");
	test_is_str(c->nodes[1].node_id, "n2", "with their keys");
	test_ok(c->nodes[0].is_default && !c->nodes[1].is_default, "one is the default");
	test_is_str(c->nodes[0].cert, "-----BEGIN-----\nisDefault: true\n-----END-----\n",
		    "PEM as it stands");
}

static void test_refused(void)
{
	test_is_str(parse("nodes:\n  a:\n    adress: x\n" KEYS),
		    "f:3: unknown key adress (did you mean address?)", "an unknown key");
	test_is_str(parse("node: 1\n"), "f:1: unknown key node (did you mean nodes?)",
		    "an unknown key at the top");
	test_is_str(parse("nodes:\n  a:\n    address: [1]\n" KEYS), "f:3: address must be a text",
		    "a wrong type");
	test_is_str(parse("nodes:\n  a:\n    address: x\n    address: y\n" KEYS),
		    "f:4: the key \"nodes.a.address\" is there twice, first in line 3", "a key twice");
	test_is_str(parse("nodes:\n  a:\n    isDefault: perhaps\n"), "f:3: isDefault must be true or false",
		    "a wrong truth");
	test_is_str(parse("nodes:\n  a: 5\n"), "f:2: node a must be a block of keys", "a node that is none");
	test_is_str(parse("nodes:\n  a:\n    address: x\n"), "f:2: node a needs cert, key and ca",
		    "keys missing");
	test_is_str(parse("nodes: {}\n"), "f: no node in it", "no node");
	test_is_str(parse(""), "f: version and nodes are wanted", "empty");
	test_is_str(parse("version: \"2.0\"\nnodes:\n  a:\n    address: x\n" KEYS),
		    "f: version 2.0 is not known (3.0)", "an old version");
	test_ok(str_starts(parse("a: [\n"), "f:2:"), "no YAML: %s", parse("a: [\n"));
	test_is_str(parse("nodes:\n  a:\n    address: x\n    isDefault: true\n" KEYS
			  "  b:\n    address: x\n    isDefault: true\n" KEYS),
		    "f: isDefault is true at 2 nodes", "two defaults");
}

static void test_pick(void)
{
	cleanup_config struct config *c = NULL;
	const struct config_node *n = NULL;
	struct err e = {0};

	if (config_parse("f", two_nodes, strlen(two_nodes), &c, &e) < 0)
		return;
	test_ok(config_pick(c, NULL, &n, &e) == 0 && str_eq(n->name, "one"), "the default");
	test_ok(config_pick(c, "two", &n, &e) == 0 && str_eq(n->name, "two"), "by name");
	test_is_int(config_pick(c, "three", &n, &e), -ENOENT, "an unknown name");
	test_is_str(e.msg, "f: no node three (there is one, two)", "says which there are");
	c->nodes[0].is_default = false;
	test_is_int(config_pick(c, NULL, &n, &e), -ENOENT, "no default among two");
	c->count = 1;
	test_ok(config_pick(c, NULL, &n, &e) == 0 && str_eq(n->name, "one"), "the only one");
	c->count = 2;
}

static void test_default(void)
{
	cleanup_config struct config *c = NULL;
	cleanup_config struct config *after = NULL;
	cleanup_free char *text = NULL;
	cleanup_free char *back = NULL;
	struct err e = {0};

	if (config_parse("f", two_nodes, strlen(two_nodes), &c, &e) < 0)
		return;
	if (!test_is_int(config_with_default(c, "two", two_nodes, &text, &e), 0, "the default moves: %s",
			 e.msg))
		return;
	test_ok(strstr(text, "# inner remark") && strstr(text, "  two:\n    isDefault: true\n    address"),
		"remarks stay");
	if (!test_is_int(config_parse("f", text, strlen(text), &after, &e), 0, "the new text is one"))
		return;
	test_ok(!after->nodes[0].is_default && after->nodes[1].is_default, "as wanted");
	test_is_int(config_with_default(after, "one", text, &back, &e), 0, "and back");
	test_ok(strstr(back, "isDefault: true\n    cert") && strstr(back, "two:\n    isDefault: false\n"),
		"both lines changed");

	static const char flow[] =
	    "nodes: {a: {address: x, cert: c, key: k, ca: c}, b: {address: x, cert: c, key: k, ca: c}}\n";
	cleanup_config struct config *f = NULL;
	cleanup_free char *none = NULL;
	if (!test_is_int(config_parse("f", flow, strlen(flow), &f, &e), 0, "all in one line"))
		return;
	test_is_int(config_with_default(f, "b", flow, &none, &e), -EINVAL, "cannot be changed");
}

static void test_file(void)
{
	cleanup_config struct config *c = NULL;
	char hint[CONFIG_HINT_MAX];
	char path[256];
	struct err e = {0};

	test_path(path, "rnx-config.yml");
	test_is_int(file_replace(AT_FDCWD, path, two_nodes, strlen(two_nodes), 0644, FILE_NOSYNC, &e), 0,
		    "a file");
	chmod(path, 0640);
	test_is_int(config_load(path, &c, hint, &e), -EPERM, "refused when the group can read it");
	test_ok(str_starts(hint, "chmod 600 /"), "with the command that mends it");
	chmod(path, 0600);
	test_is_int(config_load(path, &c, hint, &e), 0, "read when it cannot");
	test_is_int(config_load(test_dir(), &c, hint, &e), -EINVAL, "no directory");
	test_is_int(config_load("/nonexistent/x", &c, hint, &e), -ENOENT, "not there");
}

int main(void)
{
	test_begin();
	test_parse();
	test_refused();
	test_pick();
	test_default();
	test_file();
	return test_end();
}
