// SPDX-License-Identifier: Apache-2.0
// Fuzzes the JSON reader and writer: whatever is accepted, written and read again, must be written the same.
#include "json.h"
#include "str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_node(struct json_out *o, const struct json *n)
{
	char path[64];
	json_path(n, path, sizeof(path));
	switch (n->type) {
	case JSON_NULL: json_put_null(o); break;
	case JSON_BOOL: json_put_bool(o, n->b); break;
	case JSON_INT:
		if (n->is_big)
			json_put_u64(o, n->u);
		else
			json_put_i64(o, n->i);
		break;
	case JSON_DOUBLE: json_put_str(o, "double"); break; // 1e400 and 1.0 have other spellings
	case JSON_STRING: json_put_str(o, n->s); break;
	case JSON_ARRAY:
		json_open_arr(o);
		json_for_each(it, n) write_node(o, it);
		json_close_arr(o);
		break;
	case JSON_OBJECT:
		json_open_obj(o);
		json_for_each(it, n)
		{
			json_key(o, it->key);
			write_node(o, it);
		}
		json_close_obj(o);
		break;
	}
}

static bool round_trip(const char *text, size_t len, struct buf *out)
{
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root;
	struct json_out o;
	struct err e = {0};

	if (json_parse(text, len, 1 << 20, &doc, &root, &e) < 0)
		return false;
	json_out_begin(&o, out, false);
	write_node(&o, root);
	return json_out_end(&o) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf first = {0};
	cleanup_buf struct buf second = {0};

	if (!round_trip((const char *)data, size, &first))
		return 0;
	if (!round_trip(first.data, first.len, &second) || !str_eq(first.data, second.data))
		abort();
	return 0;
}
