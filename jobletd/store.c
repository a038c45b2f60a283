// SPDX-License-Identifier: Apache-2.0
// The store's changes: opening the file, the transaction of a turn and its commit. The commit is a deferred
// event: it lets pass what is ready in this turn of the loop, so that all of it shares one fsync, and then
// what became ready meanwhile waits for it: nobody starves.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "jobletd/job_private.h"
#include "jobletd/store_private.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

// What made each format from the one before. user_version is the number of them that were done.
static const char *const formats[] = {
    "CREATE TABLE job ("
    " seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, ended INTEGER NOT NULL,"
    " name TEXT NOT NULL, owner TEXT NOT NULL, idem TEXT NOT NULL, request TEXT NOT NULL,"
    " created_ns INTEGER NOT NULL, scheduled_ns INTEGER NOT NULL, timeout_ns INTEGER NOT NULL,"
    " has_secrets INTEGER NOT NULL, queued_ns INTEGER NOT NULL, started_ns INTEGER NOT NULL,"
    " started_boot_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL, exit_code INTEGER NOT NULL,"
    " signal INTEGER NOT NULL, oom_killed INTEGER NOT NULL, reason TEXT NOT NULL, slot INTEGER NOT NULL,"
    " pid INTEGER NOT NULL, shim_pid INTEGER NOT NULL, pid_start INTEGER NOT NULL, shim_start INTEGER NOT "
    "NULL,"
    " stop INTEGER NOT NULL, stop_by TEXT NOT NULL, stop_boot_ns INTEGER NOT NULL, kill_as INTEGER NOT NULL);"
    "CREATE INDEX job_live ON job(seq) WHERE ended = 0;"
    "CREATE INDEX job_name ON job(name, seq) WHERE name <> '';"
    "CREATE INDEX job_owner ON job(owner, seq);"
    "CREATE UNIQUE INDEX job_key ON job(owner, idem) WHERE idem <> '';"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version = 1;",
    // What the job used: NULL where there was no record of it.
    "ALTER TABLE job ADD COLUMN memory_peak INTEGER; ALTER TABLE job ADD COLUMN cpu_ns INTEGER;"
    "ALTER TABLE job ADD COLUMN io_read INTEGER; ALTER TABLE job ADD COLUMN io_written INTEGER;"
    "ALTER TABLE job ADD COLUMN lines_dropped INTEGER; ALTER TABLE job ADD COLUMN bytes_dropped INTEGER;"
    "PRAGMA user_version = 2;",
};
#define SCHEMA_VERSION ((int)ARRAY_LEN(formats))

int store_error(struct store *s, sqlite3 *db, const char *what, struct err *e)
{
	int code = sqlite3_extended_errcode(db);
	int system = sqlite3_system_errno(db);

	switch (code & 0xff) {
	case SQLITE_FULL: return err_set(e, -ENOSPC, "%s: %s: the disk is full", s->path, what);
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return err_set(
		    e, -EIO, "%s: %s: the file is damaged (%s). Move it away to begin with an empty history",
		    s->path, what, sqlite3_errmsg(db));
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return err_set(e, -EACCES, "%s: %s: cannot be written: %s", s->path, what,
			       sqlite3_errmsg(db));
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return err_set(e, -EBUSY, "%s: %s: another process holds it", s->path, what);
	case SQLITE_IOERR:
		if (system == ENOSPC || system == EDQUOT)
			return err_set(e, -ENOSPC, "%s: %s: the disk is full", s->path, what);
		return err_set(e, -EIO, "%s: %s: %s (%s)", s->path, what, sqlite3_errmsg(db),
			       system ? strerror(system) : "input/output error");
	default: return err_set(e, -EIO, "%s: %s: %s", s->path, what, sqlite3_errmsg(db));
	}
}

static int run_sql(struct store *s, const char *sql, const char *what, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_error(s, s->db, what, e);
}

