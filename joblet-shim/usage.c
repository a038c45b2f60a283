// SPDX-License-Identifier: Apache-2.0
// The accounting files of cgroup v1 and v2. They are opened while the container lives: who ends it may be
// quick to remove its cgroup.
#include "joblet-shim/usage.h"

#include <fcntl.h>
#include <string.h>

#include "joblet-shim/cgroup_find.h"
#include "lib/base/str.h"

enum which { MEMORY, CPU, IO, FILES };
static int files[FILES] = {-1, -1, -1};
static bool is_cpu_stat; // v2: cpu.stat

// The first of these that the container has of its own.
static const struct {
	enum which which;
	const char *controller, *name;
} rows[] = {
    {MEMORY, "memory", "memory.max_usage_in_bytes"},
    {MEMORY, "", "memory.peak"}, // since Linux 5.19
    {CPU, "cpuacct", "cpuacct.usage"},
    {CPU, "", "cpu.stat"},
    {IO, "blkio", "blkio.throttle.io_service_bytes_recursive"},
    {IO, "blkio", "blkio.throttle.io_service_bytes"},
    {IO, "", "io.stat"},
};

void usage_open(void)
{
	char dir[PATH_MAX];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (files[rows[i].which] >= 0 || !cgroup_is_own(rows[i].controller) ||
		    cgroup_find(rows[i].controller, dir))
			continue;
		files[rows[i].which] = cgroup_open_in(dir, rows[i].name, O_RDONLY);
		if (rows[i].which == CPU)
			is_cpu_stat = !*rows[i].controller;
	}
}

static int64_t number_at(const char *text)
{
	char digits[24];
	int64_t n;
	size_t len = strspn(text, "0123456789");
	if (len == 0 || len >= sizeof(digits))
		return -1;
	memcpy(digits, text, len);
	digits[len] = 0;
	return str_to_i64(digits, 0, INT64_MAX, &n) ? -1 : n;
}

static void add(int64_t *sum, const char *line, size_t len, const char *key)
{
	const char *at = memmem(line, len, key, strlen(key));
	int64_t n = at ? number_at(at + strlen(key)) : -1;
	if (n >= 0 && n <= INT64_MAX - *sum)
		*sum += n;
}

void usage_sum_io(const char *text, int64_t *read, int64_t *written)
{
	*read = *written = 0;
	for (const char *nl; (nl = strchr(text, '\n')); text = nl + 1) {
		size_t len = (size_t)(nl - text);
		add(read, text, len, " Read ");
		add(written, text, len, " Write ");
		add(read, text, len, " rbytes=");
		add(written, text, len, " wbytes=");
	}
}

void usage_read(struct usage *u)
{
	char text[8192];
	int64_t n;
	if (files[MEMORY] >= 0 && cgroup_read(files[MEMORY], text, sizeof(text)) == 0 &&
	    (n = number_at(text)) >= 0)
		u->peak_memory = n;
	if (files[CPU] >= 0 && cgroup_read(files[CPU], text, sizeof(text)) == 0) {
		n = is_cpu_stat ? (int64_t)cgroup_count_of(text, "usage_usec") : number_at(text);
		if (n >= 0)
			u->cpu_ns = is_cpu_stat ? n * 1000 : n;
	}
	if (files[IO] >= 0 && cgroup_read(files[IO], text, sizeof(text)) == 0)
		usage_sum_io(text, &u->io_read, &u->io_written);
}

void usage_close(void)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (files[i] >= 0)
			close(files[i]);
	files[MEMORY] = files[CPU] = files[IO] = -1;
}
