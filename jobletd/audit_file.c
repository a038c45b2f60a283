// SPDX-License-Identifier: Apache-2.0
// Writing the audit log: append, head, checkpoint, rotation, retention. How it is opened is in audit_open.c.
#include "jobletd/audit_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "jobletd/audit_file_private.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

void audit_file_begin(const struct audit_file *f, struct json_out *o, struct buf *line, const char *event)
{
	char time[STR_TIME_MAX];

	str_time_rfc3339(clock_ns(CLOCK_REALTIME), time);
	line->max = AUDIT_LINE_MAX - 256; // the hashes come on top
	json_out_begin(o, line, false);
	json_open_obj(o);
	json_kv_i64(o, "v", 1);
	json_key(o, "seq");
	json_put_u64(o, f->chain.seq + 1);
	json_kv_str(o, "time", time);
	json_kv_str(o, "event", event);
	if (f->node[0])
		json_kv_str(o, "node", f->node);
}

// The head says how far the log had come. It is a hint for a crash and evidence against a log that was cut,
// so it is written with every record and synced by none.
static void write_head(struct audit_file *f)
{
	char hash[AUDIT_HEX_LEN + 1], mac_hex[AUDIT_HEX_LEN + 1], text[256];
	uint8_t mac[AUDIT_HASH_BYTES];

	if (f->head < 0 || audit_chain_mac(&f->chain, f->key, mac, NULL) != 0)
		return;
	audit_hex(f->chain.hash, AUDIT_HASH_BYTES, hash);
	audit_hex(mac, AUDIT_HASH_BYTES, mac_hex);
	int n = snprintf(text, sizeof(text), "%020" PRIu64 " %s %s\n", f->chain.seq, hash, mac_hex);
	if (pwrite(f->head, text, (size_t)n, 0) != n)
		f->head = -1; // it can be made anew by the next start
}

static int write_line(struct audit_file *f, struct buf *line, struct err *e)
{
	const struct audit_chain before = f->chain;

	line->max = AUDIT_LINE_MAX;
	audit_chain_seal(&f->chain, line);
	ssize_t n = write(f->fd, line->data, line->len);
	if (n == (ssize_t)line->len) {
		f->size += n;
		write_head(f);
		return 0;
	}
	int rc = n < 0 ? -errno : -ENOSPC;
	f->chain = before;
	if (n > 0 && ftruncate(f->fd, f->size) < 0)
		rc = -EIO; // half a record stands there: the next start sets it aside
	return err_sys(e, rc, "the audit log %s cannot be written", f->name);
}

int audit_file_sync(struct audit_file *f, struct err *e)
{
	return fdatasync(f->fd) < 0 ? err_sys(e, -errno, "the audit log %s cannot be written", f->name) : 0;
}

// A copy of each checkpoint in a file of its own: who cuts the log must know of that too.
static int copy_checkpoint(const struct audit_file *f, const struct buf *line, struct err *e)
{
	cleanup_free char *name = xasprintf("%s.checkpoints", f->name);
	cleanup_close int fd =
	    openat(f->dir, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	int rc = fd < 0 ? -errno : file_write_all(fd, line->data, line->len);
	if (rc == 0 && fdatasync(fd) < 0)
		rc = -errno;
	return rc ? err_sys(e, rc, "the audit log's checkpoints %s cannot be written", name) : 0;
}

int audit_file_checkpoint(struct audit_file *f, struct err *e)
{
	uint8_t sig[AUDIT_SIG_BYTES];
	char hex[2 * AUDIT_SIG_BYTES + 1];
	cleanup_buf struct buf line = {0};
	struct json_out o;

	if (f->signed_seq == f->chain.seq)
		return 0;
	int rc = audit_chain_sign(&f->chain, f->log_id, f->key, sig, e);
	if (rc)
		return rc;
	audit_hex(sig, sizeof(sig), hex);
	audit_file_begin(f, &o, &line, "checkpoint");
	json_kv_str(&o, "log_id", f->log_id);
	json_kv_str(&o, "signature", hex);
	rc = write_line(f, &line, e);
	if (rc)
		return rc;
	f->signed_seq = f->chain.seq;
	rc = audit_file_sync(f, e);
	return rc ? rc : copy_checkpoint(f, &line, e);
}

int audit_file_set_flags(int fd, bool on, int flag, struct err *e)
{
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags = on ? flags | flag : flags & ~flag;
		if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
			return 0;
	}
	return err_sys(e, -errno, "logging.immutable_logs: the file system of the audit log cannot do that");
}

