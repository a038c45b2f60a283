// SPDX-License-Identifier: Apache-2.0
// Paths. Compared byte for byte with the rows of method.def: nothing is unescaped, normalised or folded, so
// there is no second spelling that a check elsewhere could miss.
#include <string.h>

#include "jobletd/gateway/gw.h"

static const struct {
	const char *path;
	size_t len;
	bool client_streams;
} methods[] = {
#define METHOD(service, name, client_streams, server_streams, handler, permission)                           \
	{"/" service "/" name, sizeof("/" service "/" name) - 1, client_streams},
#include "specs/method.def"
#undef METHOD
};

int gw_method_find(const char *path, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (methods[i].len == len && memcmp(methods[i].path, path, len) == 0)
			return (int)i;
	return -1;
}

bool gw_method_client_streams(int method)
{
	return methods[method].client_streams;
}

int gw_method_count(void)
{
	return (int)ARRAY_LEN(methods);
}

const char *gw_method_path(int method)
{
	return methods[method].path;
}
