// SPDX-License-Identifier: Apache-2.0
// What the shim does at each step of its life. An action never waits; it says which state follows.
#include "joblet-shim/life.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "joblet-shim/attach.h"
#include "joblet-shim/caller.h"
#include "joblet-shim/cgroup.h"
#include "joblet-shim/console.h"
#include "joblet-shim/control.h"
#include "joblet-shim/input.h"
#include "joblet-shim/logs.h"
#include "joblet-shim/loop.h"
#include "joblet-shim/notify.h"
#include "joblet-shim/options.h"
#include "joblet-shim/output.h"
#include "joblet-shim/process.h"
#include "joblet-shim/record.h"
#include "joblet-shim/seccomp.h"
#include "joblet-shim/start.h"
#include "lib/base/log.h"

#define TIMED_OUT_CODE (-1) // as conmon
#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS  5000
#define PARTING_MS     5000 // how long a client may take no packet after the job has ended
#define STACK_USED     (128 << 10)

static void timeout_ready(struct source *s, uint32_t events);
static void retry_ready(struct source *s, uint32_t events);

static struct options options;
static life_action *const (*table)[LIFE_EVENTS];
static enum life_state state = LIFE_STARTING;
static struct source timeout = {.fd = -1, .ready = timeout_ready};
static struct source retry = {.fd = -1, .ready = retry_ready};
static struct record entry = {.usage = {-1, -1, -1, -1}};
static bool is_failed;

enum life_state life_now(void)
{
	return state;
}

void life_event(enum life_event event)
{
	life_action *a = table ? table[state][event] : NULL;
	if (a)
		state = a();
}

static void set_timer(struct source *s, int64_t ms)
{
	int rc = loop_timer(s, ms);
	if (rc)
		log_error("timer: %s", strerror(-rc));
}

static void timeout_ready(struct source *s, uint32_t events)
{
	(void)events;
	if (loop_timer_taken(s))
		life_event(LIFE_TIME_OVER);
}

static void retry_ready(struct source *s, uint32_t events)
{
	(void)events;
	if (loop_timer_taken(s))
		life_event(LIFE_RETRY);
}

// The runtime has ended well, and its container is ours; or the caller hears why not.
enum life_state life_adopt(void)
{
	struct err e = {0};
	if (start_adopt(&options, &e)) {
		log_error("%s", e.msg);
		caller_tell(&options, -1, e.msg);
		is_failed = true;
		return LIFE_OVER;
	}
	state = LIFE_RUNNING;
	entry.created_ns = clock_ns(CLOCK_REALTIME);
	cgroup_open(&options, process_container());
	if (options.timeout_s)
		set_timer(&timeout, options.timeout_s * 1000);
	if (options.api_version >= 1 || !options.exec)
		caller_tell(&options, process_container(), NULL);
	if (!options.exec)
		caller_close();
	process_reap(); // it may have ended already, and then state has moved on
	return state;
}

enum life_state life_anew(void)
{
	start_anew(&options);
	return state;
}

enum life_state life_kill(void)
{
	entry.is_timed_out = true;
	process_kill_group();
	return state;
}

enum life_state life_drain(void)
{
	entry.ended_ns = clock_ns(CLOCK_REALTIME);
	entry.signal = process_exit_signal();
	entry.code = entry.is_timed_out ? TIMED_OUT_CODE : process_exit_code();
	process_usage(&entry.usage);
	usage_read(&entry.usage);
	logs_give_up();
	if (output_is_ended())
		return life_record();
	state = LIFE_DRAINING;
	if (logs_are_none())
		set_timer(&retry, PARTING_MS);
	output_resume();
	if (state == LIFE_DRAINING)
		cgroup_watch_empty(); // may find it empty at once
	return state;
}

enum life_state life_last_output(void)
{
	output_last();
	return output_is_ended() ? life_record() : LIFE_DRAINING;
}

