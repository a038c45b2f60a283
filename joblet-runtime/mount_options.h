// SPDX-License-Identifier: Apache-2.0
// The options of one mount of config.json, sorted by who takes them: attributes of the mount, its
// propagation, and what the filesystem itself reads. config.md "Linux mount options". Pure.
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

struct mount_options {
	bool bind, recursive; // bind or rbind
	bool remount;
	bool tmpcopyup;
	bool idmap, idmap_recursive;
	uint64_t set, clear;	     // MOUNT_ATTR_… of the mount
	uint64_t rec_set, rec_clear; // and of everything below it
	uint64_t propagation;	     // MS_PRIVATE …, 0: not given
	bool propagation_recursive;
	const char **data; // for fsconfig(2): "k=v" or "k", NULL-terminated
	size_t data_count;
};

// 0, or -EINVAL or -ENOTSUP and a text. data borrows from m; free with mount_options_free.
int mount_options_parse(const struct spec_mount *m, struct mount_options *o, struct err *e) attr_must_check;
void mount_options_free(struct mount_options *o);

// "private", "rslave" … to MS_PRIVATE …; -EINVAL.
int mount_propagation(const char *name, uint64_t *flag, bool *recursive) attr_must_check;

// False for destinations inside of /proc that would let a container lie to the runtime, but the few files
// that are commonly covered.
bool mount_target_allowed(const struct spec_mount *m);
