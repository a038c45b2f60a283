// SPDX-License-Identifier: Apache-2.0
// Limits under cgroup v2, one function a controller. OCI's numbers are those of v1 and are converted as runc
// converts them. Documentation/admin-guide/cgroup-v2.rst.
#include <errno.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define SET(field) ((field) != SPEC_UNSET)
#define GIVEN(field)                                                                                         \
	((field) != SPEC_UNSET && (field) != 0) // engines write 0 for "not given" where 0 makes no sense
#define PAGE 4096U

static int enable_each(int dirfd, char *names)
{
	int rc = 0;
	char *save = names;
	for (char *name; (name = strsep(&save, " "));) {
		char word[64];
		(void)snprintf(word, sizeof(word), "+%s", name);
		int one = cgroup_write(dirfd, "cgroup.subtree_control", word, NULL);
		rc = one < 0 ? one : rc;
	}
	return rc;
}

int cgroup_v2_enable(int dirfd, struct err *e)
{
	cleanup_free char *have = NULL, *enabled = NULL;
	int rc = cgroup_read(dirfd, "cgroup.controllers", &have, e);
	if (rc == 0)
		rc = cgroup_read(dirfd, "cgroup.subtree_control", &enabled, e);
	if (rc < 0)
		return rc;
	if (!*have || str_eq(have, enabled))
		return 0;
	// analyzed: cgroup_read has set it
	for (char *p = enabled; *p; p++)
		*p = *p == ' ' ? ',' : *p;

	cleanup_free char *list = xcalloc(strlen(have) + 1, 1);
	cleanup_free char *copy = xstrdup(have);
	char *save = copy;
	for (char *name; (name = strsep(&save, " "));) {
		if (cgroup_has_word(enabled, name))
			continue;
		size_t used = strlen(list);
		(void)snprintf(list + used, strlen(have) + 1 - used, "%s%s", used ? " " : "", name);
	}
	if (*list)
		(void)enable_each(dirfd, list);
	return 0;
}

uint64_t cgroup_v2_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

uint64_t cgroup_v2_io_weight(uint64_t blkio)
{
	if (blkio < 10)
		blkio = 10;
	if (blkio > 1000)
		blkio = 1000;
	return 1 + (blkio - 10) * 9999 / 990;
}

int cgroup_v2_swap(int64_t swap, int64_t memory, int64_t *out, struct err *e)
{
	*out = SPEC_UNSET;
	if (memory == -1 && !GIVEN(swap)) { // unlimited memory with the swap of before makes no sense: both
		*out = -1;
		return 0;
	}
	if (!GIVEN(swap))
		return 0;
	if (swap == -1) {
		*out = -1;
		return 0;
	}
	if (!GIVEN(memory) || memory == -1)
		return err_set(e, -EINVAL,
			       "a swap limit counts memory and swap together, so it needs a memory limit");
	if (swap < memory)
		return err_set(e, -EINVAL,
			       "the swap limit (memory and swap together) is below the memory limit");
	*out = swap - memory;
	return 0;
}

static int set_swap(int dirfd, int64_t swap, struct err *e)
{
	struct sysinfo si;
	if (cgroup_has_file(dirfd, "memory.swap.max"))
		return cgroup_write_number(dirfd, "memory.swap.max", swap, "max", PAGE, e);
	if (swap == -1 || (sysinfo(&si) == 0 && si.totalswap == 0))
		return 0;
	return err_set(e, -ENOTSUP,
		       "the container asks for a swap limit, but this machine's kernel does not account swap "
		       "(memory.swap.max)");
}

// v1 refuses such a limit by itself; here it would be taken, and the container killed.
static int check_usage(int dirfd, int64_t limit, struct err *e)
{
	uint64_t now = 0;
	if (!GIVEN(limit) || limit < 0)
		return 0;
	int rc = cgroup_read_u64(dirfd, "memory.current", &now);
	if (rc)
		return err_sys(e, rc, "cgroup: reading memory.current");
	return now > (uint64_t)limit
		   ? err_set(e, -EBUSY,
			     "the container uses %ju bytes of memory, more than the new limit of %jd",
			     (uintmax_t)now, (intmax_t)limit)
		   : 0;
}

