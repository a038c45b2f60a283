// SPDX-License-Identifier: Apache-2.0
// Jobs as messages of joblet.proto. Everything that is returned is allocated and freed with
// protobuf_c_message_free_unpacked.
#pragma once

#include "joblet.pb-c.h"
#include "jobletd/job.h"

struct job_view {
	const char *node_id;
	bool hide_values; // the values of the environment: the client's role may not run jobs, so it need not
			  // see them
};

Joblet__Job *job_message(const struct job_info *j, const struct job_view *v);
Joblet__GetJobStatusResponse *job_message_status(const struct job_info *j, const struct job_view *v);
Joblet__JobExit *job_message_exit(const struct job_info *j);

// Whether a variable of this name is a secret by its name: SECRET_*, *_TOKEN, *_KEY, *_PASSWORD, *_SECRET.
bool job_message_is_secret(const char *name, size_t len);

// The request, with owner and role still empty. -EINVAL for what has no place in struct job_request.
int job_message_request(const Joblet__RunJobRequest *m, struct job_request **out,
			struct err *e) attr_must_check;

// A copy of s; NULL and "" give protobuf-c's own empty string, which is not freed.
char *job_message_str(const char *s);
char *job_message_time(int64_t ns); // RFC 3339, empty for 0
