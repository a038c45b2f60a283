// SPDX-License-Identifier: Apache-2.0
// The kernel takes a mapping in the form of a user namespace that has it: a child is made for that, and ends.
#include "joblet-runtime/mount_idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "joblet-runtime/namespace.h"
#include "lib/base/proc.h"

struct maps {
	const struct spec_id_map *uids, *gids;
	size_t uid_count, gid_count;
};

static pid_t make_child(int *pidfd)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_PIDFD,
				  .pidfd = (uint64_t)(uintptr_t)pidfd,
				  .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			pause();
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

static int open_mapped(pid_t pid, const struct maps *maps, struct err *e)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d", pid);
	cleanup_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "cannot open %s", path);
	int rc;
	if ((rc = namespace_write_map(dir, "uid_map", maps->uids, maps->uid_count, e)) ||
	    (rc = namespace_write_map(dir, "gid_map", maps->gids, maps->gid_count, e)))
		return rc;
	int fd = openat(dir, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "cannot open the user namespace of the mapping") : fd;
}

// A user namespace with these maps, as a descriptor.
static int make_namespace(const struct maps *maps, struct err *e)
{
	cleanup_close int pidfd = -1;
	siginfo_t info;
	pid_t pid = make_child(&pidfd);
	if (pid < 0)
		return err_sys(e, pid, "cannot make a user namespace for the mapping");
	int fd = open_mapped(pid, maps, e);
	if (proc_pidfd_kill(pidfd, SIGKILL) != 0 && fd >= 0) {
		close(fd);
		fd = err_set(e, -ESRCH, "the process of the mapping has ended");
	}
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 && errno == EINTR)
		;
	return fd;
}

int mount_idmap(const struct spec *s, const struct spec_mount *m, int treefd, bool recursive, struct err *e)
{
	struct maps maps = {m->uid_maps, m->gid_maps, m->uid_map_count, m->gid_map_count};
	if (!m->uid_map_count)
		maps = (struct maps){s->uid_maps, s->gid_maps, s->uid_map_count, s->gid_map_count};
	cleanup_close int userns = make_namespace(&maps, e);
	if (userns < 0)
		return err_wrap(e, userns, "mount %s", m->destination);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	if (mount_setattr(treefd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U), &attr, sizeof(attr)) !=
	    0)
		return err_sys(e, -errno, "mount %s: cannot map the ids of %s", m->destination, m->source);
	return 0;
}
