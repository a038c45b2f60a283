// SPDX-License-Identifier: Apache-2.0
// Whoever started the shim: the pipes it handed down (_OCI_SYNCPIPE, _OCI_STARTPIPE, _OCI_ATTACHPIPE) and
// leaving it behind.
#pragma once

#include "joblet-shim/options.h"

// Takes the descriptor numbers from the environment and makes them close-on-exec. -EINVAL: one is no open
// descriptor.
int caller_init(struct err *e) attr_must_check;

// Waits for a byte on the start pipe: the caller moves this process into its cgroup before. At its end
// without one the caller is dead, and nobody would look after the container: -ECANCELED. Nothing happens
// without a start pipe.
int caller_wait_start(struct err *e) attr_must_check;

// Forks away (not with --sync), becomes a session leader and writes the shim's pid file. The caller's child
// ends with 0 after the pid file is there, with 1 if it could not be written.
int caller_leave(const struct options *o, struct err *e) attr_must_check;

// Standard output and error to /dev/null; standard error stays with --log-level debug.
void caller_let_go(const struct options *o);

// `{"data": n}` with or without message; the key is `pid` or `exit_code` for --api-version 0. A reader that
// is gone is no error.
void caller_tell(const struct options *o, int64_t n, const char *message);
void caller_tell_attach(void); // `{"data": 0}` on the attach pipe
void caller_close(void);       // the sync pipe

// Writes len bytes of text as the inside of a JSON string into out (size at least 1), cut where it no longer
// fits. Pure. What is no UTF-8 becomes '?'. Returns the length.
size_t caller_escape(char *out, size_t size, const char *text, size_t len);
