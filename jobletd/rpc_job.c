// SPDX-License-Identifier: Apache-2.0
// The calls that change jobs: run, stop, cancel, delete, signal. Each replies after the commit that made the
// change durable. Between the messages (job_message.c) and the jobs (job.h); it decides nothing about jobs
// itself.
#include <errno.h>

#include "joblet.pb-c.h"
#include "jobletd/call.h"
#include "jobletd/job_message.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define RUN_FIELDS_MAX ((size_t)80000) // arguments are many: 65536 and the rest of the request

// The job that a call names. 0 with the id, or the call has ended.
static int resolve(struct call *c, const char *ref, char id[JOB_ID_LEN + 1])
{
	struct err e = {0};
	int rc = job_resolve(c->jobs, ref, c->cn, id, &e);
	if (rc)
		call_fail(c, rc, &e);
	else
		call_note(c, "%s", id);
	return rc;
}

// Every change of one job: its callback gets the call back, which may be over by then.
static void start(struct call *c, const char *ref, job_done_fn *done,
		  int (*change)(struct jobs *, const char *, const char *, job_done_fn *, void *,
				struct err *))
{
	char id[JOB_ID_LEN + 1];
	struct err e = {0};

	if (resolve(c, ref, id))
		return;
	int rc = change(c->jobs, id, c->cn, done, call_ref(c), &e);
	if (rc) {
		call_fail(c, rc, &e);
		call_unref(c);
	}
}

static void on_submitted(void *userdata, int rc, const struct err *e, const struct job_info *info)
{
	struct call *c = userdata;
	Joblet__RunJobResponse m = JOBLET__RUN_JOB_RESPONSE__INIT;

	if (rc) {
		call_fail(c, rc, e);
	} else {
		call_note(c, "%s", info->id);
		m.job_uuid = (char *)(uintptr_t)info->id;
		m.status = (char *)(uintptr_t)job_state_name(info->state);
		call_reply(c, &m.base);
	}
	call_unref(c);
}

static void on_run(struct call *c, const ProtobufCMessage *m)
{
	struct job_request *r = NULL;
	struct err e = {0};

	int rc = job_message_request((const void *)m, &r, &e);
	if (!rc) {
		r->owner = xstrdup(c->cn);
		r->role = xstrdup(c->role);
		rc = job_submit_take(c->jobs, r, on_submitted, call_ref(c), &e);
		if (rc)
			call_unref(c);
	}
	if (rc)
		call_fail(c, rc, &e);
}

static void on_stopped(void *userdata, int rc, const struct err *e, const struct job_info *info)
{
	struct call *c = userdata;
	Joblet__StopJobResponse m = JOBLET__STOP_JOB_RESPONSE__INIT;
	char end[STR_TIME_MAX];

	if (rc) {
		call_fail(c, rc, e);
	} else {
		m.uuid = (char *)(uintptr_t)info->id;
		m.status = (char *)(uintptr_t)job_state_name(info->state);
		m.exit_code = info->exit_code;
		str_time_rfc3339(info->ended_ns, end);
		m.end_time = end;
		call_reply(c, &m.base);
	}
	call_unref(c);
}

static void on_stop(struct call *c, const ProtobufCMessage *m)
{
	start(c, ((const Joblet__StopJobRequest *)(const void *)m)->uuid, on_stopped, job_stop);
}

static void on_canceled(void *userdata, int rc, const struct err *e, const struct job_info *info)
{
	struct call *c = userdata;
	Joblet__CancelJobResponse m = JOBLET__CANCEL_JOB_RESPONSE__INIT;

	if (rc) {
		call_fail(c, rc, e);
	} else {
		m.uuid = (char *)(uintptr_t)info->id;
		m.status = (char *)(uintptr_t)job_state_name(info->state);
		call_reply(c, &m.base);
	}
	call_unref(c);
}

static void on_cancel(struct call *c, const ProtobufCMessage *m)
{
	start(c, ((const Joblet__CancelJobRequest *)(const void *)m)->uuid, on_canceled, job_cancel);
}

static void on_deleted(void *userdata, int rc, const struct err *e, const struct job_info *info)
{
	struct call *c = userdata;
	Joblet__DeleteJobResponse m = JOBLET__DELETE_JOB_RESPONSE__INIT;

	if (rc) {
		call_fail(c, rc, e);
	} else {
		m.uuid = (char *)(uintptr_t)(info ? info->id : c->note);
		m.success = true;
		m.message = (char *)(uintptr_t) "deleted";
		call_reply(c, &m.base);
	}
	call_unref(c);
}

static void on_delete(struct call *c, const ProtobufCMessage *m)
{
	start(c, ((const Joblet__DeleteJobRequest *)(const void *)m)->uuid, on_deleted, job_delete);
}

static void on_all_deleted(void *userdata, int rc, const struct err *e, unsigned deleted, unsigned skipped)
{
	struct call *c = userdata;
	Joblet__DeleteAllJobsResponse m = JOBLET__DELETE_ALL_JOBS_RESPONSE__INIT;

	if (rc) {
		call_fail(c, rc, e);
	} else {
		cleanup_free char *text = xasprintf("%u deleted, %u have not ended", deleted, skipped);
		call_note(c, "%s", text);
		m.success = true;
		m.message = text;
		m.deleted_count = (int32_t)deleted;
		m.skipped_count = (int32_t)skipped;
		call_reply(c, &m.base);
	}
	call_unref(c);
}

static void on_delete_all(struct call *c, const ProtobufCMessage *m attr_unused)
{
	struct err e = {0};
	int rc = job_delete_all(c->jobs, c->cn, on_all_deleted, call_ref(c), &e);
	if (rc) {
		call_fail(c, rc, &e);
		call_unref(c);
	}
}

static void on_signal(struct call *c, const ProtobufCMessage *m)
{
	const Joblet__SignalJobRequest *r = (const void *)m;
	Joblet__SignalJobResponse reply = JOBLET__SIGNAL_JOB_RESPONSE__INIT;
	char id[JOB_ID_LEN + 1];
	struct err e = {0};
	int sig;

	if (proc_signal_parse(r->signal, &sig)) {
		call_end(c, RPC_INVALID_ARGUMENT, "\"%.32s\" is not a signal", r->signal);
		return;
	}
	if (resolve(c, r->uuid, id))
		return;
	int rc = job_signal(c->jobs, id, sig, c->cn, &e);
	if (rc) {
		call_fail(c, rc, &e);
		return;
	}
	call_note(c, "%s %s", id, proc_signal_name(sig) ? proc_signal_name(sig) : r->signal);
	reply.uuid = id;
	call_reply(c, &reply.base);
}

const struct call_handler rpc_run_job = {.request = &joblet__run_job_request__descriptor,
					 .fields_max = RUN_FIELDS_MAX,
					 .message = on_run};
const struct call_handler rpc_stop_job = {.request = &joblet__stop_job_request__descriptor,
					  .message = on_stop};
const struct call_handler rpc_cancel_job = {.request = &joblet__cancel_job_request__descriptor,
					    .message = on_cancel};
const struct call_handler rpc_delete_job = {.request = &joblet__delete_job_request__descriptor,
					    .message = on_delete};
const struct call_handler rpc_delete_all_jobs = {.request = &joblet__delete_all_jobs_request__descriptor,
						 .message = on_delete_all};
const struct call_handler rpc_signal_job = {.request = &joblet__signal_job_request__descriptor,
					    .message = on_signal};
