// SPDX-License-Identifier: Apache-2.0
// The decision about a role and a permission. Pure: no system call, no state. Used by call.c before the body
// of a call is read.
#include <errno.h>
#include <string.h>

#include "jobletd/auth.h"
#include "lib/base/str.h"

static const struct {
	const char *name, *permissions;
} roles[] = {
#define ROLE(ou, permissions) {ou, permissions},
#include "specs/role.def"
#undef ROLE
};

// One word of a list: `*`, `job:*` or `job:run`. The colon belongs to what is compared, so `job:*` is not
// `jobs:run`.
static bool word_holds(const char *word, size_t len, const char *permission)
{
	if (len == 1 && word[0] == '*')
		return true;
	if (len > 2 && word[len - 2] == ':' && word[len - 1] == '*')
		return strncmp(word, permission, len - 1) == 0;
	return strlen(permission) == len && memcmp(word, permission, len) == 0;
}

bool auth_list_holds(const char *list, const char *permission)
{
	if (!permission[0] || str_eq(permission, "-"))
		return false;
	while (*list) {
		size_t len = strcspn(list, " ");
		if (len && word_holds(list, len, permission))
			return true;
		list += len + (list[len] == ' ');
	}
	return false;
}

int auth_check(const char *role, const char *permission, struct err *e)
{
	if (!role[0])
		return err_set(e, -EACCES, "the certificate names no role (OU)");
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		if (!str_eq(roles[i].name, role))
			continue;
		if (str_eq(permission, "-") || auth_list_holds(roles[i].permissions, permission))
			return 0;
		return err_set(e, -EACCES, "role %s lacks %s", role, permission);
	}
	return err_set(e, -EACCES, "unknown role \"%s\"", role);
}
