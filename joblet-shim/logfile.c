// SPDX-License-Identifier: Apache-2.0
// Log files. Writes are whole batches of lines; a batch that was cut short is cut back to its last whole
// line, so a reader never sees half a line that another one follows.
#include "joblet-shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "joblet-shim/cri.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

static int64_t size_max = -1, total_max = -1;
static int old_files; // that are kept as PATH.1, PATH.2 …

void logfile_limits(const struct options *o)
{
	size_max = o->log_size_max > 0 ? o->log_size_max : -1;
	total_max = o->log_global_size_max > 0 ? o->log_global_size_max : -1;
	old_files = !o->log_rotate ? 0 : o->log_max_files < 0 ? 1 : (int)o->log_max_files;
}

static void take_file(struct logfile *l, int fd, int64_t size)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->size = size;
	l->files++;
}

static int open_append(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0600);
	return fd < 0 ? -errno : fd;
}

int logfile_reopen(struct logfile *l)
{
	struct stat st;
	int fd = open_append(l->path, 0);
	if (fd < 0)
		return fd;
	take_file(l, fd, fstat(fd, &st) == 0 ? st.st_size : 0);
	return 0;
}

int logfile_open(struct logfile *l, const char *path)
{
	*l = (struct logfile){.path = path, .fd = -1};
	return logfile_reopen(l);
}

// PATH becomes PATH.1, PATH.1 becomes PATH.2, and so on; the oldest one goes.
static void shift_old(const char *path)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];
	for (int i = old_files; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%d", path, i);
		snprintf(from, sizeof(from), i > 1 ? "%s.%d" : "%s", path, i - 1);
		if (rename(from, to) < 0 && errno != ENOENT)
			log_error("log file %s: %s", to, strerror(errno));
	}
}

// A new file takes the place of the full one; readers that have the old one open read it to its end.
static int begin_anew(struct logfile *l)
{
	char name[PATH_MAX + 16];
	snprintf(name, sizeof(name), "%s.tmp", l->path);
	int fd = open_append(name, O_TRUNC);
	if (fd >= 0 && old_files > 0)
		shift_old(l->path);
	if (fd >= 0 && rename(name, l->path) < 0) {
		int rc = -errno;
		close(fd);
		fd = rc;
	}
	if (fd < 0) {
		log_error("log file %s: %s", name, strerror(-fd));
		return fd;
	}
	take_file(l, fd, 0);
	return 0;
}

// Writes whole lines; returns how many bytes of them are in the file.
static size_t write_lines(struct logfile *l, const char *lines, size_t len, int *why)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n = write(l->fd, lines + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*why = n < 0 ? errno : ENOSPC;
			break;
		}
		done += (size_t)n;
	}
	if (done < len) {
		const char *nl = memrchr(lines, '\n', done);
		size_t whole = nl ? (size_t)(nl - lines) + 1 : 0;
		if (whole < done && ftruncate(l->fd, l->size + (int64_t)whole) < 0)
			log_error("log file %s: %s", l->path, strerror(errno));
		done = whole;
	}
	l->size += (int64_t)done;
	l->total += (int64_t)done;
	return done;
}

// The whole lines that fit into room, or the first one when none does and it must be.
static size_t fitting(const char *lines, size_t len, int64_t room, bool at_least_one)
{
	if (room >= (int64_t)len)
		return len;
	const char *nl = room > 0 ? memrchr(lines, '\n', (size_t)room) : NULL;
	if (!nl && at_least_one)
		nl = memchr(lines, '\n', len);
	return nl ? (size_t)(nl - lines) + 1 : 0;
}

size_t logfile_gap_text(const struct gap *g, char *text, size_t size)
{
	int n = snprintf(text, size, "joblet-shim: %llu lines (%llu bytes) of output are missing here: %s\n",
			 (unsigned long long)g->lines, (unsigned long long)g->bytes, strerror(g->why));
	return n < (int)size ? (size_t)n : size - 1;
}

// The line that stands where output is missing. True: it is in the file, or there is nothing to say.
static bool mark_gap(struct logfile *l, int *why)
{
	char text[256], line[sizeof(text) + CRI_OVERHEAD];
	struct cri_stamp stamp = {0};
	struct timespec now;
	size_t taken;
	if (l->gap.lines == 0)
		return true;
	clock_gettime(CLOCK_REALTIME, &now);
	cri_stamp(&stamp, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, CRI_STDERR);
	size_t n = logfile_gap_text(&l->gap, text, sizeof(text));
	size_t len = cri_build(&stamp, text, n, line, sizeof(line), &taken);
	if (write_lines(l, line, len, why) < len)
		return false;
	l->gap = (struct gap){0};
	return true;
}

void logfile_drop(struct logfile *l, const char *lines, size_t len, int why)
{
	uint64_t count = 0, bytes = cri_payload(lines, len);
	if (l->gap.lines == 0)
		l->gap.why = why;
	l->files++;
	for (const char *p = lines; (p = memchr(p, '\n', len - (size_t)(p - lines))); p++)
		count++;
	l->gap.lines += count;
	l->gap.bytes += bytes;
	l->dropped_lines += count;
	l->dropped_bytes += bytes;
}

// Over the limit of all files nothing more gets in, as with conmon. It is counted, and no line says so, since
// there is no room for one.
static void over_the_limit(struct logfile *l, const char *lines, size_t len)
{
	l->total = total_max;
	logfile_drop(l, lines, len, EFBIG);
	l->gap = (struct gap){0};
}

size_t logfile_append(struct logfile *l, const char *lines, size_t len, int *why)
{
	size_t all = total_max < 0 ? len : fitting(lines, len, total_max - l->total, false);
	for (size_t done = 0; done < all;) {
		size_t n = all - done;
		if (!mark_gap(l, why))
			return done;
		if (size_max >= 0) {
			n = fitting(lines + done, n, size_max - l->size, l->size == 0);
			if (n == 0 && begin_anew(l) == 0)
				continue;
			n = n ? n : all - done; // no new file: then the old one grows
		}
		size_t in = write_lines(l, lines + done, n, why);
		done += in;
		if (in < n)
			return done;
	}
	if (all < len)
		over_the_limit(l, lines + all, len - all);
	return len;
}

void logfile_finish(struct logfile *l, bool is_synced)
{
	int why;
	if (!mark_gap(l, &why))
		log_error("log file %s: %llu lines are missing at its end: %s", l->path,
			  (unsigned long long)l->gap.lines, strerror(l->gap.why));
	if (is_synced && l->total > 0 && fdatasync(l->fd) < 0)
		log_error("log file %s: %s", l->path, strerror(errno));
}
