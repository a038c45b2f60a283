// SPDX-License-Identifier: Apache-2.0
// Paths below a directory that a container may have shaped. Every lookup is one openat2(2) that the kernel
// keeps below that directory.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

// Opens path with dirfd as root: an absolute link or ".." stays inside. Magic links are refused.
// Close-on-exec descriptor or -errno.
int lookup_in_root(int rootfd, const char *path, int flags) attr_must_check;
// The same for a path that has no symbolic link in it: -ELOOP.
int lookup_plain(int rootfd, const char *path, int flags) attr_must_check;
// Opens path, which may not leave dirfd nor the mount that dirfd is on: files of a procfs.
int lookup_beneath(int dirfd, const char *path, int flags) attr_must_check;

// O_PATH descriptor of path below rootfd. What is missing is made: directories with mode 0755, and last a
// directory or an empty file.
enum lookup_kind { LOOKUP_DIR, LOOKUP_FILE };
int lookup_make(int rootfd, const char *path, enum lookup_kind kind) attr_must_check;
