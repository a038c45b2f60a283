// SPDX-License-Identifier: Apache-2.0
// What config.json's `process` asks of the process itself: identity, limits, signals, directory, program.
// Used by init, and in part by the parent, which has rights that init has not.
#pragma once

#include <sys/types.h>

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

// By the parent: hard limits that are above the present ones are raised, the only part that needs the host's
// rights. -EPERM ….
int process_raise_rlimits(const struct spec_process *p, pid_t pid, struct err *e) attr_must_check;
// By init, at the very end: exact values.
int process_set_rlimits(const struct spec_process *p, struct err *e) attr_must_check;

// By the parent: oom_score_adj of the process behind its /proc directory.
int process_set_oom_score(const struct spec_process *p, int procdir, struct err *e) attr_must_check;

// By the parent: pipes that are its stdin, stdout or stderr are given to the container's user, so that
// /dev/stdout can be opened again. inside: by init, in the user namespace.
int process_give_stdio(const struct spec *s, bool inside, struct err *e) attr_must_check;

int process_new_keyring(struct err *e)
    attr_must_check; // a new anonymous session keyring, where the kernel has them

// Groups, group and user; the permitted capabilities are kept until caps_set. *groups_kept: the user
// namespace denies setgroups(2), so that the supplementary groups are still the caller's; an error when some
// are asked for.
int process_set_user(const struct spec_process *p, bool *groups_kept, struct err *e) attr_must_check;

// Changes to cwd, and makes sure that it lies below the root.
int process_enter_cwd(const char *cwd, struct err *e) attr_must_check;

// The file that args[0] means to the container's user: by itself when it has a '/', else along PATH of env.
// -ENOENT, -EACCES, with the text that callers look for. The caller frees.
int process_find_program(const struct spec_process *p, char **out, struct err *e) attr_must_check;

// Every signal to its default and none blocked, as a program expects it. ignored: bit n - 1 for signal n,
// from /proc/self/status.
int process_reset_signals(uint64_t ignored, struct err *e) attr_must_check;
