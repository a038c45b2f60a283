// SPDX-License-Identifier: Apache-2.0
// Fuzzes what the shim leaves for the daemon: its answer at the start, and the exit file, the exit
// record.
#include <string.h>

#include "jobletd/shim.h"
#include "lib/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_free char *message = NULL;
	size_t len = strlen(text);
	struct err e = {0};
	int64_t pid;
	int code;

	if (shim_answer_parse(text, len, &pid, &message, &e) == 0) {
		if (!message || pid > INT32_MAX || pid < -1000000)
			abort();
	} else if (message || !e.msg[0]) {
		abort();
	}
	struct shim_record record;
	if (shim_record_parse(text, len, &record, &e) == 0) {
		if (!record.usage.is_known || record.usage.memory_peak < -1 ||
		    record.usage.lines_dropped < 0 || record.code < -1 || record.code > 255)
			abort();
	} else if (record.usage.is_known || record.oom_killed) {
		abort();
	}
	if (shim_exit_parse(text, len, &code) == 0 && (code < -1 || code > 255))
		abort();
	return 0;
}
