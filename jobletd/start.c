// SPDX-License-Identifier: Apache-2.0
// Lets the program of a created container run: over its start socket, where the runtime has made one
// (specs/runtime.md); else by the runtime's `start`, which takes a process.
#include "jobletd/start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/str.h"

#define SAID_MAX 1024

enum {
#define START_PACKET(name, number, what) PACKET_##name = (number),
#include "specs/start.def"
#undef START_PACKET
};

struct packet {
	int32_t type, number;
	char text[SAID_MAX];
};

#define HEADER_SIZE offsetof(struct packet, text)

struct start_wait {
	sd_event_source *answer, *bound;
	int fd;
	struct command *command; // instead of the socket
	command_done_fn *fn;
	void *userdata;
};

static void wait_free(struct start_wait *w)
{
	sd_event_source_disable_unref(w->answer);
	sd_event_source_disable_unref(w->bound);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static void finish(struct start_wait *w, int status, const char *said)
{
	command_done_fn *fn = w->fn;
	void *userdata = w->userdata;

	wait_free(w);
	fn(userdata, status, said);
}

int start_answer(const void *packet, size_t len, char **said)
{
	struct packet p = {0};

	*said = NULL;
	if (len == 0)
		return 0;
	memcpy(&p, packet, len < sizeof(p) - 1 ? len : sizeof(p) - 1);
	*said = len < HEADER_SIZE || p.type != PACKET_ERROR
		    ? xstrdup("the start socket said what is no answer")
		    : xstrdup(p.text);
	return 1;
}

static int on_answer(sd_event_source *source attr_unused, int fd, uint32_t events attr_unused, void *userdata)
{
	struct packet p;

	ssize_t n = recv(fd, &p, sizeof(p), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	cleanup_free char *said = NULL;
	// An end without a word is what a program that runs and one that was killed have in common; how the
	// latter ended is heard from its shim.
	int status = start_answer(&p, n < 0 ? 0 : (size_t)n, &said);
	finish(userdata, status, said ? said : "");
	return 0;
}

static int on_started_before(sd_event_source *source attr_unused, void *userdata)
{
	finish(userdata, 0, "");
	return 0;
}

static int on_bound(sd_event_source *source attr_unused, uint64_t now attr_unused, void *userdata)
{
	finish(userdata, -ETIMEDOUT, "");
	return 0;
}

static void on_command(void *userdata, int status, const char *said)
{
	finish(userdata, status, said);
}

static int connect_to(const struct start *what)
{
	const struct packet start = {.type = PACKET_START};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup_free char *path = xasprintf("%s/%s", what->root, what->id);
	cleanup_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	// A path of a socket has 108 bytes; through the descriptor any directory will do.
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/start", dir);
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	if (send(fd, &start, HEADER_SIZE, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return -errno;
	return take_fd(fd);
}

static int add_sources(sd_event *loop, struct start_wait *w, int found)
{
	int rc;

	// Nobody listens there any more: a daemon before us has let it run, and its end comes as every end
	// does.
	if (found == -ECONNREFUSED)
		return sd_event_add_defer(loop, &w->answer, on_started_before, w);
	rc = sd_event_add_io(loop, &w->answer, w->fd, EPOLLIN, on_answer, w);
	return rc < 0 ? rc
		      : sd_event_add_time_relative(loop, &w->bound, CLOCK_MONOTONIC, COMMAND_TIMEOUT_US, 0,
						   on_bound, w);
}

int start_container(sd_event *loop, const struct start *what, command_done_fn *fn, void *userdata,
		    struct start_wait **out, struct err *e)
{
	const char *argv[] = {what->runtime, "--root", what->root, "start", what->id, NULL};
	struct start_wait *w = xcalloc(1, sizeof(*w));
	int found = connect_to(what);

	w->fn = fn;
	w->userdata = userdata;
	w->fd = found < 0 ? -1 : found;
	int rc = found < 0 && found != -ECONNREFUSED
		     ? command_start(loop, argv, on_command, w, &w->command, e)
		     : add_sources(loop, w, found);
	if (rc < 0) {
		wait_free(w);
		return e->msg[0] ? rc : err_sys(e, rc, "event loop");
	}
	*out = w;
	return 0;
}

void start_forget(struct start_wait *w, struct reaper *r)
{
	if (!w)
		return;
	command_forget(w->command, r);
	wait_free(w);
}