// The changes that wait are called with rc; what they change in turn belongs to the next transaction.
static void finish(struct store *s, int rc, const struct err *e)
{
	struct store_change *list = take_ptr(s->head);

	s->tail = &s->head;
	s->failed = 0;
	s->waited = false;
	while (list) {
		struct store_change *c = list;
		list = c->next;
		c->next = NULL;
		c->done(c, rc, e);
	}
}

static int commit(struct store *s, struct err *e)
{
	int rc = s->failed;

	if (rc < 0)
		*e = s->err;
	else if (s->is_open)
		rc = run_sql(s, "COMMIT", "commit", e);
	// SQLite has rolled back by itself after some errors, and not after others.
	if (rc < 0 && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->is_open = false;
	if (rc < 0)
		log_error("%s", e->msg);
	finish(s, rc, e);
	return rc;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct store *s = userdata;

	if (!s->waited) {
		s->waited = true;
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	struct err e = {0};
	commit(s, &e); // those who wait have heard
	return 0;
}

static void join(struct store *s, struct store_change *c, bool writes)
{
	c->next = NULL;
	*s->tail = c;
	s->tail = &c->next;
	sd_event_source_set_enabled(s->commit_source, SD_EVENT_ONESHOT);
	if (!writes || s->is_open || s->failed)
		return;
	s->failed = run_sql(s, "BEGIN IMMEDIATE", "begin", &s->err);
	s->is_open = s->failed == 0;
}

static void step(struct store *s, sqlite3_stmt *st, const char *what)
{
	if (s->failed == 0 && sqlite3_step(st) != SQLITE_DONE)
		s->failed = store_error(s, s->db, what, &s->err);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

static void bind_str(sqlite3_stmt *st, const char *name, const char *value)
{
	sqlite3_bind_text(st, sqlite3_bind_parameter_index(st, name), value ? value : "", -1,
			  SQLITE_TRANSIENT);
}

static void bind_int(sqlite3_stmt *st, const char *name, int64_t value)
{
	sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, name), value);
}

// What is not bound is NULL.
static void bind_usage(sqlite3_stmt *st, const struct job_usage *u)
{
	if (!u->is_known)
		return;
	bind_int(st, ":memory_peak", u->memory_peak);
	bind_int(st, ":cpu_ns", u->cpu_ns);
	bind_int(st, ":io_read", u->io_read);
	bind_int(st, ":io_written", u->io_written);
	bind_int(st, ":lines_dropped", u->lines_dropped);
	bind_int(st, ":bytes_dropped", u->bytes_dropped);
}

static void bind_run(sqlite3_stmt *st, const struct job_run *run)
{
	bind_str(st, ":state", job_state_name(run->state));
	bind_int(st, ":ended", job_state_is_final(run->state));
	bind_int(st, ":queued_ns", run->queued_ns);
	bind_int(st, ":started_ns", run->started_ns);
	bind_int(st, ":started_boot_ns", run->started_boot_ns);
	bind_int(st, ":ended_ns", run->ended_ns);
	bind_int(st, ":exit_code", run->exit_code);
	bind_int(st, ":signal", run->signal);
	bind_int(st, ":oom_killed", run->oom_killed);
	bind_str(st, ":reason", run->reason);
	bind_int(st, ":slot", run->slot);
	bind_int(st, ":pid", run->pid);
	bind_int(st, ":shim_pid", run->shim_pid);
	bind_int(st, ":pid_start", (int64_t)run->pid_start);
	bind_int(st, ":shim_start", (int64_t)run->shim_start);
	bind_int(st, ":stop", run->stop);
	bind_str(st, ":stop_by", run->stop_by);
	bind_int(st, ":stop_boot_ns", run->stop_boot_ns);
	bind_int(st, ":kill_as", run->kill_as);
	bind_usage(st, &run->usage);
}

void store_insert(struct store *s, const struct job_info *fixed, const struct job_run *run, bool has_secrets,
		  struct store_change *c)
{
	sqlite3_stmt *st = s->statements[STORE_INSERT];
	cleanup_free char *request = job_request_to_json(&fixed->request);

	join(s, c, true);
	bind_int(st, ":seq", (int64_t)fixed->seq);
	bind_str(st, ":id", fixed->id);
	bind_str(st, ":name", fixed->request.name);
	bind_str(st, ":owner", fixed->request.owner);
	bind_str(st, ":idem", fixed->request.idempotency_key);
	bind_str(st, ":request", request);
	bind_int(st, ":created_ns", fixed->created_ns);
	bind_int(st, ":scheduled_ns", fixed->scheduled_ns);
	bind_int(st, ":timeout_ns", fixed->timeout_ns);
	bind_int(st, ":has_secrets", has_secrets);
	bind_run(st, run);
	step(s, st, "add a job");
}

void store_update(struct store *s, const char *id, const struct job_run *run, struct store_change *c)
{
	sqlite3_stmt *st = s->statements[STORE_UPDATE];

	join(s, c, true);
	bind_str(st, ":id", id);
	bind_run(st, run);
	step(s, st, "change a job");
}

void store_delete(struct store *s, const char *id, struct store_change *c)
{
	sqlite3_stmt *st = s->statements[STORE_DELETE];

	join(s, c, true);
	bind_str(st, ":id", id);
	step(s, st, "delete a job");
}

static int add_id(void *userdata, int columns, char **values, char **names)
{
	struct {
		char ***ids;
		size_t *count, room;
	} *list = userdata;

	(void)columns;
	(void)names;
	if (*list->count == list->room) {
		list->room = list->room ? list->room * 2 : 64;
		*list->ids = xrealloc(*list->ids, list->room * sizeof(char *));
	}
	(*list->ids)[(*list->count)++] = xstrdup(values[0]);
	return 0;
}

void store_delete_ended(struct store *s, char ***ids, size_t *count, struct store_change *c)
{
	struct {
		char ***ids;
		size_t *count, room;
	} list = {ids, count, 0};

	join(s, c, true);
	if (s->failed == 0 && sqlite3_exec(s->db, "DELETE FROM job WHERE ended = 1 RETURNING id", add_id,
					   &list, NULL) != SQLITE_OK)
		s->failed = store_error(s, s->db, "delete all ended jobs", &s->err);
}

void store_barrier(struct store *s, struct store_change *c)
{
	join(s, c, false);
}

int store_commit_now(struct store *s, struct err *e)
{
	int rc = 0;

	while (s->head && rc == 0) {
		sd_event_source_set_enabled(s->commit_source, SD_EVENT_OFF);
		rc = commit(s, e);
	}
	return rc;
}

uint64_t store_next_seq(struct store *s)
{
	return ++s->last_seq;
}

static int prepare_writes(struct store *s, struct err *e)
{
	static const char *const texts[STORE_WRITES] = {
	    [STORE_INSERT] =
		"INSERT INTO job (" STORE_COLUMNS
		", ended) VALUES (:seq, :id, :state, :name, :owner, :idem, :request, "
		":created_ns, :scheduled_ns, :timeout_ns, :has_secrets, :queued_ns, "
		":started_ns, :started_boot_ns, "
		":ended_ns, :exit_code, :signal, :oom_killed, :reason, :slot, :pid, :shim_pid, "
		":pid_start, :shim_start, "
		":stop, :stop_by, :stop_boot_ns, :kill_as, "
		":memory_peak, :cpu_ns, :io_read, :io_written, :lines_dropped, :bytes_dropped, :ended)",
	    [STORE_UPDATE] =
		"UPDATE job SET state = :state, ended = :ended, queued_ns = :queued_ns, started_ns = "
		":started_ns, "
		"started_boot_ns = :started_boot_ns, ended_ns = :ended_ns, exit_code = :exit_code, "
		"signal = :signal, oom_killed = :oom_killed, reason = :reason, slot = :slot, pid = :pid, "
		"shim_pid = :shim_pid, pid_start = :pid_start, shim_start = :shim_start, stop = :stop, "
		"stop_by = :stop_by, stop_boot_ns = :stop_boot_ns, kill_as = :kill_as, "
		"memory_peak = :memory_peak, cpu_ns = :cpu_ns, io_read = :io_read, io_written = :io_written, "
		"lines_dropped = :lines_dropped, bytes_dropped = :bytes_dropped WHERE id = :id",
	    [STORE_DELETE] = "DELETE FROM job WHERE id = :id",
	    [STORE_FIND_KEY] = "SELECT id FROM job WHERE owner = ? AND idem = ? AND idem <> ''",
	};

	for (unsigned i = 0; i < STORE_WRITES; i++)
		if (sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i],
				       NULL) != SQLITE_OK)
			return store_error(s, s->db, "prepare", e);
	return 0;
}

