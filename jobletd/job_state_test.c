// SPDX-License-Identifier: Apache-2.0
// The table of states: names, which are final, and that every state can be reached and left as it should; how
// an end is told.
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "lib/base/str.h"

static unsigned count, failed;

static void ok(bool good, const char *name, const char *detail)
{
	printf("%sok %u - %.*s\n", good ? "" : "not ", ++count, (int)strcspn(name, "\n"), name);
	if (!good) {
		failed++;
		printf("# %s\n", detail);
	}
}

static void states(void)
{
	enum job_state s;
	bool round = true;
	bool leaves = true;
	bool reached = true;

	for (unsigned i = 0; i < JOB_STATE_COUNT; i++) {
		unsigned out = 0;
		unsigned in = 0;
		round = round && job_state_parse(job_state_name(i), &s) == 0 && s == i;
		for (unsigned k = 0; k < JOB_STATE_COUNT; k++) {
			out += job_state_may_move(i, k);
			in += job_state_may_move(k, i);
		}
		leaves = leaves && (job_state_is_final(i) ? out == 0 : out > 0);
		reached = reached && (in > 0 || i == JOB_SCHEDULED);
	}
	ok(round, "a name is its state", "");
	ok(leaves, "final states are not left, others are", "");
	ok(reached, "every state but the first is reached", "");
	ok(job_state_parse("running", &s) == -EINVAL && job_state_parse("", &s) == -EINVAL &&
	       job_state_parse(NULL, &s) == -EINVAL,
	   "other names are none", "");
	ok(!job_state_may_move(JOB_COMPLETED, JOB_RUNNING) && !job_state_may_move(JOB_RUNNING, JOB_PENDING) &&
	       job_state_may_move(JOB_RUNNING, JOB_STOPPING),
	   "moves", "");
}

struct expected {
	const char *name;
	int code;
	bool oom;
	enum job_stop stop;
	int kill_as;
	enum job_state state;
	int exit_code, signal;
	const char *reason;
};

