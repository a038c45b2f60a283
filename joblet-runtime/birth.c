// SPDX-License-Identifier: Apache-2.0
// Makes the container's first process. Two ways: the runtime joins namespaces, clones and comes home; or,
// where it could not come home since home is the host's, a process of its own joins, clones a sibling, and is
// gone.
#include "joblet-runtime/birth.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "joblet-runtime/namespace.h"
#include "joblet-runtime/sync.h"
#include "lib/base/proc.h"

static pid_t clone_init(const struct spec *s, const struct cgroup *cg, uint64_t more, int *pidfd)
{
	struct clone_args args = {
	    .flags = namespace_clone_flags(s) | CLONE_PIDFD | more,
	    .pidfd = (uint64_t)(uintptr_t)pidfd,
	    .exit_signal = more & CLONE_PARENT ? 0 : SIGCHLD, // a sibling has its parent's
	};
	int cgroup = cg ? cgroup_v2_fd(cg) : -1;
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : (pid_t)pid;
}

static pid_t explain(pid_t pid, const struct cgroup *cg, struct err *e)
{
	if (pid == -EACCES && cg)
		return err_sys(
		    e, pid,
		    "cannot make the container's first process in the cgroup %s: the user must own "
		    "a cgroup that both it and the caller's are below",
		    cgroup_path(cg));
	const char *hint = "";
	if (pid == -EPERM)
		hint = " (may user namespaces be made here? see sysctl kernel.unprivileged_userns_clone and "
		       "kernel.apparmor_restrict_unprivileged_userns)";
	else if (pid == -ENOSPC)
		hint = " (no more namespaces may be made: see sysctl user.max_user_namespaces and its like)";
	else if (pid == -EINVAL)
		hint = " (the kernel lacks a kind of namespace, or is older than 5.12)";
	else if (pid == -EAGAIN)
		hint = " (a limit of processes is reached: see pids.max and ulimit -u)";
	return pid < 0
		   ? err_set(e, pid, "cannot make the container's first process: %s%s", strerror(-pid), hint)
		   : pid;
}

static pid_t birth_here(const struct spec *s, const struct cgroup *cg, int *pidfd, struct err *e)
{
	struct namespace_back back = {0};
	int rc = namespace_join(s, &back, e);
	pid_t pid = rc ? rc : explain(clone_init(s, cg, 0, pidfd), cg, e);
	if (pid == 0)
		return 0;
	int rc_back = namespace_leave(&back, pid < 0 ? NULL : e);
	return pid < 0 ? pid : rc_back < 0 ? rc_back : pid;
}

// An ordinary user's id maps are written by programs that look at who owns the process.
static pid_t birth_dumpable(const struct spec *s, const struct cgroup *cg, int *pidfd, struct err *e)
{
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot show this process");
	pid_t pid = explain(clone_init(s, cg, 0, pidfd), cg, e);
	if (pid != 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot hide this process");
	return pid;
}

struct newborn {
	int32_t pid; // or -errno
	struct err err;
};

static pid_t stage_main(const struct spec *s, const struct cgroup *cg, int report)
{
	struct newborn told = {0};
	struct namespace_back back;
	int pidfd = -1;
	int rc = namespace_join(s, &back, &told.err);
	pid_t pid = rc ? rc : explain(clone_init(s, cg, CLONE_PARENT, &pidfd), cg, &told.err);
	if (pid == 0) {
		close(report);
		return 0;
	}
	told.pid = pid;
	_exit(send(report, &told, sizeof(told), MSG_NOSIGNAL) == (ssize_t)sizeof(told) ? 0 : 1);
}

static int hear(int from, struct newborn *told)
{
	ssize_t n;
	do
		n = recv(from, told, sizeof(*told), 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == (ssize_t)sizeof(*told) ? 0 : -EPIPE;
}

static pid_t birth_aside(const struct spec *s, const struct cgroup *cg, int *pidfd, struct err *e)
{
	int pair[2], status;
	struct newborn told = {0};
	int rc = sync_pair(pair);
	if (rc)
		return err_sys(e, rc, "cannot make a socket pair");
	pid_t stage = fork();
	if (stage == 0) {
		close(pair[0]);
		return stage_main(s, cg, pair[1]);
	}
	int failed = errno;
	close(pair[1]);
	rc = stage < 0 ? -failed : hear(pair[0], &told);
	close(pair[0]);
	while (stage > 0 && waitpid(stage, &status, 0) < 0 && errno == EINTR)
		;
	if (rc)
		return err_sys(e, rc, "cannot make the process that joins the namespaces");
	told.err.msg[sizeof(told.err.msg) - 1] = 0;
	if (told.pid < 0)
		return err_set(e, told.pid, "%s", told.err.msg);
	// It is a child of ours and not waited for, so the number is still its own.
	*pidfd = proc_pidfd_open(told.pid);
	return *pidfd < 0 ? err_sys(e, *pidfd, "cannot hold the container's first process") : told.pid;
}

// There is no way back from a user namespace; and who comes back to a mount namespace has lost its directory.
static bool is_one_way(const struct spec *s)
{
	const struct spec_namespace *user = spec_namespace(s, CLONE_NEWUSER);
	const struct spec_namespace *mnt = spec_namespace(s, CLONE_NEWNS);
	return (user && user->path) || (mnt && mnt->path);
}

static bool joins_any(const struct spec *s)
{
	for (size_t i = 0; i < s->namespace_count; i++)
		if (s->namespaces[i].path || s->namespaces[i].flag == CLONE_NEWTIME)
			return true;
	return false;
}

pid_t birth(const struct spec *s, const struct cgroup *cg, enum rights r, int *pidfd, struct err *e)
{
	*pidfd = -1;
	if (r == RIGHTS_USER)
		return birth_dumpable(s, cg, pidfd, e);
	return is_one_way(s) || (r == RIGHTS_USERNS && joins_any(s)) ? birth_aside(s, cg, pidfd, e)
								     : birth_here(s, cg, pidfd, e);
}
