// SPDX-License-Identifier: Apache-2.0
// AttachJob: the terminal of a job. Output is its log, from an offset on and then live (log_follow.c); input
// goes to the shim's attach socket (attach_stdin.c). A client that goes away leaves the job running unless it
// asked for the contrary.
#include <errno.h>
#include <string.h>

#include "joblet.pb-c.h"
#include "jobletd/attach_stdin.h"
#include "jobletd/call.h"
#include "jobletd/job_message.h"
#include "jobletd/log_follow.h"
#include "jobletd/rpc_log.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define CHUNKS_A_TURN 16

struct attach {
	struct call *call;
	char id[JOB_ID_LEN + 1];
	bool wants_stdin, stop_on_disconnect;
	bool has_size; // a window size came before the job ran
	unsigned rows, columns;
	enum job_state state;
	struct job_watch watch;
	struct log_follow *follow;
	struct attach_stdin *input;
};

static void send_note(struct call *c, const char *text)
{
	Joblet__AttachResponse m = JOBLET__ATTACH_RESPONSE__INIT;
	m.response_case = JOBLET__ATTACH_RESPONSE__RESPONSE_NOTE;
	m.note = (char *)(uintptr_t)text;
	call_send(c, &m.base);
}

static void send_ready(struct call *c, const struct job_info *info)
{
	Joblet__AttachReady ready = JOBLET__ATTACH_READY__INIT;
	Joblet__AttachResponse m = JOBLET__ATTACH_RESPONSE__INIT;
	ready.uuid = (char *)(uintptr_t)info->id;
	ready.status = (char *)(uintptr_t)job_state_name(info->state);
	ready.tty = info->request.tty;
	m.response_case = JOBLET__ATTACH_RESPONSE__RESPONSE_READY;
	m.ready = &ready;
	call_send(c, &m.base);
}

static void send_output(struct call *c, const struct log_chunk *chunk)
{
	Joblet__DataChunk data;
	Joblet__AttachResponse m = JOBLET__ATTACH_RESPONSE__INIT;
	rpc_log_chunk(chunk, &data);
	m.response_case = JOBLET__ATTACH_RESPONSE__RESPONSE_OUTPUT;
	m.output = &data;
	call_send(c, &m.base);
}

// Everything was printed: the exit is the last message.
static void send_exit(struct attach *a)
{
	struct job_info *info = NULL;
	struct err e = {0};
	int rc = job_get(a->call->jobs, a->id, &info, &e);
	if (rc) {
		call_fail(a->call, rc, &e);
		return;
	}
	Joblet__JobExit *exit = job_message_exit(info);
	Joblet__AttachResponse m = JOBLET__ATTACH_RESPONSE__INIT;
	m.response_case = JOBLET__ATTACH_RESPONSE__RESPONSE_EXIT;
	m.exit = exit;
	call_reply(a->call, &m.base);
	protobuf_c_message_free_unpacked(&exit->base, NULL);
	job_info_free(info);
}

static void pump(void *userdata)
{
	struct attach *a = userdata;
	struct call *c = a->call;
	struct err e = {0};

	for (int i = 0; i < CHUNKS_A_TURN; i++) {
		struct log_chunk chunk;
		if (!a->follow || !call_can_send(c))
			return;
		int rc = log_follow_next(a->follow, &chunk, &e);
		if (rc == LOG_FOLLOW_AGAIN)
			break;
		if (rc == LOG_FOLLOW_END)
			send_exit(a);
		else if (rc < 0)
			rpc_log_fail(c, rc, &e);
		if (rc != 1)
			return;
		send_output(c, &chunk);
	}
	call_want_writable(c);
}

// The client's messages are read again: the shim has taken what waited.
static void on_input_ready(void *userdata)
{
	struct attach *a = userdata;
	call_resume(a->call);
}

