// SPDX-License-Identifier: Apache-2.0
// jobletd: the daemon. This is the core, which runs as root, holds the jobs and never sees a packet of the
// network; with --gateway as the first argument it is the other half (gateway/).
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "jobletd/audit.h"
#include "jobletd/audit_command.h"
#include "jobletd/call.h"
#include "jobletd/config.h"
#include "jobletd/gateway/gateway.h"
#include "jobletd/gateway_start.h"
#include "jobletd/job.h"
#include "lib/base/base.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

#define DRAIN_USEC   500000  // then calls that go on are ended
#define GIVE_UP_USEC 2000000 // then the gateway is

struct daemon {
	struct config *cfg;
	sd_event *loop;
	struct audit *audit;
	struct jobs *jobs;
	struct call_server *calls;
	struct gateway *gateway;
	int log_fd;
	bool announced, ending;
	struct err failure;
};

static const char usage[] =
    "usage: jobletd [--config FILE] [--check-config | --print-config] [--version]\n"
    "       jobletd audit verify --help\n"
    "Runs jobs for clients with certificates. See jobletd(8).\n\n"
    "  --config FILE    instead of $JOBLET_CONFIG_PATH or <home>/config/joblet-config.yml\n"
    "  --check-config   read the configuration, say what is wrong with it, and exit\n"
    "  --print-config   print every key with the value in force, secrets hidden, and exit\n"
    "  --version        print the version and exit\n"
    "  -h, --help       this text\n";

struct options {
	const char *config;
	bool check_only, print_only;
};

// 0 go on; 1 done, exit 0; 2 wrong use.
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
					      {"check-config", no_argument, NULL, 'k'},
					      {"print-config", no_argument, NULL, 'p'},
					      {"version", no_argument, NULL, 'v'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	int c;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->config = optarg; break;
		case 'k': o->check_only = true; break;
		case 'p': o->print_only = true; break;
		case 'v': printf("jobletd %s (%s)\n", JOBLET_VERSION, JOBLET_COMMIT); return 1;
		case 'h': fputs(usage, stdout); return 1;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "jobletd: unexpected argument %s\n%s", argv[optind], usage);
		return 2;
	}
	return 0;
}

// Mounts by descriptor with attributes and id-mapped work need Linux 5.12 (design decision 9).
static int check_kernel(struct err *e)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0)
		return err_sys(e, -errno, "uname");
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return err_set(e, -ENOSYS, "cannot read the kernel's version from \"%s\"", u.release);
	if (major < 5 || (major == 5 && minor < 12))
		return err_set(e, -ENOSYS, "this kernel is %s; joblet needs Linux 5.12 or newer", u.release);
	return 0;
}

// Everything below the home that path.def names; config.h has the same rows in the same order.
static int make_folders(const struct config *cfg, struct err *e)
{
	static const mode_t modes[] = {
#define PATH(name, relative, mode, what) mode,
#include "specs/path.def"
#undef PATH
	};
	char *const *paths = (char *const *)&cfg->path;
	_Static_assert(sizeof(cfg->path) == ARRAY_LEN(modes) * sizeof(char *),
		       "config.h has the rows of path.def");

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		int rc = file_mkdirs(paths[i], modes[i], e);
		if (rc)
			return rc;
	}
	return 0;
}

static int open_log(struct daemon *d, struct err *e)
{
	const struct config *c = d->cfg;
	d->log_fd = 2;
	if (strcmp(c->logging.output, "stderr") != 0) {
		d->log_fd =
		    open(c->logging.output, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (d->log_fd < 0)
			return err_sys(e, -errno, "logging.output %s", c->logging.output);
	}
	log_init("jobletd", d->log_fd, c->logging.level, c->logging.format);
	return 0;
}

// What a daemon needs of the kernel for itself: many descriptors, and to be the last that is killed for
// memory.
static void set_limits(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			log_warn("cannot raise the limit of open files: %s", strerror(errno));
	}
	cleanup_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_write_all(fd, "-900", 4);
	if (rc)
		log_info("oom_score_adj stays as it is: %s", strerror(-rc));
}

