// SPDX-License-Identifier: Apache-2.0
// The id maps of a user namespace that an ordinary user makes. The kernel lets a user map nothing but the own
// id; what /etc/subuid and /etc/subgid give beyond that, newuidmap(1) and newgidmap(1) map.
#pragma once

#include <sys/types.h>

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

// The one id that needs no helper: a single range of one id, which is own.
bool idmap_is_own(const struct spec_id_map *maps, size_t n, uint32_t own);

// Arguments of newuidmap and newgidmap: program, pid, and three numbers a range. The caller frees
// (strv_free).
char **idmap_arguments(const char *program, pid_t pid, const struct spec_id_map *maps, size_t n);

// Writes both maps of the child pid, whose directory in /proc procdir is; the child must be dumpable. Where
// the group is mapped without newgidmap, setgroups(2) is denied for good, as the kernel wants it.
int idmap_write(const struct spec *s, pid_t pid, int procdir, struct err *e) attr_must_check;
