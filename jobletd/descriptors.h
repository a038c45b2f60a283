// SPDX-License-Identifier: Apache-2.0
// The descriptors of every .proto of specs/, built into the program, for server reflection. Pure.
#pragma once

#include "lib/base/base.h"

struct descriptor_file {
	const uint8_t *data; // one FileDescriptorProto
	size_t len;
};

// false when there is none.
bool descriptors_by_name(const char *name, struct descriptor_file *out);
// symbol: package.Message[.Nested], package.Enum, package.Service[.Method].
bool descriptors_by_symbol(const char *symbol, struct descriptor_file *out);