int audit_file_create(struct audit_file *f, struct err *e)
{
	f->fd =
	    openat(f->dir, f->name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	struct stat st;
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_sys(e, -errno, "the audit log %s", f->name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "the audit log %s is not a regular file", f->name);
	f->size = st.st_size;
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			   ? err_set(e, -EBUSY, "another jobletd runs: it has the audit log %s", f->name)
			   : err_sys(e, -errno, "the audit log %s", f->name);
	return f->is_immutable ? audit_file_set_flags(f->fd, true, FS_APPEND_FL, e) : 0;
}

int audit_file_start(struct audit_file *f, const char *event, const char *before, struct err *e)
{
	char key[AUDIT_KEY_HEX_LEN + 1];
	cleanup_buf struct buf line = {0};
	struct json_out o;

	int rc = audit_key_public(f->key, key, e);
	if (rc)
		return rc;
	audit_file_begin(f, &o, &line, event);
	json_kv_str(&o, "log_id", f->log_id);
	json_kv_str(&o, "public_key", key);
	json_kv_str(&o, "version", JOBLET_VERSION);
	if (before)
		json_kv_str(&o, "file_before", before);
	return write_line(f, &line, e);
}

static int rotate(struct audit_file *f, struct err *e)
{
	cleanup_free char *closed = NULL;
	int rc = audit_file_checkpoint(f, e);
	if (rc)
		return rc;
	closed = xasprintf("%s.%012" PRIu64, f->name, f->chain.seq);
	if (f->is_immutable && (rc = audit_file_set_flags(f->fd, false, FS_APPEND_FL, e)))
		return rc;
	if (renameat2(f->dir, f->name, f->dir, closed, RENAME_NOREPLACE) < 0)
		return err_sys(e, -errno, "cannot close the audit log %s", f->name);
	cleanup_close int old = take_fd(f->fd);
	if (fchmod(old, 0400) < 0)
		return err_sys(e, -errno, "%s", closed);
	if (f->is_immutable && (rc = audit_file_set_flags(old, true, FS_IMMUTABLE_FL, e)))
		return rc;
	rc = audit_file_create(f, e);
	if (rc == 0)
		rc = audit_file_start(f, "log_continued", closed, e);
	if (rc == 0 && fsync(f->dir) < 0)
		rc = err_sys(e, -errno, "the folder of the audit log");
	return rc;
}

int audit_file_repair(struct audit_file *f, struct err *e)
{
	if (f->fd >= 0)
		return 0;
	int rc = audit_file_create(f, e);
	return rc || f->size ? rc : audit_file_start(f, "log_continued", NULL, e);
}

int audit_file_end(struct audit_file *f, struct json_out *o, struct err *e)
{
	if (o->rc)
		return err_sys(e, o->rc, "a record of the audit log");
	if (f->fd < 0)
		return err_set(e, -EBADF, "the audit log could not be continued in a new file");
	int rc = write_line(f, o->buf, e);
	if (rc)
		return rc;
	if (f->size >= f->max_size)
		return rotate(f, e);
	return f->chain.seq - f->signed_seq >= AUDIT_CHECKPOINT_RECORDS ? audit_file_checkpoint(f, e) : 0;
}

static bool is_closed_name(const char *file, const char *name)
{
	size_t n = strlen(name);
	return strncmp(file, name, n) == 0 && file[n] == '.' && strlen(file + n + 1) == 12 &&
	       strspn(file + n + 1, "0123456789") == 12;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int audit_file_closed(int dirfd, const char *name, char ***out, struct err *e)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		int rc = err_sys(e, -errno, "the folder of the audit log");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*out = xcalloc(1, sizeof(char *));
	for (struct dirent *entry; (entry = readdir(d));)
		if (is_closed_name(entry->d_name, name))
			strv_add(out, entry->d_name);
	qsort(*out, strv_len(*out), sizeof(char *), compare);
	return 0;
}

// The chain behind the last record of a closed file.
static int end_of(int dirfd, const char *name, struct audit_chain *c, struct err *e)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, -errno, "%s", name);
	return audit_file_last(fd, c, NULL, NULL, e);
}

static int drop(struct audit_file *f, const char *name, struct err *e)
{
	char hash[AUDIT_HEX_LEN + 1];
	struct audit_chain last = {0};
	cleanup_buf struct buf line = {0};
	struct json_out o;

	int rc = end_of(f->dir, name, &last, e);
	if (rc)
		return rc;
	audit_hex(last.hash, AUDIT_HASH_BYTES, hash);
	audit_file_begin(f, &o, &line, "retention");
	json_kv_str(&o, "file", name);
	json_key(&o, "last_seq");
	json_put_u64(&o, last.seq);
	json_kv_str(&o, "last_hash", hash);
	rc = audit_file_end(f, &o, e);
	if (rc == 0)
		rc = audit_file_sync(f, e);
	if (rc)
		return rc;
	cleanup_close int fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && f->is_immutable && (rc = audit_file_set_flags(fd, false, FS_IMMUTABLE_FL, e)))
		return rc;
	return unlinkat(f->dir, name, 0) < 0 ? err_sys(e, -errno, "%s", name) : 0;
}

int audit_file_retain(struct audit_file *f, struct err *e)
{
	cleanup_strv char **names = NULL;
	int rc = f->retention_ns ? audit_file_closed(f->dir, f->name, &names, e) : 0;

	for (size_t i = 0; rc == 0 && names && names[i]; i++) {
		struct stat st;
		if (fstatat(f->dir, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, -errno, "%s", names[i]);
		if (st.st_mtim.tv_sec * INT64_C(1000000000) + f->retention_ns > clock_ns(CLOCK_REALTIME))
			break; // the later ones are younger
		rc = drop(f, names[i], e);
	}
	return rc;
}

void audit_file_close(struct audit_file *f)
{
	struct err e = {0};

	if (!f)
		return;
	if (f->fd >= 0 && audit_file_checkpoint(f, &e) != 0)
		log_error("%s", e.msg);
	int *const fds[] = {&f->fd, &f->dir, &f->head};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	EVP_PKEY_free(f->key);
	free(f);
}
