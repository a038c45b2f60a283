// SPDX-License-Identifier: Apache-2.0
// Labels of the kernel's security modules that the program gets when it is executed.
#pragma once

#include "joblet-runtime/spec.h"
#include "lib/base/err.h"

// process.apparmorProfile and process.selinuxLabel, for the next execve of the calling process. procfd: a
// procfs that nothing can lie on. A kernel without the module is an error: the program would run without what
// was asked for.
int label_apply(const struct spec_process *p, int procfd, struct err *e) attr_must_check;
