// SPDX-License-Identifier: Apache-2.0
// Calls: whether one may be, what its messages are, and how it ends. Stands between the gateway's sockets
// (call_io.c) and the handlers (rpc_*.c). It trusts nothing that the gateway says but the identity, and that
// only as far as its form.
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "jobletd/auth.h"
#include "jobletd/call.h"
#include "jobletd/call_io.h"
#include "jobletd/wire_check.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define CALLS_MAX      ((size_t)8192)
#define RX_TOTAL_BYTES ((size_t)128 << 20) // what all calls together may hold of messages that are coming in

static const struct call_method methods[] = {
#define METHOD(service, name, client_streams, server_streams, handler, permission)                           \
	{service, name, client_streams, server_streams, &handler, permission},
#include "specs/method.def"
#undef METHOD
};

struct call_server {
	const struct config *cfg;
	sd_event *loop;
	struct jobs *jobs;
	struct audit *audit;
	struct call *first;
	struct call *over; // to be closed
	sd_event_source *reaper;
	size_t count;
	size_t rx_total;
	bool ending;
};

static void update_events(struct call *c)
{
	uint32_t want = 0;
	if (!c->input_over && !c->paused && !c->ended)
		want |= EPOLLIN;
	if (c->tx_off < c->tx.len || c->want_writable)
		want |= EPOLLOUT;
	if (want != c->events && c->io && sd_event_source_set_io_events(c->io, want) >= 0)
		c->events = want;
}

// Hands the call to the reaper, which closes it from the loop.
static void set_over(struct call *c)
{
	if (c->over)
		return;
	c->over = true;
	c->next_over = c->server->over;
	c->server->over = c;
	c->io = sd_event_source_disable_unref(c->io);
	sd_event_source_set_enabled(c->server->reaper, SD_EVENT_ONESHOT);
}

static void flush(struct call *c)
{
	if (c->over)
		return;
	int rc = call_io_flush(c);
	if (rc != -EAGAIN && (rc || c->ended))
		set_over(c);
	else
		update_events(c);
}

struct call *call_ref(struct call *c)
{
	c->refs++;
	return c;
}

void call_unref(struct call *c)
{
	if (--c->refs == 0)
		free(c);
}

static struct audit_actor actor_of(const struct call *c)
{
	return (struct audit_actor){.cn = c->cn,
				    .role = c->role,
				    .serial = c->serial,
				    .peer = c->peer,
				    .fingerprint = c->fingerprint};
}

static int record(const struct call *c, const char *permission, struct audit_call *r)
{
	struct audit_actor actor = actor_of(c);

	// analyzed: r ends with its caller
	r->actor = &actor;
	r->service = c->method->service;
	r->method = c->method->name;
	r->permission = permission;
	r->object = c->note;
	return audit_call_record(c->server->audit, r); // analyzed: r ends with its caller
}

// The record stands before the answer leaves.
static void record_result(const struct call *c, const char *result, const char *text, bool is_denied)
{
	struct audit_call r = {.decision = is_denied ? "denied" : "allowed",
			       .result = result,
			       .text = text,
			       .duration_ns = clock_ns(CLOCK_MONOTONIC) - c->began_ns};

	if (record(c, c->method->permission, &r))
		log_debug("call %s: its result is not in the audit log", c->method->name);
}

// Who did what, and what came of it. Reading is not worth a line of an operator's log unless it was refused.
static void log_call(const struct call *c)
{
	const char *result = c->ended ? rpc_code_name(c->code) : "client gone";
	enum log_level level =
	    audit_kind_of(c->method->permission) == AUDIT_READ ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	if (c->ended &&
	    (c->code == RPC_PERMISSION_DENIED || c->code == RPC_UNAUTHENTICATED || c->code == RPC_INTERNAL))
		level = LOG_LEVEL_WARN;
	log_write(level, "call %s by \"%s\" (%s) from %s: %s%s%s", c->method->name, c->cn, c->role, c->peer,
		  result, c->note[0] ? " " : "", c->note);
}

static void close_call(struct call *c)
{
	log_call(c);
	if (!c->ended)
		record_result(c, "CANCELLED", "the client has gone", false);
	audit_forget(&c->intent);
	if (c->request)
		protobuf_c_message_free_unpacked(take_ptr(c->request), NULL);
	if (c->method->handler->closed)
		c->method->handler->closed(c);
	c->data = NULL;
	if (c->ended)
		call_io_discard(c);
	c->io = sd_event_source_disable_unref(c->io);
	close(c->fd);
	c->fd = -1;
	c->server->rx_total -= c->rx.cap;
	c->server->count--;
	buf_free(&c->rx);
	buf_free(&c->tx);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	call_unref(c);
}

