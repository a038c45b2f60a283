// SPDX-License-Identifier: Apache-2.0
// Small reads and writes below the directory descriptor of a cgroup. It knows nothing of what the files mean.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define CGROUP_FILE_MAX ((size_t)64 << 10)

static int open_below(int dirfd, const char *path, uint64_t flags)
{
	struct open_how how = {
	    .flags = flags | O_CLOEXEC | O_NOFOLLOW,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd;
	do
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int cgroup_open_dir(int dirfd, const char *path)
{
	return open_below(dirfd, path, O_PATH | O_DIRECTORY);
}

bool cgroup_has_file(int dirfd, const char *file)
{
	return faccessat(dirfd, file, F_OK, 0) == 0;
}

static int write_once(int fd, const char *value)
{
	// One value is one write: the kernel takes each write for a whole value.
	ssize_t n = write(fd, value, strlen(value));
	if (n < 0)
		return -errno;
	return (size_t)n == strlen(value) ? 0 : -EIO;
}

int cgroup_write(int dirfd, const char *file, const char *value, struct err *e)
{
	cleanup_close int fd = open_below(dirfd, file, O_WRONLY);
	int rc = fd < 0 ? fd : write_once(fd, value);
	return rc < 0 ? err_sys(e, rc, "cgroup: %s to %s", *value ? value : "''", file) : 0;
}

int cgroup_writef(int dirfd, const char *file, struct err *e, const char *fmt, ...)
{
	char value[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value))
		return err_set(e, -E2BIG, "cgroup: value for %s is too long", file);
	return cgroup_write(dirfd, file, value, e);
}

int cgroup_read(int dirfd, const char *file, char **out, struct err *e)
{
	cleanup_close int fd = open_below(dirfd, file, O_RDONLY);
	size_t len = 0;
	int rc = fd < 0 ? fd : file_read_fd(fd, CGROUP_FILE_MAX, out, &len);
	if (rc < 0)
		return err_sys(e, rc, "cgroup: reading %s", file);
	if (len && (*out)[len - 1] == '\n')
		(*out)[len - 1] = '\0';
	return 0;
}

static int parse_value(const char *text, uint64_t *out)
{
	if (str_eq(text, "max")) {
		*out = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, UINT64_MAX, out);
}

static int read_small(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);
	if (n < 0)
		return -errno;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	return 0;
}

int cgroup_read_u64(int dirfd, const char *file, uint64_t *out)
{
	cleanup_close int fd = open_below(dirfd, file, O_RDONLY);
	char text[64];
	int rc = fd < 0 ? fd : read_small(fd, text, sizeof(text));
	return rc < 0 ? rc : parse_value(text, out);
}

int cgroup_write_number(int dirfd, const char *file, int64_t v, const char *unlimited, uint64_t slack,
			struct err *e)
{
	char want[32], got[64];
	uint64_t number = 0;
	if (v < 0)
		(void)snprintf(want, sizeof(want), "%s", unlimited);
	else
		(void)snprintf(want, sizeof(want), "%jd", (intmax_t)v);

	cleanup_close int fd = open_below(dirfd, file, O_RDWR);
	int rc = fd < 0 ? fd : write_once(fd, want);
	if (rc < 0)
		return err_sys(e, rc, "cgroup: %s to %s", want, file);
	rc = read_small(fd, got, sizeof(got));
	if (rc < 0)
		return err_sys(e, rc, "cgroup: reading %s", file);
	if (str_eq(want, got))
		return 0;
	rc = parse_value(got, &number);
	if (rc < 0)
		return err_set(e, -ERANGE, "cgroup: %s is '%s' after writing %s", file, got, want);
	// v1 shows its "unlimited" as the largest number of whole pages.
	bool huge = number > (uint64_t)INT64_MAX - (1U << 20);
	if (v < 0 ? huge : number <= (uint64_t)v && (uint64_t)v - number < (slack ? slack : 1))
		return 0;
	if (v > INT64_MAX - (1 << 20) && huge)
		return 0;
	return err_set(e, -ERANGE, "cgroup: the kernel made %s of %s in %s", got, want, file);
}

int cgroup_read_key(int dirfd, const char *file, const char *key, uint64_t *out)
{
	cleanup_free char *text = NULL;
	int rc = cgroup_read(dirfd, file, &text, NULL);
	if (rc < 0)
		return rc;
	char *save = text;
	for (char *line; (line = strsep(&save, "\n"));) {
		char *value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = '\0';
		if (str_eq(line, key))
			return str_to_u64(value, UINT64_MAX, out);
	}
	return -ENOENT;
}
