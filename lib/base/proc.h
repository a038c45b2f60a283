// SPDX-License-Identifier: Apache-2.0
// Processes: held by pidfd, identified across restarts by pid and start time, never by pid alone.
#pragma once

#include <sys/types.h>

#include "base.h"
#include "err.h"

// Field 22 of /proc/PID/stat, clock ticks since boot (proc(5)). -ESRCH when there is no such process or it is
// a zombie.
int proc_start_time(pid_t pid, uint64_t *ticks) attr_must_check;
// The same from the text of that file, which is cut up. -EINVAL when it is no such text. Pure.
int proc_stat_parse(char *text, uint64_t *ticks) attr_must_check;

int proc_pidfd_open(pid_t pid) attr_must_check; // close-on-exec pidfd or -errno
int proc_pidfd_kill(int pidfd, int sig) attr_must_check;

// A pidfd for pid if the process that has it now started at ticks; -ESRCH else.
int proc_open_checked(pid_t pid, uint64_t ticks) attr_must_check;

// Closes every descriptor from first up but those in keep (sorted ascending). close_range(2).
int proc_close_from(int first, const int *keep, size_t n) attr_must_check;

// Starts argv[0] (an absolute path) with envp. fds[i] becomes descriptor i of the child; -1 gives /dev/null;
// all others are closed. The child gets default signal dispositions and an empty mask. *pidfd is the
// caller's. A program that cannot be executed is an error here.
struct proc_spawn {
	const char *const *argv;
	const char *const *envp;
	const int *fds;
	size_t fd_count;
	const char *cwd; // or NULL
};
int proc_spawn(const struct proc_spawn *s, pid_t *pid, int *pidfd, struct err *e) attr_must_check;

// The default disposition, for the signals that libc keeps to itself (32 and 33) too: ignored by whoever
// started us they would stay so across execve. Async-signal-safe. 0 or -errno (KILL and STOP refuse).
// rt_sigaction(2)
int proc_default_signal(int sig);

// "KILL", "SIGKILL", "kill" or "9" to 9; "RTMIN+3" works. 0 or -EINVAL. The name comes without SIG, NULL when
// unknown.
int proc_signal_parse(const char *s, int *sig) attr_must_check;
const char *proc_signal_name(int sig);
