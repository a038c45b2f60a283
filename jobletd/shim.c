// SPDX-License-Identifier: Apache-2.0
// Starting shims and hearing of their end. A start is a child, a pipe on which one JSON line comes, and a
// bound on the time. Nothing here knows what a job is.
//
// The start pipe decides who may go on: the shim waits for a byte before it does anything, and the byte is
// written once everything here stands. joblet-shim gives up when it reads the end of the pipe instead, so a
// daemon that dies before leaves nothing behind.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "jobletd/shim.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define ANSWER_MAX ((size_t)64 << 10)
#define START_US   (120 * 1000000ULL)
#define PID_FILE   "shim.pid"

struct shim_start {
	sd_event_source *answer, *bound;
	struct reaper *reaper;
	pid_t shim;
	int pidfd, pipe, output;
	struct buf text;
	shim_started_fn *fn;
	void *userdata;
};

static void close_set(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void start_free(struct shim_start *s)
{
	sd_event_source_disable_unref(s->answer);
	sd_event_source_disable_unref(s->bound);
	if (s->pidfd >= 0)
		reaper_take(s->reaper, take_fd(s->pidfd), 0);
	close_set(&s->pipe);
	close_set(&s->output);
	buf_free(&s->text);
	free(s);
}

static void finish(struct shim_start *s, pid_t pid, const char *said)
{
	shim_started_fn *fn = s->fn;
	void *userdata = s->userdata;
	cleanup_free char *text = xstrdup(said);
	struct shim_started started = {.pid = pid,
				       .said = text,
				       .shim = s->shim,
				       .shim_fd = pid > 0 ? take_fd(s->pidfd) : -1};

	start_free(s);
	fn(userdata, &started);
}

// What it wrote to stderr, when it did not answer.
static void finish_without_answer(struct shim_start *s, const char *why)
{
	cleanup_free char *said = NULL;
	size_t len = 0;

	if (lseek(s->output, 0, SEEK_SET) == 0 && file_read_fd(s->output, ANSWER_MAX, &said, &len) == 0)
		while (len > 0 && strchr("\n\r\t ", said[len - 1]))
			said[--len] = '\0';
	cleanup_free char *text = xasprintf("%s%s%s", why, said && said[0] ? ": " : "", said ? said : "");
	finish(s, -1, text);
}

// {"data": PID} or {"data": -1, "message": "…"}
int shim_answer_parse(const char *text, size_t len, int64_t *pid, char **message, struct err *e)
{
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root = NULL;
	const char *said = "";

	*pid = 0;
	int rc = json_parse(text, len, ANSWER_MAX, &doc, &root, e);
	if (rc == 0)
		rc = json_read_i64(root, "data", -1000000, INT32_MAX, pid, e);
	if (rc == 0)
		rc = json_read_str(root, "message", &said, e);
	*message = rc == 0 ? xstrdup(said) : NULL;
	return rc;
}

static void take_answer(struct shim_start *s)
{
	struct err e = {0};
	int64_t pid;
	cleanup_free char *message = NULL;

	int rc = shim_answer_parse(s->text.data, strcspn(s->text.data, "\n"), &pid, &message, &e);
	if (rc < 0) {
		cleanup_free char *text = xasprintf("the shim answered what is no answer: %.200s", e.msg);
		finish(s, -1, text);
	} else if (pid <= 0) {
		if (message && message[0])
			finish(s, -1, message);
		else
			finish_without_answer(s, "the shim could not start the runtime");
	} else {
		finish(s, (pid_t)pid, "");
	}
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct shim_start *s = userdata;
	char part[4096];

	(void)source;
	(void)events;
	ssize_t n = read(fd, part, sizeof(part));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && buf_add(&s->text, part, (size_t)n) < 0)
		finish(s, -1, "the shim answered too much");
	else if (n > 0 && !memchr(s->text.data, '\n', s->text.len))
		return 0;
	else if (s->text.len > 0)
		take_answer(s);
	else
		finish_without_answer(s, "the shim ended before it answered");
	return 0;
}

static int on_bound(sd_event_source *source, uint64_t now, void *userdata)
{
	struct shim_start *s = userdata;

	(void)source;
	(void)now;
	finish(s, -1, "the shim did not answer in two minutes");
	return 0;
}

#define ARGV_MAX 40