int cgroup_v2_memory(int dirfd, const struct spec_resources *r, struct err *e)
{
	int64_t swap = SPEC_UNSET;
	int rc = cgroup_v2_swap(r->memory_swap, r->memory_limit, &swap, e);
	if (rc < 0)
		return rc;
	if (r->memory_disable_oom_killer == 1)
		return err_set(e, -ENOTSUP, "disableOOMKiller: cgroup v2 has no such switch");
	if (GIVEN(r->memory_kernel))
		return err_set(e, -ENOTSUP, "memory kernel: cgroup v2 has no such limit");
	if (GIVEN(r->memory_kernel_tcp))
		return err_set(e, -ENOTSUP, "memory kernelTCP: cgroup v2 has no such limit");
	if (SET(r->memory_swappiness))
		return err_set(e, -ENOTSUP, "memory swappiness: cgroup v2 has no such setting");
	if (r->memory_check_before_update && (rc = check_usage(dirfd, r->memory_limit, e)))
		return rc;
	if (SET(swap))
		rc = set_swap(dirfd, swap, e);
	if (rc == 0 && GIVEN(r->memory_limit))
		rc = cgroup_write_number(dirfd, "memory.max", r->memory_limit, "max", PAGE, e);
	if (rc == 0 && GIVEN(r->memory_reservation))
		rc = cgroup_write_number(dirfd, "memory.low", r->memory_reservation, "max", PAGE, e);
	return rc;
}

// cpu.max is "quota period"; what is not given keeps the value that it has.
static int set_cpu_max(int dirfd, const struct spec_resources *r, struct err *e)
{
	cleanup_free char *now = NULL;
	char want[64], quota[32];
	int rc = cgroup_read(dirfd, "cpu.max", &now, e);
	if (rc < 0)
		return rc;
	char *period = strchr(now, ' ');
	if (!period)
		return err_set(e, -EINVAL, "cgroup: cpu.max is '%s'", now);
	*period++ = '\0';

	if (GIVEN(r->cpu_quota) && r->cpu_quota > 0)
		(void)snprintf(quota, sizeof(quota), "%jd", (intmax_t)r->cpu_quota);
	else
		(void)snprintf(quota, sizeof(quota), "%s", GIVEN(r->cpu_quota) ? "max" : now);
	if (GIVEN(r->cpu_period))
		(void)snprintf(want, sizeof(want), "%s %jd", quota, (intmax_t)r->cpu_period);
	else
		(void)snprintf(want, sizeof(want), "%s %s", quota, period);

	cleanup_free char *got = NULL;
	rc = cgroup_write(dirfd, "cpu.max", want, e);
	if (rc == 0)
		rc = cgroup_read(dirfd, "cpu.max", &got, e);
	if (rc == 0 && !str_eq(got, want))
		rc = err_set(e, -ERANGE, "cgroup: the kernel made %s of %s in cpu.max", got, want);
	return rc;
}

int cgroup_v2_cpu(int dirfd, const struct spec_resources *r, struct err *e)
{
	if (GIVEN(r->cpu_realtime_runtime) || GIVEN(r->cpu_realtime_period))
		return err_set(e, -ENOTSUP, "realtime cpu limits: cgroup v2 has none");
	int rc = 0;
	bool burst = SET(r->cpu_burst) && (r->cpu_burst || cgroup_has_file(dirfd, "cpu.max.burst"));
	if (GIVEN(r->cpu_shares) && r->cpu_idle != 1) // an idle group has no weight
		rc = cgroup_write_number(dirfd, "cpu.weight",
					 (int64_t)cgroup_v2_weight((uint64_t)r->cpu_shares), "max", 0, e);
	// A burst above the new quota would make the kernel refuse the quota.
	if (rc == 0 && burst)
		rc = cgroup_write_number(dirfd, "cpu.max.burst", 0, "0", 0, e);
	if (rc == 0 && (GIVEN(r->cpu_quota) || GIVEN(r->cpu_period)))
		rc = set_cpu_max(dirfd, r, e);
	if (rc == 0 && burst && r->cpu_burst)
		rc = cgroup_write_number(dirfd, "cpu.max.burst", r->cpu_burst, "0", 0, e);
	if (rc == 0 && SET(r->cpu_idle))
		rc = cgroup_write_number(dirfd, "cpu.idle", r->cpu_idle, "0", 0, e);
	return rc;
}

