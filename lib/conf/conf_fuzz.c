// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of configuration files: whatever the bytes, it ends, and every node can be named.
#include "lib/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void visit(const struct conf_node *n)
{
	char path[CONF_PATH_MAX];
	bool truth;

	conf_path(n, path);
	if (conf_to_bool(n, &truth) == 0 && n->type != CONF_TEXT)
		abort();
	conf_for_each(it, n) visit(it);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_conf struct conf_doc *doc = NULL;
	const struct conf_node *root;
	struct err e = {0};

	if (conf_parse("f", (const char *)data, size, &doc, &root, &e) == 0)
		visit(root);
	else if (!e.msg[0])
		abort();
	return 0;
}
