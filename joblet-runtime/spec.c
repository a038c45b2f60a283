// SPDX-License-Identifier: Apache-2.0
// config.json: the top level of the document. spec_process.c, spec_linux.c, spec_resources.c and
// spec_seccomp.c read the parts, spec_check.c judges them together. The text is hostile until all of them are
// done; nothing here makes a system call.
#include "joblet-runtime/spec_read.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

void *spec_alloc(struct spec *s, size_t n, size_t size)
{
	if ((s->owned_count & (s->owned_count + 1)) == 0)
		s->owned = xrealloc(s->owned, (s->owned_count * 2 + 1) * sizeof(*s->owned));
	return s->owned[s->owned_count++] = xcalloc(n ? n : 1, size);
}

void spec_free(struct spec *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->owned_count; i++)
		free(s->owned[i]);
	free(s->owned);
	json_free(s->doc);
	free(s);
}

int spec_missing(const struct json *obj, const char *key, struct err *e)
{
	char path[256];
	if (!obj->parent)
		return err_set(e, -EINVAL, "%s is required", key);
	json_path(obj, path, sizeof(path));
	return err_set(e, -EINVAL, "%s.%s is required", path, key);
}

static int wrong_element(const struct json *it, const char *wanted, struct err *e)
{
	char path[256];
	json_path(it, path, sizeof(path));
	return err_set(e, -EINVAL, "%s is not %s", path, wanted);
}

static int too_many(const struct json *arr, size_t max, struct err *e)
{
	char path[256];
	json_path(arr, path, sizeof(path));
	return err_set(e, -EINVAL, "%s has %zu elements, at most %zu are allowed", path, arr->count, max);
}

int spec_read_strings(struct spec *s, const struct json *obj, const char *key, size_t max, const char ***out,
		      size_t *n, struct err *e)
{
	const struct json *arr = NULL;
	int rc = json_read_arr(obj, key, &arr, e);
	if (rc || !arr)
		return rc;
	if (arr->count > max)
		return too_many(arr, max, e);
	const char **v = spec_alloc(s, arr->count + 1, sizeof(*v));
	size_t i = 0;
	json_for_each(it, arr)
	{
		if (it->type != JSON_STRING)
			return wrong_element(it, "a string", e);
		v[i++] = it->s;
	}
	*out = v;
	if (n)
		*n = i;
	return 0;
}

int spec_read_kv(struct spec *s, const struct json *obj, const char *key, struct spec_kv **out, size_t *n,
		 struct err *e)
{
	const struct json *map = NULL;
	int rc = json_read_obj(obj, key, &map, e);
	if (rc || !map)
		return rc;
	if (map->count > SPEC_ITEMS_MAX)
		return too_many(map, SPEC_ITEMS_MAX, e);
	struct spec_kv *v = spec_alloc(s, map->count, sizeof(*v));
	size_t i = 0;
	json_for_each(it, map)
	{
		if (it->type != JSON_STRING)
			return wrong_element(it, "a string", e);
		v[i++] = (struct spec_kv){.key = it->key, .value = it->s};
	}
	*out = v;
	*n = i;
	return 0;
}

int spec_read_objects(const struct json *obj, const char *key, size_t max, const struct json **arr, size_t *n,
		      struct err *e)
{
	*arr = NULL;
	*n = 0;
	int rc = json_read_arr(obj, key, arr, e);
	if (rc || !*arr)
		return rc;
	if ((*arr)->count > max)
		return too_many(*arr, max, e);
	json_for_each(it, *arr)
	{
		if (it->type != JSON_OBJECT)
			return wrong_element(it, "an object", e);
	}
	*n = (*arr)->count;
	return 0;
}

static int read_mounts(struct spec *s, const struct json *root, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(root, "mounts", SPEC_ITEMS_MAX, &arr, &n, e);
	if (rc)
		return rc;
	s->mounts = spec_alloc(s, n, sizeof(*s->mounts));
	json_for_each(it, arr)
	{
		struct spec_mount *m = &s->mounts[s->mount_count++];
		if ((rc = json_read_str(it, "destination", &m->destination, e)) ||
		    (rc = json_read_str(it, "type", &m->type, e)) ||
		    (rc = json_read_str(it, "source", &m->source, e)) ||
		    (rc = spec_read_strings(s, it, "options", SPEC_ITEMS_MAX, &m->options, &m->option_count,
					    e)))
			return rc;
		if (!m->destination || !*m->destination)
			return spec_missing(it, "destination", e);
		if ((rc = spec_read_maps(s, it, "uidMappings", &m->uid_maps, &m->uid_map_count, e)) ||
		    (rc = spec_read_maps(s, it, "gidMappings", &m->gid_maps, &m->gid_map_count, e)))
			return rc;
	}
	return 0;
}

