// SPDX-License-Identifier: Apache-2.0
// `rnx job wait`: until jobs have ended; its exit status is that of the last one.
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/job_show.h"
#include "rnx/print.h"
#include "rnx/session.h"

#define GIVE_UP_MS 60000 // without a connection

struct options {
	bool any, quiet;
	int64_t timeout;
};

#define AT(member) offsetof(struct options, member)
static const struct flag flags[] = {
    {"any", 0, FLAG_BOOL, AT(any), NULL, "until one of them has ended", 0, 0},
    {"timeout", 0, FLAG_DURATION, AT(timeout), "TIME", "no longer than this; exit status 124", 0, 0},
    {"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, "print nothing", 0, 0},
};

static int print_jobs(const struct rnx *r, const Joblet__WaitJobResponse *w)
{
	cleanup_buf struct buf out = {0};
	int rc = 0;

	for (size_t i = 0; i < w->n_jobs && rc == 0; i++) {
		const Joblet__JobExit *x = w->jobs[i];
		if (r->json)
			rc = job_exit_json(x, &out);
		else
			rc = buf_printf(&out, "%s %s %d\n", x->uuid, x->status, session_exit_status(x));
	}
	return rc < 0 ? EXIT_CODE_INTERNAL : print_data(&out);
}

static int finish(const struct rnx *r, const struct options *o, const Joblet__WaitJobResponse *w)
{
	int status = o->quiet ? 0 : print_jobs(r, w);

	return status || !w->n_jobs ? status : session_exit_status(w->jobs[w->n_jobs - 1]);
}

// One call. RPC_UNAVAILABLE is left to the caller, who tries again.
static int ask(struct rnx *r, const struct options *o, char **words, int64_t deadline, struct rpc_status *s)
{
	Joblet__WaitJobRequest q = JOBLET__WAIT_JOB_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int64_t left = deadline ? deadline - clock_ms(CLOCK_MONOTONIC) : 0;

	q.uuids = words;
	q.n_uuids = strv_len(words);
	q.any = o->any;
	s->code = RPC_DEADLINE_EXCEEDED;
	int rc = RPC_FAILED;
	if (!deadline || left > 0)
		rc = rpc_unary(r->client, "/joblet.JobControlService/WaitJob", left, &q.base,
			       &joblet__wait_job_response__descriptor, &reply, s);
	if (rc < 0)
		return print_fail(EXIT_CODE_INTERNAL, "INTERNAL", NULL, "WaitJob: %s", strerror(-rc));
	if (rc == 0) {
		int status = finish(r, o, (const Joblet__WaitJobResponse *)reply);
		protobuf_c_message_free_unpacked(reply, NULL);
		return status;
	}
	if (s->code == RPC_DEADLINE_EXCEEDED && deadline)
		return print_fail(EXIT_CODE_TIMEOUT, "DEADLINE_EXCEEDED", NULL, "not ended yet");
	return s->code == RPC_UNAVAILABLE ? -EAGAIN : connect_report(r, s, NULL);
}

// The connection again, after a while; -EAGAIN when it is not there yet.
static int reconnect(struct rnx *r, const struct rpc_status *s, int64_t lost_at, unsigned n)
{
	struct err e = {0};

	if (clock_ms(CLOCK_MONOTONIC) - lost_at > GIVE_UP_MS)
		return connect_report(r, s, NULL);
	poll(NULL, 0, connect_backoff(n, 3000));
	if (!s->is_local && r->client)
		return 0;
	int rc = connect_try(r, CONNECT_TIMEOUT_MS, &e);
	return rc == -EACCES ? print_fail(EXIT_CODE_INTERNAL, "UNAUTHENTICATED", NULL, "%s", e.msg)
	       : rc < 0	     ? -EAGAIN
			     : 0;
}

static int run(struct rnx *r, void *options, char **words)
{
	const struct options *o = options;
	int64_t deadline = o->timeout ? clock_ms(CLOCK_MONOTONIC) + o->timeout / 1000000 : 0;
	struct rpc_status s = {0};
	int64_t lost_at = 0;
	unsigned n = 0;
	int status = connect_open(r);

	while (status == 0) {
		int64_t began = clock_ms(CLOCK_MONOTONIC);
		status = ask(r, o, words, deadline, &s);
		if (status != -EAGAIN)
			return status;
		if (!lost_at || clock_ms(CLOCK_MONOTONIC) - began > GIVE_UP_MS) // a new loss
			lost_at = clock_ms(CLOCK_MONOTONIC), n = 0;
		do
			status =
			    deadline && clock_ms(CLOCK_MONOTONIC) >= deadline
				? print_fail(EXIT_CODE_TIMEOUT, "DEADLINE_EXCEEDED", NULL, "not ended yet")
				: reconnect(r, &s, lost_at, ++n);
		while (status == -EAGAIN);
	}
	return status;
}

const struct command cmd_job_wait = {
    .group = "job",
    .name = "wait",
    .words = "[flags] ID…",
    .summary = "Waits until jobs have ended; exit status of the last one",
    .examples = "  rnx job wait 3f2a9c1e\n"
		"  rnx job wait --any --timeout 5m a1b2c3d4 e5f60718\n",
    .flags = flags,
    .flag_count = ARRAY_LEN(flags),
    .options_size = sizeof(struct options),
    .min_words = 1,
    .max_words = WORDS_ANY,
    .kind = WORDS_JOBS,
    .run = run,
};
