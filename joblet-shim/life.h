// SPDX-License-Identifier: Apache-2.0
// The life of one shim: its states, the news that move it, and what it does then. Which of them belong
// together is the table in main.c.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

enum life_state {
	LIFE_STARTING,	// the runtime runs
	LIFE_RUNNING,	// the container exists
	LIFE_DRAINING,	// its first process is gone, somebody may still hold its output
	LIFE_RECORDING, // all output is there, the exit file is not
	LIFE_PARTING,	// the record is there; attached clients still read
	LIFE_OVER,
	LIFE_STATES,
};

enum life_event {
	LIFE_RUNTIME_ENDED,
	LIFE_CONTAINER_ENDED,
	LIFE_OUTPUT_ENDED,   // end of file on every stream
	LIFE_CGROUP_EMPTY,   // no process of the container is left
	LIFE_TIME_OVER,	     // --timeout
	LIFE_RETRY,	     // time to try the exit file again, or to see whether clients still read
	LIFE_CLIENT_SETTLED, // a client that was behind no longer is, or has gone
	LIFE_ANEW,	     // SIGUSR1: sockets and FIFOs are to be made again
	LIFE_EVENTS,
};

typedef enum life_state life_action(void); // the state that follows

life_action life_adopt, life_anew, life_kill, life_drain, life_last_output, life_record, life_look_at_clients,
    life_part, life_hurry_clients;

enum life_state life_now(void);
// Hands news on to the action that the table names for the state and the event.
void life_event(enum life_event event);

// Reads the command line and makes everything up to the running runtime. 0; positive: there was nothing more
// to do than to print a text; negative: *e, and the caller has been told.
int life_begin(int argc, char *const *argv, life_action *const (*table)[LIFE_EVENTS],
	       struct err *e) attr_must_check;
void life_rest(void); // nothing happens: gives back what memory it can
int life_end(void);   // tells the caller, runs the exit command; the exit status
