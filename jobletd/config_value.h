// SPDX-License-Identifier: Apache-2.0
// Values of joblet-config.yml: from text to the field of their row and back. Inner header of config*.c.
#pragma once

#include "jobletd/config_table.h"
#include "lib/base/buf.h"

// Puts a node's value into the row's field, which is empty before. -EINVAL with `file:line: key is "…", must
// be …`.
int config_value_set(struct config *c, const struct config_row *row, const struct conf_node *n,
		     struct err *e) attr_must_check;
// The row's fallback; nothing when it has none.
void config_value_set_fallback(struct config *c, const struct config_row *row);
// `value` as YAML, on one line; a secret as "***".
void config_value_print(const struct config *c, const struct config_row *row, struct buf *out);
void config_value_free(struct config *c, const struct config_row *row);

// `file:line: key is "value", must be <wanted>`, -EINVAL.
int config_value_refuse(const struct conf_node *n, const char *wanted, struct err *e) attr_must_check;
