// SPDX-License-Identifier: Apache-2.0
// config.json: process.scheduler, ioPriority and execCPUAffinity. config.md "Linux Process". No system calls.
#include "joblet-runtime/spec_read.h"

#include <errno.h>

#include "joblet-runtime/sched.h"
#include "lib/base/str.h"

struct name {
	const char *name;
	uint64_t value;
};

// Numbers of linux/sched.h.
static const struct name policies[] = {
    {"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},	  {"SCHED_BATCH", 3},
    {"SCHED_ISO", 4},	{"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6},
};
static const struct name flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},	 {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},	 {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},	 {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
};
static const struct name io_classes[] = {
    {"IOPRIO_CLASS_NONE", 0},
    {"IOPRIO_CLASS_RT", 1},
    {"IOPRIO_CLASS_BE", 2},
    {"IOPRIO_CLASS_IDLE", 3},
};

static bool find(const struct name *names, size_t n, const char *name, uint64_t *out)
{
	for (size_t i = 0; name && i < n; i++) {
		if (str_eq(name, names[i].name)) {
			*out = names[i].value;
			return true;
		}
	}
	return false;
}

static int read_flags(struct spec *s, const struct json *obj, struct spec_scheduler *out, struct err *e)
{
	const char **names = NULL;
	int rc = spec_read_strings(s, obj, "flags", 64, &names, NULL, e);
	for (size_t i = 0; !rc && names && names[i]; i++) {
		uint64_t flag;
		if (!find(flags, ARRAY_LEN(flags), names[i], &flag))
			return err_set(e, -EINVAL, "process.scheduler.flags: %.64s is unknown", names[i]);
		out->flags |= flag;
	}
	return rc;
}

static int check_scheduler(const struct spec_scheduler *s, struct err *e)
{
	bool realtime = s->policy == 1 || s->policy == 2;
	if (s->priority && !realtime)
		return err_set(e, -EINVAL, "process.scheduler.priority is for SCHED_FIFO and SCHED_RR");
	if (realtime && !s->priority)
		return err_set(e, -EINVAL, "process.scheduler.priority is required with this policy");
	if ((s->runtime || s->deadline || s->period) && s->policy != 6)
		return err_set(e, -EINVAL,
			       "process.scheduler: runtime, deadline and period are for SCHED_DEADLINE");
	return 0;
}

static int read_scheduler(struct spec *s, struct spec_process *p, const struct json *obj, struct err *e)
{
	struct spec_scheduler *out = &p->scheduler;
	const struct json *it = NULL;
	const char *policy = NULL;
	int64_t nice = 0, priority = 0;
	uint64_t number = 0;
	int rc = json_read_obj(obj, "scheduler", &it, e);
	if (rc || !it)
		return rc;
	if ((rc = json_read_str(it, "policy", &policy, e)) ||
	    (rc = json_read_i64(it, "nice", -20, 19, &nice, e)) ||
	    (rc = json_read_i64(it, "priority", 0, 99, &priority, e)) || (rc = read_flags(s, it, out, e)) ||
	    (rc = json_read_u64(it, "runtime", INT64_MAX, &out->runtime, e)) ||
	    (rc = json_read_u64(it, "deadline", INT64_MAX, &out->deadline, e)) ||
	    (rc = json_read_u64(it, "period", INT64_MAX, &out->period, e)))
		return rc;
	if (!policy)
		return spec_missing(it, "policy", e);
	if (!find(policies, ARRAY_LEN(policies), policy, &number))
		return err_set(e, -EINVAL, "process.scheduler.policy: %.64s is unknown", policy);
	out->given = true;
	out->policy = (uint32_t)number;
	out->nice = (int32_t)nice;
	out->priority = (uint32_t)priority;
	return check_scheduler(out, e);
}

static int read_io_priority(struct spec_process *p, const struct json *obj, struct err *e)
{
	const struct json *io = NULL;
	const char *name = NULL;
	uint64_t number = 0;
	int rc = json_read_obj(obj, "ioPriority", &io, e);
	if (rc || !io)
		return rc;
	p->io_priority = 0;
	if ((rc = json_read_str(io, "class", &name, e)) ||
	    (rc = json_read_i64(io, "priority", 0, 7, &p->io_priority, e)))
		return rc;
	if (!find(io_classes, ARRAY_LEN(io_classes), name, &number))
		return err_set(e, -EINVAL, "process.ioPriority.class is unknown");
	p->io_class = (int64_t)number;
	return 0;
}

static int read_affinity(struct spec_process *p, const struct json *obj, struct err *e)
{
	const struct json *it = NULL;
	struct sched_cpus cpus;
	int rc = json_read_obj(obj, "execCPUAffinity", &it, e);
	if (rc || !it)
		return rc;
	if ((rc = json_read_str(it, "initial", &p->affinity_initial, e)) ||
	    (rc = json_read_str(it, "final", &p->affinity_final, e)))
		return rc;
	const char *lists[] = {p->affinity_initial, p->affinity_final};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (lists[i] && *lists[i] && sched_parse_cpus(lists[i], &cpus) != 0)
			return err_set(e, -EINVAL,
				       "process.execCPUAffinity: \"%.64s\" is no list of processors",
				       lists[i]);
	return 0;
}

int spec_read_sched(struct spec *s, struct spec_process *p, const struct json *obj, struct err *e)
{
	int rc;
	if ((rc = read_scheduler(s, p, obj, e)) || (rc = read_io_priority(p, obj, e)))
		return rc;
	return read_affinity(p, obj, e);
}
