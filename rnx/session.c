// SPDX-License-Identifier: Apache-2.0
// The loop of an attachment. Begins a call, feeds it, takes from it, and begins another one where the last
// was lost. Waits in one place only (step). What a job printed is written whole before more is taken.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/json.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/job_show.h"
#include "rnx/output.h"
#include "rnx/print.h"
#include "rnx/session.h"
#include "rnx/term.h"

#define STDIN_CHUNK    ((size_t)32 << 10)
#define GIVE_UP_MS     60000 // without a connection
#define RECONNECT_MS   5000  // for one try
#define BACKOFF_MAX_MS 3000
#define LEAVE_BYTE     0x1d // Ctrl-]

enum { OUT, ERR };

struct session {
	struct rnx *r;
	const struct session_config *cfg;
	struct rpc_call *call; // NULL: lost
	struct output out[2];
	enum session_stdin input;
	int64_t offset;			 // where to go on after what was taken
	char *id;			 // the whole id, once known
	unsigned char held[STDIN_CHUNK]; // read from stdin, not yet sent
	size_t held_len;
	bool stdin_is_open, eof_is_due;
	bool has_sent;	  // stdin went to the server over this connection
	uint64_t signals; // to be sent, bit 1 << number
	bool resize_is_due;
	bool is_attached; // the server has answered on this connection
	bool is_raw_terminal;
	bool last_was_leave; // Ctrl-] was the last key
	int64_t lost_at;     // CLOCK_MONOTONIC ms, 0: connected
	int64_t next_try;
	unsigned tries;
	bool has_exit;
	int status; // exit status, valid when is_over
	bool is_over;
};

int session_exit_status(const Joblet__JobExit *x)
{
	if (str_eq(x->status, "TIMEOUT"))
		return EXIT_CODE_TIMEOUT;
	if (x->signal > 0)
		return (EXIT_CODE_SIGNAL_BASE + x->signal) & 0xff;
	if (str_eq(x->status, "CANCELED") && x->exit_code == 0)
		return EXIT_CODE_FAILURE;
	return x->exit_code & 0xff ? x->exit_code & 0xff : x->exit_code ? EXIT_CODE_FAILURE : 0;
}

bool session_stdin_is_useful(const struct rnx *r)
{
	struct stat st;

	if (r->stdin_is_closed || fstat(STDIN_FILENO, &st) < 0 || isatty(STDIN_FILENO))
		return false;
	return !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

static void finish(struct session *s, int status)
{
	s->status = status;
	s->is_over = true;
}

static void lose_call(struct session *s)
{
	if (s->call)
		rpc_call_free(s->call);
	s->call = NULL;
	s->is_attached = false;
}

// The connection or the server is gone: said once, tried again until GIVE_UP_MS are over.
static void lost(struct session *s, const char *why)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	lose_call(s);
	if (!s->lost_at) {
		s->lost_at = now;
		s->tries = 0;
		if (!s->cfg->is_quiet)
			print_note(
			    "rnx: the connection to %s is lost (%s), trying to get it back; the job %s",
			    s->r->node->name, why,
			    s->cfg->stop_on_disconnect ? "is stopped if that fails" : "goes on");
	}
	if (now - s->lost_at > GIVE_UP_MS) {
		term_restore();
		finish(s,
		       print_fail(EXIT_CODE_INTERNAL, "UNAVAILABLE", NULL, "no connection to %s for %d s: %s",
				  s->r->node->name, GIVE_UP_MS / 1000, why));
		term_say_detached();
		return;
	}
	s->next_try = now + connect_backoff(++s->tries, BACKOFF_MAX_MS);
}

static int send_request(struct session *s, const Joblet__AttachRequest *m)
{
	return rpc_call_send(s->call, &m->base);
}

