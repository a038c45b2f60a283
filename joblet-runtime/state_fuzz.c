// SPDX-License-Identifier: Apache-2.0
// Fuzzes the state file, with the hooks in it: what is accepted can be printed, and what is printed is JSON.
#include <string.h>

#include "joblet-runtime/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct state *st)
{
	cleanup_buf struct buf out = {0};
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root;
	struct err e = {0};

	if (state_print(st, STATE_RUNNING, false, &out) ||
	    json_parse(out.data, out.len, out.len, &doc, &root, &e))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state st = {.id = "fuzz", .dirfd = -1};
	struct err e = {0};

	if (state_parse((const char *)data, size, &st, &e) == 0) {
		struct spec *s = xcalloc(1, sizeof(*s));
		if (st.pid < 0)
			abort();
		print(&st);
		(void)!spec_read_hooks(s, st.root, &e);
		spec_free(s);
	}
	state_close(&st);
	return 0;
}
