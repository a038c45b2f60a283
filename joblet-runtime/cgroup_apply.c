// SPDX-License-Identifier: Apache-2.0
// Which controller takes which part of the resources, in which hierarchy. The order of the rows is the order
// of writing: devices last, so that a cgroup which could not be limited never got as far as being usable.
// config-linux.md "Control groups".
#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define SET(field)   ((field) != SPEC_UNSET)
#define GIVEN(field) ((field) != SPEC_UNSET && (field) != 0)

static bool wants_memory(const struct spec_resources *r)
{
	return GIVEN(r->memory_limit) || GIVEN(r->memory_reservation) || GIVEN(r->memory_swap) ||
	       GIVEN(r->memory_kernel) || GIVEN(r->memory_kernel_tcp) || SET(r->memory_swappiness) ||
	       GIVEN(r->memory_disable_oom_killer) || GIVEN(r->memory_use_hierarchy);
}

static bool wants_cpu(const struct spec_resources *r)
{
	return GIVEN(r->cpu_shares) || GIVEN(r->cpu_quota) || GIVEN(r->cpu_period) || SET(r->cpu_burst) ||
	       SET(r->cpu_idle) || GIVEN(r->cpu_realtime_runtime) || GIVEN(r->cpu_realtime_period);
}

static bool wants_cpuset(const struct spec_resources *r)
{
	return (r->cpuset_cpus && *r->cpuset_cpus) || (r->cpuset_mems && *r->cpuset_mems);
}

static bool wants_blkio(const struct spec_resources *r)
{
	return GIVEN(r->blkio_weight) || GIVEN(r->blkio_leaf_weight) || r->weight_device.n ||
	       r->leaf_weight_device.n || r->throttle_read_bps.n || r->throttle_write_bps.n ||
	       r->throttle_read_iops.n || r->throttle_write_iops.n;
}

static bool wants_pids(const struct spec_resources *r)
{
	return GIVEN(r->pids_limit);
}

static bool wants_hugetlb(const struct spec_resources *r)
{
	return r->hugepage_count != 0;
}

static bool wants_net_cls(const struct spec_resources *r)
{
	return SET(r->net_class_id);
}

static bool wants_net_prio(const struct spec_resources *r)
{
	return r->net_priority_count != 0;
}

static bool wants_rdma(const struct spec_resources *r)
{
	return r->rdma_count != 0;
}

static bool wants_unified(const struct spec_resources *r)
{
	return r->unified_count != 0;
}

static bool wants_devices(const struct spec_resources *r)
{
	return r->device_count != 0;
}

typedef int setter(int dirfd, const struct spec_resources *r, struct err *e);

// needs: the controller's name on v2 as cgroup.controllers has it; NULL: none is needed there.
static const struct controller {
	const char *v1, *needs;
	bool (*wanted)(const struct spec_resources *r);
	setter *set_v1, *set_v2;
} controllers[] = {
    {"memory", "memory", wants_memory, cgroup_v1_memory, cgroup_v2_memory},
    {"cpuset", "cpuset", wants_cpuset, cgroup_v1_cpuset, cgroup_v2_cpuset},
    {"cpu", "cpu", wants_cpu, cgroup_v1_cpu, cgroup_v2_cpu},
    {"pids", "pids", wants_pids, cgroup_any_pids, cgroup_any_pids},
    {"blkio", "io", wants_blkio, cgroup_v1_blkio, cgroup_v2_io},
    {"hugetlb", "hugetlb", wants_hugetlb, cgroup_v1_hugetlb, cgroup_v2_hugetlb},
    {"net_cls", NULL, wants_net_cls, cgroup_v1_net_cls, NULL},
    {"net_prio", NULL, wants_net_prio, cgroup_v1_net_prio, NULL},
    {"rdma", "rdma", wants_rdma, cgroup_any_rdma, cgroup_any_rdma},
    {NULL, NULL, wants_unified, NULL, cgroup_v2_unified},
    {"devices", NULL, wants_devices, cgroup_v1_devices, cgroup_v2_devices},
};

