// SPDX-License-Identifier: Apache-2.0
// exec: runs one more program in a container.
#include <errno.h>
#include <fcntl.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/create_options.h"
#include "joblet-runtime/exec.h"
#include "lib/base/str.h"

#define EXEC_FAILED 255 // as runc: 1 could be the program's own

struct words {
	const char *preserve, *detach, *tty, *no_new_privs, *ignore_paused, *subreaper;
};

static int parse(char **args, int n, const char **rest, struct exec_options *o, struct words *w,
		 struct err *e)
{
	const struct option_def options[] = {
	    {"process", 'p', true, &o->process_file, "the process as JSON; else as the container's own",
	     NULL},
	    {"detach", 'd', false, &w->detach, "return once the program runs", NULL},
	    {"pid-file", 0, true, &o->pid_file, "where to write the process id", NULL},
	    {"tty", 't', false, &w->tty, "give it a terminal", NULL},
	    {"console-socket", 0, true, &o->console_socket, "socket that gets the terminal", NULL},
	    {"pidfd-socket", 0, true, &o->pidfd_socket, "socket that gets a descriptor of the process", NULL},
	    {"cwd", 0, true, &o->cwd, "working directory", NULL},
	    {"env", 'e', true, NULL, "NAME=VALUE, any number of times", &o->env},
	    {"user", 'u', true, &o->user, "UID or UID:GID", NULL},
	    {"additional-gids", 'g', true, NULL, "one more group, any number of times", &o->groups},
	    {"cap", 'c', true, NULL, "one more capability, any number of times", &o->caps},
	    {"no-new-privs", 0, false, &w->no_new_privs, "set no_new_privs", NULL},
	    {"preserve-fds", 0, true, &w->preserve, "descriptors behind 2 that the program inherits", NULL},
	    {"cgroup", 0, true, NULL, "[CONTROLLERS:]PATH below the container's cgroup", &o->cgroups},
	    {"ignore-paused", 0, false, &w->ignore_paused, "also where the container is paused", NULL},
	    {"process-label", 0, true, &o->label, "SELinux label", NULL},
	    {"apparmor", 0, true, &o->apparmor, "AppArmor profile", NULL},
	    {"no-subreaper", 0, false, &w->subreaper, "accepted, without effect", NULL},
	};
	int n_rest;
	int rc = args_parse(&cmd_exec, options, ARRAY_LEN(options), args, n, rest, n, &n_rest, e);
	if (rc)
		return rc;
	if (n_rest == 0)
		return err_set(e, -EINVAL, "exec: a container id is needed");
	return 0;
}

static int run_parsed(const struct globals *g, const char **rest, struct exec_options *o,
		      const struct words *w, struct err *e)
{
	int rc = preserved_fds(w->preserve, &o->preserve_fds, e);
	o->root = g->root;
	o->id = rest[0];
	o->args = rest + 1;
	if (str_eq(o->args[0], "--"))
		o->args++;
	o->detached = w->detach;
	o->terminal = w->tty;
	o->no_new_privs = w->no_new_privs;
	o->ignore_paused = w->ignore_paused;
	o->argv = g->argv;
	return rc ? rc : exec_run(o, e);
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	struct exec_options o = {0};
	struct words w = {.preserve = "0"};
	cleanup_free const char **rest = xcalloc((size_t)n + 1, sizeof(*rest));
	int rc = parse(args, n, rest, &o, &w, e);
	if (rc == 0) {
		*g->failure = EXEC_FAILED;
		rc = run_parsed(g, rest, &o, &w, e);
	} else if (rc > 0) {
		rc = 0;
	}
	strv_free(o.env);
	strv_free(o.groups);
	strv_free(o.caps);
	strv_free(o.cgroups);
	return rc;
}

const struct command cmd_exec = {
    .name = "exec",
    .usage = "[OPTIONS] ID [PROGRAM [ARGUMENTS]]",
    .help = "runs one more program in a container",
    .program = true,
    .run = run,
};
