// SPDX-License-Identifier: Apache-2.0
// The output of a job, history and then live, for the calls that show it (rpc_log.c, rpc_attach.c). It waits
// by inotify for what the shim appends and by job_watch for the end of the job; it never polls.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/job.h"
#include "jobletd/log_reader.h"

struct log_follow;

// ready is called from the loop, never from within a function here, when log_follow_next may have more after
// it had nothing. live: go on until the job has ended. The log need not exist yet.
int log_follow_open(sd_event *loop, struct jobs *jobs, const char *id, const struct log_options *o, bool live,
		    void (*ready)(void *userdata), void *userdata, struct log_follow **out,
		    struct err *e) attr_must_check;
void log_follow_free(struct log_follow *f);

// 1 a chunk; 0 nothing just now, ready will be called; LOG_FOLLOW_END everything was given; LOG_FOLLOW_AGAIN
// give way and call again; negative: as log_reader_next, -EBADMSG and -ESTALE mean that output is lost.
enum { LOG_FOLLOW_END = 2, LOG_FOLLOW_AGAIN = 3 };
int log_follow_next(struct log_follow *f, struct log_chunk *out, struct err *e) attr_must_check;
