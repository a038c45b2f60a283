// SPDX-License-Identifier: Apache-2.0
// Writes the bundle of a job as specs/bundle.md has it. Everything in it is ours: no path, no device, no hook
// that a client chose.
#pragma once

#include "jobletd/config.h"
#include "jobletd/job.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

// What is the same for every job: the disk that is throttled, the filter.
struct bundle_maker;
int bundle_maker_new(const struct config *cfg, struct bundle_maker **out, struct err *e) attr_must_check;
void bundle_maker_free(struct bundle_maker *m);
bool bundle_can_limit_io(
    const struct bundle_maker *m); // the disk of the jobs is a device that can be throttled

struct bundle_job {
	const char *id;
	int slot;
	const struct job_request *request; // checked, with its defaults
	char *const *secrets;		   // NAME=value: the real ones; NULL: *** is written
};

// config.json as text; pure.
int bundle_config(const struct bundle_maker *m, const struct bundle_job *j, struct buf *out,
		  struct err *e) attr_must_check;
// Makes <jobs>/<id> with all that belongs in it. What is there already is removed. Nothing is left behind on
// failure.
int bundle_make(const struct bundle_maker *m, const struct bundle_job *j, struct err *e) attr_must_check;
// The runtime has read it: writes config.json again, without the secret values.
int bundle_hide_secrets(const struct bundle_maker *m, const struct bundle_job *j,
			struct err *e) attr_must_check;
// Absent is 0.
int bundle_remove(const struct bundle_maker *m, const char *id, struct err *e) attr_must_check;
char *bundle_dir(const struct bundle_maker *m, const char *id); // the caller frees
