// SPDX-License-Identifier: Apache-2.0
// Opening the audit log: going on behind the last record, whatever a crash or somebody left there. Nothing
// that was in the file is thrown away: what is cut or damaged is set aside under another name, and a record
// says so.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "jobletd/audit_file_private.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

int audit_file_last(int fd, struct audit_chain *c, off_t *end, bool *is_signed, struct err *e)
{
	struct audit_line l;
	static char tail[2 * AUDIT_LINE_MAX];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "the audit log");
	off_t from = st.st_size > (off_t)sizeof(tail) ? st.st_size - (off_t)sizeof(tail) : 0;
	ssize_t n = pread(fd, tail, sizeof(tail), from);
	if (n < 0)
		return err_sys(e, -errno, "the audit log");
	const char *stop = memrchr(tail, '\n', (size_t)n);
	if (!stop)
		return -ENOENT;
	const char *before = stop == tail ? NULL : memrchr(tail, '\n', (size_t)(stop - tail));
	const char *line = before ? before + 1 : tail;
	if (end)
		*end = from + (stop - tail) + 1;
	int rc = audit_chain_resume(c, line, (size_t)(stop - line), &l, e);
	if (rc == 0 && is_signed)
		*is_signed = audit_line_is(&l, "checkpoint");
	return rc;
}

// What the first record of the file says of the log's identity.
static int read_log_id(struct audit_file *f, int fd)
{
	char line[1024];
	size_t len;

	ssize_t n = pread(fd, line, sizeof(line), 0);
	const char *id = n > 0 ? audit_line_member(line, (size_t)n, "log_id", &len) : NULL;
	if (!id || len != AUDIT_ID_LEN)
		return -EINVAL;
	memcpy(f->log_id, id, AUDIT_ID_LEN);
	return 0;
}