static void begin_call(struct session *s)
{
	Joblet__AttachStart start = JOBLET__ATTACH_START__INIT;
	Joblet__AttachRequest m = JOBLET__ATTACH_REQUEST__INIT;

	start.uuid = s->id;
	start.from_offset = s->offset;
	start.stdin = s->input != SESSION_NO_STDIN;
	start.stop_on_disconnect = s->cfg->stop_on_disconnect;
	m.request_case = JOBLET__ATTACH_REQUEST__REQUEST_START;
	m.start = &start;
	s->has_sent = false;
	if (rpc_call_start(s->r->client, "/joblet.JobControlService/AttachJob", 0, &s->call) < 0 ||
	    send_request(s, &m) < 0)
		lost(s, "no call");
}

static void connect_again(struct session *s)
{
	struct err e = {0};
	int rc = 0;

	if (clock_ms(CLOCK_MONOTONIC) < s->next_try)
		return;
	if (!s->r->client)
		rc = connect_try(s->r, RECONNECT_MS, &e);
	if (rc < 0)
		lost(s, e.msg[0] ? e.msg : strerror(-rc));
	else
		begin_call(s);
}

static void leave(struct session *s)
{
	term_restore();
	if (s->is_raw_terminal)
		print_note("%s", "");
	term_say_detached();
	finish(s, EXIT_CODE_SIGNAL_BASE + SIGINT);
}

// In raw mode no key makes a signal: Ctrl-] twice leaves.
static bool wants_to_leave(struct session *s)
{
	for (size_t i = 0; i < s->held_len; i++) {
		bool is_leave = s->held[i] == LEAVE_BYTE;
		if (is_leave && s->last_was_leave)
			return true;
		s->last_was_leave = is_leave;
	}
	return false;
}

static void read_stdin(struct session *s)
{
	ssize_t n = read(STDIN_FILENO, s->held, sizeof(s->held));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		s->stdin_is_open = false;
		s->eof_is_due = true;
		return;
	}
	s->held_len = (size_t)n;
	if (s->is_raw_terminal && wants_to_leave(s))
		leave(s);
}

static bool send_signal(struct session *s)
{
	Joblet__AttachRequest m = JOBLET__ATTACH_REQUEST__INIT;
	int sig = __builtin_ctzll(s->signals);
	const char *name = proc_signal_name(sig);

	m.request_case = JOBLET__ATTACH_REQUEST__REQUEST_SIGNAL;
	m.signal = (char *)(uintptr_t)name;
	if (name && send_request(s, &m) < 0)
		return false;
	s->signals &= s->signals - 1;
	return true;
}

static bool send_size(struct session *s)
{
	Joblet__AttachRequest m = JOBLET__ATTACH_REQUEST__INIT;
	Joblet__TerminalSize size = JOBLET__TERMINAL_SIZE__INIT;

	m.request_case = JOBLET__ATTACH_REQUEST__REQUEST_RESIZE;
	m.resize = &size;
	if (term_size(&size.rows, &size.columns) && send_request(s, &m) < 0)
		return false;
	s->resize_is_due = false;
	return true;
}

static bool send_stdin(struct session *s)
{
	Joblet__AttachRequest m = JOBLET__ATTACH_REQUEST__INIT;

	if (s->held_len) {
		m.request_case = JOBLET__ATTACH_REQUEST__REQUEST_STDIN;
		m.stdin = (ProtobufCBinaryData){.len = s->held_len, .data = s->held};
	} else {
		m.request_case = JOBLET__ATTACH_REQUEST__REQUEST_STDIN_EOF;
		m.stdin_eof = true;
	}
	if (send_request(s, &m) < 0)
		return false;
	s->has_sent = true;
	if (s->held_len)
		s->held_len = 0;
	else
		s->eof_is_due = false;
	return true;
}

// What is due goes to the server as far as there is room. Signals first: they must not wait behind a full
// pipe.
static void send_due(struct session *s)
{
	while (s->call && s->is_attached && !s->is_over && rpc_call_can_send(s->call)) {
		bool sent = s->signals			   ? send_signal(s)
			    : s->resize_is_due		   ? send_size(s)
			    : s->held_len || s->eof_is_due ? send_stdin(s)
							   : false;
		if (!sent)
			return;
	}
}

