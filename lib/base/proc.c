// SPDX-License-Identifier: Apache-2.0
// Processes: held by pidfd, identified across restarts by pid and start time. Needs libc only.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "file.h"
#include "proc.h"
#include "str.h"

int proc_stat_parse(char *text, uint64_t *ticks)
{
	// The name in field 2 is the process's own choice and may hold anything, so the count begins behind
	// the last ')'.
	char *p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EINVAL;
	p += 2;
	if (*p == 'Z' || *p == 'X')
		return -ESRCH;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EINVAL;
		p++;
	}
	p[strcspn(p, " ")] = '\0';
	return str_to_u64(p, UINT64_MAX, ticks);
}

int proc_start_time(pid_t pid, uint64_t *ticks)
{
	char path[32];
	cleanup_free char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int rc = file_read(AT_FDCWD, path, 4096, &text, NULL, NULL);
	if (rc == -ENOENT)
		return -ESRCH;
	return rc < 0 ? rc : proc_stat_parse(text, ticks);
}

int proc_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int proc_pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_open_checked(pid_t pid, uint64_t ticks)
{
	uint64_t found;

	if (pid <= 0)
		return -ESRCH;
	cleanup_close int fd = proc_pidfd_open(pid);
	if (fd < 0)
		return fd;
	int rc = proc_start_time(pid, &found);
	if (rc < 0)
		return rc;
	if (found != ticks)
		return -ESRCH;
	// The process of fd is there still, so the pid was not given away before /proc was read.
	rc = proc_pidfd_kill(fd, 0);
	if (rc < 0 && rc != -EPERM)
		return rc;
	return take_fd(fd);
}

int proc_close_from(int first, const int *keep, size_t n)
{
	unsigned from = (unsigned)first;

	for (size_t i = 0; i < n; i++) {
		unsigned kept = (unsigned)keep[i];
		if (keep[i] < 0 || kept < from)
			continue;
		if (kept > from && syscall(SYS_close_range, from, kept - 1, 0) < 0)
			return -errno;
		from = kept + 1;
	}
	return syscall(SYS_close_range, from, UINT_MAX, 0) < 0 ? -errno : 0;
}

#define SPAWN_FDS_MAX 32
#define SPAWN_STACK   65536

// What parent and child share: the child runs in the parent's memory until it executes
// (CLONE_VM|CLONE_VFORK), so its error comes back without a pipe, and the size of the parent costs nothing.
struct spawn {
	const struct proc_spawn *what;
	const char *failed; // which step
	int rc;
};

// The child's stack is not one that the address sanitizer knows.
#define on_bare_stack __attribute__((no_sanitize("address")))

on_bare_stack static int place_fds(const int *fds, size_t n)
{
	int moved[SPAWN_FDS_MAX];

	// First all out of the way, because a source may be the target of another one.
	for (size_t i = 0; i < n; i++) {
		int source = fds[i] >= 0 ? fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
		if (source < 0)
			return -errno;
		moved[i] = fcntl(source, F_DUPFD_CLOEXEC, (int)n);
		if (moved[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(moved[i], (int)i) < 0)
			return -errno;
	return proc_close_from((int)n, NULL, 0);
}

int proc_default_signal(int sig)
{
	// struct sigaction of the kernel: handler, flags, restorer, mask; all zero is SIG_DFL.
	const uint64_t dfl[4] = {0};
	return syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t)) == 0 ? 0 : -errno;
}

on_bare_stack static int spawn_child(void *arg)
{
	struct spawn *s = arg;
	const struct proc_spawn *what = s->what;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		proc_default_signal(sig); // KILL and STOP refuse, rightly
	s->failed = "descriptors";
	s->rc = place_fds(what->fds, what->fd_count);
	if (s->rc < 0)
		_exit(127);
	s->failed = what->cwd;
	if (what->cwd && chdir(what->cwd) < 0) {
		s->rc = -errno;
		_exit(127);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	s->failed = what->argv[0];
	execve(what->argv[0], (char *const *)(uintptr_t)what->argv, (char *const *)(uintptr_t)what->envp);
	s->rc = -errno;
	_exit(127);
}

int proc_spawn(const struct proc_spawn *what, pid_t *pid, int *pidfd, struct err *e)
{
	struct spawn s = {.what = what};
	sigset_t all;
	sigset_t before;

	if (what->fd_count > SPAWN_FDS_MAX)
		return err_set(e, -EINVAL, "start %s: %zu descriptors are too many", what->argv[0],
			       what->fd_count);
	if (what->argv[0][0] != '/')
		return err_set(e, -EINVAL, "start %s: the path is not absolute", what->argv[0]);
	char *stack =
	    mmap(NULL, SPAWN_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return err_sys(e, -errno, "start %s", what->argv[0]);
	// A handler of ours that ran in the child would write to our memory.
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	int fd = -1;
	int child =
	    clone(spawn_child, stack + SPAWN_STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &s, &fd);
	int clone_error = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	munmap(stack, SPAWN_STACK);
	if (child < 0)
		return err_sys(e, clone_error, "start %s", what->argv[0]);
	if (s.rc < 0) {
		siginfo_t info;
		while (waitid(P_PIDFD, (id_t)fd, &info, WEXITED) < 0 && errno == EINTR)
			;
		close(fd);
		return err_sys(e, s.rc, "start %s: %s", what->argv[0], s.failed);
	}
	*pid = child;
	*pidfd = fd;
	return 0;
}
