// SPDX-License-Identifier: Apache-2.0
// How a cgroup ends: who is in it, freezing, killing, removing. One hierarchy is enough to find the
// processes: the unified tree where there is one, since it can kill at once and tells when it is empty; else
// the freezer. cgroup-v2.rst "Core Interface Files", cgroup-v1/freezer-subsystem.rst.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "lib/base/proc.h"
#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define EXIT_WAIT_MS   10000 // how long a killed process may take to be gone
#define FREEZE_WAIT_MS 10000
#define KILL_ROUNDS    100
#define PROCS_FILE_MAX ((size_t)16 << 20)

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static const struct cgroup_hier *find_hier(const struct cgroup *c, const char *name)
{
	for (size_t i = 0; i < c->hier_count; i++)
		if (*name ? !c->hier[i].v2 && cgroup_has_word(c->hier[i].name, name) : c->hier[i].v2)
			return c->hier[i].fd >= 0 ? &c->hier[i] : NULL;
	return NULL;
}

static const struct cgroup_hier *process_hier(const struct cgroup *c)
{
	static const char *const order[] = {"", "freezer", "pids", "memory", "name=systemd"};
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const struct cgroup_hier *h = find_hier(c, order[i]);
		if (h)
			return h;
	}
	for (size_t i = 0; i < c->hier_count; i++)
		if (c->hier[i].fd >= 0)
			return &c->hier[i];
	return NULL;
}

static int add_pids(int dirfd, struct pid_list *l)
{
	cleanup_close int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	cleanup_fclose FILE *f = fdopen(fd, "re");
	if (!f)
		return -errno;
	(void)take_fd(fd);
	long pid;
	while (fscanf(f, "%ld", &pid) == 1) {
		if (pid <= 0) // 0: a process outside of our pid namespace
			continue;
		if (l->n == CGROUP_PIDS_MAX)
			return -E2BIG;
		if (l->n == l->cap) {
			l->cap = l->cap ? l->cap * 2 : 64;
			l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
		}
		l->v[l->n++] = (pid_t)pid;
	}
	// Reading a cgroup that was removed meanwhile, or a threaded one, ends with an error and no process.
	return 0;
}

// Calls fn for every directory below dirfd, the deepest first, and for dirfd itself last. name is NULL there.
typedef int walk_fn(int parent, const char *name, int fd, void *arg);

static int walk(int parent, const char *name, int dirfd, unsigned depth, walk_fn *fn, void *arg)
{
	if (depth > CGROUP_DEPTH_MAX)
		return -ELOOP;
	int dup = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dup < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	cleanup_closedir DIR *d = fdopendir(dup);
	if (!d) {
		int rc = -errno;
		(void)close(dup);
		return rc;
	}
	for (struct dirent *ent; (ent = readdir(d));) {
		if (ent->d_type != DT_DIR || str_eq(ent->d_name, ".") || str_eq(ent->d_name, ".."))
			continue;
		cleanup_close int child = cgroup_open_dir(dirfd, ent->d_name);
		if (child < 0)
			continue; // gone meanwhile
		int rc = walk(dirfd, ent->d_name, child, depth + 1, fn, arg);
		if (rc < 0)
			return rc;
	}
	return fn(parent, name, dirfd, arg);
}

static int walk_pids(int parent attr_unused, const char *name attr_unused, int fd, void *arg)
{
	return add_pids(fd, arg);
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
	return (x > y) - (x < y);
}

int cgroup_pids(struct cgroup *c, pid_t **pids, size_t *n, struct err *e)
{
	struct pid_list l = {0};
	const struct cgroup_hier *h = process_hier(c);
	int rc = h ? walk(-1, NULL, h->fd, 0, walk_pids, &l) : 0;
	if (rc < 0) {
		free(l.v);
		return err_sys(e, rc, "reading the processes of cgroup %s", c->path);
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_pid);
	*pids = l.v;
	*n = l.n;
	return 0;
}

static bool text_is(int dirfd, const char *file, const char *want)
{
	cleanup_free char *text = NULL;
	return cgroup_read(dirfd, file, &text, NULL) == 0 && str_eq(text, want);
}

static bool event_is(int dirfd, const char *key, bool want)
{
	uint64_t v = 0;
	return cgroup_read_key(dirfd, "cgroup.events", key, &v) == 0 && (v != 0) == want;
}

