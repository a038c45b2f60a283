// SPDX-License-Identifier: Apache-2.0
// update: new limits for a container that lives. What is wrong is found before anything is written, and what
// the kernel refuses is undone.
#pragma once

#include "joblet-runtime/spec.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

// Words of the command line, NULL where not given.
struct update_flags {
	const char *memory, *memory_reservation, *memory_swap, *kernel_memory, *kernel_memory_tcp;
	const char *cpu_quota, *cpu_period, *cpu_shares, *cpu_burst, *cpu_idle, *rt_runtime, *rt_period;
	const char *cpuset_cpus, *cpuset_mems, *pids, *blkio_weight;
};

// The words as `linux.resources` of config.json, {} when none is given. -EINVAL and the word. Pure.
int update_from_flags(const struct update_flags *f, struct buf *out, struct err *e) attr_must_check;
// Are the values possible? now: what is in force before. Fills in what goes with a value: a swap limit is
// meaningless without that of memory. Pure.
int update_check(struct spec_resources *r, const struct spec_resources *now, struct err *e) attr_must_check;

// Changes the container. json: `linux.resources`, of which the devices are not changed, as with runc.
int update_container(const char *root, const char *id, const char *json, size_t len,
		     struct err *e) attr_must_check;
