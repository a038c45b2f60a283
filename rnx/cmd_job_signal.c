// SPDX-License-Identifier: Apache-2.0
// `rnx job signal`: a signal to the first process of a job.
#include "lib/base/proc.h"
#include "joblet.pb-c.h"
#include "rnx/connect.h"
#include "rnx/print.h"

static int run(struct rnx *r, void *options, char **words)
{
	Joblet__SignalJobRequest q = JOBLET__SIGNAL_JOB_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int sig;

	(void)options;
	if (proc_signal_parse(words[1], &sig) < 0)
		return print_usage("as in USR1, SIGTERM or 15", "%s is no signal", words[1]);
	q.uuid = words[0];
	q.signal = words[1];
	int status = connect_call(r, CALL_ONCE, "/joblet.JobControlService/SignalJob", CALL_TIMEOUT_MS,
				  &q.base, &joblet__signal_job_response__descriptor, &reply);
	if (status == 0)
		protobuf_c_message_free_unpacked(reply, NULL);
	return status;
}

const struct command cmd_job_signal = {
    .group = "job",
    .name = "signal",
    .aliases = (const char *const[]){"kill", NULL},
    .words = "ID SIGNAL",
    .summary = "Sends a signal to a job",
    .examples = "  rnx job signal 3f2a9c1e USR1\n",
    .min_words = 2,
    .max_words = 2,
    .kind = WORDS_JOBS,
    .run = run,
};
