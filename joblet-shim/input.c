// SPDX-License-Identifier: Apache-2.0
// Writes the job's stdin without ever waiting for it.
#include "joblet-shim/input.h"

#include <errno.h>
#include <sys/mman.h>

#include "joblet-shim/attach.h"
#include "joblet-shim/loop.h"
#include "lib/base/file.h"

static void input_ready(struct source *s, uint32_t events);

static struct source job = {.fd = -1, .ready = input_ready};
static bool is_tty, is_end_wanted;
static char buffer[INPUT_PACKET_MAX] __attribute__((aligned(4096)));
static size_t begin, end;

int input_open_take(int fd, bool is_terminal)
{
	job.fd = fd;
	is_tty = is_terminal;
	return file_set_nonblock(fd, true);
}

char *input_buffer(void)
{
	return buffer;
}

bool input_is_ready(void)
{
	return begin == end;
}

static void let_go(void)
{
	begin = end = 0;
	madvise(buffer, sizeof(buffer), MADV_DONTNEED);
}

// Writes what it can; watches for room only while there is something left.
static void flush(void)
{
	while (job.fd >= 0 && begin < end) {
		ssize_t n = write(job.fd, buffer + begin, end - begin);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!job.is_added && loop_add(&job, EPOLLOUT) < 0)
				loop_close(&job);
			return;
		}
		if (n < 0) { // nobody reads any more: what clients still send is thrown away
			loop_close(&job);
			break;
		}
		begin += (size_t)n;
	}
	loop_remove(&job);
	if (end > 4096)
		let_go();
	begin = end = 0;
	if (is_end_wanted)
		loop_close(&job);
}

void input_put(size_t len)
{
	begin = 0;
	end = len;
	flush();
}

static void input_ready(struct source *s, uint32_t events)
{
	(void)s, (void)events;
	flush();
	if (input_is_ready())
		attach_resume();
}

void input_end(void)
{
	is_end_wanted = !is_tty;
	if (input_is_ready() && is_end_wanted)
		loop_close(&job);
}

void input_close(void)
{
	loop_close(&job);
	begin = end = 0;
}
