// SPDX-License-Identifier: Apache-2.0
// Seccomp: compiled programs are run by a small BPF machine here, so that nothing needs root; at the end the
// profile of jobs is loaded for real in a child.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "lib/base/str.h"
#include "lib/base/test.h"
#include "joblet-runtime/seccomp_internal.h"

// Runs a program as the kernel does. UINT32_MAX when it does what the kernel would refuse.
static uint32_t run_bpf(const struct buf *program, const struct seccomp_data *data)
{
	const struct sock_filter *p = (const void *)program->data;
	size_t n = program->len / sizeof(*p);
	uint32_t a = 0;
	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &p[pc];
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k > sizeof(*data) - 4 || i->k % 4)
				return UINT32_MAX;
			memcpy(&a, (const char *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K: a &= i->k; break;
		case BPF_JMP | BPF_JA: pc += i->k; break;
		case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i->k ? i->jt : i->jf; break;
		case BPF_JMP | BPF_JGT | BPF_K: pc += a > i->k ? i->jt : i->jf; break;
		case BPF_JMP | BPF_JGE | BPF_K: pc += a >= i->k ? i->jt : i->jf; break;
		case BPF_JMP | BPF_JSET | BPF_K: pc += a & i->k ? i->jt : i->jf; break;
		case BPF_RET | BPF_K: return i->k;
		default: return UINT32_MAX;
		}
	}
	return UINT32_MAX;
}

static uint32_t ask_arch(const struct seccomp_program *p, uint32_t arch, int nr, uint64_t a0, uint64_t a1,
			 uint64_t a2)
{
	struct seccomp_data d = {.nr = nr, .arch = arch, .args = {a0, a1, a2}};
	return run_bpf(&p->bpf, &d);
}

#define ask(p, nr, ...) ask_arch(p, seccomp_arch_native(), nr, __VA_ARGS__)

#define ALLOW	SECCOMP_RET_ALLOW
#define FAIL(n) (SECCOMP_RET_ERRNO | (n))

// The rows of the profile as the structs that spec_parse makes.
#define ARG(i, o, v, w)                                                                                      \
	{                                                                                                    \
		.index = (i), .op = "SCMP_CMP_" #o, .value = (v), .value_two = (w)                           \
	}
#define ROW(action_, errno_, n, ...)                                                                         \
	{.action = "SCMP_ACT_" action_,                                                                      \
	 .errno_ret = (errno_),                                                                              \
	 .arg_count = (n),                                                                                   \
	 .args = (struct spec_seccomp_arg[]){__VA_ARGS__}},
#define SECCOMP_ALLOW(name)		    ROW("ALLOW", SPEC_UNSET, 0, {0})
#define SECCOMP_ALLOW_ARG(name, i, o, v, w) ROW("ALLOW", SPEC_UNSET, 1, ARG(i, o, v, w))
#define SECCOMP_ALLOW_ARG2(name, i, o, v, w, i2, o2, v2, w2)                                                 \
	ROW("ALLOW", SPEC_UNSET, 2, ARG(i, o, v, w), ARG(i2, o2, v2, w2))
#define SECCOMP_ERRNO(name, n)		       ROW("ERRNO", n, 0, {0})
#define SECCOMP_ERRNO_ARG(name, n, i, o, v, w) ROW("ERRNO", n, 1, ARG(i, o, v, w))
#define SECCOMP_ERRNO_ARG2(name, n, i, o, v, w, i2, o2, v2, w2)                                              \
	ROW("ERRNO", n, 2, ARG(i, o, v, w), ARG(i2, o2, v2, w2))
static struct spec_syscall profile_rows[] = {
#include "specs/seccomp.def"
};
#define SECCOMP_ALLOW(name)	      #name,
#define SECCOMP_ALLOW_ARG(name, ...)  #name,
#define SECCOMP_ALLOW_ARG2(name, ...) #name,
#define SECCOMP_ERRNO(name, ...)      #name,
#define SECCOMP_ERRNO_ARG(name, ...)  #name,
#define SECCOMP_ERRNO_ARG2(name, ...) #name,
static const char *profile_names[] = {
#include "specs/seccomp.def"
};

