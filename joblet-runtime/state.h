// SPDX-License-Identifier: Apache-2.0
// What the runtime remembers of a container between two commands: <root>/<id>/state.json and, beside it, a
// lock file and the start socket. specs/runtime.md. A container's process is known by pid and start time.
#pragma once

#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/json.h"
#include "joblet-runtime/spec.h"

// Compiled seccomp filters, beside the containers; no container can have this name.
#define STATE_FILTERS "@seccomp"

enum state_status { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_PAUSED, STATE_STOPPED };

struct state {
	const char *id;
	int dirfd; // <root>/<id>, -1 when it was not opened
	pid_t pid; // 0: none yet
	uint64_t start_time;
	const char *oci_version, *bundle, *rootfs, *created, *cgroup;
	const char *unit;		// systemd's name of it; NULL: not made by systemd
	const struct json *annotations; // object or NULL
	const struct json *root;	// of doc, for spec_read_hooks; NULL when there is none
	struct json_doc *doc;
};

// runc's characters: letters, digits, + - . _ and ',' is none; not empty, not "." or "..". Pure.
int state_check_id(const char *id, struct err *e) attr_must_check;

// Makes <root>/<id>, which must not exist (-EEXIST and "container with id … exists"), locked. The descriptor
// of the directory, or -errno.
int state_make_dir(const char *root, const char *id, struct err *e) attr_must_check;
// Removes it with all in it.
int state_remove_dir(const char *root, const char *id, struct err *e) attr_must_check;

// Writes state.json. Annotations and hooks are taken from spec.
int state_write(const struct state *st, const struct spec *spec, struct err *e) attr_must_check;

// The container's config.json as it was when it was made, whatever became of the bundle.
int state_keep_config(const struct state *st, const char *text, size_t len, struct err *e) attr_must_check;
int state_read_config(const struct state *st, struct spec **out, struct err *e) attr_must_check;

// Writes state.json again with `resources`: those that st->root has, or base (of config.json, or NULL), and
// what changed.
int state_change_resources(const struct state *st, const struct json *base, const struct json *changed,
			   struct err *e) attr_must_check;

// Opens an existing container, reading state.json. -ENOENT and `container "x" does not exist`. An empty
// directory, left by a killed create, is a container without a process.
int state_open(const char *root, const char *id, struct state *out, struct err *e) attr_must_check;
// Takes the lock of the container, waiting for another command to end. Released with the descriptor.
int state_lock(struct state *st, struct err *e) attr_must_check;
void state_unlock(const struct state *st);
void state_close(struct state *st);
// What state_open does with the text of state.json; st has its id. On failure too st->doc is to be let go of.
int state_parse(const char *text, size_t len, struct state *st, struct err *e) attr_must_check;
#define cleanup_state __attribute__((cleanup(state_close)))

enum state_status state_status(const struct state *st);
// The same without a look at the cgroup: paused is running.
enum state_status state_status_of_init(const struct state *st);
const char *state_status_name(enum state_status status);
// A pidfd of the container's process; -ESRCH when it has ended.
int state_pidfd(const struct state *st) attr_must_check;

// The specification's state as JSON, as hooks and `state` get it; state_put as part of a larger text.
void state_put(const struct state *st, enum state_status status, struct json_out *o);
int state_print(const struct state *st, enum state_status status, bool pretty,
		struct buf *out) attr_must_check;

// The marker of "created": init holds this lock until it executes the program.
int state_init_lock(int dirfd, struct err *e) attr_must_check;
// The socket that init waits on, and its other end. The path is relative to dirfd.
int state_listen(int dirfd, struct err *e) attr_must_check;
int state_connect(int dirfd, struct err *e) attr_must_check;
