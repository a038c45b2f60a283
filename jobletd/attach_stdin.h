// SPDX-License-Identifier: Apache-2.0
// The input of a job: bytes to the shim's attach socket, as fast as the job takes them and no faster.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/job.h"

struct attach_stdin;

// For a job that runs. ready is called from the loop when attach_stdin_write had said ATTACH_STDIN_FULL and
// all of that is gone.
int attach_stdin_open(sd_event *loop, struct jobs *jobs, const char *id, void (*ready)(void *userdata),
		      void *userdata, struct attach_stdin **out, struct err *e) attr_must_check;
// Closes it; what was not taken yet is lost. NULL is harmless.
void attach_stdin_free(struct attach_stdin *s);

// Takes all bytes. 0, or ATTACH_STDIN_FULL: some wait, give no more before ready. A job that has closed its
// stdin gets nothing and that is no error.
enum { ATTACH_STDIN_FULL = 1 };
int attach_stdin_write(struct attach_stdin *s, const void *data, size_t len) attr_must_check;
// The end of stdin at once: the client has gone. A jobletd that dies does not come here, and then the job's
// stdin stays open for the next client.
void attach_stdin_cut(struct attach_stdin *s);
// The end of stdin, behind what waits.
void attach_stdin_eof(struct attach_stdin *s);
