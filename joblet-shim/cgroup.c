// SPDX-License-Identifier: Apache-2.0
// OOM: on v1 an eventfd on memory.oom_control, on v2 inotify on memory.events; either is read again for what
// it says. The file `oom` is made in the bundle directory, where podman and jobletd look, and in the persist
// directory.
//
// Emptiness: no polling and no hierarchy of its own. The first process of cgroup.procs is held by pidfd; when
// it ends, the file is read again.
#include "joblet-shim/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "joblet-shim/cgroup_find.h"
#include "joblet-shim/life.h"
#include "joblet-shim/loop.h"
#include "joblet-shim/usage.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

static void oom_ready(struct source *s, uint32_t events);
static void member_ready(struct source *s, uint32_t events);

static struct source oom = {.fd = -1, .ready = oom_ready};
static struct source member = {.fd = -1, .ready = member_ready};
static int oom_file = -1;   // memory.oom_control or memory.events
static int procs_file = -1; // cgroup.procs
static const char *oom_dirs[2];
static uint64_t oom_before; // kills that are not this container's: the cgroup may be older
static bool is_oom;

static int watch_v1(const char *dir)
{
	char text[64];
	cleanup_close int control = cgroup_open_in(dir, "cgroup.event_control", O_WRONLY);
	oom_file = cgroup_open_in(dir, "memory.oom_control", O_RDONLY);
	if (control < 0 || oom_file < 0)
		return control < 0 ? control : oom_file;
	oom.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (oom.fd < 0)
		return -errno;
	int n = snprintf(text, sizeof(text), "%d %d", oom.fd, oom_file);
	if (write(control, text, (size_t)n) < 0)
		return -errno;
	return loop_add(&oom, EPOLLIN);
}

static int watch_v2(const char *dir)
{
	char path[PATH_MAX + 32];
	oom_file = cgroup_open_in(dir, "memory.events", O_RDONLY);
	if (oom_file < 0)
		return oom_file;
	oom.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (oom.fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/memory.events", dir);
	if (inotify_add_watch(oom.fd, path, IN_MODIFY) < 0)
		return -errno;
	return loop_add(&oom, EPOLLIN);
}

// cgroup.procs of the first hierarchy in which the container has a cgroup of its own.
static void open_procs(void)
{
	static const char *const controllers[] = {"", "pids", "memory", "freezer", "name=systemd"};
	char dir[PATH_MAX];
	for (size_t i = 0; i < ARRAY_LEN(controllers) && procs_file < 0; i++)
		if (cgroup_is_own(controllers[i]) && cgroup_find(controllers[i], dir) == 0)
			procs_file = cgroup_open_in(dir, "cgroup.procs", O_RDONLY);
}

static int watch_oom(void)
{
	char dir[PATH_MAX], text[1024];
	bool is_v1 = cgroup_find("memory", dir) == 0;
	int rc = is_v1 ? 0 : cgroup_find("", dir);
	if (!rc)
		rc = is_v1 ? watch_v1(dir) : watch_v2(dir);
	if (!rc && !cgroup_read(oom_file, text, sizeof(text)))
		oom_before = cgroup_count_of(text, "oom_kill");
	return rc;
}

void cgroup_open(const struct options *o, pid_t pid)
{
	int rc = cgroup_find_begin(pid);
	oom_dirs[0] = o->bundle;
	oom_dirs[1] = o->persist_dir;
	if (rc) {
		log_warn("cgroup of process %d: %s", pid, strerror(-rc));
		return;
	}
	rc = watch_oom();
	if (rc)
		log_warn("running out of memory will not be noticed: %s", strerror(-rc));
	open_procs();
	usage_open();
	cgroup_find_end();
}

bool cgroup_is_oom(void)
{
	return is_oom;
}

void cgroup_check_oom(void)
{
	char text[1024];
	// A cgroup that is being removed notifies as well, and cannot be read then.
	if (is_oom || oom_file < 0 || cgroup_read(oom_file, text, sizeof(text)) ||
	    cgroup_count_of(text, "oom_kill") <= oom_before)
		return;
	is_oom = true;
	for (size_t i = 0; i < ARRAY_LEN(oom_dirs); i++) {
		int fd =
		    oom_dirs[i] ? cgroup_open_in(oom_dirs[i], "oom", O_WRONLY | O_CREAT | O_NOFOLLOW) : -1;
		if (oom_dirs[i] && fd < 0)
			log_error("%s/oom: %s", oom_dirs[i], strerror(-fd));
		if (fd >= 0)
			close(fd);
	}
}

static void oom_ready(struct source *s, uint32_t events)
{
	(void)events;
	char data[4096] __attribute__((aligned(8)));
	if (read(s->fd, data, sizeof(data)) < 0 && errno != EAGAIN)
		loop_close(s);
	cgroup_check_oom();
}

// The first process that is still there. 0 none, -ENOENT unknown.
static pid_t first_member(void)
{
	char text[32];
	int64_t pid;
	int rc = cgroup_read(procs_file, text, sizeof(text));
	if (rc == -ENODEV)
		return 0; // the cgroup itself is gone
	text[strcspn(text, "\n")] = 0;
	if (rc || (*text && str_to_i64(text, 0, INT32_MAX, &pid)))
		return -ENOENT;
	return *text ? (pid_t)pid : 0;
}

void cgroup_watch_empty(void)
{
	loop_close(&member);
	while (procs_file >= 0) {
		pid_t pid = first_member();
		if (pid < 0)
			return; // end of file will have to do
		if (pid == 0) {
			life_event(LIFE_CGROUP_EMPTY);
			return;
		}
		member.fd = proc_pidfd_open(pid);
		// It may have ended since; a stranger with its number only makes us look once more when that
		// one ends.
		if (member.fd >= 0 && first_member() == pid) {
			(void)!loop_add(&member, EPOLLIN);
			return;
		}
		loop_close(&member);
	}
}

static void member_ready(struct source *s, uint32_t events)
{
	(void)s, (void)events;
	cgroup_watch_empty();
}

void cgroup_close(void)
{
	loop_close(&oom);
	loop_close(&member);
	if (oom_file >= 0)
		close(oom_file);
	if (procs_file >= 0)
		close(procs_file);
	oom_file = procs_file = -1;
}
