// SPDX-License-Identifier: Apache-2.0
// A container can reach the file of the program that makes it, through /proc/PID/exe, and could write to it.
// So what makes containers runs from a sealed copy in memory. memfd_create(2), F_ADD_SEALS in fcntl(2).
#pragma once

#include "joblet-runtime/spec.h"
#include "lib/base/err.h"

// Returns 0 when this program runs from a sealed file: one that the caller made, or one that an earlier call
// executed again; argv as given to main. And when the container of s cannot write to the file that this
// program runs from: all that is in it has ids of a new user namespace, and none of them is the owner's.
int seal_self_for(const struct spec *s, char **argv, struct err *e) attr_must_check;
