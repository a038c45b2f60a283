// SPDX-License-Identifier: Apache-2.0
// Where the job's output goes: every log of --log-path, files and the journal. A log that cannot take it
// never holds up the job for ever: with --log-full drop what does not fit is dropped in whole lines, counted,
// and named where it is missing; with hold the output is not read until there is room again, or the job has
// ended.
#pragma once

#include "joblet-shim/cri.h"
#include "joblet-shim/options.h"

// Opens every log (files: 0600, appended to).
int logs_open(const struct options *o, struct err *e) attr_must_check;

// False: a log holds the output up. data must stay as it is, and nobody should read more, until output_resume
// is called.
bool logs_put(enum cri_stream stream, const char *data, size_t len);
bool logs_is_held(void);
bool logs_are_none(void); // what the job prints is kept nowhere
void logs_give_up(void);  // the job has ended: from now on what does not fit is dropped

void logs_reopen(void);		  // what somebody has moved away is made anew
void logs_finish(bool is_synced); // marks a gap at the end, syncs
void logs_rest(void);		  // gives back the pages of the buffer while nothing happens

// Output that is in no log, over all logs.
void logs_dropped(uint64_t *lines, uint64_t *bytes);

// A place in the first file, for whoever has to read there later. A place is good for as long as that file
// goes on without a gap.
struct logs_place {
	int64_t offset; // -1: there is no file
	unsigned file;	// how many files there have been
};
struct logs_place logs_end(void);
// Bytes at a place, as pread; -ESTALE when the file is another one by now or has a gap.
ssize_t logs_read(struct logs_place place, void *data, size_t size);
