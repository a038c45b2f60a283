// SPDX-License-Identifier: Apache-2.0
// The audit log from its writing to its verification: every way to change one must be found, and located.
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "jobletd/audit_file.h"
#include "jobletd/audit_key.h"
#include "jobletd/audit_verify.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

static char log_file[256], head_file[256], key_file[256];
static struct config cfg;

static void begin(const char *name)
{
	cleanup_free char *dir = xasprintf("%s/%s", test_dir(), name);
	struct err e = {0};

	free(cfg.path.config);
	free(cfg.path.state);
	cfg.path.config = xasprintf("%s/config", dir);
	cfg.path.state = xasprintf("%s/state", dir);
	snprintf(log_file, sizeof(log_file), "%s/log/audit.log", dir);
	snprintf(head_file, sizeof(head_file), "%s/state/audit-head", dir);
	snprintf(key_file, sizeof(key_file), "%s/config/audit-key.pub", dir);
	cfg.audit.log_file = log_file;
	cfg.audit.max_file_size = 1 << 30;
	cfg.server.node_id = (char *)(uintptr_t) "node-1";
	if (file_mkdirs(cfg.path.config, 0700, &e) || file_mkdirs(cfg.path.state, 0700, &e))
		test_ok(false, "%s", e.msg);
}

static void write_records(unsigned n)
{
	struct audit_file *f = NULL;
	struct err e = {0};
	bool good = audit_file_open(&cfg, &f, &e) == 0;

	for (unsigned i = 0; good && i < n; i++) {
		cleanup_buf struct buf line = {0};
		struct json_out o;
		audit_file_begin(f, &o, &line, "job_operation");
		json_kv_i64(&o, "number", i);
		json_kv_str(&o, "text", "a \"quoted\" text\nwith a line feed, \"event\":\"checkpoint\"");
		good = audit_file_end(f, &o, &e) == 0;
	}
	test_ok(good, "%u records: %s", n, e.msg);
	audit_file_close(f);
}

static struct audit_report verify_with(const char *key, uint64_t seq, const char *hash)
{
	struct audit_verify_options o = {.log_file = log_file, .head_file = head_file, .expect_seq = seq};
	struct audit_report r = {0};
	struct err e = {0};

	if (hash && audit_unhex(hash, strlen(hash), o.expect_hash, sizeof(o.expect_hash)))
		abort();
	if (key && audit_key_load(key, &o.key, &e))
		test_ok(false, "%s", e.msg);
	audit_verify(&o, &r);
	EVP_PKEY_free(o.key);
	return r;
}

static struct audit_report verify(void)
{
	return verify_with(key_file, 0, NULL);
}

static char *read_log(const char *file, size_t *len)
{
	char *text = NULL;
	struct err e = {0};
	if (file_read(AT_FDCWD, file, (size_t)1 << 30, &text, len, &e))
		abort();
	return text;
}

static void write_log(const char *text, size_t len)
{
	cleanup_close int fd = open(log_file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || file_write_all(fd, text, len))
		abort();
}

static char *line_at(char *text, unsigned n)
{
	while (n-- > 1)
		text = strchr(text, '\n') + 1;
	return text;
}

static void test_whole(void)
{
	begin("whole");
	write_records(2500);
	struct audit_report r = verify();
	test_is_int(r.verdict, AUDIT_WHOLE, "whole: %s", r.what.msg);
	// created, 2500, and a checkpoint after each 1000 and at the end
	test_is_int(r.records, 1 + 2500 + 3, "every record");
	test_is_int(r.checkpoints, 3, "every checkpoint");
	test_is_int(r.signed_seq, r.last_seq, "signed to the end");
	write_records(3);
	r = verify();
	test_is_int(r.verdict, AUDIT_WHOLE, "continued: %s", r.what.msg);
	test_is_int(r.last_seq, 2504 + 4, "the numbers go on");
	const struct audit_report last = r;
	r = verify_with(key_file, last.last_seq, last.last_hash);
	test_is_int(r.verdict, AUDIT_WHOLE, "the last record is as expected");
	r = verify_with(key_file, last.last_seq - 1, last.last_hash);
	test_is_int(r.verdict, AUDIT_ALTERED, "another one is not");
	r = verify_with(key_file, last.last_seq + 1,
			"00000000000000000000000000000000000000000000000000000000000000ff");
	test_is_int(r.verdict, AUDIT_TRUNCATED, "one that should be there");
}

