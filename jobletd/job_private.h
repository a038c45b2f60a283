// SPDX-License-Identifier: Apache-2.0
// What the files job*.c, store.c and bundle.c share of a job. Nobody else includes it: the RPC layer knows
// job.h.
//
// A job's life is facts and steps. What happens outside (the container is there, the exit file has come,
// somebody asked for a stop) is noted as a fact in struct job; job_step looks at the facts and the state and
// makes the next move. A move is first a change in the store; its effects (a signal, a start, an answer) come
// after the commit. While a change of a job is on its way, no second one is made: its commit steps again.
#pragma once

#include "jobletd/job.h"
#include "jobletd/store.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

// job_check.c: pure decisions about a request.
struct job_plan {
	int64_t scheduled_ns; // 0: at once
	int64_t timeout_ns;   // 0: none
};
// Checks every field and fills in the defaults. highest_cpu is the number of the machine's last CPU, io_limit
// whether the disk of the jobs can be throttled. -EINVAL with what is wrong.
int job_check(const struct config *cfg, struct job_request *r, int64_t now_ns, unsigned highest_cpu,
	      bool io_limit, struct job_plan *plan, struct err *e) attr_must_check;

// job_request.c: a request as text for the store, which holds no secret: they are hidden first.
char *job_request_to_json(const struct job_request *r) attr_must_check; // the caller frees
int job_request_from_json(const char *text, struct job_request *r, struct err *e) attr_must_check;
void job_request_clear(struct job_request *r); // what it points to
// NAME of NAME=value is secret by its form: SECRET_*, *_TOKEN, *_KEY, *_PASSWORD, *_SECRET.
bool job_env_is_secret(const char *entry);
// Puts *** in the place of every secret value, of secret_env and of env that is secret by its name, and
// returns the real entries, NULL if none.
char **job_request_hide_secrets(struct job_request *r) attr_must_check;
void job_secrets_free(char **v); // wiped

// How a job ended, in one line and in numbers. Pure.
struct job_end {
	int code; // of the exit file
	bool oom;
	int64_t memory_mb; // limit, 0: none
	struct job_usage usage;
	int signal; // where usage is known; else code tells
	int64_t timeout_ns;
};
// Fills state, exit_code, signal, oom_killed and reason of run, which holds why the job was stopped, if it
// was.
void job_end_describe(struct job_run *run, const struct job_end *end);
// What a runtime said when the container could not be made: exit_code and reason.
void job_end_not_started(struct job_run *run, const char *command, const char *said);

struct job_waiter {
	struct job_waiter *next;
	job_done_fn *fn;
	void *userdata;
};

struct shim_start;
struct start_wait;
struct command;

struct job {
	struct jobs *js;
	struct job *hash_next;
	struct job *queue_next; // PENDING jobs, in order
	struct job *clean_next; // ended jobs whose remains wait to be removed

	char id[JOB_ID_LEN + 1];
	uint64_t seq;
	struct job_request request; // secret values are ***
	char **secrets;		    // the real ones, NAME=value, until the job has started
	bool has_secrets;
	int64_t created_ns, scheduled_ns, timeout_ns;

	struct job_run run;  // as committed
	struct job_run next; // as it will be when the change under way is committed
	struct store_change change;
	bool is_busy; // change is under way

	// Facts
	bool want_place;	 // its time has come
	enum job_stop want_stop; // somebody asked, or its time is over
	char want_stop_by[JOB_BY_MAX];
	int want_kill_as;	// the first process would not notice this signal: kill, and report it
	uint64_t early_signals; // for a command whose start is under way
	unsigned kills;		// how often it was killed
	bool is_created;	// the container is there, and not started
	bool is_started;
	bool has_exit; // and the next five are valid
	int exit_code;
	int64_t exit_ns;
	bool exit_oom;
	int exit_signal; // where exit_usage is known
	struct job_usage exit_usage;
	bool is_shim_lost;    // it is dead and left no exit file
	bool is_lost_killed;  // and what it watched is dead too
	const char *lost_why; // a constant; NULL: its shim
	char *failed;	      // why the job ends without having run
	bool failed_inside;   // the runtime said it, about the command
	bool is_starting;     // counts against the starts at once
	bool is_counted;      // counts against maxConcurrentJobs
	bool is_waiting;      // counts against maxQueuedJobs
	bool is_queued;	      // stands in the queue
	bool is_cleaning;     // what is left of it is being removed

