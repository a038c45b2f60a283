// SPDX-License-Identifier: Apache-2.0
// sd_notify(3) for a container: <bundle>/notify/notify.sock, which podman mounts into it, and what it says
// there goes on to the host's socket (--sdnotify-socket).
#pragma once

#include "joblet-shim/options.h"

int notify_open(const struct options *o, struct err *e) attr_must_check; // again: the socket is made anew
void notify_close(void);

// What of a message of n bytes goes on: "READY=1", "WATCHDOG=1", or NULL. Pure.
const char *notify_filter(const char *text, size_t n);
