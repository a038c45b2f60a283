// SPDX-License-Identifier: Apache-2.0
// Cgroups: the parsers and conversions from text alone, then a real cgroup in every hierarchy of this
// machine, when we are root.
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include "lib/base/proc.h"
#include "lib/base/str.h"
#include "lib/base/test.h"
#include "joblet-runtime/cgroup_internal.h"

static const char HYBRID_SELF[] =
    "9:name=systemd:/\n8:pids:/\n4:memory:/deep/one\n2:cpu,cpuacct:/\n1:misc:/\n0::/\n";
static const char HYBRID_MOUNTS[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 /part /mnt/part rw - cgroup cgroup rw,memory\n"
    "36 31 0:32 / /sys/fs/cgroup/me\\040mory rw,relatime - cgroup cgroup rw,memory\n"
    "37 31 0:32 /other /mnt/other rw - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "garbage - cgroup\n";

static struct cgroup *parse(const char *self, const char *mounts, int *rc)
{
	struct cgroup *c = xcalloc(1, sizeof(*c));
	struct err e = {0};
	*rc = cgroup_layout_parse(self, mounts, c, &e);
	if (*rc == 0)
		*rc = cgroup_path_parse("/joblet-test/x", c, &e);
	return c;
}

static void test_layout(void)
{
	int rc = 0;
	cleanup_cgroup struct cgroup *c = parse(HYBRID_SELF, HYBRID_MOUNTS, &rc);
	test_is_int(rc, 0, "hybrid parses");
	test_is_int(c->layout, CGROUP_HYBRID, "hybrid is hybrid");
	test_is_int(c->hier_count, 5, "five hierarchies; the one that is mounted nowhere is left out");
	test_is_str(c->hier[0].name, "name=systemd", "a named hierarchy counts");
	test_is_str(c->hier[2].mount, "/sys/fs/cgroup/me mory",
		    "the mount of the whole hierarchy wins, unescaped");
	test_is_str(c->hier[2].root, "", "its root is the hierarchy's");
	test_is_str(c->hier[3].name, "cpu,cpuacct", "joint controllers are one hierarchy");
	test_ok(c->hier[4].v2, "the unified tree is the last");
	test_ok(c->hier[3].dev == makedev(0, 29), "the device number is kept");

	cleanup_cgroup struct cgroup *v2 =
	    parse("0::/user.slice\n", "1 2 0:26 / /sys/fs/cgroup rw - cgroup2 none rw,nsdelegate\n", &rc);
	test_ok(rc == 0 && v2->layout == CGROUP_V2 && v2->hier_count == 1, "v2 alone");
	cleanup_cgroup struct cgroup *v1 =
	    parse("1:cpu:/\n0::/\n", "1 2 0:26 / /c rw - cgroup none rw,cpu\n", &rc);
	test_ok(rc == 0 && v1->layout == CGROUP_V1 && v1->hier_count == 1,
		"v1 alone, the unified tree not mounted");
	cleanup_cgroup struct cgroup *part =
	    parse("1:cpu:/\n", "1 2 0:26 /box /c rw - cgroup none rw,cpu\n", &rc);
	test_ok(rc == 0 && str_eq(part->hier[0].root, "/box"), "a part of a hierarchy keeps its root");
	cleanup_cgroup struct cgroup *outside =
	    parse("1:cpu:/\n", "1 2 0:26 /../.. /c rw - cgroup none rw,cpu\n", &rc);
	test_is_int(rc, -ENODEV, "a mount from outside of the namespace is none (%zu)", outside->hier_count);
	cleanup_cgroup struct cgroup *none = parse("0::/\n", "", &rc);
	test_is_int(rc, -ENODEV, "no cgroup mount is an error (%zu)", none->hier_count);
	cleanup_cgroup struct cgroup *bad = parse("nonsense\n", "", &rc);
	test_is_int(rc, -EINVAL, "a line without colons is an error (%zu)", bad->hier_count);
	cleanup_cgroup struct cgroup *word =
	    parse("1:cpu:/\n", "1 2 0:26 / /c rw - cgroup none rw,cpuset\n", &rc);
	test_is_int(rc, -ENODEV, "cpu is not cpuset (%zu)", word->hier_count);
}

static void test_paths(void)
{
	static const char *const good[] = {"a", "/a", "/joblet/0123-4567", "a.slice/b:c", "a/..b/c"};
	static const char *const bad[] = {"",  "/",	"a//b", "/a/",	 "a/../b", "..",
					  ".", "a/./b", "a\nb", "a\x7f", "//a"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup_cgroup struct cgroup *c = xcalloc(1, sizeof(*c));
		test_is_int(cgroup_path_parse(good[i], c, NULL), 0, "path %s is good", good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_cgroup struct cgroup *c = xcalloc(1, sizeof(*c));
		test_is_int(cgroup_path_parse(bad[i], c, NULL), -EINVAL, "path '%s' is refused", bad[i]);
	}
	char longest[CGROUP_PATH_MAX + 2];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	cleanup_cgroup struct cgroup *c = xcalloc(1, sizeof(*c));
	test_is_int(cgroup_path_parse(longest, c, NULL), -EINVAL, "too long a path is refused");
	longest[300] = '\0';
	test_is_int(cgroup_path_parse(longest, c, NULL), -ENAMETOOLONG, "too long a component is refused");
}

static void test_verify_text(void)
{
	int rc = 0;
	struct err e = {0};
	cleanup_cgroup struct cgroup *c =
	    parse("3:cpu:/\n2:name=systemd:/\n0::/\n",
		  "1 2 0:1 /box /c rw - cgroup none rw,cpu\n1 2 0:2 / /s rw - cgroup none rw,name=systemd\n"
		  "1 2 0:3 / /u rw - cgroup2 none rw\n",
		  &rc);
	test_is_int(cgroup_verify_text(
			c, "3:cpu:/box/joblet-test/x\n2:name=systemd:/joblet-test/x\n0::/joblet-test/x\n",
			&e),
		    0, "every hierarchy as wanted");
	test_is_int(cgroup_verify_text(c, "3:cpu:/box/joblet-test/x\n2:name=systemd:/joblet-test/x\n0::/\n",
				       &e),
		    -EPERM, "one left in the unified root: %s", e.msg);
	test_is_int(cgroup_verify_text(c, "3:cpu:/box/joblet-test/x\n0::/joblet-test/x\n", &e), -EPERM,
		    "one missing: %s", e.msg);
	test_is_int(cgroup_verify_text(
			c, "3:cpu:/joblet-test/x\n2:name=systemd:/joblet-test/x\n0::/joblet-test/x\n", &e),
		    -EPERM, "the mount's root counts");
	test_is_int(cgroup_verify_text(c, "", &e), -EPERM, "no text is not verified");
}

static void test_conversions(void)
{
	int64_t swap = 0;
	test_is_int(cgroup_v2_weight(2), 1, "2 shares are weight 1");
	test_is_int(cgroup_v2_weight(1024), 39, "1024 shares are weight 39");
	test_is_int(cgroup_v2_weight(262144), 10000, "262144 shares are weight 10000");
	test_is_int(cgroup_v2_weight(UINT64_MAX), 10000, "more is cut");
	test_is_int(cgroup_v2_io_weight(10), 1, "blkio 10 is io 1");
	test_is_int(cgroup_v2_io_weight(1000), 10000, "blkio 1000 is io 10000");
	test_ok(cgroup_v2_swap(300, 100, &swap, NULL) == 0 && swap == 200, "swap alone is the difference");
	test_ok(cgroup_v2_swap(100, 100, &swap, NULL) == 0 && swap == 0, "equal is no swap");
	test_ok(cgroup_v2_swap(-1, 100, &swap, NULL) == 0 && swap == -1, "unlimited stays unlimited");
	test_ok(cgroup_v2_swap(SPEC_UNSET, 100, &swap, NULL) == 0 && swap == SPEC_UNSET,
		"not given is not written");
	test_ok(cgroup_v2_swap(SPEC_UNSET, -1, &swap, NULL) == 0 && swap == -1,
		"unlimited memory unlimits swap");
	test_is_int(cgroup_v2_swap(99, 100, &swap, NULL), -EINVAL, "less than memory is refused");
	test_is_int(cgroup_v2_swap(99, SPEC_UNSET, &swap, NULL), -EINVAL, "swap without memory is refused");
	test_ok(cgroup_page_size_ok("2MB") && cgroup_page_size_ok("1GB") && cgroup_page_size_ok("64KB"),
		"sizes of huge pages");
	test_ok(!cgroup_page_size_ok("2MB/../x") && !cgroup_page_size_ok("") && !cgroup_page_size_ok("MB") &&
		    !cgroup_page_size_ok("2mB"),
		"and what is none");
	test_ok(cgroup_unified_key_ok("memory.high") && !cgroup_unified_key_ok("cgroup.procs") &&
		    !cgroup_unified_key_ok("../memory.high") && !cgroup_unified_key_ok("memory") &&
		    !cgroup_unified_key_ok(".x"),
		"names that unified may write");
}

// The few instructions that the builder emits, run by hand.
static bool run_bpf(const struct bpf_insn *p, uint32_t access, uint32_t type, uint32_t major, uint32_t minor)
{
	uint64_t reg[11] = {0};
	uint32_t ctx[3] = {access << 16 | type, major, minor};
	for (size_t pc = 0, steps = 0; steps < 10000; steps++, pc++) {
		const struct bpf_insn *i = &p[pc];
		uint64_t imm = (uint64_t)(int64_t)i->imm, *dst = &reg[i->dst_reg];
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W: *dst = ctx[i->off / 4]; break;
		case BPF_ALU64 | BPF_MOV | BPF_X: *dst = reg[i->src_reg]; break;
		case BPF_ALU64 | BPF_MOV | BPF_K: *dst = imm; break;
		case BPF_ALU64 | BPF_AND | BPF_K: *dst &= imm; break;
		case BPF_ALU64 | BPF_RSH | BPF_K: *dst >>= imm; break;
		case BPF_JMP | BPF_JNE | BPF_K: pc += *dst != imm ? i->off : 0; break;
		case BPF_JMP | BPF_JSET | BPF_K: pc += *dst & imm ? i->off : 0; break;
		case BPF_JMP | BPF_JA: pc += i->off; break;
		case BPF_JMP | BPF_EXIT: return reg[0] != 0;
		default: test_ok(false, "unknown instruction %#x", i->code); return true;
		}
	}
	return true;
}

#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE
#define M BPF_DEVCG_ACC_MKNOD
#define C BPF_DEVCG_DEV_CHAR
#define B BPF_DEVCG_DEV_BLOCK

static const struct spec_device_rule job_rules[] = {
    {false, 'a', -1, -1, true, true, true}, {true, 'c', 1, 3, true, true, false},
    {true, 'c', 136, -1, true, true, true}, {true, 'c', -1, -1, false, false, true},
    {true, 'c', 1, 5, true, false, false},  {true, 'c', 1, 5, false, true, false},
};

static void test_devices(void)
{
	struct bpf_insn *p = NULL;
	size_t n = 0;
	test_is_int(cgroup_bpf_build(job_rules, ARRAY_LEN(job_rules), &p, &n, NULL), 0,
		    "the program is built");
	test_ok(run_bpf(p, R | W, C, 1, 3), "null may be read and written");
	test_ok(!run_bpf(p, R, B, 1, 3), "a block device of the same numbers may not");
	test_ok(!run_bpf(p, R, C, 1, 1), "mem may not be read");
	test_ok(run_bpf(p, M, C, 1, 1), "any character device may be made");
	test_ok(!run_bpf(p, M, B, 8, 0), "no block device may be made");
	test_ok(run_bpf(p, R | W | M, C, 136, 77), "a minor of all");
	test_ok(run_bpf(p, R | W, C, 1, 5), "two rules together allow both kinds of access");
	test_ok(!run_bpf(p, R | W, C, 1, 1), "none for the rest");
	free(p);

	static const struct spec_device_rule deny[] = {{false, 'b', 8, -1, false, true, false},
						       {true, 'b', 8, 1, true, true, true}};
	test_is_int(cgroup_bpf_build(deny, 2, &p, &n, NULL), 0, "rules without a rule for all");
	test_ok(run_bpf(p, R, B, 8, 0), "what no rule names is allowed as before");
	test_ok(!run_bpf(p, R | W, B, 8, 0), "a denied kind of access denies the whole");
	test_ok(run_bpf(p, R | W, B, 8, 1), "the later rule counts");
	free(p);

	static const struct spec_device_rule hole[] = {{false, 'a', -1, -1, true, true, true},
						       {true, 'c', 1, -1, true, true, true},
						       {false, 'c', 1, 1, true, true, true}};
	test_is_int(cgroup_v1_devices_check(hole, 3, NULL), -ENOTSUP, "v1 refuses what it would lose");
	test_is_int(cgroup_v1_devices_check(job_rules, ARRAY_LEN(job_rules), NULL), 0,
		    "v1 takes the rules of a job");
	test_is_int(cgroup_bpf_build(hole, 3, &p, &n, NULL), 0, "v2 takes the hole");
	test_ok(run_bpf(p, R, C, 1, 3) && !run_bpf(p, R, C, 1, 1), "and keeps it");
	free(p);
	cleanup_free struct spec_device_rule *many = xcalloc(2000, sizeof(*many));
	for (int i = 0; i < 2000; i++)
		many[i] = (struct spec_device_rule){true, 'c', 1, i, true, true, true};
	test_is_int(cgroup_bpf_build(many, 2000, &p, &n, NULL), -E2BIG, "too many rules are refused");
}

static struct spec_resources no_resources(void)
{
	const int64_t u = SPEC_UNSET;
	return (struct spec_resources){.memory_limit = u,
				       .memory_reservation = u,
				       .memory_swap = u,
				       .memory_kernel_tcp = u,
				       .memory_swappiness = u,
				       .memory_disable_oom_killer = u,
				       .memory_use_hierarchy = u,
				       .cpu_shares = u,
				       .cpu_quota = u,
				       .cpu_period = u,
				       .cpu_burst = u,
				       .cpu_realtime_runtime = u,
				       .cpu_realtime_period = u,
				       .cpu_idle = u,
				       .pids_limit = u,
				       .blkio_weight = u,
				       .blkio_leaf_weight = u,
				       .net_class_id = u};
}

// A child that says when it is there and then waits to be killed.
static pid_t start_child(void)
{
	int pipefd[2];
	char byte = 0;
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!write(pipefd[1], "x", 1);
		for (;;)
			pause();
	}
	(void)close(pipefd[1]);
	(void)!read(pipefd[0], &byte, 1);
	(void)close(pipefd[0]);
	return pid;
}

