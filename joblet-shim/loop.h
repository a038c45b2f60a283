// SPDX-License-Identifier: Apache-2.0
// The one epoll loop. A source lives inside of what owns it; one event is handled a turn, so a handler may
// close any source.
#pragma once

#include <sys/epoll.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

struct source {
	int fd; // owned once added; -1 when closed
	void (*ready)(struct source *s, uint32_t events);
	uint32_t events;
	bool is_added;
};

int loop_init(struct err *e) attr_must_check;

// Watches s->fd, level-triggered. EPOLLHUP and EPOLLERR come unasked.
int loop_add(struct source *s, uint32_t events) attr_must_check;
// Other events, no system call when they are the same already.
void loop_change(struct source *s, uint32_t events);
// Stops watching; the descriptor stays open. Nothing happens to one that is not watched.
void loop_remove(struct source *s);
void loop_close(struct source *s); // stops watching and closes

// A one-shot timer, made when it is first set. -errno.
int loop_timer(struct source *s, int64_t ms) attr_must_check;
bool loop_timer_taken(struct source *s); // its time has come

// Waits for one event and handles it. idle_ms -1 waits for ever; else false comes back when nothing happened
// for so long.
bool loop_turn(int idle_ms);
