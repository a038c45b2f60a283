// SPDX-License-Identifier: Apache-2.0
// Attached clients. Each has a slot of fixed size; its backlog of output is its socket's buffer, and stdin
// goes through the one buffer of input.c. What ends what is in specs/shim.md.
#include "joblet-shim/attach.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "joblet-shim/input.h"
#include "joblet-shim/life.h"
#include "joblet-shim/loop.h"
#include "joblet-shim/output.h"
#include "joblet-shim/sockets.h"
#include "lib/base/log.h"

static void listener_ready(struct source *s, uint32_t events);
static void client_ready(struct source *s, uint32_t events);

static struct source listener = {.fd = -1, .ready = listener_ready};
static struct client {
	struct source source;
	bool is_used;
	bool is_deaf;	  // takes no output any more
	bool is_in_ended; // sends no input any more
	bool is_behind;	  // its next byte is in the log:
	struct logs_place at;
	size_t skip;  // payload bytes behind that place that it has already got
	bool is_held; // there is no log: its next byte is held, and with it the job's output
	size_t held_at;
} clients[ATTACH_CLIENTS];
static struct {
	enum cri_stream stream;
	const char *data; // in the buffer of output.c
	size_t len;
} held;
static unsigned client_count;
static uint64_t progress;
static char page[2 * (CRI_CHUNK + CRI_OVERHEAD)];
static char link_path[PATH_MAX];
static const char *bundle;
static bool keeps_stdin_open;

static int make_link(const struct options *o, struct err *e)
{
	int n = snprintf(link_path, sizeof(link_path), "%s/%s", o->socket_dir, o->cuuid ? o->cuuid : o->cid);
	if (n < 0 || (size_t)n >= sizeof(link_path))
		return err_set(e, -ENAMETOOLONG, "--socket-dir-path is too long");
	if (unlink(link_path) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "%.300s", link_path);
	return symlink(o->bundle, link_path) < 0 ? err_sys(e, -errno, "%.300s", link_path) : 0;
}

int attach_open(const struct options *o, struct err *e)
{
	if (!o->bundle)
		return 0;
	keeps_stdin_open = o->leave_stdin_open;
	int fd = sockets_open(o->bundle, "attach", SOCK_SEQPACKET, 0700, e);
	if (fd < 0)
		return fd;
	loop_close(&listener);
	listener.fd = fd;
	bundle = o->bundle;
	int rc = client_count < ATTACH_CLIENTS ? loop_add(&listener, EPOLLIN) : 0;
	if (rc)
		return err_sys(e, rc, "attach socket");
	return o->socket_dir && !o->full_attach ? make_link(o, e) : 0;
}

bool attach_is_settled(void)
{
	for (size_t i = 0; i < ATTACH_CLIENTS; i++)
		if (clients[i].is_used && clients[i].is_behind)
			return false;
	return true;
}

bool attach_is_held(void)
{
	for (size_t i = 0; i < ATTACH_CLIENTS; i++)
		if (clients[i].is_used && clients[i].is_held)
			return true;
	return false;
}

// was_held: a client that has just been let go. The last one lets the job's output go on.
static void resume_after(bool was_held)
{
	if (was_held && !attach_is_held())
		output_resume();
}

static void client_close(struct client *c)
{
	bool was_behind = c->is_behind, was_held = c->is_held;
	loop_close(&c->source);
	c->is_used = c->is_behind = c->is_held = false;
	client_count--;
	if (listener.fd >= 0 && !listener.is_added && loop_add(&listener, EPOLLIN) < 0)
		log_error("attach socket: %s", strerror(errno));
	if (was_behind)
		life_event(LIFE_CLIENT_SETTLED);
	resume_after(was_held);
}

// A client is not watched while its input has to wait: its hanging up would be reported over and over.
static void client_watch(struct client *c)
{
	uint32_t out = c->is_behind || c->is_held ? EPOLLOUT : 0;
	bool is_waiting = !c->is_in_ended && !input_is_ready();
	uint32_t want = out | (c->is_in_ended || is_waiting ? 0 : EPOLLIN);
	if (is_waiting && !out)
		loop_remove(&c->source);
	else if (c->source.is_added)
		loop_change(&c->source, want);
	else if (loop_add(&c->source, want) < 0)
		client_close(c);
}

void attach_resume(void)
{
	for (size_t i = 0; i < ATTACH_CLIENTS; i++)
		if (clients[i].is_used)
			client_watch(&clients[i]);
}