static int read_version(struct store *s, int *version, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*version = sqlite3_column_int(st, 0);
	int out = rc == SQLITE_ROW ? 0 : store_error(s, s->db, "open", e);
	sqlite3_finalize(st);
	return out;
}

static int make_schema(struct store *s, struct err *e)
{
	int version = 0;
	int rc = read_version(s, &version, e);

	if (rc < 0)
		return rc;
	if (version < 0)
		return err_set(e, -EINVAL, "%s: has no known format (%d)", s->path, version);
	if (version > SCHEMA_VERSION)
		return err_set(e, -EINVAL,
			       "%s: was written by a newer jobletd (format %d, this one knows up to %d)",
			       s->path, version, SCHEMA_VERSION);
	rc = run_sql(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
		     "open", e);
	if (rc < 0 || version == SCHEMA_VERSION)
		return rc;
	rc = run_sql(s, "BEGIN IMMEDIATE", "make the tables", e);
	for (; rc == 0 && version < SCHEMA_VERSION; version++)
		rc = run_sql(s, formats[version], "make the tables", e);
	return rc == 0 ? run_sql(s, "COMMIT", "make the tables", e) : rc;
}

static int read_last_seq(struct store *s, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, "SELECT ifnull(max(seq), 0) FROM job", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		s->last_seq = (uint64_t)sqlite3_column_int64(st, 0);
	int out = rc == SQLITE_ROW ? 0 : store_error(s, s->db, "open", e);
	sqlite3_finalize(st);
	return out;
}

