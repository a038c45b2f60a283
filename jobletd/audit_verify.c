// SPDX-License-Identifier: Apache-2.0
// Reads the closed files and the log in their order, follows the chain, checks every signature, and compares
// with what is kept elsewhere: the copies of the checkpoints, the head, a record that somebody noted.
#include "jobletd/audit_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#include "jobletd/audit_file.h"
#include "jobletd/audit_key.h"
#include "lib/base/str.h"

// A position that the log must have passed.
struct mark {
	uint64_t seq;
	uint8_t hash[AUDIT_HASH_BYTES];
};

struct verifier {
	const struct audit_verify_options *o;
	struct audit_report *r;
	struct audit_chain chain;
	EVP_PKEY *key;
	bool owns_key;
	char log_id[AUDIT_ID_LEN + 1];
	struct audit_chain base; // before the first record that is there
	bool base_is_explained;
	struct mark *marks;
	size_t mark_count, next_mark;
	bool has_copies; // of the checkpoints
	char *line;
	size_t line_cap;
};

// The first thing that is wrong ends the reading.
static bool wrong(struct verifier *v, enum audit_verdict verdict, const char *fmt, ...) attr_printf(3, 4);
static bool wrong(struct verifier *v, enum audit_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->r->what.msg, sizeof(v->r->what.msg), fmt, ap);
	va_end(ap);
	v->r->verdict = verdict;
	return false;
}

static void add_mark(struct verifier *v, uint64_t seq, const uint8_t hash[AUDIT_HASH_BYTES])
{
	v->marks = xrealloc(v->marks, (v->mark_count + 1) * sizeof(*v->marks));
	v->marks[v->mark_count].seq = seq;
	memcpy(v->marks[v->mark_count++].hash, hash, AUDIT_HASH_BYTES);
}

static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

// The copies are lines of the log; each gives the record's number and hash.
static bool read_checkpoints(struct verifier *v, int dirfd, const char *name)
{
	cleanup_free char *copy = xasprintf("%s.checkpoints", name);
	int fd = openat(dirfd, copy, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_fclose FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	ssize_t n;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return errno == ENOENT
			   ? true // a log that has not been signed yet; what is signed must have one (finish)
			   : wrong(v, AUDIT_UNVERIFIABLE, "%s: %s", copy, strerror(errno));
	}
	v->has_copies = true;
	while ((n = getline(&v->line, &v->line_cap, f)) > 0) {
		struct audit_chain c;
		struct audit_line l;
		struct err e = {0};
		if (v->line[n - 1] != '\n')
			break; // cut off by a crash
		if (audit_chain_resume(&c, v->line, (size_t)n - 1, &l, &e))
			return wrong(v, AUDIT_ALTERED, "%s: %s", copy, e.msg);
		add_mark(v, c.seq, c.hash);
	}
	return true;
}

