// SPDX-License-Identifier: Apache-2.0
// What is known of a job, written down. The order and names of keys are those that scripts read.
#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "rnx/job_show.h"
#include "rnx/print.h"

// protobuf-c makes one entry type for each map; all have key and value.
#define PUT_MAP(o, name, entries, count)                                                                     \
	do {                                                                                                 \
		json_key(o, name);                                                                           \
		json_open_obj(o);                                                                            \
		for (size_t map_i = 0; map_i < (count); map_i++)                                             \
			json_kv_str(o, (entries)[map_i]->key, (entries)[map_i]->value);                      \
		json_close_obj(o);                                                                           \
	} while (0)

static void put_list(struct json_out *o, const char *key, char *const *list, size_t n)
{
	json_key(o, key);
	json_open_arr(o);
	for (size_t i = 0; i < n; i++)
		json_put_str(o, list[i]);
	json_close_arr(o);
}

void job_list_json(struct json_out *o, const Joblet__Job *j)
{
	json_open_obj(o);
	json_kv_str(o, "id", j->uuid);
	json_kv_str(o, "name", j->name);
	json_kv_str(o, "node_id", j->node_id);
	json_kv_str(o, "status", j->status);
	json_kv_str(o, "created_time", j->created_time);
	json_kv_str(o, "start_time", j->start_time);
	json_kv_str(o, "end_time", j->end_time);
	json_kv_str(o, "command", j->command);
	put_list(o, "args", j->args, j->n_args);
	json_kv_i64(o, "exit_code", j->exit_code);
	json_kv_i64(o, "signal", j->signal);
	json_kv_str(o, "reason", j->reason);
	json_kv_i64(o, "max_cpu", j->max_cpu);
	json_kv_i64(o, "max_memory", j->max_memory);
	json_kv_i64(o, "max_iobps", j->max_io_bps);
	json_kv_str(o, "cpu_cores", j->cpu_cores);
	json_kv_str(o, "scheduled_time", j->scheduled_time);
	json_kv_str(o, "runtime", j->runtime);
	json_kv_str(o, "owner", j->owner);
	PUT_MAP(o, "labels", j->labels, j->n_labels);
	json_close_obj(o);
}

// What is not known is null.
static void put_amount(struct json_out *o, const char *key, int64_t n)
{
	if (n >= 0) {
		json_kv_i64(o, key, n);
	} else {
		json_key(o, key);
		json_put_null(o);
	}
}

static void put_usage(struct json_out *o, const Joblet__JobUsage *u)
{
	json_key(o, "usage");
	if (!u) {
		json_put_null(o);
		return;
	}
	json_open_obj(o);
	put_amount(o, "memoryPeak", u->memory_peak);
	put_amount(o, "cpuTime", u->cpu_time_ns);
	put_amount(o, "ioRead", u->io_read);
	put_amount(o, "ioWritten", u->io_written);
	put_amount(o, "linesDropped", u->lines_dropped);
	put_amount(o, "bytesDropped", u->bytes_dropped);
	json_close_obj(o);
}

void job_status_json(struct json_out *o, const Joblet__GetJobStatusResponse *j)
{
	json_open_obj(o);
	json_kv_str(o, "uuid", j->uuid);
	json_kv_str(o, "name", j->name);
	json_kv_str(o, "nodeId", j->node_id);
	json_kv_str(o, "command", j->command);
	put_list(o, "args", j->args, j->n_args);
	json_kv_str(o, "status", j->status);
	json_kv_str(o, "createdTime", j->created_time);
	json_kv_str(o, "startTime", j->start_time);
	json_kv_str(o, "endTime", j->end_time);
	json_kv_i64(o, "exitCode", j->exit_code);
	json_kv_i64(o, "signal", j->signal);
	json_kv_str(o, "reason", j->reason);
	json_kv_bool(o, "oomKilled", j->oom_killed);
	put_usage(o, j->usage);
	json_kv_str(o, "scheduledTime", j->scheduled_time);
	json_kv_str(o, "timeout", j->timeout);
	PUT_MAP(o, "environment", j->environment, j->n_environment);
	PUT_MAP(o, "secretEnvironment", j->secret_environment, j->n_secret_environment);
	json_kv_str(o, "network", j->network);
	put_list(o, "volumes", j->volumes, j->n_volumes);
	json_kv_str(o, "runtime", j->runtime);
	json_kv_str(o, "workDir", j->work_dir);
	json_kv_i64(o, "maxCPU", j->max_cpu);
	json_kv_i64(o, "maxMemory", j->max_memory);
	json_kv_i64(o, "maxIOBPS", j->max_io_bps);
	json_kv_str(o, "cpuCores", j->cpu_cores);
	json_kv_bool(o, "tty", j->tty);
	json_kv_str(o, "owner", j->owner);
	PUT_MAP(o, "labels", j->labels, j->n_labels);
	json_close_obj(o);
}

static bool is_plain_word(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") ==
			 strlen(s);
}

