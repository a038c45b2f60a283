// SPDX-License-Identifier: Apache-2.0
// exec: one more program in a container that is there already.
//
// The program's process appears in the container with the container's rights and no others. A helper outside
// of its pid namespace, which nothing inside can see or trace, enters the other namespaces, gives the rights
// away, and only then makes the process; this program stays outside and reads back what is in force.
#pragma once

#include "joblet-runtime/spec.h"
#include "lib/base/err.h"

struct exec_options {
	char **argv; // of main, to execute this program again
	const char *root, *id;
	const char *pid_file, *console_socket, *pidfd_socket; // or NULL
	bool detached, ignore_paused;
	int preserve_fds;
	char **cgroups; // `[controllers:]path` below the container's; NULL: its own

	// The process: of a file, or as the container's own; changed by the rest, where it is given.
	const char *process_file;
	const char **args; // NULL-terminated, may be empty
	const char *cwd, *user, *label, *apparmor;
	bool terminal, no_new_privs;
	char **env, **groups, **caps;
};

// Runs it. In the foreground the exit status of the program, detached 0; -errno when it could not be started.
int exec_run(const struct exec_options *o, struct err *e) attr_must_check;

// exec_process.c, pure: makes of s, the container's configuration, that of the new process. file is what
// o->process_file holds, or NULL; its strings are used on.
int exec_process(struct spec *s, const struct spec *file, const struct exec_options *o,
		 struct err *e) attr_must_check;
