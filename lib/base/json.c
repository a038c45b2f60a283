// SPDX-License-Identifier: Apache-2.0
// Reading JSON: yajl finds the tokens, this file builds the tree and sets the limits. Nothing else of the
// project calls yajl. All nodes and strings of a text stand in the arena of its document and go with it.
#include <errno.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "json.h"
#include "str.h"

#define CHUNK_SIZE 16384

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	_Alignas(max_align_t) char data[];
};

struct json_doc {
	struct chunk *chunks;
};

static void *arena_alloc(struct json_doc *doc, size_t n)
{
	struct chunk *c = doc->chunks;

	n = (n + 15) & ~(size_t)15;
	if (!c || c->size - c->used < n) {
		size_t size = n > CHUNK_SIZE ? n : CHUNK_SIZE;
		c = xmalloc(sizeof(*c) + size);
		c->size = size;
		c->used = 0;
		c->next = doc->chunks;
		doc->chunks = c;
	}
	void *p = c->data + c->used;
	c->used += n;
	return p;
}

static char *arena_string(struct json_doc *doc, const void *s, size_t len)
{
	char *copy = arena_alloc(doc, len + 1);

	if (len)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void json_free(struct json_doc *doc)
{
	if (!doc)
		return;
	while (doc->chunks) {
		struct chunk *c = doc->chunks;
		doc->chunks = c->next;
		free(c);
	}
	free(doc);
}

struct parser {
	struct json_doc *doc;
	struct json *root;
	struct {
		struct json *node;
		struct json *last;
	} open[JSON_DEPTH_MAX];
	unsigned depth;
	const char *key;
	const char *refused; // why a callback stopped the parse
	char refused_text[160];
};

static int refuse(struct parser *p, const char *why)
{
	p->refused = why;
	return 0;
}

static struct json *add_node(struct parser *p, enum json_type type)
{
	struct json *n = arena_alloc(p->doc, sizeof(*n));

	memset(n, 0, sizeof(*n));
	n->type = type;
	if (!p->depth) {
		p->root = n;
		return n;
	}
	struct json *parent = p->open[p->depth - 1].node;
	struct json **last = &p->open[p->depth - 1].last;
	n->parent = parent;
	n->key = take_ptr(p->key);
	if (*last)
		(*last)->next = n;
	else
		parent->first = n;
	*last = n;
	parent->count++;
	return n;
}

static int on_null(void *ctx)
{
	add_node(ctx, JSON_NULL);
	return 1;
}

static int on_bool(void *ctx, int value)
{
	add_node(ctx, JSON_BOOL)->b = value;
	return 1;
}

static int on_double(struct parser *p, const char *text)
{
	char *end;
	double d = strtod(text, &end);

	if (*end)
		return refuse(p, "a number that cannot be read");
	if (d - d != 0) // infinity
		return refuse(p, "a number that is too large");
	add_node(p, JSON_DOUBLE)->d = d;
	return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct parser *p = ctx;
	char copy[64];
	int64_t i;
	uint64_t u;

	if (len >= sizeof(copy))
		return refuse(p, "a number with too many digits");
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strpbrk(copy, ".eE"))
		return on_double(p, copy);
	if (str_to_i64(copy, INT64_MIN, INT64_MAX, &i) == 0) {
		add_node(p, JSON_INT)->i = i;
		return 1;
	}
	if (str_to_u64(copy, UINT64_MAX, &u) < 0)
		return refuse(p, "an integer that does not fit in 64 bits");
	struct json *n = add_node(p, JSON_INT);
	n->is_big = true;
	n->u = u;
	return 1;
}

// yajl lets \u0000 and halves of surrogate pairs through.
static int check_string(struct parser *p, const unsigned char *s, size_t len)
{
	if (memchr(s, '\0', len))
		return refuse(p, "a NUL in a string");
	if (!str_is_utf8((const char *)s, len))
		return refuse(p, "a string that is not UTF-8");
	return 1;
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct parser *p = ctx;

	if (!check_string(p, s, len))
		return 0;
	const char *copy = arena_string(p->doc, s, len);
	add_node(p, JSON_STRING)->s = copy;
	return 1;
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct parser *p = ctx;

	if (!check_string(p, s, len))
		return 0;
	p->key = arena_string(p->doc, s, len);
	return 1;
}

static int open_container(struct parser *p, enum json_type type)
{
	if (p->depth == JSON_DEPTH_MAX)
		return refuse(p, "more than 32 levels");
	struct json *n = add_node(p, type);
	p->open[p->depth].node = n;
	p->open[p->depth].last = NULL;
	p->depth++;
	return 1;
}

