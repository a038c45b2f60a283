// SPDX-License-Identifier: Apache-2.0
// What a job printed, made safe for a terminal: escape sequences and control characters go, text in UTF-8,
// tabs and line ends stay. A stream may be cut anywhere between two calls. Makes no system call.
#pragma once

#include "lib/base/base.h"
#include "lib/base/buf.h"

// Zero-initialised it is at the beginning of a stream.
struct clean {
	unsigned state;
	unsigned skipped;      // bytes of the sequence that is being left out
	bool after_return;     // the last byte was a carriage return
	unsigned char held[4]; // the beginning of a character
	unsigned char held_len;
};

// Appends to out what is left of len bytes. A carriage return becomes a line end, so that nothing is written
// over; bytes that are no UTF-8, and characters that change the direction of text, become U+FFFD. 0 or the
// error of buf_add.
int clean_add(struct clean *c, const void *data, size_t len, struct buf *out) attr_must_check;
// The stream is over: a character that was begun becomes U+FFFD.
int clean_end(struct clean *c, struct buf *out) attr_must_check;
