// SPDX-License-Identifier: Apache-2.0
// YAML to a tree, from libyaml's events. Makes no system call; the text is an operator's or a user's own, but
// a damaged or hostile one must do no harm either.
#include "lib/conf/conf.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/str.h"

// Nodes are all of one document's and go together: a chain, newest first.
struct owned {
	struct owned *older;
	char *key, *text;
	struct conf_node node;
};

struct conf_doc {
	struct owned *newest;
	size_t count;
};

// Where the reader is: the blocks and lists that are open, and in each the last member.
struct level {
	struct conf_node *holder, *last;
	char *key; // of the value to come, in a block
	unsigned key_line;
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct conf_doc *doc;
	struct conf_node *root;
	struct level levels[CONF_DEPTH_MAX + 1];
	size_t depth;
	bool ended;
	struct err *e;
};

static unsigned line_of(const yaml_event_t *ev)
{
	return (unsigned)ev->start_mark.line + 1;
}

#define refuse(r, line, ...)                                                                                 \
	({                                                                                                   \
		err_set_text((r)->e, __VA_ARGS__);                                                           \
		err_wrap_text((r)->e, "%s:%u", (r)->file, (line));                                           \
		-EINVAL;                                                                                     \
	})

static struct level *inner(struct reader *r)
{
	return r->depth ? &r->levels[r->depth - 1] : NULL;
}

static const struct conf_node *find(const struct conf_node *block, const char *key)
{
	conf_for_each(n, block) if (str_eq(n->key, key)) return n;
	return NULL;
}

// A scalar that stands where a key does.
static int take_key(struct reader *r, const yaml_event_t *ev)
{
	struct level *l = inner(r);
	const char *key = (const char *)ev->data.scalar.value;

	if (strlen(key) != ev->data.scalar.length || !key[0])
		return refuse(r, line_of(ev), "a key must be a text");
	if (str_eq(key, "<<"))
		return refuse(r, line_of(ev), "merging blocks (<<) is not supported");
	const struct conf_node *other = find(l->holder, key);
	if (other) {
		char path[CONF_PATH_MAX];
		conf_path(other, path);
		return refuse(r, line_of(ev), "the key \"%s\" is there twice, first in line %u", path,
			      other->line);
	}
	l->key = xstrdup(key);
	l->key_line = line_of(ev);
	return 0;
}

static int add(struct reader *r, const yaml_event_t *ev, enum conf_type type, struct conf_node **out)
{
	struct level *l = inner(r);

	if (r->doc->count++ >= CONF_NODES_MAX)
		return refuse(r, line_of(ev), "more than %d values", CONF_NODES_MAX);
	struct owned *o = xcalloc(1, sizeof(*o));
	o->older = r->doc->newest;
	r->doc->newest = o;
	struct conf_node *n = &o->node;
	n->type = type;
	n->file = r->file;
	n->line = line_of(ev);
	if (!l) {
		r->root = n;
	} else {
		if (l->key) {
			n->line = l->key_line;
			n->key = o->key = take_ptr(l->key);
		}
		n->parent = l->holder;
		*(l->last ? &l->last->next : &l->holder->first) = n;
		l->last = n;
		l->holder->count++;
	}
	if (type == CONF_TEXT) {
		n->text = o->text = xstrndup((const char *)ev->data.scalar.value, ev->data.scalar.length);
		n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	}
	*out = n;
	return 0;
}

static int open_holder(struct reader *r, const yaml_event_t *ev, enum conf_type type)
{
	struct conf_node *n;

	if (r->depth == CONF_DEPTH_MAX)
		return refuse(r, line_of(ev), "more than %d levels of blocks and lists", CONF_DEPTH_MAX);
	int rc = add(r, ev, type, &n);
	if (rc == 0)
		r->levels[r->depth++] = (struct level){.holder = n};
	return rc;
}

static bool wants_key(struct reader *r)
{
	const struct level *l = inner(r);
	return l && l->holder->type == CONF_BLOCK && !l->key;
}

static int take_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct conf_node *n;

	if (ev->data.scalar.anchor || ev->data.scalar.tag)
		return refuse(r, line_of(ev), "anchors and tags are not supported");
	if (memchr(ev->data.scalar.value, '\0', ev->data.scalar.length))
		return refuse(r, line_of(ev), "a NUL in a text");
	return wants_key(r) ? take_key(r, ev) : add(r, ev, CONF_TEXT, &n);
}

