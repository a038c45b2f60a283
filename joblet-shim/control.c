// SPDX-License-Identifier: Apache-2.0
// Commands by FIFO. What cannot be read as a command is logged and skipped; a line that is too long is thrown
// away whole.
#include "joblet-shim/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "joblet-shim/logs.h"
#include "joblet-shim/loop.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

static void fifo_ready(struct source *s, uint32_t events);

static struct fifo {
	struct source source;
	const char *name;
	struct control_line line;
	bool is_winsz;
} fifos[] = {
    {.source = {.fd = -1, .ready = fifo_ready}, .name = "ctl"},
    {.source = {.fd = -1, .ready = fifo_ready}, .name = "winsz", .is_winsz = true},
};
static int terminal_fd = -1;
static struct winsize size;
static bool is_size_known;

// Reading and writing: with a writer of our own the end of file never comes.
int control_open(const struct options *o, struct err *e)
{
	if (!o->bundle)
		return 0;
	cleanup_close int dir = open(o->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "bundle %.300s", o->bundle);
	for (size_t i = 0; i < ARRAY_LEN(fifos); i++) {
		struct fifo *f = &fifos[i];
		struct stat st;
		if ((unlinkat(dir, f->name, 0) < 0 && errno != ENOENT) || mkfifoat(dir, f->name, 0660) < 0)
			return err_sys(e, -errno, "FIFO %.300s/%s", o->bundle, f->name);
		loop_close(&f->source);
		f->source.fd = openat(dir, f->name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
		if (f->source.fd < 0 || fstat(f->source.fd, &st) < 0 || !S_ISFIFO(st.st_mode) ||
		    fchmod(f->source.fd, 0660) < 0)
			return err_sys(e, errno ? -errno : -EINVAL, "FIFO %.300s/%s", o->bundle, f->name);
		int rc = loop_add(&f->source, EPOLLIN);
		if (rc)
			return err_sys(e, rc, "FIFO %s", f->name);
	}
	return 0;
}

static void apply_size(void)
{
	if (terminal_fd >= 0 && is_size_known && ioctl(terminal_fd, TIOCSWINSZ, &size) < 0)
		log_error("window size: %s", strerror(errno));
}

void control_set_terminal(int fd)
{
	terminal_fd = fd;
	apply_size();
}

// Decimal numbers with one space or more between them, at most three.
static int parse_numbers(const char *line, uint64_t n[3])
{
	int count = 0;
	while (*line) {
		char word[24];
		line += strspn(line, " ");
		size_t len = strcspn(line, " ");
		if (len == 0)
			break;
		if (count == 3 || len >= sizeof(word))
			return -1;
		memcpy(word, line, len);
		word[len] = 0;
		if (str_to_u64(word, INT_MAX, &n[count++]))
			return -1;
		line += len;
	}
	return count;
}

enum control_command control_parse(const char *line, bool is_winsz, unsigned short *rows,
				   unsigned short *columns)
{
	uint64_t n[3];
	int count = parse_numbers(line, n);
	const uint64_t *at = is_winsz ? n : n + 1;
	if (count != (is_winsz ? 2 : 3))
		return CONTROL_NOTHING;
	if (!is_winsz && n[0] == 2)
		return CONTROL_REOPEN;
	if ((!is_winsz && n[0] != 1) || at[0] > USHRT_MAX || at[1] > USHRT_MAX)
		return CONTROL_NOTHING;
	*rows = (unsigned short)at[0];
	*columns = (unsigned short)at[1];
	return CONTROL_RESIZE;
}

bool control_take(struct control_line *l, char c)
{
	if (c == '\n') {
		bool is_line = !l->is_skipping && l->len;
		l->text[l->len] = 0;
		l->len = 0;
		l->is_skipping = false;
		return is_line;
	}
	if (c == 0 || l->len == sizeof(l->text) - 1) // what has a NUL in it is no command
		l->is_skipping = true;
	else if (!l->is_skipping)
		l->text[l->len++] = c;
	return false;
}

static void obey(struct fifo *f)
{
	unsigned short rows = 0, columns = 0;
	switch (control_parse(f->line.text, f->is_winsz, &rows, &columns)) {
	case CONTROL_NOTHING: log_warn("%s: '%s' is no command", f->name, f->line.text); break;
	case CONTROL_REOPEN: logs_reopen(); break;
	case CONTROL_RESIZE:
		size = (struct winsize){.ws_row = rows, .ws_col = columns};
		is_size_known = true;
		apply_size();
		break;
	}
}

static void fifo_ready(struct source *s, uint32_t events)
{
	(void)events;
	struct fifo *f = container_of(s, struct fifo, source);
	char data[512];
	ssize_t n = read(s->fd, data, sizeof(data));
	for (ssize_t i = 0; i < n; i++)
		if (control_take(&f->line, data[i]))
			obey(f);
}

void control_close(const struct options *o)
{
	cleanup_close int dir = o->bundle ? open(o->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	for (size_t i = 0; i < ARRAY_LEN(fifos); i++) {
		if (fifos[i].source.fd >= 0 && dir >= 0)
			unlinkat(dir, fifos[i].name, 0);
		loop_close(&fifos[i].source);
	}
	terminal_fd = -1;
}
