// SPDX-License-Identifier: Apache-2.0
// Tests of JSON, read and written.
#include "json.h"
#include "str.h"
#include "test.h"

#define MAX (1 << 20)

static int parse(const char *text, struct json_doc **doc, const struct json **root, struct err *e)
{
	*doc = NULL;
	*root = NULL;
	return json_parse(text, strlen(text), MAX, doc, root, e);
}

static void test_refused(void)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
	    {"", "JSON"},
	    {"  \n ", "JSON"},
	    {"{", "premature EOF"},
	    {"{\"a\":1,}", ""},
	    {"[1 2]", ""},
	    {"{} {}", "trailing garbage"},
	    {"{}x", ""},
	    {"// c\n{}", ""},
	    {"/* c */{}", ""},
	    {"{\"a\":1,\"b\":2,\"a\":3}", "\"a\" twice"},
	    {"{\"x\":{\"k\":1,\"\\u006b\":2}}", "\"k\" twice"},
	    {"\"a\\u0000b\"", "NUL"},
	    {"{\"a\\u0000\":1}", "NUL"},
	    {"\"\xff\"", "UTF-8"},
	    {"\"\xc0\xaf\"", "UTF-8"},
	    {"\"\\ud800\"", "surrogate"},
	    {"\"\\ud800\\u0041\"", "surrogate"},
	    {"\"\\udc00\"", "surrogate"},
	    {"18446744073709551616", "64 bits"},
	    {"-9223372036854775809", "64 bits"},
	    {"1e999", "too large"},
	    {"01", ""},
	    {"+1", ""},
	    {".5", ""},
	    {"1.", ""},
	    {"NaN", ""},
	    {"Infinity", ""},
	    {"'a'", ""},
	    {"\"a\nb\"", ""},
	    {"\"\\x41\"", ""},
	    {"{a:1}", ""},
	    {"{1:1}", ""},
	    {"[,]", ""},
	    {"nul", ""},
	    {"1111111111111111111111111111111111111111111111111111111111111111111111", "digits"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_doc *doc;
		const struct json *root;
		struct err e = {0};
		int rc = parse(rows[i].text, &doc, &root, &e);
		if (!test_ok(rc == -EINVAL && strstr(e.msg, rows[i].says) && !doc, "refused: %s",
			     rows[i].text))
			printf("# rc %d: %s\n", rc, e.msg);
		json_free(doc);
	}
	struct json_doc *doc;
	const struct json *root;
	struct err e = {0};
	test_is_int(json_parse("\"a\0b\"", 5, MAX, &doc, &root, &e), -EINVAL, "a raw NUL");
	test_is_int(json_parse("[1,2]", 5, 4, &doc, &root, &e), -EFBIG, "over the limit of the caller");
	parse("{\n  \"a\": 1,\n  \"b\": nope\n}", &doc, &root, &e);
	test_ok(strstr(e.msg, "line 3 column ") != NULL, "an error has its line: %s", e.msg);
}

static int parse_nested(unsigned depth)
{
	cleanup_buf struct buf b = {0};
	struct json_doc *doc = NULL;
	const struct json *root;

	for (unsigned i = 0; i < depth; i++)
		buf_add_str(&b, "[");
	for (unsigned i = 0; i < depth; i++)
		buf_add_str(&b, "]");
	int rc = json_parse(b.data, b.len, MAX, &doc, &root, NULL);
	json_free(doc);
	return rc;
}

static void test_limits(void)
{
	test_is_int(parse_nested(32), 0, "32 levels");
	test_is_int(parse_nested(33), -EINVAL, "33 levels");
	test_is_int(parse_nested(100000), -EINVAL, "100000 levels");
	cleanup_buf struct buf b = {0};
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root = NULL;
	buf_add_str(&b, "{");
	for (int i = 0; i < 50000; i++)
		buf_printf(&b, "%s\"k%d\":%d", i ? "," : "", i, i);
	buf_add_str(&b, "}");
	test_is_int(json_parse(b.data, b.len, MAX, &doc, &root, NULL), 0, "50000 keys in one object");
	test_is_int(root ? root->count : 0, 50000, "are all there");
}