// A flip of any bit of a log of ten thousand records is found, and the line is that of the flip. Line feeds
// are flipped too: then two lines are one, or one is two.
static void test_flips(void)
{
	size_t len, missed = 0, misplaced = 0, tried = 0;

	begin("flips");
	write_records(10000);
	cleanup_free char *text = read_log(log_file, &len);
	// Every bit of the first lines, and one bit of each line: each verification reads the whole log up to
	// the flip.
	for (size_t at = 0; at < len;) {
		unsigned line = 1;
		for (const char *p = text; (p = memchr(p, '\n', (size_t)(text + at - p))); p++)
			line++;
		char *byte = text + at;
		for (int bit = 0; bit < 8; bit++) {
			*byte = (char)(*byte ^ (1 << bit));
			write_log(text, len);
			struct audit_report r = verify();
			missed += r.verdict == AUDIT_WHOLE;
			misplaced += r.verdict != AUDIT_WHOLE && (r.line < line || r.line > line + 1);
			tried++;
			*byte = (char)(*byte ^ (1 << bit));
		}
		at += at < 300 ? 1 : len / 37 + 1;
	}
	write_log(text, len);
	test_ok(tried > 2000, "%zu flips", tried);
	test_is_int(missed, 0, "none is missed");
	test_is_int(misplaced, 0, "each is located");
	test_is_int(verify().verdict, AUDIT_WHOLE, "and as it was it is whole");
}

static void test_lines(void)
{
	size_t len;

	begin("lines");
	write_records(50);
	cleanup_free char *text = read_log(log_file, &len);
	char *tenth = line_at(text, 10), *next = line_at(text, 11), *after = line_at(text, 12);
	size_t n = (size_t)(next - tenth), m = (size_t)(after - next);
	cleanup_free char *other = xmalloc(len + n);

	memcpy(other, text, (size_t)(tenth - text));
	memcpy(other + (tenth - text), next, len - (size_t)(next - text));
	write_log(other, len - n);
	struct audit_report r = verify();
	test_ok(r.verdict == AUDIT_ALTERED && r.line == 10, "a line that was removed: %s", r.what.msg);

	memcpy(other, text, (size_t)(next - text));
	memcpy(other + (next - text), tenth, len - (size_t)(tenth - text));
	write_log(other, len + n);
	r = verify();
	test_ok(r.verdict == AUDIT_ALTERED && r.line == 11, "a line that is there twice: %s", r.what.msg);

	memcpy(other, text, len);
	memcpy(other + (tenth - text), next, m);
	memcpy(other + (tenth - text) + m, tenth, n);
	write_log(other, len);
	r = verify();
	test_ok(r.verdict == AUDIT_ALTERED && r.line == 10, "two that were swapped: %s", r.what.msg);

	size_t missed = 0;
	for (unsigned line = 0; line < 51; line++) {
		write_log(text, line ? (size_t)(line_at(text, line + 1) - text) : 0);
		missed += verify().verdict != AUDIT_TRUNCATED;
	}
	test_is_int(missed, 0, "a log that was cut behind any line");
	write_log(text, len - 7);
	test_is_int(verify().verdict, AUDIT_ALTERED, "a log that was cut within a line");
}

// Who has the log but not the key changes a record and computes every hash anew.
static void test_rechained(void)
{
	struct audit_chain c = {0};
	cleanup_buf struct buf forged = {0};
	size_t len;

	begin("rechained");
	write_records(1500);
	cleanup_free char *text = read_log(log_file, &len);
	unsigned number = 0;
	for (char *p = text, *end; p < text + len; p = end + 1) {
		cleanup_buf struct buf line = {0};
		end = strchr(p, '\n');
		char *tail = strstr(p, ",\"prev\":");
		buf_add(&line, p, (size_t)(tail - p));
		if (++number == 700)
			*strstr(line.data, "quoted") = 'Q';
		audit_chain_seal(&c, &line);
		buf_add(&forged, line.data, line.len);
	}
	write_log(forged.data, forged.len);
	struct audit_report r = verify();
	test_ok(r.verdict == AUDIT_ALTERED && r.line >= 700, "found at the next signature: %s", r.what.msg);
	test_ok(strstr(r.what.msg, "signature") || strstr(r.what.msg, "noted"), "by what it lacks: %s",
		r.what.msg);

	// With a key of his own, and everything beside the log forged as well, the auditor's key still tells.
	cleanup_free char *auditor = xasprintf("%s/auditor.pub", test_dir());
	if (rename(key_file, auditor) < 0)
		abort();
	cleanup_free char *copies = xasprintf("%s.checkpoints", log_file);
	cleanup_free char *private = xasprintf("%s/audit-key.pem", cfg.path.config);
	unlink(copies);
	unlink(head_file);
	unlink(private);
	unlink(log_file);
	write_records(1500);
	test_is_int(verify().verdict, AUDIT_WHOLE, "a new log by a new key is whole by itself");
	r = verify_with(auditor, 0, NULL);
	test_ok(r.verdict == AUDIT_ALTERED && strstr(r.what.msg, "another key"),
		"but not by the auditor's key: %s", r.what.msg);
}