static void take_signals(struct session *s)
{
	for (int sig; (sig = term_signals_next()) != 0;) {
		if (sig == SIGWINCH || sig == SIGCONT)
			s->resize_is_due = s->is_raw_terminal;
		else
			s->signals |= UINT64_C(1) << sig;
	}
}

// Bytes of one stream. Whose reader has gone is told to the job as a pipe would tell it.
static void put_bytes(struct session *s, int which, const void *data, size_t len)
{
	int rc = output_put(&s->out[which], data, len);

	if (rc == -EPIPE && which == OUT)
		s->signals |= UINT64_C(1) << SIGPIPE;
	if (rc == 0 || rc == -EPIPE || which == ERR)
		return;
	term_restore();
	finish(s, print_fail(EXIT_CODE_INTERNAL, "OUTPUT", NULL, "stdout: %s", strerror(-rc)));
	term_say_detached();
}

static void put_json(struct session *s, int (*put)(const void *what, struct buf *out), const void *what)
{
	cleanup_buf struct buf b = {0};

	if (put(what, &b) == 0)
		put_bytes(s, OUT, b.data, b.len);
}

static void on_ready(struct session *s, const Joblet__AttachReady *ready)
{
	if (s->lost_at && !s->cfg->is_quiet)
		print_note("rnx: connected again%s", s->stdin_is_open || s->has_sent
							 ? "; input that was under way may be missing"
							 : "");
	s->lost_at = 0;
	s->tries = 0;
	s->is_attached = true;
	if (ready->uuid[0] && !str_eq(ready->uuid, s->id)) {
		free(s->id);
		s->id = xstrdup(ready->uuid);
	}
	term_signals_job(s->id, s->cfg->stop_on_disconnect);
	if (ready->tty)
		for (int i = OUT; i <= ERR; i++)
			s->out[i].is_cleaned = false; // its user asked for a terminal
	if (s->input == SESSION_TERMINAL && !s->is_raw_terminal)
		s->is_raw_terminal = term_raw(STDIN_FILENO) == 0;
	s->resize_is_due = s->is_raw_terminal;
}

static void on_exit_message(struct session *s, const Joblet__JobExit *x)
{
	s->has_exit = true;
	term_restore();
	if (s->r->json)
		put_json(s, job_exit_json, x);
	else if (x->reason[0] && !str_starts(x->reason, "exited") && !s->cfg->is_quiet)
		print_note("rnx: job %.8s: %s", x->uuid, x->reason);
	finish(s, session_exit_status(x));
}

static void on_message(struct session *s, const Joblet__AttachResponse *m)
{
	switch (m->response_case) {
	case JOBLET__ATTACH_RESPONSE__RESPONSE_READY: on_ready(s, m->ready); break;
	case JOBLET__ATTACH_RESPONSE__RESPONSE_OUTPUT:
		if (s->r->json)
			put_json(s, job_chunk_json, m->output);
		else
			put_bytes(s, m->output->stream == 2 ? ERR : OUT, m->output->payload.data,
				  m->output->payload.len);
		if (m->output->offset > 0)
			s->offset = m->output->offset;
		break;
	case JOBLET__ATTACH_RESPONSE__RESPONSE_NOTE:
		if (!s->cfg->is_quiet)
			print_note("rnx: %s", m->note);
		break;
	case JOBLET__ATTACH_RESPONSE__RESPONSE_EXIT: on_exit_message(s, m->exit); break;
	default: break; // of a newer server
	}
}

