// SPDX-License-Identifier: Apache-2.0
// bare [-c CONTROLLER DIRECTORY]… UID ROOT WORK ETC COMMAND…: an isolated start with the isolation of a plain
// job (specs/bundle.md), and nothing but its system calls: no bundle is read, nothing is remembered, checked,
// read back or explained. What joblet-runtime takes longer than this is the price of those.
//
// The host's ids UID and UID + 1 are 0 and 65534 inside; ROOT is the root, WORK and ETC/{hosts,hostname,
// resolv.conf} are bound into it. Each DIRECTORY is made as a cgroup, entered, and removed.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hack/bench/tool/tool.h"

#define GROUPS_MAX  16
#define FILTER_SIZE 487 // what the profile of plain jobs compiles to
#define NOBODY	    65534
#define FLAGS	    (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct cgroup {
	const char *controller, *dir;
	int fd; // v2: the directory, v1: `tasks`
};

static struct cgroup groups[GROUPS_MAX];
static size_t group_count;

static void must(long rc, const char *what)
{
	if (rc < 0)
		fail(what);
}

static void write_file(int dirfd, const char *path, const char *text)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	must(fd, path);
	must(write(fd, text, strlen(text)), path);
	close(fd);
}

// From the cgroup above: fewer would make the kernel set up its scheduling anew.
static void inherit(int dirfd, const char *file)
{
	char path[32], text[256];

	snprintf(path, sizeof(path), "../%s", file);
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	must(fd, path);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	must(n, path);
	text[n] = 0;
	close(fd);
	write_file(dirfd, file, text);
}

static void limit(const struct cgroup *g, int dir)
{
	static const char *const devices[] = {"c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
					      "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"};
	if (strstr(g->controller, "pids"))
		write_file(dir, "pids.max", "512");
	if (strstr(g->controller, "devices")) {
		write_file(dir, "devices.deny", "a");
		for (size_t i = 0; i < ARRAY_LEN(devices); i++)
			write_file(dir, "devices.allow", devices[i]);
	}
	if (strstr(g->controller, "cpuset")) {
		inherit(dir, "cpuset.cpus");
		inherit(dir, "cpuset.mems");
	}
}

static void make_group(struct cgroup *g)
{
	must(mkdir(g->dir, 0755), g->dir);
	int dir = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir, g->dir);
	limit(g, dir);
	if (!*g->controller) {
		g->fd = dir;
		return;
	}
	g->fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
	must(g->fd, "tasks");
	close(dir);
}

static void put(const char *root, const char *source, const char *to, const char *type, unsigned long flags,
		const char *data)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", root, to);
	must(mount(source, path, type, flags, data), path);
	if (flags & MS_BIND && flags & ~(unsigned long)MS_BIND)
		must(mount(NULL, path, NULL, flags | MS_REMOUNT, NULL), path);
}

static void put_devices(const char *root)
{
	static const char *const names[] = {"null", "zero", "full", "tty", "random", "urandom"};
	static const char *const links[][2] = {{"/proc/self/fd", "fd"},
					       {"/proc/self/fd/0", "stdin"},
					       {"/proc/self/fd/1", "stdout"},
					       {"/proc/self/fd/2", "stderr"},
					       {"pts/ptmx", "ptmx"}};
	char path[4096], from[16];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/dev/%s", root, names[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		must(fd, path);
		close(fd);
		snprintf(from, sizeof(from), "/dev/%s", names[i]);
		must(mount(from, path, NULL, MS_BIND, NULL), path);
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		snprintf(path, sizeof(path), "%s/dev/%s", root, links[i][1]);
		must(symlink(links[i][0], path), path);
	}
}

static void put_masks(const char *root)
{
	static const char *const hidden[] = {"config.gz",  "interrupts", "kallsyms",	"kcore",
					     "key-users",  "keys",	 "kmsg",	"kpagecgroup",
					     "kpagecount", "kpageflags", "modules",	"sched_debug",
					     "slabinfo",   "timer_list", "timer_stats", "vmallocinfo",
					     "zoneinfo"};
	static const char *const fixed[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};
	char path[4096];

	for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
		snprintf(path, sizeof(path), "%s/proc/%s", root, hidden[i]);
		if (mount("/dev/null", path, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			fail(path);
	}
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		snprintf(path, sizeof(path), "%s%s", root, fixed[i]);
		put(root, path, fixed[i], NULL, MS_BIND | MS_RDONLY | FLAGS, NULL);
	}
}

