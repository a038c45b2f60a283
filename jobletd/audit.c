// SPDX-License-Identifier: Apache-2.0
// What is recorded, by the configuration's choice; what happens while nothing can be; who waits for the disk.
// The file itself is audit_file.c.
#include "jobletd/audit.h"

#include <errno.h>
#include <string.h>

#include "jobletd/audit_file.h"
#include "jobletd/audit_params.h"
#include "jobletd/command.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define CHECKPOINT_USEC (60 * UINT64_C(1000000))	// from a record to its signature, at most
#define DAY_USEC	(24 * 3600 * UINT64_C(1000000)) // between two looks at retention and integrity
#define TEXT_MAX	((size_t)1024)
#define SEEN		1024

static const struct {
	const char *permission;
	enum audit_kind kind;
} kinds[] = {
#define PERMISSION(name, kind, what) {name, AUDIT_##kind},
#include "specs/permission.def"
#undef PERMISSION
};

struct audit {
	const struct config *cfg;
	sd_event *loop;
	struct jobs *jobs;
	struct audit_file *file; // NULL: auditing is off
	sd_event_source *sync, *checkpoint, *daily;
	struct audit_wait *first, **last; // who waits for the disk, in the order of coming
	struct command *check;
	bool has_failed;
	uint64_t left_out; // records since then
	struct err failure;
	uint64_t seen[SEEN]; // connections whose auth_success is recorded, by their hash
};

enum audit_kind audit_kind_of(const char *permission)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(kinds[i].permission, permission))
			return kinds[i].kind;
	return str_eq(permission, "-") ? AUDIT_READ : AUDIT_ADMIN;
}

static int fail(struct audit *a, int rc, const struct err *e)
{
	if (!a->has_failed)
		log_error("audit: %s: changes are refused until it can be written again", e->msg);
	a->has_failed = true;
	a->left_out++;
	a->failure = *e;
	return rc;
}

static void begin(struct audit *a, struct json_out *o, struct buf *line, const char *event)
{
	audit_file_begin(a->file, o, line, event);
	json_kv_i64(o, "job_count", a->jobs ? (int64_t)jobs_running(a->jobs) : 0);
}

static int end(struct audit *a, struct json_out *o)
{
	struct err e = {0};
	int rc = audit_file_end(a->file, o, &e);

	if (rc)
		return fail(a, rc, &e);
	sd_event_source_set_time_relative(a->checkpoint, CHECKPOINT_USEC);
	sd_event_source_set_enabled(a->checkpoint, SD_EVENT_ONESHOT);
	return 0;
}

static void put_text(struct json_out *o, const char *key, const char *text)
{
	size_t room = TEXT_MAX;

	json_key(o, key);
	audit_text_put(o, text, &room);
}

static void put_actor(struct json_out *o, const struct audit_actor *actor)
{
	char hex[2 * 32 + 1];

	json_key(o, "actor");
	json_open_obj(o);
	put_text(o, "cn", actor->cn);
	put_text(o, "role", actor->role);
	if (actor->serial && actor->serial[0])
		put_text(o, "serial", actor->serial);
	if (actor->fingerprint) {
		audit_hex(actor->fingerprint, 32, hex);
		json_kv_str(o, "fingerprint", hex);
	}
	put_text(o, "peer", actor->peer);
	json_close_obj(o);
}

// The daemon's own doings.
static int record_plain(struct audit *a, const char *event, const char *key, const char *text)
{
	cleanup_buf struct buf line = {0};
	struct json_out o;

	if (!a->file)
		return 0;
	begin(a, &o, &line, event);
	json_kv_str(&o, "version", JOBLET_VERSION);
	if (key)
		put_text(&o, key, text);
	return end(a, &o);
}

static bool is_wanted(const struct audit *a, enum audit_kind kind)
{
	const struct config *c = a->cfg;

	return c->audit.log_all_operations || (kind == AUDIT_JOB && c->audit.log_job_operations) ||
	       (kind == AUDIT_ADMIN && c->audit.log_admin_operations);
}

