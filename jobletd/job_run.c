// SPDX-License-Identifier: Apache-2.0
// The life of a job: job_step looks at the facts and makes the next move, job_entered does what the state
// that is now on disk asks for. Every move goes through the store first, so what a restart finds is never
// ahead of what was done, and behind it by one move at most.
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "jobletd/slot.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define RETRY_US 1000000ULL

bool job_place_is_free(const struct jobs *js)
{
	return js->running < (size_t)js->cfg->joblet.max_concurrent_jobs && js->starting < STARTS_AT_ONCE &&
	       slots_left(js->slots) > 0;
}

void job_take_place(struct job *j)
{
	j->next.slot = slots_take(j->js->slots);
	j->is_counted = true;
	j->js->running++;
	j->is_starting = true;
	j->js->starting++;
}

void job_leave_place(struct job *j)
{
	if (j->is_counted)
		j->js->running--;
	j->is_counted = false;
}

void job_start_is_over(struct job *j)
{
	if (j->is_starting)
		j->js->starting--;
	j->is_starting = false;
}

static void leave_waiting(struct job *j)
{
	if (j->is_waiting)
		j->js->waiting--;
	j->is_waiting = false;
}

void job_dispatch_soon(struct jobs *js)
{
	if (!js->is_closing && js->dispatch_source)
		sd_event_source_set_enabled(js->dispatch_source, SD_EVENT_ONESHOT);
}

// From the head of the queue, in order, as long as places are free.
int job_dispatch(sd_event_source *source, void *userdata)
{
	struct jobs *js = userdata;

	(void)source;
	job_clean_some(js);
	while (js->queue_head && job_place_is_free(js) && !js->is_closing) {
		struct job *j = js->queue_head;
		if (j->is_busy || j->want_stop)
			break; // its commit comes back here
		j->next = j->run;
		job_take_place(j);
		job_dequeue(j);
		j->next.state = JOB_INITIALIZING;
		job_commit(j);
	}
	return 0;
}

void job_fail(struct job *j, bool inside, const char *why)
{
	if (j->failed)
		return;
	j->failed = xstrdup(why);
	j->failed_inside = inside;
}

void job_commit(struct job *j)
{
	if (j->next.state != j->run.state && !job_state_may_move(j->run.state, j->next.state) &&
	    !(j->run.state == JOB_INITIALIZING && job_state_may_move(JOB_RUNNING, j->next.state)))
		log_error("job %s: the move from %s to %s is not foreseen", j->id,
			  job_state_name(j->run.state), job_state_name(j->next.state));
	j->is_busy = true;
	store_update(j->js->store, j->id, &j->next, &j->change);
}

static int on_retry(sd_event_source *source, uint64_t now, void *userdata)
{
	struct job *j = userdata;

	(void)source;
	(void)now;
	j->retry_timer = sd_event_source_disable_unref(j->retry_timer);
	job_dispatch_soon(j->js);
	job_step(j);
	return 0;
}

static void retry_later(struct job *j)
{
	if (j->retry_timer || j->js->is_closing)
		return;
	if (sd_event_add_time_relative(j->js->loop, &j->retry_timer, CLOCK_MONOTONIC, RETRY_US, 0, on_retry,
				       j) < 0)
		log_error("job %s: no timer to try again", j->id);
}

// The store did not take the change: what was reserved for it is given back, who asked hears it, and what
// happened without being asked (an exit, a start) is tried again.
static void undo(struct job *j, int rc, const struct err *e)
{
	struct jobs *js = j->js;

	if (j->next.slot != j->run.slot)
		slots_release(js->slots, j->next.slot);
	if (j->submit_waiters) {
		if (j->next.state == JOB_PENDING)
			js->pending--;
		job_waiters_call(&j->submit_waiters, rc, e, NULL);
		job_waiters_call(&j->end_waiters, rc, e, NULL);
		job_free(j);
		job_dispatch_soon(js);
		return;
	}
	if (j->run.state == JOB_PENDING && j->next.state == JOB_INITIALIZING) {
		job_leave_place(j);
		job_start_is_over(j);
		j->queue_next = js->queue_head;
		js->queue_head = j;
		if (js->queue_tail == &js->queue_head)
			js->queue_tail = &j->queue_next;
		j->is_queued = true;
		js->pending++;
	} else if (j->run.state == JOB_SCHEDULED && j->next.state == JOB_PENDING) {
		js->pending--;
	}
	bool was_asked = j->next.state == JOB_CANCELED || j->next.state == JOB_STOPPING;
	if (was_asked && j->want_stop == JOB_STOP_ASKED) {
		j->want_stop = JOB_STOP_NO;
		job_waiters_call(&j->end_waiters, rc, e, NULL);
	}
	retry_later(j);
}

void job_changed(struct store_change *c, int rc, const struct err *e)
{
	struct job *j = container_of(c, struct job, change);
	struct job_info v;

	j->is_busy = false;
	if (rc < 0) {
		undo(j, rc, e);
		return;
	}
	bool is_new = j->submit_waiters != NULL;
	bool has_moved = is_new || j->run.state != j->next.state;
	j->run = j->next;
	if (is_new) {
		job_view(j, &v);
		job_waiters_call(&j->submit_waiters, 0, NULL, &v);
	}
	if (has_moved) {
		log_debug("job %s: %s", j->id, job_state_name(j->run.state));
		job_entered(j);
	}
	job_step(j);
}

static void end(struct job *j)
{
	struct job_info v;

	job_dequeue(j);
	leave_waiting(j);
	job_start_is_over(j);
	job_leave_place(j);
	j->timer = sd_event_source_disable_unref(j->timer);
	j->grace_timer = sd_event_source_disable_unref(j->grace_timer);
	job_secrets_free(take_ptr(j->secrets));
	job_notify(j);
	job_view(j, &v);
	job_waiters_call(&j->end_waiters, 0, NULL, &v);
	job_dispatch_soon(j->js);
}