// True when a client was taken.
static bool accept_one(void)
{
	struct client *c = clients;
	int on = 1, room = ATTACH_BACKLOG / 2; // the kernel doubles it
	if (client_count == ATTACH_CLIENTS) {
		loop_remove(&listener); // the rest waits in the listen queue, or is refused by the kernel
		return false;
	}
	int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			loop_remove(&listener); // until a client has gone
		return false;
	}
	while (c->is_used)
		c++;
	*c = (struct client){.source = {.fd = fd, .ready = client_ready}, .is_used = true};
	client_count++;
	// Credentials come with every packet, so an empty packet can be told from the end.
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0)
		client_close(c);
	else
		client_watch(c);
	return true;
}

void attach_accept(void)
{
	while (listener.fd >= 0 && accept_one())
		;
}

static void listener_ready(struct source *s, uint32_t events)
{
	(void)s, (void)events;
	accept_one();
}

// Receives a packet into the input buffer. *is_packet tells an empty packet from the end.
static ssize_t receive(int fd, bool *is_packet, bool *is_cut)
{
	char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(16 * sizeof(int))]
	    __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = input_buffer(), .iov_len = INPUT_PACKET_MAX};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	*is_packet = *is_cut = false;
	if (n < 0)
		return -errno;
	*is_cut = m.msg_flags & MSG_TRUNC;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		*is_packet = true;
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		// Nobody asked for descriptors.
		for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int stray;
			memcpy(&stray, CMSG_DATA(h) + i * sizeof(int), sizeof(stray));
			close(stray);
		}
	}
	return n;
}

static void client_gone(struct client *c)
{
	client_close(c);
	if (!keeps_stdin_open)
		input_end();
}

uint64_t attach_progress(void)
{
	return progress;
}

static void set_behind(struct client *c, bool is_behind)
{
	c->is_behind = is_behind;
	client_watch(c);
	if (!is_behind)
		life_event(LIFE_CLIENT_SETTLED);
}

static void client_settle_deaf(struct client *c)
{
	bool was_held = c->is_held;
	c->is_deaf = true;
	c->is_held = false;
	set_behind(c, false);
	resume_after(was_held);
}

// Its output ends here; its input goes on.
static void client_deafen(struct client *c)
{
	shutdown(c->source.fd, SHUT_WR);
	client_settle_deaf(c);
}