int audit_call_record(struct audit *a, const struct audit_call *c)
{
	static const char *const events[] = {"read_operation", "job_operation", "admin_operation"};
	enum audit_kind kind = audit_kind_of(c->permission);
	cleanup_buf struct buf line = {0};
	struct json_out o;

	// Who was refused is always of interest.
	if (!a->file || (!is_wanted(a, kind) && !str_eq(c->decision, "denied")))
		return 0;
	begin(a, &o, &line, events[kind]);
	json_kv_str(&o, "phase", c->request ? "intent" : "result");
	put_actor(&o, c->actor);
	cleanup_free char *op = xasprintf("%s/%s", c->service, c->method);
	json_kv_str(&o, "op", op);
	json_kv_str(&o, "permission", c->permission);
	put_text(&o, "object", c->object);
	if (c->request) {
		json_key(&o, "params");
		audit_params_put(&o, c->request);
	}
	json_kv_str(&o, "decision", c->decision);
	if (!c->request) {
		json_kv_str(&o, "result", c->result);
		if (c->text && c->text[0])
			put_text(&o, "text", c->text);
		json_kv_i64(&o, "duration_us", c->duration_ns / 1000);
	}
	return end(a, &o);
}

// FNV-1a over what tells one connection from another.
static uint64_t connection_hash(const struct audit_actor *actor)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (const char *p = actor->peer; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
	for (size_t i = 0; actor->fingerprint && i < 32; i++)
		h = (h ^ actor->fingerprint[i]) * UINT64_C(1099511628211);
	return h | 1;
}

int audit_auth_success(struct audit *a, const struct audit_actor *actor)
{
	uint64_t h = connection_hash(actor);
	cleanup_buf struct buf line = {0};
	struct json_out o;

	if (!a->file || !a->cfg->audit.log_successful_auth || a->seen[h % SEEN] == h)
		return 0;
	a->seen[h % SEEN] = h;
	begin(a, &o, &line, "auth_success");
	put_actor(&o, actor);
	return end(a, &o);
}

int audit_auth_failed(struct audit *a, const struct audit_actor *actor, const char *reason, unsigned left_out)
{
	cleanup_buf struct buf line = {0};
	struct json_out o;

	if (!a->file || !a->cfg->audit.log_failed_auth)
		return 0;
	begin(a, &o, &line, "auth_failed");
	put_actor(&o, actor);
	put_text(&o, "reason", reason);
	if (left_out)
		json_kv_i64(&o, "left_out", left_out);
	return end(a, &o);
}

static void put_usage(struct json_out *o, const struct job_usage *u)
{
	if (!u->is_known)
		return;
	json_kv_i64(o, "memory_peak", u->memory_peak);
	json_kv_i64(o, "cpu_ns", u->cpu_ns);
	json_kv_i64(o, "io_read", u->io_read);
	json_kv_i64(o, "io_written", u->io_written);
	json_kv_i64(o, "lines_dropped", u->lines_dropped);
	json_kv_i64(o, "bytes_dropped", u->bytes_dropped);
}

int audit_job(struct audit *a, const struct job_info *job)
{
	bool is_over = job_state_is_final(job->state);
	cleanup_buf struct buf line = {0};
	struct json_out o;

	if (!a->file || !is_wanted(a, AUDIT_JOB))
		return 0;
	begin(a, &o, &line, is_over ? "job_end" : "job_start");
	json_kv_str(&o, "job", job->id);
	put_text(&o, "owner", job->request.owner);
	put_text(&o, "command", job->request.command);
	if (!is_over) {
		json_kv_i64(&o, "max_cpu", job->request.max_cpu);
		json_kv_i64(&o, "max_memory", job->request.max_memory_mb);
		json_kv_i64(&o, "max_iobps", job->request.max_iobps);
	} else {
		json_kv_str(&o, "status", job_state_name(job->state));
		json_kv_i64(&o, "exit_code", job->exit_code);
		put_text(&o, "reason", job->reason);
		put_usage(&o, &job->usage);
	}
	return end(a, &o);
}

int audit_ready(struct audit *a, struct err *e)
{
	cleanup_buf struct buf line = {0};
	struct json_out o;

	if (!a->has_failed)
		return 0;
	int rc = audit_file_repair(a->file, e);
	if (rc == 0) {
		begin(a, &o, &line, "log_resumed");
		json_key(&o, "left_out");
		json_put_u64(&o, a->left_out);
		put_text(&o, "text", a->failure.msg);
		rc = audit_file_end(a->file, &o, e);
	}
	if (rc)
		return err_wrap(e, -EIO, "nothing is changed without a record of it");
	log_info("audit: the log can be written again");
	a->has_failed = false;
	a->left_out = 0;
	return 0;
}