int cgroup_v2_cpuset(int dirfd, const struct spec_resources *r, struct err *e)
{
	return cgroup_v1_cpuset(dirfd, r, e); // the same two files
}

static int set_io_max(int dirfd, const struct spec_list_blkio *list, const char *key, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct spec_blkio_device *d = &list->v[i];
		char value[32] = "max"; // v1 writes 0 for no limit
		if (d->value)
			(void)snprintf(value, sizeof(value), "%ju", (uintmax_t)d->value);
		int rc = cgroup_writef(dirfd, "io.max", e, "%jd:%jd %s=%s", (intmax_t)d->major,
				       (intmax_t)d->minor, key, value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int set_io_weight(int dirfd, const struct spec_resources *r, struct err *e)
{
	if (GIVEN(r->blkio_leaf_weight) || r->leaf_weight_device.n)
		return err_set(e, -ENOTSUP, "blkio leaf weight: cgroup v2 has none");
	if (!GIVEN(r->blkio_weight) && !r->weight_device.n)
		return 0;
	bool bfq = cgroup_has_file(dirfd, "io.bfq.weight"); // takes v1's numbers
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	if (!cgroup_has_file(dirfd, file))
		return err_set(e, -ENOTSUP,
			       "the container asks for a blkio weight, but this machine has neither "
			       "io.bfq.weight nor io.weight");
	int rc = 0;
	if (GIVEN(r->blkio_weight)) {
		uint64_t w = (uint64_t)r->blkio_weight;
		rc = cgroup_writef(dirfd, file, e, "default %ju",
				   (uintmax_t)(bfq ? w : cgroup_v2_io_weight(w)));
	}
	for (size_t i = 0; rc == 0 && i < r->weight_device.n; i++) {
		const struct spec_blkio_device *d = &r->weight_device.v[i];
		rc = cgroup_writef(dirfd, file, e, "%jd:%jd %ju", (intmax_t)d->major, (intmax_t)d->minor,
				   (uintmax_t)(bfq ? d->value : cgroup_v2_io_weight(d->value)));
	}
	return rc;
}

int cgroup_v2_io(int dirfd, const struct spec_resources *r, struct err *e)
{
	int rc = set_io_weight(dirfd, r, e);
	if (rc == 0)
		rc = set_io_max(dirfd, &r->throttle_read_bps, "rbps", e);
	if (rc == 0)
		rc = set_io_max(dirfd, &r->throttle_write_bps, "wbps", e);
	if (rc == 0)
		rc = set_io_max(dirfd, &r->throttle_read_iops, "riops", e);
	if (rc == 0)
		rc = set_io_max(dirfd, &r->throttle_write_iops, "wiops", e);
	return rc;
}

bool cgroup_unified_key_ok(const char *s)
{
	return s[0] != '.' && strchr(s, '.') && !strchr(s, '/') && !str_starts(s, "cgroup.");
}

int cgroup_v2_unified(int dirfd, const struct spec_resources *r, struct err *e)
{
	for (size_t i = 0; i < r->unified_count; i++) {
		const char *key = r->unified[i].key;
		if (!cgroup_unified_key_ok(key))
			return err_set(e, -EINVAL, "unified: %s is not the name of a controller's file", key);
		if (!cgroup_has_file(dirfd, key))
			return err_set(
			    e, -ENOTSUP,
			    "unified: %s is not there: the cgroup controller %.*s is missing or not enabled",
			    key, (int)strcspn(key, "."), key);
		// A value of several lines is one write a line: io.max takes one device at a time.
		cleanup_free char *copy = xstrdup(r->unified[i].value);
		char *save = copy;
		for (char *line; (line = strsep(&save, "\n"));) {
			int rc = *line ? cgroup_write(dirfd, key, line, e) : 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
