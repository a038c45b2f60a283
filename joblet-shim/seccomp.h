// SPDX-License-Identifier: Apache-2.0
// --seccomp-notify-socket: the socket on which the runtime hands over the listener of a filter that asks
// (SCMP_ACT_NOTIFY, runtime-spec: listenerPath). It goes on to whoever decides, or every question is answered
// with "not supported" here.
#pragma once

#include "joblet-shim/options.h"

int seccomp_open(const struct options *o, struct err *e) attr_must_check;
void seccomp_close(void);
