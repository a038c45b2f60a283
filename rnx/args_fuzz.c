// SPDX-License-Identifier: Apache-2.0
// Fuzzes the command line with the flags of each command: words that end with a newline each; the first byte
// chooses the command. What is accepted can be freed, and each word comes from the line.
#include <string.h>

#include "lib/base/str.h"
#include "rnx/rnx.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_free char **words = NULL;
	char *argv[WORDS_MAX + 1] = {NULL}, *save = text + 1;
	struct args_error e = {.hint = ""};
	struct rnx r = {.json = false};
	size_t count = 0, n = 0;

	if (!*text)
		return 0;
	while (commands[count])
		count++;
	const struct command *c = commands[(unsigned char)text[0] % count];
	for (char *w; n < WORDS_MAX && (w = strsep(&save, "\n"));)
		argv[n++] = w;
	cleanup_free void *options = xcalloc(1, c->options_size + 1);
	struct flag_group groups[] = {{c->flags, c->flag_count, options},
				      {global_flags, global_flag_count, &r}};
	int rc = args_parse(groups, ARRAY_LEN(groups), c->order, argv, &words, &e);
	if (rc ? words || !e.what.msg[0] : !words)
		abort();
	for (size_t i = 0; rc == 0 && words[i]; i++)
		if (i >= n || words[i] < text || words[i] > text + size)
			abort();
	args_free(&groups[0]);
	return 0;
}
