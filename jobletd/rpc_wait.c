// SPDX-License-Identifier: Apache-2.0
// WaitJob: replies when the jobs have ended. It waits by job_watch; the client sets the limit by its
// deadline.
#include <errno.h>
#include <string.h>

#include "joblet.pb-c.h"
#include "jobletd/call.h"
#include "jobletd/job_message.h"

#define WAIT_MAX 1024

struct waiter {
	struct job_watch watch;
	struct wait *wait;
	Joblet__JobExit *exit; // once it has ended
};

struct wait {
	struct call *call;
	bool any;
	size_t n, ended;
	struct waiter waiters[];
};

static void reply_if_done(struct wait *w)
{
	Joblet__WaitJobResponse m = JOBLET__WAIT_JOB_RESPONSE__INIT;
	if (w->any ? !w->ended : w->ended < w->n)
		return;
	m.jobs = xcalloc(w->ended, sizeof(*m.jobs));
	for (size_t i = 0; i < w->n; i++)
		if (w->waiters[i].exit)
			m.jobs[m.n_jobs++] = w->waiters[i].exit;
	call_reply(w->call, &m.base);
	free(m.jobs);
}

static void ended(struct waiter *r, const struct job_info *info)
{
	if (r->exit)
		return;
	r->exit = job_message_exit(info);
	r->wait->ended++;
}

static void on_state(struct job_watch *watch, const struct job_info *info)
{
	struct waiter *r = container_of(watch, struct waiter, watch);
	if (!job_state_is_final(info->state))
		return;
	ended(r, info);
	reply_if_done(r->wait);
}

static int wait_for(struct waiter *r, const char *ref, struct err *e)
{
	struct call *c = r->wait->call;
	struct job_info *info = NULL;
	char id[JOB_ID_LEN + 1];

	int rc = job_resolve(c->jobs, ref, c->cn, id, e);
	if (!rc)
		rc = job_get(c->jobs, id, &info, e);
	if (rc)
		return rc;
	if (job_state_is_final(info->state)) {
		ended(r, info);
	} else {
		r->watch.fn = on_state;
		job_watch(c->jobs, id, &r->watch);
	}
	job_info_free(info);
	return 0;
}

static void on_message(struct call *c, const ProtobufCMessage *m)
{
	const Joblet__WaitJobRequest *r = (const void *)m;
	struct err e = {0};
	int rc = 0;

	if (!r->n_uuids || r->n_uuids > WAIT_MAX) {
		call_end(c, RPC_INVALID_ARGUMENT, "uuids: 1 to %d of them", WAIT_MAX);
		return;
	}
	struct wait *w = xcalloc(1, sizeof(*w) + r->n_uuids * sizeof(w->waiters[0]));
	c->data = w;
	w->call = c;
	w->any = r->any;
	w->n = r->n_uuids;
	for (size_t i = 0; !rc && i < w->n; i++) {
		w->waiters[i].wait = w;
		rc = wait_for(&w->waiters[i], r->uuids[i], &e);
	}
	if (rc)
		call_fail(c, rc, &e);
	else
		reply_if_done(w);
}

static void on_closed(struct call *c)
{
	struct wait *w = c->data;
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++) {
		job_unwatch(&w->waiters[i].watch);
		if (w->waiters[i].exit)
			protobuf_c_message_free_unpacked(&w->waiters[i].exit->base, NULL);
	}
	free(w);
}

const struct call_handler rpc_wait_job = {
    .request = &joblet__wait_job_request__descriptor,
    .message = on_message,
    .closed = on_closed,
};
