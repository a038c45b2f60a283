// SPDX-License-Identifier: Apache-2.0
// `rnx job list`: jobs, newest last.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/job_show.h"
#include "rnx/print.h"
#include "rnx/table.h"

#define PAGE 1000 // jobs asked for at once

struct options {
	char **status, **labels;
	const char *name, *runtime, *since, *format;
	bool mine, quiet, no_trunc;
	int64_t count;
};

#define AT(member) offsetof(struct options, member)
static const struct flag flags[] = {
    {"status", 0, FLAG_LIST, AT(status), "STATUS", "only these: RUNNING, FAILED,STOPPED, …", 0, 0},
    {"name", 0, FLAG_TEXT, AT(name), "NAME", "only jobs of this name", 0, 0},
    {"label", 0, FLAG_LIST, AT(labels), "KEY=VALUE", "only jobs with this label", 0, 0},
    {"runtime", 0, FLAG_TEXT, AT(runtime), "NAME", "only jobs of this runtime", 0, 0},
    {"mine", 0, FLAG_BOOL, AT(mine), NULL, "only jobs that I submitted", 0, 0},
    {"since", 0, FLAG_TEXT, AT(since), "TIME", "only jobs submitted since: 10m ago, or a time", 0, 0},
    {"last", 'n', FLAG_INT, AT(count), "N", "only the newest N", 1, INT32_MAX},
    {"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, "only ids", 0, 0},
    {"no-trunc", 0, FLAG_BOOL, AT(no_trunc), NULL, "whole ids, whole commands", 0, 0},
    {"format", 0, FLAG_TEXT, AT(format), "TEXT", "one line a job, as '{id} {status}'", 0, 0},
};

// What came page by page, newest first.
struct jobs {
	ProtobufCMessage **pages;
	size_t page_count;
	Joblet__Job **job;
	size_t count;
};

static const char *const states[] = {
#define JOB_STATE(name, is_final, meaning) #name,
#include "specs/job_state.def"
    NULL};

// "running,failed" to names of job_state.def.
static int add_states(const char *list, char ***to)
{
	cleanup_free char *copy = xstrdup(list);
	char hint[64] = "";

	for (char *save, *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		for (char *p = word; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
		size_t i = 0;
		while (states[i] && !str_eq(states[i], word))
			i++;
		if (!states[i]) {
			const char *near = str_nearest(word, states);
			if (near)
				snprintf(hint, sizeof(hint), "did you mean %s?", near);
			return print_usage(hint, "--status %s: there is no such status", word);
		}
		strv_add(to, word);
	}
	return 0;
}

static int parse_since(const char *s, int64_t *ns)
{
	struct timespec now;

	if (!s || str_parse_time(s, ns) == 0)
		return 0;
	if (str_to_duration(s, ns) < 0)
		return print_usage("as in 10min, 2h, 2026-01-31T03:00:00Z", "--since %s: not a time", s);
	clock_gettime(CLOCK_REALTIME, &now);
	*ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - *ns;
	return 0;
}

// Adds a page. The token of the next one, borrowed from the page; "" when that was all.
static const char *add_page(struct jobs *js, ProtobufCMessage *page, int64_t most)
{
	const Joblet__FindJobsResponse *f = (const Joblet__FindJobsResponse *)page;

	js->pages = xrealloc(js->pages, (js->page_count + 1) * sizeof(*js->pages));
	js->pages[js->page_count++] = page;
	js->job = xrealloc(js->job, (js->count + f->n_jobs + 1) * sizeof(*js->job));
	for (size_t i = 0; i < f->n_jobs && (!most || js->count < (size_t)most); i++)
		js->job[js->count++] = f->jobs[i];
	return (most && js->count == (size_t)most) || !f->n_jobs ? "" : f->next_page_token;
}

static void free_jobs(struct jobs *js)
{
	for (size_t i = 0; i < js->page_count; i++)
		protobuf_c_message_free_unpacked(js->pages[i], NULL);
	free(js->pages);
	free(js->job);
}

static int find(struct rnx *r, Joblet__FindJobsRequest *q, int64_t most, struct jobs *js)
{
	const char *token = "";

	do {
		ProtobufCMessage *page = NULL;
		int64_t left = most ? most - (int64_t)js->count : PAGE;
		q->page_size = (int32_t)(left < PAGE ? left : PAGE);
		q->page_token = (char *)(uintptr_t)token;
		int status =
		    connect_call(r, CALL_AGAIN, "/joblet.JobControlService/FindJobs", CALL_TIMEOUT_MS,
				 &q->base, &joblet__find_jobs_response__descriptor, &page);
		if (status)
			return status;
		token = add_page(js, page, most);
	} while (*token);
	return 0;
}

static const char *state_color(const char *state)
{
	if (str_eq(state, "COMPLETED"))
		return "32";
	if (str_eq(state, "FAILED") || str_eq(state, "TIMEOUT"))
		return "31";
	return str_eq(state, "RUNNING") ? "36" : NULL;
}

// The names of states in colour: they stand between spaces and nowhere else in a row before the command.
static int put_colored(const struct buf *plain, const struct jobs *js, struct buf *out)
{
	const char *p = plain->data;
	int rc = 0;

	for (size_t row = 0; *p && rc == 0; row++) {
		size_t len = strcspn(p, "\n") + 1;
		const char *state = row ? js->job[js->count - row]->status : "";
		const char *color = state_color(state);
		const char *at = color ? memmem(p, len, state, strlen(state)) : NULL;
		if (at)
			rc = buf_printf(out, "%.*s\x1b[%sm%s\x1b[0m%.*s", (int)(at - p), p, color, state,
					(int)(len - (size_t)(at - p) - strlen(state)), at + strlen(state));
		else
			rc = buf_add(out, p, len);
		p += len;
	}
	return rc;
}

static int put_table(const struct jobs *js, const struct options *o, struct buf *out)
{
	cleanup_table struct table t = {.title = {"ID", "NODE ID", "STATUS", "START TIME", "COMMAND"},
					.columns = 5};
	cleanup_buf struct buf plain = {0};
	int width = o->no_trunc ? 256 : 8;

	for (size_t i = js->count; i-- > 0;) {
		const Joblet__Job *j = js->job[i];
		cleanup_free char *command = job_command_line(j->command, j->args, j->n_args);
		char id[300];
		char node[300];
		char when[PRINT_TIME_MAX];
		snprintf(id, sizeof(id), "%.*s", width, j->uuid);
		snprintf(node, sizeof(node), "%.*s", strlen(j->node_id) == 36 ? width : 256,
			 j->node_id[0] ? j->node_id : "-");
		print_time(j->start_time[0] ? j->start_time : j->scheduled_time, when);
		table_add_row(&t, (const char *const[]){id, node, j->status, when, command});
	}
	if (!print_has_color())
		return table_print(&t, o->no_trunc ? 0 : print_width(), out);
	int rc = table_print(&t, o->no_trunc ? 0 : print_width(), &plain);
	return rc < 0 ? rc : put_colored(&plain, js, out);
}

static int put_json(const struct jobs *js, struct buf *out)
{
	struct json_out o;

	json_out_begin(&o, out, true);
	json_open_arr(&o);
	for (size_t i = js->count; i-- > 0;)
		job_list_json(&o, js->job[i]);
	json_close_arr(&o);
	return json_out_end(&o);
}

static int put_lines(const struct jobs *js, const struct options *o, struct buf *out)
{
	int rc = 0;

	for (size_t i = js->count; i-- > 0 && rc == 0;) {
		cleanup_free char *bad = NULL;
		rc = job_format(o->quiet ? "{id}" : o->format, js->job[i], out, &bad);
	}
	return rc;
}

static int show(const struct rnx *r, const struct options *o, const struct jobs *js)
{
	cleanup_buf struct buf out = {.max = SIZE_MAX / 2};
	int rc = 0;

	if (o->quiet || o->format)
		rc = put_lines(js, o, &out);
	else if (r->json)
		rc = put_json(js, &out);
	else if (!js->count)
		rc = buf_add_str(&out, "No jobs found\n");
	else
		rc = put_table(js, o, &out);
	if (rc < 0)
		return print_fail(EXIT_CODE_INTERNAL, "INTERNAL", NULL, "job list: %s", strerror(-rc));
	return print_data(&out);
}

// A key of --format that does not exist is known before the server is asked.
static int check_format(const char *format)
{
	Joblet__Job none = JOBLET__JOB__INIT;
	cleanup_buf struct buf out = {0};
	cleanup_free char *bad = NULL;
	char hint[64];

	if (!format || job_format(format, &none, &out, &bad) == 0 || !bad)
		return 0;
	const char *near = str_nearest(bad, job_format_keys);
	snprintf(hint, sizeof(hint), near ? "did you mean {%s}?" : "the keys are those of --json", near);
	return print_usage(hint, "--format: no key {%s}", bad);
}

static int run(struct rnx *r, void *options, char **words)
{
	const struct options *o = options;
	Joblet__FindJobsRequest q = JOBLET__FIND_JOBS_REQUEST__INIT;
	Joblet__FindJobsRequest__LabelsEntry labels[32];
	Joblet__FindJobsRequest__LabelsEntry *label_list[32];
	cleanup_strv char **status_list = NULL;
	struct jobs js = {0};
	int status = check_format(o->format);

	(void)words;
	for (size_t i = 0; o->status && o->status[i] && status == 0; i++)
		status = add_states(o->status[i], &status_list);
	if (status == 0)
		status = parse_since(o->since, &q.since_ns);
	for (size_t i = 0; o->labels && o->labels[i] && status == 0; i++) {
		char *equals = strchr(o->labels[i], '=');
		if (!equals || i == ARRAY_LEN(labels))
			return print_usage(NULL, "--label %s: %s", o->labels[i],
					   equals ? "too many" : "KEY=VALUE is wanted");
		*equals = '\0';
		joblet__find_jobs_request__labels_entry__init(&labels[i]);
		labels[i].key = o->labels[i];
		labels[i].value = equals + 1;
		label_list[i] = &labels[i];
		q.n_labels = i + 1;
	}
	if (status)
		return status;
	q.labels = label_list;
	q.status = status_list;
	q.n_status = strv_len(status_list);
	q.name = (char *)(uintptr_t)(o->name ? o->name : "");
	q.runtime = (char *)(uintptr_t)(o->runtime ? o->runtime : "");
	q.mine = o->mine;
	status = find(r, &q, o->count, &js);
	if (status == 0)
		status = show(r, o, &js);
	free_jobs(&js);
	return status;
}

const struct command cmd_job_list = {
    .group = "job",
    .name = "list",
    .aliases = (const char *const[]){"ls", "ps", NULL},
    .words = "[flags]",
    .summary = "Lists jobs, newest last",
    .examples = "  rnx job list --status running --mine\n"
		"  rnx job list -n 20 --format '{id} {status} {exit_code}'\n"
		"  rnx job list --json | jq -r '.[] | select(.status == \"RUNNING\") | .id' | xargs -r rnx "
		"job stop\n",
    .flags = flags,
    .flag_count = ARRAY_LEN(flags),
    .options_size = sizeof(struct options),
    .run = run,
};