static void test_limits(struct cgroup *c)
{
	struct err e = {0};
	struct spec_resources r = no_resources();
	r.memory_limit = r.memory_swap = 64 << 20;
	r.memory_reservation = 32 << 20;
	r.pids_limit = 7;
	r.cpu_shares = 512;
	r.cpu_quota = 50000;
	r.cpu_period = 100000;
	r.cpu_burst = 10000;
	r.cpuset_cpus = "0";
	r.cpuset_mems = "0";
	r.devices = (struct spec_device_rule *)job_rules;
	r.device_count = ARRAY_LEN(job_rules);
	test_is_int(cgroup_apply(c, &r, &e), 0, "limits are taken %s", e.msg);

	r.memory_limit = r.memory_swap = 128 << 20;
	r.memory_reservation = SPEC_UNSET;
	r.cpu_quota = 5000;
	r.cpu_period = 20000;
	r.cpu_burst = 100;
	test_is_int(cgroup_apply(c, &r, &e), 0, "raised, shorter period %s", e.msg);
	r.memory_limit = 32 << 20;
	r.memory_swap = 48 << 20;
	r.cpu_quota = -1;
	r.cpu_burst = 0;
	test_is_int(cgroup_apply(c, &r, &e), 0, "lowered, no quota %s", e.msg);
	r = no_resources();
	r.memory_limit = -1;
	r.pids_limit = -1;
	test_is_int(cgroup_apply(c, &r, &e), 0, "unlimited %s", e.msg);
	r = no_resources();
	r.cpuset_cpus = "4000";
	test_ok(cgroup_apply(c, &r, &e) < 0 && strstr(e.msg, "cpuset.cpus"),
		"a CPU that is not there is refused: %s", e.msg);
	r = no_resources();
	r.net_class_id = 5;
	e.msg[0] = '\0';
	bool have = false;
	for (size_t i = 0; i < c->hier_count; i++)
		have = have || cgroup_has_word(c->hier[i].name, "net_cls");
	int rc = cgroup_apply(c, &r, &e);
	test_ok(have ? rc == 0 : rc == -ENOTSUP && strstr(e.msg, "net_cls"),
		"net_cls is set, or named when it is not there: %s", e.msg);
	static struct spec_kv procs = {"cgroup.procs", "1"};
	r = no_resources();
	r.unified = &procs;
	r.unified_count = 1;
	test_ok(cgroup_apply(c, &r, &e) < 0, "unified cannot move processes: %s", e.msg);
	r = no_resources();
	r.pids_limit = 3;
	test_is_int(cgroup_apply(c, &r, &e), 0, "pids again %s", e.msg);
}

