// SPDX-License-Identifier: Apache-2.0
// Tests of processes and signals.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "proc.h"
#include "str.h"
#include "test.h"

static int wait_status(int pidfd)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return -errno;
	close(pidfd);
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int spawn_shell(const char *script, const int *fds, size_t n, pid_t *pid, int *pidfd)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	const char *envp[] = {"PATH=/usr/bin:/bin", "X=value", NULL};
	struct proc_spawn s = {.argv = argv, .envp = envp, .fds = fds, .fd_count = n, .cwd = "/usr"};
	struct err e = {0};

	return proc_spawn(&s, pid, pidfd, &e);
}

static void test_spawn(void)
{
	int out[2];
	pid_t pid;
	int pidfd;
	char text[512];

	if (pipe2(out, O_CLOEXEC) < 0)
		return;
	int fds[] = {-1, out[1], out[1], out[0]};
	int inheritable = dup(0); // not close-on-exec, and still not for the child
	signal(SIGPIPE, SIG_IGN);
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	test_is_int(spawn_shell(
			// Without a child of its own: the shell blocks signals while it waits.
			"echo $X $PWD; set -- /proc/$$/fd/*; echo $#; while read -r l; do case $l in "
			"Sig[BI]*) echo \"$l\"; esac; done "
			"< /proc/$$/status; exit 7",
			fds, 4, &pid, &pidfd),
		    0, "a shell starts");
	test_is_int(wait_status(pidfd), 7, "its status is 7");
	ssize_t n = read(out[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	test_is_str(text, "value /usr\n5\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
		    "environment, directory, descriptors and signals");
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(inheritable);

	int swapped[] = {out[1], out[0], -1, 2, 1, 0};
	test_ok(spawn_shell("test -p /dev/fd/0 -a -p /dev/fd/1 -a -c /dev/fd/2", swapped, 6, &pid, &pidfd) ==
			0 &&
		    wait_status(pidfd) == 0,
		"descriptors that stand in each other's place");
	close(out[0]);
	close(out[1]);
}

static void test_spawn_errors(void)
{
	const char *argv[] = {"/nonexistent/program", NULL};
	const char *envp[] = {NULL};
	struct proc_spawn s = {.argv = argv, .envp = envp};
	struct err e = {0};
	pid_t pid = 0;
	int pidfd = -1;

	test_is_int(proc_spawn(&s, &pid, &pidfd, &e), -ENOENT, "a program that is not there");
	test_ok(strstr(e.msg, "/nonexistent/program") != NULL, "is named");
	argv[0] = "/etc/passwd";
	test_is_int(proc_spawn(&s, &pid, &pidfd, &e), -EACCES, "a file that is no program");
	argv[0] = "sh";
	test_is_int(proc_spawn(&s, &pid, &pidfd, &e), -EINVAL, "a relative path");
	argv[0] = "/bin/true";
	s.cwd = "/nonexistent";
	test_is_int(proc_spawn(&s, &pid, &pidfd, &e), -ENOENT, "a directory that is not there");
	s.cwd = NULL;
	int bad[] = {1000};
	s.fds = bad;
	s.fd_count = 1;
	test_is_int(proc_spawn(&s, &pid, &pidfd, &e), -EBADF, "a descriptor that is not open");
	test_ok(pid == 0 && pidfd == -1, "nothing was started");
}

static void test_identity(void)
{
	pid_t pid;
	int pidfd;
	uint64_t start;
	uint64_t own;

	test_ok(proc_start_time(getpid(), &own) == 0 && own > 0, "our own start time");
	prctl(PR_SET_NAME, ") Z 1 2 (");
	uint64_t again;
	test_ok(proc_start_time(getpid(), &again) == 0 && again == own,
		"a name that looks like fields changes nothing");
	test_is_int(spawn_shell("read x", (int[]){-1}, 0, &pid, &pidfd), 0, "a child");
	close(pidfd);
	int hold[2];
	if (pipe2(hold, O_CLOEXEC) < 0)
		return;
	test_is_int(waitpid(pid, NULL, 0), pid, "that has nothing to read ends");
	test_is_int(spawn_shell("read x", hold, 1, &pid, &pidfd), 0, "one that waits");
	test_is_int(proc_start_time(pid, &start), 0, "has a start time");
	int checked = proc_open_checked(pid, start);
	test_ok(checked >= 0, "it is found again");
	test_ok(fcntl(checked, F_GETFD) & FD_CLOEXEC, "by a descriptor that is close-on-exec");
	test_is_int(proc_open_checked(pid, start + 1), -ESRCH, "not with another start time");
	test_is_int(proc_pidfd_kill(checked, SIGKILL), 0, "it is killed");
	close(checked);
	siginfo_t info;
	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT);
	test_is_int(proc_open_checked(pid, start), -ESRCH, "a zombie is not found");
	test_is_int(wait_status(pidfd), 128 + SIGKILL, "by the signal");
	test_is_int(proc_open_checked(pid, start), -ESRCH, "and nothing after that");
	test_is_int(proc_open_checked(0, start), -ESRCH, "pid 0 is nobody");
	test_is_int(proc_open_checked(-1, start), -ESRCH, "and -1 too");
	close(hold[0]);
	close(hold[1]);
}

static void test_close_from(void)
{
	int low = fcntl(0, F_DUPFD_CLOEXEC, 100);
	int kept = fcntl(0, F_DUPFD_CLOEXEC, 110);
	int high = fcntl(0, F_DUPFD_CLOEXEC, 120);

	test_is_int(proc_close_from(100, (int[]){-1, 5, kept}, 3), 0, "close from 100");
	test_ok(fcntl(low, F_GETFD) < 0 && fcntl(kept, F_GETFD) >= 0 && fcntl(high, F_GETFD) < 0,
		"all but the kept one");
	close(kept);
}

static void test_signals(void)
{
	static const struct {
		const char *text;
		int sig;
	} rows[] = {
	    {"KILL", 9},     {"SIGKILL", 9},   {"kill", 9},	  {"sigTerm", 15}, {"9", 9},  {"64", 64},
	    {"RTMIN+3", 37}, {"SIGRTMIN", 34}, {"RTMAX-1", 63},	  {"WINCH", 28},   {"0", 0},  {"65", 0},
	    {"-9", 0},	     {"", 0},	       {"SIG", 0},	  {"KILLER", 0},   {"9x", 0}, {"RTMIN+31", 0},
	    {"RTMIN-1", 0},  {"RTMIN+", 0},    {"SIGSIGKILL", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int sig = 0;
		int rc = proc_signal_parse(rows[i].text, &sig);
		test_ok(sig == rows[i].sig && rc == (rows[i].sig ? 0 : -EINVAL), "signal '%s'", rows[i].text);
	}
	test_is_str(proc_signal_name(9), "KILL", "9 is KILL");
	test_is_str(proc_signal_name(37), "RTMIN+3", "37 is RTMIN+3");
	test_ok(!proc_signal_name(0) && !proc_signal_name(-1) && !proc_signal_name(99),
		"others have no name");
}

int main(void)
{
	test_begin();
	test_spawn();
	test_spawn_errors();
	test_identity();
	test_close_from();
	test_signals();
	return test_end();
}
