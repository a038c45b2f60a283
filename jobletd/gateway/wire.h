// SPDX-License-Identifier: Apache-2.0
// The packets between gateway and core; what they mean is in specs/gateway.md. Included by both halves of
// jobletd.
#pragma once

#include <stdint.h>

enum gw_type { GW_READY = 1, GW_FAILED, GW_CALL, GW_AUTH_FAILED, GW_DRAIN };

enum { GW_FD_CONTROL = 3, GW_FD_LISTEN = 4, GW_FD_CONFIG = 5 };

#define GW_CN_MAX     257
#define GW_OU_MAX     65
#define GW_SERIAL_MAX 65
#define GW_PEER_MAX   64
#define GW_TEXT_MAX   512

struct gw_call {
	uint32_t type; // GW_CALL
	uint32_t method;
	int64_t deadline_ns; // CLOCK_MONOTONIC, 0: none
	uint8_t fingerprint[32];
	char cn[GW_CN_MAX];
	char ou[GW_OU_MAX];
	char serial[GW_SERIAL_MAX];
	char peer[GW_PEER_MAX];
};

struct gw_text { // GW_FAILED
	uint32_t type;
	char text[GW_TEXT_MAX];
};

struct gw_auth_failed {
	uint32_t type;
	uint32_t left_out; // failures since the last packet that got none of their own
	char peer[GW_PEER_MAX];
	char cn[GW_CN_MAX];
	char reason[GW_TEXT_MAX];
};

// Flags of a frame on a call's socket.
enum { GW_FRAME_MESSAGE = 0x00, GW_FRAME_STATUS = 0x80 };
#define GW_FRAME_HEADER	   5
#define GW_STATUS_TEXT_MAX 4096
