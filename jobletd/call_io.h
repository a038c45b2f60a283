// SPDX-License-Identifier: Apache-2.0
// The socket of a call: frames in, frames out. Only call.c uses this.
#pragma once

#include "jobletd/call.h"

#define CALL_SEND_HIGH ((size_t)64 << 10) // bytes waiting in tx from which on a stream holds back

struct call_frame {
	uint8_t *data;
	size_t len;
};

// Takes what the socket has, up to a bound a turn. 0; CALL_IO_END the gateway will send no more; -EMSGSIZE;
// -errno.
enum { CALL_IO_END = 1 };
int call_io_read(struct call *c) attr_must_check;
// The next whole frame of what was read, or 0 when there is none; 1 with *f, which stays valid until the next
// read; -EBADMSG.
int call_io_frame(struct call *c, struct call_frame *f, struct err *e) attr_must_check;
// Lets go of what has been handled.
void call_io_shrink(struct call *c);

void call_io_put_message(struct call *c, const ProtobufCMessage *m);
void call_io_put_status(struct call *c, int code, const char *text);
// Writes what it can. 0; -EAGAIN some is left; -errno.
int call_io_flush(struct call *c) attr_must_check;
// Reads and forgets what is waiting, so that closing does not reset the connection under the status frame.
void call_io_discard(struct call *c);
