// SPDX-License-Identifier: Apache-2.0
// A look over the bytes of a protobuf message before protobuf-c unpacks it: nothing that is deep, wide or
// garbled reaches it.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

#define WIRE_DEPTH_MAX	 8
#define WIRE_FIELDS_MAX	 ((size_t)4096)
#define WIRE_UNKNOWN_MAX ((size_t)64)

// Whether the bytes are one message of type: depth, at most fields_max fields in all, no groups, no field of
// the wrong wire type, every string UTF-8 without NUL (protobuf-c ends strings at the first NUL and checks
// nothing). 0 or -EBADMSG with a text that names the field. Pure.
int wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len, size_t fields_max,
	       struct err *e) attr_must_check;
