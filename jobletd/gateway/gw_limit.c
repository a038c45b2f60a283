// SPDX-License-Identifier: Apache-2.0
// Rates. A bucket is one number: the time at which it will be full again.
#include "jobletd/gateway/gw.h"

bool gw_bucket_take(struct gw_bucket *b, int64_t now_ns, unsigned burst, unsigned per_second)
{
	int64_t cost = INT64_C(1000000000) / per_second;

	if (b->full_at_ns < now_ns)
		b->full_at_ns = now_ns;
	if (b->full_at_ns - now_ns > cost * (burst - 1))
		return false;
	b->full_at_ns += cost;
	return true;
}

void gw_bucket_credit(struct gw_bucket *b, unsigned events, unsigned per_second)
{
	b->full_at_ns -= INT64_C(1000000000) / per_second * events;
	if (b->full_at_ns < 0)
		b->full_at_ns = 0;
}
