// SPDX-License-Identifier: Apache-2.0
// Limits under cgroup v1, one function a controller, and the files that are the same in both versions. Each
// gets the directory of the container in that controller's hierarchy. Documentation/admin-guide/cgroup-v1.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define SET(field) ((field) != SPEC_UNSET)
#define GIVEN(field)                                                                                         \
	((field) != SPEC_UNSET && (field) != 0) // engines write 0 for "not given" where 0 makes no sense
#define PAGE  4096U
#define MEMSW "memory.memsw.limit_in_bytes"
#define LIMIT "memory.limit_in_bytes"

// The kernel does not account swap here. That is no loss when the machine has none, or when the container may
// use all there is.
static int check_no_memsw(int64_t swap, struct err *e)
{
	struct sysinfo si;
	if (swap < 0 || (sysinfo(&si) == 0 && si.totalswap == 0))
		return 0;
	return err_set(
	    e, -ENOTSUP,
	    "the container asks for a swap limit, but this machine's kernel does not account swap (%s)",
	    MEMSW);
}

// limit <= memsw must hold after each write, so the order depends on where memsw is now.
static int set_limit_and_swap(int dirfd, int64_t limit, int64_t swap, struct err *e)
{
	uint64_t now = 0;
	bool memsw = cgroup_has_file(dirfd, MEMSW);
	if (GIVEN(swap) && !memsw) {
		int rc = check_no_memsw(swap, e);
		if (rc < 0)
			return rc;
		swap = SPEC_UNSET;
	}
	// An unlimited memory with a swap limit left as it is would be refused: unlimited goes for both, as
	// for runc.
	if (limit == -1 && !GIVEN(swap) && memsw)
		swap = -1;

	bool swap_first = false;
	if (GIVEN(swap)) {
		int rc = cgroup_read_u64(dirfd, MEMSW, &now);
		if (rc < 0)
			return err_sys(e, rc, "cgroup: reading %s", MEMSW);
		swap_first = swap < 0 || (uint64_t)swap > now;
	}
	int rc = 0;
	if (swap_first)
		rc = cgroup_write_number(dirfd, MEMSW, swap, "-1", PAGE, e);
	if (rc == 0 && GIVEN(limit))
		rc = cgroup_write_number(dirfd, LIMIT, limit, "-1", PAGE, e);
	if (rc == 0 && GIVEN(swap) && !swap_first)
		rc = cgroup_write_number(dirfd, MEMSW, swap, "-1", PAGE, e);
	return rc;
}

// Gone since Linux 5.16, where the kernel's own memory counts as memory.
static int set_kernel(int dirfd, int64_t limit, struct err *e)
{
	static const char file[] = "memory.kmem.limit_in_bytes";
	if (!cgroup_has_file(dirfd, file))
		return err_set(e, -ENOTSUP,
			       "the container asks for a limit of kernel memory, but this machine has no %s",
			       file);
	return cgroup_write_number(dirfd, file, limit, "-1", PAGE, e);
}

int cgroup_v1_memory(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = set_limit_and_swap(dirfd, r->memory_limit, r->memory_swap, e);
	if (rc == 0 && GIVEN(r->memory_reservation))
		rc = cgroup_write_number(dirfd, "memory.soft_limit_in_bytes", r->memory_reservation, "-1",
					 PAGE, e);
	if (rc == 0 && GIVEN(r->memory_kernel))
		rc = set_kernel(dirfd, r->memory_kernel, e);
	if (rc == 0 && GIVEN(r->memory_kernel_tcp))
		rc = cgroup_write_number(dirfd, "memory.kmem.tcp.limit_in_bytes", r->memory_kernel_tcp, "-1",
					 PAGE, e);
	if (rc == 0 && SET(r->memory_swappiness))
		rc = cgroup_write_number(dirfd, "memory.swappiness", r->memory_swappiness, "-1", 0, e);
	if (rc == 0 && SET(r->memory_disable_oom_killer)) // its first line reads back as text
		rc = cgroup_write(dirfd, "memory.oom_control", r->memory_disable_oom_killer ? "1" : "0", e);
	if (rc == 0 && r->memory_use_hierarchy == 1) // the only value that newer kernels have
		rc = cgroup_write(dirfd, "memory.use_hierarchy", "1", e);
	return rc;
}