static struct spec_seccomp profile(void)
{
	for (size_t i = 0; i < ARRAY_LEN(profile_rows); i++) {
		profile_rows[i].names = &profile_names[i];
		profile_rows[i].name_count = 1;
	}
	return (struct spec_seccomp){.default_action = "SCMP_ACT_ERRNO",
				     .default_errno_ret = EPERM,
				     .syscalls = profile_rows,
				     .syscall_count = ARRAY_LEN(profile_rows)};
}

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void test_profile_calls(const struct seccomp_program *p)
{
	static const int allowed[] = {SYS_read,	 SYS_write,	 SYS_execve, SYS_openat, SYS_mmap,
				      SYS_futex, SYS_exit_group, SYS_wait4,  462};
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		test_is_int(ask(p, allowed[i], 0, 0, 0), ALLOW, "system call %d is allowed", allowed[i]);
	static const int denied[] = {SYS_mount,
				     SYS_umount2,
				     SYS_unshare,
				     SYS_setns,
				     SYS_bpf,
				     SYS_ptrace,
				     SYS_keyctl,
				     SYS_add_key,
				     SYS_request_key,
				     SYS_perf_event_open,
				     SYS_userfaultfd,
				     SYS_kexec_load,
				     SYS_init_module,
				     SYS_reboot,
				     SYS_chroot,
				     SYS_pivot_root,
				     SYS_open_by_handle_at,
				     SYS_io_uring_setup,
				     SYS_process_vm_readv,
				     SYS_fsopen,
				     SYS_move_mount,
				     SYS_open_tree,
				     SYS_mount_setattr,
				     SYS_quotactl,
				     SYS_syslog,
				     SYS_sethostname,
				     SYS_settimeofday,
				     SYS_pidfd_getfd,
				     SYS_fanotify_init,
				     SYS_name_to_handle_at};
	for (size_t i = 0; i < ARRAY_LEN(denied); i++)
		test_is_int(ask(p, denied[i], 0, 0, 0), FAIL(EPERM), "system call %d fails with EPERM",
			    denied[i]);
	test_is_int(ask(p, SYS_clone3, 0, 0, 0), FAIL(ENOSYS), "clone3 is not there");
	test_is_int(ask(p, 467, 0, 0, 0), FAIL(ENOSYS), "what is newer than the profile is not there");
	test_is_int(ask(p, 9999, 0, 0, 0), FAIL(ENOSYS), "nor what nobody knows");
	int killed = 0;
	for (int nr = 0; nr < 600; nr++)
		killed += (ask(p, nr, 0, 0, 0) & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_PROCESS ||
			  ask(p, nr, 0, 0, 0) == UINT32_MAX;
	test_is_int(killed, 0, "no number of this architecture kills");
}

static void test_profile_args(const struct seccomp_program *p)
{
	static const uint32_t requests[] = {0x5412, 0x541c, 0x5423, 0x401c5820};
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		test_is_int(ask(p, SYS_ioctl, 0, requests[i], 0), FAIL(EPERM), "ioctl %#x", requests[i]);
		test_is_int(ask(p, SYS_ioctl, 0, requests[i] + (1ULL << 32), 0), FAIL(EPERM),
			    "ioctl %#x + 2^32", requests[i]);
		test_is_int(ask(p, SYS_ioctl, 0, requests[i] | 0xffffffff00000000, 0), FAIL(EPERM),
			    "ioctl %#x, all high bits", requests[i]);
		test_is_int(ask(p, SYS_ioctl, 0, requests[i] + 1, 0), ALLOW, "ioctl %#x + 1", requests[i]);
		test_is_int(ask(p, SYS_ioctl, 0, requests[i] - 1, 0), ALLOW, "ioctl %#x - 1", requests[i]);
	}
	test_is_int(ask(p, SYS_ioctl, 0, 0xffffffff80045430, 0), ALLOW, "ioctl with a sign-extended request");
	for (uint64_t family = 0; family < 46; family++) {
		bool good =
		    family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
		test_is_int(ask(p, SYS_socket, family, SOCK_RAW, 0), good ? ALLOW : FAIL(EPERM),
			    "socket family %d", (int)family);
	}
	int passed = 0;
	for (uint64_t protocol = 1; protocol < 64; protocol++)
		passed += ask(p, SYS_socket, AF_NETLINK, SOCK_RAW, protocol) == ALLOW;
	test_is_int(passed, 0, "no netlink but for routes");
	test_is_int(ask(p, SYS_socket, (38ULL << 32) | 1, 0, 0), ALLOW, "a family is an int");
	test_is_int(ask(p, SYS_socketpair, AF_UNIX, 0, 0), ALLOW, "socketpair unix");
	test_is_int(ask(p, SYS_socketpair, 30, 0, 0), FAIL(EPERM), "socketpair tipc");
	static const uint64_t flags[] = {0x00020000, 0x02000000, 0x04000000, 0x08000000,
					 0x10000000, 0x20000000, 0x40000000};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		test_is_int(ask(p, SYS_clone, flags[i] | SIGCHLD, 0, 0), FAIL(EPERM), "clone with %#jx",
			    (uintmax_t)flags[i]);
	test_is_int(ask(p, SYS_clone, 0x003d0f00, 0, 0), ALLOW, "clone of a thread");
	test_is_int(ask(p, SYS_personality, 0x0040000, 0, 0), FAIL(EPERM),
		    "personality without random addresses");
	test_is_int(ask(p, SYS_personality, 0xffffffff, 0, 0), ALLOW, "asking for the personality");
	test_is_int(ask(p, SYS_mknodat, 0, 0, S_IFBLK | 0600), FAIL(EPERM), "mknod of a block device");
	test_is_int(ask(p, SYS_mknodat, 0, 0, S_IFCHR | 0600), FAIL(EPERM), "of a character device");
	test_is_int(ask(p, SYS_mknodat, 0, 0, S_IFIFO | 0600), ALLOW, "of a pipe");
	test_is_int(ask(p, SYS_mknodat, 0, 0, S_IFSOCK | 0600), ALLOW, "of a socket");
	test_is_int(ask(p, SYS_prlimit64, 0, 4, 0), ALLOW, "the core limit may be read");
	test_is_int(ask(p, SYS_prlimit64, 0, 4, 1ULL << 32), FAIL(EINVAL), "but not set");
	test_is_int(ask(p, SYS_prlimit64, 0, 4 + (1ULL << 32), 1), FAIL(EINVAL), "not with high bits either");
	test_is_int(ask(p, SYS_prlimit64, 0, 7, 1), ALLOW, "another limit may be set");
	test_is_int(ask(p, SYS_setrlimit, 4, 1, 0), FAIL(EINVAL), "setrlimit of core");
	test_is_int(ask(p, SYS_setrlimit, 3, 1, 0), ALLOW, "of another");
}

