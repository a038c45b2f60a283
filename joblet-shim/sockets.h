// SPDX-License-Identifier: Apache-2.0
// Sockets at a path that may be longer than a socket address: they are bound through a descriptor of their
// directory.
#pragma once

#include <sys/stat.h>

#include "lib/base/err.h"

// A non-blocking socket of type at dir/name with this mode; what stood there goes. Other types than
// SOCK_DGRAM listen. The descriptor or -errno.
int sockets_open(const char *dir, const char *name, int type, mode_t mode, struct err *e) attr_must_check;
void sockets_remove(const char *dir, const char *name);

// A peer of path, which may be `@name` for an abstract one: a connected socket, or -errno.
int sockets_connect(const char *path, int type) attr_must_check;
