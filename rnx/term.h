// SPDX-License-Identifier: Apache-2.0
// The user's terminal, and the signals that rnx hands on to the job. The terminal is put back on every way
// out but SIGKILL.
#pragma once

#include "lib/base/base.h"

// Every byte as typed, no signals from keys. 0 or -errno. Put back by term_restore, at exit, and when rnx
// dies of a bug.
int term_raw(int fd) attr_must_check;
void term_restore(void); // may be called from a signal handler
// Rows and columns of whichever of stdin, stdout and stderr is a terminal; false when none is.
bool term_size(unsigned *rows, unsigned *columns);

// From here on HUP, INT, QUIT, USR1, USR2, TERM, WINCH and CONT are collected instead of ending rnx; those
// ignored at start (nohup) stay so. A second INT within two seconds restores the terminal, says what
// term_signals_job set, and exits with 130, wherever rnx is.
int term_signals_begin(void) attr_must_check;
int term_signals_fd(void);   // readable when one has come
int term_signals_next(void); // its number, 0 when there is none
void term_signals_end(void); // their defaults again

// What is said when the user leaves: how to come back to the job, from the output that was shown last.
void term_signals_job(const char *id, bool stops_when_left);
// Between the two the user does not leave, so that the offset fits what was shown. offset is what is shown
// now, -1: as before.
void term_signals_hold(void);
void term_signals_release(int64_t offset);
// Says it. Not for a handler only.
void term_say_detached(void);
