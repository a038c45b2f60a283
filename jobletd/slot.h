// SPDX-License-Identifier: Apache-2.0
// Slots of user ids: slot n gives a job the host ids uid_base + 2n (its root, inside) and uid_base + 2n + 1
// (its nobody, inside). A slot that was freed comes last again, so that what an ended job left anywhere
// belongs to nobody for as long as possible.
#pragma once

#include <sys/types.h>

#include "lib/base/base.h"

struct slots;

struct slots *slots_new(unsigned count) attr_must_check;
void slots_free(struct slots *s);
int slots_take(struct slots *s) attr_must_check; // a free slot, or -EAGAIN
int slots_claim(struct slots *s,
		int slot); // one that a job has from before; -EBUSY when it is taken, -ERANGE
unsigned slots_left(const struct slots *s);
void slots_release(struct slots *s, int slot); // -1 is none
