// SPDX-License-Identifier: Apache-2.0
// joblet-runtime: an OCI runtime. It reads a bundle, makes a container of it, and is gone; what it must
// remember is in <root>/<id>. Options before the command are read here, then the table is walked, and an
// error is reported, once.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "joblet-runtime/command.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define LOG_FD_MIN 100 // above what --preserve-fds speaks of

static const struct command *const commands[] = {
    &cmd_checkpoint, &cmd_create, &cmd_delete, &cmd_events, &cmd_exec,	  &cmd_features,
    &cmd_kill,	     &cmd_list,	  &cmd_pause,  &cmd_ps,	    &cmd_restore, &cmd_resume,
    &cmd_run,	     &cmd_spec,	  &cmd_start,  &cmd_state,  &cmd_update,
};

struct global_options {
	const char *root, *log, *log_format, *debug, *systemd_cgroup, *cgroup_manager, *rootless, *version,
	    *help;
};

static void print_version(void)
{
	printf("joblet-runtime version %s\ncommit: %s\nspec: 1.2.0\n", JOBLET_VERSION, JOBLET_COMMIT);
}

static void print_help(void)
{
	printf("Usage: joblet-runtime [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-10s %-36s %s\n", commands[i]->name, commands[i]->usage, commands[i]->help);
	printf("\nOptions:\n"
	       "  --root DIR               where containers are remembered (/run/joblet-runtime, or below\n"
	       "                           XDG_RUNTIME_DIR)\n"
	       "  --log FILE               errors are appended there too\n"
	       "  --log-format text|json   how\n"
	       "  --debug                  say more\n"
	       "  --cgroup-manager cgroupfs|systemd|disabled\n"
	       "  --systemd-cgroup         the same as --cgroup-manager systemd\n"
	       "  --rootless auto|true|false\n"
	       "  --version, --help\n");
}

// A program that is started without the three would use their numbers for files of its own.
static int open_stdio(struct err *e)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return err_set(e, -EBADF,
				       "descriptor %d is closed, and /dev/null cannot be opened there", fd);
	return 0;
}

// No process of a container may look into this one while it can.
static int hide(struct err *e)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : err_sys(e, -errno, "cannot hide this process");
}

static int open_log(const struct global_options *o, struct err *e)
{
	if (!o->log)
		return -1;
	cleanup_close int fd = open(o->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LOG_FD_MIN);
	return high < 0 ? err_sys(e, -errno, "cannot open the log %s", o->log) : high;
}

// Whoever has not the rights of the host's root may do without a cgroup, as runc has it.
static int read_rootless(const struct global_options *o, struct globals *g, struct err *e)
{
	static const char *const yes[] = {"true", "1", "t", "T", "TRUE", "True"};
	static const char *const no[] = {"false", "0", "f", "F", "FALSE", "False"};
	g->rootless = g->rights != RIGHTS_ROOT;
	if (!o->rootless || str_eq(o->rootless, "auto"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!str_eq(o->rootless, yes[i]) && !str_eq(o->rootless, no[i]))
			continue;
		g->rootless = str_eq(o->rootless, yes[i]);
		return 0;
	}
	return err_set(e, -EINVAL, "--rootless must be auto, true or false");
}

static int read_manager(const struct global_options *o, struct globals *g, struct err *e)
{
	const char *name = o->cgroup_manager ? o->cgroup_manager : o->systemd_cgroup ? "systemd" : "cgroupfs";
	g->manager = str_eq(name, "disabled")  ? MANAGER_DISABLED
		     : str_eq(name, "systemd") ? MANAGER_SYSTEMD
					       : MANAGER_CGROUPFS;
	if (g->manager == MANAGER_CGROUPFS && !str_eq(name, "cgroupfs"))
		return err_set(e, -EINVAL, "--cgroup-manager must be cgroupfs, systemd or disabled");
	if (o->systemd_cgroup && g->manager != MANAGER_SYSTEMD)
		return err_set(e, -EINVAL, "--systemd-cgroup contradicts --cgroup-manager %s", name);
	return 0;
}

static int check_globals(const struct global_options *o, struct globals *g, struct err *e)
{
	int rc = read_manager(o, g, e);
	if (rc)
		return rc;
	if (o->log_format && !str_eq(o->log_format, "text") && !str_eq(o->log_format, "json"))
		return err_set(e, -EINVAL, "--log-format must be text or json");
	rc = rights_read(&g->rights, e);
	if (rc || (rc = read_rootless(o, g, e)))
		return rc;
	if (o->root && !*o->root)
		return err_set(e, -EINVAL, "--root must not be empty");
	g->root = o->root;
	return 0;
}