static void test_profile(void)
{
	struct err e = {0};
	struct spec_seccomp s = profile();
	struct seccomp_program p = {0};
	double best = 1e9;
	int rc = 0;
	for (int i = 0; i < 5 && rc == 0; i++) {
		seccomp_program_free(&p);
		double before = now_us();
		rc = seccomp_compile(&s, &p, &e);
		double took = now_us() - before;
		best = took < best ? took : best;
	}
	if (!test_is_int(rc, 0, "the profile compiles %s", e.msg))
		return;
	printf("# %zu rows, %zu instructions, compiled in %.0f us\n", s.syscall_count, p.bpf.len / 8, best);
	test_profile_calls(&p);
	test_profile_args(&p);
#ifdef __x86_64__
	test_is_int(ask_arch(&p, AUDIT_ARCH_I386, 1, 0, 0, 0), SECCOMP_RET_KILL_PROCESS, "32-bit calls kill");
	test_is_int(ask(&p, 0x40000000 | SYS_read, 0, 0, 0), SECCOMP_RET_KILL_PROCESS, "x32 calls kill");
	test_is_int(ask(&p, 0x40000000 | SYS_ioctl, 0, 0x5412, 0), SECCOMP_RET_KILL_PROCESS,
		    "with denied arguments too");
#endif
	seccomp_program_free(&p);
}

static struct spec_syscall rule(const char **name, const char *action, int64_t number,
				struct spec_seccomp_arg *args, size_t n)
{
	return (struct spec_syscall){.names = name,
				     .name_count = 1,
				     .action = action,
				     .errno_ret = number,
				     .args = args,
				     .arg_count = n};
}

