// SPDX-License-Identifier: Apache-2.0
// The CRI log format, a line at a time (kubernetes, "CRI log format"). Pure: the bytes come from
// log_reader.c, written by the shim, and the text behind the tag is the job's own.
#include <errno.h>
#include <string.h>

#include "jobletd/log_line.h"

#define TIME_MAX 40

// The word at p is w and a space follows.
static bool is_word(const char *p, const char *end, const char *w, size_t len)
{
	return (size_t)(end - p) > len && p[len] == ' ' && memcmp(p, w, len) == 0;
}

int log_line_parse(const char *line, size_t len, struct log_line *out)
{
	const char *end = line + len;
	const char *p = memchr(line, ' ', len < TIME_MAX ? len : TIME_MAX);

	if (!p || p == line)
		return -EBADMSG;
	out->time = line;
	out->time_len = (size_t)(p - line);
	p++;
	if (is_word(p, end, "stdout", 6))
		out->stream = LOG_STDOUT;
	else if (is_word(p, end, "stderr", 6))
		out->stream = LOG_STDERR;
	else
		return -EBADMSG;
	p += 7;
	if (p == end || (*p != 'F' && *p != 'P'))
		return -EBADMSG;
	out->partial = *p++ == 'P';
	if (p < end && *p++ != ' ') // an empty line may come without the space
		return -EBADMSG;
	out->text = p;
	out->len = (size_t)(end - p);
	return 0;
}

// n digits at *p as a number; -1 when they are not.
static int digits(const char **p, const char *end, int n)
{
	int v = 0;
	if (end - *p < n)
		return -1;
	for (int i = 0; i < n; i++) {
		int d = (*p)[i] - '0';
		if (d < 0 || d > 9)
			return -1;
		v = v * 10 + d;
	}
	*p += n;
	return v;
}

static bool eat(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

// Days from 1970-01-01 to a date of the Gregorian calendar (years count from March, so that the leap day
// comes last).
static int64_t days(int y, int m, int d)
{
	y -= m <= 2;
	int64_t era = y / 400;
	int64_t yoe = y - era * 400, mp = (m + 9) % 12;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5 + d - 1 - 719468;
}

// `Z` or `+hh:mm`, in seconds east.
static int zone(const char **p, const char *end, int64_t *seconds)
{
	*seconds = 0;
	if (eat(p, end, 'Z'))
		return *p == end ? 0 : -EBADMSG;
	int sign = eat(p, end, '+') ? 1 : eat(p, end, '-') ? -1 : 0;
	int h = digits(p, end, 2);
	bool colon = eat(p, end, ':');
	int m = digits(p, end, 2);
	if (!sign || h < 0 || h > 23 || !colon || m < 0 || m > 59 || *p != end)
		return -EBADMSG;
	*seconds = sign * (h * 3600 + m * 60);
	return 0;
}

static int64_t fraction(const char **p, const char *end)
{
	int64_t ns = 0, unit = 100000000;
	if (!eat(p, end, '.'))
		return 0;
	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
		ns += (**p - '0') * unit;
	return ns;
}

int log_line_time(const struct log_line *l, int64_t *ns)
{
	const char *p = l->time, *end = p + l->time_len;
	int64_t east;
	int y = digits(&p, end, 4);
	bool ok = eat(&p, end, '-');
	int mo = digits(&p, end, 2);
	ok = eat(&p, end, '-') && ok;
	int d = digits(&p, end, 2);
	ok = eat(&p, end, 'T') && ok;
	int h = digits(&p, end, 2);
	ok = eat(&p, end, ':') && ok;
	int mi = digits(&p, end, 2);
	ok = eat(&p, end, ':') && ok;
	int s = digits(&p, end, 2);
	if (!ok || y < 1970 || y > 2261 || mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 23 ||
	    mi < 0 || mi > 59 || s < 0 || s > 60)
		return -EBADMSG;
	int64_t frac = fraction(&p, end);
	if (zone(&p, end, &east))
		return -EBADMSG;
	*ns = (days(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - east) * 1000000000 + frac;
	return 0;
}
