// SPDX-License-Identifier: Apache-2.0
// Jobs as JSON and as text. The keys never change: specs of existing scripts. Makes no system call but what
// local time needs.
#pragma once

#include "joblet.pb-c.h"
#include "lib/base/json.h"

// One element of `job list --json`.
void job_list_json(struct json_out *o, const Joblet__Job *j);
// `job status --json`.
void job_status_json(struct json_out *o, const Joblet__GetJobStatusResponse *j);
// `job status` for people.
int job_status_text(const Joblet__GetJobStatusResponse *j, struct buf *out) attr_must_check;

// One line each, of a stream: const Joblet__DataChunk * and const Joblet__JobExit *. Bytes that are no UTF-8
// come as base64.
int job_chunk_json(const void *chunk, struct buf *out) attr_must_check;
int job_exit_json(const void *job_exit, struct buf *out) attr_must_check;

// The command and its arguments in one line, as one would type it.
char *job_command_line(const char *command, char *const *args, size_t n_args) attr_must_check;

// Puts the keys of job_list_json in braces into a line: `{id} {status}`; \t and \n are a tab and a line end.
// -EINVAL when a key is unknown: *bad is its name, to be freed.
int job_format(const char *format, const Joblet__Job *j, struct buf *out, char **bad) attr_must_check;
extern const char *const job_format_keys[]; // NULL-terminated
