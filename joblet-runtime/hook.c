// SPDX-License-Identifier: Apache-2.0
// Runs hooks as the runtime's own children. Their stdout and stderr are the runtime's, so that what they say
// reaches the log.
#include "joblet-runtime/hook.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "joblet-runtime/container.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"

// The state as a file: a hook that does not read it cannot block the runtime.
static int state_file(const char *state, size_t len)
{
	cleanup_close int fd = memfd_create("state", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = file_write_all(fd, state, len);
	if (!rc && lseek(fd, 0, SEEK_SET) != 0)
		rc = -errno;
	return rc ? rc : take_fd(fd);
}

static int wait_hook(const struct spec_hook *h, int pidfd, struct err *e)
{
	siginfo_t info = {0};
	int rc = container_wait(pidfd, h->timeout == SPEC_UNSET ? -1 : (int)(h->timeout * 1000));
	if (rc && proc_pidfd_kill(pidfd, SIGKILL) != 0)
		rc = 0; // ended at the last moment
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0)
		if (errno != EINTR)
			return err_sys(e, -errno, "cannot wait for the hook %s", h->path);
	if (rc)
		return err_set(e, -EIO, "the hook %s took longer than %d seconds", h->path, (int)h->timeout);
	if (info.si_code != CLD_EXITED)
		return err_set(e, -EIO, "the hook %s was ended by signal %d", h->path, info.si_status);
	return info.si_status
		   ? err_set(e, -EIO, "the hook %s failed with exit status %d", h->path, info.si_status)
		   : 0;
}

static int run_one(const struct spec_hook *h, const char *state, size_t len, struct err *e)
{
	const char *none[] = {NULL};
	size_t n = 0;
	while (h->args && h->args[n])
		n++;
	cleanup_free const char **argv =
	    xcalloc(n + 2, sizeof(*argv)); // the file decides, whatever name args[0] gives it
	for (size_t i = 1; i < n; i++)
		argv[i] = h->args[i];
	argv[0] = h->path;
	cleanup_close int in = state_file(state, len);
	if (in < 0)
		return err_sys(e, in, "cannot write the state for the hook %s", h->path);
	int fds[] = {in, 1, 2};
	struct proc_spawn spawn = {
	    .argv = argv,
	    .envp = h->env ? h->env : none,
	    .fds = fds,
	    .fd_count = ARRAY_LEN(fds),
	};
	pid_t pid;
	cleanup_close int pidfd = -1;
	int rc = proc_spawn(&spawn, &pid, &pidfd, e);
	return rc ? rc : wait_hook(h, pidfd, e);
}

int hook_run(const struct spec_hook_list *list, const char *name, const char *state, size_t len,
	     struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		int rc = run_one(&list->v[i], state, len, e);
		if (rc)
			return err_wrap(e, rc, "%s", name);
	}
	return 0;
}
