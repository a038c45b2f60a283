// SPDX-License-Identifier: Apache-2.0
// The start of the daemon: what the store says, what the exit files say, which shims live, and what the
// runtime knows, put together again. See the table at the top of job_start.c. Then what belongs to no job
// that lives is removed. It may wait for the runtime: nobody is served yet.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobletd/bundle.h"
#include "jobletd/command.h"
#include "jobletd/job_private.h"
#include "jobletd/shim.h"
#include "jobletd/slot.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define WAIT_MS 30000

struct recovery {
	struct jobs *js;
	bool same_boot;
	unsigned waiting, running, lost;
};

enum status { STATUS_UNKNOWN, STATUS_CREATED, STATUS_RUNNING, STATUS_STOPPED };

// What the runtime says of a container, and the pid of its first process.
static enum status ask_status(struct jobs *js, const char *id, pid_t *pid)
{
	const char *argv[] = {js->cfg->programs.runtime, "--root", js->runtime_root, "state", id, NULL};
	cleanup_free char *said = NULL;
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root = NULL;
	const char *status = "";
	int64_t n = 0;
	struct err e = {0};

	int rc = command_wait(argv, WAIT_MS, &said, &e);
	const char *text = rc == 0 ? strchr(said, '{') : NULL;
	if (!text || json_parse(text, strlen(text), strlen(text), &doc, &root, &e) < 0 ||
	    json_read_str(root, "status", &status, &e) < 0 ||
	    json_read_i64(root, "pid", 0, INT32_MAX, &n, &e) < 0)
		return STATUS_UNKNOWN;
	*pid = (pid_t)n;
	return str_eq(status, "created")   ? STATUS_CREATED
	       : str_eq(status, "running") ? STATUS_RUNNING
	       : str_eq(status, "paused")  ? STATUS_RUNNING
	       : str_eq(status, "stopped") ? STATUS_STOPPED
					   : STATUS_UNKNOWN;
}

static void delete_container(struct jobs *js, const char *id)
{
	const char *argv[] = {
	    js->cfg->programs.runtime, "--root", js->runtime_root, "delete", "--force", id, NULL};
	cleanup_free char *said = NULL;
	struct err e = {0};

	int rc = command_wait(argv, WAIT_MS, &said, &e);
	if (rc != 0)
		log_warn("container %s: the runtime did not delete it: %s", id, rc < 0 ? e.msg : said);
}

// It ran, and nobody knows how it ended.
static void lose(struct job *j, const char *why)
{
	j->lost_why = why;
	j->is_started = true;
	j->is_shim_lost = true;
}

// A daemon before was starting it when it ended.
static void take_over_start(struct recovery *r, struct job *j)
{
	struct jobs *js = r->js;
	cleanup_free char *dir = bundle_dir(js->bundles, j->id);
	pid_t pid = 0;

	job_start_is_over(j);
	enum status status = ask_status(js, j->id, &pid);
	bool has_shim = shim_find(dir, &j->run.shim_pid, &j->run.shim_start) == 0 &&
			shim_is(j->run.shim_pid, j->id) && job_watch_shim(j) == 0;
	job_look_for_exit(j);
	if (j->has_exit) {
		j->is_started = true;
	} else if (has_shim && status != STATUS_UNKNOWN) {
		j->run.pid = pid;
		if (pid <= 0 || proc_start_time(pid, &j->run.pid_start) < 0)
			j->run.pid_start = 0;
		j->is_created = true;
		j->is_started = status != STATUS_CREATED;
	} else if (!has_shim && (status == STATUS_RUNNING || status == STATUS_STOPPED)) {
		lose(j, "its shim was lost");
	} else {
		// Nothing has let the command run, so it may be started again.
		int killed = shim_kill_stray(j->id);
		if (killed != 0)
			log_info("job %s: %d shims of the daemon before %s", j->id, killed,
				 killed > 0 ? "killed" : "not killed");
		j->shim_source = sd_event_source_disable_unref(j->shim_source);
		delete_container(js, j->id);
		slots_release(js->slots, j->run.slot);
		job_leave_place(j);
		j->run.slot = -1;
		j->run.pid = j->run.shim_pid = 0;
		j->run.state = JOB_PENDING; // the row follows with the next move
		return;
	}
	if (j->is_started && !j->run.started_ns) {
		j->run.started_ns = clock_ns(CLOCK_REALTIME);
		j->run.started_boot_ns = clock_ns(CLOCK_BOOTTIME);
		job_arm_timeout(j);
	}
}

static void take_over_running(struct recovery *r, struct job *j)
{
	j->is_created = j->is_started = true;
	int rc = job_watch_shim(j);
	// Only now: what ended before this line has left its exit file, what ends later is watched.
	job_look_for_exit(j);
	if (rc < 0 && !j->has_exit) {
		log_warn("job %s: its shim is dead and left no exit file", j->id);
		j->is_shim_lost = true;
		r->lost++;
		return;
	}
	if (j->has_exit)
		return;
	r->running++;
	if (j->run.state == JOB_STOPPING)
		job_stop_effects(j);
	else
		job_arm_timeout(j);
}

// The machine was restarted: no process of before is there, whatever has its number now.
static void bury(struct job *j)
{
	job_look_for_exit(j);
	if (j->has_exit) {
		j->is_started = true;
		return;
	}
	lose(j, "the machine was restarted while it ran");
	j->is_lost_killed = true;
}

