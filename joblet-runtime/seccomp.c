// SPDX-License-Identifier: Apache-2.0
// The filter of config.json as one BPF program: libseccomp compiles what it can say, seccomp_prelude.c writes
// what it cannot, and the two are joined. Loading is the last thing that happens before execve and allocates
// nothing.
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "joblet-runtime/seccomp_internal.h"

#define EARLY_MAX 512

struct compiler {
	const struct spec_seccomp *s;
	scmp_filter_ctx ctx;
	uint32_t default_action;
	uint32_t archs[SECCOMP_ARCH_MAX];
	size_t arch_count;
	int newest[SECCOMP_ARCH_MAX];
	struct seccomp_early *early;
	size_t early_count;
};

static int add_arch(struct compiler *c, uint32_t token, struct err *e)
{
	for (size_t i = 0; i < c->arch_count; i++)
		if (c->archs[i] == token)
			return 0;
	if (c->arch_count == SECCOMP_ARCH_MAX)
		return err_set(e, -E2BIG, "seccomp: more than %d architectures", SECCOMP_ARCH_MAX);
	int rc = seccomp_arch_add(c->ctx, token);
	if (rc < 0 && rc != -EEXIST)
		return err_sys(e, rc, "seccomp: architecture %#x", token);
	c->archs[c->arch_count++] = token;
	return 0;
}

// The machine's own is always in: without it the program could not even be executed.
static int add_archs(struct compiler *c, struct err *e)
{
	int rc = add_arch(c, seccomp_arch_native(), e);
	for (size_t i = 0; rc == 0 && i < c->s->architecture_count; i++) {
		uint32_t token = 0;
		rc = seccomp_arch(c->s->architectures[i], &token, e);
		if (rc == 0)
			rc = add_arch(c, token, e);
	}
	return rc;
}

// Is there a looser rule for the same call, which would make libseccomp lose this one?
static int has_looser(const struct compiler *c, const char *name, uint32_t action, struct err *e)
{
	for (size_t i = 0; i < c->s->syscall_count; i++) {
		const struct spec_syscall *call = &c->s->syscalls[i];
		uint32_t other = 0;
		int rc = seccomp_action(call->action, call->errno_ret, &other, e);
		if (rc < 0)
			return rc;
		if (seccomp_strictness(other) >= seccomp_strictness(action))
			continue;
		for (size_t k = 0; k < call->name_count; k++)
			if (str_eq(call->names[k], name))
				return 1;
	}
	return 0;
}

// A rule that the prelude has to say.
static int add_early(struct compiler *c, const char *name, const struct spec_seccomp_arg *args, size_t n,
		     uint32_t action, struct err *e)
{
	if (c->early_count == EARLY_MAX)
		return err_set(e, -E2BIG, "seccomp: more than %d rules that libseccomp cannot say",
			       EARLY_MAX);
	c->early[c->early_count++] =
	    (struct seccomp_early){.name = name, .args = args, .arg_count = n, .action = action};
	return 0;
}

static int add_rule(struct compiler *c, const char *name, const struct spec_seccomp_arg *args, size_t n,
		    uint32_t action, struct err *e)
{
	struct scmp_arg_cmp cmp[6];
	int nr = seccomp_number(seccomp_arch_native(), name);
	if (nr == SECCOMP_NO_CALL) // pseudo numbers carry calls of other architectures
		return 0;
	// Newer than libseccomp: it takes the number for one architecture, but cannot translate it for
	// another.
	if (c->arch_count > 1 && seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR)
		return action == c->default_action ? 0 : add_early(c, name, args, n, action, e);
	for (size_t i = 0; i < n; i++) {
		int op = 0;
		int rc = seccomp_operator(args[i].op, &op, e);
		if (rc < 0)
			return rc;
		cmp[i] = (struct scmp_arg_cmp){.arg = args[i].index,
					       .op = (enum scmp_compare)op,
					       .datum_a = args[i].value,
					       .datum_b = args[i].value_two};
	}
	int rc = 0;
	if (action != c->default_action)
		rc = seccomp_rule_add_array(c->ctx, action, nr, (unsigned)n, cmp);
	if (rc == -EEXIST) // said before
		rc = 0;
	return rc < 0 ? err_sys(e, rc, "seccomp: rule for %s", name) : 0;
}

// One rule with all its conditions, or one for each when an argument is named twice.
static int add_call(struct compiler *c, const char *name, const struct spec_syscall *call, uint32_t action,
		    struct err *e)
{
	unsigned seen = 0;
	bool twice = false;
	for (size_t i = 0; i < call->arg_count; i++) {
		if (call->args[i].index > 5)
			return err_set(e, -EINVAL, "seccomp: %s has no argument %u", name,
				       call->args[i].index);
		twice = twice || (seen & 1U << call->args[i].index);
		seen |= 1U << call->args[i].index;
	}
	int looser = call->arg_count ? has_looser(c, name, action, e) : 0;
	if (looser < 0)
		return looser;
	size_t step = twice ? 1 : call->arg_count;
	size_t at = 0;
	do {
		int rc = looser ? add_early(c, name, call->args + at, step, action, e)
				: add_rule(c, name, call->args + at, step, action, e);
		if (rc < 0)
			return rc;
		at += step;
	} while (at < call->arg_count);
	return 0;
}

static void note_newest(struct compiler *c, const char *name)
{
	for (size_t i = 0; i < c->arch_count; i++) {
		int nr = c->archs[i] == SCMP_ARCH_X32 ? -1 : seccomp_number(c->archs[i], name);
		if (nr > c->newest[i])
			c->newest[i] = nr;
	}
}

