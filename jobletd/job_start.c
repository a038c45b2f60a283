// SPDX-License-Identifier: Apache-2.0
// From a place to a running command: bundle, shim, container, start; and how its end is heard of. Every step
// that fails becomes a fact; job_step decides what it means.
//
// What a daemon that dies at any point leaves behind, and who takes it up (job_recover.c):
//   before the bundle, or with it   nothing runs: the job waits again
//   shim started, byte not written  the shim reads the end of its start pipe and gives up; one that goes on
//   all the same is found by its
//                                   command line and killed: the command cannot have run, because only
//                                   `start` lets it
//   container created               it waits; the new daemon starts it
//   started, RUNNING not committed  the runtime says running or stopped: the job is taken over as running
//   exit file there, not committed  it is read again: it is removed only after the commit
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobletd/bundle.h"
#include "jobletd/command.h"
#include "jobletd/job_private.h"
#include "jobletd/shim.h"
#include "jobletd/start.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

static int on_shim_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct job *j = userdata;

	(void)source;
	(void)events;
	// Our child, or that of a daemon before us.
	waitid(P_PIDFD, (id_t)fd, &(siginfo_t){0}, WEXITED | WNOHANG);
	j->shim_source = sd_event_source_disable_unref(j->shim_source);
	close(take_fd(j->shim_fd));
	job_look_for_exit(j);
	if (!j->has_exit && !job_state_is_final(j->run.state)) {
		log_warn("job %s: its shim has ended without an exit file", j->id);
		j->is_shim_lost = true;
	}
	job_step(j);
	return 0;
}

static int watch_shim_take(struct job *j, int fd)
{
	j->shim_fd = fd;
	int rc = sd_event_add_io(j->js->loop, &j->shim_source, fd, EPOLLIN, on_shim_ended, j);
	return rc < 0 ? rc : 0;
}

int job_watch_shim(struct job *j)
{
	int fd = proc_open_checked(j->run.shim_pid, j->run.shim_start);

	return fd < 0 ? fd : watch_shim_take(j, fd);
}

void job_exit_seen(struct job *j, int code, int64_t exit_ns)
{
	cleanup_free char *dir = bundle_dir(j->js->bundles, j->id);
	cleanup_free char *oom = xasprintf("%s/oom", dir);
	struct shim_record record;
	struct err e = {0};

	int rc = shim_record_read(dir, code, &record, &e);
	if (rc < 0 && rc != -ENOENT)
		log_warn("job %s: its exit record is of no use: %s", j->id, e.msg);
	j->has_exit = true;
	j->exit_code = code;
	j->exit_ns = exit_ns;
	j->exit_oom = record.oom_killed || access(oom, F_OK) == 0;
	j->exit_usage = record.usage;
	j->exit_signal = (int)record.signal;
}

void job_look_for_exit(struct job *j)
{
	int code;
	int64_t ns;

	int rc = shim_exit_read(j->js->cfg->path.exits, j->id, &code, &ns);
	if (rc == 0) {
		job_exit_seen(j, code, ns);
	} else if (rc != -ENOENT) {
		log_error("job %s: its exit file cannot be read: %s", j->id, strerror(-rc));
		job_exit_seen(j, -1, clock_ns(CLOCK_REALTIME));
	}
}

static void on_started(void *userdata, int status, const char *said)
{
	struct job *j = userdata;

	j->start = NULL;
	job_start_is_over(j);
	job_dispatch_soon(j->js);
	if (status == 0) {
		j->is_started = true;
		job_arm_timeout(j);
		job_deliver_early(j);
	} else if (status < 0) {
		job_fail(j, false,
			 status == -ETIMEDOUT ? "the runtime did not start it in time"
					      : "the runtime failed");
	} else {
		job_fail(j, true, said[0] ? said : "the runtime did not start it and did not say why");
	}
	job_step(j);
}

void job_start_container(struct job *j)
{
	struct jobs *js = j->js;
	const struct start what = {.runtime = js->cfg->programs.runtime,
				   .root = js->runtime_root,
				   .id = j->id};
	struct err e = {0};

	if (!j->run.started_ns) {
		j->run.started_ns = clock_ns(CLOCK_REALTIME);
		j->run.started_boot_ns = clock_ns(CLOCK_BOOTTIME);
	}
	if (start_container(js->loop, &what, on_started, j, &j->start, &e) < 0) {
		job_start_is_over(j);
		job_fail(j, false, e.msg);
		job_step(j);
	}
}

// The runtime has read config.json: nothing needs the values any more.
static void forget_secrets(struct job *j)
{
	const struct bundle_job b = {.id = j->id, .slot = j->run.slot, .request = &j->request};
	struct err e = {0};

	if (!j->secrets)
		return;
	if (bundle_hide_secrets(j->js->bundles, &b, &e) < 0)
		log_error("job %s: its secrets stay in its bundle: %s", j->id, e.msg);
	job_secrets_free(take_ptr(j->secrets));
}

