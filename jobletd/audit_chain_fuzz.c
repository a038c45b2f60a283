// SPDX-License-Identifier: Apache-2.0
// Fuzzes what the verifier does with the lines of an audit log: whatever they are, none that was not written
// is taken.
#include <string.h>

#include "jobletd/audit_chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_chain chain = {0}, claimed;
	struct audit_line line;
	struct err e = {0};
	const char *text = (const char *)data;
	size_t len;

	for (const char *end; size && (end = memchr(text, '\n', size));
	     size -= (size_t)(end - text) + 1, text = end + 1) {
		len = (size_t)(end - text);
		// A copy of its own size, so that a read past its end is seen.
		cleanup_free char *copy = xmalloc(len + 1);
		memcpy(copy, text, len);
		copy[len] = '\n';
		uint64_t before = chain.seq;
		if (audit_chain_check(&chain, copy, len, &line, &e) == 0 && chain.seq != before + 1)
			abort();
		if (audit_chain_resume(&claimed, copy, len, &line, &e) == 0 && line.seq != claimed.seq)
			abort();
	}
	return 0;
}
