// SPDX-License-Identifier: Apache-2.0
// Between audit_file.c and audit_open.c.
#pragma once

#include <openssl/evp.h>

#include "jobletd/audit_file.h"
#include "jobletd/audit_key.h"

// Opens and locks dir/name, an empty one if it is not there.
int audit_file_create(struct audit_file *f, struct err *e) attr_must_check;
// The first record of a file: log_created, or log_continued with the name of the file before (NULL: none).
int audit_file_start(struct audit_file *f, const char *event, const char *before,
		     struct err *e) attr_must_check;
// FS_APPEND_FL or FS_IMMUTABLE_FL, ioctl_iflags(2).
int audit_file_set_flags(int fd, bool on, int flag, struct err *e) attr_must_check;
// The chain behind the last whole record of fd. *end is where that ends (NULL: not wanted), *is_signed
// whether it is a checkpoint (likewise). -ENOENT: the file has no whole line; -EINVAL: its last one is no
// record.
int audit_file_last(int fd, struct audit_chain *c, off_t *end, bool *is_signed,
		    struct err *e) attr_must_check;
