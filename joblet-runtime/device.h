// SPDX-License-Identifier: Apache-2.0
// Device nodes and links below /dev, and the device rules that go with them. config-linux.md "Default
// Devices", "Devices".
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

// In init, before the root is entered: nodes are made with mknod(2), or, where a user namespace forbids that,
// bound (bind, or a user namespace of the bundle's) from the host's verified ones. Nothing is done below a
// /dev that the spec binds.
int device_make_all(const struct spec *s, int rootfd, bool bind, struct err *e) attr_must_check;

// Puts behind the spec's device rules those of the default devices, so that what the runtime makes can be
// used. Without any rule all other devices are denied. Pure.
void device_add_rules(struct spec *s, struct spec_resources *r);
