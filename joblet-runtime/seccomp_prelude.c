// SPDX-License-Identifier: Apache-2.0
// BPF that stands before libseccomp's program: what libseccomp cannot say. For each architecture, ENOSYS for
// system calls newer than the filter, and the denials by argument that go before a looser rule. What is not
// decided here falls through. No system call here. seccomp(2), BPF(4).
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "joblet-runtime/seccomp_internal.h"

#define X32_BIT	    0x40000000U
#define RULE_MAX    128 // instructions of one rule
#define SECTION_MAX 8192

// Places that are known once the block is written.
#define TO_FAIL 255 // the rule does not match
#define TO_PASS 254 // this condition holds

#define STMT(code, k) ((struct sock_filter)BPF_STMT((unsigned short)(code), k))
#define JUMP(code, k, jt, jf)                                                                                \
	((struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | (code) | BPF_K), k, jt, jf))
#define LOAD(offset) STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define LOAD_NR	     LOAD(offsetof(struct seccomp_data, nr))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_WORD  0U
#define HIGH_WORD 4U
#else
#define LOW_WORD  4U
#define HIGH_WORD 0U
#endif

static struct sock_filter load_arg(unsigned index, unsigned word)
{
	return LOAD(offsetof(struct seccomp_data, args) + index * 8 + word);
}

static size_t emit_masked(struct sock_filter *p, const struct spec_seccomp_arg *a)
{
	size_t n = 0;
	uint32_t mask_high = (uint32_t)(a->value >> 32), want_high = (uint32_t)(a->value_two >> 32);
	if (mask_high || want_high) {
		p[n++] = load_arg(a->index, HIGH_WORD);
		p[n++] = STMT(BPF_ALU | BPF_AND | BPF_K, mask_high);
		p[n++] = JUMP(BPF_JEQ, want_high, 0, TO_FAIL);
	}
	p[n++] = load_arg(a->index, LOW_WORD);
	p[n++] = STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)a->value);
	p[n++] = JUMP(BPF_JEQ, (uint32_t)a->value_two, 0, TO_FAIL);
	return n;
}

// One comparison of 64 bits in two halves.
static size_t emit_condition(struct sock_filter *p, const struct spec_seccomp_arg *a, int op)
{
	uint32_t high = (uint32_t)(a->value >> 32), low = (uint32_t)a->value;
	size_t n = 0;
	if (op == SCMP_CMP_MASKED_EQ)
		return emit_masked(p, a);
	p[n++] = load_arg(a->index, HIGH_WORD);
	if (op == SCMP_CMP_GT || op == SCMP_CMP_GE)
		p[n++] = JUMP(BPF_JGT, high, TO_PASS, 0);
	if (op == SCMP_CMP_LT || op == SCMP_CMP_LE)
		p[n++] = JUMP(BPF_JGT, high, TO_FAIL, 0);
	bool other_high_holds = op == SCMP_CMP_NE || op == SCMP_CMP_LT || op == SCMP_CMP_LE;
	p[n++] = JUMP(BPF_JEQ, high, 0, other_high_holds ? TO_PASS : TO_FAIL);
	p[n++] = load_arg(a->index, LOW_WORD);
	switch (op) {
	case SCMP_CMP_EQ: p[n++] = JUMP(BPF_JEQ, low, 0, TO_FAIL); break;
	case SCMP_CMP_NE: p[n++] = JUMP(BPF_JEQ, low, TO_FAIL, 0); break;
	case SCMP_CMP_GT: p[n++] = JUMP(BPF_JGT, low, 0, TO_FAIL); break;
	case SCMP_CMP_GE: p[n++] = JUMP(BPF_JGE, low, 0, TO_FAIL); break;
	case SCMP_CMP_LT: p[n++] = JUMP(BPF_JGE, low, TO_FAIL, 0); break;
	default: p[n++] = JUMP(BPF_JGT, low, TO_FAIL, 0); break; // SCMP_CMP_LE
	}
	for (size_t i = 0; i < n; i++) {
		if (BPF_CLASS(p[i].code) != BPF_JMP)
			continue;
		p[i].jt = p[i].jt == TO_PASS ? (uint8_t)(n - i - 1) : p[i].jt;
		p[i].jf = p[i].jf == TO_PASS ? (uint8_t)(n - i - 1) : p[i].jf;
	}
	return n;
}

