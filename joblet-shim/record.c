// SPDX-License-Identifier: Apache-2.0
// Exit files. The code is decimal, without newline, as conmon writes it; the whole record is JSON.
#include "joblet-shim/record.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define PATIENCE 5 // calls that exit.json may hold up the others for

static bool is_json_there, is_exit_there, is_persist_there;

static int write_in(const char *dir, const char *name, const char *text, int len, enum file_sync sync,
		    struct err *e)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "%.300s", dir);
	int rc = file_replace(fd, name, text, (size_t)len, 0644, sync, e);
	return rc ? err_wrap(e, rc, "%.300s", dir) : 0;
}

static int write_json(const struct options *o, const struct record *r, struct err *e)
{
	char text[1024], created[STR_TIME_MAX], ended[STR_TIME_MAX];
	str_time_rfc3339(r->created_ns, created);
	str_time_rfc3339(r->ended_ns, ended);
	int n = snprintf(text, sizeof(text),
			 "{\"exitCode\": %d, \"signal\": %d, \"oomKilled\": %s, \"timedOut\": %s, "
			 "\"created\": \"%s\", \"ended\": \"%s\", \"memoryPeak\": %lld, \"cpuTime\": %lld, "
			 "\"ioRead\": %lld, \"ioWritten\": %lld, \"linesDropped\": %llu, "
			 "\"bytesDropped\": %llu}\n",
			 r->code, r->signal, r->is_oom ? "true" : "false", r->is_timed_out ? "true" : "false",
			 created, ended, (long long)r->usage.peak_memory, (long long)r->usage.cpu_ns,
			 (long long)r->usage.io_read, (long long)r->usage.io_written,
			 (unsigned long long)r->dropped_lines, (unsigned long long)r->dropped_bytes);
	// Nobody asks for it when the machine has crashed; that the container has ended, and how, is in the
	// exit file.
	return write_in(o->bundle, "exit.json", text, n, FILE_NOSYNC, e);
}

int record_exit(const struct options *o, const struct record *r, struct err *e)
{
	static int calls;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", r->code);
	if (o->bundle && !is_json_there) {
		int rc = write_json(o, r, e);
		is_json_there = rc == 0 || rc == -ENOENT || ++calls >= PATIENCE;
		if (!is_json_there)
			return rc;
		if (rc)
			log_error("the exit record is lost: %s", e->msg);
	}
	int rc = 0;
	// The persistent one first: podman and jobletd watch the other.
	if (o->persist_dir && !is_persist_there) {
		rc = write_in(o->persist_dir, "exit", text, n, FILE_SYNC, e);
		is_persist_there = rc == 0;
	}
	if (o->exit_dir && !is_exit_there) {
		int rc2 = write_in(o->exit_dir, o->cid, text, n, FILE_SYNC, e);
		is_exit_there = rc2 == 0;
		rc = rc ? rc : rc2;
	}
	return rc;
}

static void clear_in(const char *dir, const char *name)
{
	cleanup_close int fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0)
		unlinkat(fd, name, 0);
}

void record_clear(const struct options *o)
{
	clear_in(o->exit_dir, o->cid);
	clear_in(o->persist_dir, "exit");
	clear_in(o->bundle, "exit.json");
	if (o->exec)
		return; // these are the container's
	clear_in(o->persist_dir, "oom");
	clear_in(o->bundle, "oom");
}
