// SPDX-License-Identifier: Apache-2.0
// Fuzzes what is read from /proc: the cgroups of a process, the mount table, the status of a process. The
// first line is a cgroup path; the text behind it is cut at the first empty line into /proc/PID/cgroup and
// the rest.
#include <string.h>

#include "joblet-runtime/cgroup_internal.h"
#include "joblet-runtime/verify.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_layout(const char *path, const char *self, const char *mounts)
{
	struct cgroup *c = xcalloc(1, sizeof(*c));
	struct err e = {0};

	if (cgroup_path_parse(path, c, &e) == 0) {
		if (c->path[0] == '/' || strstr(c->path, "//") || str_eq(c->path, "..") ||
		    strstr(c->path, "/../") || str_starts(c->path, "../"))
			abort();
		if (cgroup_layout_parse(self, mounts, c, &e) == 0) {
			if (!c->hier_count || c->hier_count > CGROUP_HIER_MAX)
				abort();
			(void)!cgroup_verify_text(c, self, &e);
		}
	}
	cgroup_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct verify_status st;
	struct err e = {0};
	char *line = text, *rest = NULL;

	if (verify_parse(text, &st, &e) == 0 && st.group_count > 65536)
		abort();
	verify_free(&st);
	rest = strchr(line, '\n');
	if (!rest)
		return 0;
	*rest++ = 0;
	char *mounts = strstr(rest, "\n\n");
	if (mounts) {
		mounts[1] = 0;
		mounts += 2;
	}
	read_layout(line, rest, mounts ? mounts : "");
	return 0;
}