static void ends(void)
{
	static const struct expected table[] = {
	    {"success", 0, false, JOB_STOP_NO, 0, JOB_COMPLETED, 0, 0, "exited 0"},
	    {"failure", 1, false, JOB_STOP_NO, 0, JOB_FAILED, 1, 0, "exited 1"},
	    {"255", 255, false, JOB_STOP_NO, 0, JOB_FAILED, 255, 0, "exited 255"},
	    {"128 is no signal", 128, false, JOB_STOP_NO, 0, JOB_FAILED, 128, 0, "exited 128"},
	    {"a signal", 137, false, JOB_STOP_NO, 0, JOB_FAILED, 137, 9, "killed by signal 9 (KILL)"},
	    {"a signal that was a KILL", 137, false, JOB_STOP_NO, SIGTERM, JOB_FAILED, 143, 15,
	     "killed by signal 15 (TERM)"},
	    {"an end of its own before that KILL", 3, false, JOB_STOP_NO, SIGTERM, JOB_FAILED, 3, 0,
	     "exited 3"},
	    {"stopped", 137, false, JOB_STOP_ASKED, SIGTERM, JOB_STOPPED, 143, 15, "stopped by alice"},
	    {"stopped, and ended well", 0, false, JOB_STOP_ASKED, 0, JOB_STOPPED, 0, 0, "stopped by alice"},
	    {"timeout", 137, false, JOB_STOP_TIMEOUT, 0, JOB_TIMEOUT, 124, 0, "timed out after 1m"},
	    {"out of memory", 137, true, JOB_STOP_NO, 0, JOB_FAILED, 137, 9, "out of memory: limit 64 MB"},
	    {"out of memory, and survived", 0, true, JOB_STOP_NO, 0, JOB_COMPLETED, 0, 0, "exited 0"},
	    {"no code", -1, false, JOB_STOP_NO, 0, JOB_FAILED, 125, 0, "exited 125"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct expected *t = &table[i];
		struct job_run run = {.state = JOB_RUNNING,
				      .stop = t->stop,
				      .kill_as = t->kill_as,
				      .stop_by = "alice"};
		const struct job_end end = {.code = t->code,
					    .oom = t->oom,
					    .memory_mb = 64,
					    .timeout_ns = 60000000000LL};
		job_end_describe(&run, &end);
		ok(run.state == t->state && run.exit_code == t->exit_code && run.signal == t->signal &&
		       str_eq(run.reason, t->reason) && run.oom_killed == t->oom,
		   t->name, run.reason);
	}
}

// With the shim's record beside the code.
static void ends_with_record(void)
{
	static const struct {
		const char *name;
		int code, signal;
		bool oom;
		int64_t peak;
		const char *reason;
	} table[] = {
	    {"a code like a signal's", 137, 0, false, 1, "exited 137"},
	    {"a signal, by the record", 137, 9, false, 1, "killed by signal 9 (KILL)"},
	    {"out of memory, and how much", 137, 9, true, 64 << 20, "out of memory: used 64 of 64 MB"},
	    {"out of memory, unknown how much", 137, 9, true, -1, "out of memory: limit 64 MB"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct job_run run = {.state = JOB_RUNNING};
		const struct job_end end = {.code = table[i].code,
					    .signal = table[i].signal,
					    .oom = table[i].oom,
					    .memory_mb = 64,
					    .usage = {.is_known = true, .memory_peak = table[i].peak}};
		job_end_describe(&run, &end);
		ok(run.signal == table[i].signal && run.usage.is_known &&
		       run.usage.memory_peak == table[i].peak && str_eq(run.reason, table[i].reason),
		   table[i].name, run.reason);
	}
}

static void not_started(void)
{
	static const struct {
		const char *said;
		int code;
		const char *reason;
	} table[] = {
	    {"runc create failed: unable to start container process: exec: \"foo\": executable file not "
	     "found in $PATH",
	     127, "could not start: exec \"foo\": not found"},
	    {"exec /foo: no such file or directory", 127, "could not start: exec \"foo\": not found"},
	    {"runc create failed: exec: \"foo\": permission denied", 126,
	     "could not start: exec \"foo\": permission denied"},
	    {"exec foo: Exec format error", 126, "could not start: exec \"foo\": wrong format"},
	    {"chdir to cwd (\"/nowhere\") set in config.json failed: no such file or directory", 125,
	     "could not start: the work directory: not found"},
	    {"open /base: no such file or directory", 125,
	     "could not start: open /base: no such file or directory"},
	    {"line\n\tline\033[2J", 125, "could not start:  line [2J"},
	    {"2026-11-24T02:35:01.486Z warn joblet-runtime: x\n2026-11-24T02:35:01.486Z error "
	     "joblet-runtime: no: good\n",
	     125, "could not start: no: good"},
	    {"time=\"2026-11-24T02:35:01Z\" level=error msg=\"runc create failed: no\"", 125,
	     "could not start: runc create failed: no"},
	    {"2026-11-24T02:35:01.486Z error joblet-runtime: cannot change to the directory /a: No such file "
	     "or directory",
	     125, "could not start: the work directory: not found"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct job_run run = {.state = JOB_INITIALIZING};
		job_end_not_started(&run, "foo", table[i].said);
		ok(run.state == JOB_FAILED && run.exit_code == table[i].code &&
		       str_eq(run.reason, table[i].reason),
		   table[i].said[0] == 'l' ? "control characters" : table[i].said, run.reason);
	}
	struct job_run run = {0};
	cleanup_free char *long_text = xcalloc(1, 5000);
	for (size_t i = 0; i + 3 < 4999; i += 3)
		memcpy(long_text + i, "€", 3);
	job_end_not_started(&run, "foo", long_text);
	ok(strlen(run.reason) > 400 && str_is_utf8(run.reason, strlen(run.reason)),
	   "a long text is cut between characters", run.reason);
}

int main(void)
{
	states();
	ends();
	ends_with_record();
	not_started();
	printf("1..%u\n", count);
	return failed != 0;
}
