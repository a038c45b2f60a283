// SPDX-License-Identifier: Apache-2.0
// The terminal of a container: a pair from the container's own devpts. pty(7), ioctl_tty(2).
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

// By the parent: connects to the socket that shall get the other end. Descriptor or -errno.
int console_connect(const char *path, struct err *e) attr_must_check;

// --pidfd-socket: hands a descriptor of the process to the socket at path, which may be NULL.
int console_send_pidfd(const char *path, int pidfd, struct err *e) attr_must_check;

// Opens a pair below rootfd, binds its slave over /dev/console when bind is set, which init does before the
// root is entered, sends the master through sock with the slave's name, and makes the slave stdin, stdout and
// stderr.
int console_setup(const struct spec *s, int rootfd, int sock, bool bind, struct err *e) attr_must_check;
// By the leader of a session: makes that terminal the controlling one.
int console_control(struct err *e) attr_must_check;
