// SPDX-License-Identifier: Apache-2.0
// Strings from outside: strict numbers, names and lists. Pure: no system call, no locale.
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "str.h"

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Reads the digits at *s and moves *s behind them. -EINVAL without a digit, -ERANGE past uint64 (the digits
// are passed over then too).
static int take_digits(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t v = 0;
	int rc = 0;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++) {
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			rc = -ERANGE;
	}
	*s = p;
	*out = v;
	return rc;
}

int str_to_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!s)
		return -EINVAL;
	int rc = take_digits(&s, &v);
	if (rc == -EINVAL || *s)
		return -EINVAL;
	if (rc < 0 || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = s && *s == '-';
	uint64_t magnitude = 0;
	int64_t v;

	int rc = str_to_u64(negative ? s + 1 : s, (uint64_t)INT64_MAX + negative, &magnitude);
	if (rc < 0)
		return rc;
	if (negative)
		v = magnitude ? -(int64_t)(magnitude - 1) - 1 : 0;
	else
		v = (int64_t)magnitude;
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int str_to_bytes(const char *s, uint64_t *out)
{
	static const char units[] = "kmgtp";
	unsigned shift = 0;
	uint64_t v = 0;

	if (!s)
		return -EINVAL;
	int rc = take_digits(&s, &v);
	if (rc == -EINVAL)
		return rc;
	const char *unit = *s && is_alpha(*s) ? strchr(units, *s | 0x20) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		s++;
		if (strcasecmp(s, "") != 0 && strcasecmp(s, "b") != 0 && strcasecmp(s, "ib") != 0)
			return -EINVAL;
	} else if (*s && strcasecmp(s, "b") != 0) {
		return -EINVAL;
	}
	if (rc < 0 || v > UINT64_MAX >> shift)
		return -ERANGE;
	*out = v << shift;
	return 0;
}

static const struct duration_unit {
	const char *name;
	int64_t ns;
} duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"sec", 1000000000},
    {"second", 1000000000},
    {"seconds", 1000000000},
    {"m", 60LL * 1000000000},
    {"min", 60LL * 1000000000},
    {"minute", 60LL * 1000000000},
    {"minutes", 60LL * 1000000000},
    {"h", 3600LL * 1000000000},
    {"hour", 3600LL * 1000000000},
    {"hours", 3600LL * 1000000000},
    {"d", 86400LL * 1000000000},
    {"day", 86400LL * 1000000000},
    {"days", 86400LL * 1000000000},
};

#define DURATION_MAX (10LL * 365 * 86400 * 1000000000)

static int64_t duration_unit(const char **s)
{
	size_t n = 0;

	while (is_alpha((*s)[n]))
		n++;
	for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
		const struct duration_unit *u = &duration_units[i];
		if (strlen(u->name) == n && strncasecmp(*s, u->name, n) == 0) {
			*s += n;
			return u->ns;
		}
	}
	return -EINVAL;
}

int str_to_duration(const char *s, int64_t *ns)
{
	uint64_t total = 0;
	int64_t last_unit = INT64_MAX;
	bool too_much = false;

	if (!s || !*s)
		return -EINVAL;
	for (bool first = true; *s; first = false) {
		uint64_t v = 0;
		int64_t unit = 1000000000;
		int rc = take_digits(&s, &v);
		if (rc == -EINVAL)
			return rc;
		// Only a number that stands alone may do without its unit: in 2h30 it could be anything.
		if (*s || !first)
			unit = duration_unit(&s);
		// From large to small and each once: 30m2h is more likely a slip than a wish.
		if (unit < 0 || unit >= last_unit)
			return -EINVAL;
		last_unit = unit;
		if (rc < 0 || __builtin_mul_overflow(v, (uint64_t)unit, &v) ||
		    __builtin_add_overflow(total, v, &total))
			too_much = true;
	}
	if (too_much || total > DURATION_MAX)
		return -ERANGE;
	*ns = (int64_t)total;
	return 0;
}

int str_check_cpu_list(const char *s, unsigned max)
{
	bool too_high = false;

	if (!s)
		return -EINVAL;
	for (;;) {
		uint64_t from = 0;
		int rc = take_digits(&s, &from);
		if (rc == -EINVAL)
			return rc;
		uint64_t to = from;
		too_high |= rc < 0;
		if (*s == '-') {
			s++;
			rc = take_digits(&s, &to);
			if (rc == -EINVAL)
				return rc;
			too_high |= rc < 0;
			if (!too_high && to < from)
				return -EINVAL;
		}
		too_high |= from > max || to > max;
		if (!*s)
			return too_high ? -ERANGE : 0;
		if (*s++ != ',')
			return -EINVAL;
	}
}

static bool is_identifier(const char *s, size_t max, bool dash)
{
	if (!s || (!is_alpha(*s) && *s != '_'))
		return false;
	size_t n = 0;
	for (; s[n]; n++) {
		if (!is_alpha(s[n]) && !is_digit(s[n]) && s[n] != '_' && !(dash && s[n] == '-'))
			return false;
		if (n >= max)
			return false;
	}
	return n <= max;
}

bool str_is_name(const char *s)
{
	return is_identifier(s, 63, true);
}

bool str_is_env_name(const char *s)
{
	return is_identifier(s, 255, false);
}

// RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
bool str_is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;

	while (i < len) {
		unsigned char c = p[i++];
		unsigned more;
		uint32_t v;
		uint32_t least;
		if (c < 0x80)
			continue;
		if (c >= 0xc2 && c <= 0xdf) {
			more = 1;
			v = c & 0x1fu;
			least = 0x80;
		} else if ((c & 0xf0) == 0xe0) {
			more = 2;
			v = c & 0x0fu;
			least = 0x800;
		} else if (c >= 0xf0 && c <= 0xf4) {
			more = 3;
			v = c & 0x07u;
			least = 0x10000;
		} else {
			return false;
		}
		if (len - i < more)
			return false;
		for (; more; more--, i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			v = v << 6 | (p[i] & 0x3fu);
		}
		if (v < least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
	}
	return true;
}

int str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	if (!size)
		return -ENAMETOOLONG;
	if (n == size) {
		dst[0] = '\0';
		return -ENAMETOOLONG;
	}
	memcpy(dst, src, n + 1);
	return 0;
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void strv_add(char ***v, const char *s)
{
	strv_add_take(v, xstrdup(s));
}

void strv_add_take(char ***v, char *s)
{
	size_t n = strv_len(*v);

	// Room doubles at powers of two, so a vector needs no field for its capacity.
	if (n == 0)
		*v = xrealloc(*v, 2 * sizeof(char *));
	else if ((n & (n - 1)) == 0)
		*v = xrealloc(*v, (n * 2 + 1) * sizeof(char *));
	(*v)[n] = s;
	(*v)[n + 1] = NULL;
}
