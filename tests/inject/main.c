// SPDX-License-Identifier: Apache-2.0
// Runs a command and makes one system call fail, in one process of all that come of it. A filter hands every
// call to this program, which answers for the kernel or lets it go on. strace(1) can do it too, but counts in
// all processes at once: what fails in the first hides the same call of the second.
//
//	joblet-inject LIST COMMAND…
//		writes the calls into the file LIST, "PROCESS NAME" each
//	joblet-inject LIST PROCESS CALL ERRNO COMMAND…
//		and the CALLth call of the PROCESSth process fails; both count from 0
//
// A process is left alone from its execve(2) on; execveat(2), by which a program becomes a copy of itself, is
// no end. The exit status is the command's. seccomp_unotify(2).
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/base/file.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define PROCESSES_MAX 64
#define HANDOVER_MS   30000

struct process {
	pid_t pid;
	unsigned calls;
	bool done;
};

struct injector {
	FILE *list;
	bool begun;		      // the command was executed
	int64_t process, call, error; // -1: none fails
	struct process v[PROCESSES_MAX];
	size_t n;
};

// All but the end of a process, and what only the kernel calls.
static int install_filter(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 4, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {ARRAY_LEN(code), code};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

// The child cannot say which descriptor it got, for every call of its waits for an answer already; but it can
// write to memory.
static pid_t start(char **argv, int *listener)
{
	volatile int *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	*shared = -1;
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
			_exit(125);
		*shared = install_filter();
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	for (int ms = 0; *shared < 0 && ms < HANDOVER_MS; ms++)
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	cleanup_close int pidfd = proc_pidfd_open(pid);
	*listener = *shared < 0 || pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, *shared, 0);
	return *listener < 0 ? -errno : pid;
}

static struct process *find(struct injector *j, pid_t pid)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->v[i].pid == pid)
			return &j->v[i];
	if (j->n == PROCESSES_MAX)
		return NULL;
	j->v[j->n] = (struct process){.pid = pid};
	return &j->v[j->n++];
}

// 0: let it go on; else the error that it gets.
static int judge(struct injector *j, const struct seccomp_notif *call)
{
	struct process *p = find(j, (pid_t)call->pid);
	if (!p || p->done)
		return 0;
	int nr = call->data.nr;
	if (nr == SYS_execve) {
		p->done = p != j->v || j->begun;
		j->begun = true;
		return 0;
	}
	cleanup_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	bool fails = p - j->v == j->process && p->calls == j->call;
	fprintf(j->list, "%td %s%s\n", p - j->v, name ? name : "?", fails ? " failed" : "");
	p->calls++;
	return fails ? (int)-j->error : 0;
}

// Until the last process is gone.
static int answer_all(struct injector *j, int listener)
{
	for (;;) {
		struct pollfd p = {.fd = listener, .events = POLLIN};
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		if (p.revents & POLLHUP)
			return 0;
		struct seccomp_notif call = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
			if (errno == EINTR || errno == ENOENT) // killed meanwhile
				continue;
			return -errno;
		}
		struct seccomp_notif_resp answer = {.id = call.id, .error = judge(j, &call)};
		answer.flags = answer.error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT)
			return -errno;
	}
}

static int fail(const char *what, int rc)
{
	fprintf(stderr, "joblet-inject: %s: %s\n", what, strerror(-rc));
	return 125;
}

int main(int argc, char **argv)
{
	struct injector j = {.process = -1, .call = -1};
	char **command = argv + 2;
	cleanup_close int listener = -1;
	if (argc > 5 && argv[2][0] != '/') {
		command = argv + 5;
		if (str_to_i64(argv[2], 0, PROCESSES_MAX, &j.process) != 0 ||
		    str_to_i64(argv[3], 0, INT32_MAX, &j.call) != 0 ||
		    str_to_i64(argv[4], 1, 4095, &j.error) != 0)
			return fail("PROCESS, CALL and ERRNO are numbers", -EINVAL);
	}
	if (argc < 3 || command[0][0] != '/')
		return fail("a command by its path is needed", -EINVAL);
	j.list = fopen(argv[1], "we");
	if (!j.list)
		return fail(argv[1], -errno);
	pid_t pid = start(command, &listener);
	if (pid < 0)
		return fail("the filter", pid);
	int rc = answer_all(&j, listener), status = 0;
	if (rc < 0)
		return fail("an answer", rc);
	if (waitpid(pid, &status, 0) != pid || fclose(j.list) != 0)
		return fail("the end", -errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
