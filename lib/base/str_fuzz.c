// SPDX-License-Identifier: Apache-2.0
// Fuzzes the readers of strings: no input may break them, and what a time reader accepts must come back from
// the writer.
#include <string.h>

#include "proc.h"
#include "str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *s = xstrndup((const char *)data, size);
	int64_t i;
	int64_t again;
	uint64_t u;
	int sig;
	char out[STR_TIME_MAX];

	if (str_to_i64(s, INT64_MIN, INT64_MAX, &i) == 0 && i < 0 && !strchr(s, '-'))
		abort();
	if (str_to_u64(s, 1000, &u) == 0 && u > 1000)
		abort();
	if (str_to_duration(s, &i) == 0 && (i < 0 || i > 10LL * 365 * 86400 * 1000000000))
		abort();
	if (str_parse_time(s, &i) == 0) {
		str_time_rfc3339(i, out);
		if (str_parse_time(out, &again) < 0 || again != i)
			abort();
	}
	(void)!str_to_bytes(s, &u);
	(void)!str_check_cpu_list(s, 1023);
	if (proc_signal_parse(s, &sig) == 0 && (sig < 1 || sig > 64))
		abort();
	str_is_utf8((const char *)data, size);
	cleanup_free char *stat = xstrdup(s);
	(void)!proc_stat_parse(stat, &u);
	if (str_is_name(s) && strlen(s) > 63)
		abort();
	return 0;
}
