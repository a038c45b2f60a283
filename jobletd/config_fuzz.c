// SPDX-License-Identifier: Apache-2.0
// Fuzzes joblet-config.yml: what is accepted is within the bounds that everybody relies on, and what is
// refused has a place.
#include <string.h>

#include "jobletd/config.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct config *c)
{
	if (!c->server.address[0] || c->server.port > 65535 || !str_is_name(c->server.instance) ||
	    c->joblet.max_concurrent_jobs < 1 || c->joblet.timeout_ns < 0 || c->joblet.pids_limit < 1 ||
	    !c->security.cert || !c->security.key || !c->security.ca || c->process.uid_base < 65536 ||
	    c->process.uid_base + 2 * (uint64_t)c->process.id_slots > INT32_MAX ||
	    c->cgroup.base_dir[0] == '/' || strstr(c->cgroup.base_dir, "..") ||
	    c->grpc.max_recv_msg_size < 1 || c->grpc.idle_timeout_ns < 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct config *c = xcalloc(1, sizeof(*c));
	struct err e = {0};

	c->file = xstrdup("f.yml");
	int rc = config_read(c, text, strlen(text), &e);
	if (rc == 0)
		check(c);
	else if (!str_starts(e.msg, "f.yml:"))
		abort();
	config_free(c);
	return 0;
}
