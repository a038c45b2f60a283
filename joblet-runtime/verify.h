// SPDX-License-Identifier: Apache-2.0
// The read-back: what the kernel says is in force, against what config.json asks. Less than asked is an
// error; the program does not run.
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

struct verify_status {
	uint32_t uid[4], gid[4]; // real, effective, saved, filesystem
	uint32_t *groups;
	size_t group_count;
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	uint64_t sig_ignored;
	int64_t no_new_privs, seccomp;
	bool groups_kept; // set by the caller: the user namespace denies setgroups(2)
};

// Reads the text of /proc/PID/status (proc(5)). -EINVAL and a text when a line is missing. Pure.
int verify_parse(const char *text, struct verify_status *out, struct err *e) attr_must_check;
void verify_free(struct verify_status *st);

// Identity, groups, capabilities, no_new_privs; with_seccomp: that a filter is loaded. -EPERM and what
// differs. Pure.
int verify_status(const struct spec *s, const struct verify_status *st, bool with_seccomp,
		  struct err *e) attr_must_check;
