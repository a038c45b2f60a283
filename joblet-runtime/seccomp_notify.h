// SPDX-License-Identifier: Apache-2.0
// The listener of a filter with SCMP_ACT_NOTIFY goes to an agent of the host. config-linux.md "The Container
// Process State".
#pragma once

#include "joblet-runtime/seccomp.h"
#include "joblet-runtime/state.h"

struct seccomp_notify {
	int sock;
	struct buf text; // the container process state
};

// By the parent: connects to linux.seccomp.listenerPath. Descriptor, -1 when the filter has no listener, or
// -errno.
int seccomp_notify_connect(const struct spec_seccomp *s, const struct seccomp_program *p,
			   struct err *e) attr_must_check;
// Before the filter is loaded: what goes with the listener. pid: the process that loads it, as the host knows
// it; in st that of init, 0 when it is init itself.
int seccomp_notify_text(const struct spec_seccomp *s, const struct state *st, pid_t pid, struct buf *out,
			struct err *e) attr_must_check;
// Hands the listener over. The filter is in force by then: it must let sendmsg pass.
int seccomp_notify_send(const struct seccomp_notify *n, int listener, struct err *e) attr_must_check;
