// SPDX-License-Identifier: Apache-2.0
// The calls that show jobs: status, list, find. No reply is larger than what every gRPC client takes by
// default.
#include <errno.h>
#include <string.h>

#include "joblet.pb-c.h"
#include "jobletd/call.h"
#include "jobletd/job_message.h"
#include "lib/base/str.h"

#define REPLY_MAX    ((size_t)(4 << 20) - 1024)
#define PAGE_DEFAULT 500
#define PAGE_MAX     1000
#define LIST_MAX     ((size_t)200000)

// Who may not run a job has no need of what jobs are given in their environment.
static struct job_view view(const struct call *c)
{
	return (struct job_view){.node_id = c->cfg->server.node_id, .hide_values = !call_has(c, "job:run")};
}

static void on_status(struct call *c, const ProtobufCMessage *m)
{
	const Joblet__GetJobStatusRequest *r = (const void *)m;
	struct job_view v = view(c);
	struct job_info *info = NULL;
	char id[JOB_ID_LEN + 1];
	struct err e = {0};

	int rc = job_resolve(c->jobs, r->uuid, c->cn, id, &e);
	if (!rc)
		rc = job_get(c->jobs, id, &info, &e);
	if (rc) {
		call_fail(c, rc, &e);
		return;
	}
	Joblet__GetJobStatusResponse *reply = job_message_status(info, &v);
	job_info_free(info);
	call_reply(c, &reply->base);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

struct page {
	struct job_view view;
	Joblet__Job **jobs;
	size_t n, room, bytes, limit;
	uint64_t last_seq;
};

enum { PAGE_FULL = 1 };
static int add(void *userdata, const struct job_info *info)
{
	struct page *p = userdata;
	if (p->n == p->limit)
		return PAGE_FULL;
	Joblet__Job *m = job_message(info, &p->view);
	size_t size = protobuf_c_message_get_packed_size(&m->base) + 6;
	if (p->bytes + size > REPLY_MAX && p->n) {
		protobuf_c_message_free_unpacked(&m->base, NULL);
		return PAGE_FULL;
	}
	if (p->n == p->room) {
		p->room = p->room ? p->room * 2 : 64;
		p->jobs = xrealloc(p->jobs, p->room * sizeof(*p->jobs));
	}
	p->jobs[p->n++] = m;
	p->bytes += size;
	p->last_seq = info->seq;
	return 0;
}

static void free_page(struct page *p)
{
	for (size_t i = 0; i < p->n; i++)
		protobuf_c_message_free_unpacked(&p->jobs[i]->base, NULL);
	free(p->jobs);
}

static void reverse(Joblet__Job **v, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		Joblet__Job *t = v[i];
		v[i] = v[n - 1 - i];
		v[n - 1 - i] = t;
	}
}

static void on_list(struct call *c, const ProtobufCMessage *m attr_unused)
{
	struct page p = {.view = view(c), .limit = LIST_MAX};
	struct job_filter filter = {.limit = LIST_MAX};
	Joblet__Jobs reply = JOBLET__JOBS__INIT;
	struct err e = {0};

	int rc = job_list(c->jobs, &filter, add, &p, &e);
	if (rc < 0) {
		call_fail(c, rc, &e);
	} else {
		reverse(p.jobs, p.n);
		reply.n_jobs = p.n;
		reply.jobs = p.jobs;
		call_reply(c, &reply.base);
	}
	free_page(&p);
}

static int take_filter(const struct call *c, const Joblet__FindJobsRequest *r, struct job_filter *f,
		       char ***labels, struct err *e)
{
	for (size_t i = 0; i < r->n_status; i++) {
		enum job_state s;
		if (job_state_parse(r->status[i], &s))
			return err_set(e, -EINVAL, "status: \"%.32s\" is none", r->status[i]);
		f->states |= 1u << s;
	}
	for (size_t i = 0; i < r->n_labels; i++) {
		if (!r->labels[i]->key[0] || strchr(r->labels[i]->key, '='))
			return err_set(e, -EINVAL, "labels: \"%.64s\" is not a name", r->labels[i]->key);
		strv_add_take(labels, xasprintf("%s=%s", r->labels[i]->key, r->labels[i]->value));
	}
	if (r->page_token[0] && (str_to_u64(r->page_token, INT64_MAX, &f->before_seq) || !f->before_seq))
		return err_set(e, -EINVAL, "page_token is not one of an earlier response");
	if (r->page_size < 0 || r->page_size > PAGE_MAX)
		return err_set(e, -EINVAL, "page_size is 0 to %d", PAGE_MAX);
	if (r->since_ns < 0)
		return err_set(e, -EINVAL, "since_ns is negative");
	f->labels = *labels;
	f->name = r->name[0] ? r->name : NULL;
	f->runtime = r->runtime[0] ? r->runtime : NULL;
	f->owner = r->mine ? c->cn : NULL;
	f->since_ns = r->since_ns;
	return 0;
}

static void on_find(struct call *c, const ProtobufCMessage *m)
{
	const Joblet__FindJobsRequest *r = (const void *)m;
	struct page p = {.view = view(c), .limit = r->page_size > 0 ? (size_t)r->page_size : PAGE_DEFAULT};
	struct job_filter f = {.limit = p.limit + 1}; // one more shows whether there is another page
	Joblet__FindJobsResponse reply = JOBLET__FIND_JOBS_RESPONSE__INIT;
	cleanup_strv char **labels = NULL;
	char token[24];
	struct err e = {0};

	int rc = take_filter(c, r, &f, &labels, &e);
	if (!rc)
		rc = job_list(c->jobs, &f, add, &p, &e);
	if (rc < 0) {
		call_fail(c, rc, &e);
	} else {
		if (rc == PAGE_FULL) {
			snprintf(token, sizeof(token), "%llu", (unsigned long long)p.last_seq);
			reply.next_page_token = token;
		}
		reply.n_jobs = p.n;
		reply.jobs = p.jobs;
		call_reply(c, &reply.base);
	}
	free_page(&p);
}

const struct call_handler rpc_get_job_status = {.request = &joblet__get_job_status_request__descriptor,
						.message = on_status};
const struct call_handler rpc_list_jobs = {.request = &joblet__empty_request__descriptor, .message = on_list};
const struct call_handler rpc_find_jobs = {.request = &joblet__find_jobs_request__descriptor,
					   .message = on_find};
