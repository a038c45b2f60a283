// SPDX-License-Identifier: Apache-2.0
// Whether a request may become a job, field by field, and its defaults. What a client says is checked here
// whatever the gateway checked before. Pure: makes no system call.
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "lib/base/str.h"

#define NS_PER_S      1000000000LL
#define YEAR_NS	      (366 * 86400LL * NS_PER_S)
#define WORDS_MAX     ((size_t)1 << 20) // bytes of arguments and environment together, with their ends
#define WORD_MAX      131071		// what the kernel takes as one string
#define COUNT_MAX     32768
#define ENV_VALUE_MAX 32768
#define LABELS_MAX    64
#define MEMORY_MIN_MB 4
#define MEMORY_MAX_MB 16777216 // 16 TB
#define IOBPS_MIN     1024
#define COMMAND_MAX   4095

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static bool is_empty(const char *s)
{
	return !s || !s[0];
}

static int check_word(const char *what, size_t number, const char *s, size_t *total, struct err *e)
{
	size_t n = strlen(s);

	if (n > WORD_MAX)
		return err_set(e, -EINVAL, "%s %zu has %zu bytes, at most %d are possible", what, number, n,
			       WORD_MAX);
	if (!str_is_utf8(s, n))
		return err_set(e, -EINVAL, "%s %zu is not valid UTF-8", what, number);
	*total += n + 1;
	return 0;
}

static int check_command(const struct job_request *r, size_t *total, struct err *e)
{
	if (is_empty(r->command))
		return err_set(e, -EINVAL, "the command is empty");
	if (strlen(r->command) > COMMAND_MAX)
		return err_set(e, -EINVAL, "the command has more than %d bytes", COMMAND_MAX);
	if (has_control(r->command))
		return err_set(e, -EINVAL, "the command has a newline or another control character in it");
	int rc = check_word("the command, word", 0, r->command, total, e);
	if (strv_len(r->args) > COUNT_MAX)
		return err_set(e, -EINVAL, "more than %d arguments", COUNT_MAX);
	for (size_t i = 0; rc == 0 && r->args && r->args[i]; i++)
		rc = check_word("argument", i + 1, r->args[i], total, e);
	return rc;
}

