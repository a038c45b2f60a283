// SPDX-License-Identifier: Apache-2.0
// Maps ids without root. The helpers are set-user-id programs which decide by themselves whether the caller
// may have these ids; what they say is passed on.
#include "joblet-runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "joblet-runtime/namespace.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define SAID_MAX 512

bool idmap_is_own(const struct spec_id_map *maps, size_t n, uint32_t own)
{
	return n == 1 && maps[0].count == 1 && maps[0].outside == own;
}

char **idmap_arguments(const char *program, pid_t pid, const struct spec_id_map *maps, size_t n)
{
	char **argv = NULL;
	strv_add(&argv, program);
	strv_add_take(&argv, xasprintf("%d", pid));
	for (size_t i = 0; i < n; i++) {
		strv_add_take(&argv, xasprintf("%u", maps[i].inside));
		strv_add_take(&argv, xasprintf("%u", maps[i].outside));
		strv_add_take(&argv, xasprintf("%u", maps[i].count));
	}
	return argv;
}

static char *find_program(const char *name)
{
	const char *dir = getenv("PATH");
	if (!dir || !*dir)
		dir = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		size_t len = strcspn(dir, ":");
		cleanup_free char *path = xasprintf("%.*s/%s", (int)len, dir, name);
		if (path[0] == '/' && len && access(path, X_OK) == 0)
			return take_ptr(path);
		if (!dir[len])
			return NULL;
		dir += len + 1;
	}
}

static int wait_exit(int pidfd)
{
	siginfo_t info = {0};
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0)
		if (errno != EINTR)
			return -errno;
	return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -EPERM;
}

// The first line of what the helper wrote.
static void read_said(int fd, char said[SAID_MAX])
{
	size_t len = 0;
	ssize_t n;
	while (len < SAID_MAX - 1 && ((n = read(fd, said + len, SAID_MAX - 1 - len)) > 0 || errno == EINTR))
		len += n > 0 ? (size_t)n : 0;
	said[len] = 0;
	said[strcspn(said, "\n")] = 0;
}

static int run_helper(char *const *argv, struct err *e)
{
	static const char *const none[] = {NULL};
	char said[SAID_MAX];
	int pair[2];
	pid_t pid;
	cleanup_close int pidfd = -1;
	if (pipe2(pair, O_CLOEXEC) != 0)
		return err_sys(e, -errno, "cannot make a pipe");
	cleanup_close int from = pair[0];
	int fds[] = {-1, pair[1], pair[1]};
	struct proc_spawn spawn = {.argv = (const char *const *)argv,
				   .envp = none,
				   .fds = fds,
				   .fd_count = ARRAY_LEN(fds)};
	int rc = proc_spawn(&spawn, &pid, &pidfd, e);
	close(pair[1]);
	if (rc)
		return rc;
	read_said(from, said);
	rc = wait_exit(pidfd);
	return rc ? err_set(e, rc, "%s does not map the ids of the container: %s", argv[0],
			    *said ? said : "it ended without a word")
		  : 0;
}

static int map_by_helper(const char *name, const char *file, pid_t pid, const struct spec_id_map *maps,
			 size_t n, struct err *e)
{
	cleanup_free char *program = find_program(name);
	if (!program)
		return err_set(
		    e, -ENOENT,
		    "%s is needed to map more than the own id, and is not installed (package uidmap)", name);
	cleanup_strv char **argv = idmap_arguments(program, pid, maps, n);
	int rc = run_helper(argv, e);
	return rc ? err_wrap(e, rc, "is the range in %s?", file) : 0;
}

static int deny_setgroups(int procdir, struct err *e)
{
	cleanup_close int fd = openat(procdir, "setgroups", O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_write_all(fd, "deny", 4);
	return rc ? err_sys(e, rc, "cannot deny setgroups") : 0;
}

int idmap_write(const struct spec *s, pid_t pid, int procdir, struct err *e)
{
	int rc = idmap_is_own(s->uid_maps, s->uid_map_count, geteuid())
		     ? namespace_write_map(procdir, "uid_map", s->uid_maps, s->uid_map_count, e)
		     : map_by_helper("newuidmap", "/etc/subuid", pid, s->uid_maps, s->uid_map_count, e);
	if (rc)
		return rc;
	if (!idmap_is_own(s->gid_maps, s->gid_map_count, getegid()))
		return map_by_helper("newgidmap", "/etc/subgid", pid, s->gid_maps, s->gid_map_count, e);
	rc = deny_setgroups(procdir, e);
	return rc ? rc : namespace_write_map(procdir, "gid_map", s->gid_maps, s->gid_map_count, e);
}
