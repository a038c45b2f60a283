// SPDX-License-Identifier: Apache-2.0
// Finding cgroups: /proc/PID/cgroup says which, /proc/self/mountinfo where. Whatever is parsed here comes
// from the kernel, but the paths in it were chosen by others.
#include "joblet-shim/cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/log.h"
#include "lib/base/str.h"

static struct {
	char text[8192], own_text[8192];
	char mounts[8192]; // the lines of the mount table that are cgroups
	char part[8192];   // the mount table itself, piece by piece; then a line that is cut up
} scratch __attribute__((aligned(4096)));

int cgroup_path_of(const char *text, const char *controller, const char **path, size_t *len)
{
	size_t want = strlen(controller);
	for (const char *line = text; *line;) {
		size_t line_len = strcspn(line, "\n");
		const char *list = memchr(line, ':', line_len);
		const char *colon = list ? memchr(list + 1, ':', line_len - (size_t)(list + 1 - line)) : NULL;
		for (const char *p = list ? list + 1 : NULL; colon && p <= colon;) {
			size_t n = strcspn(p, ",:");
			if (n == want && !memcmp(p, controller, n)) {
				*path = colon + 1;
				*len = line_len - (size_t)(colon + 1 - line);
				return 0;
			}
			p += n + 1;
		}
		line += line_len + (line[line_len] == '\n');
	}
	return -ENOENT;
}

uint64_t cgroup_count_of(const char *text, const char *key)
{
	size_t want = strlen(key);
	uint64_t n = 0;
	for (const char *line = text; *line;) {
		size_t line_len = strcspn(line, "\n");
		if (line_len > want + 1 && line_len - want < 24 && !memcmp(line, key, want) &&
		    line[want] == ' ') {
			char number[24];
			memcpy(number, line + want + 1, line_len - want - 1);
			number[line_len - want - 1] = 0;
			return str_to_u64(number, UINT64_MAX, &n) ? 0 : n;
		}
		line += line_len + (line[line_len] == '\n');
	}
	return 0;
}

int cgroup_read(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return n < 0 ? -errno : 0;
}

static bool has_option(const char *options, const char *name)
{
	size_t want = strlen(name);
	while (*options) {
		size_t n = strcspn(options, ",");
		if (n == want && !memcmp(options, name, n))
			return true;
		options += n + (options[n] == ',');
	}
	return false;
}

bool cgroup_is_mount_of(char *line, const char *controller, char **point, char **root)
{
	char *field[5] = {NULL}, *rest = line;
	char *tail = strstr(line, " - ");
	if (!tail)
		return false;
	*tail = 0;
	tail += 3;
	int count = 0;
	while (count < 5 && rest)
		field[count++] = strsep(&rest, " ");
	const char *type = strsep(&tail, " ");
	(void)strsep(&tail, " "); // the source says nothing
	const char *options = tail;
	*root = field[3];
	*point = field[4];
	if (count < 5 || !type || !options)
		return false;
	return *controller ? !strcmp(type, "cgroup") && has_option(options, controller)
			   : !strcmp(type, "cgroup2");
}

// The mount table of a machine can be long, so it is read once, and what is no cgroup is left out. Lines
// behind those that fit are no loss: the first mount of a hierarchy is the one that counts.
static int read_mounts(void)
{
	char *buf = scratch.part;
	size_t have = 0, kept = 0;
	cleanup_close int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n;
	while ((n = read(fd, buf + have, sizeof(scratch.part) - 1 - have)) > 0) {
		have += (size_t)n;
		buf[have] = 0;
		char *line = buf, *nl;
		for (; (nl = strchr(line, '\n')); line = nl + 1) {
			size_t len = (size_t)(nl + 1 - line);
			if (!memmem(line, len, " - cgroup", 9) || kept + len >= sizeof(scratch.mounts))
				continue;
			memcpy(scratch.mounts + kept, line, len);
			kept += len;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
		if (have == sizeof(scratch.part) - 1)
			have = 0; // a line longer than the buffer is none of ours
	}
	scratch.mounts[kept] = 0;
	return n < 0 ? -errno : 0;
}

// The directory of path[0..len) below the controller's mount.
static int find_mounted(const char *controller, const char *path, size_t len, char out[PATH_MAX])
{
	char *point, *root;
	for (const char *next, *line = scratch.mounts; *line; line = next) {
		next = strchr(line, '\n') + 1;
		memcpy(scratch.part, line, (size_t)(next - line - 1));
		scratch.part[next - line - 1] = 0;
		if (!cgroup_is_mount_of(scratch.part, controller, &point, &root))
			continue;
		size_t cut = strcmp(root, "/") ? strlen(root) : 0;
		if (cut > len || memcmp(root, path, cut) != 0)
			cut = 0;
		int out_len = snprintf(out, PATH_MAX, "%s%.*s", point, (int)(len - cut), path + cut);
		return out_len < PATH_MAX ? 0 : -ENAMETOOLONG;
	}
	return -ENOENT;
}

int cgroup_find_begin(pid_t pid)
{
	char name[64];
	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	cleanup_close int fd = open(name, O_RDONLY | O_CLOEXEC);
	cleanup_close int own = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || own < 0)
		return -errno;
	int rc = cgroup_read(fd, scratch.text, sizeof(scratch.text));
	if (!rc)
		rc = cgroup_read(own, scratch.own_text, sizeof(scratch.own_text));
	return rc ? rc : read_mounts();
}

int cgroup_find(const char *controller, char dir[PATH_MAX])
{
	const char *path;
	size_t len;
	int rc = cgroup_path_of(scratch.text, controller, &path, &len);
	return rc ? rc : find_mounted(controller, path, len, dir);
}

bool cgroup_is_own(const char *controller)
{
	const char *path, *own;
	size_t len, own_len;
	if (cgroup_path_of(scratch.text, controller, &path, &len) || len <= 1)
		return false;
	return cgroup_path_of(scratch.own_text, controller, &own, &own_len) || own_len != len ||
	       memcmp(own, path, len) != 0;
}

int cgroup_open_in(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

void cgroup_find_end(void)
{
	madvise(&scratch, sizeof(scratch), MADV_DONTNEED);
}