static int read_hook_list(struct spec *s, const struct json *hooks, const char *key,
			  struct spec_hook_list *out, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(hooks, key, 64, &arr, &n, e);
	if (rc)
		return rc;
	out->v = spec_alloc(s, n, sizeof(*out->v));
	json_for_each(it, arr)
	{
		struct spec_hook *h = &out->v[out->n++];
		h->timeout = SPEC_UNSET;
		if ((rc = json_read_str(it, "path", &h->path, e)) ||
		    (rc = spec_read_strings(s, it, "args", SPEC_ITEMS_MAX, &h->args, NULL, e)) ||
		    (rc = spec_read_strings(s, it, "env", SPEC_ITEMS_MAX, &h->env, NULL, e)) ||
		    (rc = json_read_i64(it, "timeout", 1, 86400, &h->timeout, e)))
			return rc;
		if (!h->path)
			return spec_missing(it, "path", e);
		if (h->path[0] != '/')
			return err_set(e, -EINVAL, "hooks.%s: path %s is not absolute", key, h->path);
	}
	return 0;
}

int spec_read_hooks(struct spec *s, const struct json *root, struct err *e)
{
	const struct json *hooks = NULL;
	int rc = json_read_obj(root, "hooks", &hooks, e);
	if (rc || !hooks)
		return rc;
	if ((rc = read_hook_list(s, hooks, "prestart", &s->prestart, e)) ||
	    (rc = read_hook_list(s, hooks, "createRuntime", &s->create_runtime, e)) ||
	    (rc = read_hook_list(s, hooks, "createContainer", &s->create_container, e)) ||
	    (rc = read_hook_list(s, hooks, "startContainer", &s->start_container, e)) ||
	    (rc = read_hook_list(s, hooks, "poststart", &s->poststart, e)))
		return rc;
	return read_hook_list(s, hooks, "poststop", &s->poststop, e);
}

static int read_root(struct spec *s, const struct json *root, struct err *e)
{
	const struct json *obj = NULL;
	int rc = json_read_obj(root, "root", &obj, e);
	if (rc)
		return rc;
	if (!obj)
		return spec_missing(root, "root", e);
	if ((rc = json_read_str(obj, "path", &s->root_path, e)) ||
	    (rc = json_read_bool(obj, "readonly", &s->root_readonly, e)))
		return rc;
	return s->root_path && *s->root_path ? 0 : spec_missing(obj, "path", e);
}

static int read_version(struct spec *s, const struct json *root, struct err *e)
{
	int rc = json_read_str(root, "ociVersion", &s->oci_version, e);
	if (rc)
		return rc;
	if (!s->oci_version)
		return spec_missing(root, "ociVersion", e);
	if (!str_starts(s->oci_version, "1.") || strlen(s->oci_version) > 64)
		return err_set(e, -EINVAL, "ociVersion %.64s is not supported, 1.x is", s->oci_version);
	return 0;
}

static int read_all(struct spec *s, const struct json *root, struct err *e)
{
	int rc;
	if ((rc = read_version(s, root, e)) || (rc = read_root(s, root, e)) ||
	    (rc = spec_read_process(s, root, e)) || (rc = json_read_str(root, "hostname", &s->hostname, e)) ||
	    (rc = json_read_str(root, "domainname", &s->domainname, e)) || (rc = read_mounts(s, root, e)) ||
	    (rc = spec_read_hooks(s, root, e)) ||
	    (rc = spec_read_kv(s, root, "annotations", &s->annotations, &s->annotation_count, e)) ||
	    (rc = spec_read_linux(s, root, e)))
		return rc;
	return spec_check(s, e);
}

int spec_parse(const char *text, size_t len, struct spec **out, struct err *e)
{
	cleanup_spec struct spec *s = xcalloc(1, sizeof(*s));
	const struct json *root;
	int rc = json_parse(text, len, SPEC_SIZE_MAX, &s->doc, &root, e);
	if (rc)
		return rc;
	if (root->type != JSON_OBJECT)
		return err_set(e, -EINVAL, "the document is not an object");
	s->root = root;
	if ((rc = read_all(s, root, e)))
		return rc;
	*out = take_ptr(s);
	return 0;
}

int spec_parse_process(const char *text, size_t len, struct spec **out, struct err *e)
{
	cleanup_spec struct spec *s = xcalloc(1, sizeof(*s));
	int rc = json_parse(text, len, SPEC_SIZE_MAX, &s->doc, &s->root, e);
	if (rc)
		return rc;
	if (s->root->type != JSON_OBJECT)
		return err_set(e, -EINVAL, "the document is not an object");
	if ((rc = spec_read_process_object(s, s->root, e)))
		return rc;
	*out = take_ptr(s);
	return 0;
}

const struct spec_namespace *spec_namespace(const struct spec *s, uint64_t flag)
{
	for (size_t i = 0; i < s->namespace_count; i++)
		if (s->namespaces[i].flag == flag)
			return &s->namespaces[i];
	return NULL;
}

bool spec_has_new(const struct spec *s, uint64_t flag)
{
	const struct spec_namespace *ns = spec_namespace(s, flag);
	return ns && !ns->path;
}
