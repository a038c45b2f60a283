// SPDX-License-Identifier: Apache-2.0
// Configuration files: one YAML document as a tree whose every node knows its line. A wrapper around libyaml
// that takes the plain part of YAML: blocks, lists and texts. Refused: anchors, aliases, tags, merge keys, a
// second document, a key twice in one block, a key that is no text, NUL, more than CONF_DEPTH_MAX levels or
// CONF_NODES_MAX nodes. What a text means (a number, a truth) is the reader's affair.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

#define CONF_DEPTH_MAX 8
#define CONF_NODES_MAX 20000

enum conf_type { CONF_TEXT, CONF_BLOCK, CONF_LIST };

struct conf_node {
	enum conf_type type;
	const char *key;  // name in the block that holds it, else NULL
	const char *text; // CONF_TEXT: the value; "" when nothing stands behind the key
	unsigned line;	  // where the key stands; of an element or the document, where it begins
	bool plain;	  // CONF_TEXT: written without quotes, so that an empty one may stand for nothing
	const struct conf_node *parent;
	struct conf_node *next, *first; // sibling; first member or element
	size_t count;			// of members or elements
	const char *file;		// for messages
};

struct conf_doc; // owns every node and text

// file is for messages only and must outlive the document. An empty text is an empty block. On success *doc
// is the caller's and *root its block; -EINVAL with `file:line:` otherwise.
int conf_parse(const char *file, const char *text, size_t len, struct conf_doc **doc,
	       const struct conf_node **root, struct err *e) attr_must_check;
void conf_free(struct conf_doc *doc); // overwrites the texts: there are private keys among them
static inline void conf_free_p(struct conf_doc **doc)
{
	conf_free(*doc);
}
#define cleanup_conf __attribute__((cleanup(conf_free_p)))

const struct conf_node *conf_get(const struct conf_node *block, const char *key); // NULL when it is not there
#define conf_for_each(it, holder) for (const struct conf_node *it = (holder)->first; it; it = it->next)

// The dotted path of a node, `server.port` or `logging.outputs[1].type`. Too long a one is cut.
#define CONF_PATH_MAX 256
void conf_path(const struct conf_node *n, char out[CONF_PATH_MAX]);

// Nothing stands behind the key, or null.
bool conf_is_empty(const struct conf_node *n);
// true, yes, on and their contraries. 0 or -EINVAL.
int conf_to_bool(const struct conf_node *n, bool *out) attr_must_check;

// Sets `file:line: <text>` and is -EINVAL.
#define conf_wrong(n, e, ...)                                                                                \
	({                                                                                                   \
		err_set_text((e), __VA_ARGS__);                                                              \
		err_wrap_text((e), "%s:%u", (n)->file, (n)->line);                                           \
		-EINVAL;                                                                                     \
	})
