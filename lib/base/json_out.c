// SPDX-License-Identifier: Apache-2.0
// Writing JSON into a buffer. Needs libc only, so that a program can write JSON without linking a parser.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "str.h"

static void put(struct json_out *o, const char *s, size_t len)
{
	if (o->rc == 0)
		o->rc = buf_add(o->buf, s, len);
}

static void put_text(struct json_out *o, const char *s)
{
	put(o, s, strlen(s));
}

static void new_line(struct json_out *o)
{
	if (!o->pretty)
		return;
	put_text(o, "\n");
	for (unsigned i = 0; i < o->depth; i++)
		put_text(o, "  ");
}

// What stands before every value and key.
static void separate(struct json_out *o)
{
	if (o->after_key) {
		o->after_key = false;
		return;
	}
	if (!o->depth)
		return;
	if (o->not_first[o->depth])
		put_text(o, ",");
	o->not_first[o->depth] = true;
	new_line(o);
}

void json_out_begin(struct json_out *o, struct buf *buf, bool pretty)
{
	*o = (struct json_out){.buf = buf, .pretty = pretty};
}

int json_out_end(struct json_out *o)
{
	if (o->rc == 0 && (o->depth || o->after_key))
		o->rc = -EINVAL;
	if (o->rc == 0 && o->pretty)
		put_text(o, "\n");
	return o->rc;
}

static void open_with(struct json_out *o, const char *bracket)
{
	separate(o);
	put_text(o, bracket);
	if (o->depth == JSON_DEPTH_MAX) {
		if (o->rc == 0)
			o->rc = -EOVERFLOW;
		return;
	}
	o->not_first[++o->depth] = false;
}

static void close_with(struct json_out *o, const char *bracket)
{
	if (!o->depth || o->after_key) {
		if (o->rc == 0)
			o->rc = -EINVAL;
		return;
	}
	bool is_empty = !o->not_first[o->depth];
	o->depth--;
	if (!is_empty)
		new_line(o);
	put_text(o, bracket);
}

void json_open_obj(struct json_out *o)
{
	open_with(o, "{");
}

void json_close_obj(struct json_out *o)
{
	close_with(o, "}");
}

void json_open_arr(struct json_out *o)
{
	open_with(o, "[");
}

void json_close_arr(struct json_out *o)
{
	close_with(o, "]");
}

// The length of the valid UTF-8 sequence at s, 0 when there is none.
static size_t sequence(const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n <= len && str_is_utf8(s, n) ? n : 0;
}

static void put_escaped(struct json_out *o, unsigned char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *at = c ? strchr(plain, c) : NULL;
	char tmp[8];

	if (at)
		snprintf(tmp, sizeof(tmp), "\\%c", letters[at - plain]);
	else
		snprintf(tmp, sizeof(tmp), "\\u%04x", c);
	put_text(o, tmp);
}

static void put_quoted(struct json_out *o, const char *s, size_t len)
{
	size_t i = 0;
	size_t run = 0; // first byte that is not written yet

	put_text(o, "\"");
	while (i < len) {
		unsigned char c = (unsigned char)s[i];
		size_t n = sequence(s + i, len - i);
		if (n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			i += n;
			continue;
		}
		put(o, s + run, i - run);
		if (n)
			put_escaped(o, c);
		else
			put_text(o, "\xef\xbf\xbd"); // U+FFFD
		run = ++i;
	}
	put(o, s + run, len - run);
	put_text(o, "\"");
}

void json_key(struct json_out *o, const char *key)
{
	separate(o);
	put_quoted(o, key, strlen(key));
	put_text(o, o->pretty ? ": " : ":");
	o->after_key = true;
}

void json_put_strn(struct json_out *o, const char *s, size_t len)
{
	separate(o);
	put_quoted(o, s, len);
}

void json_put_str(struct json_out *o, const char *s)
{
	if (s)
		json_put_strn(o, s, strlen(s));
	else
		json_put_null(o);
}

void json_put_i64(struct json_out *o, int64_t v)
{
	char tmp[32];

	separate(o);
	snprintf(tmp, sizeof(tmp), "%" PRId64, v);
	put_text(o, tmp);
}

void json_put_u64(struct json_out *o, uint64_t v)
{
	char tmp[32];

	separate(o);
	snprintf(tmp, sizeof(tmp), "%" PRIu64, v);
	put_text(o, tmp);
}

void json_put_double(struct json_out *o, double v)
{
	char tmp[40] = "null"; // JSON has no word for infinity and not-a-number

	separate(o);
	for (int digits = 15; v - v == 0 && digits <= 17; digits++) { // the shortest that reads back the same
		snprintf(tmp, sizeof(tmp), "%.*g", digits, v);
		double back = strtod(tmp, NULL);
		if (!(back < v) && !(back > v))
			break;
	}
	put_text(o, tmp);
}

void json_put_bool(struct json_out *o, bool v)
{
	separate(o);
	put_text(o, v ? "true" : "false");
}

void json_put_null(struct json_out *o)
{
	separate(o);
	put_text(o, "null");
}

static void put_members(struct json_out *o, const struct json *value)
{
	for (const struct json *it = value->first; it; it = it->next) {
		if (it->key)
			json_key(o, it->key);
		json_put(o, it);
	}
}

void json_put(struct json_out *o, const struct json *value)
{
	switch (value->type) {
	case JSON_NULL: json_put_null(o); break;
	case JSON_BOOL: json_put_bool(o, value->b); break;
	case JSON_INT: value->is_big ? json_put_u64(o, value->u) : json_put_i64(o, value->i); break;
	case JSON_DOUBLE: json_put_double(o, value->d); break;
	case JSON_STRING: json_put_str(o, value->s); break;
	case JSON_ARRAY:
		json_open_arr(o);
		put_members(o, value);
		json_close_arr(o);
		break;
	case JSON_OBJECT:
		json_open_obj(o);
		put_members(o, value);
		json_close_obj(o);
		break;
	}
}

void json_put_merged(struct json_out *o, const struct json *old, const struct json *new)
{
	json_open_obj(o);
	json_for_each(it, old)
	{
		const struct json *other = json_get(new, it->key);
		json_key(o, it->key);
		if (other && other->type == JSON_OBJECT && it->type == JSON_OBJECT)
			json_put_merged(o, it, other);
		else
			json_put(o, other ? other : it);
	}
	json_for_each(it, new)
	{
		if (it->type == JSON_NULL || json_get(old, it->key))
			continue;
		json_key(o, it->key);
		json_put(o, it);
	}
	json_close_obj(o);
}

void json_kv_str(struct json_out *o, const char *key, const char *s)
{
	json_key(o, key);
	json_put_str(o, s);
}

void json_kv_i64(struct json_out *o, const char *key, int64_t v)
{
	json_key(o, key);
	json_put_i64(o, v);
}

void json_kv_bool(struct json_out *o, const char *key, bool v)
{
	json_key(o, key);
	json_put_bool(o, v);
}
