// SPDX-License-Identifier: Apache-2.0
// Waiting for a program that runs in the caller's foreground.
#include "joblet-runtime/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "lib/base/proc.h"

// Signals that are about this process itself, and stay with it.
static const int own_signals[] = {SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				  SIGTRAP, SIGABRT, SIGSYS, SIGURG, SIGPIPE};

int foreground_signals(struct err *e)
{
	sigset_t set;
	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_LEN(own_signals); i++)
		sigdelset(&set, own_signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_sys(e, -errno, "cannot block the signals");
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(e, -errno, "cannot receive signals") : fd;
}

static void forward(int signals, int pidfd)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (proc_pidfd_kill(pidfd, (int)info.ssi_signo) != 0)
			return; // it has ended
}

int foreground_wait(int pidfd, int signals, struct err *e)
{
	siginfo_t info = {0};
	struct pollfd p[] = {{.fd = pidfd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	while (!p[0].revents) {
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return err_sys(e, -errno, "cannot wait for the program");
		if (p[1].revents)
			forward(signals, pidfd);
	}
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0)
		if (errno != EINTR)
			return err_sys(e, -errno, "cannot read the program's exit status");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}