// The job runs: what waited for that is done now.
static void on_running(struct attach *a)
{
	struct err e = {0};
	int rc = 0;

	if (a->wants_stdin && !a->input)
		rc = attach_stdin_open(a->call->loop, a->call->jobs, a->id, on_input_ready, a, &a->input, &e);
	if (rc)
		log_warn("attach %s: %s", a->id, e.msg); // it ends before it could be told anything
	if (a->has_size && job_resize(a->call->jobs, a->id, a->rows, a->columns, &e))
		log_debug("attach %s: %s", a->id, e.msg);
	a->has_size = false;
	call_resume(a->call);
}

static bool runs(enum job_state s)
{
	return s == JOB_RUNNING || s == JOB_STOPPING;
}

static void on_state(struct job_watch *watch, const struct job_info *info)
{
	struct attach *a = container_of(watch, struct attach, watch);
	enum job_state before = a->state;
	a->state = info->state;
	if (runs(info->state) && !runs(before))
		on_running(a);
	if (job_state_is_final(info->state)) {
		attach_stdin_free(take_ptr(a->input));
		a->wants_stdin = false;
		call_resume(a->call); // nobody takes it, but the client may close
	}
}

static void say_what_is_waited_for(struct call *c, const struct job_info *info)
{
	char when[STR_TIME_MAX];

	if (info->state == JOB_PENDING) {
		send_note(c, "waiting in the queue for a free place");
	} else if (info->state == JOB_SCHEDULED) {
		str_time_rfc3339(info->scheduled_ns, when);
		cleanup_free char *text = xasprintf("scheduled for %s", when);
		send_note(c, text);
	}
}

static int check_start(struct call *c, const Joblet__AttachStart *s, struct err *e)
{
	int rc = 0;
	if (s->from_offset < -1)
		return err_set(e, -EINVAL, "from_offset is negative");
	if (s->stdin)
		rc = call_may(c, "job:attach", e);
	if (!rc && s->stop_on_disconnect)
		rc = call_may(c, "job:stop", e);
	return rc;
}

static int begin(struct attach *a, const Joblet__AttachStart *s, struct err *e)
{
	struct call *c = a->call;
	struct log_options o = {.from_offset = s->from_offset};
	struct job_info *info = NULL;

	int rc = check_start(c, s, e);
	if (!rc)
		rc = job_resolve(c->jobs, s->uuid, c->cn, a->id, e);
	if (!rc)
		rc = job_get(c->jobs, a->id, &info, e);
	if (rc)
		return rc;
	call_note(c, "%s", a->id);
	if (s->stdin && !info->request.stdin_open)
		rc = err_set(e, -EBUSY, "the job was started without stdin");
	a->state = info->state;
	a->wants_stdin = s->stdin && !job_state_is_final(info->state);
	a->stop_on_disconnect = s->stop_on_disconnect;
	if (!rc)
		rc = log_follow_open(c->loop, c->jobs, a->id, &o, true, pump, a, &a->follow, e);
	if (!rc) {
		a->watch.fn = on_state;
		job_watch(c->jobs, a->id, &a->watch);
		send_ready(c, info);
		say_what_is_waited_for(c, info);
	}
	job_info_free(info);
	return rc;
}

static void on_start(struct call *c, const Joblet__AttachStart *s)
{
	struct attach *a = xcalloc(1, sizeof(*a));
	struct err e = {0};

	c->data = a;
	a->call = c;
	int rc = begin(a, s, &e);
	if (rc) {
		rpc_log_fail(c, rc, &e);
		return;
	}
	if (runs(a->state))
		on_running(a);
	else if (a->wants_stdin)
		call_pause(c); // what comes for stdin stays with the client until the job runs
	pump(a);
}

static void on_stdin(struct attach *a, const ProtobufCBinaryData *data)
{
	if (!a->input)
		return; // the job has ended
	if (attach_stdin_write(a->input, data->data, data->len) == ATTACH_STDIN_FULL)
		call_pause(a->call);
}

