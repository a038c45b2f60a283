// SPDX-License-Identifier: Apache-2.0
// The commands of bench-tool. Each gets its own arguments, ends the process itself when it cannot go on, and
// returns the exit status.
#pragma once

#include "lib/base/base.h"

// The bare system calls of an isolated start: bare.c.
int bare(char **args);
// What starting a command costs: measure.c.
int measure(char **args);
// Instructions of a command and all that comes of it: steps.c.
int steps(char **args);

attr_noreturn void fail(const char *what);
