// SPDX-License-Identifier: Apache-2.0
// All output of rnx but the bytes of jobs (output.h): data on stdout, talk and errors on stderr. With --json
// data is JSON and an error is one line {"error":{"code","message","hint"}} on stderr. What came from outside
// is made safe for a terminal.
#pragma once

#include "lib/base/base.h"
#include "lib/base/buf.h"

// color is "auto", "always" or "never"; false when it is none of these.
bool print_setup(bool json, const char *color);

// Reports an error and returns status. code is a word for programs, hint may be NULL or empty.
int print_fail(int status, const char *code, const char *hint, const char *fmt, ...) attr_printf(4, 5);
// A wrong command line: the exit status 2.
int print_usage(const char *hint, const char *fmt, ...) attr_printf(2, 3);
// `ERROR: Permission denied`, and below what the server says.
int print_denied(const char *text);
// One line of talk.
void print_note(const char *fmt, ...) attr_printf(1, 2);

// Everything to stdout. 0, or the exit status when stdout cannot be written; a reader that has gone ends rnx
// by SIGPIPE as any program.
int print_data(const struct buf *b) attr_must_check;
// What remains to do when stdout's or stderr's reader has gone.
void attr_noreturn print_reader_gone(void);

// Columns of the terminal on stdout; 0 when it is none.
size_t print_width(void);
bool print_has_color(void); // on stdout

// RFC 3339 to `YYYY-MM-DD HH:MM:SS` in local time; "-" for an empty text.
#define PRINT_TIME_MAX 32
void print_time(const char *rfc3339, char out[PRINT_TIME_MAX]);
