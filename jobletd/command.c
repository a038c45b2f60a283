// SPDX-License-Identifier: Apache-2.0
// Programs that run to their end. Their output goes to a memory file: nothing has to be read while they run,
// and nothing blocks them.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "jobletd/command.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define SAID_MAX ((size_t)64 << 10)

struct command {
	sd_event_source *ended, *bound;
	int pidfd, output;
	bool timed_out;
	command_done_fn *fn;
	void *userdata;
};

static void command_free(struct command *c)
{
	sd_event_source_disable_unref(c->ended);
	sd_event_source_disable_unref(c->bound);
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->output >= 0)
		close(c->output);
	free(c);
}

static int reap(int pidfd)
{
	siginfo_t info = {0};

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

// One line of what was written: the last bytes of it, spaces for newlines.
static char *read_said(int fd)
{
	char *text = NULL;
	size_t len = 0;
	off_t size = lseek(fd, 0, SEEK_END);

	if (size > (off_t)SAID_MAX)
		lseek(fd, size - (off_t)SAID_MAX, SEEK_SET);
	else
		lseek(fd, 0, SEEK_SET);
	if (file_read_fd(fd, SAID_MAX, &text, &len) < 0)
		return xstrdup("");
	while (len > 0 && strchr("\n\r\t ", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int spawn(const char *const *argv, int output, int *pidfd, struct err *e)
{
	static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					  NULL};
	const int fds[] = {-1, output, output};
	const struct proc_spawn what = {.argv = argv, .envp = env, .fds = fds, .fd_count = 3};
	pid_t pid;

	return proc_spawn(&what, &pid, pidfd, e);
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct command *c = userdata;
	int status = reap(fd);
	cleanup_free char *said = read_said(c->output);
	command_done_fn *fn = c->fn;
	void *data = c->userdata;

	(void)source;
	(void)events;
	if (c->timed_out)
		status = -ETIMEDOUT;
	command_free(c);
	fn(data, status, said);
	return 0;
}

static int on_bound(sd_event_source *source, uint64_t now, void *userdata)
{
	struct command *c = userdata;

	(void)source;
	(void)now;
	c->timed_out = true;
	if (proc_pidfd_kill(c->pidfd, SIGKILL) < 0)
		log_warn("a command that took too long cannot be killed");
	return 0;
}

int command_start(sd_event *loop, const char *const *argv, command_done_fn *fn, void *userdata,
		  struct command **out, struct err *e)
{
	struct command *c = xcalloc(1, sizeof(*c));

	c->pidfd = -1;
	c->fn = fn;
	c->userdata = userdata;
	c->output = memfd_create("joblet-command", MFD_CLOEXEC);
	int rc = c->output < 0 ? err_sys(e, -errno, "memory for the output of %s", argv[0]) : 0;
	if (rc == 0)
		rc = spawn(argv, c->output, &c->pidfd, e);
	if (rc == 0) {
		rc = sd_event_add_io(loop, &c->ended, c->pidfd, EPOLLIN, on_ended, c);
		if (rc >= 0)
			rc = sd_event_add_time_relative(loop, &c->bound, CLOCK_MONOTONIC, COMMAND_TIMEOUT_US,
							0, on_bound, c);
		if (rc < 0)
			err_sys(e, rc, "event loop");
	}
	if (rc < 0) {
		command_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void command_forget(struct command *c, struct reaper *r)
{
	if (!c)
		return;
	int pidfd = r ? take_fd(c->pidfd) : -1;
	command_free(c);
	if (r)
		reaper_take(r, pidfd, COMMAND_TIMEOUT_US);
}

int command_wait(const char *const *argv, int timeout_ms, char **said, struct err *e)
{
	cleanup_close int output = memfd_create("joblet-command", MFD_CLOEXEC);
	cleanup_close int pidfd = -1;

	if (output < 0)
		return err_sys(e, -errno, "memory for the output of %s", argv[0]);
	int rc = spawn(argv, output, &pidfd, e);
	if (rc < 0)
		return rc;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;
	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0 && proc_pidfd_kill(pidfd, SIGKILL) < 0)
		return err_set(e, -ETIMEDOUT, "%s takes too long and cannot be killed", argv[0]);
	int status = reap(pidfd);
	if (n == 0)
		return err_set(e, -ETIMEDOUT, "%s took longer than %d ms", argv[0], timeout_ms);
	*said = read_said(output);
	return status;
}
