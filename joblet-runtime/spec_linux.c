// SPDX-License-Identifier: Apache-2.0
// config.json: `linux`, but resources and seccomp. config-linux.md. No system calls.
#include "joblet-runtime/spec_read.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "lib/base/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	const char *type, *proc_name;
	uint64_t flag;
} namespace_types[] = {
    {"user", "user", CLONE_NEWUSER},	   {"mount", "mnt", CLONE_NEWNS},   {"pid", "pid", CLONE_NEWPID},
    {"network", "net", CLONE_NEWNET},	   {"ipc", "ipc", CLONE_NEWIPC},    {"uts", "uts", CLONE_NEWUTS},
    {"cgroup", "cgroup", CLONE_NEWCGROUP}, {"time", "time", CLONE_NEWTIME},
};

static int read_namespace(struct spec *s, const struct json *it, struct err *e)
{
	const char *type = NULL, *path = NULL;
	int rc;
	if ((rc = json_read_str(it, "type", &type, e)) || (rc = json_read_str(it, "path", &path, e)))
		return rc;
	if (!type)
		return spec_missing(it, "type", e);
	for (size_t i = 0; i < ARRAY_LEN(namespace_types); i++) {
		if (!str_eq(type, namespace_types[i].type))
			continue;
		if (spec_namespace(s, namespace_types[i].flag))
			return err_set(e, -EINVAL, "linux.namespaces: %s is given twice", type);
		if (path && *path && path[0] != '/')
			return err_set(e, -EINVAL, "linux.namespaces: path %.256s is not absolute", path);
		s->namespaces[s->namespace_count++] = (struct spec_namespace){
		    .flag = namespace_types[i].flag,
		    .name = namespace_types[i].proc_name,
		    .path = path && *path ? path : NULL,
		};
		return 0;
	}
	return err_set(e, -EINVAL, "linux.namespaces: unknown type %.64s", type);
}

static int read_namespaces(struct spec *s, const struct json *obj, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, "namespaces", 64, &arr, &n, e);
	json_for_each(it, arr)
	{
		if (!rc)
			rc = read_namespace(s, it, e);
	}
	return rc;
}

static int read_u32(const struct json *obj, const char *key, bool required, uint32_t *out, struct err *e)
{
	uint64_t value = 0;
	if (required && !json_get(obj, key))
		return spec_missing(obj, key, e);
	int rc = json_read_u64(obj, key, UINT32_MAX, &value, e);
	*out = (uint32_t)value;
	return rc;
}

int spec_read_maps(struct spec *s, const struct json *obj, const char *key, struct spec_id_map **out,
		   size_t *count, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, key, 340, &arr, &n, e); // UID_GID_MAP_MAX_EXTENTS
	if (rc || !n)
		return rc;
	struct spec_id_map *v = spec_alloc(s, n, sizeof(*v));
	json_for_each(it, arr)
	{
		struct spec_id_map *m = &v[(*count)++];
		if ((rc = read_u32(it, "containerID", true, &m->inside, e)) ||
		    (rc = read_u32(it, "hostID", true, &m->outside, e)) ||
		    (rc = read_u32(it, "size", true, &m->count, e)))
			return rc;
		if (m->count == 0 || (uint64_t)m->inside + m->count > UINT32_MAX ||
		    (uint64_t)m->outside + m->count > UINT32_MAX)
			return err_set(e, -EINVAL, "%s: a range of %u ids does not fit", key, m->count);
	}
	*out = v;
	return 0;
}

static int read_device(struct spec_device *d, const struct json *it, struct err *e)
{
	const char *type = NULL;
	int64_t mode = 0666;
	int rc;
	if ((rc = json_read_str(it, "path", &d->path, e)) || (rc = json_read_str(it, "type", &type, e)) ||
	    (rc = json_read_i64(it, "major", 0, 0xfff, &d->major, e)) ||
	    (rc = json_read_i64(it, "minor", 0, 0xfffff, &d->minor, e)) ||
	    (rc = json_read_i64(it, "fileMode", 0, 0177777, &mode, e)) ||
	    (rc = read_u32(it, "uid", false, &d->uid, e)) || (rc = read_u32(it, "gid", false, &d->gid, e)))
		return rc;
	if (!d->path || d->path[0] != '/')
		return err_set(e, -EINVAL, "linux.devices: path is not absolute");
	if (!type || strlen(type) != 1 || !strchr("cubp", type[0]))
		return err_set(e, -EINVAL, "linux.devices: %.256s: unknown type", d->path);
	d->type = type[0] == 'u' ? 'c' : type[0];
	d->mode = (uint32_t)mode & 07777;
	return 0;
}