static int write_run_file(const struct daemon *d, const char *name, unsigned value, struct err *e)
{
	char text[16];
	cleanup_close int dir = open(d->cfg->path.run, O_DIRECTORY | O_PATH | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "%s", d->cfg->path.run);
	int n = snprintf(text, sizeof(text), "%u\n", value);
	return file_replace(dir, name, text, (size_t)n, 0644, FILE_NOSYNC, e);
}

static void remove_run_files(const struct daemon *d)
{
	cleanup_free char *pid = xasprintf("%s/jobletd.pid", d->cfg->path.run);
	cleanup_free char *port = xasprintf("%s/port", d->cfg->path.run);
	unlink(pid);
	unlink(port);
}

static void stop_loop(struct daemon *d, int code)
{
	if (sd_event_exit(d->loop, code) < 0)
		abort();
}

static void on_ready(void *userdata)
{
	struct daemon *d = userdata;
	struct err e = {0};
	unsigned port = gateway_port(d->gateway);

	if (d->announced) {
		log_info("gateway started again");
		return;
	}
	d->announced = true;
	int rc = write_run_file(d, "port", port, &e);
	if (!rc)
		rc = write_run_file(d, "jobletd.pid", (unsigned)getpid(), &e);
	if (rc) {
		d->failure = e;
		stop_loop(d, 1);
		return;
	}
	char address[GATEWAY_ADDRESS_MAX];
	gateway_address(d->gateway, address);
	log_info("jobletd %s listens on %s port %u", JOBLET_VERSION, address, port);
	sd_notifyf(0, "READY=1\nSTATUS=listening on %s port %u", address, port);
}

static void on_failed(void *userdata, const char *text)
{
	struct daemon *d = userdata;
	if (!d->failure.msg[0])
		err_set(&d->failure, -EIO, "%s", text);
	stop_loop(d, 1);
}

static void on_drained(void *userdata)
{
	stop_loop(userdata, 0);
}

static int on_call(void *userdata, const struct gw_call *p, int fd, struct err *e)
{
	struct daemon *d = userdata;
	return call_accept_take(d->calls, p, fd, e);
}

static void on_auth_failed(void *userdata, const struct gw_auth_failed *a)
{
	struct daemon *d = userdata;
	const struct audit_actor actor = {.cn = a->cn, .role = "", .peer = a->peer};
	audit_auth_failed(d->audit, &actor, a->reason, a->left_out);
}

static void on_job_changed(void *userdata, const struct job_info *info)
{
	struct daemon *d = userdata;
	audit_job(d->audit, info);
}

static const struct gateway_events gateway_events = {
    .ready = on_ready,
    .failed = on_failed,
    .drained = on_drained,
    .auth_failed = on_auth_failed,
    .call = on_call,
};

static int on_drain_over(sd_event_source *s attr_unused, uint64_t usec attr_unused, void *userdata)
{
	struct daemon *d = userdata;
	call_server_end_all(d->calls, "jobletd is ending; jobs go on");
	return 0;
}

static int on_give_up(sd_event_source *s attr_unused, uint64_t usec attr_unused, void *userdata)
{
	stop_loop(userdata, 0);
	return 0;
}

// Ends without a job noticing: replies that are due still leave, streams are cut, and clients come back with
// their offset.
static int on_end_signal(sd_event_source *s attr_unused, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *d = userdata;
	if (d->ending)
		return 0;
	d->ending = true;
	log_info("signal %u: ending", info->ssi_signo);
	sd_notify(0, "STOPPING=1");
	call_server_set_ending(d->calls);
	if (sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, DRAIN_USEC, 1000, on_drain_over, d) <
		0 ||
	    sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, GIVE_UP_USEC, 1000, on_give_up, d) < 0)
		stop_loop(d, 0);
	gateway_drain(d->gateway);
	return 0;
}

