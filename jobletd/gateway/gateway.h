// SPDX-License-Identifier: Apache-2.0
// The unprivileged half of jobletd: sockets, TLS, HTTP/2 and gRPC's framing. specs/gateway.md is its contract
// with the core.
#pragma once

// The whole life of the process that the core starts as `jobletd --gateway`. Returns the exit status.
int gateway_main(void);
