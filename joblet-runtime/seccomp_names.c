// SPDX-License-Identifier: Apache-2.0
// The names of config.json's seccomp as numbers. No system call here.
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "lib/base/str.h"
#include "joblet-runtime/seccomp_internal.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

// takes_data: may carry errnoRet.
static const struct action {
	const char *name;
	uint32_t value;
	bool takes_data;
} actions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG, false},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, false},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false},
};

int seccomp_action(const char *name, int64_t errno_ret, uint32_t *out, struct err *e)
{
	for (size_t i = 0; name && i < ARRAY_LEN(actions); i++) {
		if (!str_eq(name, actions[i].name))
			continue;
		if (errno_ret != SPEC_UNSET && !actions[i].takes_data)
			return err_set(e, -EINVAL, "seccomp: %s takes no errnoRet", name);
		int64_t data = errno_ret != SPEC_UNSET ? errno_ret : EPERM;
		int64_t max = actions[i].value == SECCOMP_RET_ERRNO ? 4095 : UINT16_MAX;
		if (data < 0 || data > max)
			return err_set(e, -EINVAL, "seccomp: errnoRet %jd is not within 0 and %jd",
				       (intmax_t)data, (intmax_t)max);
		*out = actions[i].value | (actions[i].takes_data ? (uint32_t)data : 0);
		return 0;
	}
	return err_set(e, -EINVAL, "seccomp: unknown action %s", name ? name : "(none)");
}

unsigned seccomp_strictness(uint32_t action)
{
	static const uint32_t order[] = {SECCOMP_RET_ALLOW,	  SECCOMP_RET_LOG,	   SECCOMP_RET_TRACE,
					 SECCOMP_RET_USER_NOTIF,  SECCOMP_RET_ERRNO,	   SECCOMP_RET_TRAP,
					 SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS};
	for (unsigned i = 0; i < ARRAY_LEN(order); i++)
		if ((action & SECCOMP_RET_ACTION_FULL) == order[i])
			return i;
	return ARRAY_LEN(order);
}

int seccomp_operator(const char *name, int *out, struct err *e)
{
	static const struct {
		const char *name;
		int value;
	} table[] = {
	    {"SCMP_CMP_NE", SCMP_CMP_NE},
	    {"SCMP_CMP_LT", SCMP_CMP_LT},
	    {"SCMP_CMP_LE", SCMP_CMP_LE},
	    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
	    {"SCMP_CMP_GE", SCMP_CMP_GE},
	    {"SCMP_CMP_GT", SCMP_CMP_GT},
	    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
	};
	for (size_t i = 0; name && i < ARRAY_LEN(table); i++) {
		if (str_eq(name, table[i].name)) {
			*out = table[i].value;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "seccomp: unknown operator %s", name ? name : "(none)");
}

int seccomp_arch(const char *name, uint32_t *out, struct err *e)
{
	static const char prefix[] = "SCMP_ARCH_";
	char lower[32];
	if (!str_starts(name, prefix) || str_copy(lower, sizeof(lower), name + sizeof(prefix) - 1) < 0)
		return err_set(e, -EINVAL, "seccomp: unknown architecture %s", name);
	for (char *p = lower; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	*out = seccomp_arch_resolve_name(lower);
	return *out ? 0 : err_set(e, -EINVAL, "seccomp: unknown architecture %s", name);
}

int seccomp_flag(const char *name, unsigned *out, struct err *e)
{
	static const struct {
		const char *name;
		unsigned value;
	} table[] = {
	    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_eq(name, table[i].name)) {
			*out = table[i].value;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "seccomp: unknown flag %s", name);
}

// Newer than libseccomp 2.5.4. From 424 on a number is the same everywhere but on alpha.
static const struct {
	const char *name;
	int number;
	bool x86_64_only;
} newer[] = {
    {"uretprobe", 335, true},	       {"uprobe", 336, true},
    {"cachestat", 451, false},	       {"fchmodat2", 452, false},
    {"map_shadow_stack", 453, false},  {"futex_wake", 454, false},
    {"futex_wait", 455, false},	       {"futex_requeue", 456, false},
    {"statmount", 457, false},	       {"listmount", 458, false},
    {"lsm_get_self_attr", 459, false}, {"lsm_set_self_attr", 460, false},
    {"lsm_list_modules", 461, false},  {"mseal", 462, false},
    {"setxattrat", 463, false},	       {"getxattrat", 464, false},
    {"listxattrat", 465, false},       {"removexattrat", 466, false},
    {"open_tree_attr", 467, false},    {"file_getattr", 468, false},
    {"file_setattr", 469, false},
};

int seccomp_number(uint32_t arch, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);
	bool known = arch == SCMP_ARCH_X86_64 || arch == SCMP_ARCH_X86 || arch == SCMP_ARCH_AARCH64 ||
		     arch == SCMP_ARCH_ARM || arch == SCMP_ARCH_RISCV64 || arch == SCMP_ARCH_PPC64LE ||
		     arch == SCMP_ARCH_S390X;
	if (nr >= 0 || !known)
		return nr == __NR_SCMP_ERROR ? SECCOMP_NO_CALL : nr;
	for (size_t i = 0; i < ARRAY_LEN(newer); i++)
		if (str_eq(name, newer[i].name) && (!newer[i].x86_64_only || arch == SCMP_ARCH_X86_64))
			return newer[i].number;
	return nr == __NR_SCMP_ERROR ? SECCOMP_NO_CALL : nr;
}
