// SPDX-License-Identifier: Apache-2.0
// Moves isDefault from one node to another by changing single lines, so that comments and everything else in
// the file stay. What comes out is parsed again and compared before anybody uses it. Makes no system call.
#include <errno.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "rnx/config.h"

// Which node the line belongs to; NULL before the first.
static const struct config_node *node_at(const struct config *c, unsigned line)
{
	const struct config_node *found = NULL;

	for (size_t i = 0; i < c->count; i++)
		if (c->nodes[i].line <= line && (!found || c->nodes[i].line > found->line))
			found = &c->nodes[i];
	return found;
}

static int put_default(struct buf *out, const char *indent, size_t len, bool value)
{
	int rc = buf_add(out, indent, len);

	return rc < 0 ? rc : buf_printf(out, "isDefault: %s\n", value ? "true" : "false");
}

// Where the copying stands: the node, and how far its keys are indented. What is indented deeper is a text of
// several lines.
struct place {
	const struct config_node *node;
	size_t indent; // SIZE_MAX before the node's first key
};

static bool is_key_line(struct place *at, const struct config *c, unsigned line, const char *p, size_t len)
{
	const struct config_node *n = node_at(c, line);
	size_t indent = strspn(p, " ");

	if (n != at->node)
		*at = (struct place){.node = n, .indent = SIZE_MAX};
	if (!n || line == n->line || indent >= len || p[indent] == '#')
		return false;
	if (at->indent == SIZE_MAX)
		at->indent = indent;
	return indent == at->indent;
}

// Copies the text; the line `isDefault:` of a node gets its new value; with add the chosen node, which has
// none, gets one before its first key.
static int rewrite(const struct config *c, const char *name, const char *text, bool add, struct buf *out)
{
	struct place at = {.indent = SIZE_MAX};
	unsigned line = 1;
	int rc = 0;

	for (const char *p = text; *p && rc == 0; line++) {
		size_t len = strcspn(p, "\n");
		size_t whole = len + (p[len] == '\n');
		bool is_key = is_key_line(&at, c, line, p, len);
		bool is_chosen = at.node && str_eq(at.node->name, name);
		if (is_key && is_chosen && add) {
			rc = put_default(out, p, at.indent, true);
			add = false;
		}
		if (rc == 0 && is_key && str_starts(p + at.indent, "isDefault:"))
			rc = put_default(out, p, at.indent, is_chosen);
		else if (rc == 0)
			rc = buf_add(out, p, whole);
		p += whole;
	}
	return rc;
}

static bool is_as_wanted(const struct config *before, const struct config *after, const char *name)
{
	if (before->count != after->count)
		return false;
	for (size_t i = 0; i < before->count; i++) {
		const struct config_node *a = &before->nodes[i];
		const struct config_node *b = &after->nodes[i];
		if (!str_eq(a->name, b->name) || !str_eq(a->address, b->address) ||
		    !str_eq(a->node_id, b->node_id) || !str_eq(a->cert, b->cert) || !str_eq(a->key, b->key) ||
		    !str_eq(a->ca, b->ca) || b->is_default != str_eq(b->name, name))
			return false;
	}
	return true;
}

int config_with_default(const struct config *c, const char *name, const char *text, char **out, struct err *e)
{
	for (int add = 0; add < 2; add++) {
		cleanup_buf struct buf b = {0};
		cleanup_config struct config *after = NULL;
		int rc = rewrite(c, name, text, add, &b);
		if (rc < 0)
			return err_sys(e, rc, "%s", c->path);
		rc = config_parse(c->path, b.data ? b.data : "", b.len, &after, NULL);
		if (rc == 0 && is_as_wanted(c, after, name)) {
			*out = buf_take(&b);
			return 0;
		}
	}
	return err_set(e, -EINVAL, "%s: cannot be changed line by line: set isDefault by hand", c->path);
}
