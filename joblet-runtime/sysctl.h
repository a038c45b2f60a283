// SPDX-License-Identifier: Apache-2.0
// Kernel parameters of the container: only those that belong to one of its own namespaces. config-linux.md
// "Sysctl".
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

// 0 when key (dots or slashes) belongs to a namespace that the container has for itself; -EINVAL else. Pure.
uint64_t sysctl_namespace(const char *key); // CLONE_NEW… of the namespace that owns it; 0: none. Pure.
int sysctl_check(const struct spec *s, const char *key, struct err *e) attr_must_check;
// Writes all of them below procfd, the root of a procfs of the container.
int sysctl_apply(const struct spec *s, int procfd, struct err *e) attr_must_check;
