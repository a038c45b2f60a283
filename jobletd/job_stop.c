// SPDX-License-Identifier: Apache-2.0
// Ending a job from outside, and talking to it while it runs: stop, cancel, signals, the window's size,
// stdin.
//
// The first process of a pid namespace is spared the default action of a signal that comes from its own
// namespace or, but for KILL and STOP, from outside (pid_namespaces(7)). A user who sends TERM expects an
// ordinary process: so a signal that the process neither catches, ignores nor blocks, and whose default
// action would end it, is a KILL, and is reported as that signal.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "jobletd/bundle.h"
#include "jobletd/command.h"
#include "jobletd/job_private.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define KILL_AGAIN_US (5 * 1000000ULL)

static bool ends_by_default(int sig)
{
	switch (sig) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGKILL: return false; // KILL needs no help
	default: return true;
	}
}

static uint64_t read_mask(const char *status, const char *name)
{
	const char *p = strstr(status, name);

	return p ? strtoull(p + strlen(name), NULL, 16) : 0;
}

bool job_would_not_notice(const struct job *j, int sig)
{
	char path[40];
	cleanup_free char *text = NULL;
	uint64_t ticks = 0;

	if (!ends_by_default(sig) || j->run.pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)j->run.pid);
	if (file_read(AT_FDCWD, path, 16384, &text, NULL, NULL) < 0)
		return false;
	if (proc_start_time(j->run.pid, &ticks) < 0 || ticks != j->run.pid_start)
		return false;
	uint64_t noticed =
	    read_mask(text, "\nSigBlk:") | read_mask(text, "\nSigIgn:") | read_mask(text, "\nSigCgt:");
	return !(noticed & (UINT64_C(1) << (sig - 1)));
}

// To the first process, if it is still the one that was started.
static int send_signal(const struct job *j, int sig)
{
	cleanup_close int fd = proc_open_checked(j->run.pid, j->run.pid_start);

	return fd < 0 ? fd : proc_pidfd_kill(fd, sig);
}

static void on_killed(void *userdata, int status, const char *said)
{
	struct job *j = userdata;

	j->kill = NULL;
	if (status != 0 && !j->has_exit)
		log_warn("job %s: the runtime could not kill it: %s", j->id, said);
}

static void kill_by_runtime(struct job *j)
{
	struct jobs *js = j->js;
	const char *argv[] = {
	    js->cfg->programs.runtime, "--root", js->runtime_root, "kill", "--all", j->id, "KILL", NULL};
	struct err e = {0};

	if (j->kill)
		return;
	if (command_start(js->loop, argv, on_killed, j, &j->kill, &e) < 0)
		log_error("job %s: %s", j->id, e.msg);
}

static int on_grace_over(sd_event_source *source, uint64_t now, void *userdata)
{
	struct job *j = userdata;

	(void)source;
	(void)now;
	j->grace_timer = sd_event_source_disable_unref(j->grace_timer);
	job_kill_now(j);
	return 0;
}

static void arm_grace(struct job *j, uint64_t when_us)
{
	j->grace_timer = sd_event_source_disable_unref(j->grace_timer);
	if (sd_event_add_time(j->js->loop, &j->grace_timer, CLOCK_BOOTTIME, when_us, 1000, on_grace_over, j) <
	    0)
		log_error("job %s: no timer to kill it after its grace time", j->id);
}

// KILL of the first process takes its pid namespace with it. When that is not its end, the runtime goes
// through the cgroup, again and again.
void job_kill_now(struct job *j)
{
	if (j->has_exit)
		return;
	if (send_signal(j, SIGKILL) < 0 || j->kills++ > 0)
		kill_by_runtime(j);
	arm_grace(j, (uint64_t)clock_ns(CLOCK_BOOTTIME) / 1000 + KILL_AGAIN_US);
}

void job_stop_effects(struct job *j)
{
	int64_t grace = j->js->cfg->joblet.stop_grace_ns;

	j->timer = sd_event_source_disable_unref(j->timer);
	if (j->run.kill_as || grace == 0) {
		job_kill_now(j);
		return;
	}
	int rc = send_signal(j, SIGTERM);
	if (rc < 0 && rc != -ESRCH)
		log_warn("job %s: TERM: %s", j->id, strerror(-rc));
	arm_grace(j, (uint64_t)(j->run.stop_boot_ns + grace) / 1000);
}

// The job in memory, if it has not ended; else why not.
static int find_live(struct jobs *js, const char *id, struct job **out, struct err *e)
{
	struct job *j = job_find(js, id);
	struct job_info info;

	if (j && !job_state_is_final(j->run.state) && !j->submit_waiters) {
		*out = j;
		return 0;
	}
	int rc = store_get(js->store, id, &info, e);
	if (rc < 0)
		return rc;
	rc = err_set(e, -EBUSY, "job %s has ended already: %s", id, job_state_name(info.state));
	job_info_clear(&info);
	return rc;
}

