// SPDX-License-Identifier: Apache-2.0
// The last steps of a process that is in its namespaces and cgroups already: it gives its rights away, reads
// back what is in force, and becomes the program. Init takes them, and the process of `exec`.
#pragma once

#include "joblet-runtime/seccomp.h"
#include "joblet-runtime/seccomp_notify.h"
#include "joblet-runtime/spec.h"

struct become {
	const struct spec *spec;	      // its `process` is what this process becomes
	const struct seccomp_program *filter; // NULL: none
	const struct seccomp_notify *notify;  // who gets the filter's listener; NULL: nobody
	int statusfd;			      // /proc/self/status of a procfs that the container cannot shape
	int sync;			      // -1; else another process reads back at the end: SYNC_READY
	int preserve_fds;		      // 3 … 3 + n - 1 stay open in the program
	bool groups_kept;		      // set by become_user: see process_set_user
	char *program;			      // set by become_user
	uint64_t ignored;		      // signals
};

// Everything that the container's user shall not have is given away; working directory and program are
// looked up as that user. Then the status is read back: more than asked is an error.
int become_user(struct become *b, struct err *e) attr_must_check;

// Limits, signals, descriptors, the seccomp filter, the status once more, execve(2). Returns an error only.
int become_program(struct become *b, struct err *e) attr_must_check;
