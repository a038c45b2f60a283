// SPDX-License-Identifier: Apache-2.0
// Children and signals. A pid is used only while it is our unreaped child, so it cannot have been given to
// another process; signals to the container go by pidfd all the same.
#include "joblet-shim/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "joblet-shim/life.h"
#include "joblet-shim/loop.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

static void signals_ready(struct source *s, uint32_t events);

static struct source signals = {.fd = -1, .ready = signals_ready};
static pid_t runtime_pid, container_pid;
static int container_pidfd = -1;
static int runtime_status, container_status;
static bool is_container_gone;
static struct rusage container_used;
static char oom_inherited[16]; // what /proc/self/oom_score_adj said at the start, "" when it was not changed

static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGUSR1};
static const int ignored[] = {SIGHUP, SIGPIPE, SIGXFSZ};

int process_init(struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(handled); i++)
		sigaddset(&set, handled[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, -errno, "sigprocmask");
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL); // ignored by the caller it would lose us every exit code
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "PR_SET_CHILD_SUBREAPER");
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.fd < 0)
		return err_sys(e, -errno, "signalfd");
	int rc = loop_add(&signals, EPOLLIN);
	return rc ? err_sys(e, rc, "signalfd") : 0;
}

static void write_oom(const char *value)
{
	cleanup_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		log_debug("oom_score_adj %s: %s", value, strerror(errno));
}

void process_guard_memory(void)
{
	cleanup_close int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, oom_inherited, sizeof(oom_inherited) - 1);
	oom_inherited[n > 0 ? n : 0] = 0;
	write_oom("-999");
}

// Between fork and execve: back to what a program expects to be started with.
static void child_reset(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		proc_default_signal(ignored[i]);
	proc_default_signal(32);
	proc_default_signal(33);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (oom_inherited[0])
		write_oom(oom_inherited);
}

static void attr_noreturn child_runtime(const struct options *o, char *const *argv, const int fds[3],
					pid_t shim)
{
	static char listen_pid[32];
	// Descriptors of ours are close-on-exec and above 2 (main opens 0 to 2 first), so no dup2 overwrites
	// one that is still needed.
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != shim)
		_exit(126);
	if (o->replace_listen_pid && getenv("LISTEN_PID")) {
		snprintf(listen_pid, sizeof(listen_pid), "LISTEN_PID=%d", getpid());
		putenv(listen_pid);
	}
	unsetenv("_OCI_SYNCPIPE");
	unsetenv("_OCI_STARTPIPE");
	unsetenv("_OCI_ATTACHPIPE");
	child_reset();
	execv(argv[0], argv);
	dprintf(2, "cannot execute the runtime %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void add_list(const char **argv, size_t *n, const struct option_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		argv[(*n)++] = l->v[i];
}

#define RUNTIME_ARGV_MAX (2 * OPTIONS_LIST_MAX + 32)

// RUNTIME [--systemd-cgroup] [runtime-arg…] create|restore --bundle B --pid-file P … [runtime-opt…]
// [--console-socket S] ID, or exec --process FILE --pid-file P --detach …
static void runtime_argv(const struct options *o, const char *console, const char *argv[RUNTIME_ARGV_MAX])
{
	size_t n = 0;
	argv[n++] = o->runtime;
	if (o->systemd_cgroup && !o->exec)
		argv[n++] = "--systemd-cgroup";
	add_list(argv, &n, &o->runtime_args);
	argv[n++] = o->exec ? "exec" : o->restore_path ? "restore" : "create";
	argv[n++] = o->exec ? "--process" : "--bundle";
	argv[n++] = o->exec ? o->exec_spec : o->bundle;
	argv[n++] = "--pid-file";
	argv[n++] = o->container_pidfile;
	if (o->exec)
		argv[n++] = "--detach";
	if (o->exec && o->terminal)
		argv[n++] = "--tty";
	if (!o->exec && o->no_pivot)
		argv[n++] = "--no-pivot";
	if (!o->exec && o->no_new_keyring)
		argv[n++] = "--no-new-keyring";
	if (o->restore_path) { // its processes run at once: it has to come back all the same
		argv[n++] = "--detach";
		argv[n++] = "--image-path";
		argv[n++] = o->restore_path;
		argv[n++] = "--work-path";
		argv[n++] = o->bundle;
	}
	add_list(argv, &n, &o->runtime_opts);
	if (console) {
		argv[n++] = "--console-socket";
		argv[n++] = console;
	}
	argv[n++] = o->cid;
	argv[n] = NULL;
}

