// SPDX-License-Identifier: Apache-2.0
// Fuzzes the shim's small parsers: the bytes of its control FIFOs, cgroup files and the mount table, messages
// that are escaped, and log lines, which come back from what was built.
#include <string.h>

#include "joblet-shim/caller.h"
#include "joblet-shim/cgroup_find.h"
#include "joblet-shim/control.h"
#include "joblet-shim/cri.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void control(const char *data, size_t size)
{
	struct control_line l = {.len = 0};
	unsigned short rows, columns;

	for (size_t i = 0; i < size; i++) {
		if (!control_take(&l, data[i]))
			continue;
		if (!*l.text || strchr(l.text, '\n'))
			abort();
		control_parse(l.text, false, &rows, &columns);
		control_parse(l.text, true, &rows, &columns);
	}
}

static void cgroup(const char *data, size_t size)
{
	cleanup_free char *text = xstrndup(data, size);
	const char *path;
	char *point, *root, *save = text;
	size_t len;

	if (cgroup_path_of(text, "memory", &path, &len) == 0 && memchr(path, '\n', len))
		abort();
	if (cgroup_path_of(text, "", &path, &len) == 0 && path + len > text + size)
		abort();
	cgroup_count_of(text, "oom_kill");
	for (char *line; (line = strsep(&save, "\n"));) {
		cleanup_free char *again = xstrdup(line);
		if (cgroup_is_mount_of(line, "memory", &point, &root) && (!*point || !root))
			(void)*point;
		cgroup_is_mount_of(again, "", &point, &root);
	}
}

static void escape(const char *data, size_t size)
{
	char out[256];
	size_t n = caller_escape(out, sizeof(out), data, size);

	if (n >= sizeof(out) || out[n] || !str_is_utf8(out, n))
		abort();
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)out[i] < 0x20)
			abort();
}

static void read_lines(const char *p, size_t len)
{
	struct cri_line l;
	ssize_t used;

	for (; (used = cri_parse(p, len, &l)) > 0; p += used, len -= (size_t)used)
		if ((size_t)used > len || l.payload < p || l.payload + l.len >= p + used)
			abort();
}

static void round_trip(const char *data, size_t size)
{
	struct cri_stamp stamp = {.second = 0};
	char out[2 * (CRI_CHUNK + CRI_OVERHEAD)];
	cleanup_buf struct buf back = {0};
	struct cri_line l;
	size_t taken = 0;
	ssize_t used;

	cri_stamp(&stamp, 1800000000123456789, CRI_STDERR);
	size_t n = cri_build(&stamp, data, size, out, sizeof(out), &taken);
	if (n > sizeof(out) || taken > size || (size && !taken))
		abort();
	for (size_t at = 0; at < n; at += (size_t)used) {
		used = cri_parse(out + at, n - at, &l);
		if (used <= 0 || l.stream != CRI_STDERR)
			abort();
		buf_add(&back, l.payload, l.len);
		if (l.is_full)
			buf_add(&back, "\n", 1);
	}
	if (back.len != taken || (taken && memcmp(back.data, data, taken) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *data = (const char *)bytes;

	control(data, size);
	cgroup(data, size);
	escape(data, size);
	read_lines(data, size);
	round_trip(data, size);
	return 0;
}