static void take_over(struct recovery *r, struct job *j)
{
	struct jobs *js = r->js;

	if (j->run.slot >= 0 && slots_claim(js->slots, j->run.slot) < 0)
		log_warn("job %s: its user ids are not its alone", j->id);
	j->is_counted = true;
	js->running++;
	if (!r->same_boot)
		bury(j);
	else if (j->run.state == JOB_INITIALIZING)
		take_over_start(r, j);
	else
		take_over_running(r, j);
}

static int each_live(void *userdata, struct job_info *info, const struct job_run *run, bool has_secrets)
{
	struct recovery *r = userdata;
	struct jobs *js = r->js;
	struct job *j = job_new(js, info->id);

	j->seq = info->seq;
	j->request = info->request;
	info->request = (struct job_request){0};
	j->has_secrets = has_secrets;
	j->created_ns = info->created_ns;
	j->scheduled_ns = info->scheduled_ns;
	j->timeout_ns = info->timeout_ns;
	j->run = *run;
	if (run->state != JOB_SCHEDULED && run->state != JOB_PENDING)
		take_over(r, j);
	if (j->run.state != JOB_SCHEDULED && j->run.state != JOB_PENDING)
		return 0;
	r->waiting++;
	j->is_waiting = true;
	js->waiting++;
	if (has_secrets)
		job_fail(j, false, "its secrets were lost with the restart of the daemon");
	if (j->run.state == JOB_SCHEDULED) {
		job_arm_schedule(j);
	} else {
		js->pending++;
		job_enqueue(j);
	}
	return 0;
}

// An id of a job, and nothing else.
static bool is_id(const char *s)
{
	return strlen(s) == JOB_ID_LEN && strspn(s, "0123456789abcdef-") == JOB_ID_LEN;
}

static char **list_names(const char *dir)
{
	char **names = NULL;
	cleanup_closedir DIR *d = opendir(dir);

	for (struct dirent *entry; d && (entry = readdir(d));)
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			strv_add(&names, entry->d_name);
	return names;
}

// Bundles and containers of which no living job knows.
static void sweep_containers(struct jobs *js)
{
	const char *dirs[] = {js->runtime_root, js->cfg->path.jobs};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		cleanup_strv char **names = list_names(dirs[i]);
		for (char **p = names; p && *p; p++) {
			struct err e = {0};
			struct job *j = job_find(js, *p);
			if (!is_id(*p) || (j && j->run.state != JOB_PENDING))
				continue;
			log_info("removing what is left of job %s", *p);
			if (shim_kill_stray(*p) < 0)
				log_warn("job %s: a shim of it lives on", *p);
			delete_container(js, *p);
			if (bundle_remove(js->bundles, *p, &e) < 0)
				log_warn("job %s: %s", *p, e.msg);
		}
	}
}

static void sweep_files(struct jobs *js)
{
	cleanup_strv char **exits = list_names(js->cfg->path.exits);
	cleanup_strv char **logs = list_names(js->cfg->path.logs);
	char id[JOB_ID_LEN + 1];

	for (char **p = exits; p && *p; p++) {
		cleanup_free char *path = xasprintf("%s/%s", js->cfg->path.exits, *p);
		if (!job_find(js, *p) && unlink(path) < 0)
			log_warn("%s: %s", path, strerror(errno));
	}
	for (char **p = logs; p && *p; p++) {
		if (strlen(*p) != JOB_ID_LEN + 4 || !str_eq(*p + JOB_ID_LEN, ".log"))
			continue;
		snprintf(id, sizeof(id), "%.*s", JOB_ID_LEN, *p);
		if (!is_id(id) || store_has(js->store, id))
			continue;
		cleanup_free char *path = job_log_path(js, id);
		if (unlink(path) < 0)
			log_warn("%s: %s", path, strerror(errno));
	}
}

static int read_boot_id(char id[64], struct err *e)
{
	cleanup_free char *text = NULL;

	int rc = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 63, &text, NULL, e);
	if (rc == 0)
		snprintf(id, 64, "%.*s", (int)strcspn(text, "\n"), text);
	return rc;
}

static void step_all(struct jobs *js)
{
	for (size_t i = 0; i < JOB_BUCKETS; i++) {
		for (struct job *j = js->bucket[i], *next; j; j = next) {
			next = j->hash_next;
			// One that was created and not started goes on where it was.
			if (j->run.state == JOB_INITIALIZING && j->is_created && !j->is_started &&
			    !j->has_exit && !j->failed)
				job_start_container(j);
			else
				job_step(j);
		}
	}
}

int job_recover(struct jobs *js, struct err *e)
{
	struct recovery r = {.js = js};
	char now[64];
	char before[64];

	int rc = read_boot_id(now, e);
	if (rc == 0)
		rc = store_swap_boot(js->store, now, before, e);
	if (rc < 0)
		return rc;
	r.same_boot = str_eq(now, before);
	rc = store_live(js->store, each_live, &r, e);
	if (rc < 0)
		return rc;
	sweep_containers(js);
	sweep_files(js);
	if (r.waiting || r.running || r.lost)
		log_info("taken over: %u jobs that wait, %u that run, %u whose shim is lost", r.waiting,
			 r.running, r.lost);
	step_all(js);
	job_dispatch_soon(js);
	return 0;
}
