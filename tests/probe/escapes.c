// SPDX-License-Identifier: Apache-2.0
// Well-known ways out of a container, and into the kernel. Each says what the kernel, or the filter,
// answered; one that got out says "ESCAPED".
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tests/probe/probe.h"

// The root of the container, to recognise another one by.
static struct stat root;

static long elsewhere(void)
{
	struct stat st;
	if (stat(".", &st) != 0)
		return -1;
	if (st.st_dev == root.st_dev && st.st_ino == root.st_ino)
		return 0;
	errno = PROBE_ESCAPED;
	return -1;
}

// A directory descriptor from before a second chroot leads out of it, and ".." goes on from there.
static long chroot_twice(long arg attr_unused)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)!mkdir("/tmp/cell", 0755);
	if (chroot("/tmp/cell") != 0 || fchdir(fd) != 0)
		return -1;
	for (int i = 0; i < 64; i++)
		if (chdir("..") != 0)
			return -1;
	return elsewhere();
}

static long dots(long arg attr_unused)
{
	for (int i = 0; i < 64; i++)
		if (chdir("..") != 0)
			return -1;
	return elsewhere();
}

static long init_root(long arg attr_unused)
{
	return chdir("/proc/1/root") != 0 || chdir("..") != 0 ? -1 : elsewhere();
}

static long init_cwd(long arg attr_unused)
{
	return chdir("/proc/1/cwd/../../../../../..") != 0 ? -1 : elsewhere();
}

// Every descriptor that came along, and ".." from it.
static long inherited(long arg attr_unused)
{
	for (int fd = 0; fd < 1024; fd++)
		if (fchdir(fd) == 0 && dots(0) != 0)
			return -1;
	return 0;
}

// Shocker: inode 2 is the root of most filesystems.
static long by_handle(long arg attr_unused)
{
	struct {
		struct file_handle h;
		uint32_t ino[2];
	} a = {.h = {.handle_bytes = 8, .handle_type = 1}, .ino = {2, 0}};
	int at = open("/work", O_RDONLY | O_CLOEXEC);
	int fd = open_by_handle_at(at, &a.h, O_RDONLY);
	return fd < 0 || fchdir(fd) != 0 ? -1 : elsewhere();
}

static long pivot(long arg attr_unused)
{
	return syscall(SYS_pivot_root, ".", ".");
}

static long mount_tmpfs(long arg attr_unused)
{
	return mount("x", "/tmp", "tmpfs", 0, NULL);
}

static long mount_proc(long arg attr_unused)
{
	return mount("proc", "/tmp", "proc", 0, NULL);
}

static long mount_cgroup(long arg attr_unused)
{
	return mount("x", "/tmp", "cgroup", 0, "memory");
}

static long mount_cgroup2(long arg attr_unused)
{
	return mount("x", "/tmp", "cgroup2", 0, NULL);
}

static long mount_bind(long arg attr_unused)
{
	return mount("/work", "/tmp", NULL, MS_BIND, NULL);
}

static long remount_root(long arg attr_unused)
{
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}

static long unmask(long arg attr_unused)
{
	return umount2("/proc/sys", MNT_DETACH) == 0 || umount2("/proc/kcore", MNT_DETACH) == 0 ? 0 : -1;
}

static long new_fs(long arg attr_unused)
{
	return syscall(SYS_fsopen, "tmpfs", 0);
}

static long clone_tree(long arg attr_unused)
{
	return syscall(SYS_open_tree, AT_FDCWD, "/", 1);
}

static long become_root(long arg attr_unused)
{
	return setuid(0);
}

static long other_groups(long arg attr_unused)
{
	gid_t g = 0;
	return setgroups(1, &g);
}

static long trace(long arg attr_unused)
{
	return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long peek(long arg attr_unused)
{
	char here[8], *there = (char *)(uintptr_t)0x400000;
	struct iovec a = {here, sizeof(here)}, b = {there, sizeof(here)};
	return syscall(SYS_process_vm_readv, getppid(), &a, 1, &b, 1, 0);
}

static long key_add(long arg attr_unused)
{
	return syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_SESSION_KEYRING);
}

