// SPDX-License-Identifier: Apache-2.0
// `rnx job log`: what a job printed, then what it prints, until it ends. A lost connection is replaced and
// the output goes on where it was.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/job_show.h"
#include "rnx/output.h"
#include "rnx/print.h"

#define GIVE_UP_MS 60000 // without a connection

struct options {
	bool follow, no_follow, timestamps, raw;
	int64_t tail, from;
	const char *since, *until, *stream;
};

#define AT(member) offsetof(struct options, member)
static const struct flag flags[] = {
    {"follow", 'f', FLAG_BOOL, AT(follow), NULL, "until the job ends; this is so without the flag too", 0, 0},
    {"no-follow", 0, FLAG_BOOL, AT(no_follow), NULL, "only what is there now", 0, 0},
    {"tail", 0, FLAG_INT, AT(tail), "N", "only the last N lines of what is there", 1, INT32_MAX},
    {"since", 0, FLAG_TEXT, AT(since), "TIME", "only what was printed since: 10min ago, or a time", 0, 0},
    {"until", 0, FLAG_TEXT, AT(until), "TIME", "only what was printed before", 0, 0},
    {"timestamps", 0, FLAG_BOOL, AT(timestamps), NULL, "the time before each line", 0, 0},
    {"stream", 0, FLAG_TEXT, AT(stream), "WHICH", "only stdout or stderr", 0, 0},
    {"from", 0, FLAG_INT, AT(from), "OFFSET", "go on at an offset that --json gave", 0, INT64_MAX},
    {"raw", 0, FLAG_BOOL, AT(raw), NULL, "let control sequences reach the terminal", 0, 0},
};

struct follow {
	struct rnx *r;
	const struct options *o;
	Joblet__GetJobLogsRequest q;
	struct rpc_call *call;
	struct output out[2];
	bool in_line[2]; // the last byte of the stream was no line end
	int64_t lost_at;
	unsigned tries;
	int status;
	bool is_over;
};

static int parse_time(const char *flag, const char *s, int64_t *ns)
{
	struct timespec now;

	if (!s || str_parse_time(s, ns) == 0)
		return 0;
	if (str_to_duration(s, ns) < 0)
		return print_usage("as in 10min, 2h, 2026-01-31T03:00:00Z", "--%s %s: not a time", flag, s);
	clock_gettime(CLOCK_REALTIME, &now);
	*ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - *ns;
	return 0;
}

static void finish(struct follow *f, int status)
{
	f->status = status;
	f->is_over = true;
}

static void put(struct follow *f, int which, const void *data, size_t len)
{
	int rc = output_put(&f->out[which], data, len);

	if (rc == -EPIPE)
		print_reader_gone();
	if (rc < 0)
		finish(f, print_fail(EXIT_CODE_INTERNAL, "OUTPUT", NULL, "%s: %s",
				     which ? "stderr" : "stdout", strerror(-rc)));
}

static void on_chunk(struct follow *f, const Joblet__DataChunk *c)
{
	int which = c->stream == 2;
	char time[STR_TIME_MAX + 1];

	if (c->offset > 0)
		f->q.from_offset = c->offset;
	if (f->r->json) {
		cleanup_buf struct buf b = {0};
		if (job_chunk_json(c, &b) == 0)
			put(f, 0, b.data, b.len);
		return;
	}
	if (f->o->timestamps && c->payload.len && !f->in_line[which]) {
		str_time_rfc3339(c->time_ns, time);
		size_t len = strlen(time);
		time[len] = ' ';
		put(f, which, time, len + 1);
	}
	put(f, which, c->payload.data, c->payload.len);
	if (c->payload.len)
		f->in_line[which] = c->payload.data[c->payload.len - 1] != '\n';
}

static void begin(struct follow *f)
{
	if (rpc_call_start(f->r->client, "/joblet.JobService/GetJobLogs", 0, &f->call) < 0 ||
	    rpc_call_send(f->call, &f->q.base) < 0 || rpc_call_close_send(f->call) < 0) {
		rpc_call_free(f->call);
		f->call = NULL;
	}
}

// Waits and connects again; what was shown already is not asked for again.
static void lost(struct follow *f, const struct rpc_status *s)
{
	struct err e = {0};
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	rpc_call_free(f->call);
	f->call = NULL;
	if (!f->lost_at) {
		f->lost_at = now;
		f->tries = 0;
	} else if (now - f->lost_at > GIVE_UP_MS) {
		finish(f, connect_report(f->r, s, NULL));
		return;
	}
	if (f->q.from_offset > 0)
		f->q.tail = 0;
	poll(NULL, 0, connect_backoff(++f->tries, 3000));
	if (s->is_local || !f->r->client) {
		int rc = connect_try(f->r, CONNECT_TIMEOUT_MS, &e);
		if (rc == -EACCES)
			finish(f, print_fail(EXIT_CODE_INTERNAL, "UNAUTHENTICATED", NULL, "%s", e.msg));
		if (rc < 0)
			return;
	}
	begin(f);
}