// One word, quoted as sh(1) reads it when that is needed.
static int put_word(struct buf *out, const char *s)
{
	int rc = 0;

	if (is_plain_word(s))
		return buf_add_str(out, s);
	rc = buf_add(out, "'", 1);
	for (; *s && rc == 0; s++)
		rc = *s == '\'' ? buf_add_str(out, "'\\''") : buf_add(out, s, 1);
	return rc < 0 ? rc : buf_add(out, "'", 1);
}

char *job_command_line(const char *command, char *const *args, size_t n_args)
{
	struct buf out = {0};
	int rc = put_word(&out, command);

	for (size_t i = 0; i < n_args && rc == 0; i++) {
		rc = buf_add(&out, " ", 1);
		if (rc == 0)
			rc = put_word(&out, args[i]);
	}
	if (rc < 0 || !out.data) {
		buf_free(&out);
		return xstrdup("");
	}
	return buf_take(&out);
}

static void put_line(struct buf *out, int *rc, const char *name, const char *value)
{
	if (*rc == 0 && value && *value)
		*rc = buf_printf(out, "%-10s %s\n", name, value);
}

static void put_time(struct buf *out, int *rc, const char *name, const char *rfc3339)
{
	char text[PRINT_TIME_MAX];

	print_time(rfc3339, text);
	if (rfc3339[0])
		put_line(out, rc, name, text);
}

static void put_limit(struct buf *out, int *rc, const char *name, int32_t n, const char *unit)
{
	if (*rc == 0 && n)
		*rc = buf_printf(out, "%-10s %d %s\n", name, n, unit);
}

// Why it ended, or what it is doing, in one line.
static char *one_line(const Joblet__GetJobStatusResponse *j)
{
	if (j->reason[0])
		return xstrdup(j->reason);
	if (!j->end_time[0])
		return xstrdup("");
	return j->signal ? xasprintf("killed by signal %d", j->signal) : xasprintf("exited %d", j->exit_code);
}

static void put_bytes(struct buf *out, int *rc, const char *before, int64_t n)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	double v = (double)n;
	size_t unit = 0;

	for (; v >= 1000 && unit + 1 < ARRAY_LEN(units); unit++)
		v /= 1024;
	if (*rc == 0)
		*rc = n < 0 ? buf_printf(out, "%sunknown", before)
			    : buf_printf(out, "%s%.*f %s", before, unit && v < 100 ? 1 : 0, v, units[unit]);
}

static void put_used(struct buf *out, int *rc, const Joblet__JobUsage *u)
{
	if (!u || *rc)
		return;
	put_bytes(out, rc, "used       memory at its peak ", u->memory_peak);
	if (*rc == 0)
		*rc = u->cpu_time_ns < 0 ? buf_add_str(out, ", CPU unknown")
					 : buf_printf(out, ", CPU %.3f s", (double)u->cpu_time_ns / 1e9);
	put_bytes(out, rc, ", read ", u->io_read);
	put_bytes(out, rc, ", written ", u->io_written);
	if (*rc == 0)
		*rc = buf_add_str(out, "\n");
	if (*rc == 0 && (u->lines_dropped > 0 || u->bytes_dropped > 0))
		*rc = buf_printf(out, "%-10s %lld lines (%lld bytes) of output are not in the log\n",
				 "dropped", (long long)u->lines_dropped, (long long)u->bytes_dropped);
}

int job_status_text(const Joblet__GetJobStatusResponse *j, struct buf *out)
{
	cleanup_free char *command = job_command_line(j->command, j->args, j->n_args);
	cleanup_free char *why = one_line(j);
	int rc = 0;

	put_line(out, &rc, "job", j->uuid);
	put_line(out, &rc, "name", j->name);
	if (rc == 0)
		rc = buf_printf(out, "%-10s %s%s%s\n", "status", j->status, *why ? ": " : "", why);
	put_line(out, &rc, "command", command);
	put_line(out, &rc, "owner", j->owner);
	put_line(out, &rc, "node", j->node_id);
	put_time(out, &rc, "created", j->created_time);
	put_time(out, &rc, "scheduled", j->scheduled_time);
	put_time(out, &rc, "started", j->start_time);
	put_time(out, &rc, "ended", j->end_time);
	put_used(out, &rc, j->usage);
	put_limit(out, &rc, "cpu", j->max_cpu, "% of a core at most");
	put_line(out, &rc, "cores", j->cpu_cores);
	put_limit(out, &rc, "memory", j->max_memory, "MB at most");
	put_limit(out, &rc, "io", j->max_io_bps, "bytes a second at most");
	put_line(out, &rc, "timeout", j->timeout);
	put_line(out, &rc, "workdir", j->work_dir);
	put_line(out, &rc, "network", j->network);
	put_line(out, &rc, "runtime", j->runtime);
	for (size_t i = 0; i < j->n_volumes; i++)
		put_line(out, &rc, "volume", j->volumes[i]);
	for (size_t i = 0; i < j->n_labels && rc == 0; i++)
		rc = buf_printf(out, "%-10s %s=%s\n", "label", j->labels[i]->key, j->labels[i]->value);
	for (size_t i = 0; i < j->n_environment && rc == 0; i++)
		rc =
		    buf_printf(out, "%-10s %s=%s\n", "env", j->environment[i]->key, j->environment[i]->value);
	for (size_t i = 0; i < j->n_secret_environment && rc == 0; i++)
		rc = buf_printf(out, "%-10s %s=***\n", "secret", j->secret_environment[i]->key);
	return rc;
}

