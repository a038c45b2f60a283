// SPDX-License-Identifier: Apache-2.0
// Device rules under cgroup v2: a BPF program of type CGROUP_DEVICE on the container's cgroup, built here and
// loaded with plain bpf(2). The builder makes no system call. bpf(2), Documentation/bpf, config-linux.md
// "Allowed Device list".
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/base/str.h"
#include "joblet-runtime/cgroup_internal.h"

#define PROGRAM_MAX  4096 // instructions
#define RULE_INSNS   12	  // of one rule at most
#define ATTACHED_MAX 64

// r2: kind of device, r3: access that nothing has allowed yet, r4: major, r5: minor
#define INSN(c, d, s, o, i)                                                                                  \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (short)(o), .imm = (i)})
#define LOAD(reg, field)                                                                                     \
	INSN(BPF_LDX | BPF_MEM | BPF_W, reg, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, field), 0)
#define JUMP_NE(reg, value, skip) INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, skip, value)
#define JUMP_EQ(reg, value, skip) INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, value)
#define MOVE(reg, value)	  INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define EXIT			  INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static size_t build_return(struct bpf_insn *p, bool allow)
{
	p[0] = MOVE(BPF_REG_0, allow ? 1 : 0);
	p[1] = EXIT;
	return 2;
}

// A rule that does not concern the device goes on with the next; the skips are filled in when the length is
// known.
static size_t build_rule(struct bpf_insn *p, const struct spec_device_rule *d)
{
	size_t n = 0, tests = 0;
	int access = (d->mknod ? BPF_DEVCG_ACC_MKNOD : 0) | (d->read ? BPF_DEVCG_ACC_READ : 0) |
		     (d->write ? BPF_DEVCG_ACC_WRITE : 0);

	p[n++] = JUMP_NE(BPF_REG_2, d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0);
	if (d->major != -1)
		p[n++] = JUMP_NE(BPF_REG_4, (int32_t)d->major, 0);
	if (d->minor != -1)
		p[n++] = JUMP_NE(BPF_REG_5, (int32_t)d->minor, 0);
	tests = n;
	if (d->allow) {
		// What it allows needs no further rule; when nothing is left, all is allowed.
		p[n++] = INSN(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, ~access);
		p[n++] = JUMP_NE(BPF_REG_3, 0, 2);
	} else {
		p[n++] = INSN(BPF_JMP | BPF_JSET | BPF_K, BPF_REG_3, 0, 1, access);
		p[n++] = INSN(BPF_JMP | BPF_JA, 0, 0, 2, 0);
	}
	n += build_return(p + n, d->allow);
	for (size_t i = 0; i < tests; i++)
		p[i].off = (short)(n - i - 1);
	return n;
}

int cgroup_bpf_build(const struct spec_device_rule *rules, size_t n, struct bpf_insn **out, size_t *count,
		     struct err *e)
{
	cleanup_free struct bpf_insn *p = xcalloc(PROGRAM_MAX, sizeof(*p));
	size_t used = 0;
	p[used++] = LOAD(BPF_REG_2, access_type);
	p[used++] = INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	p[used++] = INSN(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	p[used++] = INSN(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	p[used++] = LOAD(BPF_REG_4, major);
	p[used++] = LOAD(BPF_REG_5, minor);

	// From the last to the first: the first match here is the last in the list, which is the one that
	// counts.
	bool rest = true;
	for (size_t i = n; i-- > 0;) {
		const struct spec_device_rule *d = &rules[i];
		if (d->type == 'a') {
			rest = d->allow;
			break;
		}
		if (d->major > INT32_MAX || d->minor > INT32_MAX)
			return err_set(e, -ERANGE, "device rule %zu: number out of range", i);
		if (!d->read && !d->write && !d->mknod)
			continue;
		if (used + RULE_INSNS + 2 > PROGRAM_MAX)
			return err_set(e, -E2BIG, "too many device rules (%zu)", n);
		used += build_rule(p + used, d);
	}
	used += build_return(p + used, rest);
	*out = take_ptr(p);
	*count = used;
	return 0;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	int rc;
	do
		rc = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
	while (rc < 0 && errno == EAGAIN);
	return rc < 0 ? -errno : rc;
}

static int load_program(const struct bpf_insn *insns, size_t count, struct err *e)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.expected_attach_type = BPF_CGROUP_DEVICE;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uintptr_t) "Apache-2.0";
	memcpy(attr.prog_name, "joblet_devices", sizeof("joblet_devices"));
	int fd = bpf(BPF_PROG_LOAD, &attr);
	return fd < 0 ? err_sys(e, fd, "loading the device program (BPF_PROG_LOAD)") : fd;
}

static int query(int dirfd, uint32_t *ids, uint32_t *n)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)dirfd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = ATTACHED_MAX;
	int rc = bpf(BPF_PROG_QUERY, &attr);
	*n = attr.query.prog_cnt;
	return rc < 0 ? rc : 0;
}

static int program_by_id(uint32_t id)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

// replace: the program whose place it takes, in one step; -1 for none.
static int attach(int dirfd, int program, int replace)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)dirfd;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replace >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replace;
	}
	return bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int dirfd, int program)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)dirfd;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &attr);
}

int cgroup_v2_devices(int dirfd, const struct spec_resources *r, struct err *e)
{
	cleanup_free struct bpf_insn *insns = NULL;
	size_t count = 0;
	uint32_t ids[ATTACHED_MAX], n = 0;

	int rc = cgroup_bpf_build(r->devices, r->device_count, &insns, &count, e);
	if (rc < 0)
		return rc;
	cleanup_close int program = load_program(insns, count, e);
	if (program < 0)
		return program;
	rc = query(dirfd, ids, &n);
	if (rc < 0)
		return err_sys(e, rc, "asking for the device programs of the cgroup (BPF_PROG_QUERY)");

	// An update takes the place of the one that is there: between two programs no device would be denied.
	cleanup_close int old = n ? program_by_id(ids[0]) : -1;
	if (n && old < 0)
		return err_sys(e, old, "opening the device program that is attached");
	rc = attach(dirfd, program, old);
	if (rc < 0)
		return err_sys(e, rc, "attaching the device program (BPF_PROG_ATTACH)");
	for (uint32_t i = 1; i < n; i++) {
		cleanup_close int other = program_by_id(ids[i]);
		rc = other < 0 ? other : detach(dirfd, other);
		if (rc < 0)
			return err_sys(e, rc, "detaching an older device program");
	}
	rc = query(dirfd, ids, &n);
	if (rc < 0 || n != 1)
		return err_set(e, rc < 0 ? rc : -EIO, "the device program is not attached (%u are)", n);
	return 0;
}
