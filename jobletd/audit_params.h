// SPDX-License-Identifier: Apache-2.0
// A request as the audit log shows it: what was asked for, without a secret.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lib/base/json.h"

#define AUDIT_PARAMS_MAX ((size_t)6144) // bytes of all texts as JSON

// A text of which at most *room bytes are used as they stand in JSON, escapes and all; room becomes what is
// left. A text that is cut has "…(N bytes)" behind it, N being what it had. NULL is "".
void audit_text_put(struct json_out *o, const char *s, size_t *room);

// One object: every field that is set. Of a map only the names, of bytes the length.
void audit_params_put(struct json_out *o, const ProtobufCMessage *m);
