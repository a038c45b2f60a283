// SPDX-License-Identifier: Apache-2.0
// Requests that may become a job, and those that may not; secrets; the text for the store.
#include <errno.h>
#include <string.h>

#include "jobletd/job_private.h"
#include "lib/base/str.h"

#define S 1000000000LL

static unsigned count, failed;
static struct config cfg;
static const int64_t now = 1800000000LL * S;

static void ok(bool good, const char *name, const char *detail)
{
	printf("%sok %u - ", good ? "" : "not ", ++count);
	for (; *name; name++)
		putchar(*name >= 0x20 && *name < 0x7f ? *name : '?');
	putchar('\n');
	if (!good) {
		failed++;
		printf("# %s\n", detail);
	}
}

static struct job_request *request(void)
{
	struct job_request *r = xcalloc(1, sizeof(*r));

	r->command = xstrdup("echo");
	return r;
}

static int check(struct job_request *r, struct job_plan *plan, struct err *e)
{
	*plan = (struct job_plan){0};
	*e = (struct err){0};
	return job_check(&cfg, r, now, 3, true, plan, e);
}

// Takes r.
static void refused(const char *name, struct job_request *r, const char *text)
{
	struct job_plan plan;
	struct err e;
	int rc = check(r, &plan, &e);

	ok(rc == -EINVAL && strstr(e.msg, text), name, rc < 0 ? e.msg : "was accepted");
	job_request_free(r);
}

static void set(char **p, const char *s)
{
	free(*p);
	*p = xstrdup(s);
}

