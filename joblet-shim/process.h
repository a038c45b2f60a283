// SPDX-License-Identifier: Apache-2.0
// The children: the runtime while it works, then the container's first process, which becomes our child when
// the runtime ends (PR_SET_CHILD_SUBREAPER). Their ends and the signals to the shim arrive as events.
#pragma once

#include <sys/types.h>

#include "joblet-shim/options.h"
#include "joblet-shim/usage.h"

// Blocks the signals that are handled, ignores SIGHUP, SIGPIPE and SIGXFSZ, watches for the rest.
int process_init(struct err *e) attr_must_check;

// Starts `RUNTIME … create|restore|exec …` with fds[0..2] as its stdio. console is a socket path or NULL. The
// child dies with the shim.
int process_start_runtime(const struct options *o, const int fds[3], const char *console,
			  struct err *e) attr_must_check;

// The runtime's wait status, once LIFE_RUNTIME_ENDED came.
int process_runtime_status(void);

// Reads the pid file that the runtime left and takes its process as the container. It is one of our children
// or an error.
int process_adopt(const char *pidfile, struct err *e) attr_must_check;

pid_t process_container(void); // 0 before process_adopt
int process_exit_code(void);   // 0 to 255: the code, or 128 + signal; valid once LIFE_CONTAINER_ENDED came
int process_exit_signal(void); // the signal that ended it, 0 for none
void process_usage(struct usage *u); // of the first process and the children that it waited for
void process_kill(int sig);	     // to the container, or to the runtime while there is no container
void process_kill_group(void);	     // SIGKILL to the container and its process group
void process_reap(void); // looks for children that ended; after process_adopt, since it may have ended before

// Runs argv and waits for its end, after delay_s. The last thing that the shim does.
void process_run_exit_command(const char *command, const struct option_list *args, int64_t delay_s);

// oom_score_adj: takes -999 where that is allowed; the runtime's child gets back what the shim was started
// with.
void process_guard_memory(void);
