// SPDX-License-Identifier: Apache-2.0
// Finding jobs, and forgetting them: what the store answers.
#include <errno.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define SHOWN_MAX 8

static bool is_prefix(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= JOB_ID_LEN && strspn(s, "0123456789abcdef-") == n;
}

static int ambiguous(const char *ref, char ids[][JOB_ID_LEN + 1], size_t n, const char *named, struct err *e)
{
	cleanup_buf struct buf b = {0};

	for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
		buf_printf(&b, "%s%s", b.len ? ", " : "", ids[i]);
	if (named)
		buf_printf(&b, "%s%s by its name", b.len ? ", " : "", named);
	return err_set(e, JOB_AMBIGUOUS, "\"%s\" fits several jobs: %s%s", ref, b.data,
		       n > SHOWN_MAX ? ", and more" : "");
}

static int resolve(struct jobs *js, const char *ref, char id[JOB_ID_LEN + 1], struct err *e)
{
	char ids[SHOWN_MAX + 1][JOB_ID_LEN + 1];
	char named[JOB_ID_LEN + 1] = "";
	size_t found = 0;
	bool may_be_id = is_prefix(ref);
	bool may_be_name = str_is_name(ref);

	if (!may_be_id && !may_be_name)
		return err_set(e, -EINVAL, "\"%.64s\" is neither an id nor a name of a job", ref);
	int rc = may_be_id ? store_find_prefix(js->store, ref, ids, SHOWN_MAX + 1, &found, e) : 0;
	if (rc < 0)
		return rc;
	if (found == 1 && strlen(ref) == JOB_ID_LEN) {
		memcpy(id, ids[0], JOB_ID_LEN + 1);
		return 0;
	}
	rc = may_be_name ? store_find_name(js->store, ref, named, e) : -ENOENT;
	if (rc < 0 && rc != -ENOENT)
		return rc;
	// Who names a job like the id of another one does not get to be mistaken for it.
	if (found > 1 || (found == 1 && named[0] && !str_eq(named, ids[0])))
		return ambiguous(ref, ids, found, named[0] ? named : NULL, e);
	if (found == 0 && !named[0])
		return err_set(e, -ENOENT, "there is no job \"%s\"", ref);
	memcpy(id, found ? ids[0] : named, JOB_ID_LEN + 1);
	return 0;
}

int job_resolve(struct jobs *js, const char *ref, const char *owner, char id[JOB_ID_LEN + 1], struct err *e)
{
	if (!ref || !ref[0])
		return err_set(e, -EINVAL, "no job is named");
	if (!str_eq(ref, "@last"))
		return resolve(js, ref, id, e);
	int rc = store_find_last(js->store, owner ? owner : "", id, e);
	return rc == -ENOENT
		   ? err_set(e, -ENOENT, "@last: %s has submitted no job yet", owner ? owner : "nobody")
		   : rc;
}

int job_get(struct jobs *js, const char *id, struct job_info **out, struct err *e)
{
	struct job_info *info = xcalloc(1, sizeof(*info));
	int rc = store_get(js->store, id, info, e);

	if (rc < 0) {
		free(info);
		return rc;
	}
	*out = info;
	return 0;
}

int job_list(struct jobs *js, const struct job_filter *f,
	     int (*each)(void *userdata, const struct job_info *), void *userdata, struct err *e)
{
	return store_list(js->store, f, each, userdata, e);
}

char *job_log_path(struct jobs *js, const char *id)
{
	return xasprintf("%s/%s.log", js->cfg->path.logs, id);
}

// A delete on its way to the disk.
struct forget {
	struct store_change change;
	struct jobs *js;
	struct job_info *info;
	job_done_fn *fn;
	job_delete_all_fn *all_fn;
	void *userdata;
	char **ids;
	size_t count;
	unsigned skipped;
};

static void on_forgotten(struct store_change *c, int rc, const struct err *e)
{
	struct forget *f = container_of(c, struct forget, change);

	if (rc == 0) {
		job_purge(f->js, f->ids, f->count);
	} else {
		for (size_t i = 0; i < f->count; i++)
			free(f->ids[i]);
		free(f->ids);
	}
	if (f->fn)
		f->fn(f->userdata, rc, e, f->info);
	else
		f->all_fn(f->userdata, rc, e, rc == 0 ? (unsigned)f->count : 0, f->skipped);
	job_info_free(f->info);
	free(f);
}

int job_delete(struct jobs *js, const char *id, const char *by, job_done_fn *fn, void *userdata,
	       struct err *e)
{
	struct job_info *info = NULL;
	int rc = job_get(js, id, &info, e);

	(void)by;
	if (rc < 0)
		return rc;
	if (!job_state_is_final(info->state)) {
		rc = err_set(e, -EBUSY, "job %s is %s: stop it first", id, job_state_name(info->state));
		job_info_free(info);
		return rc;
	}
	struct forget *f = xcalloc(1, sizeof(*f));
	f->change.done = on_forgotten;
	f->js = js;
	f->info = info;
	f->fn = fn;
	f->userdata = userdata;
	f->ids = xcalloc(1, sizeof(char *));
	f->ids[0] = xstrdup(id);
	f->count = 1;
	store_delete(js->store, id, &f->change);
	return 0;
}

int job_delete_all(struct jobs *js, const char *by, job_delete_all_fn *fn, void *userdata, struct err *e)
{
	struct forget *f = xcalloc(1, sizeof(*f));

	(void)by;
	(void)e;
	f->change.done = on_forgotten;
	f->js = js;
	f->all_fn = fn;
	f->userdata = userdata;
	for (size_t i = 0; i < JOB_BUCKETS; i++)
		for (struct job *j = js->bucket[i]; j; j = j->hash_next)
			f->skipped += !job_state_is_final(j->run.state);
	store_delete_ended(js->store, &f->ids, &f->count, &f->change);
	return 0;
}
