// SPDX-License-Identifier: Apache-2.0
// Which cgroup a container gets, or whether it gets one at all: the path of the bundle or one of our own, and
// what an ordinary user without a delegated tree may do without. cgroup.h does the rest.
#pragma once

#include <sys/types.h>

#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/spec.h"
#include "joblet-runtime/systemd.h"
#include "lib/base/err.h"

enum cgroup_manager {
	MANAGER_CGROUPFS,
	MANAGER_SYSTEMD,  // a scope of systemd's, which makes the cgroup
	MANAGER_DISABLED, // no cgroup: the container stays in the caller's
};

struct placement {
	enum cgroup_manager manager;
	bool rootless;		    // what a user may not do is left out where the bundle does not ask for it
	bool named;		    // by the bundle
	char *path;		    // NULL: no cgroup, or systemd has not made it yet
	struct cgroup *cgroup;	    // NULL: no cgroup
	bool made;		    // by this container: only then is what runs in it ours
	struct systemd_scope scope; // empty without MANAGER_SYSTEMD
	pid_t anchor;		    // keeps the scope until the container's first process is in it; 0: none
};

// Chooses; nothing is made. manager and rootless are set by the caller.
int placement_choose(struct placement *p, const struct spec *s, const char *id,
		     struct err *e) attr_must_check;
// Makes it and writes the limits. Where a user may not, and nothing is lost by it, path and cgroup are NULL
// afterwards.
int placement_make(struct placement *p, const struct spec_resources *r, const char *id,
		   struct err *e) attr_must_check;
// The container's first process is in it: what was only there to keep it goes, and systemd learns the limits.
int placement_settle(struct placement *p, const struct spec_resources *r, struct err *e) attr_must_check;
// The cgroup of a container of which nothing but its configuration is known. p is empty.
int placement_find(struct placement *p, const struct spec *s, const char *id, struct err *e) attr_must_check;
// The process whose /proc/PID is procdir is in it, in every hierarchy.
int placement_verify(const struct placement *p, int procdir, struct err *e) attr_must_check;
// Kills what is in it and removes it, if it was made.
int placement_undo(struct placement *p, struct err *e) attr_must_check;
void placement_free(struct placement *p);
