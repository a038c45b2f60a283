// SPDX-License-Identifier: Apache-2.0
// `rnx job stop`, `cancel` and `delete`: the same thing to many jobs. Several are under way at once, since a
// stop may take as long as the grace time; each is reported, in the order in which they were given.
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "joblet.pb-c.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/output.h"
#include "rnx/print.h"

#define AT_ONCE	      8
#define CHANGE_MAX_MS 600000 // a stop waits for the grace time that the server sets

// What one job came to.
struct outcome {
	struct rpc_call *call;
	char *id;     // whole, from the reply
	char *status; // new state, or NULL
	struct rpc_status failed;
	bool is_over;
};

// How the three differ.
struct change {
	const char *path, *done;
	int (*send)(struct rpc_call *call, char *id);
	const ProtobufCMessageDescriptor *reply;
	void (*take)(struct outcome *o, const ProtobufCMessage *reply);
};

static int send_stop(struct rpc_call *call, char *id)
{
	Joblet__StopJobRequest q = JOBLET__STOP_JOB_REQUEST__INIT;
	q.uuid = id;
	return rpc_call_send(call, &q.base);
}

static int send_cancel(struct rpc_call *call, char *id)
{
	Joblet__CancelJobRequest q = JOBLET__CANCEL_JOB_REQUEST__INIT;
	q.uuid = id;
	return rpc_call_send(call, &q.base);
}

static int send_delete(struct rpc_call *call, char *id)
{
	Joblet__DeleteJobRequest q = JOBLET__DELETE_JOB_REQUEST__INIT;
	q.uuid = id;
	return rpc_call_send(call, &q.base);
}

static void take_stop(struct outcome *o, const ProtobufCMessage *reply)
{
	const Joblet__StopJobResponse *m = (const Joblet__StopJobResponse *)reply;
	o->id = xstrdup(m->uuid);
	o->status = xstrdup(m->status);
}

static void take_cancel(struct outcome *o, const ProtobufCMessage *reply)
{
	const Joblet__CancelJobResponse *m = (const Joblet__CancelJobResponse *)reply;
	o->id = xstrdup(m->uuid);
	o->status = xstrdup(m->status);
}

static void take_delete(struct outcome *o, const ProtobufCMessage *reply)
{
	const Joblet__DeleteJobResponse *m = (const Joblet__DeleteJobResponse *)reply;
	o->id = xstrdup(m->uuid);
	if (m->success)
		return;
	o->failed.code = RPC_FAILED_PRECONDITION;
	snprintf(o->failed.text, sizeof(o->failed.text), "%s", m->message);
}

static void start(struct rnx *r, const struct change *c, struct outcome *o, char *id)
{
	int rc = rpc_call_start(r->client, c->path, CHANGE_MAX_MS, &o->call);

	if (rc == 0)
		rc = c->send(o->call, id);
	if (rc == 0)
		rc = rpc_call_close_send(o->call);
	if (rc == 0)
		return;
	o->failed =
	    (struct rpc_status){.code = RPC_UNAVAILABLE, .is_local = true, .text = "the connection is lost"};
	o->is_over = true;
}

// A reply, and then the end of the call.
static void look(const struct change *c, struct outcome *o)
{
	ProtobufCMessage *m = NULL;
	int rc = rpc_call_recv(o->call, c->reply, &m);

	if (rc == 1) {
		if (!o->id)
			c->take(o, m);
		protobuf_c_message_free_unpacked(m, NULL);
		rc = rpc_call_recv(o->call, c->reply, &m);
	}
	if (rc == 0)
		return;
	if (rc == RPC_CALL_OVER && rpc_call_status(o->call)->code != RPC_OK)
		o->failed = *rpc_call_status(o->call);
	else if ((rc < 0 || !o->id) && !o->failed.code)
		o->failed = (struct rpc_status){.code = RPC_INTERNAL, .text = "an answer that is none"};
	o->is_over = true;
}

static void report_json(const struct change *c, char *const *words, const struct outcome *o, size_t n,
			struct buf *out)
{
	struct json_out j;

	json_out_begin(&j, out, true);
	json_open_arr(&j);
	for (size_t i = 0; i < n; i++) {
		json_open_obj(&j);
		json_kv_str(&j, "id", o[i].id ? o[i].id : words[i]);
		json_kv_bool(&j, "success", o[i].failed.code == RPC_OK);
		json_kv_str(&j, "status", o[i].status ? o[i].status : o[i].failed.code ? "" : c->done);
		json_kv_str(&j, "message", o[i].failed.text);
		json_close_obj(&j);
	}
	json_close_arr(&j);
	if (json_out_end(&j) < 0)
		buf_free(out);
}