static int lock_folder(struct store *s, const char *dir, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/lock", dir);

	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_sys(e, -errno, "%s", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(e, -EBUSY, "another jobletd runs with %s", dir);
		return err_sys(e, -errno, "%s", path);
	}
	return 0;
}

static int open_files(struct store *s, struct err *e)
{
	mode_t before = umask(077);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = 0;

	if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		rc = store_error(s, s->db, "open", e);
	if (rc == 0)
		rc = make_schema(s, e);
	if (rc == 0 && sqlite3_db_readonly(s->db, "main"))
		rc = err_set(e, -EACCES, "%s: cannot be written", s->path);
	if (rc == 0 && sqlite3_open_v2(s->path, &s->reader, flags, NULL) != SQLITE_OK)
		rc = store_error(s, s->reader, "open", e);
	umask(before);
	return rc;
}

int store_open(const char *dir, sd_event *loop, struct store **out, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->lock_fd = -1;
	s->tail = &s->head;
	s->path = xasprintf("%s/joblet.db", dir);
	s->loop = sd_event_ref(loop);
	int rc = lock_folder(s, dir, e);
	if (rc == 0)
		rc = open_files(s, e);
	if (rc == 0)
		rc = prepare_writes(s, e);
	if (rc == 0)
		rc = store_prepare_reads(s, e);
	if (rc == 0)
		rc = read_last_seq(s, e);
	if (rc == 0) {
		rc = sd_event_add_defer(loop, &s->commit_source, on_turn, s);
		if (rc >= 0)
			rc = sd_event_source_set_enabled(s->commit_source, SD_EVENT_OFF);
		if (rc < 0)
			err_sys(e, rc, "event loop");
	}
	if (rc < 0) {
		store_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	struct err e = {0};

	if (!s)
		return;
	if (s->head && store_commit_now(s, &e) < 0)
		log_error("%s", e.msg);
	sd_event_source_disable_unref(s->commit_source);
	for (unsigned i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->reader);
	sqlite3_close(s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	sd_event_unref(s->loop);
	free(s->path);
	free(s);
}
