// SPDX-License-Identifier: Apache-2.0
// Builds CRI log lines. The hot path of the shim: one memchr and two memcpy a line. No system call, no libc
// time function (those may allocate and read files).
#include "joblet-shim/cri.h"

#include <string.h>

static void put_digits(char *out, unsigned n, int64_t v)
{
	while (n--) {
		out[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

// Days since 1970-01-01 to a date of the Gregorian calendar, by eras of 400 years that begin on March 1st.
static void put_date(char *out, int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	put_digits(out, 4, yoe + era * 400 + (month <= 2));
	put_digits(out + 5, 2, month);
	put_digits(out + 8, 2, doy - (153 * mp + 2) / 5 + 1);
}

void cri_stamp(struct cri_stamp *s, int64_t ns, enum cri_stream stream)
{
	int64_t second = ns / 1000000000;
	if (second != s->second || !s->text[0]) {
		memcpy(s->text, "0000-00-00T00:00:00.000000000+00:00 stdxxx ", 43);
		put_date(s->text, second / 86400);
		put_digits(s->text + 11, 2, second % 86400 / 3600);
		put_digits(s->text + 14, 2, second % 3600 / 60);
		put_digits(s->text + 17, 2, second % 60);
		s->second = second;
	}
	put_digits(s->text + 20, 9, ns % 1000000000);
	memcpy(s->text + 39, stream == CRI_STDERR ? "err" : "out", 3);
}

size_t cri_build(const struct cri_stamp *s, const char *in, size_t len, char *out, size_t size, size_t *taken)
{
	size_t at = 0, done = 0;
	while (done < len) {
		size_t left = len - done;
		size_t chunk = left < CRI_CHUNK ? left : CRI_CHUNK;
		// A newline right behind a full chunk still makes it a full line.
		const char *nl = memchr(in + done, '\n', left < CRI_CHUNK + 1 ? left : CRI_CHUNK + 1);
		size_t payload = nl ? (size_t)(nl - (in + done)) : chunk;
		if (payload + CRI_OVERHEAD > size - at)
			break;
		memcpy(out + at, s->text, 43);
		out[at + 43] = nl ? 'F' : 'P';
		out[at + 44] = ' ';
		memcpy(out + at + 45, in + done, payload);
		at += payload + CRI_OVERHEAD;
		out[at - 1] = '\n';
		done += payload + !!nl;
	}
	*taken = done;
	return at;
}

size_t cri_payload(const char *lines, size_t len)
{
	struct cri_line l;
	size_t total = 0;
	ssize_t n;
	for (; len && (n = cri_parse(lines, len, &l)) > 0; lines += n, len -= (size_t)n)
		total += l.len + l.is_full;
	return total;
}

ssize_t cri_parse(const char *text, size_t len, struct cri_line *line)
{
	const char *nl = memchr(text, '\n', len < CRI_CHUNK + CRI_OVERHEAD ? len : CRI_CHUNK + CRI_OVERHEAD);
	if (!nl)
		return len < CRI_CHUNK + CRI_OVERHEAD ? 0 : -1;
	if (nl - text < CRI_OVERHEAD - 1 || text[42] != ' ' || (text[43] != 'F' && text[43] != 'P') ||
	    text[44] != ' ')
		return -1;
	*line = (struct cri_line){
	    .stream = text[39] == 'e' ? CRI_STDERR : CRI_STDOUT,
	    .is_full = text[43] == 'F',
	    .payload = text + 45,
	    .len = (size_t)(nl - text) - 45,
	};
	return nl - text + 1;
}
