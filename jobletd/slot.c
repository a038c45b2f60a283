// SPDX-License-Identifier: Apache-2.0
// Slots of user ids, as a bitmap that is searched in a circle. The store knows which job has which; this is
// the memory of one daemon.
#include <errno.h>

#include "jobletd/slot.h"

struct slots {
	unsigned count;
	unsigned next;
	unsigned used;
	bool taken[];
};

struct slots *slots_new(unsigned count)
{
	struct slots *s = xcalloc(1, sizeof(*s) + count * sizeof(bool));

	s->count = count;
	return s;
}

void slots_free(struct slots *s)
{
	free(s);
}

int slots_take(struct slots *s)
{
	if (s->used == s->count)
		return -EAGAIN;
	while (s->taken[s->next])
		s->next = (s->next + 1) % s->count;
	int slot = (int)s->next;
	s->taken[slot] = true;
	s->used++;
	s->next = (s->next + 1) % s->count;
	return slot;
}

int slots_claim(struct slots *s, int slot)
{
	if (slot < 0 || (unsigned)slot >= s->count)
		return -ERANGE;
	if (s->taken[slot])
		return -EBUSY;
	s->taken[slot] = true;
	s->used++;
	if (s->next == (unsigned)slot)
		s->next = (s->next + 1) % s->count;
	return 0;
}

unsigned slots_left(const struct slots *s)
{
	return s->count - s->used;
}

void slots_release(struct slots *s, int slot)
{
	if (slot < 0 || (unsigned)slot >= s->count || !s->taken[slot])
		return;
	s->taken[slot] = false;
	s->used--;
}
