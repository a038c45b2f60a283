// SPDX-License-Identifier: Apache-2.0
// Seccomp: config.json's filter compiled by libseccomp to one BPF program that is loaded as the last step
// before execve. config-linux.md "Seccomp", seccomp(2).
#pragma once

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

struct seccomp_program {
	struct buf bpf;	    // struct sock_filter[]
	unsigned flags;	    // SECCOMP_FILTER_FLAG_…
	bool want_listener; // an action is SCMP_ACT_NOTIFY
};

// Unknown names of system calls are passed over (they do not exist here, so the default action has them); an
// unknown action, operator, architecture or flag is an error. When the default action is an errno, system
// calls newer than the newest that a rule names get ENOSYS, as with runc. Other architectures than the
// machine's own and those named are killed.
//
// Of rules for one system call that differ in action, one with arguments that is stricter than another
// decides where it matches: `ioctl` allowed and `ioctl` denied for one request means what it says. libseccomp
// alone cannot express this; runc and crun pass such a denial over. Several conditions on the same argument
// in one rule are alternatives, as with runc.
int seccomp_compile(const struct spec_seccomp *s, struct seccomp_program *out, struct err *e) attr_must_check;

// The same, but looks first in dirfd for a program compiled from the very same text by the same version, and
// leaves one there. dirfd must belong to the caller's user and be writable by no other (-EPERM else, with
// nothing read), for what lies there is trusted. The whole text is compared, so a clash of names costs a
// compilation and nothing else. A cache that cannot be written is no error. dirfd -1: no cache. One file for
// each filter ever used; whoever owns the directory may empty it at any time.
int seccomp_compile_cached(int dirfd, const struct spec_seccomp *s, struct seccomp_program *out,
			   struct err *e) attr_must_check;

void seccomp_program_free(struct seccomp_program *p);

// Loads the program into the calling thread (no_new_privs or CAP_SYS_ADMIN needed). *listener gets the notify
// descriptor or -1. Async-signal-safe: allocates nothing. (seccomp_load is a name of libseccomp's.)
int seccomp_program_load(const struct seccomp_program *p, int *listener) attr_must_check;