#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16
#define X256 X64 X64 X64 X64
#define REFUSED_STR(field, value, text)                                                                      \
	do {                                                                                                 \
		struct job_request *r_ = request();                                                          \
		set(&r_->field, value);                                                                      \
		refused(#field " " value, r_, text);                                                         \
	} while (0)

#define REFUSED_NUM(field, value, text)                                                                      \
	do {                                                                                                 \
		struct job_request *r_ = request();                                                          \
		r_->field = value;                                                                           \
		refused(#field " " #value, r_, text);                                                        \
	} while (0)

#define REFUSED_ENV(list, entry, text)                                                                       \
	do {                                                                                                 \
		struct job_request *r_ = request();                                                          \
		strv_add(&r_->list, entry);                                                                  \
		refused(#list " " #entry, r_, text);                                                         \
	} while (0)

static char *long_string(const char *head, size_t n)
{
	size_t len = strlen(head);
	char *s = xmalloc(len + n + 1);

	memcpy(s, head, len);
	memset(s + len, 'x', n);
	s[len + n] = '\0';
	return s;
}

static void words(void)
{
	REFUSED_STR(command, "", "empty");
	REFUSED_STR(command, "a\nb", "newline");
	REFUSED_STR(command, "\xff", "UTF-8");
	REFUSED_ENV(args, "\xc3(", "argument 1 is not valid UTF-8");
	struct job_request *r = request();
	strv_add_take(&r->args, long_string("", 131072));
	refused("one argument that the kernel does not take", r, "131071");
	r = request();
	for (int i = 0; i < 9; i++)
		strv_add_take(&r->args, long_string("", 120000));
	refused("arguments of more than 1 MiB", r, "together");
	r = request();
	for (int i = 0; i < 40000; i++)
		strv_add(&r->args, "");
	refused("too many arguments", r, "32768");
	REFUSED_ENV(env, "1A=x", "not a name");
	REFUSED_ENV(env, "=x", "not a name");
	REFUSED_ENV(env, "A", "NAME=value");
	REFUSED_ENV(env, "A B=x", "not a name");
	REFUSED_ENV(env, "JOB_ID=x", "reserved");
	REFUSED_ENV(secret_env, "JOBLET_X=x", "reserved");
	REFUSED_ENV(env, "A=x\ny", "newline");
	r = request();
	strv_add_take(&r->env, long_string("A=", 32769));
	refused("a long value", r, "32768");
	r = request();
	strv_add(&r->env, "A=1");
	strv_add(&r->secret_env, "A=2");
	refused("open and secret", r, "twice");
	REFUSED_ENV(labels, "a", "label");
	REFUSED_ENV(labels, "a b=c", "label");
	REFUSED_ENV(labels, "a=\n", "control");
	REFUSED_STR(name, "1a", "name");
	REFUSED_STR(name, "a b", "name");
	REFUSED_STR(name, "-a", "name");
	REFUSED_STR(idempotency_key, "a\tb", "idempotency");
}

static void numbers(void)
{
	REFUSED_NUM(max_cpu, -1, "max_cpu is -1");
	REFUSED_NUM(max_cpu, 10001, "max_cpu is 10001");
	REFUSED_NUM(max_memory_mb, -5, "max_memory is -5");
	REFUSED_NUM(max_memory_mb, 1, "max_memory is 1");
	REFUSED_NUM(max_memory_mb, INT32_MAX, "max_memory is");
	REFUSED_NUM(max_iobps, -1, "max_iobps");
	REFUSED_NUM(max_iobps, 1, "max_iobps");
	REFUSED_STR(cpu_cores, "0-4", "this machine has the cores 0 to 3");
	REFUSED_STR(cpu_cores, "3-1", "cpu_cores");
	REFUSED_STR(cpu_cores, "a", "cpu_cores");
	REFUSED_STR(schedule, "0s", "1 second");
	REFUSED_STR(schedule, "9000h", "1 year");
	REFUSED_STR(schedule, "tomorrow", "neither");
	REFUSED_STR(schedule, "2020-01-01T00:00:00Z", "past");
	REFUSED_STR(schedule, "2090-01-01T00:00:00Z", "more than a year");
	REFUSED_STR(timeout, "-1s", "timeout");
	REFUSED_STR(timeout, "soon", "timeout");
	REFUSED_STR(work_dir, "work", "absolute");
	REFUSED_STR(work_dir, "/work/../etc", "absolute");
	REFUSED_STR(work_dir, "/proc/self/fd/3", "not below");
	REFUSED_STR(work_dir, "/dev", "not below");
	REFUSED_STR(work_dir, "/work/a/" X256 "/b", "longer than 255");
	REFUSED_STR(runtime, "python-3.11", "runtimes are not supported");
	REFUSED_STR(network, "bridge", "only none");
	REFUSED_NUM(gpu_count, 1, "GPU");
	REFUSED_NUM(has_uploads, true, "uploads");
	REFUSED_NUM(tty_rows, 70000, "terminal");
	REFUSED_ENV(volumes, "data", "volumes are not supported");
}

static void accepted(void)
{
	struct job_plan plan;
	struct err e;
	struct job_request *r = request();

	cfg.joblet.timeout_ns = 3600 * S;
	cfg.joblet.default_memory_mb = 256;
	int rc = check(r, &plan, &e);
	ok(rc == 0 && plan.timeout_ns == 3600 * S && plan.scheduled_ns == 0 && r->max_memory_mb == 256 &&
	       str_eq(r->work_dir, "/work") && str_eq(r->name, ""),
	   "defaults", e.msg);
	job_request_free(r);
	r = request();
	strv_add(&r->args, "line\nline");
	strv_add(&r->args, "");
	set(&r->schedule, "2h30m");
	set(&r->timeout, "90s");
	set(&r->cpu_cores, "0-3");
	set(&r->work_dir, "/work/sub/dir");
	set(&r->network, "none");
	r->tty = true;
	r->max_cpu = 150;
	rc = check(r, &plan, &e);
	ok(rc == 0 && plan.scheduled_ns == now + 9000 * S && plan.timeout_ns == 90 * S && r->stdin_open,
	   "everything", e.msg);
	job_request_free(r);
	r = request();
	r->max_iobps = 1048576;
	rc = job_check(&cfg, r, now, 3, false, &plan, &e);
	ok(rc == -EINVAL && strstr(e.msg, "throttled"), "no disk to throttle", e.msg);
	job_request_free(r);
}

static void secrets(void)
{
	struct job_request *r = request();
	struct job_request back;
	struct err e = {0};
	static const char *const secret[] = {"SECRET_A=1", "API_TOKEN=1", "MY_KEY=", "DB_PASSWORD=x=y",
					     "A_SECRET=1"};
	static const char *const open[] = {"TOKEN=1", "KEYS=1", "_KEYX=1", "PATH=/a_KEY", "A=B_TOKEN=1"};
	bool good = true;

	for (size_t i = 0; i < ARRAY_LEN(secret); i++)
		good = good && job_env_is_secret(secret[i]);
	for (size_t i = 0; i < ARRAY_LEN(open); i++)
		good = good && !job_env_is_secret(open[i]);
	ok(good, "secret by name", "");
	strv_add(&r->env, "A=1");
	strv_add(&r->env, "API_TOKEN=hunter2");
	strv_add(&r->secret_env, "B=hunter3=x");
	strv_add(&r->args, "\"quoted\\ \n\xe2\x82\xac");
	strv_add(&r->labels, "team=x");
	r->max_memory_mb = 12;
	r->tty_rows = 24;
	char **real = job_request_hide_secrets(r);
	ok(strv_len(real) == 2 && str_eq(real[0], "API_TOKEN=hunter2") && str_eq(real[1], "B=hunter3=x"),
	   "the real values", "");
	ok(str_eq(r->env[0], "A=1") && str_eq(r->env[1], "API_TOKEN=***") &&
	       str_eq(r->secret_env[0], "B=***"),
	   "what is shown instead", r->env[1]);
	job_secrets_free(real);
	cleanup_free char *text = job_request_to_json(r);
	ok(!strstr(text, "hunter"), "no secret in the text", text);
	int rc = job_request_from_json(text, &back, &e);
	ok(rc == 0 && str_eq(back.command, "echo") && str_eq(back.args[0], r->args[0]) &&
	       strv_len(back.env) == 2 && str_eq(back.labels[0], "team=x") && back.max_memory_mb == 12 &&
	       back.tty_rows == 24,
	   "there and back", e.msg);
	job_request_clear(&back);
	ok(job_request_from_json("{\"args\": 3}", &back, &e) < 0 && job_request_from_json("{", &back, &e) < 0,
	   "other text is an error", "");
	job_request_free(r);
}

static void allowed(void)
{
	static const struct {
		const char *command;
		bool may;
	} rows[] = {
	    {"echo", true},   {"/bin/echo", true},    {"/work/echo", true}, {"/bin/sh", true},
	    {"sh", false},    {"/usr/bin/sh", false}, {"echo2", false},	    {"echo/", false},
	    {"xecho", false}, {"../sh", false},
	};
	char *list[] = {(char *)(uintptr_t) "echo", (char *)(uintptr_t) "/bin/sh", NULL};
	struct job_plan plan;
	struct err e;

	cfg.joblet.validate_commands = true;
	for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
		// Without a list nothing is allowed.
		bool has_list = i < ARRAY_LEN(rows), want = has_list && rows[i].may;
		struct job_request *r = request();
		cfg.joblet.allowed_commands = has_list ? list : NULL;
		if (has_list)
			set(&r->command, rows[i].command);
		int rc = check(r, &plan, &e);
		ok(want ? rc == 0 : rc == -EACCES && strstr(e.msg, "joblet.allowedCommands"), r->command,
		   want ? e.msg : "is not allowed");
		job_request_free(r);
	}
	cfg.joblet.validate_commands = false;
	cfg.joblet.allowed_commands = NULL;
}

int main(void)
{
	words();
	allowed();
	numbers();
	accepted();
	secrets();
	printf("1..%u\n", count);
	return failed != 0;
}
