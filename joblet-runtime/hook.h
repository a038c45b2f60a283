// SPDX-License-Identifier: Apache-2.0
// Hooks: programs of the host, or of the container, that config.json wants run at points of a container's
// life. config.md "POSIX-platform Hooks".
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/state.h"

// Runs one after the other, each with the state as JSON on its stdin. The first that fails, or exceeds its
// timeout, ends it: -EIO and a text.
int hook_run(const struct spec_hook_list *list, const char *name, const char *state, size_t len,
	     struct err *e) attr_must_check;
