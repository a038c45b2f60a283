// SPDX-License-Identifier: Apache-2.0
// Lets the program of a created container run.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/command.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

struct start {
	const char *runtime, *root, *id; // the program, its --root, the container
};

struct start_wait;
// Never blocks. fn is called once, from the loop, as that of a command, unless the start is forgotten before.
int start_container(sd_event *loop, const struct start *what, command_done_fn *fn, void *userdata,
		    struct start_wait **out, struct err *e) attr_must_check;
// It goes on and nobody listens; r as that of command_forget. NULL is fine.
void start_forget(struct start_wait *w, struct reaper *r);

// What came on the start socket; len 0 is its end. 0: the program runs; 1: it does not, and said is why (the
// caller's). Pure.
int start_answer(const void *packet, size_t len, char **said) attr_must_check;
