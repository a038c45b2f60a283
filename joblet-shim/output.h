// SPDX-License-Identifier: Apache-2.0
// The job's stdout and stderr, or its terminal: read, given to the log and to the attached clients.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "joblet-shim/cri.h"

// Reads fd (kept, made non-blocking) as stream until its end. LIFE_OUTPUT_ENDED comes when no stream is left.
int output_add_take(int fd, enum cri_stream stream) attr_must_check;

// What comes on stderr while the runtime works. At create it is the runtime's: only its last part is kept,
// for the message. At exec the process may have started to print already: it is held back, and passed on when
// there is too much of it or the runtime ended well.
enum output_stderr { OUTPUT_OF_JOB, OUTPUT_OF_RUNTIME, OUTPUT_OF_BOTH };
void output_stderr_is(enum output_stderr whose); // OUTPUT_OF_JOB passes on what was held back
const char *output_collected(void);		 // NUL-terminated, without newline at the end

bool output_is_ended(void);
void output_poll(void);	  // takes what can be read now, without waiting
void output_last(void);	  // the same, then closes all: at once, or once the logs have taken it
void output_resume(void); // the logs can take more
void output_rest(void);	  // gives back the pages of its buffer while nothing happens