// conmon with --leave-stdin-open never ends stdin; joblet-shim does when a client says so.
static bool is_ours(const char *shim)
{
	const char *slash = strrchr(shim, '/');
	return str_starts(slash ? slash + 1 : shim, "joblet-shim");
}

static void make_argv(const struct shim_args *a, const char *argv[ARGV_MAX], char *made[2])
{
	size_t n = 0;

	made[0] = xasprintf("%s/pid", a->bundle);
	made[1] = xasprintf("k8s-file:%s", a->log);
	const char *const fixed[] = {a->shim,
				     "--api-version",
				     "1",
				     "-c",
				     a->id,
				     "-u",
				     a->id,
				     "-n",
				     a->id,
				     "-r",
				     a->runtime,
				     "-b",
				     a->bundle,
				     "-p",
				     made[0],
				     "--sync",
				     "-l",
				     made[1],
				     "--exit-dir",
				     a->exits,
				     "--full-attach",
				     "--runtime-arg",
				     "--root",
				     "--runtime-arg",
				     a->runtime_root};
	_Static_assert(ARRAY_LEN(fixed) + 5 < ARGV_MAX, "room for the command line");
	for (; n < ARRAY_LEN(fixed); n++)
		argv[n] = fixed[n];
	if (a->stdin_open)
		argv[n++] = "-i";
	if (a->stdin_open && is_ours(a->shim))
		argv[n++] = "--leave-stdin-open";
	if (a->tty)
		argv[n++] = "-t";
	argv[n] = NULL;
}

static int spawn(const struct shim_args *a, int sync, int start, struct shim_start *s, struct err *e)
{
	static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					  "_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4", NULL};
	const int fds[] = {-1, -1, s->output, sync, start};
	const char *argv[ARGV_MAX];
	char *made[2];

	make_argv(a, argv, made);
	// The folder matters to conmon only, which puts its `oom` there.
	const struct proc_spawn what = {
	    .argv = argv, .envp = env, .fds = fds, .fd_count = ARRAY_LEN(fds), .cwd = a->bundle};
	int rc = proc_spawn(&what, &s->shim, &s->pidfd, e);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		free(made[i]);
	return rc;
}

// For a daemon after us. Whoever reads half of it finds a shim that has not had its byte, or none.
static int write_pid(const char *bundle, pid_t pid, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/" PID_FILE, bundle);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	int rc = fd < 0 ? -errno : file_write_all(fd, text, (size_t)n);
	return rc < 0 ? err_sys(e, rc, "%s", path) : 0;
}

static int add_sources(sd_event *loop, struct shim_start *s, struct err *e)
{
	int rc = sd_event_add_io(loop, &s->answer, s->pipe, EPOLLIN, on_answer, s);

	if (rc >= 0)
		rc = sd_event_add_time_relative(loop, &s->bound, CLOCK_MONOTONIC, START_US, 0, on_bound, s);
	return rc < 0 ? err_sys(e, rc, "event loop") : 0;
}

int shim_start(sd_event *loop, const struct shim_args *args, shim_started_fn *fn, void *userdata,
	       struct shim_start **out, struct err *e)
{
	struct shim_start *s = xcalloc(1, sizeof(*s));
	int sync[2] = {-1, -1};
	int start[2] = {-1, -1};
	int rc = 0;