	struct shim_start *shim_start;
	struct start_wait *start;
	struct command *command; // delete
	struct command *kill;	 // kill
	int shim_fd;
	sd_event_source *shim_source; // the shim has ended
	sd_event_source *timer;	      // its time: to start, or to end
	sd_event_source *grace_timer; // from TERM to KILL, and again
	sd_event_source *retry_timer; // a change that the disk had no room for

	struct job_waiter *submit_waiters; // told when the row is durable
	struct job_waiter *end_waiters;	   // told when the job has ended
};

#define JOB_BUCKETS    4096
#define WATCH_BUCKETS  256
#define STARTS_AT_ONCE 8
#define CLEANS_AT_ONCE 8

struct jobs {
	const struct config *cfg;
	sd_event *loop;
	struct store *store;
	struct slots *slots;
	struct bundle_maker *bundles;
	struct shim_exits *exits;
	struct reaper *reaper;
	struct job *bucket[JOB_BUCKETS]; // jobs that have not ended, or whose remains are still there
	struct job_watch *watches[WATCH_BUCKETS];
	struct job *queue_head, **queue_tail;
	struct job *clean_head, **clean_tail;
	sd_event_source *dispatch_source; // deferred: fills free places
	sd_event_source *purge_source;	  // deferred: removes the logs of deleted jobs
	char **purge;			  // their ids, from purge_at on
	size_t purge_at, purge_len;
	char *runtime_root;
	size_t waiting; // jobs that are SCHEDULED or PENDING
	size_t pending; // of them, those that are PENDING or will be
	size_t running; // counted against maxConcurrentJobs
	jobs_changed_fn *changed;
	void *changed_data;
	size_t starting; // against STARTS_AT_ONCE
	size_t cleaning; // against CLEANS_AT_ONCE
	unsigned highest_cpu;
	bool is_closing;
};

// job.c: the jobs in memory
struct job *job_find(struct jobs *js, const char *id);	// NULL: not in memory
struct job *job_new(struct jobs *js, const char *id);	// in its bucket
void job_free(struct job *j);				// out of every list
void job_view(const struct job *j, struct job_info *v); // borrowed from j
void job_notify(struct job *j);				// those who watch
void job_waiter_add(struct job_waiter **list, job_done_fn *fn, void *userdata);
void job_waiters_call(struct job_waiter **list, int rc, const struct err *e, const struct job_info *info);
void job_enqueue(struct job *j);
void job_dequeue(struct job *j);

// job_run.c: from the queue to the end
void job_step(struct job *j);
// Commits j->next, which the caller has filled, then steps. One at a time.
void job_commit(struct job *j);
void job_changed(struct store_change *c, int rc, const struct err *e); // what a commit calls
void job_entered(struct job *j); // the effects of the state that has just been committed
void job_dispatch_soon(struct jobs *js);
int job_dispatch(sd_event_source *source, void *userdata);
bool job_place_is_free(const struct jobs *js);
void job_take_place(struct job *j);			    // counts it, and gives it a slot in next
void job_leave_place(struct job *j);			    // the slot stays until the remains are gone
void job_start_is_over(struct job *j);			    // one of STARTS_AT_ONCE is free again
void job_fail(struct job *j, bool inside, const char *why); // a fact; the caller steps

// job_start.c: bundle, shim, container
void job_begin(struct job *j);
void job_start_container(struct job *j);
void job_exit_seen(struct job *j, int code, int64_t exit_ns); // a fact; the caller steps
void job_look_for_exit(struct job *j);			      // reads the exit file if it is there
int job_watch_shim(struct job *j); // by the pid and start time in j->run; -ESRCH when it is dead
void job_kill_lost(struct job *j); // the shim is dead: kill what it watched, then step
void job_arm_schedule(struct job *j);
void job_arm_timeout(struct job *j);

// job_clean.c: what is left of a job that has ended, then the job itself
void job_clean(struct job *j);
void job_clean_some(struct jobs *js);		       // from the loop: those whose turn it is
void job_purge(struct jobs *js, char **ids, size_t n); // logs of deleted jobs; takes ids
int job_purge_some(sd_event_source *source, void *userdata);

// job_stop.c
void job_stop_effects(struct job *j); // STOPPING is committed: TERM, and KILL after the grace time
void job_kill_now(struct job *j);
void job_deliver_early(struct job *j); // it has started
bool job_would_not_notice(const struct job *j,
			  int sig); // the first process has no handler, and is spared the default action

// job_recover.c
int job_recover(struct jobs *js, struct err *e) attr_must_check;
