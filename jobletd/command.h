// SPDX-License-Identifier: Apache-2.0
// A program that runs to its end beside the loop: start, kill and delete of the runtime. Held by pidfd, with
// a bound on its time.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/reaper.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

#define COMMAND_TIMEOUT_US (60 * 1000000ULL)

// status: the exit status, 128 + n for a signal, -ETIMEDOUT (it was killed), or another -errno. said: what it
// wrote, trimmed, one line.
typedef void command_done_fn(void *userdata, int status, const char *said);

struct command;

// argv[0] is an absolute path; argv is borrowed for the call. fn is called once, from the loop, unless the
// command is forgotten before. What cannot be started is an error here.
int command_start(sd_event *loop, const char *const *argv, command_done_fn *fn, void *userdata,
		  struct command **out, struct err *e) attr_must_check;
// It runs on and nobody listens; r reaps it, or nobody when r is NULL and this process is about to end. A
// NULL command is fine.
void command_forget(struct command *c, struct reaper *r);

// The same, waited for: only while the daemon starts. The exit status or -errno; *said is the caller's to
// free.
int command_wait(const char *const *argv, int timeout_ms, char **said, struct err *e) attr_must_check;
