// SPDX-License-Identifier: Apache-2.0
// Starting a created container: what `start` and a detached `run` share.
#pragma once

#include "joblet-runtime/state.h"
#include "lib/base/err.h"

// Lets the waiting init of the container execute its program: 0 once it has. Then the poststart hooks run;
// their failure is a warning.
int start_container(const char *root, const char *id, struct err *e) attr_must_check;
// The poststart or poststop hooks of the state file. Failures are warnings.
void start_run_hooks(const struct state *st, bool poststop);
