// SPDX-License-Identifier: Apache-2.0
// Limits as systemd's properties. They are taken from the cgroup itself, after the runtime has written them
// there: so there is one place that knows what OCI's numbers mean, and whatever set the limit, `unified` or
// an update of half of it, is told. systemd.resource-control(5).
#include <errno.h>
#include <string.h>

#include "joblet-runtime/cgroup_internal.h"
#include "joblet-runtime/dbus.h"
#include "joblet-runtime/systemd.h"
#include "lib/base/str.h"

#define SECOND_US 1000000U
#define PERCENT	  (SECOND_US / 100)

void systemd_put_u64(struct buf *b, const char *name, uint64_t v)
{
	dbus_struct(b);
	dbus_put_str(b, name);
	dbus_put_sig(b, "t");
	dbus_put_u64(b, v);
}

// A number or "max", which is systemd's infinity. 0 in cpu.weight is an idle group, which has none.
static const struct {
	const char *file, *property;
	uint64_t least;
} numbers[] = {
    {"memory.min", "MemoryMin", 0}, {"memory.low", "MemoryLow", 0},	     {"memory.high", "MemoryHigh", 0},
    {"memory.max", "MemoryMax", 0}, {"memory.swap.max", "MemorySwapMax", 0}, {"pids.max", "TasksMax", 1},
    {"cpu.weight", "CPUWeight", 1},
};

static const struct {
	const char *file, *property;
} masks[] = {
    {"cpuset.cpus", "AllowedCPUs"},
    {"cpuset.mems", "AllowedMemoryNodes"},
};

size_t systemd_mask(const char *list, uint8_t mask[SYSTEMD_MASK_MAX])
{
	size_t bytes = 0;
	memset(mask, 0, SYSTEMD_MASK_MAX);
	if (str_check_cpu_list(list, SYSTEMD_MASK_MAX * 8 - 1) != 0)
		return 0;
	for (char *p = (char *)list; *p; p += *p == ',') {
		unsigned long first = strtoul(p, &p, 10), last = first;
		if (*p == '-')
			last = strtoul(p + 1, &p, 10);
		for (unsigned long i = first; i <= last; i++)
			mask[i / 8] |= (uint8_t)(1U << i % 8);
		bytes = last / 8 + 1 > bytes ? last / 8 + 1 : bytes;
	}
	return bytes;
}

// Rounded up to a whole percent, which is all that systemd keeps over a reload: down, a small one would be
// none.
int systemd_quota(const char *cpu_max, uint64_t *per_second, uint64_t *period)
{
	char quota[32];
	uint64_t n;
	size_t len = strcspn(cpu_max, " ");
	if (len >= sizeof(quota) || cpu_max[len] != ' ' ||
	    str_to_u64(cpu_max + len + 1, SECOND_US, period) != 0 || *period == 0)
		return -EINVAL;
	memcpy(quota, cpu_max, len);
	quota[len] = 0;
	*per_second = UINT64_MAX;
	if (str_eq(quota, "max"))
		return 0;
	if (str_to_u64(quota, UINT64_MAX / SECOND_US - SECOND_US, &n) != 0)
		return -EINVAL;
	*per_second = (n * SECOND_US / *period + PERCENT - 1) / PERCENT * PERCENT;
	return 0;
}

static int put_quota(int fd, struct buf *out, struct err *e)
{
	cleanup_free char *text = NULL;
	uint64_t per_second, period;
	if (!cgroup_has_file(fd, "cpu.max"))
		return 0;
	int rc = cgroup_read(fd, "cpu.max", &text, e);
	if (rc)
		return rc;
	if ((rc = systemd_quota(text, &per_second, &period)))
		return err_set(e, rc, "cgroup: cpu.max is '%.64s'", text);
	systemd_put_u64(out, "CPUQuotaPerSecUSec", per_second);
	systemd_put_u64(out, "CPUQuotaPeriodUSec", period);
	return 0;
}

static int put_mask(int fd, const char *file, const char *property, struct buf *out, struct err *e)
{
	cleanup_free char *text = NULL;
	uint8_t mask[SYSTEMD_MASK_MAX];
	if (!cgroup_has_file(fd, file))
		return 0;
	int rc = cgroup_read(fd, file, &text, e);
	size_t n = rc ? 0 : systemd_mask(text, mask);
	if (rc || !n) // as the parent has it
		return rc;
	dbus_struct(out);
	dbus_put_str(out, property);
	dbus_put_sig(out, "ay");
	dbus_put_bytes(out, mask, n);
	return 0;
}

int systemd_put_limits(const struct cgroup *c, struct buf *out, struct err *e)
{
	int fd = cgroup_v2_fd(c), rc = put_quota(fd, out, e);
	for (size_t i = 0; !rc && i < ARRAY_LEN(numbers); i++) {
		uint64_t v;
		if (cgroup_read_u64(fd, numbers[i].file, &v) == 0 && v >= numbers[i].least)
			systemd_put_u64(out, numbers[i].property, v);
	}
	for (size_t i = 0; !rc && i < ARRAY_LEN(masks); i++)
		rc = put_mask(fd, masks[i].file, masks[i].property, out, e);
	return rc;
}
