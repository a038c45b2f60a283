// SPDX-License-Identifier: Apache-2.0
// How the container's first process comes to be: as a child of the runtime, in its new namespaces, in those
// that it joins and, on v2, in its cgroup. clone3(2).
#pragma once

#include <sys/types.h>

#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/rights.h"
#include "joblet-runtime/spec.h"
#include "lib/base/err.h"

// Returns twice, as fork(2): 0 in the new process, its pid and *pidfd in the caller; or -errno. A process was
// made if *pidfd is not -1, even where an error is returned.
pid_t birth(const struct spec *s, const struct cgroup *cg, enum rights r, int *pidfd,
	    struct err *e) attr_must_check;