static int read_devices(struct spec *s, const struct json *obj, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, "devices", SPEC_ITEMS_MAX, &arr, &n, e);
	if (rc)
		return rc;
	s->devices = spec_alloc(s, n, sizeof(*s->devices));
	json_for_each(it, arr)
	{
		if ((rc = read_device(&s->devices[s->device_count++], it, e)))
			return rc;
	}
	return 0;
}

static int read_personality(struct spec *s, const struct json *obj, struct err *e)
{
	const struct json *p = NULL;
	const char *domain = NULL;
	int rc = json_read_obj(obj, "personality", &p, e);
	if (rc || !p)
		return rc;
	if ((rc = json_read_str(p, "domain", &domain, e)))
		return rc;
	if (json_get(p, "flags") && json_get(p, "flags")->count)
		return err_set(e, -EINVAL, "linux.personality.flags: none is known");
	if (str_eq(domain, "LINUX"))
		s->personality = 0;
	else if (str_eq(domain, "LINUX32"))
		s->personality = 8;
	else
		return err_set(e, -EINVAL, "linux.personality.domain is neither LINUX nor LINUX32");
	return 0;
}

static int read_time_offsets(struct spec *s, const struct json *obj, struct err *e)
{
	const struct json *offsets = NULL;
	int rc = json_read_obj(obj, "timeOffsets", &offsets, e);
	if (rc || !offsets)
		return rc;
	s->time_offsets = spec_alloc(s, offsets->count, sizeof(*s->time_offsets));
	json_for_each(it, offsets)
	{
		int64_t secs = 0, nanosecs = 0;
		if (!str_eq(it->key, "monotonic") && !str_eq(it->key, "boottime"))
			return err_set(e, -EINVAL, "linux.timeOffsets: unknown clock %.64s", it->key);
		if ((rc = json_read_i64(it, "secs", -INT64_MAX, INT64_MAX, &secs, e)) ||
		    (rc = json_read_i64(it, "nanosecs", 0, 999999999, &nanosecs, e)))
			return rc;
		char *text = spec_alloc(s, 64, 1);
		snprintf(text, 64, "%lld %lld", (long long)secs, (long long)nanosecs);
		s->time_offsets[s->time_offset_count++] = (struct spec_kv){it->key, text};
	}
	return 0;
}

static int refuse_unsupported(const struct json *obj, struct err *e)
{
	static const char *const keys[] = {"intelRdt", "memoryPolicy", "netDevices"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_get(obj, keys[i]))
			return err_set(e, -ENOTSUP, "linux.%s is not supported", keys[i]);
	const char *label = NULL;
	int rc = json_read_str(obj, "mountLabel", &label, e);
	if (!rc && label && *label)
		return err_set(e, -ENOTSUP, "linux.mountLabel is not supported");
	return rc;
}

int spec_read_linux(struct spec *s, const struct json *root, struct err *e)
{
	const struct json *obj = NULL, *resources = NULL, *seccomp = NULL;
	spec_resources_init(&s->resources);
	s->personality = SPEC_UNSET;
	int rc = json_read_obj(root, "linux", &obj, e);
	if (rc)
		return rc;
	if (!obj)
		return spec_missing(root, "linux", e);
	if ((rc = read_namespaces(s, obj, e)) ||
	    (rc = spec_read_maps(s, obj, "uidMappings", &s->uid_maps, &s->uid_map_count, e)) ||
	    (rc = spec_read_maps(s, obj, "gidMappings", &s->gid_maps, &s->gid_map_count, e)) ||
	    (rc = read_devices(s, obj, e)) || (rc = json_read_str(obj, "cgroupsPath", &s->cgroups_path, e)) ||
	    (rc = json_read_str(obj, "rootfsPropagation", &s->rootfs_propagation, e)) ||
	    (rc = spec_read_strings(s, obj, "maskedPaths", SPEC_ITEMS_MAX, &s->masked_paths, &s->masked_count,
				    e)) ||
	    (rc = spec_read_strings(s, obj, "readonlyPaths", SPEC_ITEMS_MAX, &s->readonly_paths,
				    &s->readonly_count, e)) ||
	    (rc = spec_read_kv(s, obj, "sysctl", &s->sysctls, &s->sysctl_count, e)) ||
	    (rc = read_personality(s, obj, e)) || (rc = read_time_offsets(s, obj, e)) ||
	    (rc = refuse_unsupported(obj, e)) || (rc = json_read_obj(obj, "resources", &resources, e)) ||
	    (rc = json_read_obj(obj, "seccomp", &seccomp, e)))
		return rc;
	if (resources && (rc = spec_read_resources(s, resources, &s->resources, e)))
		return rc;
	return seccomp ? spec_read_seccomp(s, seccomp, e) : 0;
}