static void read_head(struct verifier *v)
{
	char text[256];
	uint8_t hash[AUDIT_HASH_BYTES];
	cleanup_close int fd =
	    v->o->head_file ? open(v->o->head_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	// One that is torn or damaged says nothing; the checkpoints do.
	if (n > 21 + AUDIT_HEX_LEN && strspn(text, "0123456789") == 20 &&
	    audit_unhex(text + 21, AUDIT_HEX_LEN, hash, sizeof(hash)) == 0)
		add_mark(v, strtoull(text, NULL, 10), hash);
}

static bool pass_marks(struct verifier *v)
{
	while (v->next_mark < v->mark_count && v->marks[v->next_mark].seq <= v->chain.seq) {
		const struct mark *m = &v->marks[v->next_mark++];
		if (m->seq == v->chain.seq && memcmp(m->hash, v->chain.hash, AUDIT_HASH_BYTES) != 0)
			return wrong(v, AUDIT_ALTERED,
				     "record %" PRIu64 " is not the one that was noted when it was written",
				     m->seq);
	}
	return true;
}

static bool take_start(struct verifier *v, const char *line, size_t len)
{
	size_t id_len, key_len;
	const char *id = audit_line_member(line, len, "log_id", &id_len);
	const char *key = audit_line_member(line, len, "public_key", &key_len);
	char mine[AUDIT_KEY_HEX_LEN + 1];
	struct err e = {0};

	if (!id || id_len != AUDIT_ID_LEN || !key || key_len != AUDIT_KEY_HEX_LEN)
		return wrong(v, AUDIT_ALTERED, "the first record of the file does not say which log it is");
	if (!v->log_id[0])
		memcpy(v->log_id, id, AUDIT_ID_LEN);
	else if (memcmp(v->log_id, id, AUDIT_ID_LEN) != 0)
		return wrong(v, AUDIT_ALTERED, "the file is of another log");
	if (!v->key) {
		if (audit_key_from_public(key, key_len, &v->key, &e))
			return wrong(v, AUDIT_UNVERIFIABLE, "%s", e.msg);
		v->owns_key = true;
	}
	if (audit_key_public(v->key, mine, &e) || memcmp(mine, key, AUDIT_KEY_HEX_LEN) != 0)
		return wrong(v, AUDIT_ALTERED, "the log names another key than the one given");
	return true;
}

static bool take_checkpoint(struct verifier *v, const struct audit_chain *before, const char *line,
			    size_t len)
{
	size_t sig_len;
	const char *hex = audit_line_member(line, len, "signature", &sig_len);
	uint8_t sig[AUDIT_SIG_BYTES];

	if (!hex || audit_unhex(hex, sig_len, sig, sizeof(sig)) ||
	    !audit_chain_is_signed(before, v->log_id, v->key, sig))
		return wrong(v, AUDIT_ALTERED,
			     "the signature is not right: something after record %" PRIu64 " was changed",
			     v->r->signed_seq);
	v->r->checkpoints++;
	v->r->signed_seq = v->chain.seq;
	return true;
}

// Records that are not there any more, because the retention was over.
static void take_retention(struct verifier *v, const char *line, size_t len)
{
	uint8_t hash[AUDIT_HASH_BYTES];
	size_t n;
	const char *hex = audit_line_member(line, len, "last_hash", &n);

	if (hex && audit_unhex(hex, n, hash, sizeof(hash)) == 0 &&
	    memcmp(hash, v->base.hash, AUDIT_HASH_BYTES) == 0)
		v->base_is_explained = true;
}

static bool take_record(struct verifier *v, const char *line, size_t len, bool is_first_of_file)
{
	const struct audit_chain before = v->chain;
	struct audit_line l;
	struct err e = {0};

	if (audit_chain_check(&v->chain, line, len, &l, &e))
		return wrong(v, AUDIT_ALTERED, "%s", e.msg);
	v->r->records++;
	v->r->last_seq = v->chain.seq;
	if (is_first_of_file) {
		if (!audit_line_is(&l, v->chain.seq == 1 ? "log_created" : "log_continued") ||
		    !take_start(v, line, len))
			return v->r->verdict
				   ? false
				   : wrong(v, AUDIT_ALTERED, "the file does not begin as a log does");
	} else if (audit_line_is(&l, "checkpoint")) {
		if (!take_checkpoint(v, &before, line, len))
			return false;
	} else if (audit_line_is(&l, "retention")) {
		take_retention(v, line, len);
	}
	if (v->chain.seq - v->r->signed_seq > AUDIT_CHECKPOINT_RECORDS + 1 &&
	    v->r->records > AUDIT_CHECKPOINT_RECORDS + 1)
		return wrong(v, AUDIT_ALTERED, "more than %d records without a signature",
			     AUDIT_CHECKPOINT_RECORDS);
	if (v->o->expect_seq == v->chain.seq &&
	    memcmp(v->o->expect_hash, v->chain.hash, AUDIT_HASH_BYTES) != 0)
		return wrong(v, AUDIT_ALTERED, "record %" PRIu64 " is not the one that was expected",
			     v->chain.seq);
	return pass_marks(v);
}

// What stands before the first record that is still there is believed for now.
static bool take_base(struct verifier *v, const char *line, size_t len)
{
	struct audit_chain after;
	struct audit_line l;
	struct err e = {0};
	size_t n;
	const char *prev = audit_line_member(line, len, "prev", &n);

	if (audit_chain_resume(&after, line, len, &l, &e))
		return wrong(v, AUDIT_ALTERED, "%s", e.msg);
	v->chain.seq = after.seq - 1;
	if (!prev || audit_unhex(prev, n, v->chain.hash, AUDIT_HASH_BYTES))
		return wrong(v, AUDIT_ALTERED, "not a record");
	v->base = v->chain;
	v->base_is_explained = after.seq == 1;
	v->r->first_seq = after.seq;
	v->r->signed_seq = v->chain.seq;
	while (v->next_mark < v->mark_count && v->marks[v->next_mark].seq <= v->chain.seq)
		v->next_mark++;
	return true;
}

static bool read_file(struct verifier *v, int dirfd, const char *name)
{
	struct audit_report *r = v->r;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_fclose FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	cleanup_free char *buffer = xmalloc(1 << 20);
	bool good = true, is_first = true;
	ssize_t n;

	snprintf(r->file, sizeof(r->file), "%s", name);
	r->line = r->offset = 0;
	if (!f) {
		if (fd >= 0)
			close(fd);
		return wrong(v, AUDIT_UNVERIFIABLE, "%s", strerror(errno));
	}
	setvbuf(f, buffer, _IOFBF, 1 << 20);
	while (good && (n = getline(&v->line, &v->line_cap, f)) > 0) {
		r->line++;
		if ((size_t)n > AUDIT_LINE_MAX || v->line[n - 1] != '\n')
			good = wrong(v, AUDIT_ALTERED, "the record is cut off or too long");
		else if (r->files == 0 && is_first)
			good = take_base(v, v->line, (size_t)n - 1);
		good = good && take_record(v, v->line, (size_t)n - 1, is_first);
		is_first = false;
		if (good)
			r->offset += (uint64_t)n;
	}
	if (good && ferror(f))
		good = wrong(v, AUDIT_UNVERIFIABLE, "%s", strerror(errno));
	r->files++;
	return good;
}

// What only shows when everything was read.
static bool finish(struct verifier *v)
{
	struct audit_report *r = v->r;

	r->file[0] = '\0';
	audit_hex(v->chain.hash, AUDIT_HASH_BYTES, r->last_hash);
	if (r->records == 0)
		return wrong(v, AUDIT_TRUNCATED, "there is no record at all");
	if (!v->base_is_explained)
		return wrong(v, AUDIT_TRUNCATED,
			     "records 1 to %" PRIu64
			     " are missing, and no record says that they were removed",
			     v->base.seq);
	if (v->next_mark < v->mark_count)
		return wrong(v, AUDIT_TRUNCATED,
			     "the log ends with record %" PRIu64 ", but it had record %" PRIu64, v->chain.seq,
			     v->marks[v->mark_count - 1].seq);
	if (v->o->expect_seq > v->chain.seq)
		return wrong(v, AUDIT_TRUNCATED,
			     "the log ends with record %" PRIu64 ", and record %" PRIu64 " was expected",
			     v->chain.seq, v->o->expect_seq);
	if (r->checkpoints && !v->has_copies)
		return wrong(v, AUDIT_UNVERIFIABLE, "the copies of its checkpoints are not there");
	return true;
}

static bool read_all(struct verifier *v, int dirfd, const char *name)
{
	cleanup_strv char **closed = NULL;
	struct err e = {0};

	if (audit_file_closed(dirfd, name, &closed, &e))
		return wrong(v, AUDIT_UNVERIFIABLE, "%s", e.msg);
	if (!read_checkpoints(v, dirfd, name))
		return false;
	read_head(v);
	if (v->mark_count)
		qsort(v->marks, v->mark_count, sizeof(*v->marks), compare_marks);
	for (size_t i = 0; closed[i]; i++)
		if (!read_file(v, dirfd, closed[i]))
			return false;
	return read_file(v, dirfd, name) && finish(v);
}

void audit_verify(const struct audit_verify_options *o, struct audit_report *r)
{
	struct verifier v = {.o = o, .r = r, .key = o->key};
	const char *slash = strrchr(o->log_file, '/');
	cleanup_free char *dir =
	    slash ? xstrndup(o->log_file, slash == o->log_file ? 1 : (size_t)(slash - o->log_file))
		  : xstrdup(".");
	cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*r = (struct audit_report){0};
	if (dirfd < 0)
		wrong(&v, AUDIT_UNVERIFIABLE, "%s: %s", dir, strerror(errno));
	else
		read_all(&v, dirfd, slash ? slash + 1 : o->log_file);
	if (v.owns_key)
		EVP_PKEY_free(v.key);
	free(v.marks);
	free(v.line);
}