// Every operator as a denial beside an allowed call (ours) and alone under a default that allows
// (libseccomp's): the two must agree.
static void test_operators(void)
{
	static const char *const ops[] = {"NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"};
	static const uint64_t values[] = {
	    0,	       1, 5, 0xffffffff, 1ULL << 32, (5ULL << 32) + 5, (5ULL << 32) + 6, (6ULL << 32) + 4,
	    UINT64_MAX};
	const char *name = "read";
	for (size_t o = 0; o < ARRAY_LEN(ops); o++) {
		int wrong = 0, asked = 0;
		for (size_t v = 0; v < ARRAY_LEN(values); v++) {
			cleanup_free char *op = xasprintf("SCMP_CMP_%s", ops[o]);
			bool masked = o == 6;
			struct spec_seccomp_arg arg = {.index = 1,
						       .op = op,
						       .value = masked ? 0xf0000000fULL | v : values[v],
						       .value_two = masked ? values[v] & 0xf0000000fULL : 0};
			struct spec_syscall both[] = {rule(&name, "SCMP_ACT_ALLOW", SPEC_UNSET, NULL, 0),
						      rule(&name, "SCMP_ACT_ERRNO", 77, &arg, 1)};
			struct spec_seccomp ours = {.default_action = "SCMP_ACT_KILL",
						    .default_errno_ret = SPEC_UNSET,
						    .syscalls = both,
						    .syscall_count = 2};
			struct spec_seccomp theirs = {.default_action = "SCMP_ACT_ALLOW",
						      .default_errno_ret = SPEC_UNSET,
						      .syscalls = &both[1],
						      .syscall_count = 1};
			struct seccomp_program a = {0}, b = {0};
			if (seccomp_compile(&ours, &a, NULL) < 0 || seccomp_compile(&theirs, &b, NULL) < 0)
				wrong += 1000;
			for (size_t k = 0; wrong < 1000 && k < ARRAY_LEN(values); k++, asked++)
				wrong +=
				    ask(&a, SYS_read, 0, values[k], 0) != ask(&b, SYS_read, 0, values[k], 0);
			seccomp_program_free(&a);
			seccomp_program_free(&b);
		}
		test_is_int(wrong, 0, "%s: our comparison is libseccomp's, %d times", ops[o], asked);
	}
}

static int compile_one(struct spec_seccomp s, struct seccomp_program *p, struct err *e)
{
	e->msg[0] = '\0';
	int rc = seccomp_compile(&s, p, e);
	if (rc < 0)
		test_ok(e->msg[0] != '\0', "with a text: %s", e->msg);
	return rc;
}

static void test_actions(void)
{
	static const struct {
		const char *name;
		int64_t data;
		uint32_t want;
	} good[] = {
	    {"SCMP_ACT_KILL", SPEC_UNSET, SECCOMP_RET_KILL_THREAD},
	    {"SCMP_ACT_KILL_PROCESS", SPEC_UNSET, SECCOMP_RET_KILL_PROCESS},
	    {"SCMP_ACT_KILL_THREAD", SPEC_UNSET, SECCOMP_RET_KILL_THREAD},
	    {"SCMP_ACT_TRAP", SPEC_UNSET, SECCOMP_RET_TRAP},
	    {"SCMP_ACT_ERRNO", SPEC_UNSET, FAIL(EPERM)},
	    {"SCMP_ACT_ERRNO", 38, FAIL(38)},
	    {"SCMP_ACT_ERRNO", 0, FAIL(0)},
	    {"SCMP_ACT_TRACE", 7, SECCOMP_RET_TRACE | 7},
	    {"SCMP_ACT_LOG", SPEC_UNSET, SECCOMP_RET_LOG},
	    {"SCMP_ACT_NOTIFY", SPEC_UNSET, SECCOMP_RET_USER_NOTIF},
	};
	struct err e = {0};
	struct seccomp_program p = {0};
	const char *name = "read";
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct spec_syscall row = rule(&name, good[i].name, good[i].data, NULL, 0);
		struct spec_seccomp s = {.default_action = "SCMP_ACT_ALLOW",
					 .default_errno_ret = SPEC_UNSET,
					 .syscalls = &row,
					 .syscall_count = 1};
		test_is_int(seccomp_compile(&s, &p, &e), 0, "%s %s", good[i].name, e.msg);
		test_is_int(ask(&p, SYS_read, 0, 0, 0), good[i].want, "is what it says");
		test_is_int(ask(&p, SYS_write, 0, 0, 0), ALLOW, "and the rest is not touched");
		test_ok(p.want_listener == str_eq(good[i].name, "SCMP_ACT_NOTIFY"),
			"a listener for NOTIFY alone");
		seccomp_program_free(&p);
	}
	struct spec_syscall row = rule(&name, "SCMP_ACT_ALLOW", 5, NULL, 0);
	struct spec_seccomp s = {.default_action = "SCMP_ACT_ERRNO",
				 .default_errno_ret = SPEC_UNSET,
				 .syscalls = &row,
				 .syscall_count = 1};
	test_is_int(compile_one(s, &p, &e), -EINVAL, "errnoRet of ALLOW is refused");
	row.action = "SCMP_ACT_ERRNO";
	row.errno_ret = 4096;
	test_is_int(compile_one(s, &p, &e), -EINVAL, "an errno of 4096 is refused");
	row.action = "SCMP_ACT_MAYBE";
	test_is_int(compile_one(s, &p, &e), -EINVAL, "an unknown action is refused");
	s.default_action = "ALLOW";
	test_is_int(compile_one(s, &p, &e), -EINVAL, "an unknown default is refused");
	s.default_action = "SCMP_ACT_NOTIFY";
	test_is_int(compile_one(s, &p, &e), -EINVAL, "NOTIFY for everything is refused");
}

