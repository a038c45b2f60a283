// SPDX-License-Identifier: Apache-2.0
// Fuzzes the gateway's configuration, which comes from the core as JSON: what is accepted is complete and
// within bounds.
#include "jobletd/gateway/gw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct gw_config c = {0};
	struct err e = {0};

	if (gw_config_parse(text, strlen(text), &c, &e) == 0) {
		const struct gw_limits *l = &c.limits;
		if (!c.cert || !c.key || !c.ca || c.uid < 1 || c.gid < 1 || l->max_message < 1 ||
		    l->max_streams < 1 || l->max_conns < 1 || l->handshake_ns < 1 || l->idle_ns < 1)
			abort();
	}
	gw_config_free(&c);
	return 0;
}
