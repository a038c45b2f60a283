// SPDX-License-Identifier: Apache-2.0
// The container's first process, from clone3(2) to execve(2). It sets up everything, reads back what is in
// force, waits for `start`, and becomes the program. specs/runtime.md has the order.
#pragma once

#include "joblet-runtime/enter.h"
#include "joblet-runtime/mount.h"
#include "joblet-runtime/namespace.h"
#include "joblet-runtime/rights.h"
#include "joblet-runtime/seccomp.h"
#include "joblet-runtime/spec.h"
#include "joblet-runtime/state.h"

struct init {
	const struct spec *spec;
	struct mount_sources *src;
	const struct cgroup *cgroup; // NULL: none
	const struct enter *enter;
	const struct seccomp_program *filter; // NULL: none
	int sync;			      // to the parent
	int listen;			      // the start socket; -1: the parent itself starts
	int lock;			      // held until the program is executed
	int console;			      // console socket, -1
	int notify;			      // socket that gets the seccomp listener, -1
	const struct state *st;		      // for hooks and the listener
	enum rights rights;
	const char *bundle; // its path, for an ordinary user's init
	int preserve_fds;   // 3 … 3 + n - 1 stay open in the program
	bool new_keyring;
	struct namespace_ids before; // of the parent
};

// In the new process; never returns. Every failure is reported to the parent, or to `start`, and ends the
// process with status 1.
attr_noreturn void init_main(const struct init *in);