static int emit_early(struct sock_filter *p, const struct seccomp_early *d, uint32_t nr, struct err *e)
{
	size_t n = 1;
	for (size_t i = 0; i < d->arg_count; i++) {
		int op = 0;
		int rc = seccomp_operator(d->args[i].op, &op, e);
		if (rc < 0)
			return rc;
		if (n + 12 > RULE_MAX)
			return err_set(e, -E2BIG, "seccomp: too many conditions for %s", d->name);
		n += emit_condition(p + n, &d->args[i], op);
	}
	p[n++] = STMT(BPF_RET | BPF_K, d->action);
	for (size_t i = 1; i < n; i++) {
		if (BPF_CLASS(p[i].code) != BPF_JMP)
			continue;
		p[i].jt = p[i].jt == TO_FAIL ? (uint8_t)(n - i - 1) : p[i].jt;
		p[i].jf = p[i].jf == TO_FAIL ? (uint8_t)(n - i - 1) : p[i].jf;
	}
	if (d->arg_count)
		p[n++] = LOAD_NR; // the conditions left an argument behind
	p[0] = JUMP(BPF_JEQ, nr, 0, (uint8_t)(n - 1));
	return (int)n;
}

static int emit_section(struct sock_filter *s, uint32_t audit_arch, const struct seccomp_prelude *p,
			struct err *e)
{
	size_t n = 2;
	s[n++] = LOAD_NR;
	for (size_t i = 0; i < p->arch_count; i++) {
		if (p->archs[i] != audit_arch || p->newest[i] < 0)
			continue;
		if (audit_arch == AUDIT_ARCH_X86_64) // x32's numbers, and -1, are libseccomp's to judge
			s[n++] = JUMP(BPF_JGE, X32_BIT, 2, 0);
		s[n++] = JUMP(BPF_JGT, (uint32_t)p->newest[i], 0, 1);
		s[n++] = STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	for (size_t i = 0; i < p->arch_count; i++) {
		bool x32 = p->archs[i] == SCMP_ARCH_X32;
		if (p->archs[i] != audit_arch && !(x32 && audit_arch == AUDIT_ARCH_X86_64))
			continue;
		for (size_t k = 0; k < p->early_count; k++) {
			int nr = seccomp_number(p->archs[i], p->early[k].name);
			if (nr < 0)
				continue;
			if (n + RULE_MAX > SECTION_MAX)
				return err_set(e, -E2BIG, "seccomp: too many rules with arguments");
			int len = emit_early(s + n, &p->early[k], (uint32_t)nr | (x32 ? X32_BIT : 0), e);
			if (len < 0)
				return len;
			n += (size_t)len;
		}
	}
	s[0] = JUMP(BPF_JEQ, audit_arch, 1, 0);
	s[1] = STMT(BPF_JMP | BPF_JA, (uint32_t)(n - 2));
	return (int)n;
}

int seccomp_prelude_build(const struct seccomp_prelude *p, struct buf *out, struct err *e)
{
	cleanup_free struct sock_filter *section = xcalloc(SECTION_MAX, sizeof(*section));
	for (size_t i = 0; i < p->arch_count; i++) {
		if (p->archs[i] == SCMP_ARCH_X32) // has the audit number of x86_64
			continue;
		struct sock_filter load = LOAD(offsetof(struct seccomp_data, arch));
		int n = emit_section(section, p->archs[i], p, e);
		if (n < 0)
			return n;
		if (n == 3) // nothing for this one
			continue;
		int rc = buf_add(out, &load, sizeof(load));
		if (rc == 0)
			rc = buf_add(out, section, (size_t)n * sizeof(*section));
		if (rc < 0)
			return err_sys(e, rc, "seccomp");
	}
	return 0;
}
