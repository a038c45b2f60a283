// SPDX-License-Identifier: Apache-2.0
// Who may do what: pure functions over the rows of specs/role.def. What is not named is denied.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

// Whether a permission list, separated by spaces, holds permission: as itself, as `*`, or as `prefix:*`. "-"
// and "" are held by no list.
bool auth_list_holds(const char *list, const char *permission);

// 0 when the role (the certificate's OU, compared byte for byte) has the permission; "-" is had by every
// known role. -EACCES with a text for the client otherwise.
int auth_check(const char *role, const char *permission, struct err *e) attr_must_check;
