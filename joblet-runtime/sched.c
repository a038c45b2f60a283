// SPDX-License-Identifier: Apache-2.0
// Scheduling of the container's process. sched_setattr(2), ioprio_set(2), sched_setaffinity(2).
#include "joblet-runtime/sched.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/base/str.h"

#define BITS (8 * sizeof(unsigned long))

// struct sched_attr of linux/sched/types.h, which cannot be included beside the C library's header.
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int parse_number(const char **p, unsigned *out)
{
	unsigned n = 0;
	if (**p < '0' || **p > '9')
		return -EINVAL;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (unsigned)(**p - '0');
		if (n >= SCHED_CPUS_MAX)
			return -EINVAL;
	}
	*out = n;
	return 0;
}

int sched_parse_cpus(const char *list, struct sched_cpus *out)
{
	*out = (struct sched_cpus){0};
	for (const char *p = list;; p++) {
		unsigned first, last;
		if (parse_number(&p, &first) != 0)
			return -EINVAL;
		last = first;
		if (*p == '-') {
			p++;
			if (parse_number(&p, &last) != 0 || last < first)
				return -EINVAL;
		}
		for (unsigned i = first; i <= last; i++)
			out->bits[i / BITS] |= 1UL << i % BITS;
		if (!*p)
			return 0;
		if (*p != ',')
			return -EINVAL;
	}
}

int sched_apply(const struct spec_process *p, pid_t pid, struct err *e)
{
	const struct spec_scheduler *s = &p->scheduler;
	struct attr attr = {
	    .size = sizeof(attr),
	    .policy = s->policy,
	    .flags = s->flags,
	    .nice = s->nice,
	    .priority = s->priority,
	    .runtime = s->runtime,
	    .deadline = s->deadline,
	    .period = s->period,
	};
	if (s->given && syscall(SYS_sched_setattr, pid, &attr, 0) != 0)
		return err_sys(e, -errno, "cannot set process.scheduler");
	if (p->io_class != SPEC_UNSET && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid,
						 IOPRIO_PRIO_VALUE(p->io_class, p->io_priority)) != 0)
		return err_sys(e, -errno, "cannot set process.ioPriority");
	return 0;
}

int sched_set_affinity(const char *list, pid_t pid, struct err *e)
{
	struct sched_cpus cpus;
	if (!list || !*list)
		return 0;
	if (sched_parse_cpus(list, &cpus) != 0)
		return err_set(e, -EINVAL, "\"%.64s\" is no list of processors", list);
	if (syscall(SYS_sched_setaffinity, pid, sizeof(cpus), &cpus) < 0)
		return err_sys(e, -errno, "cannot run on the processors %.64s", list);
	return 0;
}
