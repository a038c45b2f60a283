// SPDX-License-Identifier: Apache-2.0
// Giving up. After gw_confine the process has an empty root without a way to write, no capability, no way to
// gain one, and a short list of system calls: what reads the network's bytes owns nothing but its
// descriptors.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "jobletd/gateway/gw.h"

// glibc 2.36 has these; older headers do not.
static int sys_fsopen(const char *fs, unsigned flags)
{
	return (int)syscall(SYS_fsopen, fs, flags);
}

static int sys_fsconfig(int fd, unsigned cmd, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, 0);
}

static int sys_fsmount(int fd, unsigned flags, unsigned attrs)
{
	return (int)syscall(SYS_fsmount, fd, flags, attrs);
}

static int sys_move_mount(int from, const char *to)
{
	return (int)syscall(SYS_move_mount, from, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH);
}

static int make_empty_root(int *out, struct err *e)
{
	cleanup_close int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0)
		return err_sys(e, -errno, "fsopen of a tmpfs");
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555") < 0 ||
	    sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", "4096") < 0 ||
	    sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return err_sys(e, -errno, "setting up a tmpfs");
	int mfd = sys_fsmount(fs, FSMOUNT_CLOEXEC,
			      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mfd < 0)
		return err_sys(e, -errno, "fsmount of a tmpfs");
	*out = mfd;
	return 0;
}

static int enter_empty_root(struct err *e)
{
	cleanup_close int mfd = -1;

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_sys(e, -errno, "a mount namespace of its own");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, -errno, "making all mounts private");
	int rc = make_empty_root(&mfd, e);
	if (rc)
		return rc;
	// Any directory will do for the moment between here and pivot_root.
	if (sys_move_mount(mfd, "/proc") < 0 || fchdir(mfd) < 0)
		return err_sys(e, -errno, "mounting the empty root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, -errno, "pivot_root into the empty root");
	// Now the old root lies on top of the new one.
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "letting go of the old root");
	return 0;
}

static int set_limits(uint64_t nofile, struct err *e)
{
	struct rlimit files = {.rlim_cur = nofile, .rlim_max = nofile}, now, zero = {0};

	if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
		// A container may keep the hard limit from us. Fewer descriptors refuse calls sooner; nothing
		// else changes.
		if (getrlimit(RLIMIT_NOFILE, &now) < 0)
			return err_sys(e, -errno, "reading the limit of open descriptors");
		files.rlim_cur = files.rlim_max = now.rlim_max < nofile ? now.rlim_max : nofile;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			return err_sys(e, -errno, "allowing %llu open descriptors",
				       (unsigned long long)files.rlim_cur);
	}
	if (setrlimit(RLIMIT_CORE, &zero) < 0 || setrlimit(RLIMIT_NPROC, &zero) < 0)
		return err_sys(e, -errno, "setting limits");
	return 0;
}

static int drop_user(uid_t uid, gid_t gid, struct err *e)
{
	// The bounding set needs CAP_SETPCAP, so it goes first.
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return err_sys(e, -errno, "dropping capability %d", cap);
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_sys(e, -errno, "becoming user %u, group %u", (unsigned)uid, (unsigned)gid);
	cap_t none = cap_init();
	int rc = none ? cap_set_proc(none) : -1;
	int saved = errno;
	cap_free(none);
	if (rc < 0)
		return err_sys(e, -saved, "dropping all capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, -errno, "no_new_privs");
	// Read back: a kernel that said yes and did no would be worse than an error.
	if (setuid(0) == 0 || getuid() != uid || geteuid() != uid || getgid() != gid ||
	    getgroups(0, NULL) != 0)
		return err_set(e, -EPERM, "the user could be changed back");
	return 0;
}

// What a loop of sockets and memory needs.
static const int allowed[] = {
    SCMP_SYS(accept4),
    SCMP_SYS(brk),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(close),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fcntl),
    SCMP_SYS(fstat),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(read),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(tgkill),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

// What libraries ask in passing (a time zone, a configuration file) and do without.
static const int denied[] = {
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64),
    SCMP_SYS(ioctl),
    SCMP_SYS(lseek),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(prlimit64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(stat),
    SCMP_SYS(statx),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
};

static int add_rules(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(allowed) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(denied) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	// Memory, but none that is executed.
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	// The call's sockets, and no other kind.
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX));
	return rc;
}

static int load_filter(struct err *e)
{
	// The sanitizers have calls of their own.
	uint32_t other = GW_SANITIZED ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx ctx = seccomp_init(other);

	if (!ctx)
		return err_set(e, -ENOMEM, "no seccomp filter");
	int rc = add_rules(ctx);
	if (rc == 0 && GW_SANITIZED)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc ? err_sys(e, rc, "the seccomp filter") : 0;
}

int gw_confine(uid_t uid, gid_t gid, uint64_t nofile, struct err *e)
{
	int rc = set_limits(nofile, e);

	if (rc == 0)
		rc = enter_empty_root(e);
	if (rc == 0)
		rc = drop_user(uid, gid, e);
	if (rc == 0)
		rc = load_filter(e);
	return rc;
}
