// SPDX-License-Identifier: Apache-2.0
// The mapping between struct job_info, struct job_request and joblet.proto. Pure. What is secret leaves here
// as *** and in no other way.
#include <errno.h>
#include <string.h>

#include "jobletd/job_message.h"
#include "lib/base/str.h"

char *job_message_str(const char *s)
{
	return s && s[0] ? xstrdup(s) : (char *)(uintptr_t)protobuf_c_empty_string;
}

char *job_message_time(int64_t ns)
{
	char text[STR_TIME_MAX] = "";
	if (ns)
		str_time_rfc3339(ns, text);
	return job_message_str(text);
}

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);
	return len > n && memcmp(s + len - n, end, n) == 0;
}

bool job_message_is_secret(const char *name, size_t len)
{
	static const char *const ends[] = {"_TOKEN", "_KEY", "_PASSWORD", "_SECRET"};
	if (len > 7 && memcmp(name, "SECRET_", 7) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (ends_with(name, len, ends[i]))
			return true;
	return false;
}

static int32_t to_i32(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

static char **copy_strv(char *const *v, size_t *n)
{
	*n = strv_len(v);
	if (!*n)
		return NULL;
	char **out = xcalloc(*n, sizeof(*out));
	for (size_t i = 0; i < *n; i++)
		out[i] = job_message_str(v[i]);
	return out;
}

// The entries of every map<string,string> are the same struct under different names.
typedef Joblet__Job__EnvironmentEntry entry;
_Static_assert(sizeof(entry) == sizeof(Joblet__GetJobStatusResponse__LabelsEntry), "map entries are alike");

enum values { SHOW, SHOW_UNLESS_SECRET, HIDE };
static void *copy_map(char *const *v, size_t *n, enum values show, const ProtobufCMessageDescriptor *type)
{
	*n = strv_len(v);
	if (!*n)
		return NULL;
	entry **out = xcalloc(*n, sizeof(*out));
	for (size_t i = 0; i < *n; i++) {
		const char *eq = strchr(v[i], '=');
		size_t len = eq ? (size_t)(eq - v[i]) : strlen(v[i]);
		bool hide = show == HIDE || (show == SHOW_UNLESS_SECRET && job_message_is_secret(v[i], len));
		out[i] = xcalloc(1, sizeof(**out));
		protobuf_c_message_init(type, out[i]);
		out[i]->key = len ? xstrndup(v[i], len) : job_message_str(NULL);
		out[i]->value = job_message_str(hide ? "***" : eq ? eq + 1 : "");
	}
	return out;
}

Joblet__Job *job_message(const struct job_info *j, const struct job_view *v)
{
	const struct job_request *r = &j->request;
	Joblet__Job *m = xcalloc(1, sizeof(*m));

	joblet__job__init(m);
	m->uuid = job_message_str(j->id);
	m->command = job_message_str(r->command);
	m->args = copy_strv(r->args, &m->n_args);
	m->max_cpu = to_i32(r->max_cpu);
	m->cpu_cores = job_message_str(r->cpu_cores);
	m->max_memory = to_i32(r->max_memory_mb);
	m->max_io_bps = to_i32(r->max_iobps);
	m->status = job_message_str(job_state_name(j->state));
	m->start_time = job_message_time(j->started_ns);
	m->end_time = job_message_time(j->ended_ns);
	m->exit_code = j->exit_code;
	m->scheduled_time = job_message_time(j->scheduled_ns);
	m->runtime = job_message_str(r->runtime);
	m->environment = copy_map(r->env, &m->n_environment, v->hide_values ? HIDE : SHOW_UNLESS_SECRET,
				  &joblet__job__environment_entry__descriptor);
	m->secret_environment = copy_map(r->secret_env, &m->n_secret_environment, HIDE,
					 &joblet__job__secret_environment_entry__descriptor);
	m->gpu_count = to_i32(r->gpu_count);
	m->gpu_memory_mb = to_i32(r->gpu_memory_mb);
	m->node_id = job_message_str(v->node_id);
	m->name = job_message_str(r->name);
	m->owner = job_message_str(r->owner);
	m->reason = job_message_str(j->reason);
	m->signal = j->signal;
	m->created_time = job_message_time(j->created_ns);
	m->labels = copy_map(r->labels, &m->n_labels, SHOW, &joblet__job__labels_entry__descriptor);
	return m;
}

static Joblet__JobUsage *usage_message(const struct job_usage *u)
{
	if (!u->is_known)
		return NULL;
	Joblet__JobUsage *m = xcalloc(1, sizeof(*m));
	joblet__job_usage__init(m);
	m->memory_peak = u->memory_peak;
	m->cpu_time_ns = u->cpu_ns;
	m->io_read = u->io_read;
	m->io_written = u->io_written;
	m->lines_dropped = u->lines_dropped;
	m->bytes_dropped = u->bytes_dropped;
	return m;
}

Joblet__GetJobStatusResponse *job_message_status(const struct job_info *j, const struct job_view *v)
{
	const struct job_request *r = &j->request;
	Joblet__GetJobStatusResponse *m = xcalloc(1, sizeof(*m));

	joblet__get_job_status_response__init(m);
	m->uuid = job_message_str(j->id);
	m->command = job_message_str(r->command);
	m->args = copy_strv(r->args, &m->n_args);
	m->max_cpu = to_i32(r->max_cpu);
	m->cpu_cores = job_message_str(r->cpu_cores);
	m->max_memory = to_i32(r->max_memory_mb);
	m->max_io_bps = to_i32(r->max_iobps);
	m->status = job_message_str(job_state_name(j->state));
	m->start_time = job_message_time(j->started_ns);
	m->end_time = job_message_time(j->ended_ns);
	m->exit_code = j->exit_code;
	m->scheduled_time = job_message_time(j->scheduled_ns);
	m->environment = copy_map(r->env, &m->n_environment, v->hide_values ? HIDE : SHOW_UNLESS_SECRET,
				  &joblet__get_job_status_response__environment_entry__descriptor);
	m->secret_environment =
	    copy_map(r->secret_env, &m->n_secret_environment, HIDE,
		     &joblet__get_job_status_response__secret_environment_entry__descriptor);
	m->network = job_message_str(r->network);
	m->volumes = copy_strv(r->volumes, &m->n_volumes);
	m->runtime = job_message_str(r->runtime);
	m->work_dir = job_message_str(r->work_dir);
	m->gpu_count = to_i32(r->gpu_count);
	m->gpu_memory_mb = to_i32(r->gpu_memory_mb);
	m->node_id = job_message_str(v->node_id);
	m->name = job_message_str(r->name);
	m->owner = job_message_str(r->owner);
	m->reason = job_message_str(j->reason);
	m->signal = j->signal;
	m->created_time = job_message_time(j->created_ns);
	m->labels = copy_map(r->labels, &m->n_labels, SHOW,
			     &joblet__get_job_status_response__labels_entry__descriptor);
	m->timeout = job_message_str(r->timeout);
	m->oom_killed = j->oom_killed;
	m->tty = r->tty;
	m->usage = usage_message(&j->usage);
	return m;
}

Joblet__JobExit *job_message_exit(const struct job_info *j)
{
	Joblet__JobExit *m = xcalloc(1, sizeof(*m));
	joblet__job_exit__init(m);
	m->uuid = job_message_str(j->id);
	m->status = job_message_str(job_state_name(j->state));
	m->exit_code = j->exit_code;
	m->signal = j->signal;
	m->reason = job_message_str(j->reason);
	return m;
}

// A map as NAME=value. The name must not hold '=', or another variable would come of it.
static int take_map(const entry *const *v, size_t n, bool is_env, const char *what, char ***out,
		    struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *key = v[i]->key;
		if (is_env ? !str_is_env_name(key) : !key[0] || strchr(key, '='))
			return err_set(e, -EINVAL, "%s: \"%.64s\" is not a name", what, key);
		strv_add_take(out, xasprintf("%s=%s", key, v[i]->value));
	}
	return 0;
}

static void take_strings(char *const *v, size_t n, char ***out)
{
	for (size_t i = 0; i < n; i++)
		strv_add(out, v[i]);
}

static int take_maps(const Joblet__RunJobRequest *m, struct job_request *r, struct err *e)
{
	int rc = take_map((const void *)m->environment, m->n_environment, true, "environment", &r->env, e);
	if (!rc)
		rc = take_map((const void *)m->secret_environment, m->n_secret_environment, true,
			      "secret environment", &r->secret_env, e);
	if (!rc)
		rc = take_map((const void *)m->labels, m->n_labels, false, "labels", &r->labels, e);
	return rc;
}

int job_message_request(const Joblet__RunJobRequest *m, struct job_request **out, struct err *e)
{
	struct job_request *r = xcalloc(1, sizeof(*r));

	r->command = xstrdup(m->command);
	take_strings(m->args, m->n_args, &r->args);
	take_strings(m->volumes, m->n_volumes, &r->volumes);
	r->name = xstrdup(m->name);
	r->work_dir = xstrdup(m->work_dir);
	r->cpu_cores = xstrdup(m->cpu_cores);
	r->network = xstrdup(m->network);
	r->runtime = xstrdup(m->runtime);
	r->schedule = xstrdup(m->schedule);
	r->timeout = xstrdup(m->timeout);
	r->idempotency_key = xstrdup(m->idempotency_key);
	r->max_cpu = m->max_cpu;
	r->max_memory_mb = m->max_memory;
	r->max_iobps = m->max_io_bps;
	r->gpu_count = m->gpu_count;
	r->gpu_memory_mb = m->gpu_memory_mb;
	r->has_uploads = m->n_uploads > 0;
	r->stdin_open = m->stdin || m->tty;
	r->tty = m->tty;
	r->tty_rows = m->tty_rows;
	r->tty_columns = m->tty_columns;
	int rc = take_maps(m, r, e);
	if (rc) {
		job_request_free(r);
		return rc;
	}
	*out = r;
	return 0;
}
