// SPDX-License-Identifier: Apache-2.0
// Resource limits, policy and priority, processors, personality, clocks.
#include <linux/ioprio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "lib/base/str.h"
#include "tests/probe/probe.h"

static const struct {
	const char *name;
	int number;
} limits[] = {
    {"AS", RLIMIT_AS},		 {"CORE", RLIMIT_CORE},		{"CPU", RLIMIT_CPU},
    {"DATA", RLIMIT_DATA},	 {"FSIZE", RLIMIT_FSIZE},	{"LOCKS", RLIMIT_LOCKS},
    {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
    {"NOFILE", RLIMIT_NOFILE},	 {"NPROC", RLIMIT_NPROC},	{"RSS", RLIMIT_RSS},
    {"RTPRIO", RLIMIT_RTPRIO},	 {"RTTIME", RLIMIT_RTTIME},	{"SIGPENDING", RLIMIT_SIGPENDING},
    {"STACK", RLIMIT_STACK},
};

// -1: unlimited
static void put_limits(struct json_out *o)
{
	json_key(o, "rlimits");
	json_open_obj(o);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit r;
		if (getrlimit((enum __rlimit_resource)limits[i].number, &r) != 0)
			continue;
		json_key(o, limits[i].name);
		json_open_arr(o);
		json_put_i64(o, (int64_t)r.rlim_cur);
		json_put_i64(o, (int64_t)r.rlim_max);
		json_close_arr(o);
	}
	json_close_obj(o);
}

static void put_policy(struct json_out *o)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = {.size = sizeof(a)};
	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) != 0)
		return;
	json_key(o, "sched");
	json_open_obj(o);
	json_kv_i64(o, "policy", a.policy);
	json_kv_i64(o, "flags", (int64_t)a.flags);
	json_kv_i64(o, "nice", a.nice);
	json_kv_i64(o, "priority", a.priority);
	json_kv_i64(o, "runtime", (int64_t)a.runtime);
	json_kv_i64(o, "deadline", (int64_t)a.deadline);
	json_kv_i64(o, "period", (int64_t)a.period);
	json_close_obj(o);
}

static void put_affinity(struct json_out *o)
{
	unsigned long bits[128] = {0};
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(bits), bits);
	json_key(o, "affinity");
	json_open_arr(o);
	for (long i = 0; i < n * 8; i++)
		if (bits[i / 64] >> (i % 64) & 1)
			json_put_i64(o, i);
	json_close_arr(o);
}

static void put_clock(struct json_out *o, const char *key, clockid_t clock)
{
	struct timespec t;
	if (clock_gettime(clock, &t) == 0)
		json_kv_i64(o, key, t.tv_sec);
}

void scheduling_put(struct json_out *o)
{
	put_limits(o);
	put_policy(o);
	put_affinity(o);
	int prio = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	json_kv_i64(o, "ioprio_class", IOPRIO_PRIO_CLASS(prio));
	json_kv_i64(o, "ioprio_level", IOPRIO_PRIO_DATA(prio));
	json_kv_i64(o, "personality", personality(0xffffffff));
	put_clock(o, "monotonic", CLOCK_MONOTONIC);
	put_clock(o, "boottime", CLOCK_BOOTTIME);
	cleanup_free char *text = probe_read("/proc/self/oom_score_adj");
	json_kv_i64(o, "oom_score_adj", text ? strtol(text, NULL, 10) : -9999);
}
