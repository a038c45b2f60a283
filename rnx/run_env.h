// SPDX-License-Identifier: Apache-2.0
// What `job run` takes from its command line as names with values: environment, secrets, labels.
#pragma once

#include "joblet.pb-c.h"
#include "lib/base/base.h"

enum run_env_kind {
	RUN_ENV_PLAIN,	// NAME=VALUE, or NAME for rnx's own
	RUN_ENV_SECRET, // NAME for rnx's own, NAME=@FILE, NAME=- for stdin; NAME=VALUE with a warning
	RUN_ENV_LABEL,	// KEY=VALUE
};

// The entries of a map field. protobuf-c has a type of its own for each map, all of the same shape as this
// one.
struct run_env {
	Joblet__RunJobRequest__EnvironmentEntry **entries;
	size_t count;
};

// Adds a NULL-terminated list of them. 0, or the exit status after a report. A name given twice: the last one
// counts.
int run_env_add(struct run_env *env, char *const *list, enum run_env_kind kind) attr_must_check;
void run_env_free(struct run_env *env); // values are wiped