static void test_names(void)
{
	struct err e = {0};
	struct seccomp_program p = {0};
	const char *name = "no_such_call", *arch = "SCMP_ARCH_PDP11", *flag = "SECCOMP_FILTER_FLAG_TSYNC",
		   *wrong = "TSYNC";
	struct spec_seccomp_arg arg = {.index = 0, .op = "SCMP_CMP_ALMOST"};
	struct spec_syscall row = rule(&name, "SCMP_ACT_ALLOW", SPEC_UNSET, &arg, 0);
	struct spec_seccomp s = {.default_action = "SCMP_ACT_ERRNO",
				 .default_errno_ret = 38,
				 .syscalls = &row,
				 .syscall_count = 1};
	test_is_int(seccomp_compile(&s, &p, &e), 0, "an unknown system call is passed over %s", e.msg);
	test_is_int(ask(&p, SYS_read, 0, 0, 0), FAIL(38), "the default has its errno");
	seccomp_program_free(&p);
	s.architectures = &arch;
	s.architecture_count = 1;
	test_is_int(compile_one(s, &p, &e), -EINVAL, "an unknown architecture is refused");
	s.architecture_count = 0;
	s.flags = &wrong;
	s.flag_count = 1;
	test_is_int(compile_one(s, &p, &e), -EINVAL, "an unknown flag is refused");
	s.flags = &flag;
	test_is_int(seccomp_compile(&s, &p, &e), 0, "a flag");
	test_is_int(p.flags, SECCOMP_FILTER_FLAG_TSYNC, "is kept");
	seccomp_program_free(&p);
	name = "read";
	row.arg_count = 1;
	test_is_int(compile_one(s, &p, &e), -EINVAL, "an unknown operator is refused");
	arg = (struct spec_seccomp_arg){.index = 6, .op = "SCMP_CMP_EQ"};
	test_is_int(compile_one(s, &p, &e), -EINVAL, "a seventh argument is refused");
}

