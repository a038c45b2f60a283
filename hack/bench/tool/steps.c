// SPDX-License-Identifier: Apache-2.0
// steps FILE PROGRAM COMMAND…: runs the command, one instruction at a time wherever PROGRAM runs in what
// comes of it, and writes "PROGRAM INSTRUCTIONS" into FILE. They are those of user space: a system call is
// one, each round of a repeated instruction is one. They do not depend on how busy the machine is, need no
// counters of the processor, and any system call works, which valgrind's callgrind cannot say.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "hack/bench/tool/tool.h"

#define OPTIONS                                                                                              \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |                \
	 PTRACE_O_TRACEEXEC)

enum runs { UNKNOWN, OTHER, COUNTED }; // UNKNOWN: its maker has not been heard of yet

struct process {
	pid_t pid;
	enum runs runs;
	bool waits; // it has stopped and must be told to go on once it is known what it runs
};

static struct process *processes;
static size_t process_count;
static const char *counted; // the program whose instructions are asked for
static uint64_t count;

static struct process *process_of(pid_t pid)
{
	for (size_t i = 0; i < process_count; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	processes = xrealloc(processes, (process_count + 1) * sizeof(*processes));
	processes[process_count] = (struct process){.pid = pid, .runs = UNKNOWN};
	return &processes[process_count++];
}

static void forget(pid_t pid)
{
	*process_of(pid) = processes[process_count - 1];
	process_count--;
}

// By the last part of argv[0]: a program that executes a descriptor has no other name.
static enum runs what_runs(pid_t pid)
{
	char path[64], text[4096] = "";

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return OTHER;
	const char *slash = strrchr(text, '/');
	return strcmp(slash ? slash + 1 : text, counted) == 0 ? COUNTED : OTHER;
}

// ESRCH: it was killed meanwhile, and wait4 tells.
static void ask(int request, pid_t pid, int sig)
{
	if (ptrace((enum __ptrace_request)request, pid, NULL, (void *)(intptr_t)sig) < 0 && errno != ESRCH)
		fail("ptrace");
}

static void go_on(const struct process *p, int sig)
{
	ask(p->runs == COUNTED ? PTRACE_SINGLESTEP : PTRACE_CONT, p->pid, sig);
}

// A child is made: it runs what its maker runs, until it executes something else.
static void on_made(const struct process *maker)
{
	enum runs runs = maker->runs;
	unsigned long pid;

	if (ptrace(PTRACE_GETEVENTMSG, maker->pid, NULL, &pid) < 0)
		return;
	struct process *p = process_of((pid_t)pid); // which may move *maker
	p->runs = runs;
	if (p->waits)
		go_on(p, 0);
	p->waits = false;
}

static void on_stop(pid_t pid, int status)
{
	struct process *p = process_of(pid);
	int event = status >> 16, sig = WSTOPSIG(status);

	switch (event) {
	case PTRACE_EVENT_EXEC: p->runs = what_runs(pid); break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		on_made(p);
		p = process_of(pid);
		break;
	case PTRACE_EVENT_STOP:
		if (sig != SIGTRAP) { // a group-stop, which lasts until SIGCONT: ptrace(2)
			ask(PTRACE_LISTEN, pid, 0);
			return;
		}
		p->waits = p->runs == UNKNOWN;
		if (p->waits)
			return;
		break;
	default:
		if (sig != SIGTRAP || p->runs != COUNTED) {
			go_on(p, sig);
			return;
		}
		count++;
	}
	go_on(p, 0);
}

// The command, with the tracer attached before its exec.
static pid_t start(char **command)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		fail("pipe");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 0)
			_exit(125);
		close(ready[0]);
		execvp(command[0], command);
		fail(command[0]);
	}
	close(ready[0]);
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)OPTIONS) < 0)
		fail("ptrace");
	process_of(pid)->runs = OTHER;
	close(ready[1]);
	return pid;
}

static int trace(pid_t command)
{
	int status, result = 125;
	pid_t pid;

	while ((pid = wait4(-1, &status, __WALL, NULL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			on_stop(pid, status);
			continue;
		}
		forget(pid);
		if (pid == command)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return result;
}

int steps(char **args)
{
	if (!args[0] || !args[1] || !args[2]) {
		fprintf(stderr, "usage: bench-tool steps FILE PROGRAM COMMAND…\n");
		return 125;
	}
	cleanup_fclose FILE *out = fopen(args[0], "we");
	if (!out)
		fail(args[0]);
	counted = args[1];
	int result = trace(start(args + 2));
	fprintf(out, "%s %llu\n", counted, (unsigned long long)count);
	return fflush(out) == 0 ? result : 125;
}
