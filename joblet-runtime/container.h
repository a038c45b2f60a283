// SPDX-License-Identifier: Apache-2.0
// A container from bundle to running program, and back: what create, start, run and delete have in common.
// This is the parent's side; init.c is the child's.
#pragma once

#include "joblet-runtime/placement.h"
#include "joblet-runtime/rights.h"
#include "joblet-runtime/seccomp.h"
#include "joblet-runtime/spec.h"
#include "joblet-runtime/state.h"
#include "lib/base/err.h"

struct terminal;

struct container_options {
	char **argv; // of main, to execute this program again
	const char *root, *id;
	const char *bundle;	    // directory
	const char *config;	    // file in it, or a path
	const char *pid_file;	    // or NULL
	const char *console_socket; // or NULL
	const char *pidfd_socket;   // or NULL
	struct terminal *terminal;  // carries a terminal that no socket takes; NULL: nobody does
	int preserve_fds;
	enum rights rights;
	enum cgroup_manager manager;
	bool rootless; // see struct placement
	bool new_keyring;
	bool detached; // `start` comes by the socket; else the caller starts by container_start
};

struct container {
	const struct container_options *o;
	struct spec *spec;
	char *config; // its text
	size_t config_len;
	char *bundle, *rootfs;
	char created[40];
	struct placement place;
	struct seccomp_program filter;
	struct state st; // dirfd holds the lock
	int sync;	 // to init
	int pidfd;
};

// Everything up to "created". On failure nothing is left: no process, cgroup, mount or file.
int container_create(const struct container_options *o, struct container *c, struct err *e) attr_must_check;
// Lets the program of a container run that was not created detached. 0 once it has been executed.
int container_start(struct container *c, struct err *e) attr_must_check;
// The poststart hooks of a container that was started so. A failure is a warning.
void container_run_poststart(struct container *c);
// Ends the process if it lives, and removes cgroup and state.
void container_undo(struct container *c);
void container_close(struct container *c);

// The pid file: the decimal number alone, put in place by rename. path may be NULL.
int container_write_pid(const char *path, pid_t pid, struct err *e) attr_must_check;
// The filter of s, from the cache beside the containers of root or compiled.
int container_filter(const char *root, const struct spec *s, struct seccomp_program *out,
		     struct err *e) attr_must_check;

// Pipes on stdin, stdout and stderr are given to the container's user. pid is in the container's user
// namespace.
int container_give_stdio(const struct spec *s, pid_t pid, struct err *e) attr_must_check;

// Removes what is left of a container whose process has ended, or, with kill, ends it first. st is locked.
int container_destroy(const char *root, struct state *st, bool kill, struct err *e) attr_must_check;
// Waits for the end of the process behind pidfd, at most ms milliseconds: 0, -ETIMEDOUT.
int container_wait(int pidfd, int ms) attr_must_check;