static void test_recovery(void)
{
	size_t len;

	begin("recovery");
	write_records(20);
	cleanup_free char *text = read_log(log_file, &len);
	write_log(text, len - 30);
	write_records(1);
	struct audit_report r = verify();
	// The torn record was the checkpoint at the end, which the copies still have.
	test_is_int(r.verdict, AUDIT_ALTERED, "a signed record that was torn is not there: %s", r.what.msg);

	begin("recovery2");
	write_records(20);
	cleanup_free char *all = read_log(log_file, &len);
	cleanup_free char *torn = xasprintf("%s{\"v\":1,\"seq\":23,\"time\":\"20", all);
	write_log(torn, strlen(torn));
	write_records(1);
	r = verify();
	test_is_int(r.verdict, AUDIT_WHOLE, "half a record is set aside: %s", r.what.msg);
	cleanup_free char *now = read_log(log_file, &len);
	test_ok(strstr(now, "\"event\":\"log_recovered\""), "and that is recorded");

	begin("recovery3");
	write_records(5);
	write_log("no log at all\n", 14);
	write_records(1);
	cleanup_free char *new = read_log(log_file, &len);
	test_ok(strstr(new, "\"event\":\"log_created\"") && strstr(new, "\"event\":\"log_damaged\"") &&
		    strstr(new, "\"event\":\"integrity_failed\""),
		"a file that is no log is set aside, and what is missing is said");
}

static void test_files(void)
{
	begin("files");
	cfg.audit.max_file_size = 65536;
	write_records(1000);
	struct audit_report r = verify();
	test_is_int(r.verdict, AUDIT_WHOLE, "many files: %s", r.what.msg);
	test_ok(r.files > 4, "%u files", r.files);
	cleanup_free char *dir = xasprintf("%s/files/log", test_dir());
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_strv char **names = NULL;
	struct stat st;
	struct err e = {0};
	test_ok(audit_file_closed(fd, "audit.log", &names, &e) == 0 && names[0], "closed files");
	test_ok(fstatat(fd, names[0], &st, 0) == 0 && (st.st_mode & 07777) == 0400, "are read-only");

	// The oldest is removed for its age, with a record; the next by somebody, without one.
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	utimensat(fd, names[0], old, 0);
	cfg.audit.retention_days = 30;
	struct audit_file *f = NULL;
	test_is_int(audit_file_open(&cfg, &f, &e), 0, "open");
	test_is_int(audit_file_retain(f, &e), 0, "retention: %s", e.msg);
	audit_file_close(f);
	test_ok(faccessat(fd, names[0], F_OK, 0) < 0 && faccessat(fd, names[1], F_OK, 0) == 0,
		"only the old one went");
	r = verify();
	test_is_int(r.verdict, AUDIT_WHOLE, "and a record explains it: %s", r.what.msg);
	unlinkat(fd, names[1], 0);
	r = verify();
	test_is_int(r.verdict, AUDIT_TRUNCATED, "without one it is missing: %s", r.what.msg);
	unlinkat(fd, names[3], 0);
	r = verify();
	test_is_int(r.verdict, AUDIT_ALTERED, "as is one in the middle: %s", r.what.msg);
	cfg.audit.max_file_size = 1 << 30;
	cfg.audit.retention_days = 0;
}

static void test_second_writer(void)
{
	struct audit_file *a = NULL, *b = NULL;
	struct err e = {0};

	begin("second");
	test_is_int(audit_file_open(&cfg, &a, &e), 0, "a writer");
	test_is_int(audit_file_open(&cfg, &b, &e), -EBUSY, "a second one: %s", e.msg);
	audit_file_close(a);
}

int main(void)
{
	// What OpenSSL opens once for itself is no leak of ours.
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY_free(key);
	test_begin();
	log_init("audit_test", open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	test_state.fds++;
	test_whole();
	test_flips();
	test_lines();
	test_rechained();
	test_recovery();
	test_files();
	test_second_writer();
	free(cfg.path.config);
	free(cfg.path.state);
	return test_end();
}
