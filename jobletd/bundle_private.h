// SPDX-License-Identifier: Apache-2.0
// Between bundle.c (the folder), bundle_config.c (config.json) and bundle_seccomp.c (its filter).
#pragma once

#include "jobletd/bundle.h"

struct bundle_maker {
	const struct config *cfg;
	unsigned disk_major, disk_minor; // 0: cannot be throttled
	struct buf seccomp;		 // the value of linux.seccomp, as text
};

// The host's number of id 0 (which 0) or 65534 (which 1) of the job in this slot.
static inline uid_t bundle_host_id(const struct bundle_maker *m, int slot, unsigned which)
{
	return m->cfg->process.uid_base + 2 * (unsigned)slot + which;
}

int bundle_seccomp(struct buf *out, struct err *e) attr_must_check;
