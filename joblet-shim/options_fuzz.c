// SPDX-License-Identifier: Apache-2.0
// Fuzzes the command line: words that end with a newline each. What is accepted has what the shim cannot live
// without, and its numbers are in their ranges.
#include <string.h>

#include "joblet-shim/options.h"

#define WORDS_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct options *o)
{
	enum log_driver driver;
	const char *path;
	struct err e = {0};

	if (o->help || o->version)
		return;
	if (!o->cid || !o->runtime || !o->logs.count || o->logs.count > OPTIONS_LIST_MAX ||
	    o->timeout_s < 0 || o->exit_delay_s < 0 || o->log_size_max < -1)
		abort();
	for (unsigned i = 0; i < o->logs.count; i++)
		(void)!options_log(o->logs.v[i], &driver, &path, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	char *words[WORDS_MAX + 2] = {(char *)(uintptr_t) "joblet-shim"}, *save = text;
	static struct options o;
	struct err e = {0};
	int n = 1;

	for (char *w; n <= WORDS_MAX && (w = strsep(&save, "\n"));)
		words[n++] = w;
	words[n] = NULL;
	memset(&o, 0, sizeof(o));
	if (options_parse(&o, n, words, &e) == 0)
		check(&o);
	else if (!e.msg[0])
		abort();
	return 0;
}
