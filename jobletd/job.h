// SPDX-License-Identifier: Apache-2.0
// Jobs, as the RPC layer sees them: submit, find, stop, watch. Behind it stand the store (SQLite), the queue,
// the shim and the bundle. Everything runs in the core's one loop. What changes a job completes by callback,
// after the commit that made it durable; callbacks never run from within the call that was given them.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/config.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

#define JOB_ID_LEN 36 // a UUID in lower case

enum job_state {
#define JOB_STATE(name, is_final, meaning) JOB_##name,
#include "specs/job_state.def"
	JOB_STATE_COUNT
};
const char *job_state_name(enum job_state s);
int job_state_parse(const char *s, enum job_state *out) attr_must_check;
bool job_state_is_final(enum job_state s);
bool job_state_may_move(enum job_state from, enum job_state to);

// What a client asked for; strings are allocated and owned by the struct. Limits: 0 is the default.
struct job_request {
	char *command;
	char **args;	   // without the command; NULL-terminated; may be NULL
	char **env;	   // NAME=value
	char **secret_env; // NAME=value: never stored in clear, never shown
	char **labels;	   // key=value
	char **volumes;
	char *name, *work_dir, *cpu_cores, *network, *runtime;
	char *schedule; // as given; ""
	char *timeout;	// as given; ""
	char *idempotency_key;
	int64_t max_cpu, max_memory_mb, max_iobps;
	int64_t gpu_count, gpu_memory_mb;
	bool has_uploads;
	bool stdin_open, tty;
	unsigned tty_rows, tty_columns;
	char *owner; // common name of the client's certificate
	char *role;
};
void job_request_free(struct job_request *r);

// What a job used until its end, as its shim read it. -1: not known.
struct job_usage {
	bool is_known; // else the job has not ended, or its shim left no record, and the rest is 0
	int64_t memory_peak, cpu_ns, io_read, io_written; // bytes, nanoseconds
	int64_t lines_dropped, bytes_dropped;		  // output that is not in the log
};

// One job as it is now. A snapshot: owned by whoever got it, freed with job_info_free. Times are nanoseconds
// since 1970, 0 for not yet.
struct job_info {
	char id[JOB_ID_LEN + 1];
	uint64_t seq; // rises with every job accepted
	enum job_state state;
	struct job_request request; // with defaults filled in; the values of secret_env are "***"
	int64_t created_ns, scheduled_ns, started_ns, ended_ns;
	int64_t timeout_ns;
	int exit_code; // valid in a final state
	int signal;    // that ended it, or 0
	bool oom_killed;
	struct job_usage usage;
	char *reason; // one line; "" while it has not ended
};
void job_info_free(struct job_info *j);

struct jobs; // the one object behind all of this

// Opens the store, takes over everything that a daemon before left (living shims, exit files, queued and
// scheduled jobs), and starts what is due. cfg and loop are borrowed for the lifetime.
// changed, when not NULL, hears of every job that begins to run or ends, after the commit.
typedef void jobs_changed_fn(void *userdata, const struct job_info *info);
int jobs_open(const struct config *cfg, sd_event *loop, jobs_changed_fn *changed, void *userdata,
	      struct jobs **out, struct err *e) attr_must_check;
// Commits and lets go. Running jobs go on: they do not need the daemon.
void jobs_close(struct jobs *js);
size_t jobs_running(const struct jobs *js); // as maxConcurrentJobs counts them

// rc 0: info is borrowed for the call; negative: e says why (-EINVAL the request is wrong, -ENOENT, -EBUSY
// wrong state, -ENOSPC the disk is full, -EAGAIN the queue is full, -EIO).
typedef void job_done_fn(void *userdata, int rc, const struct err *e, const struct job_info *info);

// Checks every field again and submits. A wrong request is refused at once (negative return, no callback);
// else fn is called once. A request whose idempotency key its owner has used gets the job that exists. r is
// taken in every case.
int job_submit_take(struct jobs *js, struct job_request *r, job_done_fn *fn, void *userdata,
		    struct err *e) attr_must_check;

// A whole id, a unique prefix, a name (the newest job of that name), or @last (the newest of that owner).
// -ENOENT; -EINVAL when it cannot be any of these; JOB_AMBIGUOUS with the ids that match in the text.
enum { JOB_AMBIGUOUS = 1 };
int job_resolve(struct jobs *js, const char *ref, const char *owner, char id[JOB_ID_LEN + 1],
		struct err *e) attr_must_check;

int job_get(struct jobs *js, const char *id, struct job_info **out, struct err *e) attr_must_check; // -ENOENT

// Newest first. Every filter that is set must fit.
struct job_filter {
	unsigned states;  // bit 1u << enum job_state; 0: all
	const char *name; // NULL: any
	const char *runtime;
	const char *owner;
	char *const *labels; // key=value, all of them
	int64_t since_ns;
	uint64_t before_seq; // only jobs with a smaller seq; 0: from the newest
	size_t limit;
};
// each is called for every job; a return other than 0 ends the walk and is returned.
int job_list(struct jobs *js, const struct job_filter *f,
	     int (*each)(void *userdata, const struct job_info *), void *userdata,
	     struct err *e) attr_must_check;

// TERM, then KILL after the grace time; fn is called when the job has ended. A job that has not started is
// canceled. A job that has ended is -EBUSY with its state in the text. by is the common name of who asked.
int job_stop(struct jobs *js, const char *id, const char *by, job_done_fn *fn, void *userdata,
	     struct err *e) attr_must_check;
// Only a job that has not started, -EBUSY else.
int job_cancel(struct jobs *js, const char *id, const char *by, job_done_fn *fn, void *userdata,
	       struct err *e) attr_must_check;
// Only a job that has ended, -EBUSY else. Removes its log, its bundle and its row.
int job_delete(struct jobs *js, const char *id, const char *by, job_done_fn *fn, void *userdata,
	       struct err *e) attr_must_check;
typedef void job_delete_all_fn(void *userdata, int rc, const struct err *e, unsigned deleted,
			       unsigned skipped);
int job_delete_all(struct jobs *js, const char *by, job_delete_all_fn *fn, void *userdata,
		   struct err *e) attr_must_check;
// A signal to the job's first process. One whose default action would end an ordinary process ends the job
// also where the kernel spares it as the first process of its pid namespace (pid_namespaces(7)): the job is
// killed and reported as ended by that signal.
int job_signal(struct jobs *js, const char *id, int sig, const char *by, struct err *e) attr_must_check;
int job_resize(struct jobs *js, const char *id, unsigned rows, unsigned columns,
	       struct err *e) attr_must_check;
// A connection to the shim's attach socket for stdin: SOCK_SEQPACKET, non-blocking, output already shut.
// shutdown(SHUT_WR) is the end of stdin; the caller keeps it open until the job has ended. -EBUSY when the
// job does not run yet.
int job_stdin_open(struct jobs *js, const char *id, int *fd, struct err *e) attr_must_check;

// Tells when a job changes its state, after the commit. Embedded in its owner; js keeps a pointer until
// job_unwatch.
struct job_watch {
	void (*fn)(struct job_watch *w, const struct job_info *info);
	struct job_watch *next, **prev; // js's own
	char id[JOB_ID_LEN + 1];
};
void job_watch(struct jobs *js, const char *id, struct job_watch *w);
void job_unwatch(struct job_watch *w); // harmless when it is not watching

// The log of a job; it may not exist before the job has started. In a final state all of it is there.
char *job_log_path(struct jobs *js, const char *id); // the caller frees
