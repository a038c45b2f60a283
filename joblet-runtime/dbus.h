// SPDX-License-Identifier: Apache-2.0
// D-Bus, as much of it as it takes to ask systemd for a unit: method calls, their answers, and signals, with
// one peer on a Unix socket and without a bus between. dbus_message.c makes and reads messages and makes no
// system call; dbus.c moves them. D-Bus Specification 0.38, "Message Protocol" and "Authentication Protocol".
#pragma once

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define DBUS_HEAD	 16		   // bytes that tell how long a message is
#define DBUS_MESSAGE_MAX ((size_t)4 << 20) // systemd's own are some hundred bytes
#define DBUS_CALL_MAX	 ((size_t)1 << 20)

enum dbus_type { DBUS_CALL = 1, DBUS_REPLY, DBUS_ERROR, DBUS_SIGNAL };

// What is written: values in the order of the signature, each aligned by itself.
void dbus_put_u32(struct buf *b, uint32_t v); // also a boolean
void dbus_put_u64(struct buf *b, uint64_t v);
void dbus_put_str(struct buf *b, const char *s); // also an object path
void dbus_put_sig(struct buf *b, const char *s); // what a variant has before its value
void dbus_put_bytes(struct buf *b, const uint8_t *v, size_t n);
void dbus_struct(struct buf *b); // a structure begins
struct dbus_array {
	size_t at, from;
};
struct dbus_array dbus_array(struct buf *b, size_t align); // of what it has in it: 4, or 8 for structures
void dbus_array_end(struct buf *b, struct dbus_array a);

struct dbus_method {
	const char *path, *interface, *member;
	const char *signature; // of body; NULL: no body
	const struct buf *body;
};
// The whole message. -EMSGSIZE.
int dbus_put_call(struct buf *out, const struct dbus_method *m, uint32_t serial) attr_must_check;

// What is read: a value that is not there, or not well-formed, makes `bad` true, and is 0 or "".
struct dbus_in {
	const uint8_t *data;
	size_t len, at;
	bool bad;
};
uint32_t dbus_get_u32(struct dbus_in *in);
const char *dbus_get_str(struct dbus_in *in); // also an object path; borrowed from the message
const char *dbus_get_sig(struct dbus_in *in);

struct dbus_message {
	enum dbus_type type;
	uint32_t reply_serial;
	const char *member, *error, *signature; // "" where there is none
	struct dbus_in body;
};
// The size of the message that begins with these DBUS_HEAD bytes. -EBADMSG, -EMSGSIZE. Pure.
int dbus_message_size(const uint8_t *head, size_t *size) attr_must_check;
// *out borrows from data, which is one whole message. -EBADMSG. Pure.
int dbus_message_parse(const uint8_t *data, size_t len, struct dbus_message *out) attr_must_check;

struct dbus {
	int fd; // -1: none
	uint32_t serial;
	int64_t deadline; // for all that is done with it, on CLOCK_MONOTONIC in ms
	struct buf in;	  // the message that was read last
};

// Connects to the socket at path and says who we are. -ETIMEDOUT, -errno.
int dbus_connect(struct dbus *d, const char *path, int timeout_ms, struct err *e) attr_must_check;
// Calls, and waits for the answer, which lives until the next is read; signals that come first are dropped.
// The answer may be an error: then its type says so, and it is no error here.
int dbus_call(struct dbus *d, const struct dbus_method *m, struct dbus_message *answer,
	      struct err *e) attr_must_check;
// The next message, whatever it is.
int dbus_next(struct dbus *d, struct dbus_message *out, struct err *e) attr_must_check;
void dbus_close(struct dbus *d); // also of one that is {.fd = -1}
#define cleanup_dbus __attribute__((cleanup(dbus_close)))