static int check_env(char *const *env, size_t *total, struct err *e)
{
	char name[256];

	for (size_t i = 0; env && env[i]; i++) {
		size_t n = strcspn(env[i], "=");
		if (n >= sizeof(name) || env[i][n] != '=')
			return err_set(e, -EINVAL, "environment: \"%.64s\" is not NAME=value", env[i]);
		memcpy(name, env[i], n);
		name[n] = '\0';
		const char *value = env[i] + n + 1;
		if (!str_is_env_name(name))
			return err_set(e, -EINVAL,
				       "environment: \"%.64s\" is not a name: letters, digits and _", name);
		if (str_starts(name, "JOB_") || str_starts(name, "JOBLET_"))
			return err_set(
			    e, -EINVAL,
			    "environment: %s is reserved, as is every name that begins with JOB_ or JOBLET_",
			    name);
		if (strlen(value) > ENV_VALUE_MAX)
			return err_set(e, -EINVAL, "environment: the value of %s has more than %d bytes",
				       name, ENV_VALUE_MAX);
		if (strpbrk(value, "\n\r"))
			return err_set(e, -EINVAL, "environment: the value of %s has a newline in it", name);
		int rc = check_word("environment, entry", i + 1, env[i], total, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

static int check_env_twice(const struct job_request *r, struct err *e)
{
	for (char *const *a = r->secret_env; a && *a; a++)
		for (char *const *b = r->env; b && *b; b++)
			if (same_name(*a, *b))
				return err_set(e, -EINVAL,
					       "environment: %.*s is given twice, as a secret and not",
					       (int)strcspn(*a, "="), *a);
	return 0;
}

static bool is_label_key(const char *s, size_t n)
{
	if (n == 0 || n > 63)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-", s[i]))
			return false;
	return true;
}

static int check_labels(const struct job_request *r, struct err *e)
{
	if (strv_len(r->labels) > LABELS_MAX)
		return err_set(e, -EINVAL, "more than %d labels", LABELS_MAX);
	for (char *const *p = r->labels; p && *p; p++) {
		size_t n = strcspn(*p, "=");
		if ((*p)[n] != '=' || !is_label_key(*p, n))
			return err_set(e, -EINVAL,
				       "label \"%.64s\": the name takes letters, digits and ._/-, at most 63",
				       *p);
		const char *value = *p + n + 1;
		if (strlen(value) > 255 || has_control(value) || !str_is_utf8(value, strlen(value)))
			return err_set(
			    e, -EINVAL,
			    "label %.*s: the value takes at most 255 bytes without control characters",
			    (int)n, *p);
	}
	return 0;
}

// What is not there yet is refused, never ignored.
static int check_unsupported(const struct job_request *r, struct err *e)
{
	if (r->has_uploads)
		return err_set(e, -EINVAL, "uploads are not supported by this server yet");
	if (r->gpu_count || r->gpu_memory_mb)
		return err_set(e, -EINVAL, "GPUs are not supported by this server");
	if (r->volumes && r->volumes[0])
		return err_set(e, -EINVAL, "volume \"%.64s\": volumes are not supported by this server yet",
			       r->volumes[0]);
	if (!is_empty(r->runtime))
		return err_set(e, -EINVAL, "runtime \"%.64s\": runtimes are not supported by this server yet",
			       r->runtime);
	if (!is_empty(r->network) && !str_eq(r->network, "none"))
		return err_set(e, -EINVAL, "network \"%.64s\": only none is supported by this server yet",
			       r->network);
	return 0;
}

static int check_limits(const struct config *cfg, struct job_request *r, unsigned highest_cpu, bool io_limit,
			struct err *e)
{
	if (r->max_cpu < 0 || r->max_cpu > 10000)
		return err_set(
		    e, -EINVAL,
		    "max_cpu is %lld, must be from 1 to 10000 percent of a core, or 0 for the default",
		    (long long)r->max_cpu);
	if (r->max_memory_mb < 0 || r->max_memory_mb > MEMORY_MAX_MB ||
	    (r->max_memory_mb > 0 && r->max_memory_mb < MEMORY_MIN_MB))
		return err_set(e, -EINVAL,
			       "max_memory is %lld, must be from %d to %d MB, or 0 for the default",
			       (long long)r->max_memory_mb, MEMORY_MIN_MB, MEMORY_MAX_MB);
	if (r->max_iobps < 0 || (r->max_iobps > 0 && r->max_iobps < IOBPS_MIN))
		return err_set(e, -EINVAL,
			       "max_iobps is %lld, must be at least %d bytes a second, or 0 for the default",
			       (long long)r->max_iobps, IOBPS_MIN);
	if (r->max_iobps > 0 && !io_limit)
		return err_set(e, -EINVAL,
			       "max_iobps: the disk that holds the jobs cannot be throttled on this machine");
	if (r->max_cpu == 0)
		r->max_cpu = cfg->joblet.default_cpu_percent;
	if (r->max_memory_mb == 0)
		r->max_memory_mb = cfg->joblet.default_memory_mb;
	if (r->max_iobps == 0 && io_limit)
		r->max_iobps = cfg->joblet.default_iobps;
	if (is_empty(r->cpu_cores))
		return 0;
	if (strlen(r->cpu_cores) > 255 || has_control(r->cpu_cores))
		return err_set(e, -EINVAL, "cpu_cores: must be like 0-3 or 1,3,5");
	int rc = str_check_cpu_list(r->cpu_cores, highest_cpu);
	if (rc == -ERANGE)
		return err_set(e, -EINVAL, "cpu_cores \"%s\": this machine has the cores 0 to %u",
			       r->cpu_cores, highest_cpu);
	if (rc < 0)
		return err_set(e, -EINVAL, "cpu_cores \"%s\": must be like 0-3 or 1,3,5", r->cpu_cores);
	return 0;
}

static bool has_dots(const char *path)
{
	for (const char *p = path; *p;) {
		p += strspn(p, "/");
		size_t n = strcspn(p, "/");
		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return true;
		p += n;
	}
	return false;
}

static bool has_long_name(const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strcspn(p, "/") > NAME_MAX)
			return true;
	}
	return false;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int check_work_dir(struct job_request *r, struct err *e)
{
	const char *dir = r->work_dir;

	if (is_empty(dir)) {
		free(r->work_dir);
		r->work_dir = xstrdup("/work");
		return 0;
	}
	if (dir[0] != '/' || strlen(dir) > 1023 || has_dots(dir) || strstr(dir, "//") || has_control(dir) ||
	    !str_is_utf8(dir, strlen(dir)))
		return err_set(e, -EINVAL,
			       "work directory \"%.200s\": must be an absolute path without . and ..", dir);
	if (has_long_name(dir))
		return err_set(e, -EINVAL, "work directory \"%.100s…\": a name in it is longer than %d bytes",
			       dir, NAME_MAX);
	if (is_below(dir, "/proc") || is_below(dir, "/sys") || is_below(dir, "/dev"))
		return err_set(e, -EINVAL, "work directory \"%.200s\": not below /proc, /sys or /dev", dir);
	return 0;
}

static int check_schedule(const char *s, int64_t now_ns, int64_t *out, struct err *e)
{
	int64_t v;

	*out = 0;
	if (is_empty(s))
		return 0;
	int rc = str_to_duration(s, &v);
	if (rc == 0 && v >= NS_PER_S && v <= YEAR_NS) {
		*out = now_ns + v;
		return 0;
	}
	if (rc == 0 || rc == -ERANGE)
		return err_set(e, -EINVAL, "schedule \"%.64s\": must be from 1 second to 1 year from now", s);
	if (str_parse_time(s, &v) < 0)
		return err_set(e, -EINVAL,
			       "schedule \"%.64s\": neither a duration like 30min or 2h30m nor a time like "
			       "2026-01-31T15:04:05Z",
			       s);
	if (v <= now_ns)
		return err_set(e, -EINVAL, "schedule \"%.64s\": is in the past", s);
	if (v - now_ns > YEAR_NS)
		return err_set(e, -EINVAL, "schedule \"%.64s\": is more than a year away", s);
	*out = v;
	return 0;
}

static int check_timeout(const struct config *cfg, const char *s, int64_t *out, struct err *e)
{
	*out = cfg->joblet.timeout_ns;
	if (is_empty(s))
		return 0;
	int64_t v;
	int rc = str_to_duration(s, &v);
	if (rc < 0 || v < 0 || v > YEAR_NS)
		return err_set(e, -EINVAL,
			       "timeout \"%.64s\": must be a duration like 90s or 1h30m, at most a year", s);
	if (v > 0)
		*out = v;
	return 0;
}

static int check_names(struct job_request *r, struct err *e)
{
	if (!is_empty(r->name) && !str_is_name(r->name))
		return err_set(
		    e, -EINVAL,
		    "name \"%.64s\": letters, digits, _ and -, beginning with a letter or _, at most 63",
		    r->name);
	if (!is_empty(r->idempotency_key) &&
	    (strlen(r->idempotency_key) > 128 || has_control(r->idempotency_key) ||
	     !str_is_utf8(r->idempotency_key, strlen(r->idempotency_key))))
		return err_set(e, -EINVAL, "idempotency key: at most 128 bytes without control characters");
	if (!is_empty(r->owner) && (strlen(r->owner) >= JOB_BY_MAX || has_control(r->owner)))
		return err_set(
		    e, -EINVAL,
		    "the name of the certificate's owner is too long or has control characters in it");
	return 0;
}

// The text fields that were not given become "", so that nobody else has to ask.
static void fill_strings(struct job_request *r)
{
	char **strings[] = {&r->name,	  &r->work_dir, &r->cpu_cores, &r->network,	    &r->runtime,
			    &r->schedule, &r->timeout,	&r->owner,     &r->idempotency_key, &r->role};

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if (!*strings[i])
			*strings[i] = xstrdup("");
}

// A name stands for itself and for every path that ends in it, a path for itself.
static bool is_allowed(const char *command, const char *allowed)
{
	const char *slash = strrchr(command, '/');
	return str_eq(command, allowed) || (!strchr(allowed, '/') && slash && str_eq(slash + 1, allowed));
}

static int check_allowed(const struct config *cfg, const struct job_request *r, struct err *e)
{
	char *const *list = cfg->joblet.allowed_commands;

	if (!cfg->joblet.validate_commands)
		return 0;
	for (size_t i = 0; list && list[i]; i++)
		if (is_allowed(r->command, list[i]))
			return 0;
	return err_set(e, -EACCES, "the command \"%.64s\" is not in joblet.allowedCommands of this server",
		       r->command);
}

int job_check(const struct config *cfg, struct job_request *r, int64_t now_ns, unsigned highest_cpu,
	      bool io_limit, struct job_plan *plan, struct err *e)
{
	size_t total = 0;

	fill_strings(r);
	int rc = check_command(r, &total, e);
	if (rc == 0)
		rc = check_allowed(cfg, r, e);
	if (rc == 0 && strv_len(r->env) + strv_len(r->secret_env) > COUNT_MAX)
		rc = err_set(e, -EINVAL, "more than %d environment variables", COUNT_MAX);
	if (rc == 0)
		rc = check_env(r->env, &total, e);
	if (rc == 0)
		rc = check_env(r->secret_env, &total, e);
	if (rc == 0 && total > WORDS_MAX)
		rc = err_set(e, -EINVAL,
			     "arguments and environment together have %zu bytes, at most %zu are possible",
			     total, WORDS_MAX);
	if (rc == 0)
		rc = check_env_twice(r, e);
	if (rc == 0)
		rc = check_names(r, e);
	if (rc == 0)
		rc = check_labels(r, e);
	if (rc == 0)
		rc = check_unsupported(r, e);
	if (rc == 0)
		rc = check_limits(cfg, r, highest_cpu, io_limit, e);
	if (rc == 0)
		rc = check_work_dir(r, e);
	if (rc == 0)
		rc = check_schedule(r->schedule, now_ns, &plan->scheduled_ns, e);
	if (rc == 0)
		rc = check_timeout(cfg, r->timeout, &plan->timeout_ns, e);
	if (rc == 0 && (r->tty_rows > 65535 || r->tty_columns > 65535))
		rc = err_set(e, -EINVAL, "a terminal of %u rows and %u columns", r->tty_rows, r->tty_columns);
	if (r->tty)
		r->stdin_open = true;
	return rc;
}
