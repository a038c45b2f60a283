// SPDX-License-Identifier: Apache-2.0
// tmpcopyup: what lies below a mount point is copied into the tmpfs that is mounted over it.
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

// Copies the directory behind from, with all below it, into the one behind to: files, directories, links,
// nodes; modes, owners and times. Does not follow a link, nor enter another mount.
// owner, mode: to itself gets those of from.
int mount_copyup(int from, int to, bool owner, bool mode, struct err *e) attr_must_check;
