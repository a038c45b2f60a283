// SPDX-License-Identifier: Apache-2.0
// The start of a container: from the command line to an adopted process. Everything that can fail for want of
// a file, a directory or a descriptor does so here, before there is a container.
#include "joblet-shim/start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "joblet-shim/attach.h"
#include "joblet-shim/caller.h"
#include "joblet-shim/cgroup.h"
#include "joblet-shim/console.h"
#include "joblet-shim/control.h"
#include "joblet-shim/input.h"
#include "joblet-shim/logs.h"
#include "joblet-shim/notify.h"
#include "joblet-shim/output.h"
#include "joblet-shim/process.h"
#include "joblet-shim/record.h"
#include "joblet-shim/seccomp.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

static int make_absolute(const char **path, char out[PATH_MAX], struct err *e)
{
	char cwd[PATH_MAX];
	if (!*path || **path == '/')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return err_sys(e, -errno, "working directory");
	int n = snprintf(out, PATH_MAX, "%s/%s", cwd, *path);
	if (n >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "%.200s: path too long", *path);
	*path = out;
	return 0;
}

// A log may lie in one of these directories only, however its path is written.
static int check_allowed(const struct options *o, const char *log, struct err *e)
{
	char copy[PATH_MAX], parent[PATH_MAX], allowed[PATH_MAX];
	int n = snprintf(copy, sizeof(copy), "%s", log);
	if (n >= PATH_MAX || !realpath(dirname(copy), parent))
		return err_sys(e, n >= PATH_MAX ? -ENAMETOOLONG : -errno, "log file %.300s", log);
	for (unsigned i = 0; i < o->log_allowlist.count; i++) {
		if (!realpath(o->log_allowlist.v[i], allowed))
			continue;
		size_t len = strcmp(allowed, "/") ? strlen(allowed) : 0;
		if (!strncmp(parent, allowed, len) && (parent[len] == '/' || !parent[len]))
			return 0;
	}
	return err_set(e, -EACCES, "log file %.300s lies in no directory of --log-allowlist-dir", log);
}

int start_settle(struct options *o, struct err *e)
{
	static char bundle[PATH_MAX], pidfile[PATH_MAX];
	char cwd[PATH_MAX];
	int rc = 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return err_sys(e, -errno, "working directory");
	if (!o->bundle && !o->exec) // an execution without one has no sockets: the first protocol
		o->bundle = ".";
	if (o->bundle)
		rc = make_absolute(&o->bundle, bundle, e);
	if (!rc && o->bundle && strlen(o->bundle) > PATH_MAX - 300)
		rc = err_set(e, -ENAMETOOLONG, "--bundle: path too long");
	if (!rc && !o->container_pidfile) {
		int n = snprintf(pidfile, sizeof(pidfile), "%s/pidfile-%s", cwd, o->cid);
		if (n >= PATH_MAX)
			return err_set(e, -ENAMETOOLONG, "working directory: path too long");
		o->container_pidfile = pidfile;
	}
	for (unsigned i = 0; !rc && o->log_allowlist.count && i < o->logs.count; i++) {
		enum log_driver driver;
		const char *path;
		rc = options_log(o->logs.v[i], &driver, &path, e);
		if (!rc && driver == LOG_DRIVER_FILE)
			rc = check_allowed(o, path, e);
	}
	return rc;
}

// A datagram a line; where there is no syslog the lines go on to stderr.
static void open_syslog(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (void *)&addr, sizeof(addr)) == 0)
		log_set_fd(fd);
	else if (fd >= 0)
		close(fd);
}

// One pipe of stdio. theirs becomes fds[i]; ours is returned.
static int make_pipe(bool is_stdin, int *theirs, struct err *e)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "pipe");
	*theirs = p[is_stdin ? 0 : 1];
	return p[is_stdin ? 1 : 0];
}

static int add_output(int *theirs, enum cri_stream stream, struct err *e)
{
	int fd = make_pipe(false, theirs, e);
	int rc = fd < 0 ? fd : output_add_take(fd, stream);
	return fd >= 0 && rc ? err_sys(e, rc, "pipe for the output") : rc;
}

// The runtime's stdio is the container's. With a terminal only its stderr is a pipe, for what the runtime has
// to say.
static int make_stdio(const struct options *o, int fds[3], struct err *e)
{
	int rc = 0;
	fds[0] = fds[1] = fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fds[0] < 0)
		return err_sys(e, -errno, "/dev/null");
	if (o->is_stdin && !o->terminal) {
		int fd = make_pipe(true, &fds[0], e);
		rc = fd < 0 ? fd : input_open_take(fd, false);
	}
	if (!rc && !o->terminal)
		rc = add_output(&fds[1], CRI_STDOUT, e);
	return rc ? rc : add_output(&fds[2], CRI_STDERR, e);
}

