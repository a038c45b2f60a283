// SPDX-License-Identifier: Apache-2.0
// The container's cgroup, as the shim needs it: was a process killed for memory, and is any process left.
// cgroup v1, hybrid and v2.
#pragma once

#include <sys/types.h>

#include "joblet-shim/options.h"

// Finds the cgroups of pid and begins to watch for OOM. A machine where that cannot be done is logged, not
// refused.
void cgroup_open(const struct options *o, pid_t pid);

// Watches for the end of the last process; LIFE_CGROUP_EMPTY comes at once or later, or never where the
// cgroup is not the container's own.
void cgroup_watch_empty(void);

void cgroup_check_oom(void); // a last look before the end
bool cgroup_is_oom(void);    // a process was killed for memory
void cgroup_close(void);
