// SPDX-License-Identifier: Apache-2.0
// What jobs exist, in SQLite: <state>/joblet.db. Changes of one turn of the loop share one transaction; its
// commit is one fsync, after which the done functions of all of them run. If it fails, all of them are undone
// and hear the error. Reads see only what is committed.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/job.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

#define JOB_BY_MAX     128
#define JOB_REASON_MAX 512

enum job_stop { JOB_STOP_NO, JOB_STOP_ASKED, JOB_STOP_TIMEOUT };

// The part of a job that changes during its life.
struct job_run {
	enum job_state state;
	int64_t queued_ns; // its place in the queue
	int64_t started_ns, started_boot_ns, ended_ns;
	int exit_code, signal;
	bool oom_killed;
	struct job_usage usage;
	char reason[JOB_REASON_MAX];
	int slot; // of user ids, -1: none
	pid_t pid, shim_pid;
	uint64_t pid_start, shim_start; // field 22 of /proc/PID/stat
	enum job_stop stop;
	char stop_by[JOB_BY_MAX];
	int64_t stop_boot_ns; // when it was stopped
	int kill_as;	      // the signal that its KILL stands for
};

// One that is not committed yet is embedded in its owner, which stays until done was called.
struct store_change {
	struct store_change *next;
	void (*done)(struct store_change *c, int rc, const struct err *e);
};

struct store;

// Locks the folder: a second daemon on the same home is -EBUSY. A damaged file, one of a newer jobletd, or
// one that cannot be written is a clear error and nothing is changed.
int store_open(const char *dir, sd_event *loop, struct store **out, struct err *e) attr_must_check;
void store_close(struct store *s); // commits what is open

// Each joins the transaction of this turn. Never fails at once: done hears it.
void store_insert(struct store *s, const struct job_info *fixed, const struct job_run *run, bool has_secrets,
		  struct store_change *c);
void store_update(struct store *s, const char *id, const struct job_run *run, struct store_change *c);
void store_delete(struct store *s, const char *id, struct store_change *c);
// Every ended job; their ids are added to ids.
void store_delete_ended(struct store *s, char ***ids, size_t *count, struct store_change *c);
void store_barrier(struct store *s, struct store_change *c); // no change: done when those before are durable
// What is open is committed now, for start and end of the daemon. The done functions run.
int store_commit_now(struct store *s, struct err *e) attr_must_check;

uint64_t store_next_seq(struct store *s); // each call another one

// 0, -ENOENT, or an error with its text. info is filled and the caller's (job_info_clear).
int store_get(struct store *s, const char *id, struct job_info *info, struct err *e) attr_must_check;
int store_get_run(struct store *s, const char *id, struct job_run *run, struct err *e) attr_must_check;
bool store_has(struct store *s, const char *id);
// Ids: at most n of them; *found is how many there are, counted up to n.
int store_find_prefix(struct store *s, const char *prefix, char ids[][JOB_ID_LEN + 1], size_t n,
		      size_t *found, struct err *e) attr_must_check;
int store_find_name(struct store *s, const char *name, char id[JOB_ID_LEN + 1],
		    struct err *e) attr_must_check;
int store_find_last(struct store *s, const char *owner, char id[JOB_ID_LEN + 1],
		    struct err *e) attr_must_check;
// Sees this turn's changes too.
int store_find_key(struct store *s, const char *owner, const char *key, char id[JOB_ID_LEN + 1],
		   struct err *e) attr_must_check;
int store_list(struct store *s, const struct job_filter *f,
	       int (*each)(void *userdata, const struct job_info *), void *userdata,
	       struct err *e) attr_must_check;
// Every job that has not ended, oldest first. info and run are borrowed.
int store_live(struct store *s,
	       int (*each)(void *userdata, struct job_info *info, const struct job_run *run,
			   bool has_secrets),
	       void *userdata, struct err *e) attr_must_check;

// The boot of the machine in which the store was last open; "" at first. Sets it to now.
int store_swap_boot(struct store *s, const char *now, char before[64], struct err *e) attr_must_check;

void job_info_clear(struct job_info *info); // what it points to
