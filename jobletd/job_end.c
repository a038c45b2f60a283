// SPDX-License-Identifier: Apache-2.0
// How a job ended: from the numbers of the exit file, or the words of a runtime that could not start it, to a
// state, an exit code and one line that says why. Pure.
#include <signal.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

enum {
#define EXIT_CODE(name, number, meaning) CODE_##name = (number),
#include "specs/exit_code.def"
#undef EXIT_CODE
};

static void set_duration(char *out, size_t size, int64_t ns)
{
	long long s = ns / 1000000000;

	if (s == 0)
		snprintf(out, size, "%lldms", (long long)(ns / 1000000));
	else if (s % 3600 == 0)
		snprintf(out, size, "%lldh", s / 3600);
	else if (s % 60 == 0)
		snprintf(out, size, "%lldm", s / 60);
	else
		snprintf(out, size, "%llds", s);
}

static void describe_exit(struct job_run *run, const struct job_end *end)
{
	const char *name = run->signal ? proc_signal_name(run->signal) : NULL;

	run->state = run->exit_code == 0 ? JOB_COMPLETED : JOB_FAILED;
	if (end->oom && run->exit_code != 0) {
		if (end->memory_mb > 0 && end->usage.is_known && end->usage.memory_peak >= 0)
			snprintf(run->reason, sizeof(run->reason), "out of memory: used %lld of %lld MB",
				 (long long)(end->usage.memory_peak >> 20), (long long)end->memory_mb);
		else if (end->memory_mb > 0)
			snprintf(run->reason, sizeof(run->reason), "out of memory: limit %lld MB",
				 (long long)end->memory_mb);
		else
			snprintf(run->reason, sizeof(run->reason), "out of memory");
	} else if (run->signal) {
		snprintf(run->reason, sizeof(run->reason), "killed by signal %d%s%s%s", run->signal,
			 name ? " (" : "", name ? name : "", name ? ")" : "");
	} else {
		snprintf(run->reason, sizeof(run->reason), "exited %d", run->exit_code);
	}
}

// The code alone cannot tell a signal from a program that says exit(137).
static int signal_of(const struct job_end *end)
{
	if (end->usage.is_known)
		return end->signal;
	return end->code > CODE_SIGNAL_BASE && end->code <= CODE_SIGNAL_BASE + 64
		   ? end->code - CODE_SIGNAL_BASE
		   : 0;
}

void job_end_describe(struct job_run *run, const struct job_end *end)
{
	char duration[32];

	run->exit_code = end->code < 0 ? CODE_INTERNAL : end->code;
	run->signal = signal_of(end);
	run->oom_killed = end->oom;
	run->usage = end->usage;
	// A KILL of ours in the place of a signal that the first process of a pid namespace is spared.
	if (run->kill_as && run->signal == SIGKILL) {
		run->signal = run->kill_as;
		run->exit_code = CODE_SIGNAL_BASE + run->kill_as;
	}
	if (run->stop == JOB_STOP_TIMEOUT) {
		run->state = JOB_TIMEOUT;
		run->exit_code = CODE_TIMEOUT;
		run->signal = 0;
		set_duration(duration, sizeof(duration), end->timeout_ns);
		snprintf(run->reason, sizeof(run->reason), "timed out after %s", duration);
	} else if (run->stop == JOB_STOP_ASKED) {
		run->state = JOB_STOPPED;
		snprintf(run->reason, sizeof(run->reason), "stopped by %s", run->stop_by);
	} else {
		describe_exit(run, end);
	}
}

static bool says(const char *text, const char *what)
{
	return strcasestr(text, what) != NULL;
}

// One line for a person: control characters out, and not more than fits.
static void set_cleaned(char *out, size_t size, const char *prefix, const char *text)
{
	int n = snprintf(out, size, "%s%s", prefix, text);
	size_t len = n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;

	while (len > 0 && !str_is_utf8(out, len)) // cut in the middle of a character
		out[--len] = '\0';
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
}

// What a runtime said last, without what its log puts in front: `time error program: `, or `time="…"
// level=error msg="…"`.
static char *last_words(const char *said)
{
	size_t end = strlen(said);

	while (end > 0 && strchr("\n\r\t ", said[end - 1]))
		end--;
	size_t begin = end;
	while (begin > 0 && said[begin - 1] != '\n')
		begin--;
	char *line = xstrndup(said + begin, end - begin);
	const char *p = strstr(line, " error ");
	const char *colon = p ? strstr(p, ": ") : NULL;
	if (colon && line[0] >= '0' && line[0] <= '9') {
		memmove(line, colon + 2, strlen(colon + 2) + 1);
	} else if (str_starts(line, "time=") && (p = strstr(line, " msg=\""))) {
		memmove(line, p + 6, strlen(p + 6) + 1);
		size_t n = strlen(line);
		if (n > 0 && line[n - 1] == '"')
			line[n - 1] = '\0';
	}
	return line;
}

void job_end_not_started(struct job_run *run, const char *command, const char *said)
{
	cleanup_free char *words = last_words(said);
	bool is_missing = says(said, "no such file or directory") || says(said, "not found");
	bool is_denied = says(said, "permission denied");

	run->state = JOB_FAILED;
	run->signal = 0;
	if (says(words, "chdir") || says(words, "cwd") || says(words, "change to the directory")) {
		run->exit_code = CODE_INTERNAL;
		set_cleaned(run->reason, sizeof(run->reason), "could not start: the work directory: ",
			    is_missing	? "not found"
			    : is_denied ? "permission denied"
					: words);
	} else if (says(said, "exec") && (is_missing || is_denied || says(said, "format error"))) {
		const char *why = is_missing ? "not found" : is_denied ? "permission denied" : "wrong format";
		run->exit_code = is_missing ? CODE_NOT_FOUND : CODE_NOT_EXECUTABLE;
		snprintf(run->reason, sizeof(run->reason), "could not start: exec \"%.300s\": %s", command,
			 why);
	} else {
		run->exit_code = CODE_INTERNAL;
		set_cleaned(run->reason, sizeof(run->reason), "could not start: ", words);
	}
}
