// SPDX-License-Identifier: Apache-2.0
// Capabilities: names to bits, and the five sets of the calling thread. capabilities(7).
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

// "CAP_NET_ADMIN" to its number, -EINVAL when this program does not know it. Pure.
int caps_number(const char *name) attr_must_check;

// Drops everything from the bounding set that is not in the set asked for.
int caps_bound(const struct spec_caps *caps, struct err *e) attr_must_check;
// Sets inheritable, permitted and effective, and ambient. Last of all: nothing can be taken back.
int caps_set(const struct spec_caps *caps, struct err *e) attr_must_check;
// Makes effective again what is permitted, after a change of user.
bool caps_effective(int cap); // of this process
bool caps_effective(int cap); // of this process
int caps_raise(struct err *e) attr_must_check;
// Locks the securebits so that no identity and no file gives capabilities. For a process that shall never
// have one.
int caps_lock(struct err *e) attr_must_check;
bool caps_is_none(const struct spec_caps *caps);
