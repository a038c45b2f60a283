// SPDX-License-Identifier: Apache-2.0
// Fuzzes the filter for terminals: whatever a job prints, what is left is UTF-8 without controls, and does
// not depend on where it was cut.
#include <string.h>

#include "lib/base/str.h"
#include "rnx/clean.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = {0};
	cleanup_buf struct buf parts = {0};
	struct clean a = {0};
	struct clean b = {0};

	if (clean_add(&a, data, size, &whole) < 0 || clean_end(&a, &whole) < 0)
		return 0;
	for (size_t i = 0; i < size; i++)
		if (clean_add(&b, data + i, 1, &parts) < 0)
			return 0;
	if (clean_end(&b, &parts) < 0)
		return 0;
	if (whole.len != parts.len || (whole.len && memcmp(whole.data, parts.data, whole.len) != 0))
		abort();
	for (size_t i = 0; i < whole.len; i++) {
		unsigned char c = (unsigned char)whole.data[i];
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			abort();
	}
	if (whole.len && !str_is_utf8(whole.data, whole.len))
		abort();
	return 0;
}
