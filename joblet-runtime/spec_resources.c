// SPDX-License-Identifier: Apache-2.0
// config.json: `linux.resources`. config-linux.md "Control groups". `update` reads the same object. No system
// calls.
#include "joblet-runtime/spec_read.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

void spec_resources_init(struct spec_resources *r)
{
	*r = (struct spec_resources){0};
	int64_t *unset[] = {
	    &r->memory_limit,
	    &r->memory_reservation,
	    &r->memory_swap,
	    &r->memory_kernel,
	    &r->memory_kernel_tcp,
	    &r->memory_swappiness,
	    &r->memory_disable_oom_killer,
	    &r->memory_use_hierarchy,
	    &r->cpu_shares,
	    &r->cpu_quota,
	    &r->cpu_period,
	    &r->cpu_burst,
	    &r->cpu_realtime_runtime,
	    &r->cpu_realtime_period,
	    &r->cpu_idle,
	    &r->pids_limit,
	    &r->blkio_weight,
	    &r->blkio_leaf_weight,
	    &r->net_class_id,
	};
	for (size_t i = 0; i < ARRAY_LEN(unset); i++)
		*unset[i] = SPEC_UNSET;
}

static int read_device_rule(const struct json *it, struct spec_device_rule *d, struct err *e)
{
	const char *type = "a", *access = "";
	int rc;
	d->major = d->minor = -1;
	if ((rc = json_read_bool(it, "allow", &d->allow, e)) || (rc = json_read_str(it, "type", &type, e)) ||
	    (rc = json_read_str(it, "access", &access, e)) ||
	    (rc = json_read_i64(it, "major", -1, UINT32_MAX, &d->major, e)) ||
	    (rc = json_read_i64(it, "minor", -1, UINT32_MAX, &d->minor, e)))
		return rc;
	if (!*type)
		type = "a";
	if (strlen(type) != 1 || !strchr("abc", type[0]))
		return err_set(e, -EINVAL, "linux.resources.devices: unknown type %.64s", type);
	if (access[strspn(access, "rwm")])
		return err_set(e, -EINVAL, "linux.resources.devices: unknown access %.64s", access);
	d->type = type[0];
	d->read = !*access || strchr(access, 'r');
	d->write = !*access || strchr(access, 'w');
	d->mknod = !*access || strchr(access, 'm');
	return 0;
}

static int read_devices(struct spec *s, const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, "devices", SPEC_ITEMS_MAX, &arr, &n, e);
	if (rc)
		return rc;
	r->devices = spec_alloc(s, n, sizeof(*r->devices));
	json_for_each(it, arr)
	{
		if ((rc = read_device_rule(it, &r->devices[r->device_count++], e)))
			return rc;
	}
	return 0;
}

// -1 stands for unlimited in several members; json_read_bool's result as 0 or 1.
static int read_flag(const struct json *obj, const char *key, int64_t *out, struct err *e)
{
	bool value = false;
	int rc = json_read_bool(obj, key, &value, e);
	if (!rc && json_get(obj, key))
		*out = value;
	return rc;
}

static int read_memory(const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *m = NULL;
	int rc = json_read_obj(obj, "memory", &m, e);
	if (rc || !m)
		return rc;
	if ((rc = json_read_i64(m, "limit", -1, INT64_MAX, &r->memory_limit, e)) ||
	    (rc = json_read_i64(m, "reservation", -1, INT64_MAX, &r->memory_reservation, e)) ||
	    (rc = json_read_i64(m, "swap", -1, INT64_MAX, &r->memory_swap, e)) ||
	    (rc = json_read_i64(m, "kernel", -1, INT64_MAX, &r->memory_kernel, e)) ||
	    (rc = json_read_i64(m, "kernelTCP", -1, INT64_MAX, &r->memory_kernel_tcp, e)) ||
	    (rc = json_read_i64(m, "swappiness", 0, 100, &r->memory_swappiness, e)) ||
	    (rc = read_flag(m, "disableOOMKiller", &r->memory_disable_oom_killer, e)) ||
	    (rc = read_flag(m, "useHierarchy", &r->memory_use_hierarchy, e)) ||
	    (rc = json_read_bool(m, "checkBeforeUpdate", &r->memory_check_before_update, e)))
		return rc;
	return 0;
}

static int read_cpu(const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *c = NULL;
	int rc = json_read_obj(obj, "cpu", &c, e);
	if (rc || !c)
		return rc;
	if ((rc = json_read_i64(c, "shares", 0, INT64_MAX, &r->cpu_shares, e)) ||
	    (rc = json_read_i64(c, "quota", -1, INT64_MAX, &r->cpu_quota, e)) ||
	    (rc = json_read_i64(c, "period", 0, INT64_MAX, &r->cpu_period, e)) ||
	    (rc = json_read_i64(c, "burst", 0, INT64_MAX, &r->cpu_burst, e)) ||
	    (rc = json_read_i64(c, "realtimeRuntime", -1, INT64_MAX, &r->cpu_realtime_runtime, e)) ||
	    (rc = json_read_i64(c, "realtimePeriod", 0, INT64_MAX, &r->cpu_realtime_period, e)) ||
	    (rc = json_read_i64(c, "idle", 0, 1, &r->cpu_idle, e)) ||
	    (rc = json_read_str(c, "cpus", &r->cpuset_cpus, e)) ||
	    (rc = json_read_str(c, "mems", &r->cpuset_mems, e)))
		return rc;
	return 0;
}

