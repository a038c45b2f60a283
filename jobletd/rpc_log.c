// SPDX-License-Identifier: Apache-2.0
// GetJobLogs: what a job printed so far, then live, as fast as the client takes it and no faster.
#include <errno.h>

#include "joblet.pb-c.h"
#include "jobletd/call.h"
#include "jobletd/log_follow.h"
#include "jobletd/log_line.h"
#include "jobletd/rpc_log.h"
#include "lib/base/str.h"

#define CHUNKS_A_TURN 16 // then other calls have theirs

void rpc_log_chunk(const struct log_chunk *chunk, Joblet__DataChunk *m)
{
	joblet__data_chunk__init(m);
	m->payload.data = (uint8_t *)(uintptr_t)chunk->data;
	m->payload.len = chunk->len;
	m->stream = chunk->stream;
	m->offset = chunk->offset;
	m->time_ns = chunk->time_ns;
}

void rpc_log_fail(struct call *c, int rc, const struct err *e)
{
	if (rc == -ERANGE)
		call_end(c, RPC_OUT_OF_RANGE, "%s", e->msg);
	else if (rc == -EBADMSG || rc == -ESTALE)
		call_end(c, RPC_DATA_LOSS, "%s", e->msg);
	else
		call_fail(c, rc, e);
}

static void pump(void *userdata)
{
	struct call *c = userdata;
	struct err e = {0};

	for (int i = 0; i < CHUNKS_A_TURN; i++) {
		struct log_chunk chunk;
		Joblet__DataChunk m;
		if (!call_can_send(c))
			return; // writable comes
		int rc = log_follow_next(c->data, &chunk, &e);
		if (rc == LOG_FOLLOW_AGAIN)
			break;
		if (rc == 0)
			return; // ready comes
		if (rc == LOG_FOLLOW_END)
			call_end(c, RPC_OK, "%s", "");
		else if (rc < 0)
			rpc_log_fail(c, rc, &e);
		if (rc != 1)
			return;
		rpc_log_chunk(&chunk, &m);
		call_send(c, &m.base);
	}
	call_want_writable(c);
}

static int options(const Joblet__GetJobLogsRequest *r, struct log_options *o, struct err *e)
{
	*o = (struct log_options){.tail = r->tail,
				  .from_offset = r->from_offset,
				  .since_ns = r->since_ns,
				  .until_ns = r->until_ns,
				  .timestamps = r->timestamps};
	if (str_eq(r->stream, "stdout"))
		o->stream = LOG_STDOUT;
	else if (str_eq(r->stream, "stderr"))
		o->stream = LOG_STDERR;
	else if (r->stream[0])
		return err_set(e, -EINVAL, "stream is stdout, stderr or empty");
	if (r->tail < 0)
		return err_set(e, -EINVAL, "tail is negative");
	if (r->from_offset < 0)
		return err_set(e, -EINVAL, "from_offset is negative");
	if (r->since_ns < 0 || r->until_ns < 0)
		return err_set(e, -EINVAL, "a time is negative");
	return 0;
}

static void on_message(struct call *c, const ProtobufCMessage *m)
{
	const Joblet__GetJobLogsRequest *r = (const void *)m;
	struct log_options o;
	struct log_follow *f = NULL;
	char id[JOB_ID_LEN + 1];
	struct err e = {0};

	int rc = options(r, &o, &e);
	if (!rc)
		rc = job_resolve(c->jobs, r->uuid, c->cn, id, &e);
	if (rc) {
		call_fail(c, rc, &e);
		return;
	}
	call_note(c, "%s", id);
	rc = log_follow_open(c->loop, c->jobs, id, &o, !r->no_follow, pump, c, &f, &e);
	c->data = f;
	if (rc)
		rpc_log_fail(c, rc, &e);
	else
		pump(c);
}

static void on_writable(struct call *c)
{
	if (c->data)
		pump(c);
}

static void on_closed(struct call *c)
{
	log_follow_free(c->data);
}

const struct call_handler rpc_get_job_logs = {
    .request = &joblet__get_job_logs_request__descriptor,
    .message = on_message,
    .writable = on_writable,
    .closed = on_closed,
};