// Rules as podman and containerd write them: several architectures, one call in several rules, conditions on
// one argument as alternatives.
static void test_rules(void)
{
	struct err e = {0};
	struct seccomp_program p = {0};
	const char *archs[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
	const char *names[] = {"read", "write", "socketcall", "mseal"}, *ioctl_name = "ioctl",
		   *kill_name = "kill";
	struct spec_seccomp_arg either[] = {{.index = 1, .op = "SCMP_CMP_EQ", .value = 1},
					    {.index = 1, .op = "SCMP_CMP_EQ", .value = 2}};
	struct spec_seccomp_arg one[] = {
	    {.index = 1, .op = "SCMP_CMP_MASKED_EQ", .value = 0xffffffff, .value_two = 0x5412}};
	struct spec_syscall rows[] = {
	    rule(names, "SCMP_ACT_ALLOW", SPEC_UNSET, NULL, 0),
	    rule(&kill_name, "SCMP_ACT_ALLOW", SPEC_UNSET, either, 2),
	    rule(&ioctl_name, "SCMP_ACT_ALLOW", SPEC_UNSET, NULL, 0),
	    rule(&ioctl_name, "SCMP_ACT_KILL_PROCESS", SPEC_UNSET, one, 1),
	};
	rows[0].name_count = 4;
	struct spec_seccomp s = {.default_action = "SCMP_ACT_ERRNO",
				 .default_errno_ret = SPEC_UNSET,
				 .syscalls = rows,
				 .syscall_count = 4};
#ifdef __x86_64__
	s.architectures = archs;
	s.architecture_count = 3;
#else
	(void)archs;
#endif
	if (!test_is_int(seccomp_compile(&s, &p, &e), 0, "three architectures %s", e.msg))
		return;
	test_is_int(ask(&p, SYS_read, 0, 0, 0), ALLOW, "read");
	test_is_int(ask(&p, 462, 0, 0, 0), ALLOW, "mseal by number");
	test_is_int(ask(&p, 463, 0, 0, 0), FAIL(ENOSYS), "newer than all");
	test_is_int(ask(&p, SYS_kill, 0, 1, 0), ALLOW, "the first of two values");
	test_is_int(ask(&p, SYS_kill, 0, 2, 0), ALLOW, "the second");
	test_is_int(ask(&p, SYS_kill, 0, 3, 0), FAIL(EPERM), "not a third");
	test_is_int(ask(&p, SYS_ioctl, 0, 0x5412, 0), SECCOMP_RET_KILL_PROCESS, "the stricter rule decides");
	test_is_int(ask(&p, SYS_ioctl, 0, 0x5413, 0), ALLOW, "where it matches");
#ifdef __x86_64__
	test_is_int(ask_arch(&p, AUDIT_ARCH_I386, 3, 0, 0, 0), ALLOW, "i386: read");
	test_is_int(ask_arch(&p, AUDIT_ARCH_I386, 102, 0, 0, 0), ALLOW, "i386: socketcall");
	test_is_int(ask_arch(&p, AUDIT_ARCH_I386, 54, 0, 0x5412, 0), SECCOMP_RET_KILL_PROCESS,
		    "i386: the denial");
	test_is_int(ask_arch(&p, AUDIT_ARCH_I386, 54, 0, 0x5413, 0), ALLOW, "i386: beside it");
	test_is_int(ask_arch(&p, AUDIT_ARCH_I386, 9999, 0, 0, 0), FAIL(ENOSYS), "i386: newer than all");
	test_is_int(ask(&p, 0x40000000 | SYS_read, 0, 0, 0), ALLOW, "x32: read");
	test_is_int(ask(&p, 0x40000000 | 514, 0, 0x5412, 0), SECCOMP_RET_KILL_PROCESS, "x32: the denial");
#endif
	test_is_int(ask_arch(&p, 0x12345678, 0, 0, 0, 0), SECCOMP_RET_KILL_PROCESS,
		    "an architecture that was not named kills");
	seccomp_program_free(&p);
}

static void test_cache(void)
{
	struct err e = {0};
	struct spec_seccomp s = profile();
	struct seccomp_program first = {0}, second = {0}, other = {0};
	char path[256];
	cleanup_close int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_is_int(seccomp_compile_cached(dir, &s, &first, &e), 0, "compiled into a cache %s", e.msg);
	test_is_int(seccomp_compile_cached(dir, &s, &second, &e), 0, "and taken from it");
	double before = now_us();
	for (int i = 0; i < 20; i++) {
		seccomp_program_free(&second);
		(void)!seccomp_compile_cached(dir, &s, &second, &e);
	}
	printf("# from the cache in %.0f us\n", (now_us() - before) / 20);
	test_ok(first.bpf.len == second.bpf.len &&
		    memcmp(first.bpf.data, second.bpf.data, first.bpf.len) == 0,
		"the same program");

	cleanup_closedir DIR *d = opendir(test_dir());
	char name[64] = "";
	for (struct dirent *ent; d && (ent = readdir(d));)
		if (str_starts(ent->d_name, "seccomp-"))
			test_is_int(str_copy(name, sizeof(name), ent->d_name), 0, "it has a file");
	(void)test_path(path, name);

	s.default_errno_ret = 13;
	test_is_int(seccomp_compile_cached(dir, &s, &other, &e), 0, "another filter");
	test_is_int(ask(&other, SYS_mount, 0, 0, 0), FAIL(13), "is another");
	seccomp_program_free(&other);
	s.default_errno_ret = EPERM;

	// Under the same name lies another text: made anew.
	cleanup_free char *content = NULL;
	size_t len = 0;
	test_is_int(file_read(dir, name, 1 << 24, &content, &len, &e), 0, "the file of the cache");
	if (!content)
		return;
	content[40] ^= 1;
	test_is_int(file_replace(dir, name, content, len, 0600, FILE_NOSYNC, &e), 0, "its text is changed");
	test_ok(seccomp_compile_cached(dir, &s, &other, &e) == 0 &&
		    ask(&other, SYS_mount, 0, 0, 0) == FAIL(EPERM),
		"and not believed");
	seccomp_program_free(&other);
	test_is_int(file_replace(dir, name, content, len / 2, 0600, FILE_NOSYNC, &e), 0, "cut off");
	test_is_int(seccomp_compile_cached(dir, &s, &other, &e), 0, "and not believed");
	seccomp_program_free(&other);
	test_ok(chmod(path, 0666) == 0 && seccomp_compile_cached(dir, &s, &other, &e) == 0,
		"writable by others: not believed either");
	struct stat st;
	test_ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "and written anew");
	seccomp_program_free(&other);
	(void)fchmod(dir, 0777);
	test_is_int(seccomp_compile_cached(dir, &s, &other, &e), -EPERM,
		    "a directory open to all is refused: %s", e.msg);
	(void)fchmod(dir, 0700);
	test_is_int(seccomp_compile_cached(-1, &s, &other, &e), 0, "no directory, no cache");
	seccomp_program_free(&other);
	seccomp_program_free(&first);
	seccomp_program_free(&second);
}