// An element of weightDevice may have one of the two weights only.
static int read_blkio_list(struct spec *s, const struct json *obj, const char *key, const char *value_key,
			   struct spec_list_blkio *out, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, key, SPEC_ITEMS_MAX, &arr, &n, e);
	if (rc)
		return rc;
	out->v = spec_alloc(s, n, sizeof(*out->v));
	json_for_each(it, arr)
	{
		struct spec_blkio_device *d = &out->v[out->n++];
		if (!json_get(it, "major") || !json_get(it, "minor"))
			return spec_missing(it, json_get(it, "major") ? "minor" : "major", e);
		if (!json_get(it, value_key)) {
			if (str_eq(value_key, "rate"))
				return spec_missing(it, value_key, e);
			out->n--;
			continue;
		}
		if ((rc = json_read_i64(it, "major", 0, UINT32_MAX, &d->major, e)) ||
		    (rc = json_read_i64(it, "minor", 0, UINT32_MAX, &d->minor, e)) ||
		    (rc = json_read_u64(it, value_key, UINT64_MAX, &d->value, e)))
			return rc;
	}
	return 0;
}

static int read_blkio(struct spec *s, const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *b = NULL;
	int rc = json_read_obj(obj, "blockIO", &b, e);
	if (rc || !b)
		return rc;
	if ((rc = json_read_i64(b, "weight", 0, 10000, &r->blkio_weight, e)) ||
	    (rc = json_read_i64(b, "leafWeight", 0, 10000, &r->blkio_leaf_weight, e)) ||
	    (rc = read_blkio_list(s, b, "weightDevice", "weight", &r->weight_device, e)) ||
	    (rc = read_blkio_list(s, b, "weightDevice", "leafWeight", &r->leaf_weight_device, e)) ||
	    (rc = read_blkio_list(s, b, "throttleReadBpsDevice", "rate", &r->throttle_read_bps, e)) ||
	    (rc = read_blkio_list(s, b, "throttleWriteBpsDevice", "rate", &r->throttle_write_bps, e)) ||
	    (rc = read_blkio_list(s, b, "throttleReadIOPSDevice", "rate", &r->throttle_read_iops, e)) ||
	    (rc = read_blkio_list(s, b, "throttleWriteIOPSDevice", "rate", &r->throttle_write_iops, e)))
		return rc;
	return 0;
}

static int read_hugepages(struct spec *s, const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, "hugepageLimits", 64, &arr, &n, e);
	if (rc)
		return rc;
	r->hugepage_limits = spec_alloc(s, n, sizeof(*r->hugepage_limits));
	json_for_each(it, arr)
	{
		size_t i = r->hugepage_count++;
		if ((rc = json_read_str(it, "pageSize", &r->hugepage_limits[i].page_size, e)) ||
		    (rc = json_read_u64(it, "limit", UINT64_MAX, &r->hugepage_limits[i].limit, e)))
			return rc;
		if (!r->hugepage_limits[i].page_size)
			return spec_missing(it, "pageSize", e);
	}
	return 0;
}

static int read_network(struct spec *s, const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *net = NULL, *arr;
	size_t n;
	int rc = json_read_obj(obj, "network", &net, e);
	if (rc || !net)
		return rc;
	if ((rc = json_read_i64(net, "classID", 0, UINT32_MAX, &r->net_class_id, e)) ||
	    (rc = spec_read_objects(net, "priorities", SPEC_ITEMS_MAX, &arr, &n, e)))
		return rc;
	r->net_priorities = spec_alloc(s, n, sizeof(*r->net_priorities));
	json_for_each(it, arr)
	{
		size_t i = r->net_priority_count++;
		if ((rc = json_read_str(it, "name", &r->net_priorities[i].name, e)) ||
		    (rc = json_read_i64(it, "priority", 0, UINT32_MAX, &r->net_priorities[i].priority, e)))
			return rc;
		if (!r->net_priorities[i].name)
			return spec_missing(it, "name", e);
	}
	return 0;
}

static int read_rdma(struct spec *s, const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *map = NULL;
	int rc = json_read_obj(obj, "rdma", &map, e);
	if (rc || !map)
		return rc;
	r->rdma = spec_alloc(s, map->count, sizeof(*r->rdma));
	json_for_each(it, map)
	{
		size_t i = r->rdma_count++;
		r->rdma[i].device = it->key;
		r->rdma[i].hca_handles = r->rdma[i].hca_objects = SPEC_UNSET;
		if ((rc = json_read_i64(it, "hcaHandles", 0, UINT32_MAX, &r->rdma[i].hca_handles, e)) ||
		    (rc = json_read_i64(it, "hcaObjects", 0, UINT32_MAX, &r->rdma[i].hca_objects, e)))
			return rc;
	}
	return 0;
}

int spec_read_resources(struct spec *s, const struct json *obj, struct spec_resources *r, struct err *e)
{
	const struct json *pids = NULL;
	int rc;
	if ((rc = read_devices(s, obj, r, e)) || (rc = read_memory(obj, r, e)) ||
	    (rc = read_cpu(obj, r, e)) || (rc = json_read_obj(obj, "pids", &pids, e)) ||
	    (pids && (rc = json_read_i64(pids, "limit", INT64_MIN + 1, INT64_MAX, &r->pids_limit, e))) ||
	    (rc = read_blkio(s, obj, r, e)) || (rc = read_hugepages(s, obj, r, e)) ||
	    (rc = read_network(s, obj, r, e)) || (rc = read_rdma(s, obj, r, e)) ||
	    (rc = spec_read_kv(s, obj, "unified", &r->unified, &r->unified_count, e)))
		return rc;
	if (r->pids_limit != SPEC_UNSET && r->pids_limit <= 0)
		r->pids_limit =
		    r->pids_limit == 0 ? SPEC_UNSET : -1; // 0 is "not given" to every caller of runc
	return 0;
}