// 0; -EAGAIN: there is no room now; -EPIPE: it shut its reading side or went away, which its event will tell.
static int send_packet(struct client *c, enum cri_stream stream, const char *data, size_t len)
{
	char tag = stream == CRI_STDERR ? 3 : 2;
	struct iovec iov[2] = {{.iov_base = &tag, .iov_len = 1},
			       {.iov_base = (void *)(uintptr_t)data, .iov_len = len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;
	while ((n = sendmsg(c->source.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -EPIPE;
}

// The next packet for a client that is behind, out of the log: the place and skip move on with it. The
// length, 0 at the end of the log, or -errno.
static ssize_t next_packet(struct logs_place *at, size_t *skip, enum cri_stream *stream,
			   char packet[ATTACH_PAYLOAD])
{
	struct cri_line l;
	size_t n = 0;
	ssize_t have = logs_read(*at, page, sizeof(page)), used;
	for (const char *p = page; have > 0 && (used = cri_parse(p, (size_t)have, &l)) != 0;
	     p += used, have -= used) {
		size_t total = l.len + l.is_full, take;
		if (used < 0)
			return -EINVAL;
		if (n && l.stream != *stream)
			break;
		if (*skip < total) {
			take = total - *skip < ATTACH_PAYLOAD - n ? total - *skip : ATTACH_PAYLOAD - n;
			if (*skip < l.len)
				memcpy(packet + n, l.payload + *skip,
				       *skip + take < l.len ? take : l.len - *skip);
			if (*skip + take > l.len)
				packet[n + take - 1] = '\n';
			n += take;
			*skip += take;
			*stream = l.stream;
		}
		if (*skip < total)
			break;
		*skip -= total;
		at->offset += used;
	}
	return have < 0 ? have : (ssize_t)n;
}

static void catch_up(struct client *c)
{
	char packet[ATTACH_PAYLOAD];
	for (int i = 0; i < 16; i++) { // then the others have their turn
		struct logs_place at = c->at;
		size_t skip = c->skip;
		enum cri_stream stream = CRI_STDOUT;
		ssize_t n = next_packet(&at, &skip, &stream, packet);
		if (n == 0 && at.offset == c->at.offset) {
			set_behind(c, false);
			return;
		}
		int rc = n < 0 ? (int)n : n > 0 ? send_packet(c, stream, packet, (size_t)n) : 0;
		if (rc == -EAGAIN)
			return;
		if (rc) {
			client_deafen(c);
			return;
		}
		c->at = at;
		c->skip = skip;
		progress++;
	}
}

// Sends as much as there is room for, from *done on.
static int send_all(struct client *c, enum cri_stream stream, const char *data, size_t len, size_t *done)
{
	while (*done < len) {
		size_t n = len - *done < ATTACH_PAYLOAD ? len - *done : ATTACH_PAYLOAD;
		int rc = send_packet(c, stream, data + *done, n);
		if (rc)
			return rc;
		*done += n;
	}
	return 0;
}

static void go_on(struct client *c)
{
	size_t before = c->held_at;
	int rc = send_all(c, held.stream, held.data, held.len, &c->held_at);
	progress += c->held_at != before;
	if (rc == -EAGAIN)
		return;
	c->is_deaf = rc != 0;
	c->is_held = false;
	client_watch(c);
	resume_after(true);
}

void attach_cut_held(void)
{
	for (size_t i = 0; i < ATTACH_CLIENTS; i++)
		if (clients[i].is_used && clients[i].is_held)
			client_deafen(&clients[i]);
}

static void client_ready(struct source *s, uint32_t events)
{
	struct client *c = container_of(s, struct client, source);
	bool is_packet, is_cut;
	if (events & EPOLLOUT && c->is_behind)
		catch_up(c);
	if (events & EPOLLOUT && c->is_held)
		go_on(c);
	if (!c->is_used || !(events & ~(uint32_t)EPOLLOUT))
		return;
	if (c->is_in_ended) {
		if (events & (EPOLLHUP | EPOLLERR))
			client_close(c);
		return;
	}
	if (!input_is_ready()) { // gone, but what it sent before still has to wait
		client_settle_deaf(c);
		return;
	}
	ssize_t n = receive(s->fd, &is_packet, &is_cut);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n < 0 || is_cut) {
		log_error("attach: %s",
			  is_cut ? "a packet is too long, the client is cut off" : strerror((int)-n));
		client_gone(c);
	} else if (n > 0) {
		input_put((size_t)n);
		if (!input_is_ready())
			attach_resume(); // which now means: everybody waits
	} else if (!is_packet && events & EPOLLHUP) {
		client_gone(c);
	} else {
		c->is_in_ended = true;
		client_watch(c);
		input_end();
	}
}

bool attach_put(enum cri_stream stream, const char *data, size_t len, struct logs_place from)
{
	// A client that connected before the job was started must not miss its first bytes, whatever the
	// order of the events.
	if (client_count == 0)
		attach_accept();
	bool may_hold = logs_are_none() && !attach_is_held(); // there is room for one
	if (may_hold) {
		held.stream = stream;
		held.data = data;
		held.len = len;
	}
	for (struct client *c = clients; client_count && c < clients + ATTACH_CLIENTS; c++) {
		size_t done = 0;
		if (!c->is_used || c->is_deaf || c->is_behind)
			continue;
		int rc = c->is_held ? -EAGAIN : send_all(c, stream, data, len, &done);
		if (rc == -EAGAIN && from.offset >= 0 && from.file == logs_end().file) {
			c->at = from;
			c->skip = done;
			set_behind(c, true);
		} else if (rc == -EAGAIN && may_hold) {
			c->is_held = true;
			c->held_at = done;
			client_watch(c);
		} else if (rc == -EAGAIN) {
			log_warn("attach: a client does not read and there is no log to go on from: its "
				 "output ends");
			client_deafen(c);
		} else if (rc) {
			c->is_deaf = true;
		}
	}
	return !attach_is_held();
}

void attach_part(void)
{
	if (listener.fd >= 0) {
		sockets_remove(bundle, "attach");
		attach_accept(); // whoever has come too late sees the end and not an error
		loop_close(&listener);
	}
	if (link_path[0])
		unlink(link_path);
	for (size_t i = 0; i < ATTACH_CLIENTS; i++)
		if (clients[i].is_used && !clients[i].is_behind)
			client_close(&clients[i]);
}

void attach_close(void)
{
	attach_part();
	for (size_t i = 0; i < ATTACH_CLIENTS; i++)
		if (clients[i].is_used)
			client_close(&clients[i]);
}
