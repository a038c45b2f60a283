// SPDX-License-Identifier: Apache-2.0
// Fuzzes requests for jobs, schedules, CPU lists and sizes among them: a RunJobRequest in its bytes. What is
// accepted comes back from the store's text the same, and no secret stands in that text.
#include <string.h>

#include "jobletd/job_message.h"
#include "jobletd/job_private.h"
#include "jobletd/wire_check.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct job_request *read_request(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *type = &joblet__run_job_request__descriptor;
	struct job_request *r = NULL;
	struct err e = {0};

	if (wire_check(type, data, size, WIRE_FIELDS_MAX, &e))
		return NULL;
	ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, size, data);
	if (!m)
		abort();
	if (job_message_request((const Joblet__RunJobRequest *)m, &r, &e))
		r = NULL;
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

static bool is_accepted(struct job_request *r)
{
	static const struct config cfg = {.joblet = {.default_memory_mb = 64, .pids_limit = 512}};
	struct job_plan plan = {0};
	struct err e = {0};

	if (job_check(&cfg, r, 1800000000000000000, 7, true, &plan, &e))
		return false;
	if (!r->command[0] || plan.scheduled_ns < 0 || plan.timeout_ns < 0)
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct job_request *r = read_request(data, size);
	struct job_request again = {0};
	struct err e = {0};

	if (!r)
		return 0;
	if (is_accepted(r)) {
		job_secrets_free(job_request_hide_secrets(r));
		cleanup_free char *text = job_request_to_json(r);
		if (job_request_from_json(text, &again, &e))
			abort();
		cleanup_free char *second = job_request_to_json(&again);
		if (!str_eq(text, second))
			abort();
		for (char **s = r->secret_env; s && *s; s++)
			if (!strstr(*s, "=***"))
				abort();
		job_request_clear(&again);
	}
	job_request_free(r);
	return 0;
}
