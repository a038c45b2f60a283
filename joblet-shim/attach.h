// SPDX-License-Identifier: Apache-2.0
// The attach socket (SOCK_SEQPACKET) and its clients: packets of output to them (a byte 2 or 3 for the
// stream, then data), raw stdin from them. A client that does not keep up goes on from the log, or is
// cut off: it never slows the job. Where there is no log at all it is the one reader, and the job waits for
// it as at a pipe.
#pragma once

#include "joblet-shim/cri.h"
#include "joblet-shim/logs.h"
#include "joblet-shim/options.h"

#define ATTACH_CLIENTS 64
#define ATTACH_PAYLOAD 8192	   // longest data of one packet of output, as with conmon
#define ATTACH_BACKLOG (256 << 10) // bytes that the socket holds for a client

// Makes the socket at <bundle>/attach, 0700, and, with --socket-dir-path, the link <dir>/<cuuid> to the
// bundle. Again: both are made anew, and the clients stay.
int attach_open(const struct options *o, struct err *e) attr_must_check;
void attach_accept(void); // takes whoever is waiting to be connected

// from is the place in the log where these bytes begin.
// False: a client without a log holds the output up. data must stay as it is, and nobody should read more,
// until output_resume is called from here.
bool attach_put(enum cri_stream stream, const char *data, size_t len, struct logs_place from);
bool attach_is_held(void);
void attach_cut_held(void);	// who holds the output up gets no more of it
bool attach_is_settled(void);	// nobody is behind; LIFE_CLIENT_SETTLED comes when one is no longer
uint64_t attach_progress(void); // packets taken by clients that were behind or held
void attach_resume(void);	// the job's stdin can take more
void attach_part(void);		// the job has ended: nobody new, and who is not behind sees the end
void attach_close(void);	// clients see the end; the socket's name goes