static int take_event(struct reader *r, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT: return r->root ? refuse(r, line_of(ev), "a second document") : 0;
	case YAML_STREAM_END_EVENT: r->ended = true; return 0;
	case YAML_ALIAS_EVENT: return refuse(r, line_of(ev), "aliases (*name) are not supported");
	case YAML_SCALAR_EVENT: return take_scalar(r, ev);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT: {
		bool is_block = ev->type == YAML_MAPPING_START_EVENT;
		if (is_block ? ev->data.mapping_start.anchor || ev->data.mapping_start.tag
			     : ev->data.sequence_start.anchor || ev->data.sequence_start.tag)
			return refuse(r, line_of(ev), "anchors and tags are not supported");
		if (wants_key(r))
			return refuse(r, line_of(ev), "a key must be a text");
		return open_holder(r, ev, is_block ? CONF_BLOCK : CONF_LIST);
	}
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT: r->depth--; return 0;
	default: return 0;
	}
}

static int read_all(struct reader *r)
{
	int rc = 0;

	while (rc == 0 && !r->ended) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&r->parser, &ev))
			return refuse(r, (unsigned)r->parser.problem_mark.line + 1, "not YAML: %s",
				      r->parser.problem ? r->parser.problem : "out of place");
		rc = take_event(r, &ev);
		yaml_event_delete(&ev);
	}
	return rc;
}

// A file of remarks only has no document, or one empty text.
static int finish(struct reader *r)
{
	if (!r->root) {
		struct owned *o = xcalloc(1, sizeof(*o));
		o->older = r->doc->newest;
		r->doc->newest = o;
		r->root = &o->node;
		*r->root = (struct conf_node){.type = CONF_BLOCK, .file = r->file, .line = 1};
	} else if (conf_is_empty(r->root)) {
		r->root->type = CONF_BLOCK;
	}
	if (r->root->type != CONF_BLOCK)
		return refuse(r, r->root->line, "the file must hold keys, not a %s",
			      r->root->type == CONF_LIST ? "list" : "value");
	return 0;
}

int conf_parse(const char *file, const char *text, size_t len, struct conf_doc **doc,
	       const struct conf_node **root, struct err *e)
{
	struct reader r = {.file = file, .e = e, .doc = xcalloc(1, sizeof(*r.doc))};

	if (!yaml_parser_initialize(&r.parser))
		abort();
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	int rc = read_all(&r);
	yaml_parser_delete(&r.parser);
	for (size_t i = 0; i < ARRAY_LEN(r.levels); i++)
		free(r.levels[i].key);
	if (rc == 0)
		rc = finish(&r);
	if (rc < 0) {
		conf_free(r.doc);
		return rc;
	}
	*doc = r.doc;
	*root = r.root;
	return 0;
}

void conf_free(struct conf_doc *doc)
{
	if (!doc)
		return;
	for (struct owned *o = doc->newest, *older; o; o = older) {
		older = o->older;
		if (o->text)
			explicit_bzero(o->text, strlen(o->text));
		free(o->text);
		free(o->key);
		free(o);
	}
	free(doc);
}

const struct conf_node *conf_get(const struct conf_node *block, const char *key)
{
	return block && block->type == CONF_BLOCK ? find(block, key) : NULL;
}

void conf_path(const struct conf_node *n, char out[CONF_PATH_MAX])
{
	const struct conf_node *chain[CONF_DEPTH_MAX + 2];
	size_t depth = 0, len = 0;

	for (; n && n->parent && depth < ARRAY_LEN(chain); n = n->parent)
		chain[depth++] = n;
	out[0] = '\0';
	while (depth-- > 0 && len < CONF_PATH_MAX - 1) {
		// analyzed: below depth all of chain is set
		const struct conf_node *at = chain[depth];
		int wrote;
		if (at->key) {
			wrote = snprintf(out + len, CONF_PATH_MAX - len, "%s%s", len ? "." : "", at->key);
		} else {
			size_t index = 0;
			for (const struct conf_node *it = at->parent->first; it != at; it = it->next)
				index++;
			wrote = snprintf(out + len, CONF_PATH_MAX - len, "[%zu]", index);
		}
		len += (size_t)wrote;
	}
}

bool conf_is_empty(const struct conf_node *n)
{
	return n->type == CONF_TEXT && n->plain &&
	       (!n->text[0] || str_eq(n->text, "~") || str_eq(n->text, "null"));
}

int conf_to_bool(const struct conf_node *n, bool *out)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};

	if (n->type != CONF_TEXT || !n->plain)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq(n->text, yes[i]) || str_eq(n->text, no[i])) {
			*out = str_eq(n->text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}
