// SPDX-License-Identifier: Apache-2.0
// Calls: one RPC each, one socket each (specs/gateway.md). call.c decides whether a call may be and hands its
// messages to the handler that method.def names; a handler answers through the functions here. Everything
// runs in the core's one loop.
//
// The life of a call: accepted, refused or begun; messages; ended by call_end or gone because the client or
// the gateway went. Then, from the loop and never from within a handler's own function, `closed` is called
// once and the socket is closed. Between call_end and closed the functions here do nothing, so a handler need
// not look.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <systemd/sd-event.h>

#include "jobletd/audit.h"
#include "jobletd/config.h"
#include "jobletd/gateway/wire.h"
#include "jobletd/job.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/rpc/status.h"

struct call;

struct call_handler {
	const ProtobufCMessageDescriptor *request;
	size_t fields_max; // of one message; 0: WIRE_FIELDS_MAX
	// A method whose client does not stream: called once, when the one message is there and the client's
	// side is closed. Else for every message. m is the handler's to look at until it returns.
	void (*message)(struct call *c, const ProtobufCMessage *m);
	void (*half_closed)(struct call *c); // the client of a stream will send no more; may be NULL
	void (*writable)(
	    struct call *c); // call_can_send has become true again, or call_want_writable asked; may be NULL
	void (*closed)(struct call *c); // let go of c->data; may be NULL
};

struct call_method {
	const char *service, *name;
	bool client_streams, server_streams;
	const struct call_handler *handler;
	const char *permission;
};

struct call_server; // all calls of the daemon

// What handlers use; the rest is call.c's own.
struct call {
	struct call_server *server;
	const struct call_method *method;
	const struct config *cfg;
	sd_event *loop;
	struct jobs *jobs;
	char cn[GW_CN_MAX], role[GW_OU_MAX], peer[GW_PEER_MAX], serial[GW_SERIAL_MAX];
	uint8_t fingerprint[32]; // of the certificate, SHA-256
	void *data;		 // the handler's

	// Own to call.c and call_io.c.
	struct call *next, **prev;
	struct call *next_over;
	int fd;
	unsigned refs;
	sd_event_source *io;
	uint32_t events;
	struct buf rx, tx;
	size_t rx_off, tx_off; // handled, and written, so far
	bool got_message, input_over, half_close_told, paused, want_writable;
	bool ended; // the status frame is in tx
	bool over;  // waits to be closed from the loop
	int code;
	char note[128];
	int64_t began_ns;	   // CLOCK_MONOTONIC
	struct audit_wait intent;  // its request is handled when the record of it is on the disk
	ProtobufCMessage *request; // until then
	const char *recorded;	   // the further permission (call_may) that the audit log knows of
};

// All but out are borrowed for the lifetime.
int call_server_open(const struct config *cfg, sd_event *loop, struct jobs *jobs, struct audit *audit,
		     struct call_server **out, struct err *e) attr_must_check;
// From now on a call that is closed is not the client's doing (call_client_went).
void call_server_set_ending(struct call_server *s);
void call_server_end_all(struct call_server *s, const char *text); // with UNAVAILABLE
void call_server_free(struct call_server *s); // closes every call; the gateway tells the clients UNAVAILABLE

// How many calls are open.
size_t call_server_count(const struct call_server *s);

// A call from the gateway. p is checked field by field; fd is taken in every case. -EBADMSG: the packet
// cannot come from a sound gateway.
int call_accept_take(struct call_server *s, const struct gw_call *p, int fd, struct err *e) attr_must_check;

// Queues one message; the caller of a stream asks call_can_send first, which is false while 64 KiB wait.
void call_send(struct call *c, const ProtobufCMessage *m);
bool call_can_send(const struct call *c);
// writable is called in the next turn of the loop even if nothing waits to be sent: for a handler that gives
// way to others.
void call_want_writable(struct call *c);

// Ends the call. The text is for the client; control characters do not matter, invalid UTF-8 does and is
// replaced.
void call_end(struct call *c, int code, const char *fmt, ...) attr_printf(3, 4);
// One message and OK.
void call_reply(struct call *c, const ProtobufCMessage *m);
// Ends the call with the code that fits rc (negative errno or JOB_AMBIGUOUS) and the text of e.
void call_fail(struct call *c, int rc, const struct err *e);
bool call_is_over(const struct call *c); // ended or gone

// The code for a negative errno as job.h uses them.
int call_code_of(int rc);

// For `closed`: the call ended because the client went away, not by call_end and not because the daemon ends.
bool call_client_went(const struct call *c);

// Stops taking the client's messages, so that flow control holds the client back; and goes on.
void call_pause(struct call *c);
void call_resume(struct call *c);

// Whether the client's role has a permission: for what is shown, not for what is done.
bool call_has(const struct call *c, const char *permission);
// Whether the client's role has a permission beyond the method's own; the text says what lacks. What it lets
// the client do is recorded in the audit log.
int call_may(struct call *c, const char *permission, struct err *e) attr_must_check;

// Whether a packet of the gateway may become a call: its method is one, its texts are sound. -EBADMSG. Pure.
int call_check_packet(const struct gw_call *p, struct err *e) attr_must_check;

// What the call was about, for the log line: an id, a count.
void call_note(struct call *c, const char *fmt, ...) attr_printf(2, 3);

// Keeps the struct (not the call) for a callback that cannot be taken back.
struct call *call_ref(struct call *c);
void call_unref(struct call *c);

// Handlers, one a row of method.def.
#define METHOD(service, name, client_streams, server_streams, handler, permission)                           \
	extern const struct call_handler handler;
#include "specs/method.def"
#undef METHOD
