// SPDX-License-Identifier: Apache-2.0
// The logs together. The usual way is straight: lines are built once and appended to every file. What a log
// did not take is held (the data is still in the buffer of output.c) and tried again by a timer, or dropped.
#include "joblet-shim/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "joblet-shim/journal.h"
#include "joblet-shim/logfile.h"
#include "joblet-shim/loop.h"
#include "joblet-shim/output.h"
#include "lib/base/log.h"

#define FULL_RETRY_MS 500 // a disk gets room by somebody's work
#define BUSY_RETRY_MS 5	  // journald reads on by itself
#define BUSY_TRIES    400 // after that it is taken for stuck: two seconds

static void retry_ready(struct source *s, uint32_t events);

static struct log {
	bool is_journal;
	bool is_held;
	size_t held_at; // bytes of the held data that it has
	int why;
	struct logfile file;
	// the journal only
	struct gap gap;
	uint64_t dropped_lines, dropped_bytes;
} logs[OPTIONS_LOGS_MAX];
static unsigned log_count;
static struct log *first_file; // the one that places are in
static struct {
	enum cri_stream stream;
	const char *data;
	size_t len;
	unsigned tries;
} held;
static struct source retry = {.fd = -1, .ready = retry_ready};
static bool may_hold; // --log-full hold
static bool is_over;  // the job has ended: only a journald that is busy is waited for
static bool drops_now;
static bool is_stuck; // journald was waited for in vain
static char out[256 << 10] __attribute__((aligned(4096)));
static struct cri_stamp stamps[2];

static int open_log(const struct options *o, unsigned i, struct err *e)
{
	struct log *l = &logs[log_count];
	enum log_driver driver;
	const char *path;
	int rc = options_log(o->logs.v[i], &driver, &path, e);
	if (rc || driver == LOG_DRIVER_NONE || driver == LOG_DRIVER_PASSTHROUGH)
		return rc;
	log_count++;
	if (driver == LOG_DRIVER_JOURNAL) {
		l->is_journal = true;
		return journal_open(o, e);
	}
	if (strlen(path) >= PATH_MAX - 32)
		return err_set(e, -ENAMETOOLONG, "log file %.200s: path too long", path);
	rc = logfile_open(&l->file, path);
	if (rc)
		return err_sys(e, rc, "log file %.300s", path);
	if (!first_file)
		first_file = l;
	return 0;
}

int logs_open(const struct options *o, struct err *e)
{
	logfile_limits(o);
	may_hold = o->log_full && !strcmp(o->log_full, "hold");
	int rc = 0;
	for (unsigned i = 0; i < o->logs.count && rc == 0; i++)
		rc = open_log(o, i, e);
	return rc;
}

static void stamp_now(enum cri_stream stream)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	cri_stamp(&stamps[stream], (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, stream);
}

static void arm_retry(int64_t ms)
{
	int rc = loop_timer(&retry, ms);
	if (rc)
		log_error("timer: %s", strerror(-rc));
}

static bool holds_for(int why)
{
	return !drops_now && ((may_hold && !is_over) || (why == EAGAIN && !is_stuck));
}

// The log has only at bytes of data.
static void hold(struct log *l, size_t at, int why)
{
	l->is_held = true;
	l->held_at = at;
	l->why = why;
	if (first_file)
		first_file->file.files++; // a client that is behind may not wait for what is not there yet
}

static void drop_from_journal(struct log *l, const char *data, size_t len, int why)
{
	uint64_t lines = 0;
	for (const char *p = data; (p = memchr(p, '\n', len - (size_t)(p - data))); p++)
		lines++;
	lines += data[len - 1] != '\n';
	if (l->gap.lines == 0)
		l->gap.why = why;
	l->gap.lines += lines;
	l->gap.bytes += len;
	l->dropped_lines += lines;
	l->dropped_bytes += len;
}

// The errno of what stopped it, with the bytes that it has in *at.
static int to_journal(struct log *l, enum cri_stream stream, const char *data, size_t len, size_t *at)
{
	int why = 0;
	if (l->gap.lines) {
		char text[256];
		size_t n = logfile_gap_text(&l->gap, text, sizeof(text));
		if (journal_put(CRI_STDERR, text, n, &why) < n)
			return why;
		l->gap = (struct gap){0};
	}
	*at += journal_put(stream, data + *at, len - *at, &why);
	is_stuck = is_stuck && why == EAGAIN;
	return why;
}

