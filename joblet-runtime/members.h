// SPDX-License-Identifier: Apache-2.0
// The processes of a container: those of its cgroup, or, where it has none, those of its pid namespace.
#pragma once

#include <sys/types.h>

#include "joblet-runtime/state.h"
#include "lib/base/err.h"

// Ascending; the caller frees. A container without a cgroup that shares the caller's pid namespace has one
// process that is known.
int members_pids(const struct state *st, pid_t **pids, size_t *n, struct err *e) attr_must_check;
// Sends sig to each.
int members_kill(const struct state *st, int sig, struct err *e) attr_must_check;
