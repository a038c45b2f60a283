// SPDX-License-Identifier: Apache-2.0
// `rnx job attach`: output of a running job, or of one that has ended, and its exit status.
#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/print.h"
#include "rnx/session.h"

struct options {
	bool no_stdin, interactive, quiet, raw;
	int64_t from;
	const char *on_disconnect;
};

#define AT(member) offsetof(struct options, member)
static const struct flag flags[] = {
    {"no-stdin", 0, FLAG_BOOL, AT(no_stdin), NULL, "only watch", 0, 0},
    {"interactive", 'i', FLAG_BOOL, AT(interactive), NULL, "forward stdin also from a terminal", 0, 0},
    {"from", 0, FLAG_INT, AT(from), "OFFSET",
     "where the output goes on; 0: from its beginning, -1: only what is new", -1, INT64_MAX},
    {"on-disconnect", 0, FLAG_TEXT, AT(on_disconnect), "WHAT",
     "continue (the default) or stop, when rnx goes away", 0, 0},
    {"raw", 0, FLAG_BOOL, AT(raw), NULL, "let control sequences reach the terminal", 0, 0},
    {"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, "no talk on stderr", 0, 0},
};

// Whether the job has a terminal decides whether ours is handed over, so it is asked first.
static int choose_input(struct rnx *r, const struct options *o, const char *id, enum session_stdin *input)
{
	Joblet__GetJobStatusRequest q = JOBLET__GET_JOB_STATUS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	bool is_terminal = !r->stdin_is_closed && isatty(STDIN_FILENO);

	*input = SESSION_NO_STDIN;
	if (o->no_stdin)
		return 0;
	if (!is_terminal) {
		*input = session_stdin_is_useful(r) ? SESSION_STDIN : SESSION_NO_STDIN;
		return 0;
	}
	q.uuid = (char *)(uintptr_t)id;
	int status = connect_call(r, CALL_AGAIN, "/joblet.JobService/GetJobStatus", CALL_TIMEOUT_MS, &q.base,
				  &joblet__get_job_status_response__descriptor, &reply);
	if (status)
		return status;
	const Joblet__GetJobStatusResponse *j = (const Joblet__GetJobStatusResponse *)reply;
	*input = j->end_time[0]	  ? SESSION_NO_STDIN
		 : j->tty	  ? SESSION_TERMINAL
		 : o->interactive ? SESSION_STDIN
				  : SESSION_NO_STDIN;
	protobuf_c_message_free_unpacked(reply, NULL);
	return 0;
}

static int run(struct rnx *r, void *options, char **words)
{
	const struct options *o = options;
	struct session_config cfg = {
	    .id = words[0],
	    .from_offset = o->from,
	    .input_is_optional = !o->interactive,
	    .stop_on_disconnect = str_eq(o->on_disconnect, "stop"),
	    .is_quiet = o->quiet,
	    .is_raw = o->raw,
	};

	if (o->on_disconnect && !cfg.stop_on_disconnect && !str_eq(o->on_disconnect, "continue"))
		return print_usage(NULL, "--on-disconnect %s: continue or stop", o->on_disconnect);
	int status = connect_open(r);
	if (status == 0)
		status = choose_input(r, o, words[0], &cfg.input);
	return status ? status : session_run(r, &cfg);
}

const struct command cmd_job_attach = {
    .group = "job",
    .name = "attach",
    .words = "[flags] ID",
    .summary = "Stays with a job: its output, stdin and signals to it, its exit status",
    .examples = "  rnx job attach @last\n"
		"  rnx job attach --from 81920 3f2a9c1e\n"
		"  rnx job attach --no-stdin --from -1 nightly\n",
    .flags = flags,
    .flag_count = ARRAY_LEN(flags),
    .options_size = sizeof(struct options),
    .min_words = 1,
    .max_words = 1,
    .kind = WORDS_JOBS,
    .run = run,
};