// In the cgroup: does the fork limit hold, are devices refused? The answers come as exit status bits.
static int probe(struct cgroup *c)
{
	pid_t pid = fork();
	if (pid == 0) {
		int bad = cgroup_join(c, 0, NULL) < 0 ? 1 : 0;
		cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		bad |= null < 0 ? 2 : 0;
		cleanup_close int denied = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
		bad |= denied >= 0 || errno != EPERM ? 4 : 0;
		pid_t children[4];
		int made = 0;
		while (made < 4 && (children[made] = fork()) > 0)
			made++;
		if (made < 4 && children[made] == 0)
			for (;;)
				pause();
		bad |= made != 2 ? 8 : 0; // with us, three
		while (made > 0)
			(void)kill(children[--made], SIGKILL);
		while (waitpid(-1, NULL, 0) > 0) // until then they are in the cgroup
			;
		_exit(bad);
	}
	int status = 0;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_freeze(struct cgroup *c)
{
	struct err e = {0};
	test_ok(!cgroup_is_frozen(c), "it is not frozen");
	test_is_int(cgroup_freeze(c, true, &e), 0, "freezing %s", e.msg);
	test_ok(cgroup_is_frozen(c), "it is frozen");
	test_is_int(cgroup_freeze(c, false, &e), 0, "thawing %s", e.msg);
	test_ok(!cgroup_is_frozen(c), "it is thawed");
}

static void test_processes(struct cgroup *c)
{
	struct err e = {0};
	struct spec_resources r = no_resources();
	r.pids_limit = -1;
	test_is_int(cgroup_apply(c, &r, &e), 0, "no pids limit %s", e.msg);

	pid_t pid = start_child();
	test_is_int(cgroup_join(c, pid, &e), 0, "a child joins %s", e.msg);
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	cleanup_free char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	test_is_int(file_read_fd(fd, 65536, &text, NULL), 0, "its cgroups");
	(void)close(fd);
	test_is_int(cgroup_verify(c, text, &e), 0, "it is in every hierarchy %s", e.msg);
	test_ok(cgroup_create(c, &e) == -EEXIST, "a cgroup with a process is not made again: %s", e.msg);
	pid_t *pids = NULL;
	size_t n = 0;
	test_ok(cgroup_pids(c, &pids, &n, &e) == 0 && n == 1 && pids[0] == pid, "it is the only one");
	free(pids);
	test_freeze(c);

	int status = 0;
	test_is_int(cgroup_kill(c, SIGTERM, &e), 0, "TERM %s", e.msg);
	test_ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
		"arrived");

	pid = fork();
	if (pid == 0) { // a family that is born inside, one of them in a cgroup below
		if (cgroup_join(c, 0, NULL) < 0)
			_exit(1);
		(void)prctl(PR_SET_PDEATHSIG, 0);
		for (int i = 0; i < 3; i++)
			if (fork() == 0)
				for (;;)
					pause();
		(void)kill(getpid(), SIGSTOP);
		_exit(0);
	}
	(void)waitpid(pid, &status, WUNTRACED);
	test_ok(cgroup_pids(c, &pids, &n, &e) == 0 && n == 4, "four processes (%zu)", n);
	free(pids);
	test_is_int(cgroup_freeze(c, true, &e), 0, "frozen before the kill %s", e.msg);
	test_is_int(cgroup_kill(c, SIGKILL, &e), 0, "KILL of frozen and stopped ones %s", e.msg);
	test_ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"arrived");
	test_is_int(cgroup_remove(c, &e), 0, "it goes with its last process %s", e.msg);
	for (int i = 0; i < 3; i++)
		(void)waitpid(-1, NULL, 0); // we are their reaper
	test_is_int(cgroup_remove(c, &e), 0, "again is fine");
	test_is_int(cgroup_kill(c, SIGKILL, &e), 0, "nothing to kill is fine");
}

