// SPDX-License-Identifier: Apache-2.0
// Compiled filters kept in a directory: compiling takes milliseconds, and a job's filter is the same every
// time. A file holds the whole text of the filter that it was made from. Its name only helps to find it. What
// cannot be trusted or read is compiled anew.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/file.h"
#include "joblet-runtime/seccomp_internal.h"

#define CACHE_FILE_MAX ((size_t)16 << 20)
#define CACHE_MAGIC    0x636373326c626a31ULL

struct cache_head {
	uint64_t magic, text_len, bpf_len;
	uint32_t flags, want_listener;
};

static void put_number(struct buf *b, uint64_t v)
{
	(void)buf_add(b, &v, sizeof(v));
}

static void put_str(struct buf *b, const char *s)
{
	size_t n = s ? strlen(s) : 0;
	put_number(b, s ? n : UINT64_MAX);
	(void)buf_add(b, s ? s : "", n);
}

// Everything that the result depends on; lengths before strings and counts before lists, so that no two
// filters have one text.
static int canonical_text(const struct spec_seccomp *s, struct buf *b)
{
	const struct scmp_version *v = seccomp_version();
	put_str(b, JOBLET_VERSION " " JOBLET_COMMIT);
	(void)buf_printf(b, "libseccomp %u.%u.%u arch %#x\n", v->major, v->minor, v->micro,
			 seccomp_arch_native());
	put_str(b, s->default_action);
	put_number(b, (uint64_t)s->default_errno_ret);
	put_number(b, s->architecture_count);
	for (size_t i = 0; i < s->architecture_count; i++)
		put_str(b, s->architectures[i]);
	put_number(b, s->flag_count);
	for (size_t i = 0; i < s->flag_count; i++)
		put_str(b, s->flags[i]);
	put_number(b, s->syscall_count);
	for (size_t i = 0; i < s->syscall_count; i++) {
		const struct spec_syscall *c = &s->syscalls[i];
		put_str(b, c->action);
		put_number(b, (uint64_t)c->errno_ret);
		put_number(b, c->name_count);
		for (size_t k = 0; k < c->name_count; k++)
			put_str(b, c->names[k]);
		put_number(b, c->arg_count);
		for (size_t k = 0; k < c->arg_count; k++) {
			put_number(b, c->args[k].index);
			put_number(b, c->args[k].value);
			put_number(b, c->args[k].value_two);
			put_str(b, c->args[k].op);
		}
	}
	// A text that hit the ceiling would be the text of another filter, too.
	return b->len + 1 < CACHE_FILE_MAX / 2 ? 0 : -EFBIG;
}

// FNV-1a, for a name only.
static uint64_t name_hash(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001b3ULL;
	return h;
}

static bool is_ours_alone(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

// 0 found; 1 not there or not to be used.
static int look_up(int dirfd, const char *name, const struct buf *text, struct seccomp_program *out)
{
	struct stat st;
	struct cache_head head;
	size_t len = 0;
	cleanup_free char *data = NULL;
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_ours_alone(&st) ||
	    file_read_fd(fd, CACHE_FILE_MAX, &data, &len) < 0 || len < sizeof(head))
		return 1;
	memcpy(&head, data, sizeof(head));
	const char *body = data + sizeof(head);
	size_t body_len = len - sizeof(head);
	if (head.magic != CACHE_MAGIC || head.text_len != text->len || body_len < text->len ||
	    head.bpf_len != body_len - text->len || memcmp(body, text->data, text->len) != 0)
		return 1;
	if (head.bpf_len == 0 || head.bpf_len % sizeof(struct sock_filter) ||
	    head.bpf_len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return 1;
	*out = (struct seccomp_program){.flags = head.flags, .want_listener = head.want_listener != 0};
	return buf_add(&out->bpf, body + text->len, head.bpf_len) < 0 ? 1 : 0;
}

static void keep(int dirfd, const char *name, const struct buf *text, const struct seccomp_program *p)
{
	struct cache_head head = {.magic = CACHE_MAGIC,
				  .text_len = text->len,
				  .bpf_len = p->bpf.len,
				  .flags = p->flags,
				  .want_listener = p->want_listener};
	cleanup_buf struct buf file = {0};
	if (buf_add(&file, &head, sizeof(head)) == 0 && buf_add(&file, text->data, text->len) == 0 &&
	    buf_add(&file, p->bpf.data, p->bpf.len) == 0)
		(void)!file_replace(dirfd, name, file.data, file.len, 0600, FILE_SYNC, NULL);
}

int seccomp_compile_cached(int dirfd, const struct spec_seccomp *s, struct seccomp_program *out,
			   struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct stat st;
	char name[64];
	if (dirfd < 0 || canonical_text(s, &text) < 0)
		return seccomp_compile(s, out, e);
	if (fstat(dirfd, &st) < 0)
		return err_sys(e, -errno, "seccomp: cache directory");
	if (!is_ours_alone(&st))
		return err_set(e, -EPERM,
			       "seccomp: the cache directory can be written by others (mode %o, owner %u)",
			       st.st_mode & 07777U, st.st_uid);
	(void)snprintf(name, sizeof(name), "seccomp-%016jx", (uintmax_t)name_hash(text.data, text.len));
	if (look_up(dirfd, name, &text, out) == 0)
		return 0;
	int rc = seccomp_compile(s, out, e);
	if (rc == 0)
		keep(dirfd, name, &text, out);
	return rc;
}
