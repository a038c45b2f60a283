// SPDX-License-Identifier: Apache-2.0
// The jobs in memory: those that have not ended, or whose remains are not gone yet. Opening and closing,
// submitting, watching. The history is in the store alone, so a long one costs nothing here.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "jobletd/bundle.h"
#include "jobletd/command.h"
#include "jobletd/job_private.h"
#include "jobletd/shim.h"
#include "jobletd/slot.h"
#include "jobletd/start.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

static unsigned hash(const char *id)
{
	unsigned h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h;
}

struct job *job_find(struct jobs *js, const char *id)
{
	struct job *j = js->bucket[hash(id) % JOB_BUCKETS];

	while (j && !str_eq(j->id, id))
		j = j->hash_next;
	return j;
}

struct job *job_new(struct jobs *js, const char *id)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct job **bucket = &js->bucket[hash(id) % JOB_BUCKETS];

	j->js = js;
	j->shim_fd = -1;
	j->run.slot = j->next.slot = -1;
	j->change.done = job_changed;
	snprintf(j->id, sizeof(j->id), "%s", id);
	j->hash_next = *bucket;
	*bucket = j;
	return j;
}

void job_free(struct job *j)
{
	struct jobs *js = j->js;
	struct job **p = &js->bucket[hash(j->id) % JOB_BUCKETS];

	while (*p != j)
		p = &(*p)->hash_next;
	*p = j->hash_next;
	job_dequeue(j);
	job_start_is_over(j);
	job_leave_place(j);
	if (j->is_waiting)
		js->waiting--;
	shim_start_forget(j->shim_start);
	start_forget(j->start, js->reaper);
	command_forget(j->command, js->reaper);
	command_forget(j->kill, js->reaper);
	sd_event_source_disable_unref(j->shim_source);
	sd_event_source_disable_unref(j->timer);
	sd_event_source_disable_unref(j->grace_timer);
	sd_event_source_disable_unref(j->retry_timer);
	if (j->shim_fd >= 0)
		reaper_take(js->reaper, take_fd(j->shim_fd), 0);
	job_secrets_free(j->secrets);
	job_request_clear(&j->request);
	free(j->failed);
	free(j);
}

void job_view(const struct job *j, struct job_info *v)
{
	*v = (struct job_info){
	    .seq = j->seq,
	    .state = j->run.state,
	    .request = j->request,
	    .created_ns = j->created_ns,
	    .scheduled_ns = j->scheduled_ns,
	    .started_ns = j->run.started_ns,
	    .ended_ns = j->run.ended_ns,
	    .timeout_ns = j->timeout_ns,
	    .exit_code = j->run.exit_code,
	    .signal = j->run.signal,
	    .oom_killed = j->run.oom_killed,
	    .usage = j->run.usage,
	    .reason = (char *)(uintptr_t)j->run.reason,
	};
	memcpy(v->id, j->id, sizeof(v->id));
}

void job_waiter_add(struct job_waiter **list, job_done_fn *fn, void *userdata)
{
	struct job_waiter *w = xcalloc(1, sizeof(*w));

	w->fn = fn;
	w->userdata = userdata;
	while (*list)
		list = &(*list)->next;
	*list = w;
}

void job_waiters_call(struct job_waiter **list, int rc, const struct err *e, const struct job_info *info)
{
	struct job_waiter *w = take_ptr(*list); // analyzed: who was freed is out of the list

	while (w) {
		struct job_waiter *next = w->next;
		w->fn(w->userdata, rc, e, info);
		free(w);
		w = next;
	}
}

void job_enqueue(struct job *j)
{
	struct jobs *js = j->js;

	j->is_queued = true;
	j->queue_next = NULL;
	*js->queue_tail = j;
	js->queue_tail = &j->queue_next;
}

void job_dequeue(struct job *j)
{
	struct jobs *js = j->js;
	struct job **p = &js->queue_head;

	if (!j->is_queued)
		return;
	while (*p != j)
		p = &(*p)->queue_next;
	*p = j->queue_next;
	if (js->queue_tail == &j->queue_next)
		js->queue_tail = p;
	j->is_queued = false;
	js->pending--;
}

static struct job_watch **watch_bucket(struct jobs *js, const char *id)
{
	return &js->watches[hash(id) % WATCH_BUCKETS];
}

static void watch_link(struct job_watch **head, struct job_watch *w)
{
	w->next = *head;
	w->prev = head;
	if (w->next)
		w->next->prev = &w->next;
	*head = w;
}