static int on_reap(sd_event_source *source attr_unused, void *userdata)
{
	struct call_server *s = userdata;
	struct call *c;

	while ((c = s->over)) {
		s->over = c->next_over;
		close_call(c);
	}
	return 0;
}

bool call_is_over(const struct call *c)
{
	return c->ended || c->over;
}

void call_send(struct call *c, const ProtobufCMessage *m)
{
	if (call_is_over(c))
		return;
	call_io_put_message(c, m);
	flush(c);
}

bool call_can_send(const struct call *c)
{
	return !call_is_over(c) && c->tx.len - c->tx_off < CALL_SEND_HIGH;
}

void call_want_writable(struct call *c)
{
	if (call_is_over(c))
		return;
	c->want_writable = true;
	update_events(c);
}

void call_end(struct call *c, int code, const char *fmt, ...)
{
	char text[GW_STATUS_TEXT_MAX + 1];
	va_list ap;

	if (call_is_over(c))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	record_result(c, rpc_code_name(code), text, code == RPC_PERMISSION_DENIED);
	call_io_put_status(c, code, text);
	c->ended = true;
	c->code = code;
	if (code != RPC_OK && !c->note[0])
		call_note(c, "%s", text);
	flush(c);
}

void call_reply(struct call *c, const ProtobufCMessage *m)
{
	if (call_is_over(c))
		return;
	call_io_put_message(c, m); // with the status behind it in one write
	call_end(c, RPC_OK, "%s", "");
}

int call_code_of(int rc)
{
	switch (rc) {
	case 0: return RPC_OK;
	case JOB_AMBIGUOUS:
	case -EINVAL:
	case -E2BIG:
	case -ERANGE:
	case -ENAMETOOLONG:
	case -EBADMSG: return RPC_INVALID_ARGUMENT;
	case -ENOENT:
	case -ESRCH: return RPC_NOT_FOUND;
	case -EEXIST: return RPC_ALREADY_EXISTS;
	case -EACCES:
	case -EPERM: return RPC_PERMISSION_DENIED;
	case -EBUSY: return RPC_FAILED_PRECONDITION;
	case -EAGAIN:
	case -ENOSPC:
	case -EDQUOT:
	case -EMFILE:
	case -ENFILE:
	case -EMSGSIZE:
	case -ENOMEM: return RPC_RESOURCE_EXHAUSTED;
	case -EOPNOTSUPP:
	case -ENOSYS: return RPC_UNIMPLEMENTED;
	case -ECANCELED: return RPC_ABORTED;
	case -ETIMEDOUT: return RPC_DEADLINE_EXCEEDED;
	case -ESHUTDOWN: return RPC_UNAVAILABLE;
	default: return RPC_INTERNAL;
	}
}

void call_fail(struct call *c, int rc, const struct err *e)
{
	call_end(c, call_code_of(rc), "%s", e->msg[0] ? e->msg : strerror(rc < 0 ? -rc : EINVAL));
}

bool call_has(const struct call *c, const char *permission)
{
	return auth_check(c->role, permission, NULL) == 0;
}

int call_may(struct call *c, const char *permission, struct err *e)
{
	int rc = auth_check(c->role, permission, e);

	if (audit_kind_of(permission) == AUDIT_READ || (rc == 0 && str_eq(c->recorded, permission)))
		return rc;
	if (rc == 0)
		rc = audit_ready(c->server->audit, e);
	struct audit_call r = {.decision = rc ? "denied" : "allowed", .result = rc ? "REFUSED" : "OK"};
	if (record(c, permission, &r) && rc == 0)
		rc = err_set(e, -EIO, "the audit log cannot be written");
	if (rc == 0)
		c->recorded = permission;
	return rc;
}

void call_note(struct call *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->note, sizeof(c->note), fmt, ap);
	va_end(ap);
}

static void on_intent_recorded(struct audit_wait *w, int rc, const struct err *e)
{
	struct call *c = container_of(w, struct call, intent);
	ProtobufCMessage *m = take_ptr(c->request);

	if (rc)
		call_end(c, RPC_UNAVAILABLE, "%s", e->msg);
	else if (!call_is_over(c))
		c->method->handler->message(c, m);
	protobuf_c_message_free_unpacked(m, NULL);
}

// What changes something is done when the record of it is on the disk (security: a write-ahead log of
// intents).
static void record_intent_take(struct call *c, ProtobufCMessage *m)
{
	struct audit_call r = {.request = m, .decision = "allowed"};
	struct err e = {0};

	c->request = m;
	if (audit_ready(c->server->audit, &e))
		call_end(c, RPC_UNAVAILABLE, "%s", e.msg);
	else if (record(c, c->method->permission, &r))
		call_end(c, RPC_UNAVAILABLE,
			 "the audit log cannot be written: nothing is changed without a record of it");
	else
		audit_sync(c->server->audit, &c->intent);
}

