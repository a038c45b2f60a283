// SPDX-License-Identifier: Apache-2.0
// Fuzzes rnx-config.yml, and the change of its default node: the text that comes out says what was asked for.
#include <string.h>

#include "lib/base/str.h"
#include "rnx/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void choose(const struct config *c, const char *text)
{
	const char *name = c->nodes[c->count - 1].name;
	cleanup_config struct config *changed = NULL;
	const struct config_node *node = NULL;
	cleanup_free char *out = NULL;
	struct err e = {0};

	if (config_with_default(c, name, text, &out, &e))
		return;
	if (config_parse("f.yml", out, strlen(out), &changed, &e) || config_pick(changed, NULL, &node, &e) ||
	    !str_eq(node->name, name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_config struct config *c = NULL;
	struct err e = {0};

	if (config_parse("f.yml", text, strlen(text), &c, &e)) {
		if (!str_starts(e.msg, "f.yml"))
			abort();
		return 0;
	}
	for (size_t i = 0; i < c->count; i++)
		if (!c->nodes[i].name || !c->nodes[i].address || !c->nodes[i].cert || !c->nodes[i].key ||
		    !c->nodes[i].ca)
			abort();
	if (c->count)
		choose(c, text);
	return 0;
}
