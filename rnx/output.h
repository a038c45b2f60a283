// SPDX-License-Identifier: Apache-2.0
// The bytes of a job on their way to stdout and stderr: never lost, never waited for. What a slow reader does
// not take stays pending, and whoever feeds takes no more from the server meanwhile. A terminal gets text
// without control sequences unless told otherwise.
#pragma once

#include <poll.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/rpc/client.h"
#include "rnx/clean.h"

struct output {
	int fd; // where to write; another description of it where that can be had, so that O_NONBLOCK stays
		// ours
	bool is_own; // fd is to be closed
	bool is_socket, is_file, is_nonblocking;
	bool is_cleaned;
	struct clean filter;
	struct buf pending;
	size_t at; // bytes of pending that are written
	int error; // -errno that writing ended with: what comes later is dropped
};

enum output_mode { OUTPUT_CLEAN, OUTPUT_RAW };

// CLEAN filters when fd is a terminal.
void output_open(struct output *o, int fd, enum output_mode mode);
void output_close(struct output *o);

// Takes the bytes and writes what can be written at once. 0, or the -errno that writing ended with (once;
// afterwards bytes are dropped).
int output_put(struct output *o, const void *data, size_t len) attr_must_check;
int output_flush(struct output *o) attr_must_check; // what is pending, without waiting
int output_end(struct output *o) attr_must_check;   // the stream is over: a character that was begun is shown
bool output_is_pending(const struct output *o);

// One wait: for the connection, for room in outputs that have something pending, for more descriptors of the
// caller's, up to timeout_ms (-1: without end). Then the connection is served and what is pending written.
// client may be NULL. more[i].revents are as poll(2) left them. 0; negative: the connection is lost, e says
// why. Errors of outputs are left in them.
#define OUTPUT_WAIT_MORE 4
int output_wait(struct rpc_client *client, struct output *outs, size_t count, struct pollfd *more,
		size_t more_count, int timeout_ms, struct err *e) attr_must_check;
