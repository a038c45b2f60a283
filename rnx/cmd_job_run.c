// SPDX-License-Identifier: Apache-2.0
// `rnx job run`: submits a job, stays with it, and ends as it ends. The request is checked here as far as the
// command line is concerned; what the server allows is the server's to say.
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "rnx/connect.h"
#include "rnx/print.h"
#include "rnx/run_env.h"
#include "rnx/session.h"
#include "rnx/term.h"

struct options {
	int64_t max_cpu, max_memory, max_iobps, gpu, gpu_memory;
	const char *cpu_cores, *workdir, *schedule, *timeout, *name, *network, *runtime, *on_disconnect;
	char **env, **secret_env, **labels, **volumes, **uploads, **upload_dirs;
	bool detach, interactive, tty, quiet, raw;
};

#define AT(member) offsetof(struct options, member)
static const struct flag flags[] = {
    {"detach", 'd', FLAG_BOOL, AT(detach), NULL, "print the id and return", 0, 0},
    {"interactive", 'i', FLAG_BOOL, AT(interactive), NULL, "forward stdin also from a terminal", 0, 0},
    {"tty", 't', FLAG_BOOL, AT(tty), NULL, "give the job a terminal", 0, 0},
    {"name", 0, FLAG_TEXT, AT(name), "NAME", "a name for the job", 0, 0},
    {"label", 0, FLAG_LIST, AT(labels), "KEY=VALUE", "a label; more than once for more", 0, 0},
    {"env", 'e', FLAG_LIST, AT(env), "NAME[=VALUE]", "environment; without a value that of rnx", 0, 0},
    {"secret-env", 's', FLAG_LIST, AT(secret_env), "NAME[=@FILE|=-]", "environment that nobody is shown", 0,
     0},
    {"workdir", 0, FLAG_TEXT, AT(workdir), "DIR", "working directory in the job", 0, 0},
    {"timeout", 0, FLAG_TEXT, AT(timeout), "TIME", "end the job after this time (90s, 1h30m)", 0, 0},
    {"schedule", 0, FLAG_TEXT, AT(schedule), "TIME", "start later: 30min, or 2026-01-31T03:00:00", 0, 0},
    {"max-cpu", 0, FLAG_INT, AT(max_cpu), "PERCENT", "100 is one core; 0: the server's default", 0, 10000},
    {"max-memory", 0, FLAG_INT, AT(max_memory), "MB", "memory", 0, INT32_MAX},
    {"max-iobps", 0, FLAG_INT, AT(max_iobps), "BYTES", "input and output a second", 0, INT32_MAX},
    {"cpu-cores", 0, FLAG_TEXT, AT(cpu_cores), "LIST", "cores to run on: 0-3 or 1,3,5", 0, 0},
    {"network", 0, FLAG_TEXT, AT(network), "NAME", "network of the job", 0, 0},
    {"volume", 0, FLAG_LIST, AT(volumes), "NAME", "volume, at /volumes/NAME", 0, 0},
    {"runtime", 0, FLAG_TEXT, AT(runtime), "NAME", "runtime of the job", 0, 0},
    {"gpu", 0, FLAG_INT, AT(gpu), "N", "GPUs", 0, 1024},
    {"gpu-memory", 0, FLAG_INT, AT(gpu_memory), "MB", "memory of each GPU", 0, INT32_MAX},
    {"on-disconnect", 0, FLAG_TEXT, AT(on_disconnect), "WHAT",
     "continue (the default) or stop, when rnx goes away", 0, 0},
    {"raw", 0, FLAG_BOOL, AT(raw), NULL, "let control sequences reach the terminal", 0, 0},
    {"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, "no talk on stderr", 0, 0},
    {"upload", 0, FLAG_LIST, AT(uploads), "FILE", NULL, 0, 0},
    {"upload-dir", 0, FLAG_LIST, AT(upload_dirs), "DIR", NULL, 0, 0},
};

struct request {
	Joblet__RunJobRequest m;
	struct run_env env, secret, labels;
	char key[40], schedule[STR_TIME_MAX];
};

// A random UUID (RFC 9562, version 4): the same for every try of one submission.
static void make_key(char out[40])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

// A duration goes as it is, so that the server's clock counts it; a time without a zone is local time here.
static int set_schedule(struct request *q, const char *s)
{
	int64_t ns;
	struct timespec now;

	q->m.schedule = text(s);
	if (!s || str_to_duration(s, &ns) == 0)
		return 0;
	if (str_parse_time(s, &ns) < 0)
		return print_usage("as in 30min, 2h30m, 2026-01-31T03:00:00 or 2026-01-31T03:00:00Z",
				   "--schedule %s: not a time", s);
	clock_gettime(CLOCK_REALTIME, &now);
	if (ns / 1000000000 < now.tv_sec)
		return print_usage(NULL, "--schedule %s: is in the past", s);
	str_time_rfc3339(ns, q->schedule);
	q->m.schedule = q->schedule;
	return 0;
}

static int check(const struct options *o, char *const *words)
{
	int64_t ns;

	if (o->uploads || o->upload_dirs)
		return print_fail(EXIT_CODE_INTERNAL, "UNIMPLEMENTED",
				  "pipe the file in: rnx job run sh -c 'cat > f; …' < f",
				  "--upload and --upload-dir are not there yet");
	if (o->detach && (o->interactive || o->tty))
		return print_usage(NULL, "-d leaves the job alone, -i and -t stay with it: not both");
	if (o->on_disconnect && !str_eq(o->on_disconnect, "continue") && !str_eq(o->on_disconnect, "stop"))
		return print_usage(NULL, "--on-disconnect %s: continue or stop", o->on_disconnect);
	if (o->detach && str_eq(o->on_disconnect, "stop"))
		return print_usage(NULL, "-d leaves the job alone: --on-disconnect=stop has no meaning");
	if (o->timeout && str_to_duration(o->timeout, &ns) < 0)
		return print_usage("as in 90s, 15min, 2h30m", "--timeout %s: not a duration", o->timeout);
	if (o->name && !str_is_name(o->name))
		return print_usage(NULL,
				   "--name %s: a letter or _, then letters, digits, _ and -, at most 63",
				   o->name);
	if (o->cpu_cores && str_check_cpu_list(o->cpu_cores, 8191) < 0)
		return print_usage(NULL, "--cpu-cores %s: a list as 0-3 or 1,3,5 is wanted", o->cpu_cores);
	if (!words[0][0])
		return print_usage("rnx job run [flags] command [args…]", "the command is empty");
	for (size_t i = 0; words[i]; i++)
		if (!str_is_utf8(words[i], strlen(words[i])))
			return print_usage(NULL, "word %zu of the command is not UTF-8", i + 1);
	return 0;
}

static int fill(struct request *q, const struct options *o, char **words)
{
	int status = run_env_add(&q->env, o->env, RUN_ENV_PLAIN);

	if (status == 0)
		status = run_env_add(&q->secret, o->secret_env, RUN_ENV_SECRET);
	if (status == 0)
		status = run_env_add(&q->labels, o->labels, RUN_ENV_LABEL);
	if (status == 0)
		status = set_schedule(q, o->schedule);
	if (status)
		return status;
	Joblet__RunJobRequest *m = &q->m;
	make_key(q->key);
	m->idempotency_key = q->key;
	m->command = words[0];
	m->args = words + 1;
	m->n_args = strv_len(words + 1);
	m->max_cpu = (int32_t)o->max_cpu;
	m->max_memory = (int32_t)o->max_memory;
	m->max_io_bps = (int32_t)o->max_iobps;
	m->gpu_count = (int32_t)o->gpu;
	m->gpu_memory_mb = (int32_t)o->gpu_memory;
	m->cpu_cores = text(o->cpu_cores);
	m->work_dir = text(o->workdir);
	m->timeout = text(o->timeout);
	m->name = text(o->name);
	m->network = text(o->network);
	m->runtime = text(o->runtime);
	m->volumes = o->volumes;
	m->n_volumes = strv_len(o->volumes);
	m->environment = (Joblet__RunJobRequest__EnvironmentEntry **)(void *)q->env.entries;
	m->n_environment = q->env.count;
	m->secret_environment = (Joblet__RunJobRequest__SecretEnvironmentEntry **)(void *)q->secret.entries;
	m->n_secret_environment = q->secret.count;
	m->labels = (Joblet__RunJobRequest__LabelsEntry **)(void *)q->labels.entries;
	m->n_labels = q->labels.count;
	return 0;
}

static int print_id(const struct rnx *r, const Joblet__RunJobResponse *reply)
{
	cleanup_buf struct buf b = {0};
	struct json_out o;

	if (!r->json) {
		int rc = buf_printf(&b, "%s\n", reply->job_uuid);
		return rc < 0 ? EXIT_CODE_INTERNAL : print_data(&b);
	}
	json_out_begin(&o, &b, true);
	json_open_obj(&o);
	json_kv_str(&o, "id", reply->job_uuid);
	json_kv_str(&o, "status", reply->status);
	json_close_obj(&o);
	return json_out_end(&o) < 0 ? EXIT_CODE_INTERNAL : print_data(&b);
}

static enum session_stdin choose_input(const struct rnx *r, const struct options *o)
{
	bool is_terminal = !r->stdin_is_closed && isatty(STDIN_FILENO);

	if (o->detach)
		return SESSION_NO_STDIN;
	if (is_terminal)
		return o->tty ? SESSION_TERMINAL : o->interactive ? SESSION_STDIN : SESSION_NO_STDIN;
	return session_stdin_is_useful(r) || (o->interactive && !r->stdin_is_closed) ? SESSION_STDIN
										     : SESSION_NO_STDIN;
}

static int submit(struct rnx *r, const struct options *o, struct request *q, enum session_stdin input)
{
	ProtobufCMessage *reply = NULL;
	unsigned rows = 0;
	unsigned columns = 0;

	q->m.stdin = input != SESSION_NO_STDIN;
	q->m.tty = o->tty;
	if (o->tty && term_size(&rows, &columns)) {
		q->m.tty_rows = rows;
		q->m.tty_columns = columns;
	}
	int status = connect_open(r);
	// A signal that comes while the server answers is the job's; before, rnx ends by it and there is no
	// job.
	if (status == 0 && !o->detach && term_signals_begin() < 0)
		abort();
	if (status == 0)
		status = connect_call(r, CALL_AGAIN, "/joblet.JobService/RunJob", CALL_TIMEOUT_MS, &q->m.base,
				      &joblet__run_job_response__descriptor, &reply);
	if (status)
		return status;
	const Joblet__RunJobResponse *run = (const Joblet__RunJobResponse *)reply;
	if (o->detach) {
		status = print_id(r, run);
	} else {
		struct session_config cfg = {
		    .id = run->job_uuid,
		    .input = input,
		    .stop_on_disconnect = str_eq(o->on_disconnect, "stop"),
		    .is_quiet = o->quiet,
		    .is_raw = o->raw,
		};
		if (!o->quiet)
			print_note("job %s", run->job_uuid);
		status = session_run(r, &cfg);
	}
	protobuf_c_message_free_unpacked(reply, NULL);
	return status;
}

static int run(struct rnx *r, void *options, char **words)
{
	const struct options *o = options;
	struct request q = {.m = JOBLET__RUN_JOB_REQUEST__INIT};
	int status = check(o, words);

	if (status == 0)
		status = fill(&q, o, words);
	if (status == 0)
		status = submit(r, o, &q, choose_input(r, o));
	run_env_free(&q.env);
	run_env_free(&q.secret);
	run_env_free(&q.labels);
	return status;
}

const struct command cmd_job_run = {
    .group = "job",
    .name = "run",
    .words = "[flags] command [args…]",
    .summary = "Runs a command as a job, with its output and exit status",
    .examples = "  rnx job run echo hello\n"
		"  rnx job run -it bash\n"
		"  tar c src | rnx job run --max-memory=512 sh -c 'tar x && make -C src'\n"
		"  rnx job run -d --name nightly --schedule 2026-01-31T03:00:00 --timeout 2h backup.sh\n"
		"  rnx job run --env MODE=fast --secret-env API_TOKEN bash -c 'use \"$API_TOKEN\"'\n",
    .about = "Flags stand before the command: what stands behind its first word belongs to the command. No "
	     "shell reads it:\n"
	     "for pipes and variables run `sh -c '…'`.\n"
	     "stdin is forwarded when it is a pipe or a file. HUP, INT, QUIT, TERM, USR1 and USR2 go to the "
	     "job; a second\n"
	     "Ctrl-C within two seconds leaves the job running; with -t two times Ctrl-] does.\n"
	     "The exit status is that of the job; 124: its time was over, 125: rnx or the server failed, 126 "
	     "and 127: the\n"
	     "command could not be executed or found, 128+n: ended by signal n.\n",
    .flags = flags,
    .flag_count = ARRAY_LEN(flags),
    .options_size = sizeof(struct options),
    .order = ARGS_WORD_FIRST,
    .min_words = 1,
    .max_words = WORDS_ANY,
    .run = run,
};
