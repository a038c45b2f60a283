// SPDX-License-Identifier: Apache-2.0
// Children whose end nobody waits for, but that are ours to reap: a command that was forgotten, the process
// that only forks a shim.
#pragma once

#include <systemd/sd-event.h>

#include "lib/base/base.h"

struct reaper;

struct reaper *reaper_new(sd_event *loop);
// Children that still run go on, and become another's to reap. NULL is fine.
void reaper_free(struct reaper *r);

// pidfd is kept, and closed when the child is reaped; a child that takes longer than bound_us is killed, 0 is
// no bound.
void reaper_take(struct reaper *r, int pidfd, uint64_t bound_us);