	s->reaper = args->reaper;
	s->pidfd = s->pipe = -1;
	s->fn = fn;
	s->userdata = userdata;
	s->text.max = ANSWER_MAX;
	s->output = memfd_create("joblet-shim", MFD_CLOEXEC);
	if (s->output < 0 || pipe2(sync, O_CLOEXEC) < 0 || pipe2(start, O_CLOEXEC) < 0)
		rc = err_sys(e, -errno, "pipes for the shim");
	s->pipe = take_fd(sync[0]);
	if (rc == 0)
		rc = spawn(args, sync[1], start[0], s, e);
	if (rc == 0)
		rc = write_pid(args->bundle, s->shim, e);
	if (rc == 0)
		rc = file_set_nonblock(s->pipe, true);
	if (rc == 0)
		rc = add_sources(loop, s, e);
	if (rc == 0 && write(start[1], "", 1) != 1)
		rc = err_sys(e, -errno, "the shim's start pipe");
	int fds[] = {sync[1], start[0], start[1]};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (rc < 0) {
		// It has not had its byte, so there is nothing but itself.
		if (s->pidfd >= 0 && proc_pidfd_kill(s->pidfd, SIGKILL) < 0)
			log_warn("a shim that was not let go on cannot be killed");
		start_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void shim_start_forget(struct shim_start *s)
{
	if (s)
		start_free(s);
}

int shim_find(const char *bundle, pid_t *pid, uint64_t *ticks)
{
	cleanup_free char *path = xasprintf("%s/" PID_FILE, bundle);
	cleanup_free char *text = NULL;
	size_t len = 0;
	int64_t n;

	int rc = file_read(AT_FDCWD, path, 32, &text, &len, NULL);
	if (rc < 0)
		return rc;
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (str_to_i64(text, 1, INT32_MAX, &n) < 0)
		return -ESRCH;
	*pid = (pid_t)n;
	return proc_start_time(*pid, ticks);
}

// Whether pid's command line has -c ID: what every shim of ours has and, since only root's processes are
// asked, what no job can have.
static bool is_shim_of(int proc, const char *pid, const char *id)
{
	struct stat st;
	cleanup_free char *path = xasprintf("%s/cmdline", pid);
	cleanup_free char *text = NULL;
	size_t len = 0;
	cleanup_close int fd = -1;

	if (fstatat(proc, pid, &st, 0) < 0 || st.st_uid != 0)
		return false;
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || file_read_fd(fd, ANSWER_MAX, &text, &len) < 0)
		return false;
	for (const char *p = text; p < text + len; p += strlen(p) + 1)
		if (str_eq(p, "-c") && p + 3 < text + len && str_eq(p + 3, id))
			return true;
	return false;
}

bool shim_is(pid_t pid, const char *id)
{
	char name[16];
	cleanup_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(name, sizeof(name), "%d", (int)pid);
	return proc >= 0 && is_shim_of(proc, name, id);
}

static int kill_one(const char *pid_text)
{
	int64_t pid;

	if (str_to_i64(pid_text, 2, INT32_MAX, &pid) < 0 || pid == getpid())
		return 0;
	cleanup_close int fd = proc_pidfd_open((pid_t)pid);
	if (fd < 0)
		return 0;
	if (proc_pidfd_kill(fd, SIGKILL) < 0)
		return 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 5000) == 1 ? 1 : -ETIMEDOUT;
}

int shim_kill_stray(const char *id)
{
	cleanup_closedir DIR *d = opendir("/proc");
	int killed = 0;

	if (!d)
		return -errno;
	for (struct dirent *entry; (entry = readdir(d));) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    !is_shim_of(dirfd(d), entry->d_name, id))
			continue;
		int rc = kill_one(entry->d_name);
		if (rc < 0)
			return rc;
		killed += rc;
	}
	return killed;
}

int shim_exit_parse(char *text, size_t len, int *code)
{
	int64_t v;

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (str_to_i64(text, -1, 255, &v) < 0)
		return -EINVAL;
	*code = (int)v;
	return 0;
}

int shim_exit_read(const char *exits, const char *id, int *code, int64_t *ns)
{
	cleanup_free char *path = xasprintf("%s/%s", exits, id);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup_free char *text = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	int rc = file_read_fd(fd, 32, &text, &len);
	if (rc < 0)
		return rc;
	rc = shim_exit_parse(text, len, code);
	if (rc < 0)
		return rc;
	*ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	return 0;
}

struct shim_exits {
	sd_event_source *source;
	shim_exit_fn *fn;
	void *userdata;
};

static int on_renamed(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct shim_exits *x = userdata;

	(void)source;
	if (event->mask & IN_Q_OVERFLOW)
		x->fn(x->userdata, NULL);
	else if (event->mask & IN_IGNORED)
		log_error(
		    "the folder of the exit files is gone: jobs that end are noticed by their shims only");
	else if (event->len > 0)
		x->fn(x->userdata, event->name);
	return 0;
}

int shim_exits_open(sd_event *loop, const char *exits, shim_exit_fn *fn, void *userdata,
		    struct shim_exits **out, struct err *e)
{
	struct shim_exits *x = xcalloc(1, sizeof(*x));

	x->fn = fn;
	x->userdata = userdata;
	int rc = sd_event_add_inotify(loop, &x->source, exits, IN_MOVED_TO | IN_ONLYDIR, on_renamed, x);
	if (rc < 0) {
		free(x);
		return err_sys(e, rc, "watch %s", exits);
	}
	*out = x;
	return 0;
}

void shim_exits_close(struct shim_exits *x)
{
	if (!x)
		return;
	sd_event_source_disable_unref(x->source);
	free(x);
}
