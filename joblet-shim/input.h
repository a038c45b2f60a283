// SPDX-License-Identifier: Apache-2.0
// The job's stdin: one fixed buffer between the attached clients and the job. It is filled only when it is
// empty, so a job that does not read holds back its clients and nobody else.
#pragma once

#include "lib/base/base.h"

#define INPUT_PACKET_MAX ((size_t)256 << 10) // longest packet of a client

// Keeps fd, the writing end of the job's stdin. A terminal's end of input is the terminal's own affair:
// input_end does nothing then.
int input_open_take(int fd, bool is_terminal) attr_must_check;

char *input_buffer(void);   // room for INPUT_PACKET_MAX bytes, while input_is_ready
bool input_is_ready(void);  // everything handed over before has been written, or nobody reads
void input_put(size_t len); // hands over the first len bytes of the buffer
void input_end(void);	    // closes the job's stdin once everything is written
void input_close(void);	    // the same at once, whatever is still in the buffer
