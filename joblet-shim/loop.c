// SPDX-License-Identifier: Apache-2.0
// epoll(7). Only what every file of the shim needs of it.
#include "joblet-shim/loop.h"

#include <errno.h>
#include <sys/timerfd.h>

static int epoll_fd = -1;

int loop_init(struct err *e)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? err_sys(e, -errno, "epoll") : 0;
}

int loop_add(struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return -errno;
	s->events = events;
	s->is_added = true;
	return 0;
}

void loop_change(struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};
	if (s->is_added && s->events != events && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) == 0)
		s->events = events;
}

void loop_remove(struct source *s)
{
	if (s->is_added)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->is_added = false;
}

void loop_close(struct source *s)
{
	loop_remove(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

int loop_timer(struct source *s, int64_t ms)
{
	struct itimerspec t = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
	if (s->fd < 0) {
		s->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		int rc = s->fd < 0 ? -errno : loop_add(s, EPOLLIN);
		if (rc)
			return rc;
	}
	return timerfd_settime(s->fd, 0, &t, NULL) < 0 ? -errno : 0;
}

bool loop_timer_taken(struct source *s)
{
	uint64_t times;
	return read(s->fd, &times, sizeof(times)) == sizeof(times);
}

bool loop_turn(int idle_ms)
{
	struct epoll_event ev;
	int n = epoll_wait(epoll_fd, &ev, 1, idle_ms);
	if (n == 1) {
		struct source *s = ev.data.ptr;
		s->ready(s, ev.events);
	}
	return n != 0;
}
