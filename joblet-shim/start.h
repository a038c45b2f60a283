// SPDX-License-Identifier: Apache-2.0
// What happens once, before the loop: everything is made, then the runtime is started; and what follows when
// the runtime has ended.
#pragma once

#include "joblet-shim/options.h"

// Fills in what the command line left to defaults: bundle, pid file, absolute paths.
int start_settle(struct options *o, struct err *e) attr_must_check;

// Sockets, FIFOs, logs, pipes, then the runtime.
int start_all(const struct options *o, struct err *e) attr_must_check;
void start_anew(const struct options *o); // the sockets and FIFOs again, where somebody has removed them
void start_close_inherited(void);	  // descriptors that the caller handed down for the container

// The runtime has ended: its container is adopted, the terminal taken, or *e says what it said. It never
// waits.
int start_adopt(const struct options *o, struct err *e) attr_must_check;
