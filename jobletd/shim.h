// SPDX-License-Identifier: Apache-2.0
// The shim as jobletd sees it: started with conmon's command line, it answers once through a pipe, and leaves
// an exit file at the end. specs/shim.md is the contract; conmon itself can stand in for joblet-shim.
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "jobletd/job.h"
#include "jobletd/reaper.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

struct shim_args {
	struct reaper *reaper; // has the process that forks the shim, when that has answered before its end
	const char *shim, *runtime, *runtime_root; // programs, and the runtime's --root
	const char *id, *bundle, *log, *exits;
	bool stdin_open, tty;
};

struct shim_started {
	pid_t pid;	  // of the container's first process, created and not started; -1: there is none
	const char *said; // then: what the runtime or the shim said
	pid_t shim;	  // our own child
	int shim_fd;	  // its pidfd; to be taken, or closed
};

typedef void shim_started_fn(void *userdata, struct shim_started *s);

struct shim_start;
// Never blocks. fn is called once, from the loop, unless the start is forgotten before.
int shim_start(sd_event *loop, const struct shim_args *args, shim_started_fn *fn, void *userdata,
	       struct shim_start **out, struct err *e) attr_must_check;
void shim_start_forget(struct shim_start *s); // the shim goes on; NULL is fine

// The pid that shim_start wrote to <bundle>/shim.pid, with its start time. -ENOENT, -ESRCH.
int shim_find(const char *bundle, pid_t *pid, uint64_t *ticks) attr_must_check;

// Whether pid is a process of root whose command line has `-c ID`.
bool shim_is(pid_t pid, const char *id);

// Kills every process of root whose command line has `-c ID`: a shim that a daemon before started and that
// never answered, and waits for its end. The number killed, or -errno.
int shim_kill_stray(const char *id) attr_must_check;

// Its answer: the pid, and the message with -1 (the caller's; "" when there is none). -EINVAL and a text for
// what is no answer. Pure.
int shim_answer_parse(const char *text, size_t len, int64_t *pid, char **message,
		      struct err *e) attr_must_check;

// The exit file: the decimal code, and when it was written. -ENOENT when there is none (yet).
int shim_exit_read(const char *exits, const char *id, int *code, int64_t *ns) attr_must_check;
// The same from its text, len bytes and a NUL, whose newlines at the end are cut off. -EINVAL. Pure.
int shim_exit_parse(char *text, size_t len, int *code) attr_must_check;

// <bundle>/exit.json, which conmon does not write: what the job used, and again how it ended.
struct shim_record {
	int64_t code, signal; // 0: none
	bool oom_killed;
	struct job_usage usage;
};
// -ENOENT when there is none; -EINVAL, -EFBIG and others with a text when it is damaged or does not fit code,
// that of the exit file. out is all zero then.
int shim_record_read(const char *bundle, int code, struct shim_record *out, struct err *e) attr_must_check;
// The same from its text. Every field of struct shim_record must be there, in its range, and fit the others.
// Pure.
int shim_record_parse(const char *text, size_t len, struct shim_record *out, struct err *e) attr_must_check;

// Calls fn with the name of every file that is renamed into exits; NULL: events were lost, look at them all.
struct shim_exits;
typedef void shim_exit_fn(void *userdata, const char *id);
int shim_exits_open(sd_event *loop, const char *exits, shim_exit_fn *fn, void *userdata,
		    struct shim_exits **out, struct err *e) attr_must_check;
void shim_exits_close(struct shim_exits *x);