static long key_clear(long arg attr_unused)
{
	return syscall(SYS_keyctl, KEYCTL_CLEAR, KEY_SPEC_SESSION_KEYRING);
}

static long key_search(long arg attr_unused)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "probe", 0);
}

static long kernel_log(long arg attr_unused)
{
	return klogctl(10, NULL, 0);
}

static long load_bpf(long arg attr_unused)
{
	char attr[128] = {0};
	return syscall(SYS_bpf, 0, attr, sizeof(attr));
}

static long count_events(long arg attr_unused)
{
	char attr[128] = {0};
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}

static long rings(long arg attr_unused)
{
	char params[128] = {0};
	return syscall(SYS_io_uring_setup, 1, params);
}

static long faults(long arg attr_unused)
{
	return syscall(SYS_userfaultfd, 0);
}

static long swaps(long arg attr_unused)
{
	return swapoff("/work/none");
}

static long clock_set(long arg attr_unused)
{
	struct timeval t = {1, 0};
	return settimeofday(&t, NULL);
}

static long host_name(long arg attr_unused)
{
	return sethostname("x", 1);
}

static long module(long arg attr_unused)
{
	return syscall(SYS_init_module, "", 0, "");
}

static long ports(long arg attr_unused)
{
	return syscall(SYS_iopl, 3);
}

static long core_limit(long arg attr_unused)
{
	struct rlimit r = {0, 0};
	return setrlimit(RLIMIT_CORE, &r);
}

static long i386_call(long arg attr_unused)
{
	long rc = 20; // getpid there
	__asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9", "r10", "r11");
	return rc > 0 ? 0 : -1;
}

static long x32_call(long arg attr_unused)
{
	return syscall(0x40000000L + SYS_getpid);
}

static long exe_write(const char *path)
{
	char link[64];
	int fd = open(path, O_PATH | O_CLOEXEC);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : open(link, O_WRONLY | O_CLOEXEC);
}

static long own_exe(long arg attr_unused)
{
	return exe_write("/proc/self/exe");
}

static long init_exe(long arg attr_unused)
{
	return exe_write("/proc/1/exe");
}

#define ROOTS 5 // the first of these, which change nothing but this process

static const struct {
	const char *name;
	probe_attempt *run;
} ways[] = {
    {"..", dots},
    {"chroot twice", chroot_twice},
    {"/proc/1/root", init_root},
    {"/proc/1/cwd", init_cwd},
    {"inherited descriptor", inherited},
    {"open_by_handle_at", by_handle},
    {"pivot_root", pivot},
    {"mount tmpfs", mount_tmpfs},
    {"mount proc", mount_proc},
    {"mount cgroup", mount_cgroup},
    {"mount cgroup2", mount_cgroup2},
    {"mount --bind", mount_bind},
    {"remount /", remount_root},
    {"umount a mask", unmask},
    {"fsopen", new_fs},
    {"open_tree", clone_tree},
    {"setuid 0", become_root},
    {"setgroups", other_groups},
    {"ptrace", trace},
    {"process_vm_readv", peek},
    {"add_key", key_add},
    {"keyctl clear", key_clear},
    {"keyctl search", key_search},
    {"syslog", kernel_log},
    {"bpf", load_bpf},
    {"perf_event_open", count_events},
    {"io_uring_setup", rings},
    {"userfaultfd", faults},
    {"swapoff", swaps},
    {"settimeofday", clock_set},
    {"sethostname", host_name},
    {"init_module", module},
    {"iopl", ports},
    {"setrlimit core", core_limit},
    {"write /proc/self/exe", own_exe},
    {"write /proc/1/exe", init_exe},
    {"int 0x80", i386_call},
    {"x32", x32_call},
};

static void put_ways(struct json_out *o, size_t n)
{
	if (stat("/", &root) != 0)
		return;
	for (size_t i = 0; i < n; i++)
		json_kv_str(o, ways[i].name, probe_outcome(ways[i].run, 0));
}

void roots_put(struct json_out *o)
{
	put_ways(o, ROOTS);
}

void escapes_put(struct json_out *o)
{
	put_ways(o, ARRAY_LEN(ways));
}
