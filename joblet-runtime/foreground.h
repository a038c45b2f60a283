// SPDX-License-Identifier: Apache-2.0
// run and exec in the foreground: signals are passed on to the program, and its exit status is ours.
#pragma once

#include "lib/base/err.h"

// Before the program is made: from here on signals wait in the descriptor that is returned (or -errno).
int foreground_signals(struct err *e) attr_must_check;
// Until the child behind pidfd has ended. Its exit status, 128 + n when signal n ended it, or -errno.
int foreground_wait(int pidfd, int signals, struct err *e) attr_must_check;
