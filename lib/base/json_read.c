// SPDX-License-Identifier: Apache-2.0
// Typed reads of a JSON tree, with errors that name the place. Pure.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "str.h"

const struct json *json_get(const struct json *obj, const char *key)
{
	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	json_for_each(member, obj) if (strcmp(member->key, key) == 0) return member->type == JSON_NULL
	    ? NULL
	    : member;
	return NULL;
}

static size_t index_of(const struct json *node)
{
	size_t i = 0;

	json_for_each(it, node->parent)
	{
		if (it == node)
			return i;
		i++;
	}
	return i;
}

void json_path(const struct json *node, char *out, size_t size)
{
	const struct json *chain[JSON_DEPTH_MAX + 1];
	size_t n = 0;
	size_t used = 0;

	if (!size)
		return;
	out[0] = '\0';
	for (; node && node->parent && n < ARRAY_LEN(chain); node = node->parent)
		chain[n++] = node;
	if (!n)
		snprintf(out, size, "the top level");
	while (n-- && used < size) {
		int w;
		if (chain[n]->key)
			w = snprintf(out + used, size - used, "%s%s", used ? "." : "", chain[n]->key);
		else
			w = snprintf(out + used, size - used, "[%zu]", index_of(chain[n]));
		if (w < 0)
			return;
		used += (size_t)w;
	}
}

static void describe(const struct json *n, char out[64])
{
	switch (n->type) {
	case JSON_NULL: snprintf(out, 64, "null"); break;
	case JSON_BOOL: snprintf(out, 64, "%s", n->b ? "true" : "false"); break;
	case JSON_INT:
		if (n->is_big)
			snprintf(out, 64, "%" PRIu64, n->u);
		else
			snprintf(out, 64, "%" PRId64, n->i);
		break;
	case JSON_DOUBLE: snprintf(out, 64, "%g", n->d); break;
	case JSON_STRING: snprintf(out, 64, "the string \"%.40s\"", n->s); break;
	case JSON_ARRAY: snprintf(out, 64, "an array"); break;
	case JSON_OBJECT: snprintf(out, 64, "an object"); break;
	}
}

static int wrong(const struct json *n, const char *wanted, struct err *e)
{
	char path[512];
	char is[64];

	json_path(n, path, sizeof(path));
	describe(n, is);
	return err_set(e, -EINVAL, "%s: must be %s, is %s", path, wanted, is);
}

// 1: *out is the member. 0: there is none.
static int member(const struct json *obj, const char *key, const struct json **out, struct err *e)
{
	if (!obj)
		return 0;
	if (obj->type != JSON_OBJECT)
		return wrong(obj, "an object", e);
	*out = json_get(obj, key);
	return *out != NULL;
}

int json_read_str(const struct json *obj, const char *key, const char **out, struct err *e)
{
	const struct json *m;
	int rc = member(obj, key, &m, e);

	if (rc <= 0)
		return rc;
	if (m->type != JSON_STRING)
		return wrong(m, "a string", e);
	*out = m->s;
	return 0;
}

int json_read_bool(const struct json *obj, const char *key, bool *out, struct err *e)
{
	const struct json *m;
	int rc = member(obj, key, &m, e);

	if (rc <= 0)
		return rc;
	if (m->type != JSON_BOOL)
		return wrong(m, "true or false", e);
	*out = m->b;
	return 0;
}

int json_read_i64(const struct json *obj, const char *key, int64_t min, int64_t max, int64_t *out,
		  struct err *e)
{
	const struct json *m;
	int rc = member(obj, key, &m, e);

	if (rc <= 0)
		return rc;
	if (m->type != JSON_INT || m->is_big || m->i < min || m->i > max) {
		char wanted[96];
		snprintf(wanted, sizeof(wanted), "an integer from %" PRId64 " to %" PRId64, min, max);
		return wrong(m, wanted, e);
	}
	*out = m->i;
	return 0;
}

int json_read_u64(const struct json *obj, const char *key, uint64_t max, uint64_t *out, struct err *e)
{
	const struct json *m;
	int rc = member(obj, key, &m, e);

	if (rc <= 0)
		return rc;
	if (m->type != JSON_INT || (!m->is_big && m->i < 0) || m->u > max) {
		char wanted[96];
		snprintf(wanted, sizeof(wanted), "an integer from 0 to %" PRIu64, max);
		return wrong(m, wanted, e);
	}
	*out = m->u;
	return 0;
}

int json_read_obj(const struct json *obj, const char *key, const struct json **out, struct err *e)
{
	const struct json *m;
	int rc = member(obj, key, &m, e);

	if (rc <= 0)
		return rc;
	if (m->type != JSON_OBJECT)
		return wrong(m, "an object", e);
	*out = m;
	return 0;
}

int json_read_arr(const struct json *obj, const char *key, const struct json **out, struct err *e)
{
	const struct json *m;
	int rc = member(obj, key, &m, e);

	if (rc <= 0)
		return rc;
	if (m->type != JSON_ARRAY)
		return wrong(m, "an array", e);
	*out = m;
	return 0;
}