static void on_resize(struct attach *a, const Joblet__TerminalSize *size)
{
	struct call *c = a->call;
	struct err e = {0};

	int rc = call_may(c, "job:attach", &e);
	if (!rc && (size->rows > UINT16_MAX || size->columns > UINT16_MAX))
		rc = err_set(&e, -EINVAL, "a window of %u by %u", size->rows, size->columns);
	if (rc) {
		call_fail(c, rc, &e);
	} else if (runs(a->state)) {
		if (job_resize(c->jobs, a->id, size->rows, size->columns, &e))
			send_note(c, e.msg);
	} else {
		a->has_size = true;
		a->rows = size->rows;
		a->columns = size->columns;
	}
}

static void on_signal(struct attach *a, const char *name)
{
	struct call *c = a->call;
	struct err e = {0};
	int sig;

	int rc = call_may(c, "job:attach", &e);
	if (!rc && proc_signal_parse(name, &sig))
		rc = err_set(&e, -EINVAL, "\"%.32s\" is not a signal", name);
	if (rc) {
		call_fail(c, rc, &e);
		return;
	}
	// One that comes too late or too early is told and harms nothing.
	if (job_signal(c->jobs, a->id, sig, c->cn, &e))
		send_note(c, e.msg);
	else
		log_info("call AttachJob by \"%s\" (%s): signal %d to %s", c->cn, c->role, sig, a->id);
}

static void on_message(struct call *c, const ProtobufCMessage *m)
{
	const Joblet__AttachRequest *r = (const void *)m;
	struct attach *a = c->data;

	if ((r->request_case == JOBLET__ATTACH_REQUEST__REQUEST_START) != !a) {
		call_end(c, RPC_INVALID_ARGUMENT, "the first message, and no other, is start");
		return;
	}
	switch (r->request_case) {
	case JOBLET__ATTACH_REQUEST__REQUEST_START: on_start(c, r->start); break;
	case JOBLET__ATTACH_REQUEST__REQUEST_STDIN:
		if (!a->wants_stdin && !job_state_is_final(a->state))
			call_end(c, RPC_INVALID_ARGUMENT, "stdin was not asked for at the start");
		else
			on_stdin(a, &r->stdin);
		break;
	case JOBLET__ATTACH_REQUEST__REQUEST_STDIN_EOF:
		if (a->input)
			attach_stdin_eof(a->input);
		break;
	case JOBLET__ATTACH_REQUEST__REQUEST_RESIZE: on_resize(a, r->resize); break;
	case JOBLET__ATTACH_REQUEST__REQUEST_SIGNAL: on_signal(a, r->signal); break;
	default: call_end(c, RPC_INVALID_ARGUMENT, "a message that asks for nothing that is known here");
	}
}

// A client that sends no more sends no more stdin.
static void on_half_closed(struct call *c)
{
	struct attach *a = c->data;
	if (!a)
		call_end(c, RPC_INVALID_ARGUMENT, "the first message is start");
	else if (a->input)
		attach_stdin_eof(a->input);
}

static void on_writable(struct call *c)
{
	if (c->data)
		pump(c->data);
}

static void on_stopped(void *userdata attr_unused, int rc, const struct err *e,
		       const struct job_info *info attr_unused)
{
	if (rc && rc != -EBUSY)
		log_warn("stop of a job whose client has gone: %s", e->msg);
}

static void on_closed(struct call *c)
{
	struct attach *a = c->data;
	struct err e = {0};

	if (!a)
		return;
	job_unwatch(&a->watch);
	if (a->stop_on_disconnect && call_client_went(c) && !job_state_is_final(a->state)) {
		log_info("call AttachJob by \"%s\" (%s): the client has gone, stopping %s", c->cn, c->role,
			 a->id);
		if (job_stop(c->jobs, a->id, c->cn, on_stopped, NULL, &e))
			log_debug("stop %s: %s", a->id, e.msg);
	}
	if (a->input && call_client_went(c))
		attach_stdin_cut(a->input);
	attach_stdin_free(a->input);
	log_follow_free(a->follow);
	free(a);
}

const struct call_handler rpc_attach_job = {
    .request = &joblet__attach_request__descriptor,
    .message = on_message,
    .half_closed = on_half_closed,
    .writable = on_writable,
    .closed = on_closed,
};
