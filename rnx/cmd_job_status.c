// SPDX-License-Identifier: Apache-2.0
// `rnx job status`: everything about one job, or several.
#include "lib/base/str.h"
#include "rnx/clean.h"
#include "rnx/connect.h"
#include "rnx/job_show.h"
#include "rnx/print.h"

static int get(struct rnx *r, const char *id, Joblet__GetJobStatusResponse **out)
{
	Joblet__GetJobStatusRequest q = JOBLET__GET_JOB_STATUS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;

	q.uuid = (char *)(uintptr_t)id;
	int status = connect_call(r, CALL_AGAIN, "/joblet.JobService/GetJobStatus", CALL_TIMEOUT_MS, &q.base,
				  &joblet__get_job_status_response__descriptor, &reply);
	*out = (Joblet__GetJobStatusResponse *)reply;
	return status;
}

// Names and commands are what others chose.
static int put_text(const Joblet__GetJobStatusResponse *j, bool is_first, struct buf *out)
{
	cleanup_buf struct buf text = {0};
	struct clean c = {0};
	int rc = is_first ? 0 : buf_add(out, "\n", 1);

	if (rc == 0)
		rc = job_status_text(j, &text);
	if (rc == 0)
		rc = clean_add(&c, text.data, text.len, out);
	return rc < 0 ? rc : clean_end(&c, out);
}

static int run(struct rnx *r, void *options, char **words)
{
	cleanup_buf struct buf out = {0};
	struct json_out o;
	bool is_many = words[1] != NULL;
	int worst = 0;

	(void)options;
	json_out_begin(&o, &out, true);
	if (r->json && is_many)
		json_open_arr(&o);
	for (size_t i = 0; words[i]; i++) {
		Joblet__GetJobStatusResponse *j = NULL;
		int status = get(r, words[i], &j);
		if (status) {
			worst = status > worst ? status : worst;
			if (!r->client)
				return status;
			continue;
		}
		if (r->json)
			job_status_json(&o, j);
		else if (put_text(j, !out.len, &out) < 0)
			worst = EXIT_CODE_INTERNAL;
		protobuf_c_message_free_unpacked(&j->base, NULL);
	}
	if (r->json && is_many)
		json_close_arr(&o);
	if (r->json && out.len && json_out_end(&o) < 0)
		return EXIT_CODE_INTERNAL;
	int status = print_data(&out);
	return status ? status : worst;
}

const struct command cmd_job_status = {
    .group = "job",
    .name = "status",
    .words = "ID…",
    .summary = "Says everything about a job: state, why it ended, limits",
    .examples = "  rnx job status 3f2a9c1e\n"
		"  rnx job status --json @last | jq .exitCode\n",
    .min_words = 1,
    .max_words = WORDS_ANY,
    .kind = WORDS_JOBS,
    .run = run,
};