static int set_cpu_bandwidth(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = 0;
	// A burst above the new quota would make the kernel refuse the quota.
	if (SET(r->cpu_burst))
		rc = cgroup_write_number(dirfd, "cpu.cfs_burst_us", 0, "0", 0, e);
	bool period_later = false;
	if (rc == 0 && GIVEN(r->cpu_period)) {
		rc = cgroup_write_number(dirfd, "cpu.cfs_period_us", r->cpu_period, "-1", 0, e);
		// The old quota in the new period may be more than the parent has; with the new quota it may
		// fit.
		period_later = rc == -EINVAL && GIVEN(r->cpu_quota);
		rc = period_later ? 0 : rc;
	}
	if (rc == 0 && GIVEN(r->cpu_quota))
		rc = cgroup_write_number(dirfd, "cpu.cfs_quota_us", r->cpu_quota < 0 ? -1 : r->cpu_quota,
					 "-1", 0, e);
	if (rc == 0 && period_later)
		rc = cgroup_write_number(dirfd, "cpu.cfs_period_us", r->cpu_period, "-1", 0, e);
	if (rc == 0 && SET(r->cpu_burst) && r->cpu_burst)
		rc = cgroup_write_number(dirfd, "cpu.cfs_burst_us", r->cpu_burst, "0", 0, e);
	return rc;
}

int cgroup_v1_cpu(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = 0;
	if (GIVEN(r->cpu_shares) && r->cpu_idle != 1)
		rc = cgroup_write_number(dirfd, "cpu.shares", r->cpu_shares, "-1", 0, e);
	if (rc == 0)
		rc = set_cpu_bandwidth(dirfd, r, e);
	if (rc == 0 && GIVEN(r->cpu_realtime_period))
		rc = cgroup_write_number(dirfd, "cpu.rt_period_us", r->cpu_realtime_period, "-1", 0, e);
	if (rc == 0 && GIVEN(r->cpu_realtime_runtime))
		rc = cgroup_write_number(dirfd, "cpu.rt_runtime_us", r->cpu_realtime_runtime, "-1", 0, e);
	if (rc == 0 && SET(r->cpu_idle))
		rc = cgroup_write_number(dirfd, "cpu.idle", r->cpu_idle, "-1", 0, e);
	return rc;
}

int cgroup_v1_cpuset(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = 0;
	if (r->cpuset_cpus && *r->cpuset_cpus)
		rc = cgroup_write(dirfd, "cpuset.cpus", r->cpuset_cpus, e);
	if (rc == 0 && r->cpuset_mems && *r->cpuset_mems)
		rc = cgroup_write(dirfd, "cpuset.mems", r->cpuset_mems, e);
	return rc;
}