// Waits until key of cgroup.events has the value; the kernel wakes us at each change of the file.
static int wait_event(int dirfd, const char *key, bool want, int64_t deadline)
{
	cleanup_close int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	for (;;) {
		char text[256];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0); // arms the wake-up
		if (n < 0)
			return errno == ENODEV ? 0 : -errno;
		if (event_is(dirfd, key, want))
			return 0;
		int64_t left = deadline - clock_ms(CLOCK_MONOTONIC);
		if (left <= 0)
			return -ETIMEDOUT;
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

// v1's freezer has no event: it is asked again, and told again, because a fork in between may leave it at
// FREEZING.
static int freeze_v1(int dirfd, bool frozen)
{
	const char *want = frozen ? "FROZEN" : "THAWED";
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + FREEZE_WAIT_MS;
	for (long pause_us = 50;; pause_us = pause_us < 10000 ? pause_us * 2 : pause_us) {
		int rc = cgroup_write(dirfd, "freezer.state", want, NULL);
		if (rc < 0)
			return rc == -ENOENT || rc == -ENODEV ? 0 : rc;
		if (text_is(dirfd, "freezer.state", want))
			return 0;
		if (clock_ms(CLOCK_MONOTONIC) > deadline)
			return -ETIMEDOUT;
		(void)nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
	}
}

static int freeze_v2(int dirfd, bool frozen)
{
	int rc = cgroup_write(dirfd, "cgroup.freeze", frozen ? "1" : "0", NULL);
	if (rc == -ENODEV)
		return 0;
	return rc < 0 ? rc : wait_event(dirfd, "frozen", frozen, clock_ms(CLOCK_MONOTONIC) + FREEZE_WAIT_MS);
}

// systemd removes the cgroup of its scope as soon as the last process is gone.
static bool is_gone(int rc)
{
	return rc == -ENOENT || rc == -ENODEV;
}

// Thawing goes to both freezers, whoever froze. One that is gone meanwhile has nothing to thaw.
static int thaw_all(const struct cgroup *c)
{
	const struct cgroup_hier *v2 = find_hier(c, ""), *v1 = find_hier(c, "freezer");
	int rc = v1 && !text_is(v1->fd, "freezer.state", "THAWED") ? freeze_v1(v1->fd, false) : 0;
	if (v2 && !text_is(v2->fd, "cgroup.freeze", "0")) {
		int second = freeze_v2(v2->fd, false);
		rc = rc < 0 && !is_gone(rc) ? rc : second;
	}
	return is_gone(rc) ? 0 : rc;
}

int cgroup_freeze(struct cgroup *c, bool frozen, struct err *e)
{
	const struct cgroup_hier *v2 = find_hier(c, ""), *v1 = find_hier(c, "freezer");
	if (!v2 && !v1)
		return frozen ? err_set(e, -ENOTSUP,
					"cgroup %s cannot be frozen: neither cgroup v2 nor the freezer "
					"controller is there",
					c->path)
			      : 0;
	if (!frozen) {
		int rc = thaw_all(c);
		return rc < 0 ? err_sys(e, rc, "thawing cgroup %s", c->path) : 0;
	}
	int rc = v2 ? freeze_v2(v2->fd, true) : freeze_v1(v1->fd, true);
	if (rc < 0) {
		(void)thaw_all(c); // never left half frozen
		return err_sys(e, rc, "freezing cgroup %s", c->path);
	}
	return 0;
}

bool cgroup_is_frozen(struct cgroup *c)
{
	const struct cgroup_hier *v2 = find_hier(c, ""), *v1 = find_hier(c, "freezer");
	return (v2 && event_is(v2->fd, "frozen", true) && text_is(v2->fd, "cgroup.freeze", "1")) ||
	       (v1 && text_is(v1->fd, "freezer.state", "FROZEN"));
}

static bool has_pid(const pid_t *v, size_t n, pid_t pid)
{
	return n && bsearch(&pid, v, n, sizeof(*v), by_pid) != NULL;
}

// Sends sig to every process once. A process is held by a pidfd, and signalled when a second reading shows
// that the held one is still in the cgroup: a number that was given to someone else in between is not hit.
static int signal_round(struct cgroup *c, int sig, struct pid_list *done, bool *found, struct err *e)
{
	cleanup_free pid_t *first = NULL, *second = NULL;
	size_t n1 = 0, n2 = 0;
	int rc = cgroup_pids(c, &first, &n1, e);
	if (rc < 0)
		return rc;
	cleanup_free int *fds = xcalloc(n1 + 1, sizeof(*fds));
	size_t fresh = 0;
	for (size_t i = 0; i < n1; i++) {
		fds[i] = has_pid(done->v, done->n, first[i]) ? -1 : proc_pidfd_open(first[i]);
		fresh += fds[i] >= 0;
	}
	rc = fresh ? cgroup_pids(c, &second, &n2, e) : 0;
	for (size_t i = 0; i < n1; i++) {
		if (fds[i] < 0)
			continue;
		if (rc == 0 && has_pid(second, n2, first[i]) && proc_pidfd_kill(fds[i], sig) == 0) {
			*found = true;
			if (done->n == done->cap) {
				done->cap = done->cap ? done->cap * 2 : 64;
				done->v = xrealloc(done->v, done->cap * sizeof(*done->v));
			}
			done->v[done->n++] = first[i];
		}
		(void)close(fds[i]);
	}
	if (done->n)
		qsort(done->v, done->n, sizeof(*done->v), by_pid);
	return rc;
}

static int signal_all(struct cgroup *c, int sig, struct err *e)
{
	struct pid_list done = {0};
	bool found = true;
	int rc = 0;
	for (int round = 0; rc == 0 && found && round < KILL_ROUNDS; round++) {
		found = false;
		rc = signal_round(c, sig, &done, &found, e);
	}
	free(done.v);
	return rc;
}

// Without cgroup.kill: nothing can fork while it is frozen. Thawed on every path, for a frozen process does
// not die.
static int kill_frozen(struct cgroup *c, struct err *e)
{
	const struct cgroup_hier *v2 = find_hier(c, ""), *v1 = find_hier(c, "freezer");
	int frozen = v2 ? freeze_v2(v2->fd, true) : v1 ? freeze_v1(v1->fd, true) : 0;
	int rc = signal_all(c, SIGKILL, e);
	int thawed = thaw_all(c);
	if (rc == 0 && thawed < 0)
		rc = err_sys(e, thawed, "thawing cgroup %s", c->path);
	// It could not be frozen: whoever was born between is found by the rounds, but there may be one more.
	if (rc == 0 && frozen < 0)
		rc = signal_all(c, SIGKILL, e);
	return rc;
}

int cgroup_kill(struct cgroup *c, int sig, struct err *e)
{
	if (sig != SIGKILL)
		return signal_all(c, sig, e);
	const struct cgroup_hier *v2 = find_hier(c, "");
	int rc = v2 ? cgroup_write(v2->fd, "cgroup.kill", "1", NULL) : -ENOENT;
	if (rc == -ENODEV)
		return 0;
	if (rc < 0)
		return kill_frozen(c, e);
	rc = thaw_all(c);
	return rc < 0 ? err_sys(e, rc, "thawing cgroup %s", c->path) : 0;
}

// Under v1 alone nothing tells that a cgroup is empty, but a pidfd tells that its process is gone.
static int wait_processes(struct cgroup *c, int64_t deadline, struct err *e)
{
	for (long pause_us = 50;; pause_us = pause_us < 10000 ? pause_us * 2 : pause_us) {
		cleanup_free pid_t *pids = NULL;
		size_t n = 0;
		int rc = cgroup_pids(c, &pids, &n, e);
		if (rc < 0 || n == 0)
			return rc;
		int64_t left = deadline - clock_ms(CLOCK_MONOTONIC);
		if (left <= 0)
			return -EBUSY;
		cleanup_close int fd = proc_pidfd_open(pids[0]);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (fd >= 0 && poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		// Gone, but still in the list for an instant: the kernel takes it off a moment later.
		(void)nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
	}
}

static int remove_dir(int parent, const char *name, int fd attr_unused, void *arg)
{
	bool *busy = arg;
	if (!name || unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	*busy = true;
	return 0;
}

// Everything below and the cgroup itself. 0; 1: someone is still in it.
static int remove_tree(struct cgroup *c, struct cgroup_hier *h)
{
	bool busy = false;
	int rc = 0;
	if (unlinkat(h->root_fd, c->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	rc = walk(-1, NULL, h->fd, 0, remove_dir, &busy);
	if (rc < 0)
		return rc;
	if (unlinkat(h->root_fd, c->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == EBUSY || errno == ENOTEMPTY ? 1 : -errno;
}

static int remove_hier(struct cgroup *c, struct cgroup_hier *h, int64_t deadline, struct err *e)
{
	if (h->fd < 0) { // made by another process after our cgroup_open, or not there
		int fd = cgroup_open_dir(h->root_fd, c->path);
		if (fd < 0)
			return fd == -ENOENT || fd == -ENODEV
				   ? 0
				   : err_sys(e, fd, "cgroup %s/%s", h->mount, c->path);
		h->fd = fd;
	}
	for (long pause_us = 50;; pause_us = pause_us < 10000 ? pause_us * 2 : pause_us) {
		int rc = remove_tree(c, h);
		if (rc < 0)
			return err_sys(e, rc, "removing cgroup %s/%s", h->mount, c->path);
		if (rc == 0)
			break;
		if (clock_ms(CLOCK_MONOTONIC) > deadline)
			return err_set(e, -EBUSY, "cgroup %s/%s still has processes", h->mount, c->path);
		rc = h->v2 ? wait_event(h->fd, "populated", false, deadline) : wait_processes(c, deadline, e);
		if (rc < 0 && rc != -ETIMEDOUT && rc != -EBUSY && !is_gone(rc))
			return err_sys(e, rc, "waiting for cgroup %s/%s", h->mount, c->path);
		// Empty for the event and yet busy for rmdir lasts microseconds.
		(void)nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
	}
	cleanup_close_p(&h->fd);
	h->fd = -1;
	return 0;
}

int cgroup_remove(struct cgroup *c, struct err *e)
{
	int first = 0;
	bool waited = false;
	// The unified tree first: it knows when the last process is gone, and then no other has to wait.
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < c->hier_count; i++) {
			struct cgroup_hier *h = &c->hier[i];
			if (h->v2 != (pass == 0))
				continue;
			int rc = remove_hier(c, h, clock_ms(CLOCK_MONOTONIC) + (waited ? 0 : EXIT_WAIT_MS),
					     first < 0 ? NULL : e);
			waited = waited || rc < 0;
			first = first < 0 ? first : rc;
		}
	}
	return first;
}
