// SPDX-License-Identifier: Apache-2.0
// Packets between the runtime and init.
#include "joblet-runtime/sync.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct message {
	int32_t type;
	int32_t rc;	// or a value
	struct err err; // only with SYNC_ERROR
};

#define HEADER_SIZE offsetof(struct message, err)

// What others send to the start socket.
#define START_PACKET(name, number, what) _Static_assert(SYNC_##name == (number), "specs/start.def");
#include "specs/start.def"
#undef START_PACKET

int sync_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
}

int sync_send_value(int fd, enum sync_type type, int32_t value)
{
	struct message m = {.type = (int32_t)type, .rc = value};
	return send(fd, &m, HEADER_SIZE, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sync_send(int fd, enum sync_type type)
{
	return sync_send_value(fd, type, 0);
}

void sync_send_error(int fd, int rc, const struct err *e)
{
	struct message m = {.type = SYNC_ERROR, .rc = rc, .err = *e};
	m.err.msg[sizeof(m.err.msg) - 1] = 0;
	// Not send(2): a filter may be in force that does not know it. An error that is lost looks like
	// success.
	if (write(fd, &m, HEADER_SIZE + strlen(m.err.msg) + 1) < 0)
		return; // nobody is there to read it
}

// 0 and the message; -EPIPE at the end, -ECONNRESET when that came before all was read that had been sent.
// The kernel tells so before it gives the last message away.
static int receive(int fd, struct message *m)
{
	ssize_t n;
	bool reset = false;
	while ((n = recv(fd, m, sizeof(*m), 0)) < 0) {
		if (errno != EINTR && (errno != ECONNRESET || reset))
			return -errno;
		reset = reset || errno == ECONNRESET;
	}
	if (n == 0)
		return reset ? -ECONNRESET : -EPIPE;
	return (size_t)n < HEADER_SIZE ? -EPROTO : 0;
}

static int take_error(const struct message *m, struct err *e)
{
	char text[sizeof(m->err.msg)];
	memcpy(text, m->err.msg, sizeof(text));
	text[sizeof(text) - 1] = 0;
	return err_set(e, m->rc < 0 ? m->rc : -EIO, "%s", text);
}

int sync_receive(int fd, enum sync_type *type, int32_t *value, struct err *e)
{
	struct message m = {0};
	int rc = receive(fd, &m);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return err_set(e, -EPIPE, "the container's first process ended while it was set up");
	if (rc)
		return err_sys(e, rc, "cannot talk to the container's first process");
	if (m.type == SYNC_ERROR)
		return take_error(&m, e);
	*type = (enum sync_type)m.type;
	*value = m.rc;
	return 0;
}

int sync_expect(int fd, enum sync_type type, struct err *e)
{
	enum sync_type got;
	int32_t value;
	int rc = sync_receive(fd, &got, &value, e);
	if (rc)
		return rc;
	return got == type ? 0
			   : err_set(e, -EPROTO, "unexpected message %d instead of %d", (int)got, (int)type);
}

int sync_expect_end(int fd, struct err *e)
{
	struct message m = {0};
	int rc = receive(fd, &m);
	if (rc == -EPIPE)
		return 0;
	if (rc == -ECONNRESET)
		return err_set(e, rc, "the process ended before it ran the program");
	if (rc)
		return err_sys(e, rc, "cannot talk to the container's first process");
	return m.type == SYNC_ERROR ? take_error(&m, e)
				    : err_set(e, -EPROTO, "unexpected message %d", m.type);
}

int sync_wait_start(int fd, struct err *e)
{
	struct message m = {.type = SYNC_READY};
	if (write(fd, &m, HEADER_SIZE) != (ssize_t)HEADER_SIZE ||
	    read(fd, &m, sizeof(m)) < (ssize_t)HEADER_SIZE)
		return err_set(e, -EPIPE, "the runtime has ended");
	return m.type == SYNC_START ? 0 : err_set(e, -EPROTO, "unexpected message %d", m.type);
}
