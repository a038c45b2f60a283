// SPDX-License-Identifier: Apache-2.0
// Fuzzes the command line: words that end with a newline each, an empty one too. What is not an option comes
// out in its order.
#include <string.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/state.h"
#include "lib/base/str.h"

#define WORDS_MAX 32
#define REST_MAX  2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct command command = {.name = "fuzz", .usage = "", .help = ""};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	const char *bundle = NULL, *detach = NULL, *format = "text", *rest[REST_MAX + 1];
	char **list = NULL;
	const struct option_def options[] = {
	    {"bundle", 'b', true, &bundle, "", NULL},
	    {"detach", 'd', false, &detach, "", NULL},
	    {"format", 0, true, &format, "", NULL},
	    {"env", 'e', true, NULL, "", &list},
	};
	char *words[WORDS_MAX + 1], *save = text;
	int n = 0, n_rest = 0;
	struct err e = {0};

	for (char *w; n < WORDS_MAX && (w = strsep(&save, "\n"));)
		words[n++] = w;
	words[n] = NULL;
	int used = args_parse_global(options, ARRAY_LEN(options), words, n, &e);
	strv_free(list);
	list = NULL;
	if (used > n)
		abort();
	for (int i = 0; i < n; i++)
		if (str_eq(words[i], "-h") || str_eq(words[i], "--help"))
			return 0; // it would be printed
	if (args_parse(&command, options, ARRAY_LEN(options), words, n, rest, REST_MAX, &n_rest, &e) == 0) {
		if (n_rest > REST_MAX || rest[n_rest])
			abort();
		for (int i = 0; i < n_rest; i++)
			if (state_check_id(rest[i], &e) == 0 && strchr(rest[i], '/'))
				abort();
	} else if (!e.msg[0]) {
		abort();
	}
	strv_free(list);
	return 0;
}
