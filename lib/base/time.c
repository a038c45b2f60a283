// SPDX-License-Identifier: Apache-2.0
// Times as RFC 3339 writes them. The calendar is computed here, because the C library's reads the zone file
// even for UTC; only a time without a zone asks the C library what local time means.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "str.h"

#define NS_PER_S 1000000000LL

static bool is_leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static int month_days(int64_t y, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(y));
}

// Days from 1970-01-01 to the first of January of y, for y >= 1.
static int64_t days_to_year(int64_t y)
{
	int64_t past = y - 1;

	return past * 365 + past / 4 - past / 100 + past / 400 - 719162;
}

static int64_t days_to_date(int64_t y, int month, int day)
{
	int64_t days = days_to_year(y);

	for (int m = 1; m < month; m++)
		days += month_days(y, m);
	return days + day - 1;
}

void str_time_rfc3339(int64_t ns_since_epoch, char out[STR_TIME_MAX])
{
	int64_t ns = ns_since_epoch % NS_PER_S;
	int64_t s = ns_since_epoch / NS_PER_S;
	if (ns < 0) {
		ns += NS_PER_S;
		s--;
	}
	int64_t second = s % 86400;
	int64_t days = s / 86400;
	if (second < 0) {
		second += 86400;
		days--;
	}
	int64_t year = 1970 + days / 366 - (days < 0);
	if (days < 0)
		year = 1970 + days / 365 - 1;
	while (days_to_year(year + 1) <= days)
		year++;
	days -= days_to_year(year);
	int month = 1;
	while (days >= month_days(year, month))
		days -= month_days(year, month++);
	snprintf(out, STR_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", (int)year % 10000, month,
		 (int)days + 1, (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60), (int)ns);
}

// Exactly n digits within [min, max], and the separator behind them unless it is 0.
static int take_field(const char **s, int n, int min, int max, char separator, int *out)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return -EINVAL;
		v = v * 10 + (**s - '0');
	}
	if (v < min || v > max)
		return -EINVAL;
	if (separator && *(*s)++ != separator)
		return -EINVAL;
	*out = v;
	return 0;
}

static int take_fraction(const char **s, int64_t *ns)
{
	int64_t unit = NS_PER_S / 10;

	*ns = 0;
	if (**s != '.')
		return 0;
	(*s)++;
	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		*ns += unit * (**s - '0');
	return 0;
}

// Z or an offset. 1: no zone is given.
static int take_zone(const char **s, int *offset)
{
	int sign = **s == '-' ? -1 : 1;
	int hours;
	int minutes;

	*offset = 0;
	if (!**s)
		return 1;
	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		return 0;
	}
	if (**s != '+' && **s != '-')
		return -EINVAL;
	(*s)++;
	if (take_field(s, 2, 0, 23, ':', &hours) < 0 || take_field(s, 2, 0, 59, 0, &minutes) < 0)
		return -EINVAL;
	*offset = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int str_parse_time(const char *s, int64_t *ns_since_epoch)
{
	int year, month, day, hour, minute, second, offset; // NOLINT: seven fields of one text
	int64_t ns;
	int64_t total;

	// The years are those that nanoseconds in 64 bits can say in every zone.
	if (!s || take_field(&s, 4, 1678, 2261, '-', &year) < 0 ||
	    take_field(&s, 2, 1, 12, '-', &month) < 0 ||
	    take_field(&s, 2, 1, month_days(year, month), 0, &day) < 0)
		return -EINVAL;
	if (*s != 'T' && *s != 't' && *s != ' ')
		return -EINVAL;
	s++;
	if (take_field(&s, 2, 0, 23, ':', &hour) < 0 || take_field(&s, 2, 0, 59, ':', &minute) < 0 ||
	    take_field(&s, 2, 0, 60, 0, &second) < 0 || take_fraction(&s, &ns) < 0)
		return -EINVAL;
	int zone = take_zone(&s, &offset);
	if (zone < 0 || *s)
		return -EINVAL;
	if (zone == 1) {
		struct tm tm = {.tm_year = year - 1900,
				.tm_mon = month - 1,
				.tm_mday = day,
				.tm_hour = hour,
				.tm_min = minute,
				.tm_sec = second,
				.tm_isdst = -1};
		total = (int64_t)mktime(&tm);
	} else {
		total = days_to_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	}
	*ns_since_epoch = total * NS_PER_S + ns;
	return 0;
}
