// SPDX-License-Identifier: Apache-2.0
// `rnx job delete-all`: forgets every job that has ended. Asks first when a person is there to answer.
#include "joblet.pb-c.h"
#include "lib/base/json.h"
#include "rnx/connect.h"
#include "rnx/print.h"

struct options {
	bool yes;
};

static const struct flag flags[] = {
    {"yes", 'y', FLAG_BOOL, offsetof(struct options, yes), NULL, "do not ask", 0, 0},
};

static bool is_agreed(const struct rnx *r)
{
	char answer[16] = "";

	fprintf(stderr, "Delete every ended job on %s (%s), with its output? [y/N] ", r->node->name,
		r->node->address);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int run(struct rnx *r, void *options, char **words)
{
	const struct options *o = options;
	Joblet__DeleteAllJobsRequest q = JOBLET__DELETE_ALL_JOBS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	cleanup_buf struct buf out = {0};
	int rc;

	(void)words;
	int status = connect_config(r);
	if (status)
		return status;
	if (!o->yes && isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && !is_agreed(r))
		return print_fail(EXIT_CODE_FAILURE, "CANCELLED", NULL, "nothing is deleted");
	status = connect_call(r, CALL_AGAIN, "/joblet.JobService/DeleteAllJobs", CALL_TIMEOUT_MS, &q.base,
			      &joblet__delete_all_jobs_response__descriptor, &reply);
	if (status)
		return status;
	const Joblet__DeleteAllJobsResponse *d = (const Joblet__DeleteAllJobsResponse *)reply;
	if (r->json) {
		struct json_out j;
		json_out_begin(&j, &out, true);
		json_open_obj(&j);
		json_kv_bool(&j, "success", d->success);
		json_kv_str(&j, "message", d->message);
		json_kv_i64(&j, "deleted_count", d->deleted_count);
		json_kv_i64(&j, "skipped_count", d->skipped_count);
		json_close_obj(&j);
		rc = json_out_end(&j);
	} else {
		rc = buf_printf(&out, "%d deleted, %d not ended\n", d->deleted_count, d->skipped_count);
	}
	status = !d->success ? EXIT_CODE_FAILURE : rc < 0 ? EXIT_CODE_INTERNAL : 0;
	protobuf_c_message_free_unpacked(reply, NULL);
	rc = print_data(&out);
	return rc ? rc : status;
}

const struct command cmd_job_delete_all = {
    .group = "job",
    .name = "delete-all",
    .aliases = (const char *const[]){"rm-all", "remove-all", NULL},
    .words = "[--yes]",
    .summary = "Forgets every job that has ended",
    .examples = "  rnx job delete-all --yes\n",
    .flags = flags,
    .flag_count = ARRAY_LEN(flags),
    .options_size = sizeof(struct options),
    .run = run,
};
