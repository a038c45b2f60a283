// SPDX-License-Identifier: Apache-2.0
// The store's questions, on a connection of their own: what is not committed yet is not seen (but by
// store_find_key, which must).
#include <errno.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "jobletd/store_private.h"
#include "lib/base/str.h"

#define LIST_MAX 1000000

int store_prepare_reads(struct store *s, struct err *e)
{
	static const char *const texts[STORE_STATEMENTS] = {
	    [STORE_GET] = "SELECT " STORE_COLUMNS " FROM job WHERE id = ?",
	    [STORE_HAS] = "SELECT 1 FROM job WHERE id = ?",
	    [STORE_FIND_PREFIX] = "SELECT id FROM job WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
	    [STORE_FIND_NAME] = "SELECT id FROM job WHERE name = ? AND name <> '' ORDER BY seq DESC LIMIT 1",
	    [STORE_FIND_LAST] = "SELECT id FROM job WHERE owner = ? ORDER BY seq DESC LIMIT 1",
	};

	for (unsigned i = STORE_WRITES; i < STORE_STATEMENTS; i++)
		if (sqlite3_prepare_v3(s->reader, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i],
				       NULL) != SQLITE_OK)
			return store_error(s, s->reader, "prepare", e);
	return 0;
}

static const char *text(sqlite3_stmt *st, int column)
{
	const char *s = (const char *)sqlite3_column_text(st, column);

	return s ? s : "";
}

// The columns from c on; NULL in all of them when there was no record.
static void read_usage(sqlite3_stmt *st, int c, struct job_usage *u)
{
	int64_t *const fields[] = {&u->memory_peak, &u->cpu_ns,	       &u->io_read,
				   &u->io_written,  &u->lines_dropped, &u->bytes_dropped};

	u->is_known = sqlite3_column_type(st, c) != SQLITE_NULL;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		*fields[i] = sqlite3_column_int64(st, c++);
}

// A row of STORE_COLUMNS.
static int read_row(struct store *s, sqlite3_stmt *st, struct job_info *info, struct job_run *run,
		    bool *has_secrets, struct err *e)
{
	struct job_run r = {0};
	int c = 0;

	*info = (struct job_info){0};
	info->seq = (uint64_t)sqlite3_column_int64(st, c++);
	if (str_copy(info->id, sizeof(info->id), text(st, c++)) < 0)
		return err_set(e, -EIO, "%s: a job with a wrong id", s->path);
	if (job_state_parse(text(st, c++), &r.state) < 0)
		return err_set(e, -EIO, "%s: job %s has an unknown state", s->path, info->id);
	const char *name = text(st, c++);
	const char *owner = text(st, c++);
	const char *key = text(st, c++);
	int rc = job_request_from_json(text(st, c++), &info->request, e);
	if (rc < 0)
		return err_wrap(e, rc, "%s: job %s", s->path, info->id);
	info->request.name = xstrdup(name);
	info->request.owner = xstrdup(owner);
	info->request.idempotency_key = xstrdup(key);
	info->created_ns = sqlite3_column_int64(st, c++);
	info->scheduled_ns = sqlite3_column_int64(st, c++);
	info->timeout_ns = sqlite3_column_int64(st, c++);
	*has_secrets = sqlite3_column_int(st, c++) != 0;
	r.queued_ns = sqlite3_column_int64(st, c++);
	r.started_ns = sqlite3_column_int64(st, c++);
	r.started_boot_ns = sqlite3_column_int64(st, c++);
	r.ended_ns = sqlite3_column_int64(st, c++);
	r.exit_code = sqlite3_column_int(st, c++);
	r.signal = sqlite3_column_int(st, c++);
	r.oom_killed = sqlite3_column_int(st, c++) != 0;
	snprintf(r.reason, sizeof(r.reason), "%s", text(st, c++));
	r.slot = sqlite3_column_int(st, c++);
	r.pid = sqlite3_column_int(st, c++);
	r.shim_pid = sqlite3_column_int(st, c++);
	r.pid_start = (uint64_t)sqlite3_column_int64(st, c++);
	r.shim_start = (uint64_t)sqlite3_column_int64(st, c++);
	r.stop = (enum job_stop)sqlite3_column_int(st, c++);
	snprintf(r.stop_by, sizeof(r.stop_by), "%s", text(st, c++));
	r.stop_boot_ns = sqlite3_column_int64(st, c++);
	r.kill_as = sqlite3_column_int(st, c++);
	read_usage(st, c, &r.usage);
	info->state = r.state;
	info->started_ns = r.started_ns;
	info->ended_ns = r.ended_ns;
	info->exit_code = r.exit_code;
	info->signal = r.signal;
	info->oom_killed = r.oom_killed;
	info->usage = r.usage;
	info->reason = xstrdup(r.reason);
	*run = r;
	return 0;
}