static void make_log_id(struct audit_file *f)
{
	uint8_t b[AUDIT_ID_LEN / 2];

	while (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		;
	audit_hex(b, sizeof(b), f->log_id);
}

// How far the log had come when it was last written. false: no head, or not made with this log's key.
static bool read_head(const struct audit_file *f, struct audit_chain *c)
{
	char text[256] = "", mac[AUDIT_HEX_LEN + 1];
	uint8_t want[AUDIT_HASH_BYTES];

	ssize_t n = pread(f->head, text, sizeof(text) - 1, 0);
	if (n != 20 + 1 + AUDIT_HEX_LEN + 1 + AUDIT_HEX_LEN + 1)
		return false;
	text[20] = '\0';
	if (strspn(text, "0123456789") != 20 ||
	    audit_unhex(text + 21, AUDIT_HEX_LEN, c->hash, AUDIT_HASH_BYTES))
		return false;
	c->seq = strtoull(text, NULL, 10);
	if (audit_chain_mac(c, f->key, want, NULL))
		return false;
	audit_hex(want, AUDIT_HASH_BYTES, mac);
	return memcmp(mac, text + 22 + AUDIT_HEX_LEN, AUDIT_HEX_LEN) == 0;
}

static char *aside_name(const struct audit_file *f, const char *what)
{
	return xasprintf("%s.%s.%lld", f->name, what, (long long)time(NULL));
}

// What a crash cut off goes to a file of its own.
static int set_tail_aside(struct audit_file *f, off_t end, char **name, struct err *e)
{
	cleanup_buf struct buf torn = {0};
	size_t n = (size_t)(f->size - end);

	int rc = buf_reserve(&torn, n);
	if (rc || pread(f->fd, torn.data, n, end) != (ssize_t)n)
		return err_set(e, -EIO, "cannot read the end of the audit log");
	*name = aside_name(f, "torn");
	rc = file_replace(f->dir, *name, torn.data, n, 0400, FILE_SYNC, e);
	if (rc == 0 && f->is_immutable)
		rc = audit_file_set_flags(f->fd, false, FS_APPEND_FL, e);
	if (rc == 0 && ftruncate(f->fd, end) < 0)
		rc = err_sys(e, -errno, "the audit log %s", f->name);
	f->size = end;
	if (rc == 0 && f->is_immutable)
		rc = audit_file_set_flags(f->fd, true, FS_APPEND_FL, e);
	return rc;
}

// A file that is no log of ours, or whose last record is damaged.
static int set_file_aside(struct audit_file *f, char **name, struct err *e)
{
	int rc = f->is_immutable ? audit_file_set_flags(f->fd, false, FS_APPEND_FL, e) : 0;
	if (rc)
		return rc;
	*name = aside_name(f, "damaged");
	if (renameat2(f->dir, f->name, f->dir, *name, RENAME_NOREPLACE) < 0)
		return err_sys(e, -errno, "cannot set the damaged audit log %s aside", f->name);
	close(take_fd(f->fd));
	return audit_file_create(f, e);
}

static int note(struct audit_file *f, const char *event, const char *file, const char *text, struct err *e)
{
	cleanup_buf struct buf line = {0};
	struct json_out o;

	log_error("audit: %s: %s", event, text);
	audit_file_begin(f, &o, &line, event);
	if (file)
		json_kv_str(&o, "file", file);
	json_kv_str(&o, "text", text);
	return audit_file_end(f, &o, e);
}

// Goes on behind the newest closed file, or with a log of its own when there is none.
static int begin_file(struct audit_file *f, struct err *e)
{
	cleanup_strv char **closed = NULL;
	int rc = audit_file_closed(f->dir, f->name, &closed, e);
	if (rc)
		return rc;
	size_t n = strv_len(closed);
	if (n) {
		cleanup_close int fd = openat(f->dir, closed[n - 1], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && audit_file_last(fd, &f->chain, NULL, NULL, e) == 0 &&
		    read_log_id(f, fd) == 0) {
			f->signed_seq = f->chain.seq; // a file is closed with a checkpoint
			return audit_file_start(f, "log_continued", closed[n - 1], e);
		}
	}
	make_log_id(f);
	return audit_file_start(f, "log_created", NULL, e);
}

static int go_on(struct audit_file *f, struct err *e)
{
	cleanup_free char *torn = NULL, *damaged = NULL;
	struct audit_chain head = {0};
	bool has_head = read_head(f, &head), is_signed = false;
	off_t end = 0;
	int rc = f->size ? audit_file_last(f->fd, &f->chain, &end, &is_signed, e) : -ENOENT;

	if (rc == 0)
		rc = read_log_id(f, f->fd);
	if (rc == 0 && end < f->size)
		rc = set_tail_aside(f, end, &torn, e);
	else if (rc && f->size)
		rc = set_file_aside(f, &damaged, e);
	else if (rc == -ENOENT)
		rc = 0;
	if (rc)
		return rc;
	// Otherwise the last checkpoint is not looked for: a signature that comes early does no harm.
	if (is_signed)
		f->signed_seq = f->chain.seq;
	if (f->size == 0)
		rc = begin_file(f, e);
	if (rc == 0 && damaged)
		rc = note(f, "log_damaged", damaged, "the log could not be continued and was set aside", e);
	if (rc == 0 && torn)
		rc = note(f, "log_recovered", torn, "a record that was cut off was set aside", e);
	if (rc == 0 && has_head && head.seq > f->chain.seq) {
		char text[128];
		snprintf(text, sizeof(text), "the log had %" PRIu64 " records and was cut after %" PRIu64,
			 head.seq, f->chain.seq);
		rc = note(f, "integrity_failed", NULL, text, e);
	}
	return rc;
}

static int open_all(struct audit_file *f, const struct config *cfg, struct err *e)
{
	const char *slash = strrchr(cfg->audit.log_file, '/');
	cleanup_free char *dir =
	    xstrndup(cfg->audit.log_file,
		     slash == cfg->audit.log_file ? 1 : (size_t)(slash - cfg->audit.log_file));
	cleanup_free char *head = xasprintf("%s/audit-head", cfg->path.state);

	if (str_copy(f->name, sizeof(f->name), slash + 1) || !f->name[0])
		return err_set(e, -EINVAL, "security.audit.log_file %s: not the name of a file",
			       cfg->audit.log_file);
	int rc = file_mkdirs(dir, 0750, e);
	if (rc == 0)
		rc = audit_key_open(cfg->path.config, &f->key, e);
	if (rc)
		return rc;
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->head = open(head, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->dir < 0 || f->head < 0)
		return err_sys(e, -errno, "%s", f->dir < 0 ? dir : head);
	rc = audit_file_create(f, e);
	return rc ? rc : go_on(f, e);
}

int audit_file_open(const struct config *cfg, struct audit_file **out, struct err *e)
{
	struct audit_file *f = xcalloc(1, sizeof(*f));

	f->fd = f->dir = f->head = -1;
	f->max_size = cfg->audit.max_file_size;
	f->retention_ns = cfg->audit.retention_days * 86400 * INT64_C(1000000000);
	f->is_immutable = cfg->audit.immutable;
	f->node = cfg->server.node_id;
	int rc = open_all(f, cfg, e);
	if (rc) {
		if (f->fd >= 0)
			close(take_fd(f->fd));
		audit_file_close(f);
		return rc;
	}
	*out = f;
	return 0;
}
