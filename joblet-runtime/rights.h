// SPDX-License-Identifier: Apache-2.0
// Whose rights the runtime has, and what follows from it before anything is made: where containers are
// remembered, and which bundles can be run at all. user_namespaces(7).
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

enum rights {
	RIGHTS_ROOT,   // root of the initial user namespace
	RIGHTS_USERNS, // uid 0 of a user namespace that somebody else made: podman without root
	RIGHTS_USER,   // an ordinary user
};

int rights_read(enum rights *out, struct err *e) attr_must_check;
// Text of /proc/PID/uid_map: does it give every id to itself? Pure.
bool rights_map_is_whole(const char *uid_map);

// The default of --root, which the caller frees: /run/joblet-runtime, else below XDG_RUNTIME_DIR.
char *rights_default_root(enum rights r);

// -EPERM and what to do, when a bundle needs more than r has. Pure.
int rights_check(enum rights r, const struct spec *s, struct err *e) attr_must_check;
