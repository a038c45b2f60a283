// SPDX-License-Identifier: Apache-2.0
// The journal as a log: one entry a line, by journald's native protocol.
#pragma once

#include "joblet-shim/cri.h"
#include "joblet-shim/options.h"

// Prepares the fields that every entry has. That nobody listens is no error: the journal may be restarted.
int journal_open(const struct options *o, struct err *e) attr_must_check;

// Sends what is in data, line by line; what does not end in a newline waits for its rest. The bytes taken;
// *why is the errno of what stopped it (EAGAIN: journald is busy).
size_t journal_put(enum cri_stream stream, const char *data, size_t len, int *why);
int journal_finish(void); // sends what waits; -errno
