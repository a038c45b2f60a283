// SPDX-License-Identifier: Apache-2.0
// What the files of the probe share. Each function adds members to the object that is open.
#pragma once

#include "lib/base/json.h"

void identity_put(struct json_out *o);			// who this process is and what it may
void scheduling_put(struct json_out *o);		// limits, scheduling, priorities
void surroundings_put(struct json_out *o);		// namespaces, mounts, descriptors, devices, terminal
void paths_put(struct json_out *o, char **args, int n); // --stat, --read, --write PATH

// The attempts of one kind, and what came of each.
void attempts_put(struct json_out *o, const char *kind);
void roots_put(struct json_out *o);   // ways to another root; harmless to the host even where they succeed
void escapes_put(struct json_out *o); // and all others: never run these as root of the host
// Runs f(arg) in a child: "0", the name of its errno, the name of the signal that ended it, or "ESCAPED".
typedef long probe_attempt(long arg);
const char *probe_outcome(probe_attempt *f, long arg);
#define PROBE_ESCAPED 250 // as errno

// A file below /proc/self, or any other: its text, NUL-terminated, at most 1 MiB; NULL. The caller frees.
char *probe_read(const char *path);
// "EPERM"; "0" for none
const char *probe_errno(int err);