static int on_open_obj(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int on_open_arr(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static int on_close_arr(void *ctx)
{
	struct parser *p = ctx;

	p->depth--;
	return 1;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Sorted, because an object with a hundred thousand keys must not cost their square.
static const char *find_duplicate(const struct json *obj)
{
	if (obj->count < 2)
		return NULL;
	cleanup_free const char **keys = xmalloc(obj->count * sizeof(*keys));
	size_t n = 0;
	json_for_each(member, obj) keys[n++] = member->key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++)
		if (strcmp(keys[i - 1], keys[i]) == 0)
			return keys[i];
	return NULL;
}

static int on_close_obj(void *ctx)
{
	struct parser *p = ctx;
	const char *twice = find_duplicate(p->open[p->depth - 1].node);

	if (twice) {
		snprintf(p->refused_text, sizeof(p->refused_text), "the key \"%.100s\" twice in one object",
			 twice);
		return refuse(p, p->refused_text);
	}
	p->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_open_obj,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close_obj,
    .yajl_start_array = on_open_arr,
    .yajl_end_array = on_close_arr,
};

static int hex4(const char *s, const char *end)
{
	int v = 0;

	if (end - s < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *d = s[i] ? strchr(digits, s[i] >= 'A' && s[i] <= 'F' ? s[i] | 0x20 : s[i]) : NULL;
		if (!d)
			return -1;
		v = v << 4 | (int)(d - digits);
	}
	return v;
}

// yajl writes `?` for half a surrogate pair: two texts that differ would read the same. The place of the
// first one, or NULL.
static const char *find_lone_surrogate(const char *text, size_t len)
{
	const char *end = text + len;

	for (const char *s = text; (s = memchr(s, '\\', (size_t)(end - s))) != NULL;) {
		int first = s + 1 < end && s[1] == 'u' ? hex4(s + 2, end) : -1;
		if (first < 0xd800 || first > 0xdfff) {
			s += end - s >= 2 ? 2 : 1;
			continue;
		}
		int second = end - s >= 12 && s[6] == '\\' && s[7] == 'u' ? hex4(s + 8, end) : -1;
		if (first >= 0xdc00 || second < 0xdc00 || second > 0xdfff)
			return s;
		s += 12;
	}
	return NULL;
}

static int fail_at(struct err *e, const char *text, size_t offset, const char *why)
{
	size_t line = 1;
	size_t column = 1;

	for (size_t i = 0; i < offset; i++) {
		column++;
		if (text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return err_set(e, -EINVAL, "JSON line %zu column %zu: %s", line, column, why);
}

// yajl's own words are an English line with a line feed, in memory of its own.
static int fail_yajl(struct err *e, yajl_handle y, const struct parser *p, const char *text, size_t len)
{
	size_t offset = yajl_get_bytes_consumed(y);

	if (offset > len)
		offset = len;
	if (p->refused)
		return fail_at(e, text, offset, p->refused);
	unsigned char *why = yajl_get_error(y, 0, NULL, 0);
	why[strcspn((char *)why, "\n")] = '\0';
	int rc = fail_at(e, text, offset, (char *)why);
	yajl_free_error(y, why);
	return rc;
}

int json_parse(const char *text, size_t len, size_t max, struct json_doc **doc, const struct json **root,
	       struct err *e)
{
	if (len > max)
		return err_set(e, -EFBIG, "JSON of %zu bytes, %zu are allowed", len, max);
	if (!str_is_utf8(text, len))
		return err_set(e, -EINVAL, "JSON that is not UTF-8");
	const char *lone = find_lone_surrogate(text, len);
	if (lone)
		return fail_at(e, text, (size_t)(lone - text), "half of a surrogate pair");

	cleanup_json struct json_doc *d = xcalloc(1, sizeof(*d));
	struct parser p = {.doc = d};
	yajl_handle y = yajl_alloc(&callbacks, NULL, &p);
	if (!y)
		abort();
	yajl_status status = yajl_parse(y, (const unsigned char *)text, len);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(y);
	int rc = 0;
	if (status != yajl_status_ok)
		rc = fail_yajl(e, y, &p, text, len);
	else if (!p.root)
		rc = err_set(e, -EINVAL, "JSON without a value");
	yajl_free(y);
	if (rc < 0)
		return rc;
	*doc = take_ptr(d);
	*root = p.root;
	return 0;
}