int process_start_runtime(const struct options *o, const int fds[3], const char *console, struct err *e)
{
	const char *argv[RUNTIME_ARGV_MAX];
	runtime_argv(o, console, argv);
	// A pid file of an earlier run must not be taken for the new one.
	if (unlink(o->container_pidfile) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "%.300s", o->container_pidfile);
	pid_t shim = getpid();
	runtime_pid = fork();
	if (runtime_pid < 0)
		return err_sys(e, -errno, "fork");
	if (runtime_pid == 0)
		child_runtime(o, (char *const *)argv, fds, shim);
	return 0;
}

int process_runtime_status(void)
{
	return runtime_status;
}

static int read_pid(const char *path, pid_t *pid, struct err *e)
{
	char text[32];
	int64_t n;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, -errno, "the runtime left no pid file %.300s", path);
	ssize_t len = read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return err_set(e, -EINVAL, "the runtime's pid file %.300s is empty", path);
	if (text[len - 1] == '\n')
		len--;
	text[len] = 0;
	int rc = str_to_i64(text, 2, INT32_MAX, &n);
	if (rc)
		return err_set(e, rc, "the runtime's pid file %.300s holds no pid", path);
	*pid = (pid_t)n;
	return 0;
}

int process_adopt(const char *pidfile, struct err *e)
{
	pid_t pid = -1;
	siginfo_t info;
	int rc = read_pid(pidfile, &pid, e);
	if (rc)
		return rc;
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return err_set(e, -ECHILD, "process %d of the runtime's pid file is not a child of the shim",
			       pid);
	container_pidfd = proc_pidfd_open(pid);
	if (container_pidfd < 0)
		return err_sys(e, container_pidfd, "pidfd of process %d", pid);
	container_pid = pid;
	return 0;
}

pid_t process_container(void)
{
	return container_pid;
}

int process_exit_code(void)
{
	return WIFSIGNALED(container_status) ? 128 + WTERMSIG(container_status)
					     : WEXITSTATUS(container_status);
}

int process_exit_signal(void)
{
	return WIFSIGNALED(container_status) ? WTERMSIG(container_status) : 0;
}

void process_usage(struct usage *u)
{
	const struct timeval *t[] = {&container_used.ru_utime, &container_used.ru_stime};
	u->peak_memory = container_used.ru_maxrss * 1024;
	u->cpu_ns = 0;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		u->cpu_ns += t[i]->tv_sec * 1000000000LL + t[i]->tv_usec * 1000LL;
}

// An executed process has no pid namespace that would end with it; its process group is what there is.
void process_kill_group(void)
{
	pid_t group = is_container_gone || container_pid <= 0 ? -1 : getpgid(container_pid);
	if (group > 1 && group != getpgrp())
		kill(-group, SIGKILL);
	process_kill(SIGKILL);
}

void process_kill(int sig)
{
	if (container_pidfd >= 0)
		(void)!proc_pidfd_kill(container_pidfd, sig);
	else if (runtime_pid > 0)
		kill(runtime_pid, sig); // not reaped yet, so the number is still its own
}

// Until there is a container only the runtime is reaped: the container may end before its pid is known, and
// must wait for us.
static pid_t wait_next(int *status, struct rusage *used)
{
	return wait4(runtime_pid > 0 ? runtime_pid : -1, status, WNOHANG, used);
}

void process_reap(void)
{
	int status;
	pid_t pid;
	struct rusage used;
	while ((runtime_pid > 0 || container_pid > 0) && (pid = wait_next(&status, &used)) > 0) {
		if (pid == runtime_pid) {
			runtime_status = status;
			runtime_pid = 0;
			life_event(LIFE_RUNTIME_ENDED);
			return;
		}
		if (pid == container_pid && !is_container_gone) {
			container_status = status;
			container_used = used;
			is_container_gone = true;
			life_event(LIFE_CONTAINER_ENDED);
		}
	}
}

static void signals_ready(struct source *s, uint32_t events)
{
	(void)events;
	struct signalfd_siginfo info;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			process_reap();
		else if (info.ssi_signo == SIGUSR1)
			life_event(LIFE_ANEW);
		else
			process_kill((int)info.ssi_signo);
	}
}

void process_run_exit_command(const char *command, const struct option_list *args, int64_t delay_s)
{
	const char *argv[OPTIONS_LIST_MAX + 2];
	size_t n = 0;
	argv[n++] = command;
	add_list(argv, &n, args);
	argv[n] = NULL;
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	pid_t pid = fork();
	if (pid < 0) {
		log_error("exit command: fork: %s", strerror(errno));
		return;
	}
	if (pid == 0) {
		child_reset();
		struct timespec delay = {.tv_sec = delay_s};
		while (delay_s && nanosleep(&delay, &delay) < 0 && errno == EINTR)
			;
		execv(command, (char *const *)argv);
		log_error("exit command %s: %s", command, strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
