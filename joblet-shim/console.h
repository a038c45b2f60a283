// SPDX-License-Identifier: Apache-2.0
// The console socket: the runtime makes the terminal and hands us its master side.
#pragma once

#include "joblet-shim/options.h"

// Makes the socket in the bundle; *path (valid for ever) is what the runtime gets.
int console_open(const struct options *o, const char **path, struct err *e) attr_must_check;
// The terminal's master if the runtime has sent it, else -ENOENT. It never waits; the descriptor is the
// caller's.
int console_receive(struct err *e) attr_must_check;
void console_close(void);
