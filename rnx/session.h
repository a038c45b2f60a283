// SPDX-License-Identifier: Apache-2.0
// One attachment to a job: its output to stdout and stderr, stdin, window size and signals to it, until it
// ends. A lost connection is replaced and the output goes on where it was.
#pragma once

#include "joblet.pb-c.h"
#include "rnx/rnx.h"

enum session_stdin {
	SESSION_NO_STDIN,
	SESSION_STDIN,	  // fd 0 as it is
	SESSION_TERMINAL, // fd 0 is a terminal, put into raw mode; window size follows
};

struct session_config {
	const char *id;
	int64_t from_offset; // -1: only what comes from now on
	enum session_stdin input;
	bool input_is_optional; // goes on without, when the job has no stdin or the role may not send any
	bool stop_on_disconnect;
	bool is_quiet; // no talk
	bool is_raw;   // control sequences reach the terminal
};

// Returns the exit status of rnx: that of the job, or 125, 1, 130 with the reason said.
int session_run(struct rnx *r, const struct session_config *cfg);

// Whether fd 0 holds something for a job: it is open, no terminal, and not /dev/null.
bool session_stdin_is_useful(const struct rnx *r);

// The job's own status: its code, 128 + n, 124 when its time was over.
int session_exit_status(const Joblet__JobExit *x);
