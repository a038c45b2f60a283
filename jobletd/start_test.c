// SPDX-License-Identifier: Apache-2.0
// What may come on a start socket: the end, an error, and what is neither.
#include "jobletd/start.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

static void row(const char *name, const void *packet, size_t len, int want, const char *want_said)
{
	cleanup_free char *said = NULL;
	int rc = start_answer(packet, len, &said);
	test_ok(rc == want && (want_said ? said && str_eq(said, want_said) : !said), "%s", name);
}

int main(void)
{
	static const struct {
		int32_t type, number;
		char text[2000];
	} error = {8, -8, "exec \"x\": Exec format error"}, start = {6, 0, ""};
	static struct {
		int32_t type, number;
		char text[2000];
	} whole = {8, -2, ""};
	static char cut[1024];

	test_begin();
	row("the end", "", 0, 0, NULL);
	row("an error", &error, sizeof(error), 1, error.text);
	row("an error whose text is not ended", &error, 12, 1, "exec");
	row("an error without a text", &error, 8, 1, "");
	row("another type", &start, 8, 1, "the start socket said what is no answer");
	row("a packet that is cut off", &error, 7, 1, "the start socket said what is no answer");
	memset(whole.text, 'x', sizeof(whole.text));
	memset(cut, 'x', sizeof(cut) - 1);
	row("a text that is too long", &whole, sizeof(whole), 1, cut);
	return test_end();
}
