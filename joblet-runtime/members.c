// SPDX-License-Identifier: Apache-2.0
// Who belongs to a container. Without a cgroup /proc is searched for processes in the pid namespace of the
// container's first one; what it put into further namespaces is not found, but ends with it.
#include "joblet-runtime/members.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "joblet-runtime/cgroup.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

static int pid_namespace(int procdir, const char *pid, struct stat *st)
{
	char path[320];
	snprintf(path, sizeof(path), "%s/ns/pid", pid);
	return fstatat(procdir, path, st, 0) == 0 ? 0 : -errno;
}

static bool same_namespace(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
	return (x > y) - (x < y);
}

static int scan(int procdir, const struct state *st, const struct stat *want, pid_t **pids, size_t *n)
{
	int fd = openat(procdir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	for (struct dirent *ent; (ent = readdir(d));) {
		struct stat found;
		int64_t pid;
		if (str_to_i64(ent->d_name, 1, INT32_MAX, &pid) != 0 || pid == st->pid ||
		    pid_namespace(procdir, ent->d_name, &found) != 0 || !same_namespace(&found, want))
			continue;
		*pids = xrealloc(*pids, (*n + 1) * sizeof(**pids));
		(*pids)[(*n)++] = (pid_t)pid;
	}
	qsort(*pids, *n, sizeof(**pids), compare_pids);
	return 0;
}

static int namespace_pids(const struct state *st, pid_t **pids, size_t *n, struct err *e)
{
	struct stat own, want;
	char name[16];
	cleanup_close int pidfd = state_pidfd(st);
	cleanup_close int procdir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*pids = NULL;
	*n = 0;
	if (pidfd < 0)
		return 0; // and so is all that it started
	if (procdir < 0)
		return err_sys(e, -errno, "cannot open /proc");
	*pids = xcalloc(1, sizeof(**pids));
	(*pids)[(*n)++] = st->pid;
	snprintf(name, sizeof(name), "%d", st->pid);
	// Before its program runs, nobody may look at the first process; then it is the only one.
	if (pid_namespace(procdir, "self", &own) != 0 || pid_namespace(procdir, name, &want) != 0 ||
	    same_namespace(&own, &want))
		return 0;
	int rc = scan(procdir, st, &want, pids, n);
	if (rc) {
		free(*pids);
		*pids = NULL;
	}
	return rc ? err_sys(e, rc, "cannot read /proc") : 0;
}

int members_pids(const struct state *st, pid_t **pids, size_t *n, struct err *e)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	if (!st->cgroup)
		return namespace_pids(st, pids, n, e);
	int rc = cgroup_open(st->cgroup, &cg, e);
	return rc ? rc : cgroup_pids(cg, pids, n, e);
}

static int signal_first(const struct state *st, int sig)
{
	cleanup_close int fd = state_pidfd(st);
	return fd < 0 ? fd : proc_pidfd_kill(fd, sig);
}

// Held, and then looked at once more: the number may have been given to someone else.
static int signal_other(const struct state *st, pid_t pid, int sig)
{
	char first[16], other[16];
	struct stat want, found;
	cleanup_close int procdir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = proc_pidfd_open(pid);
	snprintf(first, sizeof(first), "%d", st->pid);
	snprintf(other, sizeof(other), "%d", pid);
	if (procdir < 0 || fd < 0 || pid_namespace(procdir, first, &want) != 0 ||
	    pid_namespace(procdir, other, &found) != 0 || !same_namespace(&want, &found))
		return -ESRCH;
	return proc_pidfd_kill(fd, sig);
}

int members_kill(const struct state *st, int sig, struct err *e)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	cleanup_free pid_t *pids = NULL;
	size_t n = 0;
	int rc;
	if (st->cgroup)
		return (rc = cgroup_open(st->cgroup, &cg, e)) ? rc : cgroup_kill(cg, sig, e);
	if ((rc = namespace_pids(st, &pids, &n, e)))
		return rc;
	// The first process last: with it all others end.
	for (size_t i = n; i-- > 0;)
		if ((rc = pids[i] == st->pid ? signal_first(st, sig) : signal_other(st, pids[i], sig)) &&
		    rc != -ESRCH)
			return err_sys(e, rc, "cannot signal process %d", pids[i]);
	return 0;
}
