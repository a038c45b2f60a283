// SPDX-License-Identifier: Apache-2.0
// The listening socket of jobletd.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

// Binds to an IPv4 or IPv6 address, or a name; port 0 takes a free one. *out is the caller's, non-blocking.
// -EADDRINUSE and others, with address and port in the text.
int gateway_listen(const char *address, unsigned port, int *out, struct err *e) attr_must_check;
// The socket that the service manager bound (LISTEN_FDS), which its children do not see any more: 0, and *out
// is the caller's, non-blocking; 1 when it passed none. -EINVAL when it is not just one listening TCP socket.
int gateway_listen_inherited(int *out, struct err *e) attr_must_check;
unsigned gateway_listen_port(int fd);
// Where it listens: the address as getnameinfo(3) writes it without a name.
#define GATEWAY_ADDRESS_MAX 64
void gateway_listen_address(int fd, char out[GATEWAY_ADDRESS_MAX]);