static void call_ended(struct session *s)
{
	struct rpc_status st = *rpc_call_status(s->call);

	if (st.code == RPC_UNAVAILABLE || (st.code == RPC_OK && !s->has_exit) ||
	    (st.is_local && st.code == RPC_DEADLINE_EXCEEDED)) {
		if (st.is_local)
			connect_close(s->r);
		lost(s, st.text[0] ? st.text : "the server ended the call");
		return;
	}
	if (!s->is_attached && s->cfg->input_is_optional && s->input != SESSION_NO_STDIN &&
	    (st.code == RPC_FAILED_PRECONDITION || st.code == RPC_PERMISSION_DENIED)) {
		s->input = SESSION_NO_STDIN;
		s->stdin_is_open = false;
		lose_call(s);
		begin_call(s);
		return;
	}
	term_restore();
	finish(s, connect_report(s->r, &st, NULL));
}

static bool is_blocked(const struct session *s)
{
	return output_is_pending(&s->out[OUT]) || output_is_pending(&s->out[ERR]);
}

static void take_messages(struct session *s)
{
	while (s->call && !s->is_over && !is_blocked(s)) {
		ProtobufCMessage *m = NULL;
		int rc = rpc_call_recv(s->call, &joblet__attach_response__descriptor, &m);
		if (rc == 0)
			return;
		if (rc == RPC_CALL_OVER) {
			call_ended(s);
			return;
		}
		if (rc < 0) {
			finish(s, print_fail(EXIT_CODE_INTERNAL, "INTERNAL", NULL,
					     "an answer that is none: %s", strerror(-rc)));
			return;
		}
		on_message(s, (Joblet__AttachResponse *)m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void step(struct session *s)
{
	struct pollfd more[2] = {{.fd = term_signals_fd(), .events = POLLIN}};
	bool wants_stdin =
	    s->stdin_is_open && !s->held_len && s->is_attached && s->call && rpc_call_can_send(s->call);
	size_t n = 1;
	int timeout = -1;
	struct err e = {0};

	if (wants_stdin)
		more[n++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	if (!s->call) {
		int64_t left = s->next_try - clock_ms(CLOCK_MONOTONIC);
		timeout = left > 0 ? (int)left : 0;
	}
	int rc = output_wait(s->call ? s->r->client : NULL, s->out, 2, more, n, timeout, &e);
	if (more[0].revents)
		take_signals(s);
	if (n > 1 && more[1].revents)
		read_stdin(s);
	term_signals_hold();
	take_messages(s); // also what came before the connection was lost
	term_signals_release(is_blocked(s) ? -1 : s->offset);
	if (rc < 0 && s->call && !s->is_over && !is_blocked(s)) {
		connect_close(s->r);
		lost(s, e.msg[0] ? e.msg : strerror(-rc));
	}
	if (!s->call && !s->is_over)
		connect_again(s);
	if (!s->is_over)
		send_due(s);
}

// What is still pending when the job has ended, however slow its reader.
static void drain(struct session *s)
{
	for (int i = OUT; i <= ERR; i++)
		if (output_end(&s->out[i]) < 0)
			continue;
	while (is_blocked(s)) {
		struct err e;
		if (output_wait(NULL, s->out, 2, NULL, 0, -1, &e) < 0)
			return;
	}
}

int session_run(struct rnx *r, const struct session_config *cfg)
{
	struct session *s = xcalloc(1, sizeof(*s));
	enum output_mode mode = cfg->is_raw ? OUTPUT_RAW : OUTPUT_CLEAN;

	*s = (struct session){.r = r,
			      .cfg = cfg,
			      .offset = cfg->from_offset,
			      .input = cfg->input,
			      .stdin_is_open = cfg->input != SESSION_NO_STDIN};
	s->id = xstrdup(cfg->id);
	output_open(&s->out[OUT], STDOUT_FILENO, mode);
	output_open(&s->out[ERR], STDERR_FILENO, mode);
	if (term_signals_begin() < 0)
		abort();
	term_signals_job(s->id, cfg->stop_on_disconnect);
	begin_call(s);
	while (!s->is_over)
		step(s);
	drain(s);
	lose_call(s);
	term_restore();
	int status = s->status;
	output_close(&s->out[OUT]);
	output_close(&s->out[ERR]);
	free(s->id);
	free(s);
	return status;
}
