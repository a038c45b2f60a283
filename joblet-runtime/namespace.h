// SPDX-License-Identifier: Apache-2.0
// Namespaces: which are made with clone3(2), which are joined, and the id maps of a user namespace.
// namespaces(7), user_namespaces(7).
#pragma once

#include <sys/types.h>

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

// CLONE_NEW… of all that are made with the process. The cgroup namespace is not: its root is the cgroup that
// the process is in when it is made.
uint64_t namespace_clone_flags(const struct spec *s);

// The caller enters those that are given by path, and makes the time namespace for its children. back keeps
// the way home.
struct namespace_back {
	int fds[8];
	uint64_t flags[8];
	size_t n;
};
int namespace_join(const struct spec *s, struct namespace_back *back, struct err *e) attr_must_check;
int namespace_leave(struct namespace_back *back, struct err *e) attr_must_check;

// Writes uid_map and gid_map of the child behind procdir (its directory in /proc).
int namespace_write_map(int procdir, const char *file, const struct spec_id_map *maps, size_t n,
			struct err *e) attr_must_check;
// Where the user namespace was joined: that it has the mappings which the container asks for, if it does.
int namespace_check_maps(const struct spec *s, int procdir, struct err *e) attr_must_check;
int namespace_write_maps(const struct spec *s, int procdir, struct err *e) attr_must_check;

// Identities of the namespaces of a process, for the read-back.
struct namespace_ids {
	uint64_t ino[8]; // in the order of spec->namespaces
};
int namespace_read(const struct spec *s, int procfd, struct namespace_ids *out,
		   struct err *e) attr_must_check;
// By the parent, of its own: those that are given by path are replaced by what is there. -EPERM when that is
// the caller's own and the container would change it.
int namespace_expect(const struct spec *s, struct namespace_ids *ids, struct err *e) attr_must_check;
// -EPERM when one that should be new is the same as before.
int namespace_verify(const struct spec *s, const struct namespace_ids *before,
		     const struct namespace_ids *now, struct err *e) attr_must_check;

// The calling process enters every namespace of the container's first process, which init is a pidfd of and
// pid the number, in one step; for the pid namespace its children are meant. proc is the host's /proc.
int namespace_enter(int init, const struct spec *s, int proc, pid_t pid, struct err *e) attr_must_check;
// -EPERM when a process is not in the namespaces of the container's first one.
int namespace_compare(const struct spec *s, int proc, pid_t init, pid_t pid, struct err *e) attr_must_check;

// Changes the ids of a process from those of the user namespace that pid is in to the caller's. groups has
// room for p's, and becomes its list.
int namespace_outside(int proc, pid_t pid, struct spec_process *p, uint32_t *groups,
		      struct err *e) attr_must_check;

// Brings up the loopback interface of the network namespace that the caller is in.
int namespace_loopback_up(struct err *e) attr_must_check;
