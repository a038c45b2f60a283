// SPDX-License-Identifier: Apache-2.0
// How init gets into its cgroups: by itself. A process that another one moves makes the kernel wait for a
// grace period, about ten milliseconds; a single thread that writes "0" to `tasks` of a v1 hierarchy does not
// (Linux 5.17). The unified tree is entered by clone3(2).
#pragma once

#include "joblet-runtime/cgroup.h"
#include "lib/base/err.h"

#define ENTER_MAX 32

struct enter {
	int fds[ENTER_MAX]; // `tasks` of each v1 hierarchy
	size_t n;
};

// By the parent, whose rights the descriptors carry.
int enter_open(const struct cgroup *cg, struct enter *out, struct err *e) attr_must_check;
void enter_close(struct enter *en);
// By init, which has one thread. The parent reads back with cgroup_verify.
int enter_all(const struct enter *en, struct err *e) attr_must_check;
