// SPDX-License-Identifier: Apache-2.0
// What the runtime and the container's first process say to each other while it is set up: packets on a
// socket pair, and, for `start`, on the start socket. Either side sees the end of the other as -EPIPE.
#pragma once

#include "lib/base/err.h"

enum sync_type {
	SYNC_GO = 1,  // to init: cgroup joined, ids mapped: set up
	SYNC_MOUNTED, // from init: mounts made, not yet pivoted; only when there are hooks to run then
	SYNC_HOOKED,  // to init: they have run
	SYNC_READY,   // from init: all is set up and read back
	SYNC_WAIT,    // to init: state is written; wait for `start`
	SYNC_START,   // to init: run the program; from here on the end of the stream means that it runs
	SYNC_CHILD,   // from the helper of exec: the process id of the program, in value
	SYNC_ERROR,   // from init: rc and text
};

int sync_pair(int fds[2]) attr_must_check;
int sync_send(int fd, enum sync_type type) attr_must_check;
int sync_send_value(int fd, enum sync_type type, int32_t value) attr_must_check;
void sync_send_error(int fd, int rc, const struct err *e);

// Waits for one packet and expects type: 0; -EPIPE at the end of the stream; the other side's rc and text
// when it sent SYNC_ERROR.
int sync_expect(int fd, enum sync_type type, struct err *e) attr_must_check;
// The next packet, whatever it is but SYNC_ERROR; as above.
int sync_receive(int fd, enum sync_type *type, int32_t *value, struct err *e) attr_must_check;
// SYNC_READY out, SYNC_START in, by write(2) and read(2) alone: a seccomp filter that lets no such call pass
// lets no program run.
int sync_wait_start(int fd, struct err *e) attr_must_check;
// Waits for the end of the stream, which is success.
int sync_expect_end(int fd, struct err *e) attr_must_check;