static int get(struct store *s, const char *id, struct job_info *info, struct job_run *run, struct err *e)
{
	sqlite3_stmt *st = s->statements[STORE_GET];
	bool has_secrets;

	sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rc = read_row(s, st, info, run, &has_secrets, e);
	else if (rc == SQLITE_DONE)
		rc = err_set(e, -ENOENT, "there is no job %s", id);
	else
		rc = store_error(s, s->reader, "read a job", e);
	sqlite3_reset(st);
	return rc;
}

int store_get(struct store *s, const char *id, struct job_info *info, struct err *e)
{
	struct job_run run;

	return get(s, id, info, &run, e);
}

int store_get_run(struct store *s, const char *id, struct job_run *run, struct err *e)
{
	struct job_info info;
	int rc = get(s, id, &info, run, e);

	if (rc == 0)
		job_info_clear(&info);
	return rc;
}

bool store_has(struct store *s, const char *id)
{
	sqlite3_stmt *st = s->statements[STORE_HAS];

	sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
	// An unreadable store has every job: nothing is removed because of it.
	bool has = sqlite3_step(st) != SQLITE_DONE;
	sqlite3_reset(st);
	return has;
}

// Steps st and copies the ids; resets it.
static int read_ids(struct store *s, sqlite3 *db, sqlite3_stmt *st, char ids[][JOB_ID_LEN + 1], size_t n,
		    size_t *found, struct err *e)
{
	int rc;

	*found = 0;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && *found < n)
		if (str_copy(ids[*found], JOB_ID_LEN + 1, text(st, 0)) == 0)
			(*found)++;
	int out = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_error(s, db, "find a job", e);
	sqlite3_reset(st);
	return out;
}

