// SPDX-License-Identifier: Apache-2.0
// How the kernel schedules the container's process: policy, I/O priority, processors. Set from outside by
// pid, since a process in a user namespace has no right to raise its own.
#pragma once

#include <sys/types.h>

#include "joblet-runtime/spec.h"
#include "lib/base/err.h"

#define SCHED_CPUS_MAX 8192

struct sched_cpus {
	unsigned long bits[SCHED_CPUS_MAX / (8 * sizeof(unsigned long))];
};

// A list of processors as the kernel writes it, "0-3,7". -EINVAL. Pure.
int sched_parse_cpus(const char *list, struct sched_cpus *out) attr_must_check;

// process.scheduler and process.ioPriority of p, as far as they are given.
int sched_apply(const struct spec_process *p, pid_t pid, struct err *e) attr_must_check;
// Lets pid (0: the caller) run on the processors of the list only. NULL or "": nothing to do.
int sched_set_affinity(const char *list, pid_t pid, struct err *e) attr_must_check;