const struct cgroup_hier *cgroup_controller_v1(const struct cgroup *c, const char *name)
{
	for (size_t i = 0; name && i < c->hier_count; i++)
		if (!c->hier[i].v2 && cgroup_has_word(c->hier[i].name, name))
			return &c->hier[i];
	return NULL;
}

static bool v2_has(int dirfd, const char *name)
{
	cleanup_free char *list = NULL;
	if (cgroup_read(dirfd, "cgroup.controllers", &list, NULL) < 0)
		return false;
	for (char *p = list; *p; p++)
		if (*p == ' ')
			*p = ',';
	return cgroup_has_word(list, name);
}

static int apply_one(struct cgroup *c, const struct controller *k, const struct spec_resources *r,
		     struct err *e)
{
	const struct cgroup_hier *h = cgroup_controller_v1(c, k->v1);
	if (h && h->fd < 0)
		return err_set(e, -ENOENT, "cgroup %s/%s does not exist", h->mount, c->path);
	if (h)
		return k->set_v1(h->fd, r, e);

	int v2 = cgroup_v2_fd(c);
	const char *name = k->v1 ? k->v1 : "unified";
	if (v2 < 0 || !k->set_v2)
		return err_set(
		    e, -ENOTSUP,
		    "the container asks for a %s limit, but this machine has no cgroup controller %s", name,
		    name);
	if (k->needs && !v2_has(v2, k->needs))
		return err_set(e, -ENOTSUP,
			       "the container asks for a %s limit, but the cgroup controller %s is not there "
			       "or not enabled for /%s",
			       name, k->needs, c->path);
	return k->set_v2(v2, r, e);
}

int cgroup_apply(struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		int rc = controllers[i].wanted(r) ? apply_one(c, &controllers[i], r, e) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

const char *cgroup_first_limit(const struct spec_resources *r)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		if (controllers[i].wanted != wants_devices && controllers[i].wanted(r))
			return controllers[i].v1 ? controllers[i].v1 : "unified";
	return NULL;
}

int cgroup_controller_fd(const struct cgroup *c, const char *v1, const char *v2)
{
	const struct cgroup_hier *h = cgroup_controller_v1(c, v1);
	if (h)
		return h->fd;
	int fd = cgroup_v2_fd(c);
	return fd >= 0 && v2_has(fd, v2) ? fd : -1;
}

void cgroup_usage(const struct cgroup *c, struct cgroup_usage *out)
{
	*out = (struct cgroup_usage){.memory_now = -1, .memory_peak = -1, .cpu_ns = -1, .pids = -1};
	uint64_t v = 0;

	const struct cgroup_hier *h = cgroup_controller_v1(c, "memory");
	int fd = cgroup_controller_fd(c, "memory", "memory");
	if (fd >= 0 && cgroup_read_u64(fd, h ? "memory.usage_in_bytes" : "memory.current", &v) == 0)
		out->memory_now = (int64_t)v;
	if (fd >= 0 && cgroup_read_u64(fd, h ? "memory.max_usage_in_bytes" : "memory.peak", &v) == 0)
		out->memory_peak = (int64_t)v;
	uint64_t kills = 0;
	if (fd >= 0 &&
	    cgroup_read_key(fd, h ? "memory.oom_control" : "memory.events", "oom_kill", &kills) == 0)
		out->oom_kills = (int64_t)kills;

	h = cgroup_controller_v1(c, "cpuacct");
	if (h) {
		if (h->fd >= 0 && cgroup_read_u64(h->fd, "cpuacct.usage", &v) == 0)
			out->cpu_ns = (int64_t)v;
	} else if (cgroup_v2_fd(c) >= 0 &&
		   cgroup_read_key(cgroup_v2_fd(c), "cpu.stat", "usage_usec", &v) == 0) {
		out->cpu_ns = (int64_t)(v * 1000);
	}

	fd = cgroup_controller_fd(c, "pids", "pids");
	if (fd >= 0 && cgroup_read_u64(fd, "pids.current", &v) == 0)
		out->pids = (int64_t)v;
}