static void on_shim_answered(void *userdata, struct shim_started *s)
{
	struct job *j = userdata;

	j->shim_start = NULL;
	forget_secrets(j);
	if (s->pid < 0) {
		job_start_is_over(j);
		job_dispatch_soon(j->js);
		job_fail(j, true, s->said);
		job_step(j);
		return;
	}
	// Facts of this boot only: they reach the disk with RUNNING.
	j->is_created = true;
	j->run.pid = s->pid;
	if (proc_start_time(s->pid, &j->run.pid_start) < 0)
		j->run.pid_start = 0;
	j->run.shim_pid = s->shim;
	int rc = proc_start_time(s->shim, &j->run.shim_start);
	int watched = watch_shim_take(j, take_fd(s->shim_fd));
	if (rc < 0 || watched < 0) {
		job_look_for_exit(j);
		j->is_shim_lost = !j->has_exit;
	}
	if (j->want_stop || j->is_shim_lost || j->has_exit) {
		job_start_is_over(j);
		job_dispatch_soon(j->js);
		job_step(j);
		return;
	}
	job_start_container(j);
}

static int begin(struct job *j, struct err *e)
{
	struct jobs *js = j->js;
	const struct config *cfg = js->cfg;
	const struct bundle_job b = {.id = j->id,
				     .slot = j->run.slot,
				     .request = &j->request,
				     .secrets = j->secrets};
	cleanup_free char *dir = bundle_dir(js->bundles, j->id);
	cleanup_free char *log = job_log_path(js, j->id);
	const struct shim_args args = {.reaper = js->reaper,
				       .shim = cfg->programs.shim,
				       .runtime = cfg->programs.runtime,
				       .runtime_root = js->runtime_root,
				       .id = j->id,
				       .bundle = dir,
				       .log = log,
				       .exits = cfg->path.exits,
				       .stdin_open = j->request.stdin_open,
				       .tty = j->request.tty};

	if (j->run.slot < 0)
		return err_set(e, -EAGAIN, "no user ids are free: all %u slots are in use",
			       cfg->process.id_slots);
	if (access(cfg->programs.runtime, X_OK) < 0)
		return err_sys(e, -errno, "the runtime %s", cfg->programs.runtime);
	int rc = bundle_make(js->bundles, &b, e);
	if (rc < 0)
		return rc;
	return shim_start(js->loop, &args, on_shim_answered, j, &j->shim_start, e);
}

void job_begin(struct job *j)
{
	struct err e = {0};

	if (begin(j, &e) == 0)
		return;
	job_start_is_over(j);
	job_dispatch_soon(j->js);
	job_fail(j, false, e.msg);
	// The caller steps.
}

static void on_lost_killed(void *userdata, int status, const char *said)
{
	struct job *j = userdata;

	j->command = NULL;
	if (status != 0)
		log_warn("job %s: what its lost shim watched could not be killed by the runtime: %s", j->id,
			 said);
	j->is_lost_killed = true;
	job_step(j);
}

void job_kill_lost(struct job *j)
{
	struct jobs *js = j->js;
	const char *argv[] = {
	    js->cfg->programs.runtime, "--root", js->runtime_root, "delete", "--force", j->id, NULL};
	struct err e = {0};

	if (j->command)
		return;
	if (command_start(js->loop, argv, on_lost_killed, j, &j->command, &e) < 0) {
		log_error("job %s: %s", j->id, e.msg);
		j->is_lost_killed = true;
		job_step(j);
	}
}

static int on_time_to_start(sd_event_source *source, uint64_t now, void *userdata)
{
	struct job *j = userdata;

	(void)source;
	(void)now;
	j->timer = sd_event_source_disable_unref(j->timer);
	j->want_place = true;
	job_step(j);
	return 0;
}

void job_arm_schedule(struct job *j)
{
	uint64_t when = j->scheduled_ns > 0 ? (uint64_t)j->scheduled_ns / 1000 : 0;

	int rc = sd_event_add_time(j->js->loop, &j->timer, CLOCK_REALTIME, when, 1000, on_time_to_start, j);
	if (rc < 0) {
		log_error("job %s: no timer for its schedule: %s", j->id, strerror(-rc));
		j->want_place = true;
	}
}

static int on_time_is_over(sd_event_source *source, uint64_t now, void *userdata)
{
	struct job *j = userdata;

	(void)source;
	(void)now;
	j->timer = sd_event_source_disable_unref(j->timer);
	if (!j->want_stop) {
		j->want_stop = JOB_STOP_TIMEOUT;
		snprintf(j->want_stop_by, sizeof(j->want_stop_by), "its time limit");
	}
	job_step(j);
	return 0;
}

void job_arm_timeout(struct job *j)
{
	if (j->timeout_ns <= 0 || j->timer)
		return;
	uint64_t when = ((uint64_t)j->run.started_boot_ns + (uint64_t)j->timeout_ns) / 1000;
	int rc = sd_event_add_time(j->js->loop, &j->timer, CLOCK_BOOTTIME, when, 1000, on_time_is_over, j);
	if (rc < 0)
		log_error("job %s: no timer for its time limit: %s", j->id, strerror(-rc));
}
