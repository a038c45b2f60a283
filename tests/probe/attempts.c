// SPDX-License-Identifier: Apache-2.0
// Attempts that a container must not get away with, by kind. Each is made in a child, so that a filter that
// kills is seen as well: the name of the signal then stands in the place of the error.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/proc.h"
#include "lib/base/str.h"
#include "tests/probe/probe.h"

#define SYSCALLS   471
#define CHILD_SECS 2

// 0 or the errno of the attempt is the child's exit status.
const char *probe_outcome(probe_attempt *f, long arg)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		alarm(CHILD_SECS); // one that waits for something was allowed
		long rc = f(arg);
		_exit(rc < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return "fork";
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? "0" : proc_signal_name(WTERMSIG(status));
	return WEXITSTATUS(status) == PROBE_ESCAPED ? "ESCAPED"
	       : WEXITSTATUS(status)		    ? probe_errno(WEXITSTATUS(status))
						    : "0";
}

static void put(struct json_out *o, const char *key, probe_attempt *f, long arg)
{
	json_kv_str(o, key, probe_outcome(f, arg));
}

static void put_number(struct json_out *o, int n, probe_attempt *f)
{
	char key[16];
	snprintf(key, sizeof(key), "%d", n);
	put(o, key, f, n);
}

// Arguments that no call can do much with: bad descriptors, bad addresses, no flags.
static long any_call(long nr)
{
	if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn)
		return 0;
	if (nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone)
		return syscall(SYS_getpid);
	return syscall(nr, -1L, 0L, -1L, 0L, 0L, -1L);
}

static long any_family(long family)
{
	return socket((int)family, SOCK_DGRAM, 0) >= 0 || errno == ESOCKTNOSUPPORT ||
		       socket((int)family, SOCK_RAW, 0) >= 0
		   ? 0
		   : -1;
}

static long any_netlink(long protocol)
{
	return socket(AF_NETLINK, SOCK_RAW, (int)protocol);
}

static const struct {
	const char *name;
	long flag;
} namespaces[] = {
    {"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID},	{"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80},	       {"user", CLONE_NEWUSER},
};

static long by_unshare(long flag)
{
	return unshare((int)flag);
}

static long by_clone(long flag)
{
	long pid = syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(0);
	return pid;
}

static long by_clone3(long flag)
{
	struct clone_args a = {.flags = (uint64_t)flag, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(0);
	return pid;
}

static long by_setns(long flag)
{
	(void)flag;
	int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : setns(fd, 0);
}

static void try_namespaces(struct json_out *o)
{
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		char key[32];
		snprintf(key, sizeof(key), "unshare %s", namespaces[i].name);
		put(o, key, by_unshare, namespaces[i].flag);
		snprintf(key, sizeof(key), "clone %s", namespaces[i].name);
		put(o, key, by_clone, namespaces[i].flag == 0x80 ? CLONE_NEWUTS : namespaces[i].flag);
		snprintf(key, sizeof(key), "clone3 %s", namespaces[i].name);
		put(o, key, by_clone3, namespaces[i].flag);
	}
	put(o, "setns", by_setns, 0);
}

static long terminal_call(long request)
{
	char data[256] = "x"; // TCGETS writes a struct there
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	return syscall(SYS_ioctl, fd < 0 ? 0 : fd, request, data);
}

static void try_terminal(struct json_out *o)
{
	put(o, "TIOCSTI", terminal_call, 0x5412);
	put(o, "TIOCSTI+2^32", terminal_call, 0x100005412L);
	put(o, "TIOCLINUX", terminal_call, 0x541C);
	put(o, "TIOCLINUX+2^32", terminal_call, 0x10000541CL);
	put(o, "TIOCSETD", terminal_call, 0x5423);
	put(o, "TCGETS", terminal_call, 0x5401);
}

static const struct {
	const char *name;
	mode_t type;
	unsigned major, minor;
} nodes[] = {
    {"sda", S_IFBLK, 8, 0},	{"mem", S_IFCHR, 1, 1},
    {"kmsg", S_IFCHR, 1, 11},	{"loop-control", S_IFCHR, 10, 237},
    {"fuse", S_IFCHR, 10, 229}, {"tun", S_IFCHR, 10, 200},
    {"kvm", S_IFCHR, 10, 232},	{"null", S_IFCHR, 1, 3},
    {"loop0", S_IFBLK, 7, 0},
};

static long make_node(long i)
{
	return mknod("/tmp/node", nodes[i].type | 0666, makedev(nodes[i].major, nodes[i].minor));
}

static long open_node(long i)
{
	char path[64];
	snprintf(path, sizeof(path), "/work/nodes/%s", nodes[i].name);
	return open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

static void try_devices(struct json_out *o)
{
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		char key[32];
		snprintf(key, sizeof(key), "mknod %s", nodes[i].name);
		put(o, key, make_node, (long)i);
		(void)!unlink("/tmp/node");
		snprintf(key, sizeof(key), "open %s", nodes[i].name);
		put(o, key, open_node, (long)i);
	}
}

static void try_families(struct json_out *o)
{
	for (int i = 0; i <= 45; i++)
		put_number(o, i, any_family);
}

static void try_netlink(struct json_out *o)
{
	for (int i = 0; i <= 22; i++)
		put_number(o, i, any_netlink);
}

static void try_syscalls(struct json_out *o)
{
	for (int i = 0; i < SYSCALLS; i++)
		put_number(o, i, any_call);
}

void attempts_put(struct json_out *o, const char *kind)
{
	static const struct {
		const char *kind;
		void (*run)(struct json_out *o);
	} kinds[] = {
	    {"namespaces", try_namespaces}, {"terminal", try_terminal}, {"devices", try_devices},
	    {"families", try_families},	    {"netlink", try_netlink},	{"syscalls", try_syscalls},
	    {"roots", roots_put},	    {"escapes", escapes_put},
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_eq(kind, kinds[i].kind))
			continue;
		json_key(o, kind);
		json_open_obj(o);
		kinds[i].run(o);
		json_close_obj(o);
		return;
	}
}