void audit_sync(struct audit *a, struct audit_wait *w)
{
	w->audit = a;
	w->next = NULL;
	w->prev = a->last;
	*a->last = w;
	a->last = &w->next;
	sd_event_source_set_enabled(a->sync, SD_EVENT_ONESHOT);
}

void audit_forget(struct audit_wait *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	*(w->next ? &w->next->prev : &w->audit->last) = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

static int on_sync(sd_event_source *s attr_unused, void *userdata)
{
	struct audit *a = userdata;
	struct err e = {0};
	int rc = a->file && a->first ? audit_file_sync(a->file, &e) : 0;

	if (rc)
		fail(a, rc, &e);
	while (a->first) {
		struct audit_wait *w = a->first;
		audit_forget(w);
		w->done(w, rc, &e);
	}
	return 0;
}

static int on_checkpoint(sd_event_source *s attr_unused, uint64_t usec attr_unused, void *userdata)
{
	struct audit *a = userdata;
	struct err e = {0};
	int rc = audit_file_checkpoint(a->file, &e);

	if (rc)
		fail(a, rc, &e);
	return 0;
}

static void on_checked(void *userdata, int status, const char *said)
{
	struct audit *a = userdata;

	a->check = NULL;
	if (status == 0) {
		record_plain(a, "integrity_checked", NULL, NULL);
		return;
	}
	log_error("audit: the log is not whole: %s", said);
	record_plain(a, "integrity_failed", "text", said);
}

// In a process of its own: a log may be large.
static void check_integrity(struct audit *a)
{
	const char *argv[] = {"/proc/self/exe", "audit", "verify", "--config", a->cfg->file, NULL};
	struct err e = {0};

	if (!a->cfg->audit.integrity_check || a->check)
		return;
	if (command_start(a->loop, argv, on_checked, a, &a->check, &e))
		log_error("audit: %s", e.msg);
}

static int on_daily(sd_event_source *s, uint64_t usec attr_unused, void *userdata)
{
	struct audit *a = userdata;
	struct err e = {0};
	int rc = a->has_failed ? 0 : audit_file_retain(a->file, &e);

	if (rc)
		log_error("audit: retention: %s", e.msg);
	check_integrity(a);
	sd_event_source_set_time_relative(s, DAY_USEC);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static int add_sources(struct audit *a, struct err *e)
{
	int rc = sd_event_add_defer(a->loop, &a->sync, on_sync, a);
	if (rc >= 0)
		rc = sd_event_source_set_priority(a->sync,
						  SD_EVENT_PRIORITY_NORMAL + 10); // behind what comes in
	if (rc >= 0)
		rc = sd_event_source_set_enabled(a->sync, SD_EVENT_OFF);
	if (rc >= 0 && a->file)
		rc = sd_event_add_time_relative(a->loop, &a->checkpoint, CLOCK_MONOTONIC, CHECKPOINT_USEC, 0,
						on_checkpoint, a);
	if (rc >= 0 && a->file)
		rc = sd_event_add_time_relative(a->loop, &a->daily, CLOCK_MONOTONIC, 0, 0, on_daily, a);
	return rc < 0 ? err_sys(e, rc, "event loop") : 0;
}

int audit_open(const struct config *cfg, sd_event *loop, struct audit **out, struct err *e)
{
	struct audit *a = xcalloc(1, sizeof(*a));

	a->cfg = cfg;
	a->loop = loop;
	a->last = &a->first;
	int rc = cfg->audit.enabled ? audit_file_open(cfg, &a->file, e) : 0;
	if (rc == 0)
		rc = add_sources(a, e);
	if (rc == 0 && record_plain(a, "daemon_start", "config", cfg->file) != 0) {
		*e = a->failure;
		rc = -EIO;
	}
	if (rc) {
		audit_close(a);
		return rc;
	}
	if (!cfg->audit.enabled)
		log_warn("audit: security.audit.enabled is false: nothing is recorded");
	*out = a;
	return 0;
}

void audit_set_jobs(struct audit *a, struct jobs *jobs)
{
	a->jobs = jobs;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	a->jobs = NULL;
	command_forget(a->check, NULL);
	if (a->sync)
		record_plain(a, "daemon_stop", NULL, NULL);
	sd_event_source_disable_unref(a->sync);
	sd_event_source_disable_unref(a->checkpoint);
	sd_event_source_disable_unref(a->daily);
	audit_file_close(a->file);
	free(a);
}
