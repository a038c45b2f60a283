// SPDX-License-Identifier: Apache-2.0
// The text that goes with an error code. Needs libc only; takes no memory, so it also works in a child
// between fork and exec.
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "err.h"

void err_set_text(struct err *e, const char *fmt, ...)
{
	if (!e)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
}

#define CUT	"..."
#define CUT_LEN (sizeof(CUT) - 1)
#define END_LEN 200 // of a text that is too long, that much of its end stays: the reason is there

void err_sys_text(struct err *e, int rc, const char *fmt, ...)
{
	if (!e)
		return;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	// strerrordesc_np needs no locale and no memory; it is NULL for a number that is no errno.
	const char *desc = strerrordesc_np(-rc);
	char why[END_LEN];
	int len =
	    desc ? snprintf(why, sizeof(why), ": %s", desc) : snprintf(why, sizeof(why), ": error %d", rc);
	size_t used = (size_t)n, room = sizeof(e->msg) - 1 - (size_t)len;
	if (used > room) {
		used = room - CUT_LEN;
		memcpy(e->msg + used, CUT, CUT_LEN);
		used = room;
	}
	memcpy(e->msg + used, why, (size_t)len + 1);
}

// text into room bytes and a NUL; where it is too long its middle is left out.
static void put_cut(char *out, size_t room, const char *text)
{
	size_t n = strlen(text);
	if (n > room) {
		size_t head = room - CUT_LEN - END_LEN;
		memcpy(out, text, head);
		memcpy(out + head, CUT, CUT_LEN);
		out += head + CUT_LEN;
		text += n - END_LEN;
		n = END_LEN;
	}
	memcpy(out, text, n + 1);
}

void err_wrap_text(struct err *e, const char *fmt, ...)
{
	if (!e)
		return;
	struct err inner = *e;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	inner.msg[sizeof(inner.msg) - 1] = '\0';
	if (!inner.msg[0])
		return;
	struct err outer = *e;
	put_cut(e->msg, sizeof(e->msg) / 2, outer.msg);
	size_t used = strlen(e->msg);
	memcpy(e->msg + used, ": ", 2);
	used += 2;
	put_cut(e->msg + used, sizeof(e->msg) - 1 - used, inner.msg);
}
