// SPDX-License-Identifier: Apache-2.0
// measure TIMES COMMAND…: runs it that often, one after the other, its output thrown away, and prints a line
// for each: nanoseconds from before the fork until it has ended, microseconds of user and system time, the
// most memory in KiB, exit status. Memory is that of the largest process of the command, at least our own,
// which is why this program is small.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "hack/bench/tool/tool.h"

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static long microseconds(struct timeval t)
{
	return t.tv_sec * 1000000 + t.tv_usec;
}

static void run_once(char **command)
{
	struct rusage used;
	int status;
	int64_t began = now_ns();
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
			fail("/dev/null");
		execvp(command[0], command);
		fail(command[0]);
	}
	if (wait4(pid, &status, 0, &used) != pid)
		fail("wait4");
	printf("%lld %ld %ld %ld %d\n", (long long)(now_ns() - began), microseconds(used.ru_utime),
	       microseconds(used.ru_stime), used.ru_maxrss,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int measure(char **args)
{
	int times = args[0] ? (int)strtol(args[0], NULL, 10) : 0;

	if (times < 1 || !args[1]) {
		fprintf(stderr, "usage: bench-tool measure TIMES COMMAND…\n");
		return 125;
	}
	while (times-- > 0)
		run_once(args + 1);
	return fflush(stdout) == 0 ? 0 : 125;
}
