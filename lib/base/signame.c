// SPDX-License-Identifier: Apache-2.0
// Signals by name and number. Needs libc only.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "proc.h"
#include "str.h"

static int parse_realtime(const char *s, int *sig)
{
	int64_t n = 0;
	bool from_max = strncasecmp(s, "RTMAX", 5) == 0;

	if (!from_max && strncasecmp(s, "RTMIN", 5) != 0)
		return -EINVAL;
	s += 5;
	if (*s) {
		if (*s != (from_max ? '-' : '+') || str_to_i64(s + 1, 0, SIGRTMAX - SIGRTMIN, &n) < 0)
			return -EINVAL;
	}
	*sig = from_max ? SIGRTMAX - (int)n : SIGRTMIN + (int)n;
	return 0;
}

int proc_signal_parse(const char *s, int *sig)
{
	int64_t n;

	if (!s || !*s)
		return -EINVAL;
	if (*s >= '0' && *s <= '9') {
		if (str_to_i64(s, 1, SIGRTMAX, &n) < 0)
			return -EINVAL;
		*sig = (int)n;
		return 0;
	}
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *name = sigabbrev_np(i);
		if (name && strcasecmp(s, name) == 0) {
			*sig = i;
			return 0;
		}
	}
	return parse_realtime(s, sig);
}

const char *proc_signal_name(int sig)
{
	static char realtime[65][12];

	if (sig >= SIGRTMIN && sig <= SIGRTMAX && (size_t)sig < ARRAY_LEN(realtime)) {
		if (sig == SIGRTMIN)
			return "RTMIN";
		snprintf(realtime[sig], sizeof(realtime[sig]), "RTMIN+%d", sig - SIGRTMIN);
		return realtime[sig];
	}
	return sig > 0 ? sigabbrev_np(sig) : NULL;
}
