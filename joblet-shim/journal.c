// SPDX-License-Identifier: Apache-2.0
// journald's native protocol: a datagram an entry, `FIELD=value\n` each. A value here never has a newline, so
// the form for binary values is not needed, and an entry always fits into a datagram. The fields are
// conmon's: podman logs looks for them.
#include "joblet-shim/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define SOCKET_PATH "/run/systemd/journal/socket"
#define SHORT_ID    12

static int fd = -1;
static bool is_connected, says_partial;
static char fields[8192]; // those that every entry has
static size_t fields_len;
static struct partial {
	char text[CRI_CHUNK];
	size_t len;
} partials[2];

static bool add_field(const char *key, const char *value, size_t len)
{
	int n = snprintf(fields + fields_len, sizeof(fields) - fields_len, "%s%.*s\n", key, (int)len, value);
	fields_len += (size_t)n;
	return fields_len < sizeof(fields) && !memchr(value, '\n', len);
}

static void open_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};
	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	is_connected = fd >= 0 && connect(fd, (void *)&addr, sizeof(addr)) == 0;
}

int journal_open(const struct options *o, struct err *e)
{
	const char *name = o->log_tag ? o->log_tag : o->name ? o->name : o->cid;
	size_t short_id = strlen(o->cid) < SHORT_ID ? strlen(o->cid) : SHORT_ID;
	bool fits = add_field("CONTAINER_ID_FULL=", o->cid, strlen(o->cid)) &&
		    add_field("CONTAINER_ID=", o->cid, short_id) &&
		    add_field("SYSLOG_IDENTIFIER=", name, strlen(name));
	if (o->name)
		fits = fits && add_field("CONTAINER_NAME=", o->name, strlen(o->name));
	if (o->log_tag)
		fits = fits && add_field("CONTAINER_TAG=", o->log_tag, strlen(o->log_tag));
	for (unsigned i = 0; i < o->log_labels.count; i++)
		fits = fits && add_field("", o->log_labels.v[i], strlen(o->log_labels.v[i]));
	if (!fits)
		return err_set(e, -EINVAL,
			       "--log-path journald: name, tag and labels are too long, or have "
			       "a newline");
	says_partial = !o->no_partial_message;
	open_socket();
	return fd < 0 ? err_sys(e, -errno, "socket for the journal") : 0;
}

// 0 or the errno. A journald that was started again has another socket at the same path.
static int send_entry(enum cri_stream stream, const char *text, size_t len, bool is_partial)
{
	const struct partial *p = &partials[stream];
	static const char *const priorities[] = {"\nPRIORITY=6\n", "\nPRIORITY=3\n"};
	const struct iovec iov[] = {
	    {(void *)(uintptr_t) "MESSAGE=", 8},
	    {(void *)(uintptr_t)p->text, p->len},
	    {(void *)(uintptr_t)text, len},
	    {(void *)(uintptr_t)priorities[stream], 12},
	    {fields, fields_len},
	    {(void *)(uintptr_t) "CONTAINER_PARTIAL_MESSAGE=true\n", is_partial && says_partial ? 31 : 0},
	};
	const struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = ARRAY_LEN(iov)};
	for (int tries = 0;; tries++) {
		if (!is_connected)
			open_socket();
		if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			return EAGAIN;
		if (errno == EINTR)
			continue;
		is_connected = false;
		if (tries)
			return errno;
	}
}

size_t journal_put(enum cri_stream stream, const char *data, size_t len, int *why)
{
	struct partial *p = &partials[stream];
	size_t done = 0;
	while (done < len) {
		const char *nl = memchr(data + done, '\n', len - done);
		size_t n = nl ? (size_t)(nl - (data + done)) : len - done;
		bool is_partial = !nl;
		if (n > sizeof(p->text) - p->len) {
			n = sizeof(p->text) - p->len;
			is_partial = true;
		}
		if (is_partial && p->len + n < sizeof(p->text)) {
			memcpy(p->text + p->len, data + done, n);
			p->len += n;
			return len;
		}
		*why = send_entry(stream, data + done, n, is_partial);
		if (*why)
			return done;
		p->len = 0;
		done += n + !is_partial;
	}
	return done;
}

int journal_finish(void)
{
	int rc = 0;
	for (int s = CRI_STDOUT; s <= CRI_STDERR; s++) {
		int why = partials[s].len ? send_entry((enum cri_stream)s, "", 0, true) : 0;
		partials[s].len = 0;
		rc = why ? -why : rc;
	}
	return rc;
}