// The job has ended; a client that holds its output up may do so for as long as it reads.
enum life_state life_hurry_clients(void)
{
	static uint64_t before;
	static bool was_held;
	if (was_held && attach_is_held() && before == attach_progress())
		attach_cut_held(); // the output may end with that, and then state has moved on
	was_held = attach_is_held();
	before = attach_progress();
	if (state == LIFE_DRAINING)
		set_timer(&retry, PARTING_MS);
	return state;
}

// Not before this has succeeded is anybody told.
enum life_state life_record(void)
{
	static int64_t retry_ms = RETRY_FIRST_MS;
	static bool is_settled;
	struct err e = {0};
	if (!is_settled) {
		cgroup_check_oom();
		entry.is_oom = cgroup_is_oom();
		usage_read(&entry.usage);
		logs_finish(!options.no_sync_log);
		logs_dropped(&entry.dropped_lines, &entry.dropped_bytes);
		start_close_inherited();
		is_settled = true;
	}
	if (record_exit(&options, &entry, &e)) {
		log_error("exit record, will be tried again: %s", e.msg);
		set_timer(&retry, retry_ms);
		retry_ms = retry_ms * 2 < RETRY_MOST_MS ? retry_ms * 2 : RETRY_MOST_MS;
		return LIFE_RECORDING;
	}
	set_timer(&retry, PARTING_MS);
	return life_look_at_clients();
}

// Clients that are behind may read on, for as long as they do read.
enum life_state life_look_at_clients(void)
{
	attach_part();
	return attach_is_settled() ? LIFE_OVER : LIFE_PARTING;
}

enum life_state life_part(void)
{
	static uint64_t before;
	if (before == attach_progress())
		return LIFE_OVER;
	before = attach_progress();
	set_timer(&retry, PARTING_MS);
	return life_look_at_clients();
}

static void set_log_level(void)
{
	enum log_level level = LOG_LEVEL_WARN;
	if (options.log_level && !strcmp(options.log_level, "trace"))
		level = LOG_LEVEL_DEBUG;
	else if (options.log_level && log_level_parse(options.log_level, &level))
		log_warn("--log-level: '%s' is no level", options.log_level);
	log_set_level(level);
}

static int start(struct err *e)
{
	int rc = start_settle(&options, e);
	if (!rc)
		rc = caller_wait_start(e);
	if (!rc)
		rc = caller_leave(&options, e);
	if (!rc)
		rc = loop_init(e);
	if (!rc)
		rc = process_init(e);
	process_guard_memory();
	return rc ? rc : start_all(&options, e);
}

static void clean_up(void)
{
	input_close();
	attach_close();
	control_close(&options);
	console_close();
	notify_close();
	seccomp_close();
	cgroup_close();
	usage_close();
}

int life_begin(int argc, char *const *argv, life_action *const (*t)[LIFE_EVENTS], struct err *e)
{
	int rc = caller_init(e), rc2 = options_parse(&options, argc, argv, e);
	rc = rc ? rc : rc2;
	if (!rc && (options.help || options.version))
		return options_print(&options) ? -EIO : 1;
	set_log_level();
	table = t;
	rc = rc ? rc : start(e);
	if (rc) {
		caller_tell(&options, -1, e->msg);
		clean_up();
	}
	return rc;
}

// What lies below this frame is dead: the start needed far more stack than waiting does.
static void __attribute__((noinline)) stack_rest(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)4095;
	madvise((void *)(here - STACK_USED - 4096), STACK_USED, MADV_DONTNEED);
}

void life_rest(void)
{
	logs_rest();
	output_rest();
	stack_rest();
}

int life_end(void)
{
	clean_up();
	if (options.exec && !is_failed)
		caller_tell(&options, entry.code, entry.is_timed_out ? "command timed out" : NULL);
	caller_close();
	if (options.exit_command)
		process_run_exit_command(options.exit_command, &options.exit_args, options.exit_delay_s);
	return is_failed ? 1 : entry.code & 0xff;
}