static void ask_stop(struct job *j, const char *by, job_done_fn *fn, void *userdata)
{
	if (!j->want_stop) {
		j->want_stop = JOB_STOP_ASKED;
		snprintf(j->want_stop_by, sizeof(j->want_stop_by), "%s", by);
	}
	job_waiter_add(&j->end_waiters, fn, userdata);
	job_step(j);
}

int job_stop(struct jobs *js, const char *id, const char *by, job_done_fn *fn, void *userdata, struct err *e)
{
	struct job *j;
	int rc = find_live(js, id, &j, e);

	if (rc == 0)
		ask_stop(j, by, fn, userdata);
	return rc;
}

int job_cancel(struct jobs *js, const char *id, const char *by, job_done_fn *fn, void *userdata,
	       struct err *e)
{
	struct job *j;
	int rc = find_live(js, id, &j, e);

	if (rc < 0)
		return rc;
	enum job_state s = j->is_busy ? j->next.state : j->run.state;
	if (s != JOB_SCHEDULED && s != JOB_PENDING && s != JOB_CANCELED)
		return err_set(
		    e, -EBUSY,
		    "job %s is %s: only a job that has not started can be canceled, others are stopped", id,
		    job_state_name(s));
	ask_stop(j, by, fn, userdata);
	return 0;
}

// One whose container is there: it runs, or will in a moment.
static int find_running(struct jobs *js, const char *id, struct job **out, struct err *e)
{
	int rc = find_live(js, id, out, e);

	if (rc < 0)
		return rc;
	if (!(*out)->is_created)
		return err_set(e, -EBUSY, "job %s does not run: %s", id, job_state_name((*out)->run.state));
	if ((*out)->has_exit)
		return err_set(e, -EBUSY, "job %s has just ended", id);
	return 0;
}

static int deliver(struct job *j, int sig)
{
	if (!job_would_not_notice(j, sig))
		return send_signal(j, sig);
	j->want_kill_as = sig;
	job_step(j);
	return 0;
}

void job_deliver_early(struct job *j)
{
	for (int sig = 1; sig <= 64; sig++) {
		if (!(j->early_signals & (UINT64_C(1) << (sig - 1))))
			continue;
		int rc = deliver(j, sig);
		if (rc < 0 && rc != -ESRCH)
			log_warn("job %s: signal %d: %s", j->id, sig, strerror(-rc));
	}
	j->early_signals = 0;
}

int job_signal(struct jobs *js, const char *id, int sig, const char *by, struct err *e)
{
	struct job *j;

	if (sig < 1 || sig > 64)
		return err_set(e, -EINVAL, "there is no signal %d", sig);
	int rc = find_running(js, id, &j, e);
	if (rc < 0)
		return rc;
	log_info("job %s: signal %d by %s", id, sig, by);
	if (!j->is_started) { // the process is still the runtime's
		j->early_signals |= UINT64_C(1) << (sig - 1);
		return 0;
	}
	rc = deliver(j, sig);
	if (rc == -ESRCH)
		return err_set(e, -EBUSY, "job %s has just ended", id);
	return rc < 0 ? err_sys(e, rc, "signal %d to job %s", sig, id) : 0;
}

int job_resize(struct jobs *js, const char *id, unsigned rows, unsigned columns, struct err *e)
{
	struct job *j;
	char line[48];

	if (rows > 65535 || columns > 65535)
		return err_set(e, -EINVAL, "a terminal of %u rows and %u columns", rows, columns);
	int rc = find_running(js, id, &j, e);
	if (rc < 0)
		return rc;
	if (!j->request.tty)
		return err_set(e, -EINVAL, "job %s has no terminal", id);
	cleanup_free char *dir = bundle_dir(js->bundles, id);
	cleanup_free char *path = xasprintf("%s/ctl", dir);
	cleanup_close int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, errno == ENXIO ? -EBUSY : -errno, "the shim of job %s", id);
	int n = snprintf(line, sizeof(line), "1 %u %u\n", rows, columns);
	if (write(fd, line, (size_t)n) != n)
		return err_sys(e, -errno, "the shim of job %s", id);
	return 0;
}

int job_stdin_open(struct jobs *js, const char *id, int *out, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct job *j;

	int rc = find_running(js, id, &j, e);
	if (rc < 0)
		return rc;
	if (!j->request.stdin_open)
		return err_set(e, -EINVAL, "job %s was submitted without stdin", id);
	// A path of any length fits by way of the folder's descriptor.
	cleanup_free char *path = bundle_dir(js->bundles, id);
	cleanup_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dir < 0 || fd < 0)
		return err_sys(e, -errno, "stdin of job %s", id);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/attach", dir);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(e,
			       errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN ? -EBUSY : -errno,
			       "stdin of job %s", id);
	if (shutdown(fd, SHUT_RD) < 0)
		return err_sys(e, -errno, "stdin of job %s", id);
	*out = take_fd(fd);
	return 0;
}
