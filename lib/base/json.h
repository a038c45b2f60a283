// SPDX-License-Identifier: Apache-2.0
// JSON: the one wrapper around yajl. Reading builds a tree from yajl's SAX events under hard limits; writing
// appends to a struct buf. Refused on reading: depth over 32, a key twice in one object, NUL in a string,
// invalid UTF-8, comments, anything behind the value, integers outside of int64 and uint64 (a value that does
// not fit never becomes a double silently).
#pragma once

#include "base.h"
#include "buf.h"
#include "err.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool is_big;	 // JSON_INT: the value is above INT64_MAX and stands in u
	const char *key; // name in the object that holds it, else NULL
	const struct json *parent;
	struct json *next; // next member or element
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		const char *s;
		struct {
			struct json *first;
			size_t count;
		};
	};
};

struct json_doc; // owns every node and string of one text

#define JSON_DEPTH_MAX 32

// Parses len bytes, at most max. On success *doc is the caller's (json_free) and *root its value. Errors name
// line and column.
int json_parse(const char *text, size_t len, size_t max, struct json_doc **doc, const struct json **root,
	       struct err *e) attr_must_check;
void json_free(struct json_doc *doc);
static inline void json_free_p(struct json_doc **doc)
{
	json_free(*doc);
}
#define cleanup_json __attribute__((cleanup(json_free_p)))

const struct json *json_get(const struct json *obj,
			    const char *key); // NULL when absent, null, or obj is NULL or no object
#define json_for_each(it, container)                                                                         \
	for (const struct json *it = (container) ? (container)->first : NULL; it; it = it->next)

// The dotted path of a node, `process.user.uid` or `mounts[3].type`, for messages.
void json_path(const struct json *node, char *out, size_t size);

// Typed reads of a member. Absent (or null): *out is left as it is and 0 returned. A wrong type or a number
// out of [min, max]: -EINVAL and a text that names the path, what was wanted and what is there. The strings
// belong to the document.
int json_read_str(const struct json *obj, const char *key, const char **out, struct err *e) attr_must_check;
int json_read_bool(const struct json *obj, const char *key, bool *out, struct err *e) attr_must_check;
int json_read_i64(const struct json *obj, const char *key, int64_t min, int64_t max, int64_t *out,
		  struct err *e) attr_must_check;
int json_read_u64(const struct json *obj, const char *key, uint64_t max, uint64_t *out,
		  struct err *e) attr_must_check;
int json_read_obj(const struct json *obj, const char *key, const struct json **out,
		  struct err *e) attr_must_check;
int json_read_arr(const struct json *obj, const char *key, const struct json **out,
		  struct err *e) attr_must_check;

// Writing. Commas, and indentation when pretty, are its own affair; the caller opens and closes. Invalid
// UTF-8 in a string is written as U+FFFD. An error (the buffer's ceiling) sticks and is returned by
// json_out_end.
struct json_out {
	struct buf *buf;
	bool pretty;
	int rc;
	unsigned depth;
	bool after_key;
	bool not_first[JSON_DEPTH_MAX + 1];
};

void json_out_begin(struct json_out *o, struct buf *buf, bool pretty);
int json_out_end(struct json_out *o) attr_must_check;
void json_open_obj(struct json_out *o);
void json_close_obj(struct json_out *o);
void json_open_arr(struct json_out *o);
void json_close_arr(struct json_out *o);
void json_key(struct json_out *o, const char *key);
void json_put_str(struct json_out *o, const char *s); // NULL writes null
void json_put_strn(struct json_out *o, const char *s, size_t len);
void json_put_i64(struct json_out *o, int64_t v);
void json_put_u64(struct json_out *o, uint64_t v);
void json_put_double(struct json_out *o, double v);
void json_put_bool(struct json_out *o, bool v);
void json_put_null(struct json_out *o);
void json_put(struct json_out *o, const struct json *value); // what was read
// The members of two objects. One that both have is the second's, or, when both are objects, again of both.
// old may be NULL.
void json_put_merged(struct json_out *o, const struct json *old, const struct json *new);
// key and value in one line
void json_kv_str(struct json_out *o, const char *key, const char *s);
void json_kv_i64(struct json_out *o, const char *key, int64_t v);
void json_kv_bool(struct json_out *o, const char *key, bool v);