static void test_values(void)
{
	static const char text[] =
	    "{\"s\":\"a\\n\\u00e9\\ud83d\\ude00\\/\",\"t\":true,\"f\":false,\"n\":null,\"i\":-7,\"z\":-0,"
	    "\"max\":9223372036854775807,\"min\":-9223372036854775808,\"big\":18446744073709551615,\"d\":1."
	    "5e3,"
	    "\"list\":[1,{\"deep\":\"no\"},[]],\"o\":{\"uid\":4294967296}}";
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root;
	const struct json *list = NULL;
	const struct json *o = NULL;
	const char *s = NULL;
	bool b = false;
	int64_t i = 0;
	uint64_t u = 0;
	struct err e = {0};

	test_is_int(parse(text, &doc, &root, &e), 0, "an object: %s", e.msg);
	test_ok(json_read_str(root, "s", &s, &e) == 0 && str_eq(s, "a\n\xc3\xa9\xf0\x9f\x98\x80/"),
		"escapes");
	test_ok(json_read_bool(root, "t", &b, &e) == 0 && b, "true");
	test_ok(json_read_bool(root, "f", &b, &e) == 0 && !b, "false");
	test_ok(json_read_i64(root, "i", -7, 7, &i, &e) == 0 && i == -7, "-7");
	test_ok(json_read_i64(root, "max", 0, INT64_MAX, &i, &e) == 0 && i == INT64_MAX, "the largest int64");
	test_ok(json_read_i64(root, "min", INT64_MIN, 0, &i, &e) == 0 && i == INT64_MIN, "the smallest");
	test_ok(json_read_u64(root, "big", UINT64_MAX, &u, &e) == 0 && u == UINT64_MAX, "the largest uint64");
	test_is_int(json_read_i64(root, "big", 0, INT64_MAX, &i, &e), -EINVAL, "which is no int64");
	test_is_int(json_read_u64(root, "i", UINT64_MAX, &u, &e), -EINVAL, "-7 is not unsigned");
	test_is_int(json_read_i64(root, "d", 0, 9999, &i, &e), -EINVAL, "1.5e3 is no integer");
	test_is_str(e.msg, "d: must be an integer from 0 to 9999, is 1500", "and the error says so");
	i = 5;
	test_ok(json_read_i64(root, "n", 0, 9, &i, &e) == 0 && i == 5, "null leaves the default");
	test_ok(json_read_i64(root, "absent", 0, 9, &i, &e) == 0 && i == 5, "absent too");
	test_ok(json_read_i64(NULL, "x", 0, 9, &i, &e) == 0 && i == 5, "and no object at all");
	test_ok(json_read_obj(root, "o", &o, &e) == 0 &&
		    json_read_u64(o, "uid", UINT32_MAX, &u, &e) == -EINVAL,
		"range");
	test_is_str(e.msg, "o.uid: must be an integer from 0 to 4294967295, is 4294967296", "with its path");
	test_ok(json_read_arr(root, "list", &list, &e) == 0 && list->count == 3, "an array");
	test_is_int(json_read_str(list->first->next, "deep", &s, &e), 0, "in it an object");
	test_is_int(json_read_bool(list->first->next, "deep", &b, &e), -EINVAL, "of the wrong type");
	test_is_str(e.msg, "list[1].deep: must be true or false, is the string \"no\"", "with its path");
	test_is_int(json_read_str(list, "x", &s, &e), -EINVAL, "an array has no members");
	test_ok(!json_get(root, "n") && !json_get(list, "x") && !json_get(NULL, "x") && json_get(root, "z"),
		"json_get");
}

static void write_sample(struct json_out *o)
{
	json_open_obj(o);
	json_kv_str(o, "s",
		    "q\"\\\n\x01\x7f\xc3\xa9\xff"
		    "e");
	json_kv_str(o, "null", NULL);
	json_kv_i64(o, "i", INT64_MIN);
	json_key(o, "u");
	json_put_u64(o, UINT64_MAX);
	json_kv_bool(o, "b", true);
	json_key(o, "l");
	json_open_arr(o);
	json_put_double(o, 0.1);
	json_put_double(o, 1.0 / 0.0);
	json_open_obj(o);
	json_close_obj(o);
	json_close_arr(o);
	json_close_obj(o);
}

