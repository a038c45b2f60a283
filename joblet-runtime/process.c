// SPDX-License-Identifier: Apache-2.0
// The process of the container as its `process` object wants it.
#include "joblet-runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "joblet-runtime/caps.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

int process_raise_rlimits(const struct spec_process *p, pid_t pid, struct err *e)
{
	for (size_t i = 0; i < p->rlimit_count; i++) {
		const struct spec_rlimit *r = &p->rlimits[i];
		struct rlimit now;
		if (prlimit(pid, (enum __rlimit_resource)r->resource, NULL, &now) != 0)
			return err_sys(e, -errno, "cannot read a limit of the container's first process");
		if (r->hard <= now.rlim_max)
			continue;
		now.rlim_max = r->hard;
		if (prlimit(pid, (enum __rlimit_resource)r->resource, &now, NULL) != 0)
			return err_sys(e, -errno, "cannot raise the resource limit %d", r->resource);
	}
	return 0;
}

int process_set_rlimits(const struct spec_process *p, struct err *e)
{
	for (size_t i = 0; i < p->rlimit_count; i++) {
		struct rlimit want = {p->rlimits[i].soft, p->rlimits[i].hard};
		if (setrlimit((enum __rlimit_resource)p->rlimits[i].resource, &want) != 0)
			return err_sys(e, -errno, "cannot set the resource limit %d", p->rlimits[i].resource);
	}
	return 0;
}

int process_set_oom_score(const struct spec_process *p, int procdir, struct err *e)
{
	char text[32];
	if (p->oom_score_adj == SPEC_UNSET)
		return 0;
	int n = snprintf(text, sizeof(text), "%d", (int)p->oom_score_adj);
	cleanup_close int fd = openat(procdir, "oom_score_adj", O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_write_all(fd, text, (size_t)n);
	return rc ? err_sys(e, rc, "cannot set oom_score_adj") : 0;
}

static uint32_t outside(const struct spec_id_map *maps, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= maps[i].inside && id - maps[i].inside < maps[i].count)
			return maps[i].outside + (id - maps[i].inside);
	return id;
}

int process_give_stdio(const struct spec *s, bool inside, struct err *e)
{
	uid_t uid = inside ? s->process.uid : outside(s->uid_maps, s->uid_map_count, s->process.uid);
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;
		if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode) || st.st_uid == uid)
			continue;
		if (fchown(fd, uid, (gid_t)-1) != 0 && errno != EROFS && errno != EPERM)
			return err_sys(e, -errno, "cannot give descriptor %d to the container's user", fd);
	}
	return 0;
}

int process_new_keyring(struct err *e)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return err_sys(e, -errno, "cannot make a session keyring");
	return 0;
}

// With the capability only a user namespace that denies it for good refuses.
static int set_groups(const struct spec_process *p, bool *kept, struct err *e)
{
	*kept = false;
	if (setgroups(p->group_count, p->groups) == 0)
		return 0;
	int rc = -errno;
	if (rc != -EPERM || !caps_effective(CAP_SETGID))
		return err_sys(e, rc, "cannot set the supplementary groups");
	if (p->group_count)
		return err_set(e, rc,
			       "process.user.additionalGids: this user namespace denies setgroups, since its "
			       "groups were mapped without newgidmap");
	*kept = true;
	return 0;
}

int process_set_user(const struct spec_process *p, bool *groups_kept, struct err *e)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot keep the capabilities over the change of user");
	int rc = set_groups(p, groups_kept, e);
	if (rc)
		return rc;
	if (setresgid(p->gid, p->gid, p->gid) != 0)
		return err_sys(e, -errno, "cannot change to group %u", p->gid);
	if (setresuid(p->uid, p->uid, p->uid) != 0)
		return err_sys(e, -errno, "cannot change to user %u", p->uid);
	return 0;
}

int process_enter_cwd(const char *cwd, struct err *e)
{
	char real[4096];
	if (chdir(cwd) != 0)
		return err_sys(e, -errno, "cannot change to the directory %s", cwd);
	// The system call, not the library: a directory outside of the root begins with "(unreachable)"
	// there.
	if (syscall(SYS_getcwd, real, sizeof(real)) < 0)
		return errno == ERANGE ? 0 : err_sys(e, -errno, "cannot read the working directory");
	if (real[0] != '/')
		return err_set(e, -EPERM, "the directory %s is outside of the container's root", cwd);
	return 0;
}

static int try_program(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) == 0 ? 0 : -errno;
}

static int explain(const char *name, const char *path, int rc, struct err *e)
{
	struct statvfs fs;
	struct stat st;
	const char *hint = "";
	if (rc == -EACCES && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		hint = statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC)
			   ? " (its file system is mounted noexec)"
			   : " (the container's user may not execute it: see its mode)";
	return err_set(e, rc, "exec \"%.512s\": %s%s", name, strerror(-rc), hint);
}

static const char *search_path(char *const *env)
{
	const char *path = NULL;
	for (size_t i = 0; env[i]; i++)
		if (str_starts(env[i], "PATH="))
			path = env[i] + 5;
	return path && *path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

int process_find_program(const struct spec_process *p, char **out, struct err *e)
{
	const char *name = p->args[0];
	int seen = -ENOENT;
	if (strchr(name, '/')) {
		int rc = try_program(name);
		if (rc)
			return explain(name, name, rc, e);
		*out = xstrdup(name);
		return 0;
	}
	for (const char *dir = search_path((char *const *)p->env);;) {
		size_t len = strcspn(dir, ":");
		char *path = xasprintf("%.*s%s%s", (int)len, dir, len ? "/" : "./", name);
		int rc = try_program(path);
		if (rc == 0) {
			*out = path;
			return 0;
		}
		free(path);
		if (rc == -EACCES)
			seen = rc; // goes on looking, as execvp(3) does
		if (!dir[len])
			return err_sys(e, seen, "exec \"%.512s\"", name);
		dir += len + 1;
	}
}

int process_reset_signals(uint64_t ignored, struct err *e)
{
	sigset_t none;
	for (int sig = 1; sig <= 64; sig++) {
		if (!(ignored >> (sig - 1) & 1))
			continue;
		int rc = proc_default_signal(sig);
		if (rc)
			return err_sys(e, rc, "cannot reset the signal %d", sig);
	}
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0 ? 0
							  : err_sys(e, -errno, "cannot unblock the signals");
}