// One message to the handler. A call whose message is refused has ended.
static void deliver(struct call *c, const struct call_frame *f)
{
	const struct call_handler *h = c->method->handler;
	struct err e = {0};

	if (wire_check(h->request, f->data, f->len, h->fields_max ? h->fields_max : WIRE_FIELDS_MAX, &e)) {
		call_end(c, RPC_INVALID_ARGUMENT, "%s: %s", c->method->name, e.msg);
		return;
	}
	ProtobufCMessage *m = protobuf_c_message_unpack(h->request, NULL, f->len, f->data);
	if (!m) {
		call_end(c, RPC_INVALID_ARGUMENT, "%s: not a message of this method", c->method->name);
	} else if (!c->method->client_streams && audit_kind_of(c->method->permission) != AUDIT_READ) {
		record_intent_take(c, m);
	} else {
		h->message(c, m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void handle_stream(struct call *c)
{
	struct call_frame f;
	struct err e = {0};
	int rc = 0;

	while (!call_is_over(c) && !c->paused && (rc = call_io_frame(c, &f, &e)) == 1)
		deliver(c, &f);
	if (rc < 0)
		call_end(c, RPC_RESOURCE_EXHAUSTED, "%s", e.msg);
	if (call_is_over(c) || c->paused || !c->input_over || c->half_close_told)
		return;
	if (c->rx_off < c->rx.len) {
		call_end(c, RPC_INTERNAL, "the last message is cut off");
		return;
	}
	c->half_close_told = true;
	if (c->method->handler->half_closed)
		c->method->handler->half_closed(c);
}

// The client sends exactly one message: it is handled when it is there and nothing follows.
static void handle_single(struct call *c)
{
	struct call_frame f;
	struct err e = {0};

	if (c->got_message)
		return;
	if (!c->input_over) {
		uint8_t *p =
		    (uint8_t *)c->rx.data; // a message that is too large is refused as soon as it says so
		size_t off = c->rx_off;
		if (p && call_io_frame(c, &f, &e) < 0)
			call_end(c, RPC_RESOURCE_EXHAUSTED, "%s", e.msg);
		c->rx_off = off;
		return;
	}
	int rc = call_io_frame(c, &f, &e);
	if (rc < 0) {
		call_end(c, RPC_RESOURCE_EXHAUSTED, "%s", e.msg);
	} else if (rc == 0 || c->rx_off != c->rx.len) {
		call_end(c, RPC_UNIMPLEMENTED, "%s takes exactly one message", c->method->name);
	} else {
		c->got_message = true;
		deliver(c, &f);
	}
}

static void handle_input(struct call *c)
{
	if (c->method->client_streams)
		handle_stream(c);
	else
		handle_single(c);
}

void call_pause(struct call *c)
{
	c->paused = true;
	update_events(c);
}

void call_resume(struct call *c)
{
	if (!c->paused || call_is_over(c))
		return;
	c->paused = false;
	handle_input(c); // what had been read already
	update_events(c);
}

static void on_readable(struct call *c)
{
	size_t before = c->rx.cap;
	int rc = call_io_read(c);
	c->server->rx_total += c->rx.cap - before;
	if (rc == CALL_IO_END)
		c->input_over = true;
	else if (rc == -EMSGSIZE)
		call_end(c, RPC_RESOURCE_EXHAUSTED, "more than one message of the largest size is waiting");
	else if (rc < 0)
		set_over(c);
	if (c->server->rx_total > RX_TOTAL_BYTES)
		call_end(c, RPC_RESOURCE_EXHAUSTED,
			 "too much is being sent to this server at once; try again");
	if (!call_is_over(c))
		handle_input(c);
	before = c->rx.cap;
	call_io_shrink(c);
	c->server->rx_total -= before - c->rx.cap;
	if (!c->over)
		update_events(c);
}

static void on_writable(struct call *c)
{
	c->want_writable = false;
	flush(c);
	if (call_can_send(c) && c->method->handler->writable)
		c->method->handler->writable(c);
	if (c->over)
		return;
	if (c->tx.len == 0 && !c->want_writable)
		buf_free(&c->tx); // an idle follower costs nothing
	update_events(c);
}

static int on_io(sd_event_source *source attr_unused, int fd attr_unused, uint32_t revents, void *userdata)
{
	struct call *c = userdata;

	// Both sides are closed: the client has gone. What it still wanted to say was not waited for by
	// anybody.
	if (revents & (EPOLLHUP | EPOLLERR)) {
		set_over(c);
		return 0;
	}
	call_ref(c);
	if (revents & EPOLLIN)
		on_readable(c);
	if (revents & EPOLLOUT && !c->over)
		on_writable(c);
	call_unref(c);
	return 0;
}

// A string of the packet: ended by NUL within its array, UTF-8, without control characters (C0, DEL, C1).
static bool is_sound(const char *s, size_t size)
{
	const char *end = memchr(s, 0, size);
	if (!end || !str_is_utf8(s, (size_t)(end - s)))
		return false;
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return false;
	return true;
}

int call_check_packet(const struct gw_call *p, struct err *e)
{
	if (p->method >= ARRAY_LEN(methods))
		return err_set(e, -EBADMSG, "a call of method %u, which is none", p->method);
	if (p->deadline_ns < 0)
		return err_set(e, -EBADMSG, "a call with a negative deadline");
	if (!is_sound(p->cn, sizeof(p->cn)) || !is_sound(p->ou, sizeof(p->ou)) ||
	    !is_sound(p->serial, sizeof(p->serial)) || !is_sound(p->peer, sizeof(p->peer)))
		return err_set(e, -EBADMSG, "a call whose identity is not clean text");
	return 0;
}

static struct call *new_call(struct call_server *s, const struct gw_call *p, int fd)
{
	struct call *c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->method = &methods[p->method];
	c->cfg = s->cfg;
	c->loop = s->loop;
	c->jobs = s->jobs;
	c->fd = fd;
	c->refs = 1;
	memcpy(c->cn, p->cn, sizeof(c->cn));
	memcpy(c->role, p->ou, sizeof(c->role));
	memcpy(c->peer, p->peer, sizeof(c->peer));
	memcpy(c->serial, p->serial, sizeof(c->serial));
	memcpy(c->fingerprint, p->fingerprint, sizeof(c->fingerprint));
	c->began_ns = clock_ns(CLOCK_MONOTONIC);
	c->intent.done = on_intent_recorded;
	c->next = s->first;
	c->prev = &s->first;
	if (c->next)
		c->next->prev = &c->next;
	s->first = c;
	s->count++;
	return c;
}

static bool deadline_over(const struct gw_call *p)
{
	return p->deadline_ns && clock_ns(CLOCK_MONOTONIC) >= p->deadline_ns;
}

// A certificate of our authority whose role is none of ours is no way in.
static void record_identity(struct call *c)
{
	struct audit_actor actor = actor_of(c);
	struct err why = {0};

	if (auth_check(c->role, "-", &why))
		audit_auth_failed(c->server->audit, &actor, why.msg, 0);
	else
		audit_auth_success(c->server->audit, &actor);
}

int call_accept_take(struct call_server *s, const struct gw_call *p, int fd, struct err *e)
{
	cleanup_close int mine = fd;
	struct err why = {0};
	int rc = call_check_packet(p, e);
	if (rc)
		return rc;
	struct call *c = new_call(s, p, take_fd(mine));
	c->events = EPOLLIN;
	rc = sd_event_add_io(s->loop, &c->io, c->fd, c->events, on_io, c);
	if (rc < 0) {
		set_over(c);
		log_error("call: %s", strerror(-rc));
		return 0;
	}
	record_identity(c);
	if (s->count > CALLS_MAX)
		call_end(c, RPC_RESOURCE_EXHAUSTED, "too many calls at once; try again");
	else if (auth_check(c->role, c->method->permission, &why))
		call_end(c, RPC_PERMISSION_DENIED, "%s", why.msg);
	else if (deadline_over(p))
		call_end(c, RPC_DEADLINE_EXCEEDED, "the deadline was over when the call arrived");
	else
		on_readable(c); // in most cases the whole message is there already
	return 0;
}

bool call_client_went(const struct call *c)
{
	return c->over && !c->ended && !c->server->ending;
}

void call_server_set_ending(struct call_server *s)
{
	s->ending = true;
}

void call_server_end_all(struct call_server *s, const char *text)
{
	for (struct call *c = s->first; c; c = c->next)
		call_end(c, RPC_UNAVAILABLE, "%s", text);
}

size_t call_server_count(const struct call_server *s)
{
	return s->count;
}

int call_server_open(const struct config *cfg, sd_event *loop, struct jobs *jobs, struct audit *audit,
		     struct call_server **out, struct err *e)
{
	struct call_server *s = xcalloc(1, sizeof(*s));
	s->cfg = cfg;
	s->loop = loop;
	s->jobs = jobs;
	s->audit = audit;
	int rc = sd_event_add_defer(loop, &s->reaper, on_reap, s);
	if (rc < 0) {
		free(s);
		return err_sys(e, rc, "event loop");
	}
	sd_event_source_set_enabled(s->reaper, SD_EVENT_OFF);
	*out = s;
	return 0;
}

void call_server_free(struct call_server *s)
{
	if (!s)
		return;
	s->ending = true;
	for (struct call *c = s->first; c; c = c->next)
		set_over(c);
	on_reap(NULL, s);
	sd_event_source_disable_unref(s->reaper);
	free(s);
}
