// SPDX-License-Identifier: Apache-2.0
// What the seccomp files share with each other and with nobody else. Actions are numbers of seccomp(2),
// SECCOMP_RET_… with their data, which are also libseccomp's.
#pragma once

#include <linux/filter.h>

#include "joblet-runtime/seccomp.h"

#define SECCOMP_ARCH_MAX 32
#define SECCOMP_NO_CALL	 INT32_MIN

// seccomp_names.c: no system call. -EINVAL and a text for a name that is not known.
int seccomp_action(const char *name, int64_t errno_ret, uint32_t *out, struct err *e) attr_must_check;
int seccomp_operator(const char *name, int *out, struct err *e) attr_must_check;  // enum scmp_compare
int seccomp_arch(const char *name, uint32_t *out, struct err *e) attr_must_check; // libseccomp's token
int seccomp_flag(const char *name, unsigned *out, struct err *e) attr_must_check; // SECCOMP_FILTER_FLAG_…
unsigned seccomp_strictness(uint32_t action); // more is stricter, as the kernel orders actions
// Number of a system call under an architecture's token, also of those newer than libseccomp; SECCOMP_NO_CALL
// where there is none. May be one of libseccomp's negative pseudo numbers.
int seccomp_number(uint32_t arch, const char *name);

// seccomp_prelude.c: no system call. BPF that stands before libseccomp's.
// A rule that comes before libseccomp's: a denial beside a looser rule, or a call that libseccomp does not
// know. The strictest first.
struct seccomp_early {
	const char *name;
	const struct spec_seccomp_arg *args;
	size_t arg_count;
	uint32_t action;
};
struct seccomp_prelude {
	const uint32_t *archs; // libseccomp's tokens
	size_t arch_count;
	const struct seccomp_early *early;
	size_t early_count;
	const int *newest; // for each arch: system calls above get ENOSYS; negative: none do
};
int seccomp_prelude_build(const struct seccomp_prelude *p, struct buf *out, struct err *e) attr_must_check;