void job_watch(struct jobs *js, const char *id, struct job_watch *w)
{
	snprintf(w->id, sizeof(w->id), "%s", id);
	watch_link(watch_bucket(js, id), w);
}

void job_unwatch(struct job_watch *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

void job_notify(struct job *j)
{
	struct job_watch **head = watch_bucket(j->js, j->id);
	struct job_watch *due = NULL;
	struct job_info v;

	// Those of this job go to a list of their own first: each goes back before it is called, so it may
	// leave, or others may, or come.
	for (struct job_watch *w = *head, *next; w; w = next) {
		next = w->next;
		if (!str_eq(w->id, j->id))
			continue;
		job_unwatch(w);
		watch_link(&due, w);
	}
	job_view(j, &v);
	if (j->js->changed && (v.state == JOB_RUNNING || job_state_is_final(v.state)))
		j->js->changed(j->js->changed_data, &v);
	while (due) {
		struct job_watch *w = due;
		job_unwatch(w);
		watch_link(head, w);
		w->fn(w, &v);
	}
}

static void make_id(char id[JOB_ID_LEN + 1])
{
	unsigned char b[16];

	while (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		;
	b[6] = (b[6] & 0x0f) | 0x40; // RFC 9562, version 4
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(id, JOB_ID_LEN + 1, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
		 b[14], b[15]);
}

// Somebody asked again with the key of a job that exists.
struct repeat {
	struct store_change change;
	struct jobs *js;
	char id[JOB_ID_LEN + 1];
	job_done_fn *fn;
	void *userdata;
};

static void on_repeat(struct store_change *c, int rc, const struct err *e)
{
	struct repeat *r = container_of(c, struct repeat, change);
	struct job_info *info = NULL;
	struct err text = {0};

	if (rc == 0)
		rc = job_get(r->js, r->id, &info, &text);
	r->fn(r->userdata, rc, text.msg[0] ? &text : e, info);
	job_info_free(info);
	free(r);
}

// 1: there is such a job, and fn will hear of it.
static int find_repeat(struct jobs *js, const struct job_request *q, job_done_fn *fn, void *userdata,
		       struct err *e)
{
	char id[JOB_ID_LEN + 1];

	if (!q->idempotency_key[0])
		return 0;
	int rc = store_find_key(js->store, q->owner, q->idempotency_key, id, e);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	struct repeat *r = xcalloc(1, sizeof(*r));
	r->change.done = on_repeat;
	r->js = js;
	r->fn = fn;
	r->userdata = userdata;
	memcpy(r->id, id, sizeof(r->id));
	store_barrier(js->store, &r->change);
	return 1;
}

static void insert(struct job *j)
{
	struct job_info v;

	j->next = j->run;
	j->next.queued_ns = j->scheduled_ns ? j->scheduled_ns : j->created_ns;
	if (j->scheduled_ns) {
		j->next.state = JOB_SCHEDULED;
	} else if (j->js->pending == 0 && job_place_is_free(j->js)) {
		j->next.state = JOB_INITIALIZING;
		job_take_place(j);
	} else {
		j->next.state = JOB_PENDING;
		j->js->pending++;
	}
	if (j->next.state != JOB_INITIALIZING) {
		j->is_waiting = true;
		j->js->waiting++;
	}
	j->is_busy = true;
	job_view(j, &v);
	store_insert(j->js->store, &v, &j->next, j->has_secrets, &j->change);
}

int job_submit_take(struct jobs *js, struct job_request *r, job_done_fn *fn, void *userdata, struct err *e)
{
	struct job_plan plan = {0};
	char id[JOB_ID_LEN + 1];
	int64_t now = clock_ns(CLOCK_REALTIME);

	int rc = job_check(js->cfg, r, now, js->highest_cpu, bundle_can_limit_io(js->bundles), &plan, e);
	if (rc == 0)
		rc = find_repeat(js, r, fn, userdata, e);
	if (rc == 0 && js->waiting >= (size_t)js->cfg->joblet.max_queued_jobs)
		rc = err_set(e, -EAGAIN, "the queue is full: %zu jobs wait", js->waiting);
	if (rc != 0) {
		job_request_free(r);
		return rc < 0 ? rc : 0;
	}
	make_id(id);
	struct job *j = job_new(js, id);
	j->request = *r;
	free(r);
	j->secrets = job_request_hide_secrets(&j->request);
	j->has_secrets = j->secrets != NULL;
	j->seq = store_next_seq(js->store);
	j->created_ns = now;
	j->scheduled_ns = plan.scheduled_ns;
	j->timeout_ns = plan.timeout_ns;
	job_waiter_add(&j->submit_waiters, fn, userdata);
	insert(j);
	return 0;
}

static void on_exit_file(void *userdata, const char *id)
{
	struct jobs *js = userdata;

	if (id) {
		struct job *j = job_find(js, id);
		if (j && !j->has_exit) {
			job_look_for_exit(j);
			job_step(j);
		}
		return;
	}
	for (size_t i = 0; i < JOB_BUCKETS; i++) {
		for (struct job *j = js->bucket[i], *next; j; j = next) {
			next = j->hash_next;
			if (!j->has_exit && j->is_counted) {
				job_look_for_exit(j);
				job_step(j);
			}
		}
	}
}

static int make_dirs(const struct config *cfg, struct err *e)
{
	const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {{cfg->path.jobs, 0711},
		    {cfg->path.logs, 0700},
		    {cfg->path.state, 0700},
		    {cfg->path.exits, 0700},
		    {cfg->path.run, 0711}};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int rc = file_mkdirs(dirs[i].path, dirs[i].mode, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// A program that is missing is no reason not to start: the history can be read, and every job says what is
// wrong.
static void check_programs(const struct config *cfg)
{
	const char *programs[] = {cfg->programs.runtime, cfg->programs.shim};

	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		if (access(programs[i], X_OK) < 0)
			log_error("%s cannot be executed (%s): no job can start", programs[i],
				  strerror(errno));
}

static int open_all(struct jobs *js, struct err *e)
{
	int rc = make_dirs(js->cfg, e);

	if (rc == 0)
		rc = store_open(js->cfg->path.state, js->loop, &js->store, e);
	if (rc == 0)
		rc = bundle_maker_new(js->cfg, &js->bundles, e);
	if (rc == 0)
		rc = shim_exits_open(js->loop, js->cfg->path.exits, on_exit_file, js, &js->exits, e);
	if (rc < 0)
		return rc;
	js->slots = slots_new(js->cfg->process.id_slots);
	js->reaper = reaper_new(js->loop);
	rc = sd_event_add_defer(js->loop, &js->dispatch_source, job_dispatch, js);
	if (rc >= 0)
		rc = sd_event_add_defer(js->loop, &js->purge_source, job_purge_some, js);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(js->purge_source, SD_EVENT_OFF);
	if (rc < 0)
		return err_sys(e, rc, "event loop");
	check_programs(js->cfg);
	return job_recover(js, e);
}

size_t jobs_running(const struct jobs *js)
{
	return js->running;
}

int jobs_open(const struct config *cfg, sd_event *loop, jobs_changed_fn *changed, void *userdata,
	      struct jobs **out, struct err *e)
{
	struct jobs *js = xcalloc(1, sizeof(*js));
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	js->cfg = cfg;
	js->changed = changed;
	js->changed_data = userdata;
	js->loop = sd_event_ref(loop);
	js->queue_tail = &js->queue_head;
	js->clean_tail = &js->clean_head;
	js->highest_cpu = cpus > 0 ? (unsigned)cpus - 1 : 0;
	js->runtime_root = xasprintf("%s/runtime", cfg->path.run);
	int rc = open_all(js, e);
	if (rc < 0) {
		jobs_close(js);
		return rc;
	}
	*out = js;
	return 0;
}

void jobs_close(struct jobs *js)
{
	struct err e = {0};

	if (!js)
		return;
	js->is_closing = true;
	if (js->store && store_commit_now(js->store, &e) < 0)
		log_error("%s", e.msg);
	// Every callback comes once: who still waits learns that this daemon will not answer.
	err_set(&e, -ESHUTDOWN, "jobletd is ending; jobs go on");
	for (size_t i = 0; i < JOB_BUCKETS; i++)
		while (js->bucket[i]) {
			job_waiters_call(&js->bucket[i]->submit_waiters, -ESHUTDOWN, &e, NULL);
			job_waiters_call(&js->bucket[i]->end_waiters, -ESHUTDOWN, &e, NULL);
			job_free(js->bucket[i]); // analyzed: job_free takes it out of its bucket
		}
	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		while (js->watches[i])
			job_unwatch(js->watches[i]);
	shim_exits_close(js->exits);
	bundle_maker_free(js->bundles);
	reaper_free(js->reaper);
	slots_free(js->slots);
	store_close(js->store);
	sd_event_source_disable_unref(js->dispatch_source);
	sd_event_source_disable_unref(js->purge_source);
	for (size_t i = js->purge_at; i < js->purge_len; i++)
		free(js->purge[i]);
	free(js->purge);
	free(js->runtime_root);
	sd_event_unref(js->loop);
	free(js);
}