static void put_all(const char *root, const char *work, const char *etc)
{
	static const char *const files[] = {"/hosts", "/hostname", "/resolv.conf"};
	char from[4096], to[32];

	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "/");
	put(root, root, "", NULL, MS_BIND, NULL);
	put(root, "proc", "/proc", "proc", FLAGS, NULL);
	put(root, "tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,mode=755");
	snprintf(from, sizeof(from), "%s/dev/pts", root);
	must(mkdir(from, 0755), from);
	snprintf(from, sizeof(from), "%s/dev/shm", root);
	must(mkdir(from, 0755), from);
	snprintf(from, sizeof(from), "%s/dev/mqueue", root);
	must(mkdir(from, 0755), from);
	put(root, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	    "newinstance,ptmxmode=0666,mode=0620");
	put(root, "tmpfs", "/dev/shm", "tmpfs", FLAGS, "size=64m,mode=1777");
	put(root, "mqueue", "/dev/mqueue", "mqueue", FLAGS, NULL);
	put(root, "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,nr_inodes=16k,mode=1777");
	put(root, "tmpfs", "/run", "tmpfs", FLAGS, "size=1m,mode=755");
	put(root, "tmpfs", "/volumes", "tmpfs", FLAGS, "size=64k,mode=755");
	put(root, work, "/work", NULL, MS_BIND | MS_NOSUID | MS_NODEV, NULL);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(from, sizeof(from), "%s%s", etc, files[i]);
		snprintf(to, sizeof(to), "/etc%s", files[i]);
		put(root, from, to, NULL, MS_BIND | MS_RDONLY | FLAGS, NULL);
	}
	put_devices(root);
	put_masks(root);
	must(mount(NULL, root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "read-only root");
}

static void loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd, "socket");
	must(ioctl(fd, SIOCSIFFLAGS, &r), "lo");
	close(fd);
}

static void set_limits(void)
{
	static const struct {
		int what;
		rlim_t soft, hard;
	} limits[] = {{RLIMIT_CORE, 1, 1},
		      {RLIMIT_NOFILE, 1024, 4096},
		      {RLIMIT_MEMLOCK, 65536, 65536},
		      {RLIMIT_MSGQUEUE, 0, 0},
		      {RLIMIT_RTPRIO, 0, 0},
		      {RLIMIT_NICE, 0, 0},
		      {RLIMIT_SIGPENDING, 1024, 1024}};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit r = {limits[i].soft, limits[i].hard};
		must(setrlimit(limits[i].what, &r), "rlimit");
	}
}

static void drop_rights(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding set");
	must(prctl(PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0), "securebits");
	must(setresgid(NOBODY, NOBODY, NOBODY), "gid");
	must(setresuid(NOBODY, NOBODY, NOBODY), "uid");
	must(syscall(SYS_capset, &head, none), "capset");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

// As long as the profile's own, and it allows everything.
static void load_filter(void)
{
	static struct sock_filter code[FILTER_SIZE];
	struct sock_fprog program = {FILTER_SIZE, code};

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 1; i < FILTER_SIZE - 1; i++)
		code[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x10000 + i, 0, 0);
	code[FILTER_SIZE - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static attr_noreturn void inside(int go, char **args)
{
	char byte;

	must(read(go, &byte, 1), "read");
	for (size_t i = 0; i < group_count; i++)
		if (*groups[i].controller)
			must(write(groups[i].fd, "0", 1), groups[i].dir);
	must(setresgid(0, 0, 0), "gid");
	must(setresuid(0, 0, 0), "uid");
	must(setgroups(0, NULL), "groups");
	must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
	must(setsid(), "setsid");
	loopback_up();
	must(sethostname("bare", 4), "hostname");
	umask(0);
	put_all(args[1], args[2], args[3]);
	must(chdir(args[1]), args[1]);
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "old root");
	must(chdir("/work"), "/work");
	umask(022);
	drop_rights();
	set_limits();
	load_filter();
	execvp(args[4], args + 4);
	fail(args[4]);
}

static void write_maps(pid_t pid, unsigned uid)
{
	char dir[32], text[64];

	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	snprintf(text, sizeof(text), "0 %u 1\n%d %u 1\n", uid, NOBODY, uid + 1);
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(fd, dir);
	write_file(fd, "uid_map", text);
	write_file(fd, "gid_map", text);
	write_file(fd, "oom_score_adj", "200");
	close(fd);
}

static int run(char **args)
{
	struct clone_args how = {.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
					  CLONE_NEWNET | CLONE_NEWUSER,
				 .exit_signal = SIGCHLD};
	int go[2], status;

	must(pipe2(go, O_CLOEXEC), "pipe");
	for (size_t i = 0; i < group_count; i++) {
		make_group(&groups[i]);
		if (!*groups[i].controller) {
			how.flags |= CLONE_INTO_CGROUP;
			how.cgroup = (uint64_t)groups[i].fd;
		}
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
	must(pid, "clone3");
	if (pid == 0)
		inside(go[0], args);
	write_maps(pid, (unsigned)strtoul(args[0], NULL, 10));
	must(write(go[1], "", 1), "write");
	must(waitpid(pid, &status, 0), "wait");
	for (size_t i = 0; i < group_count; i++)
		must(rmdir(groups[i].dir), groups[i].dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int bare(char **args)
{
	for (; args[0] && strcmp(args[0], "-c") == 0; args += 3) {
		if (!args[1] || !args[2] || group_count == GROUPS_MAX)
			break;
		groups[group_count++] = (struct cgroup){.controller = args[1], .dir = args[2], .fd = -1};
	}
	for (int i = 0; i < 5; i++) {
		if (!args[i]) {
			fprintf(
			    stderr,
			    "usage: bench-tool bare [-c CONTROLLER DIRECTORY]… UID ROOT WORK ETC COMMAND…\n");
			return 125;
		}
	}
	return run(args);
}