static void test_out(void)
{
	cleanup_buf struct buf b = {0};
	cleanup_buf struct buf p = {0};
	struct json_out o;

	json_out_begin(&o, &b, false);
	write_sample(&o);
	test_is_int(json_out_end(&o), 0, "written");
	test_is_str(b.data,
		    "{\"s\":\"q\\\"\\\\\\n\\u0001\\u007f\xc3\xa9\xef\xbf\xbd"
		    "e\",\"null\":null,\"i\":-9223372036854775808,\"u\":18446744073709551615,\"b\":true,"
		    "\"l\":[0.1,null,{}]}",
		    "compact");
	json_out_begin(&o, &p, true);
	json_open_obj(&o);
	json_kv_i64(&o, "a", 1);
	json_key(&o, "b");
	json_open_arr(&o);
	json_put_null(&o);
	json_close_arr(&o);
	json_close_obj(&o);
	test_is_int(json_out_end(&o), 0, "written");
	test_is_str(p.data, "{\n  \"a\": 1,\n  \"b\": [\n    null\n  ]\n}\n", "pretty");
	struct json_doc *doc = NULL;
	const struct json *root;
	test_is_int(json_parse(b.data, b.len, MAX, &doc, &root, NULL), 0, "what is written can be read");
	json_free(doc);
}

static void test_out_errors(void)
{
	cleanup_buf struct buf b = {.max = 10};
	cleanup_buf struct buf c = {0};
	struct json_out o;

	json_out_begin(&o, &b, false);
	json_put_str(&o, "longer than ten bytes");
	test_is_int(json_out_end(&o), -EMSGSIZE, "the ceiling of the buffer sticks");
	json_out_begin(&o, &c, false);
	json_open_arr(&o);
	test_is_int(json_out_end(&o), -EINVAL, "left open");
	json_out_begin(&o, &c, false);
	for (int i = 0; i < 40; i++)
		json_open_arr(&o);
	test_is_int(json_out_end(&o), -EOVERFLOW, "too deep");
	json_out_begin(&o, &c, false);
	json_close_arr(&o);
	test_is_int(json_out_end(&o), -EINVAL, "closed without open");
}

static void test_copies(void)
{
	static const struct {
		const char *old, *new, *merged;
	} rows[] = {
	    {"{}", "{}", "{}"},
	    {"{\"a\":1,\"b\":[1,{\"c\":null}]}", "{}", "{\"a\":1,\"b\":[1,{\"c\":null}]}"},
	    {"{\"a\":1,\"b\":2}", "{\"b\":\"x\",\"c\":true}", "{\"a\":1,\"b\":\"x\",\"c\":true}"},
	    {"{\"m\":{\"a\":1,\"b\":2}}", "{\"m\":{\"b\":18446744073709551615}}",
	     "{\"m\":{\"a\":1,\"b\":18446744073709551615}}"},
	    {"{\"l\":[1,2]}", "{\"l\":[3]}", "{\"l\":[3]}"},
	    {"{\"m\":{\"a\":1}}", "{\"m\":null,\"n\":null}", "{\"m\":{\"a\":1}}"},
	    {"{\"m\":1}", "{\"m\":{\"a\":-1.5}}", "{\"m\":{\"a\":-1.5}}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_json struct json_doc *a = NULL, *b = NULL;
		const struct json *old = NULL, *new = NULL;
		cleanup_buf struct buf out = {0};
		struct json_out o;
		if (json_parse(rows[i].old, strlen(rows[i].old), 1000, &a, &old, NULL) != 0 ||
		    json_parse(rows[i].new, strlen(rows[i].new), 1000, &b, &new, NULL) != 0) {
			test_ok(false, "row %zu does not parse", i);
			continue;
		}
		json_out_begin(&o, &out, false);
		json_put_merged(&o, old, new);
		test_ok(json_out_end(&o) == 0 && strcmp(out.data, rows[i].merged) == 0, "%s and %s: %s",
			rows[i].old, rows[i].new, out.data);
	}
}

int main(void)
{
	test_begin();
	test_refused();
	test_limits();
	test_values();
	test_out();
	test_out_errors();
	test_copies();
	return test_end();
}