static int add_calls(struct compiler *c, struct seccomp_program *out, struct err *e)
{
	for (size_t i = 0; i < c->s->syscall_count; i++) {
		const struct spec_syscall *call = &c->s->syscalls[i];
		uint32_t action = 0;
		int rc = seccomp_action(call->action, call->errno_ret, &action, e);
		if (rc < 0)
			return rc;
		out->want_listener = out->want_listener || action == SECCOMP_RET_USER_NOTIF;
		for (size_t k = 0; k < call->name_count; k++) {
			note_newest(c, call->names[k]);
			rc = add_call(c, call->names[k], call, action, e);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

// libseccomp 2.5 exports to a descriptor only.
static int export_bpf(scmp_filter_ctx ctx, struct buf *out, struct err *e)
{
	cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "memfd_create");
	int rc = seccomp_export_bpf(ctx, fd);
	if (rc < 0)
		return err_sys(e, rc, "seccomp: compiling the filter");
	cleanup_free char *text = NULL;
	size_t len = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, -errno, "seccomp");
	rc = file_read_fd(fd, (size_t)1 << 20, &text, &len);
	if (rc == 0)
		rc = buf_add(out, text, len);
	return rc < 0 ? err_sys(e, rc, "seccomp: reading the compiled filter") : 0;
}

static int set_up(struct compiler *c, struct err *e)
{
	int rc = seccomp_action(c->s->default_action, c->s->default_errno_ret, &c->default_action, e);
	if (rc < 0)
		return rc;
	if (c->default_action == SECCOMP_RET_USER_NOTIF)
		return err_set(e, -EINVAL,
			       "seccomp: SCMP_ACT_NOTIFY cannot be the default: not even the listener could "
			       "be handed over");
	c->ctx = seccomp_init(c->default_action);
	if (!c->ctx)
		return err_set(e, -EINVAL, "seccomp: this kernel does not know the default action %s",
			       c->s->default_action);
	rc = seccomp_attr_set(c->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0) // a binary tree instead of a chain: about ten comparisons a call instead of hundreds
		rc = seccomp_attr_set(c->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return rc < 0 ? err_sys(e, rc, "seccomp: attributes") : 0;
}

static int stricter_first(const void *a, const void *b)
{
	unsigned x = seccomp_strictness(((const struct seccomp_early *)a)->action);
	unsigned y = seccomp_strictness(((const struct seccomp_early *)b)->action);
	return (x < y) - (x > y);
}

static int compile(struct compiler *c, struct seccomp_program *out, struct err *e)
{
	int rc = set_up(c, e);
	if (rc == 0)
		rc = add_archs(c, e);
	for (size_t i = 0; i < SECCOMP_ARCH_MAX; i++)
		c->newest[i] = -1;
	if (rc == 0)
		rc = add_calls(c, out, e);
	for (size_t i = 0; rc == 0 && i < c->s->flag_count; i++) {
		unsigned flag = 0;
		rc = seccomp_flag(c->s->flags[i], &flag, e);
		out->flags |= flag;
	}
	if (rc < 0)
		return rc;

	uint32_t kind = c->default_action & SECCOMP_RET_ACTION_FULL;
	if (kind != SECCOMP_RET_ERRNO || (c->default_action & SECCOMP_RET_DATA) == ENOSYS)
		for (size_t i = 0; i < SECCOMP_ARCH_MAX; i++)
			c->newest[i] = -1;
	qsort(c->early, c->early_count, sizeof(*c->early), stricter_first);
	struct seccomp_prelude prelude = {.archs = c->archs,
					  .arch_count = c->arch_count,
					  .early = c->early,
					  .early_count = c->early_count,
					  .newest = c->newest};
	rc = seccomp_prelude_build(&prelude, &out->bpf, e);
	if (rc == 0)
		rc = export_bpf(c->ctx, &out->bpf, e);
	if (rc == 0 && out->bpf.len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		rc = err_set(e, -E2BIG, "seccomp: the filter has %zu instructions, the kernel takes %d",
			     out->bpf.len / sizeof(struct sock_filter), BPF_MAXINSNS);
	return rc;
}

int seccomp_compile(const struct spec_seccomp *s, struct seccomp_program *out, struct err *e)
{
	struct compiler c = {.s = s, .early = xcalloc(EARLY_MAX, sizeof(*c.early))};
	*out = (struct seccomp_program){0};
	int rc = compile(&c, out, e);
	if (c.ctx)
		seccomp_release(c.ctx);
	free(c.early);
	if (rc < 0)
		seccomp_program_free(out);
	return rc;
}

void seccomp_program_free(struct seccomp_program *p)
{
	buf_free(&p->bpf);
	*p = (struct seccomp_program){0};
}

int seccomp_program_load(const struct seccomp_program *p, int *listener)
{
	struct sock_fprog prog = {
	    .len = (unsigned short)(p->bpf.len / sizeof(struct sock_filter)),
	    .filter = (struct sock_filter *)(void *)p->bpf.data,
	};
	unsigned flags = p->flags;
	*listener = -1;
	if (p->want_listener) {
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		if (flags & SECCOMP_FILTER_FLAG_TSYNC) // else the result could be a descriptor or a thread
			flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	}
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (rc < 0)
		return -errno;
	if (p->want_listener)
		*listener = (int)rc;
	else if (rc > 0) // a thread that could not follow
		return -ESRCH;
	return 0;
}