int cgroup_v1_cpuset_inherit(int parent_fd, int child_fd, struct err *e)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		cleanup_free char *have = NULL, *from = NULL;
		int rc = cgroup_read(child_fd, files[i], &have, e);
		if (rc == 0 && *have)
			continue;
		if (rc == 0)
			rc = cgroup_read(parent_fd, files[i], &from, e);
		if (rc == 0)
			rc = cgroup_write(child_fd, files[i], from, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int set_throttle(int dirfd, const char *file, const struct spec_list_blkio *list, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct spec_blkio_device *d = &list->v[i];
		int rc = cgroup_writef(dirfd, file, e, "%jd:%jd %ju", (intmax_t)d->major, (intmax_t)d->minor,
				       (uintmax_t)d->value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cgroup_v1_blkio(int dirfd, const struct spec_resources *r, struct err *e)
{
	bool plain = cgroup_has_file(dirfd, "blkio.weight");
	const char *weight = plain ? "blkio.weight" : "blkio.bfq.weight";
	const char *device = plain ? "blkio.weight_device" : "blkio.bfq.weight_device";
	if ((GIVEN(r->blkio_weight) || r->weight_device.n) && !cgroup_has_file(dirfd, weight))
		return err_set(e, -ENOTSUP,
			       "the container asks for a blkio weight, but this machine has no %s", weight);
	if ((GIVEN(r->blkio_leaf_weight) || r->leaf_weight_device.n) &&
	    !cgroup_has_file(dirfd, "blkio.leaf_weight"))
		return err_set(
		    e, -ENOTSUP,
		    "the container asks for a blkio leaf weight, but this machine has no blkio.leaf_weight");

	int rc = 0;
	if (GIVEN(r->blkio_weight))
		rc = cgroup_writef(dirfd, weight, e, "%jd", (intmax_t)r->blkio_weight);
	if (rc == 0 && GIVEN(r->blkio_leaf_weight))
		rc = cgroup_writef(dirfd, "blkio.leaf_weight", e, "%jd", (intmax_t)r->blkio_leaf_weight);
	if (rc == 0)
		rc = set_throttle(dirfd, device, &r->weight_device, e);
	if (rc == 0)
		rc = set_throttle(dirfd, "blkio.leaf_weight_device", &r->leaf_weight_device, e);
	if (rc == 0)
		rc = set_throttle(dirfd, "blkio.throttle.read_bps_device", &r->throttle_read_bps, e);
	if (rc == 0)
		rc = set_throttle(dirfd, "blkio.throttle.write_bps_device", &r->throttle_write_bps, e);
	if (rc == 0)
		rc = set_throttle(dirfd, "blkio.throttle.read_iops_device", &r->throttle_read_iops, e);
	if (rc == 0)
		rc = set_throttle(dirfd, "blkio.throttle.write_iops_device", &r->throttle_write_iops, e);
	return rc;
}

bool cgroup_page_size_ok(const char *s)
{
	size_t digits = strspn(s, "0123456789");
	const char *unit = s + digits;
	return digits >= 1 && digits <= 6 && (unit[0] == 'K' || unit[0] == 'M' || unit[0] == 'G') &&
	       str_eq(unit + 1, "B");
}

static int set_hugetlb(int dirfd, const struct spec_resources *r, const char *limit, const char *reserved,
		       struct err *e)
{
	for (size_t i = 0; i < r->hugepage_count; i++) {
		const char *size = r->hugepage_limits[i].page_size;
		uint64_t value = r->hugepage_limits[i].limit;
		char file[64];
		if (!cgroup_page_size_ok(size))
			return err_set(e, -EINVAL, "hugepage size %s is not one (2MB, 1GB)", size);
		int64_t v = value > INT64_MAX ? INT64_MAX : (int64_t)value;
		(void)snprintf(file, sizeof(file), "hugetlb.%s.%s", size, limit);
		if (!cgroup_has_file(dirfd, file))
			return err_set(e, -ENOTSUP, "this machine has no huge pages of %s (%s)", size, file);
		// Rounded down to whole huge pages.
		int rc = cgroup_write_number(dirfd, file, v, "-1", (uint64_t)1 << 34, e);
		(void)snprintf(file, sizeof(file), "hugetlb.%s.%s", size, reserved);
		if (rc == 0 && cgroup_has_file(dirfd, file))
			rc = cgroup_write_number(dirfd, file, v, "-1", (uint64_t)1 << 34, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cgroup_v1_hugetlb(int dirfd, const struct spec_resources *r, struct err *e)
{
	return set_hugetlb(dirfd, r, "limit_in_bytes", "rsvd.limit_in_bytes", e);
}

int cgroup_v2_hugetlb(int dirfd, const struct spec_resources *r, struct err *e)
{
	return set_hugetlb(dirfd, r, "max", "rsvd.max", e);
}

int cgroup_v1_net_cls(int dirfd, const struct spec_resources *r, struct err *e)
{
	return cgroup_write_number(dirfd, "net_cls.classid", r->net_class_id, "0", 0, e);
}

int cgroup_v1_net_prio(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->net_priority_count; i++)
		rc = cgroup_writef(dirfd, "net_prio.ifpriomap", e, "%s %jd", r->net_priorities[i].name,
				   (intmax_t)r->net_priorities[i].priority);
	return rc;
}

int cgroup_any_pids(int dirfd, const struct spec_resources *r, struct err *e)
{
	if (!GIVEN(r->pids_limit))
		return 0;
	return cgroup_write_number(dirfd, "pids.max", r->pids_limit < 0 ? -1 : r->pids_limit, "max", 0, e);
}

int cgroup_any_rdma(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->rdma_count; i++) {
		const char *device = r->rdma[i].device;
		if (SET(r->rdma[i].hca_handles))
			rc = cgroup_writef(dirfd, "rdma.max", e, "%s hca_handle=%jd", device,
					   (intmax_t)r->rdma[i].hca_handles);
		if (rc == 0 && SET(r->rdma[i].hca_objects))
			rc = cgroup_writef(dirfd, "rdma.max", e, "%s hca_object=%jd", device,
					   (intmax_t)r->rdma[i].hca_objects);
	}
	return rc;
}

// The kernel keeps a default and exceptions to it. A rule against the default is an exception; a rule like
// the default only takes an exception away that names the very same device. Another overlap would be lost
// without a word.
static bool covers(int64_t a, int64_t b)
{
	return a == -1 || b == -1 || a == b;
}

static bool same_key(const struct spec_device_rule *a, const struct spec_device_rule *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool overlap(const struct spec_device_rule *a, const struct spec_device_rule *b)
{
	return a->type == b->type && covers(a->major, b->major) && covers(a->minor, b->minor) &&
	       ((a->read && b->read) || (a->write && b->write) || (a->mknod && b->mknod));
}

int cgroup_v1_devices_check(const struct spec_device_rule *rules, size_t n, struct err *e)
{
	bool allow_default = true;
	size_t first = 0;
	for (size_t i = 0; i < n; i++) {
		if (rules[i].type == 'a') {
			allow_default = rules[i].allow;
			first = i + 1;
			continue;
		}
		for (size_t k = first; rules[i].allow == allow_default && k < i; k++)
			if (rules[k].allow != allow_default && overlap(&rules[i], &rules[k]) &&
			    !same_key(&rules[i], &rules[k]))
				return err_set(
				    e, -ENOTSUP,
				    "device rule %zu takes back part of rule %zu: cgroup v1 cannot say that",
				    i, k);
	}
	return 0;
}

static int write_device(int dirfd, const struct spec_device_rule *d, struct err *e)
{
	const char *file = d->allow ? "devices.allow" : "devices.deny";
	char major[24] = "*", minor[24] = "*";
	if (d->type == 'a')
		return cgroup_write(dirfd, file, "a", e);
	if (!d->read && !d->write && !d->mknod)
		return 0;
	if (d->major != -1)
		(void)snprintf(major, sizeof(major), "%jd", (intmax_t)d->major);
	if (d->minor != -1)
		(void)snprintf(minor, sizeof(minor), "%jd", (intmax_t)d->minor);
	return cgroup_writef(dirfd, file, e, "%c %s:%s %s%s%s", d->type, major, minor, d->read ? "r" : "",
			     d->write ? "w" : "", d->mknod ? "m" : "");
}

int cgroup_v1_devices(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = cgroup_v1_devices_check(r->devices, r->device_count, e);
	for (size_t i = 0; rc == 0 && i < r->device_count; i++)
		rc = write_device(dirfd, &r->devices[i], e);
	return rc;
}
