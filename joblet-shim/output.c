// SPDX-License-Identifier: Apache-2.0
// Reads what the job prints; what a read brought goes on in the order of the reads. Nothing here waits for a
// reader: what a log or a client cannot take now stays in the buffer, and the job in its pipe. A pipe that is
// found full is made wider until the job is quiet again: fewer, larger reads are most of what can be saved.
#include "joblet-shim/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "joblet-shim/attach.h"
#include "joblet-shim/life.h"
#include "joblet-shim/logs.h"
#include "joblet-shim/loop.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

// More than any pipe holds: a stranger that keeps writing cannot keep us.
#define READS_MAX   4096
#define PIPE_NARROW (64 << 10) // the kernel's own size
#define PIPE_WIDE   (1 << 20)
#define IN_MAX	    (128 << 10)
#define SAID_MAX    4096

static void stream_ready(struct source *s, uint32_t events);

static struct stream {
	struct source source;
	enum cri_stream stream;
	bool is_wide;
} streams[2] = {{.source = {.fd = -1, .ready = stream_ready}}, {.source = {.fd = -1, .ready = stream_ready}}};

static char buffer[SAID_MAX + IN_MAX] __attribute__((aligned(4096)));
static char *const in = buffer + SAID_MAX; // what was read; there is room for said before it
static enum output_stderr stderr_whose;
static bool
    is_paused;	     // a log, or a client without one, cannot take more: what it was given stays where it is
static bool is_last; // the job has ended: a stream that has nothing more to read now is at its end
static bool is_held; // said is all that came, and has gone nowhere yet
static bool is_said_next;   // it is the job's, and goes on before anything else does
static char said[SAID_MAX]; // the end of what the runtime said
static size_t said_len;

int output_add_take(int fd, enum cri_stream stream)
{
	struct stream *st = streams[0].source.fd < 0 ? &streams[0] : &streams[1];
	st->source.fd = fd;
	st->stream = stream;
	int rc = file_set_nonblock(fd, true);
	return rc || is_paused ? rc : loop_add(&st->source, EPOLLIN);
}

static void pause_reading(void)
{
	is_paused = true;
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		loop_remove(&streams[i].source);
}

static void pass_on(enum cri_stream stream, const char *data, size_t len)
{
	struct logs_place from = logs_end();
	bool is_taken = logs_put(stream, data, len);
	if (!attach_put(stream, data, len, from) || !is_taken)
		pause_reading();
}

static void pass_said_on(void)
{
	if (is_paused || !is_said_next)
		return;
	is_said_next = false;
	pass_on(CRI_STDERR, said, said_len);
}

void output_stderr_is(enum output_stderr whose)
{
	is_said_next = is_held && said_len && whose == OUTPUT_OF_JOB;
	is_held = whose == OUTPUT_OF_BOTH;
	pass_said_on();
	stderr_whose = whose;
}

static void collect(const char *data, size_t len)
{
	if (len > sizeof(said) - 1) {
		data += len - (sizeof(said) - 1);
		len = sizeof(said) - 1;
	}
	if (said_len + len > sizeof(said) - 1) {
		size_t drop = said_len + len - (sizeof(said) - 1);
		memmove(said, said + drop, said_len - drop);
		said_len -= drop;
	}
	memcpy(said + said_len, data, len);
	said_len += len;
}

const char *output_collected(void)
{
	while (said_len && (said[said_len - 1] == '\n' || said[said_len - 1] == '\r'))
		said_len--;
	for (char *nul = said; (nul = memchr(nul, 0, said_len - (size_t)(nul - said)));)
		*nul = '?';
	said[said_len] = 0;
	return said;
}

static void take(struct stream *st, size_t len)
{
	if (st->stream == CRI_STDOUT || stderr_whose == OUTPUT_OF_JOB) {
		pass_on(st->stream, in, len);
		return;
	}
	size_t before = 0; // bytes in front of `in` that are part of it
	if (is_held && said_len + len >= sizeof(said)) {
		before = said_len;
		memcpy(in - before, said, before);
		is_held = false;
	}
	collect(in, len);
	if (stderr_whose == OUTPUT_OF_BOTH && !is_held)
		pass_on(CRI_STDERR, in - before, before + len);
}

bool output_is_ended(void)
{
	return streams[0].source.fd < 0 && streams[1].source.fd < 0 && !is_said_next;
}

// True: there may be more. A terminal says EIO when its last user has closed it.
static bool read_once(struct stream *st)
{
	if (is_paused)
		return false;
	ssize_t n = read(st->source.fd, in, IN_MAX);
	if (n > 0) {
		if (n >= PIPE_NARROW && !st->is_wide) {
			(void)fcntl(st->source.fd, F_SETPIPE_SZ, PIPE_WIDE); // a terminal has none
			st->is_wide = true;
		}
		take(st, (size_t)n);
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN && !is_last)
		return false;
	if (n < 0 && errno != EIO && errno != EAGAIN)
		log_error("reading the job's output: %s", strerror(errno));
	loop_close(&st->source);
	return false;
}

static void stream_ready(struct source *s, uint32_t events)
{
	(void)events;
	read_once(container_of(s, struct stream, source));
	if (output_is_ended())
		life_event(LIFE_OUTPUT_ENDED);
}

void output_poll(void)
{
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		for (int reads = 0; reads < READS_MAX && streams[i].source.fd >= 0; reads++)
			if (!read_once(&streams[i]))
				break;
}

void output_last(void)
{
	is_last = true;
	logs_give_up();
	if (!logs_is_held() && !attach_is_held())
		is_paused = false;
	pass_said_on();
	output_poll();
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		if (!is_paused) // a stranger that keeps writing
			loop_close(&streams[i].source);
}

void output_resume(void)
{
	if (logs_is_held() || attach_is_held())
		return;
	is_paused = false;
	pass_said_on();
	for (size_t i = 0; i < ARRAY_LEN(streams) && !is_paused; i++) {
		struct source *s = &streams[i].source;
		if (s->fd >= 0 && !s->is_added && loop_add(s, EPOLLIN) < 0)
			loop_close(s);
	}
	if (is_last)
		output_last();
	if (output_is_ended())
		life_event(LIFE_OUTPUT_ENDED);
}

void output_rest(void)
{
	if (is_paused)
		return; // it is not empty
	madvise(buffer, sizeof(buffer), MADV_DONTNEED);
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		if (streams[i].source.fd >= 0 && streams[i].is_wide) {
			(void)fcntl(streams[i].source.fd, F_SETPIPE_SZ, PIPE_NARROW);
			streams[i].is_wide = false;
		}
}