static int report(struct rnx *r, const struct change *c, char *const *words, const struct outcome *o,
		  size_t n)
{
	cleanup_buf struct buf out = {0};
	int worst = 0;

	for (size_t i = 0; i < n; i++) {
		int status = 0;
		if (o[i].failed.code)
			status = connect_report(r, &o[i].failed, words[i]);
		else if (!r->json &&
			 buf_printf(&out, "%s %s\n", o[i].id, o[i].status ? o[i].status : c->done) < 0)
			status = EXIT_CODE_INTERNAL;
		worst = status > worst ? status : worst;
	}
	if (r->json)
		report_json(c, words, o, n, &out);
	int status = print_data(&out);
	return status ? status : worst;
}

static int change_all(struct rnx *r, const struct change *c, char **words)
{
	size_t n = strv_len(words);
	size_t begun = 0;
	size_t over = 0;
	int status = connect_open(r);

	if (status)
		return status;
	struct outcome *o = xcalloc(n, sizeof(*o));
	while (over < n) {
		struct err e;
		for (; begun < n && begun - over < AT_ONCE; begun++)
			start(r, c, &o[begun], words[begun]);
		int rc = output_wait(r->client, NULL, 0, NULL, 0, -1, &e);
		for (size_t i = 0; i < begun; i++)
			if (!o[i].is_over) {
				look(c, &o[i]);
				if (rc < 0 && !o[i].is_over) {
					o[i].failed =
					    (struct rpc_status){.code = RPC_UNAVAILABLE, .is_local = true};
					snprintf(o[i].failed.text, sizeof(o[i].failed.text), "%.1000s",
						 e.msg);
					o[i].is_over = true;
				}
			}
		over = 0;
		for (size_t i = 0; i < begun; i++)
			over += o[i].is_over;
	}
	status = report(r, c, words, o, n);
	for (size_t i = 0; i < n; i++) {
		if (o[i].call)
			rpc_call_free(o[i].call);
		free(o[i].id);
		free(o[i].status);
	}
	free(o);
	return status;
}

static int run_stop(struct rnx *r, void *options, char **words)
{
	static const struct change c = {"/joblet.JobService/StopJob", "STOPPED", send_stop,
					&joblet__stop_job_response__descriptor, take_stop};
	(void)options;
	return change_all(r, &c, words);
}

static int run_cancel(struct rnx *r, void *options, char **words)
{
	static const struct change c = {"/joblet.JobService/CancelJob", "CANCELED", send_cancel,
					&joblet__cancel_job_response__descriptor, take_cancel};
	(void)options;
	return change_all(r, &c, words);
}

static int run_delete(struct rnx *r, void *options, char **words)
{
	static const struct change c = {"/joblet.JobService/DeleteJob", "deleted", send_delete,
					&joblet__delete_job_response__descriptor, take_delete};
	(void)options;
	return change_all(r, &c, words);
}

const struct command cmd_job_stop = {
    .group = "job",
    .name = "stop",
    .words = "ID…",
    .summary = "Stops jobs: TERM, and KILL after the server's grace time",
    .examples = "  rnx job stop 3f2a9c1e a1b2c3d4\n"
		"  rnx job list -q --status running --mine | xargs -r rnx job stop\n",
    .min_words = 1,
    .max_words = WORDS_ANY,
    .kind = WORDS_JOBS,
    .run = run_stop,
};

const struct command cmd_job_cancel = {
    .group = "job",
    .name = "cancel",
    .words = "ID…",
    .summary = "Takes back jobs that have not started",
    .examples = "  rnx job cancel nightly\n",
    .min_words = 1,
    .max_words = WORDS_ANY,
    .kind = WORDS_JOBS,
    .run = run_cancel,
};

const struct command cmd_job_delete = {
    .group = "job",
    .name = "delete",
    .aliases = (const char *const[]){"rm", "remove", NULL},
    .words = "ID…",
    .summary = "Forgets jobs that have ended, with their output",
    .examples = "  rnx job delete 3f2a9c1e\n",
    .min_words = 1,
    .max_words = WORDS_ANY,
    .kind = WORDS_JOBS,
    .run = run_delete,
};