int store_find_prefix(struct store *s, const char *prefix, char ids[][JOB_ID_LEN + 1], size_t n,
		      size_t *found, struct err *e)
{
	sqlite3_stmt *st = s->statements[STORE_FIND_PREFIX];
	cleanup_free char *end = xasprintf("%s~", prefix); // behind every digit and letter of an id

	sqlite3_bind_text(st, 1, prefix, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(st, 2, end, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(st, 3, (int64_t)n);
	return read_ids(s, s->reader, st, ids, n, found, e);
}

static int find_one(struct store *s, sqlite3 *db, sqlite3_stmt *st, const char *a, const char *b,
		    char id[JOB_ID_LEN + 1], struct err *e)
{
	char ids[1][JOB_ID_LEN + 1] = {""};
	size_t found;

	sqlite3_bind_text(st, 1, a, -1, SQLITE_TRANSIENT);
	if (b)
		sqlite3_bind_text(st, 2, b, -1, SQLITE_TRANSIENT);
	int rc = read_ids(s, db, st, ids, 1, &found, e);
	if (rc < 0)
		return rc;
	if (!found)
		return -ENOENT;
	memcpy(id, ids[0], JOB_ID_LEN + 1);
	return 0;
}

int store_find_name(struct store *s, const char *name, char id[JOB_ID_LEN + 1], struct err *e)
{
	return find_one(s, s->reader, s->statements[STORE_FIND_NAME], name, NULL, id, e);
}

int store_find_last(struct store *s, const char *owner, char id[JOB_ID_LEN + 1], struct err *e)
{
	return find_one(s, s->reader, s->statements[STORE_FIND_LAST], owner, NULL, id, e);
}

int store_find_key(struct store *s, const char *owner, const char *key, char id[JOB_ID_LEN + 1],
		   struct err *e)
{
	return find_one(s, s->db, s->statements[STORE_FIND_KEY], owner, key, id, e);
}

static bool has_labels(const struct job_info *info, char *const *wanted)
{
	for (; wanted && *wanted; wanted++) {
		char *const *p = info->request.labels;
		while (p && *p && !str_eq(*p, *wanted))
			p++;
		if (!p || !*p)
			return false;
	}
	return true;
}

// The states are our own words, so they stand in the text of the statement; everything from outside is bound.
static char *list_sql(const struct job_filter *f)
{
	char states[512] = "";
	size_t n = 0;

	for (unsigned i = 0; f->states && i < JOB_STATE_COUNT; i++)
		if (f->states & (1u << i))
			n += (size_t)snprintf(states + n, sizeof(states) - n, "%s'%s'", n ? ", " : "",
					      job_state_name(i));
	return xasprintf("SELECT " STORE_COLUMNS " FROM job WHERE %s%s%s%s%s%s%s%s%s 1 ORDER BY seq DESC",
			 f->before_seq ? "seq < :before AND " : "", n ? "state IN (" : "", n ? states : "",
			 n ? ") AND " : "", f->name && f->name[0] ? "name = :name AND name <> '' AND " : "",
			 f->owner && f->owner[0] ? "owner = :owner AND " : "",
			 f->since_ns ? "created_ns >= :since AND " : "",
			 f->runtime && f->runtime[0] ? "json_extract(request, '$.runtime') = :runtime AND "
						     : "",
			 "");
}

static void bind_text_if(sqlite3_stmt *st, const char *name, const char *value)
{
	int i = sqlite3_bind_parameter_index(st, name);

	if (i)
		sqlite3_bind_text(st, i, value, -1, SQLITE_STATIC);
}

int store_list(struct store *s, const struct job_filter *f,
	       int (*each)(void *userdata, const struct job_info *), void *userdata, struct err *e)
{
	cleanup_free char *sql = list_sql(f);
	sqlite3_stmt *st = NULL;
	size_t limit = f->limit ? f->limit : LIST_MAX;
	size_t given = 0;
	int out = 0;
	int rc;

	if (sqlite3_prepare_v2(s->reader, sql, -1, &st, NULL) != SQLITE_OK)
		return store_error(s, s->reader, "list jobs", e);
	sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":before"), (int64_t)f->before_seq);
	sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":since"), f->since_ns);
	bind_text_if(st, ":name", f->name);
	bind_text_if(st, ":owner", f->owner);
	bind_text_if(st, ":runtime", f->runtime);
	while (out == 0 && given < limit && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		struct job_info info;
		struct job_run run;
		bool has_secrets;
		if (rc != SQLITE_ROW) {
			out = store_error(s, s->reader, "list jobs", e);
			break;
		}
		out = read_row(s, st, &info, &run, &has_secrets, e);
		if (out < 0)
			break;
		if (has_labels(&info, f->labels)) {
			given++;
			out = each(userdata, &info);
		}
		job_info_clear(&info);
	}
	sqlite3_finalize(st);
	return out;
}

int store_live(struct store *s,
	       int (*each)(void *userdata, struct job_info *info, const struct job_run *run,
			   bool has_secrets),
	       void *userdata, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int out = 0;
	int rc;

	if (sqlite3_prepare_v2(s->reader,
			       "SELECT " STORE_COLUMNS " FROM job WHERE ended = 0 ORDER BY queued_ns, seq",
			       -1, &st, NULL) != SQLITE_OK)
		return store_error(s, s->reader, "read the jobs", e);
	while (out == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		struct job_info info;
		struct job_run run;
		bool has_secrets = false;
		out = rc == SQLITE_ROW ? read_row(s, st, &info, &run, &has_secrets, e)
				       : store_error(s, s->reader, "read the jobs", e);
		if (out < 0)
			break;
		out = each(userdata, &info, &run, has_secrets);
		job_info_clear(&info);
	}
	sqlite3_finalize(st);
	return out;
}

int store_swap_boot(struct store *s, const char *now, char before[64], struct err *e)
{
	sqlite3_stmt *st = NULL;

	before[0] = '\0';
	if (sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key = 'boot'", -1, &st, NULL) !=
	    SQLITE_OK)
		return store_error(s, s->db, "read the boot id", e);
	if (sqlite3_step(st) == SQLITE_ROW)
		snprintf(before, 64, "%s", text(st, 0));
	sqlite3_finalize(st);
	if (str_eq(before, now))
		return 0;
	if (sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?)", -1, &st,
			       NULL) != SQLITE_OK)
		return store_error(s, s->db, "write the boot id", e);
	sqlite3_bind_text(st, 1, now, -1, SQLITE_STATIC);
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : store_error(s, s->db, "write the boot id", e);
	sqlite3_finalize(st);
	return rc;
}