static void test_clone_into(struct cgroup *c)
{
	struct err e = {0};
	test_is_int(cgroup_create(c, &e), 0, "made again %s", e.msg);
	int fd = cgroup_v2_fd(c);
	if (fd < 0) {
		test_skip("no unified tree: nothing to clone into");
		return;
	}
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		    set_tid_size, cgroup;
	} args = {.flags = 0x200000000ULL /* CLONE_INTO_CGROUP */,
		  .exit_signal = SIGCHLD,
		  .cgroup = (uint64_t)fd};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		for (;;)
			pause();
	test_ok(pid > 0, "clone3 into the cgroup");
	test_is_int(cgroup_join_v1(c, pid, &e), 0, "and joined to the rest %s", e.msg);
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	cleanup_free char *text = NULL;
	int proc = open(path, O_RDONLY | O_CLOEXEC);
	test_is_int(file_read_fd(proc, 65536, &text, NULL), 0, "its cgroups");
	(void)close(proc);
	test_is_int(cgroup_verify(c, text, &e), 0, "it is in every hierarchy %s", e.msg);
	test_is_int(cgroup_kill(c, SIGKILL, &e), 0, "killed");
	(void)waitpid(pid, NULL, 0);
}

static void test_live(void)
{
	struct err e = {0};
	char path[64];
	(void)snprintf(path, sizeof(path), "/joblet-test-%d/a", getpid());
	cleanup_cgroup struct cgroup *c = NULL;
	test_is_int(cgroup_open(path, &c, &e), 0, "opened %s", e.msg);
	if (!c)
		return;
	static const char *const layouts[] = {"v1", "hybrid", "v2"};
	test_ok(true, "this machine is %s with %zu hierarchies", layouts[cgroup_layout(c)], c->hier_count);
	test_is_int(cgroup_create(c, &e), 0, "made %s", e.msg);
	test_limits(c);
	test_is_int(probe(c), 0, "inside: joined by itself, null opens, kmsg does not, two forks of four");
	struct cgroup_usage u;
	cgroup_usage(c, &u);
	test_ok(u.cpu_ns > 0 && u.memory_now >= 0 && u.pids >= 0, "usage: %jd ns, %jd bytes",
		(intmax_t)u.cpu_ns, (intmax_t)u.memory_now);
	test_processes(c);
	test_clone_into(c);
	cleanup_buf struct buf text = {0};
	test_is_int(cgroup_describe(c, &text), 0, "described");
	test_ok(strstr(text.data, path) != NULL, "by directory");

	cleanup_cgroup struct cgroup *below = NULL;
	(void)snprintf(path, sizeof(path), "/joblet-test-%d/a/b/c", getpid());
	test_ok(cgroup_open(path, &below, &e) == 0 && cgroup_create(below, &e) == 0,
		"two more levels below %s", e.msg);
	cleanup_cgroup struct cgroup *parent = NULL;
	(void)snprintf(path, sizeof(path), "/joblet-test-%d", getpid());
	test_is_int(cgroup_open(path, &parent, &e), 0, "its parent");
	test_is_int(cgroup_remove(parent, &e), 0, "is removed with all below %s", e.msg);
	test_is_int(cgroup_kill(c, SIGKILL, &e), 0, "to kill what somebody else removed is fine %s", e.msg);
	test_is_int(cgroup_remove(c, &e), 0, "and so is to remove it %s", e.msg);
	for (size_t i = 0; i < parent->hier_count; i++)
		test_ok(faccessat(parent->hier[i].root_fd, parent->path, F_OK, 0) < 0, "gone from %s",
			parent->hier[i].mount);
}

int main(void)
{
	test_begin();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	test_layout();
	test_paths();
	test_verify_text();
	test_conversions();
	test_devices();
	if (geteuid() == 0 && access("/sys/fs/cgroup", W_OK) == 0)
		test_live();
	else
		test_skip("live cgroups need root");
	while (waitpid(-1, NULL, 0) > 0)
		;
	return test_end();
}