static void close_stdio(const int fds[3])
{
	for (int i = 0; i < 3; i++)
		if (fds[i] > 2)
			close(fds[i]); // the same number three times does no harm
}

// What was handed down and is not ours: descriptors for the container (--preserve-fds), and sockets that hold
// a port for it while it lives. Everything of ours is close-on-exec and has a low number.
#define INHERITED_MAX 1024
static uint8_t inherited_map[INHERITED_MAX / 8];

// Asked of /proc, so that it takes as many calls as there are descriptors, not as there could be.
static void note_inherited(void)
{
	char entries[4096] __attribute__((aligned(8)));
	ssize_t n;
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (dir >= 0 && (n = getdents64(dir, entries, sizeof(entries))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(entries + at);
			int64_t fd;
			at += d->d_reclen;
			if (str_to_i64(d->d_name, 3, INHERITED_MAX - 1, &fd))
				continue;
			int flags = fcntl((int)fd, F_GETFD);
			if (flags >= 0 && !(flags & FD_CLOEXEC))
				inherited_map[fd / 8] |= (uint8_t)(1 << fd % 8);
		}
	}
	if (dir >= 0)
		close(dir);
}

void start_close_inherited(void)
{
	for (int fd = 3; fd < INHERITED_MAX; fd++)
		if (inherited_map[fd / 8] & 1 << fd % 8)
			close(fd);
	memset(inherited_map, 0, sizeof(inherited_map));
	close_range(INHERITED_MAX, ~0U, 0);
}

static int open_files(const struct options *o, const char **console, struct err *e)
{
	record_clear(o);
	int rc = logs_open(o, e);
	if (!rc)
		rc = attach_open(o, e);
	if (!rc)
		rc = control_open(o, e);
	if (!rc)
		rc = notify_open(o, e);
	if (!rc)
		rc = seccomp_open(o, e);
	if (!rc && o->terminal)
		rc = console_open(o, console, e);
	return rc;
}

// The sockets and FIFOs again, where somebody has removed them.
void start_anew(const struct options *o)
{
	struct err e = {0};
	if (attach_open(o, &e) || control_open(o, &e) || notify_open(o, &e))
		log_error("%s", e.msg);
}

int start_all(const struct options *o, struct err *e)
{
	static const int inherited[3] = {0, 1, 2};
	int fds[3];
	const char *console = NULL;
	bool is_passthrough = !strcmp(o->logs.v[0], "passthrough");
	int rc = open_files(o, &console, e);
	if (!rc && !is_passthrough)
		rc = make_stdio(o, fds, e);
	if (rc)
		return rc;
	if (o->exec_attach) {
		// The caller attaches now and says so on the start pipe: no output may come before.
		caller_tell_attach();
		rc = caller_wait_start(e);
		attach_accept();
	}
	if (!rc)
		rc = process_start_runtime(o, is_passthrough ? inherited : fds, console, e);
	if (!is_passthrough)
		close_stdio(fds);
	note_inherited();
	output_stderr_is(o->exec && !o->terminal ? OUTPUT_OF_BOTH : OUTPUT_OF_RUNTIME);
	if (o->syslog)
		open_syslog();
	caller_let_go(o);
	return rc;
}

static int runtime_failed(int status, struct err *e)
{
	const char *said = output_collected();
	size_t len = strlen(said);
	if (len) // the end says what went wrong
		return err_set(e, -EIO, "%s", len < sizeof(e->msg) ? said : said + len - sizeof(e->msg) + 1);
	if (WIFSIGNALED(status))
		return err_set(e, -EIO, "the runtime was killed by signal %d", WTERMSIG(status));
	return err_set(e, -EIO, "the runtime ended with exit status %d and said nothing",
		       WEXITSTATUS(status));
}

static int take_terminal(struct err *e)
{
	int fd = console_receive(e);
	if (fd < 0)
		return fd;
	int writer = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int rc = writer < 0 ? -errno : input_open_take(writer, true);
	if (!rc)
		rc = output_add_take(fd, CRI_STDOUT);
	control_set_terminal(fd);
	return rc ? err_sys(e, rc, "terminal") : 0;
}

int start_adopt(const struct options *o, struct err *e)
{
	int status = process_runtime_status();
	output_poll();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return runtime_failed(status, e);
	output_stderr_is(OUTPUT_OF_JOB);
	if (*output_collected() && (!o->exec || o->terminal))
		log_warn("the runtime said: %s", output_collected());
	int rc = o->terminal ? take_terminal(e) : 0;
	console_close();
	if (!rc)
		rc = process_adopt(o->container_pidfile, e);
	return rc;
}