static int on_hangup(sd_event_source *s attr_unused, const struct signalfd_siginfo *info attr_unused,
		     void *userdata attr_unused)
{
	log_info("signal HUP: the configuration is read at start only; restart jobletd, jobs go on");
	return 0;
}

static int make_loop(struct daemon *d, struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);

	int rc = sd_event_new(&d->loop);
	if (rc >= 0)
		rc = sd_event_add_signal(d->loop, NULL, SIGTERM, on_end_signal, d);
	if (rc >= 0)
		rc = sd_event_add_signal(d->loop, NULL, SIGINT, on_end_signal, d);
	if (rc >= 0)
		rc = sd_event_add_signal(d->loop, NULL, SIGHUP, on_hangup, d);
	return rc < 0 ? err_sys(e, rc, "event loop") : 0;
}

// The port first: when another daemon has it, nothing has been touched.
static int start(struct daemon *d, struct err *e)
{
	int rc = make_loop(d, e);
	if (!rc)
		rc = make_folders(d->cfg, e);
	if (!rc)
		rc = gateway_open(d->cfg, d->loop, &gateway_events, d, &d->gateway, e);
	if (!rc)
		rc = audit_open(d->cfg, d->loop, &d->audit, e);
	if (!rc) // takes the home: another daemon on it is refused here
		rc = jobs_open(d->cfg, d->loop, on_job_changed, d, &d->jobs, e);
	if (rc)
		return rc;
	audit_set_jobs(d->audit, d->jobs);
	remove_run_files(d);
	rc = call_server_open(d->cfg, d->loop, d->jobs, d->audit, &d->calls, e);
	if (!rc)
		rc = gateway_start(d->gateway, d->log_fd, e);
	return rc;
}

static void stop(struct daemon *d)
{
	gateway_free(d->gateway);
	if (d->jobs)
		remove_run_files(d);
	call_server_free(d->calls);
	jobs_close(d->jobs);
	audit_close(d->audit);
	sd_event_unref(d->loop);
	config_free(d->cfg);
}

static int run(struct daemon *d, struct err *e)
{
	if (geteuid() != 0)
		return err_set(e, -EPERM, "jobletd must run as root");
	int rc = check_kernel(e);
	if (!rc)
		rc = open_log(d, e);
	if (rc)
		return rc;
	set_limits();
	rc = start(d, e);
	if (rc)
		return rc;
	rc = sd_event_loop(d->loop);
	if (rc > 0)
		*e = d->failure;
	else if (rc < 0)
		err_sys(e, rc, "event loop");
	return rc;
}

static int say_config(struct config *c, bool whole)
{
	cleanup_buf struct buf out = {0};

	if (whole)
		config_print(c, &out);
	else
		buf_printf(&out, "%s: ok\n", c->file);
	config_free(c);
	return file_write_all(STDOUT_FILENO, out.data, out.len) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct daemon d = {.log_fd = 2};
	struct options o = {0};
	struct err e = {0};

	if (argc > 1 && strcmp(argv[1], "--gateway") == 0)
		return gateway_main();
	if (argc > 1 && strcmp(argv[1], "audit") == 0)
		return audit_command(argc - 1, argv + 1);
	log_init("jobletd", 2, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	umask(077);
	int rc = parse(argc, argv, &o);
	if (rc)
		return rc == 2 ? 2 : 0;
	rc = config_load(o.config, &d.cfg, &e);
	if (!rc && !o.print_only)
		rc = config_check_base(d.cfg, &e);
	if (!rc && (o.check_only || o.print_only))
		return say_config(take_ptr(d.cfg), o.print_only);
	if (!rc && chdir("/") < 0)
		rc = err_sys(&e, -errno, "/");
	if (!rc)
		rc = run(&d, &e);
	if (rc)
		log_error("%s", e.msg);
	stop(&d);
	return rc ? 1 : 0;
}