// Into one file, from *at on.
static int to_file(struct log *l, enum cri_stream stream, const char *data, size_t len, size_t *at)
{
	int why = 0;
	while (*at < len && !why) {
		size_t taken;
		size_t n = cri_build(&stamps[stream], data + *at, len - *at, out, sizeof(out), &taken);
		size_t done = logfile_append(&l->file, out, n, &why);
		if (done < n && !holds_for(why)) {
			logfile_drop(&l->file, out + done, n - done, why);
			done = n;
			why = 0;
		}
		*at += done < n ? cri_payload(out, done) : taken;
	}
	return why;
}

static void put_held(struct log *l, enum cri_stream stream, const char *data, size_t len, size_t at)
{
	int why = l->is_journal ? to_journal(l, stream, data, len, &at) : to_file(l, stream, data, len, &at);
	l->is_held = false;
	if (why && l->is_journal && !holds_for(why))
		drop_from_journal(l, data + at, len - at, why);
	else if (why)
		hold(l, at, why);
}

bool logs_are_none(void)
{
	return log_count == 0;
}

bool logs_is_held(void)
{
	for (unsigned i = 0; i < log_count; i++)
		if (logs[i].is_held)
			return true;
	return false;
}

static void try_held(void)
{
	bool is_full = false;
	for (unsigned i = 0; i < log_count; i++)
		if (logs[i].is_held) {
			stamp_now(held.stream);
			put_held(&logs[i], held.stream, held.data, held.len, logs[i].held_at);
			is_full = is_full || (logs[i].is_held && logs[i].why != EAGAIN);
		}
	held.tries++;
	if (logs_is_held())
		arm_retry(is_full ? FULL_RETRY_MS : BUSY_RETRY_MS);
}

static void retry_ready(struct source *s, uint32_t events)
{
	(void)events;
	if (!loop_timer_taken(s) || !logs_is_held())
		return;
	is_stuck = is_stuck || held.tries >= BUSY_TRIES;
	try_held();
	if (!logs_is_held())
		output_resume();
}

void logs_give_up(void)
{
	is_over = true;
	if (logs_is_held())
		try_held();
}

// One file is what nearly everybody has; the lines of the next ones are built again.
bool logs_put(enum cri_stream stream, const char *data, size_t len)
{
	if (log_count == 0 || len == 0)
		return true;
	if (logs_is_held()) { // somebody could not stop: there is no room for both
		drops_now = true;
		try_held();
		drops_now = false;
	}
	stamp_now(stream);
	held.stream = stream;
	held.data = data;
	held.len = len;
	held.tries = 0;
	for (unsigned i = 0; i < log_count; i++)
		put_held(&logs[i], stream, data, len, 0);
	if (!logs_is_held())
		return true;
	arm_retry(BUSY_RETRY_MS);
	return false;
}

void logs_reopen(void)
{
	for (unsigned i = 0; i < log_count; i++) {
		int rc = logs[i].is_journal ? 0 : logfile_reopen(&logs[i].file);
		if (rc)
			log_error("log file %s: %s", logs[i].file.path, strerror(-rc));
	}
}

void logs_finish(bool is_synced)
{
	for (unsigned i = 0; i < log_count; i++) {
		size_t at = 0;
		if (!logs[i].is_journal)
			logfile_finish(&logs[i].file, is_synced);
		else if (to_journal(&logs[i], CRI_STDERR, "", 0, &at) || journal_finish())
			log_error("the journal misses the end of the output");
	}
}

void logs_dropped(uint64_t *lines, uint64_t *bytes)
{
	*lines = *bytes = 0;
	for (unsigned i = 0; i < log_count; i++) {
		*lines += logs[i].dropped_lines + logs[i].file.dropped_lines;
		*bytes += logs[i].dropped_bytes + logs[i].file.dropped_bytes;
	}
}

struct logs_place logs_end(void)
{
	if (!first_file)
		return (struct logs_place){.offset = -1};
	return (struct logs_place){.offset = first_file->file.size, .file = first_file->file.files};
}

ssize_t logs_read(struct logs_place place, void *data, size_t size)
{
	if (place.offset < 0 || place.file != logs_end().file)
		return -ESTALE;
	ssize_t n = pread(first_file->file.fd, data, size, place.offset);
	return n < 0 ? -errno : n;
}

void logs_rest(void)
{
	madvise(out, sizeof(out), MADV_DONTNEED);
}