static int run_command(const struct globals *g, char **args, int n, struct err *e)
{
	if (n == 0) {
		print_help();
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_eq(args[0], commands[i]->name))
			return commands[i]->run(g, args + 1, n - 1, e);
	const char *names[ARRAY_LEN(commands) + 1] = {NULL};
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i]->name;
	const char *nearest = str_nearest(args[0], names);
	return nearest ? err_set(e, -EINVAL, "unknown command \"%.64s\": did you mean %s?", args[0], nearest)
		       : err_set(e, -EINVAL, "unknown command \"%.64s\"", args[0]);
}

static enum log_format log_format_of(const struct global_options *o)
{
	return str_eq(o->log_format, "json") ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
}

// stderr for people and conmon, the log for containerd, which reads its last line.
static void report(int logfd, const struct global_options *o, const struct err *e)
{
	log_init("joblet-runtime", STDERR_FILENO, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_error("%s", e->msg);
	if (logfd < 0)
		return;
	log_init("joblet-runtime", logfd, LOG_LEVEL_INFO, log_format_of(o));
	log_error("%s", e->msg);
}

// To the log where there is one: stderr may be the container's.
static void begin_debug(int logfd, const struct global_options *o, char **args, int n)
{
	cleanup_buf struct buf line = {.max = 4096};
	if (!o->debug)
		return;
	log_init("joblet-runtime", logfd < 0 ? STDERR_FILENO : logfd, LOG_LEVEL_DEBUG,
		 logfd < 0 ? LOG_FORMAT_TEXT : log_format_of(o));
	for (int i = 0; i < n; i++)
		if (buf_printf(&line, " %s", args[i]) != 0)
			break; // too long
	log_debug("version %s, %s, process %d:%s", JOBLET_VERSION, JOBLET_COMMIT, getpid(),
		  line.len ? line.data : " no command");
}

static int run(struct globals *g, struct global_options *o, int argc, char **argv, int *logfd, struct err *e)
{
	const struct option_def options[] = {
	    {"root", 0, true, &o->root, NULL, NULL},
	    {"log", 0, true, &o->log, NULL, NULL},
	    {"log-format", 0, true, &o->log_format, NULL, NULL},
	    {"debug", 0, false, &o->debug, NULL, NULL},
	    {"systemd-cgroup", 0, false, &o->systemd_cgroup, NULL, NULL},
	    {"cgroup-manager", 0, true, &o->cgroup_manager, NULL, NULL},
	    {"rootless", 0, true, &o->rootless, NULL, NULL},
	    {"version", 'v', false, &o->version, NULL, NULL},
	    {"help", 'h', false, &o->help, NULL, NULL},
	};
	int used = args_parse_global(options, ARRAY_LEN(options), argv + 1, argc - 1, e);
	if (used < 0)
		return used;
	if (o->version || o->help) {
		o->version ? print_version() : print_help();
		return 0;
	}
	*logfd = open_log(o, e);
	if (o->log && *logfd < 0)
		return *logfd;
	cleanup_free char *root = NULL;
	begin_debug(*logfd, o, argv + 1 + used, argc - 1 - used);
	int rc = check_globals(o, g, e);
	if (!rc && !g->root)
		// analyzed: root frees it at the end
		g->root = root = rights_default_root(g->rights);
	g->debug = o->debug != NULL;
	return rc ? rc : run_command(g, argv + 1 + used, argc - 1 - used, e);
}

// The one cause that a person can do something about.
static void explain_kernel(int rc, struct err *e)
{
	struct utsname u;
	if (rc == -ENOSYS && uname(&u) == 0)
		err_wrap_text(
		    e,
		    "Linux 5.12 or newer is needed, and this is %s, or a seccomp filter hides a part of it",
		    u.release);
}

int main(int argc, char **argv)
{
	int failure = 1;
	struct globals g = {.argv = argv, .failure = &failure};
	struct global_options o = {0};
	struct err e = {0};
	int logfd = -1;
	log_init("joblet-runtime", STDERR_FILENO, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	int rc = open_stdio(&e);
	if (!rc)
		rc = hide(&e);
	if (!rc)
		rc = run(&g, &o, argc, argv, &logfd, &e);
	if (rc >= 0)
		log_debug("exit status %d", rc);
	if (rc >= 0)
		return fflush(stdout) == 0 ? rc : 1;
	explain_kernel(rc, &e);
	report(logfd, &o, &e);
	return failure;
}