// In a child under the profile: bits of what went wrong.
static int under_profile(const struct seccomp_program *p)
{
	int listener = -1, bad = 0;
	struct rlimit limit = {0, 0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_program_load(p, &listener) < 0 ||
	    listener != -1)
		return 1;
	bad |= ioctl(0, TIOCSTI, "x") < 0 && errno == EPERM ? 0 : 2;
	bad |= syscall(SYS_ioctl, 0, 0x100000000UL + TIOCSTI, "x") < 0 && errno == EPERM ? 0 : 4;
	bad |= socket(38, SOCK_SEQPACKET, 0) < 0 && errno == EPERM ? 0 : 8;
	bad |= syscall(SYS_unshare, 0x10000000) < 0 && errno == EPERM ? 0 : 16;
	bad |= syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS ? 0 : 32;
	bad |= setrlimit(RLIMIT_CORE, &limit) < 0 && errno == EINVAL ? 0 : 64;
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	int status = 0;
	bad |= waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 ? 0 : 128;
	return bad;
}

static void test_load(void)
{
	struct err e = {0};
	struct spec_seccomp s = profile();
	struct seccomp_program p = {0};
	test_is_int(seccomp_compile(&s, &p, &e), 0, "compiled %s", e.msg);
	pid_t pid = fork();
	if (pid == 0)
		_exit(under_profile(&p));
	int status = 0;
	test_is_int(waitpid(pid, &status, 0), pid, "a child under the profile");
	test_is_int(status, 0, "was denied what it should be, and forked");
#ifdef __x86_64__
	pid = fork();
	if (pid == 0) {
		int listener = -1;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_program_load(&p, &listener) < 0)
			_exit(1);
		(void)syscall(0x40000000 | SYS_getpid);
		_exit(2);
	}
	test_ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		"an x32 call killed its process");
#endif
	seccomp_program_free(&p);
}

int main(void)
{
	test_begin();
	test_profile();
	test_operators();
	test_actions();
	test_names();
	test_rules();
	test_cache();
	test_load();
	return test_end();
}
