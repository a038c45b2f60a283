// SPDX-License-Identifier: Apache-2.0
// A request as an object, and as the JSON text that the store keeps. Secret values are hidden before. Makes
// no system call.
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

enum kind { STRING, LIST, NUMBER, BOOL, UNSIGNED };

// name, owner and idempotency_key are columns of their own.
static const struct {
	const char *key;
	size_t offset;
	enum kind kind;
} fields[] = {
#define FIELD(member, kind)                                                                                  \
	{                                                                                                    \
#member, offsetof(struct job_request, member), kind                                          \
	}
    FIELD(command, STRING),
    FIELD(args, LIST),
    FIELD(env, LIST),
    FIELD(secret_env, LIST),
    FIELD(labels, LIST),
    FIELD(volumes, LIST),
    FIELD(work_dir, STRING),
    FIELD(cpu_cores, STRING),
    FIELD(network, STRING),
    FIELD(runtime, STRING),
    FIELD(schedule, STRING),
    FIELD(timeout, STRING),
    FIELD(role, STRING),
    FIELD(max_cpu, NUMBER),
    FIELD(max_memory_mb, NUMBER),
    FIELD(max_iobps, NUMBER),
    FIELD(gpu_count, NUMBER),
    FIELD(gpu_memory_mb, NUMBER),
    FIELD(has_uploads, BOOL),
    FIELD(stdin_open, BOOL),
    FIELD(tty, BOOL),
    FIELD(tty_rows, UNSIGNED),
    FIELD(tty_columns, UNSIGNED),
#undef FIELD
};

static void *member(const struct job_request *r, size_t offset)
{
	return (char *)(uintptr_t)r + offset;
}

static void put_list(struct json_out *o, char *const *v)
{
	json_open_arr(o);
	for (; v && *v; v++)
		json_put_str(o, *v);
	json_close_arr(o);
}

char *job_request_to_json(const struct job_request *r)
{
	struct buf b = {0};
	struct json_out o;

	json_out_begin(&o, &b, false);
	json_open_obj(&o);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		void *p = member(r, fields[i].offset);
		if (fields[i].kind == LIST ? !*(char ***)p : fields[i].kind == STRING && !*(char **)p)
			continue;
		json_key(&o, fields[i].key);
		switch (fields[i].kind) {
		case STRING: json_put_str(&o, *(char **)p); break;
		case LIST: put_list(&o, *(char ***)p); break;
		case NUMBER: json_put_i64(&o, *(int64_t *)p); break;
		case BOOL: json_put_bool(&o, *(bool *)p); break;
		case UNSIGNED: json_put_i64(&o, *(unsigned *)p); break;
		}
	}
	json_close_obj(&o);
	if (json_out_end(&o) < 0) // 64 MiB: a checked request is far below
		abort();
	return buf_take(&b);
}

static int read_list(const struct json *root, const char *key, char ***out, struct err *e)
{
	const struct json *array = NULL;
	int rc = json_read_arr(root, key, &array, e);

	if (rc < 0)
		return rc;
	json_for_each(it, array)
	{
		if (it->type != JSON_STRING)
			return err_set(e, -EINVAL, "%s: not a list of strings", key);
		strv_add(out, it->s);
	}
	return 0;
}

static int read_field(const struct json *root, const char *key, enum kind kind, void *p, struct err *e)
{
	const char *s = NULL;
	int64_t n = 0;
	int rc = 0;

	switch (kind) {
	case STRING:
		rc = json_read_str(root, key, &s, e);
		if (s)
			*(char **)p = xstrdup(s);
		break;
	case LIST: rc = read_list(root, key, p, e); break;
	case NUMBER: rc = json_read_i64(root, key, INT64_MIN, INT64_MAX, p, e); break;
	case BOOL: rc = json_read_bool(root, key, p, e); break;
	case UNSIGNED:
		rc = json_read_i64(root, key, 0, UINT32_MAX, &n, e);
		*(unsigned *)p = (unsigned)n;
		break;
	}
	return rc;
}

int job_request_from_json(const char *text, struct job_request *r, struct err *e)
{
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root;

	*r = (struct job_request){0};
	size_t len = strlen(text);
	int rc = json_parse(text, len, len, &doc, &root, e);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(fields); i++)
		rc = read_field(root, fields[i].key, fields[i].kind, member(r, fields[i].offset), e);
	if (rc < 0)
		job_request_clear(r);
	return rc;
}

bool job_env_is_secret(const char *entry)
{
	static const char *const tails[] = {"_TOKEN", "_KEY", "_PASSWORD", "_SECRET"};
	size_t n = strcspn(entry, "=");

	if (str_starts(entry, "SECRET_"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		size_t tail = strlen(tails[i]);
		if (n > tail && memcmp(entry + n - tail, tails[i], tail) == 0)
			return true;
	}
	return false;
}

static void hide(char **entry, char ***real)
{
	char *hidden = xasprintf("%.*s=***", (int)strcspn(*entry, "="), *entry);

	strv_add_take(real, *entry);
	*entry = hidden;
}

char **job_request_hide_secrets(struct job_request *r)
{
	char **real = NULL;

	for (char **p = r->env; p && *p; p++)
		if (job_env_is_secret(*p))
			hide(p, &real);
	for (char **p = r->secret_env; p && *p; p++)
		hide(p, &real);
	return real;
}

void job_secrets_free(char **v)
{
	for (char **p = v; p && *p; p++)
		explicit_bzero(*p, strlen(*p));
	strv_free(v);
}

void job_request_clear(struct job_request *r)
{
	job_secrets_free(take_ptr(r->secret_env));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		void *p = member(r, fields[i].offset);
		if (fields[i].kind == STRING)
			free(*(char **)p);
		else if (fields[i].kind == LIST)
			strv_free(*(char ***)p);
	}
	free(r->name);
	free(r->idempotency_key);
	free(r->owner);
	*r = (struct job_request){0};
}

void job_request_free(struct job_request *r)
{
	if (!r)
		return;
	job_request_clear(r);
	free(r);
}

void job_info_clear(struct job_info *info)
{
	job_request_clear(&info->request);
	free(take_ptr(info->reason));
}

void job_info_free(struct job_info *j)
{
	if (!j)
		return;
	job_info_clear(j);
	free(j);
}
