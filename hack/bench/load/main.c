// SPDX-License-Identifier: Apache-2.0
// bench-load ADDRESS CERT KEY CA COUNT AT_ONCE: runs COUNT jobs of `true` over one connection, AT_ONCE at a
// time, waits for the end of each, and prints how many nanoseconds that took from the first request to the
// last reply. The three files are PEM. Never installed.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "joblet.pb-c.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/rpc/client.h"

#define AT_ONCE_MAX 256
#define RUN_JOB	    "/joblet.JobService/RunJob"
#define WAIT_JOB    "/joblet.JobControlService/WaitJob"

// A place of the AT_ONCE: nothing, a RunJob under way, or the WaitJob of that job.
struct slot {
	struct rpc_call *call;
	bool is_waiting;
};

static struct rpc_client *client;
static struct slot slots[AT_ONCE_MAX];

static attr_noreturn void give_up(const char *what)
{
	fprintf(stderr, "bench-load: %s\n", what);
	exit(1);
}

static void ask(struct slot *s, const char *path, const ProtobufCMessage *m)
{
	if (rpc_call_start(client, path, 0, &s->call) || rpc_call_send(s->call, m) ||
	    rpc_call_close_send(s->call))
		give_up("a request could not be sent");
}

static void run_job(struct slot *s)
{
	Joblet__RunJobRequest m = JOBLET__RUN_JOB_REQUEST__INIT;
	char command[] = "true";

	m.command = command;
	s->is_waiting = false;
	ask(s, RUN_JOB, &m.base);
}

static void wait_job(struct slot *s, char *id)
{
	Joblet__WaitJobRequest m = JOBLET__WAIT_JOB_REQUEST__INIT;

	m.uuids = &id;
	m.n_uuids = 1;
	s->is_waiting = true;
	ask(s, WAIT_JOB, &m.base);
}

static void check_end(const Joblet__WaitJobResponse *m)
{
	if (m->n_jobs != 1 || !str_eq(m->jobs[0]->status, "COMPLETED"))
		give_up("a job did not end well");
}

// True when the slot is free again: its job has ended.
static bool take_reply(struct slot *s)
{
	const ProtobufCMessageDescriptor *type =
	    s->is_waiting ? &joblet__wait_job_response__descriptor : &joblet__run_job_response__descriptor;
	ProtobufCMessage *m = NULL;
	int rc = rpc_call_recv(s->call, type, &m);

	if (rc == 0)
		return false;
	if (rc != 1)
		give_up(rc == RPC_CALL_OVER ? rpc_call_status(s->call)->text : "no answer");
	rpc_call_free(take_ptr(s->call));
	bool is_over = s->is_waiting;
	if (is_over)
		check_end((Joblet__WaitJobResponse *)m);
	else
		wait_job(s, ((Joblet__RunJobResponse *)m)->job_uuid);
	protobuf_c_message_free_unpacked(m, NULL);
	return is_over;
}

static void pump(void)
{
	struct err e = {0};
	struct pollfd p = {.fd = rpc_client_fd(client), .events = rpc_client_events(client)};

	if (poll(&p, 1, rpc_client_timeout(client)) < 0 && errno != EINTR)
		give_up("poll");
	if (rpc_client_process(client, &e))
		give_up(e.msg);
}

static void run_all(int64_t count, size_t at_once)
{
	int64_t begun = 0, ended = 0;

	while (ended < count) {
		for (size_t i = 0; i < at_once; i++) {
			if (slots[i].call)
				ended += take_reply(&slots[i]);
			if (!slots[i].call && begun < count) {
				run_job(&slots[i]);
				begun++;
			}
		}
		if (ended < count)
			pump();
	}
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	cleanup_free char *cert = NULL, *key = NULL, *ca = NULL;
	int64_t count, at_once;
	struct err e = {0};

	if (argc != 7 || str_to_i64(argv[5], 1, 1000000, &count) ||
	    str_to_i64(argv[6], 1, AT_ONCE_MAX, &at_once))
		give_up("usage: bench-load ADDRESS CERT KEY CA COUNT AT_ONCE");
	if (file_read(AT_FDCWD, argv[2], 1 << 20, &cert, NULL, &e) ||
	    file_read(AT_FDCWD, argv[3], 1 << 20, &key, NULL, &e) ||
	    file_read(AT_FDCWD, argv[4], 1 << 20, &ca, NULL, &e))
		give_up(e.msg);
	struct rpc_client_config cfg = {.address = argv[1],
					.cert = cert,
					.key = key,
					.ca = ca,
					.server_name = "joblet",
					.timeout_ms = 30000};
	if (rpc_client_open(&cfg, &client, &e))
		give_up(e.msg);
	int64_t began = now_ns();
	run_all(count, (size_t)at_once);
	printf("%lld\n", (long long)(now_ns() - began));
	rpc_client_free(client);
	return 0;
}