static char *base64(const uint8_t *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = xmalloc((len + 2) / 3 * 4 + 1);
	char *p = out;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)data[i] << 16 | (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0) |
			     (i + 2 < len ? data[i + 2] : 0);
		*p++ = digits[v >> 18];
		*p++ = digits[v >> 12 & 63];
		*p++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*p++ = i + 2 < len ? digits[v & 63] : '=';
	}
	*p = '\0';
	return out;
}

static int end_line(struct json_out *o, struct buf *out)
{
	json_close_obj(o);
	int rc = json_out_end(o);
	return rc < 0 ? rc : buf_add(out, "\n", 1);
}

int job_chunk_json(const void *chunk, struct buf *out)
{
	const Joblet__DataChunk *c = chunk;
	const char *bytes = c->payload.len ? (const char *)c->payload.data : "";
	char time[STR_TIME_MAX];
	struct json_out o;

	json_out_begin(&o, out, false);
	json_open_obj(&o);
	json_kv_str(&o, "stream", c->stream == 2 ? "stderr" : "stdout");
	json_kv_i64(&o, "offset", c->offset);
	if (c->time_ns) {
		str_time_rfc3339(c->time_ns, time);
		json_kv_str(&o, "time", time);
	}
	if (str_is_utf8(bytes, c->payload.len) && !memchr(bytes, '\0', c->payload.len)) {
		json_key(&o, "data");
		json_put_strn(&o, bytes, c->payload.len);
	} else {
		cleanup_free char *text = base64(c->payload.data, c->payload.len);
		json_kv_str(&o, "base64", text);
	}
	return end_line(&o, out);
}

int job_exit_json(const void *job_exit, struct buf *out)
{
	const Joblet__JobExit *x = job_exit;
	struct json_out o;

	json_out_begin(&o, out, false);
	json_open_obj(&o);
	json_kv_str(&o, "id", x->uuid);
	json_kv_str(&o, "status", x->status);
	json_kv_i64(&o, "exit_code", x->exit_code);
	json_kv_i64(&o, "signal", x->signal);
	json_kv_str(&o, "reason", x->reason);
	return end_line(&o, out);
}

const char *const job_format_keys[] = {
    "id",	 "name",      "node_id",	"status",  "created_time", "start_time", "end_time",
    "command",	 "args",      "exit_code",	"signal",  "reason",	   "max_cpu",	 "max_memory",
    "max_iobps", "cpu_cores", "scheduled_time", "runtime", "owner",	   NULL};

static int put_number(struct buf *out, int64_t n)
{
	return buf_printf(out, "%lld", (long long)n);
}

static int put_args(struct buf *out, const Joblet__Job *j)
{
	int rc = 0;

	for (size_t i = 0; i < j->n_args && rc == 0; i++) {
		rc = i ? buf_add(out, " ", 1) : 0;
		if (rc == 0)
			rc = put_word(out, j->args[i]);
	}
	return rc;
}

static int put_key(struct buf *out, const Joblet__Job *j, const char *key)
{
	const struct {
		const char *key, *text;
	} texts[] = {{"id", j->uuid},
		     {"name", j->name},
		     {"node_id", j->node_id},
		     {"status", j->status},
		     {"created_time", j->created_time},
		     {"start_time", j->start_time},
		     {"end_time", j->end_time},
		     {"command", j->command},
		     {"reason", j->reason},
		     {"cpu_cores", j->cpu_cores},
		     {"scheduled_time", j->scheduled_time},
		     {"runtime", j->runtime},
		     {"owner", j->owner}};
	const struct {
		const char *key;
		int64_t n;
	} numbers[] = {{"exit_code", j->exit_code},
		       {"signal", j->signal},
		       {"max_cpu", j->max_cpu},
		       {"max_memory", j->max_memory},
		       {"max_iobps", j->max_io_bps}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_eq(texts[i].key, key))
			return buf_add_str(out, texts[i].text);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (str_eq(numbers[i].key, key))
			return put_number(out, numbers[i].n);
	return str_eq(key, "args") ? put_args(out, j) : -EINVAL;
}

int job_format(const char *format, const Joblet__Job *j, struct buf *out, char **bad)
{
	int rc = 0;

	*bad = NULL;
	while (*format && rc == 0) {
		const char *end = *format == '{' ? strchr(format, '}') : NULL;
		if (end) {
			cleanup_free char *key = xstrndup(format + 1, (size_t)(end - format - 1));
			rc = put_key(out, j, key);
			if (rc == -EINVAL)
				*bad = take_ptr(key);
			format = end + 1;
		} else if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n')) {
			rc = buf_add(out, format[1] == 't' ? "\t" : "\n", 1);
			format += 2;
		} else {
			rc = buf_add(out, format++, 1);
		}
	}
	return rc < 0 ? rc : buf_add(out, "\n", 1);
}
