// SPDX-License-Identifier: Apache-2.0
// Id-mapped mounts: files of a tree seem to belong to other users than on disk. mount_setattr(2) "ID-mapped
// mounts".
#pragma once

#include "joblet-runtime/spec.h"
#include "lib/base/err.h"

// Maps the detached tree: by the mappings of m, else by those of the container's new user namespace.
int mount_idmap(const struct spec *s, const struct spec_mount *m, int treefd, bool recursive,
		struct err *e) attr_must_check;
