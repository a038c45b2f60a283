// SPDX-License-Identifier: Apache-2.0
// What the container used: read from its cgroup at the end, before the cgroup goes away.
#pragma once

#include "lib/base/base.h"

// -1: unknown.
struct usage {
	int64_t peak_memory;	     // bytes
	int64_t cpu_ns;		     // user and system
	int64_t io_read, io_written; // bytes, of block devices
};

void usage_open(void);		  // between cgroup_find_begin and cgroup_find_end
void usage_read(struct usage *u); // what can be read now; what cannot stays as it is
void usage_close(void);

// Adds up `8:0 Read 10` (v1) or `8:0 rbytes=10 wbytes=20 …` (v2). Pure.
void usage_sum_io(const char *text, int64_t *read, int64_t *written);
