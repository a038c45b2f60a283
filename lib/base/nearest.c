// SPDX-License-Identifier: Apache-2.0
// The word that was meant: for "unknown …, did you mean …".
#include <string.h>

#include "lib/base/str.h"

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

// How many letters must be changed, put in, left out or swapped (Damerau and Levenshtein). Long words are far
// from everything.
static size_t distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	size_t d[MAX + 1][MAX + 1];
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la > MAX || lb > MAX)
		return MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			size_t change = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			d[i][j] = smallest(d[i - 1][j] + 1, d[i][j - 1] + 1, change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = smallest(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
		}
	return d[la][lb];
}

const char *str_nearest(const char *word, const char *const *list)
{
	size_t len = strlen(word);
	size_t best = len < 5 ? 2 : len < 8 ? 3 : 4; // one more than may differ
	const char *found = NULL;

	for (size_t i = 0; list[i]; i++) {
		size_t d = distance(word, list[i]);
		if (d < best && d < strlen(list[i])) {
			best = d;
			found = list[i];
		}
	}
	for (size_t i = 0; !found && len >= 2 && list[i]; i++)
		if (str_starts(list[i], word) || (strlen(list[i]) > 3 && str_starts(word, list[i])))
			found = list[i];
	return found;
}