void job_entered(struct job *j)
{
	if (job_state_is_final(j->run.state)) {
		end(j);
		return;
	}
	job_notify(j);
	switch (j->run.state) {
	case JOB_SCHEDULED: job_arm_schedule(j); break;
	case JOB_PENDING:
		j->timer = sd_event_source_disable_unref(j->timer);
		job_enqueue(j);
		job_dispatch_soon(j->js);
		break;
	case JOB_INITIALIZING:
		leave_waiting(j);
		if (!j->want_stop)
			job_begin(j);
		else
			job_start_is_over(j);
		break;
	case JOB_RUNNING: break;
	case JOB_STOPPING: job_stop_effects(j); break;
	default: break;
	}
}

// Before it has run: taken back, or its secrets are gone.
static void step_waiting(struct job *j)
{
	if (j->want_stop) {
		j->next = j->run;
		j->next.state = JOB_CANCELED;
		j->next.exit_code = 125;
		snprintf(j->next.reason, sizeof(j->next.reason), "canceled by %s", j->want_stop_by);
	} else if (j->failed) {
		j->next = j->run;
		job_end_not_started(&j->next, j->request.command, j->failed);
	} else if (j->run.state == JOB_SCHEDULED && j->want_place) {
		j->next = j->run;
		j->next.state = JOB_PENDING;
		j->js->pending++;
		job_commit(j);
		return;
	} else {
		return;
	}
	j->next.ended_ns = clock_ns(CLOCK_REALTIME);
	job_commit(j);
}

static void finish_with_exit(struct job *j)
{
	const struct job_end how = {.code = j->exit_code,
				    .oom = j->exit_oom,
				    .memory_mb = j->request.max_memory_mb,
				    .usage = j->exit_usage,
				    .signal = j->exit_signal,
				    .timeout_ns = j->timeout_ns};

	j->next = j->run;
	job_end_describe(&j->next, &how);
	j->next.ended_ns = j->exit_ns < j->run.started_ns ? j->run.started_ns : j->exit_ns;
	job_commit(j);
}

static void finish_lost(struct job *j)
{
	j->next = j->run;
	j->next.state = j->run.state == JOB_STOPPING ? JOB_STOPPED : JOB_FAILED;
	if (j->run.state == JOB_STOPPING && j->run.stop == JOB_STOP_TIMEOUT)
		j->next.state = JOB_TIMEOUT;
	j->next.exit_code = j->next.state == JOB_TIMEOUT ? 124 : 125;
	j->next.ended_ns = clock_ns(CLOCK_REALTIME);
	snprintf(j->next.reason, sizeof(j->next.reason), "%s",
		 j->lost_why ? j->lost_why : "its shim was lost");
	job_commit(j);
}

static void step_initializing(struct job *j)
{
	if (j->command || j->start || j->shim_start)
		return; // their end comes back here
	if (j->has_exit && j->is_started) {
		finish_with_exit(j);
	} else if (j->failed) {
		j->next = j->run;
		if (j->failed_inside)
			job_end_not_started(&j->next, j->request.command, j->failed);
		else {
			j->next.state = JOB_FAILED;
			j->next.exit_code = 125;
			snprintf(j->next.reason, sizeof(j->next.reason), "could not start: %.400s",
				 j->failed);
		}
		j->next.ended_ns = clock_ns(CLOCK_REALTIME);
		job_commit(j);
	} else if (j->is_started) {
		j->next = j->run;
		j->next.state = JOB_RUNNING;
		job_commit(j);
	} else if (j->want_stop) {
		j->next = j->run;
		j->next.state = JOB_STOPPED;
		j->next.exit_code = 128 + SIGTERM;
		j->next.ended_ns = clock_ns(CLOCK_REALTIME);
		snprintf(j->next.reason, sizeof(j->next.reason), "stopped by %s before it ran",
			 j->want_stop_by);
		job_commit(j);
	} else if (j->is_shim_lost || j->has_exit) {
		job_fail(j, false, "the shim or the container ended before the command was started");
		step_initializing(j);
	}
}

static void step_running(struct job *j)
{
	if (j->has_exit) {
		finish_with_exit(j);
	} else if (j->is_shim_lost) {
		if (j->is_lost_killed)
			finish_lost(j);
		else
			job_kill_lost(j);
	} else if (j->want_stop && j->run.state == JOB_RUNNING) {
		j->next = j->run;
		j->next.state = JOB_STOPPING;
		j->next.stop = j->want_stop;
		j->next.stop_boot_ns = clock_ns(CLOCK_BOOTTIME);
		snprintf(j->next.stop_by, sizeof(j->next.stop_by), "%s", j->want_stop_by);
		if (!j->next.kill_as && job_would_not_notice(j, SIGTERM))
			j->next.kill_as = SIGTERM;
		job_commit(j);
	} else if (j->want_kill_as && j->want_kill_as != j->run.kill_as) {
		j->next = j->run;
		j->next.kill_as = j->want_kill_as;
		job_commit(j);
	} else if (j->want_kill_as) {
		j->want_kill_as = 0;
		job_kill_now(j);
	}
}

void job_step(struct job *j)
{
	if (j->is_busy || j->js->is_closing || j->retry_timer)
		return;
	switch (j->run.state) {
	case JOB_SCHEDULED:
	case JOB_PENDING: step_waiting(j); break;
	case JOB_INITIALIZING: step_initializing(j); break;
	case JOB_RUNNING:
	case JOB_STOPPING: step_running(j); break;
	default: job_clean(j); break;
	}
}
