// SPDX-License-Identifier: Apache-2.0
// The caller's side of the shim: conmon's pipes, and detaching. The messages are the only JSON that the shim
// writes.
#include "joblet-shim/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define MESSAGE_MAX 8192

static int sync_fd = -1, start_fd = -1, attach_fd = -1;

static int from_environment(const char *name, int *fd, struct err *e)
{
	const char *text = getenv(name);
	int64_t n;
	if (!text)
		return 0;
	if (str_to_i64(text, 3, INT32_MAX, &n) || fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, -EINVAL, "%s='%.32s' is no open descriptor above 2", name, text);
	*fd = (int)n;
	return 0;
}

int caller_init(struct err *e)
{
	// The sync pipe first: the others' errors are told on it.
	int rc = from_environment("_OCI_SYNCPIPE", &sync_fd, e);
	if (!rc)
		rc = from_environment("_OCI_STARTPIPE", &start_fd, e);
	if (!rc)
		rc = from_environment("_OCI_ATTACHPIPE", &attach_fd, e);
	return rc;
}

int caller_wait_start(struct err *e)
{
	char byte[64];
	ssize_t n;
	if (start_fd < 0)
		return 0;
	while ((n = read(start_fd, byte, sizeof(byte))) < 0 && errno == EINTR)
		;
	if (n == 0)
		return err_set(e, -ECANCELED, "the caller has gone away before the start");
	return n < 0 ? err_sys(e, -errno, "read of the start pipe") : 0;
}

static int write_pid(const struct options *o, struct err *e)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", getpid());
	return o->shim_pidfile
		   ? file_replace(AT_FDCWD, o->shim_pidfile, text, (size_t)n, 0644, FILE_NOSYNC, e)
		   : 0;
}

int caller_leave(const struct options *o, struct err *e)
{
	int ready[2];
	char byte = 0;
	if (o->sync) {
		setsid(); // a group of its own: the caller's terminal is not the container's
		return write_pid(o, e);
	}
	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "pipe");
	pid_t pid = fork();
	if (pid < 0)
		return err_sys(e, -errno, "fork");
	if (pid > 0) {
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(ready[0]);
	setsid();
	signal(SIGPIPE, SIG_IGN);
	int rc = write_pid(o, e);
	if (rc == 0)
		(void)!write(ready[1], &byte, 1);
	close(ready[1]);
	return rc;
}

void caller_let_go(const struct options *o)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, 0);
	dup2(null, 1);
	if (!o->log_level || strcmp(o->log_level, "debug") != 0)
		dup2(null, 2);
}

// Length of the UTF-8 sequence at p, 0 when there is none.
static size_t utf8_len(const unsigned char *p, size_t len)
{
	size_t n = *p < 0x80		     ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : (*p & 0xf0) == 0xe0     ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;
	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool is_overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool is_surrogate = p[0] == 0xed && p[1] >= 0xa0;
	bool is_too_high = p[0] == 0xf4 && p[1] >= 0x90;
	return is_overlong || is_surrogate || is_too_high ? 0 : n;
}

size_t caller_escape(char *out, size_t size, const char *text, size_t len)
{
	size_t at = 0;
	for (size_t i = 0; i < len;) {
		char piece[8];
		const unsigned char *p = (const unsigned char *)text + i;
		size_t n = utf8_len(p, len - i), m;
		if (*p == '"' || *p == '\\' || *p == '\n' || *p == '\t') {
			piece[0] = '\\';
			piece[1] = *p == '\n' ? 'n' : *p == '\t' ? 't' : (char)*p;
			m = 2;
		} else if (*p < 0x20 || *p == 0x7f) {
			m = (size_t)snprintf(piece, sizeof(piece), "\\u%04x", *p);
		} else if (n) {
			memcpy(piece, p, n);
			m = n;
		} else {
			piece[0] = '?';
			m = 1;
		}
		if (at + m >= size)
			break;
		memcpy(out + at, piece, m);
		at += m;
		i += n ? n : 1;
	}
	out[at] = 0;
	return at;
}

void caller_tell(const struct options *o, int64_t n, const char *message)
{
	char line[MESSAGE_MAX + 128], escaped[MESSAGE_MAX];
	const char *key = o->api_version >= 1 ? "data" : o->exec ? "exit_code" : "pid";
	if (sync_fd < 0)
		return;
	int len = snprintf(line, sizeof(line), "{\"%s\": %lld", key, (long long)n);
	if (message) {
		caller_escape(escaped, sizeof(escaped), message, strlen(message));
		len += snprintf(line + len, sizeof(line) - (size_t)len, ", \"message\": \"%s\"", escaped);
	}
	len += snprintf(line + len, sizeof(line) - (size_t)len, "}\n");
	int rc = file_write_all(sync_fd, line, (size_t)len);
	if (rc)
		log_debug("sync pipe: %s", strerror(-rc));
}

void caller_tell_attach(void)
{
	if (attach_fd >= 0)
		(void)!file_write_all(attach_fd, "{\"data\": 0}\n", 12);
}

void caller_close(void)
{
	if (sync_fd >= 0)
		close(sync_fd);
	sync_fd = -1;
}