static void take(struct follow *f)
{
	while (f->call && !f->is_over && !output_is_pending(&f->out[0]) && !output_is_pending(&f->out[1])) {
		ProtobufCMessage *m = NULL;
		int rc = rpc_call_recv(f->call, &joblet__data_chunk__descriptor, &m);
		if (rc == 0)
			return;
		if (rc == RPC_CALL_OVER) {
			struct rpc_status s = *rpc_call_status(f->call);
			if (s.code == RPC_UNAVAILABLE)
				lost(f, &s);
			else
				finish(f, s.code == RPC_OK ? 0 : connect_report(f->r, &s, NULL));
			return;
		}
		if (rc < 0) {
			finish(f, print_fail(EXIT_CODE_INTERNAL, "INTERNAL", NULL,
					     "an answer that is none: %s", strerror(-rc)));
			return;
		}
		f->lost_at = 0;
		on_chunk(f, (Joblet__DataChunk *)m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void step(struct follow *f)
{
	static const struct rpc_status gone = {.code = RPC_UNAVAILABLE,
					       .is_local = true,
					       .text = "the connection is lost"};
	struct err e = {0};

	if (!f->call) {
		lost(f, &gone);
		return;
	}
	// POLLERR: nobody reads stdout any more (pipe(7)), which `rnx job log ID | grep -q up` should not
	// have to wait for the next line to find out.
	struct pollfd reader = {.fd = f->out[0].is_own ? f->out[0].fd : -1};
	int rc = output_wait(f->r->client, f->out, 2, &reader, 1, -1, &e);
	for (int i = 0; i < 2; i++)
		if (f->out[i].error == -EPIPE)
			print_reader_gone();
	if (reader.revents & POLLERR)
		print_reader_gone();
	take(f);
	if (rc < 0 && f->call && !f->is_over && !output_is_pending(&f->out[0]) &&
	    !output_is_pending(&f->out[1]))
		lost(f, &gone);
}

static int follow(struct follow *f)
{
	enum output_mode mode = f->o->raw ? OUTPUT_RAW : OUTPUT_CLEAN;
	struct err e;

	output_open(&f->out[0], STDOUT_FILENO, mode);
	output_open(&f->out[1], STDERR_FILENO, mode);
	begin(f);
	while (!f->is_over)
		step(f);
	for (int i = 0; i < 2; i++)
		if (output_end(&f->out[i]) < 0 || f->out[i].error)
			f->status = f->status ? f->status : EXIT_CODE_INTERNAL;
	while (output_is_pending(&f->out[0]) || output_is_pending(&f->out[1]))
		if (output_wait(NULL, f->out, 2, NULL, 0, -1, &e) < 0)
			break;
	for (int i = 0; i < 2; i++)
		output_close(&f->out[i]);
	rpc_call_free(f->call);
	return f->status;
}

static int run(struct rnx *r, void *options, char **words)
{
	const struct options *o = options;
	struct follow f = {.r = r, .o = o, .q = JOBLET__GET_JOB_LOGS_REQUEST__INIT};
	int status = parse_time("since", o->since, &f.q.since_ns);

	if (status == 0)
		status = parse_time("until", o->until, &f.q.until_ns);
	if (status == 0 && o->follow && o->no_follow)
		status = print_usage(NULL, "--follow and --no-follow: not both");
	if (status == 0 && o->stream && !str_eq(o->stream, "stdout") && !str_eq(o->stream, "stderr"))
		status = print_usage(NULL, "--stream %s: stdout or stderr", o->stream);
	if (status == 0)
		status = connect_open(r);
	if (status)
		return status;
	f.q.uuid = words[0];
	f.q.no_follow = o->no_follow;
	f.q.tail = o->tail;
	f.q.from_offset = o->from;
	f.q.timestamps = o->timestamps;
	f.q.stream = (char *)(uintptr_t)(o->stream ? o->stream : "");
	return follow(&f);
}

const struct command cmd_job_log = {
    .group = "job",
    .name = "log",
    .aliases = (const char *const[]){"logs", NULL},
    .words = "[flags] ID",
    .summary = "Shows what a job printed, and goes on until it ends",
    .examples = "  rnx job log 3f2a9c1e\n"
		"  rnx job log --tail 100 --timestamps @last\n"
		"  rnx job log --no-follow --stream stderr --since 10min nightly\n",
    .about = "stdout and stderr of the job go to stdout and stderr. With --json each piece is an object in a "
	     "line, with the\n"
	     "offset at which --from goes on.\n",
    .flags = flags,
    .flag_count = ARRAY_LEN(flags),
    .options_size = sizeof(struct options),
    .min_words = 1,
    .max_words = 1,
    .kind = WORDS_JOBS,
    .run = run,
};
