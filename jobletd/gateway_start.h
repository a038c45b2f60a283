// SPDX-License-Identifier: Apache-2.0
// The core's side of the gateway (specs/gateway.md): the listening socket, the process, and what it says on
// the control socket. A gateway that dies is started again on the same socket, at once and then with growing
// delays; jobs do not notice.
#pragma once

#include <systemd/sd-event.h>

#include "jobletd/config.h"
#include "jobletd/gateway/wire.h"
#include "jobletd/gateway_listen.h"
#include "lib/base/base.h"
#include "lib/base/err.h"

struct gateway;

struct gateway_events {
	void (*ready)(void *userdata); // each time a gateway has become ready
	// The first gateway could not start; text says why. Later ones are tried again.
	void (*failed)(void *userdata, const char *text);
	void (*drained)(void *userdata); // the gateway has ended after gateway_drain
	// Somebody was refused before there could be a call. The strings are NUL-terminated, and no more is
	// known of them.
	void (*auth_failed)(void *userdata, const struct gw_auth_failed *a);
	// A call and its socket, which is taken. -EBADMSG: no sound gateway sends this, it is killed.
	int (*call)(void *userdata, const struct gw_call *p, int fd, struct err *e);
};

// Binds. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, each with address and port in the text. cfg, loop and ev are
// borrowed for the lifetime.
int gateway_open(const struct config *cfg, sd_event *loop, const struct gateway_events *ev, void *userdata,
		 struct gateway **out, struct err *e) attr_must_check;
unsigned gateway_port(const struct gateway *g); // the one that was bound
void gateway_address(const struct gateway *g, char out[GATEWAY_ADDRESS_MAX]);

// Starts the process. Its log goes to log_fd. Whether it could serve is told by ready or failed.
int gateway_start(struct gateway *g, int log_fd, struct err *e) attr_must_check;
void gateway_drain(struct gateway *g); // accept no more, end when all connections are closed
void gateway_free(struct gateway *g);  // kills what is left
