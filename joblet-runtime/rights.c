// SPDX-License-Identifier: Apache-2.0
// Whose rights the runtime has. Decides nothing about a container that the kernel would not decide as well;
// it says beforehand what is missing.
#include "joblet-runtime/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "joblet-runtime/namespace.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define MAP_TEXT_MAX 65536
#define NAME	     "joblet-runtime"

bool rights_map_is_whole(const char *uid_map)
{
	static const char *const whole[] = {"0", "0", "4294967295"};
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		// analyzed: its callers have read it
		uid_map += strspn(uid_map, " \t");
		size_t len = strcspn(uid_map, " \t\n");
		if (len != strlen(whole[i]) || memcmp(uid_map, whole[i], len) != 0)
			return false;
		uid_map += len;
	}
	return true;
}

int rights_read(enum rights *out, struct err *e)
{
	cleanup_free char *text = NULL;
	*out = RIGHTS_USER;
	if (geteuid() != 0)
		return 0;
	cleanup_close int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, MAP_TEXT_MAX, &text, NULL);
	if (rc == -ENOENT) // a kernel without user namespaces
		text = xstrdup("0 0 4294967295");
	else if (rc)
		return err_sys(e, rc, "cannot read /proc/self/uid_map");
	*out = rights_map_is_whole(text) ? RIGHTS_ROOT : RIGHTS_USERNS;
	return 0;
}

char *rights_default_root(enum rights r)
{
	const char *dir = getenv("XDG_RUNTIME_DIR"), *user = getenv("USER");
	// Whoever is root inside and says so too is a container that behaves as a machine.
	bool known = dir && dir[0] == '/';
	if (r == RIGHTS_ROOT || (r == RIGHTS_USERNS && (!known || str_eq(user, "root"))))
		return xstrdup("/run/" NAME);
	return known ? xasprintf("%s/" NAME, dir) : xasprintf("/run/user/%u/" NAME, (unsigned)geteuid());
}

int rights_check(enum rights r, const struct spec *s, struct err *e)
{
	if (r != RIGHTS_USER)
		return 0;
	if (!spec_has_new(s, CLONE_NEWUSER))
		return err_set(
		    e, -EPERM,
		    "an ordinary user can only make a container with a user namespace of its own: add "
		    "{\"type\":\"user\"} to linux.namespaces, and uidMappings and gidMappings, or run as "
		    "root");
	if (!s->uid_map_count || !s->gid_map_count)
		return err_set(
		    e, -EINVAL,
		    "linux.uidMappings and gidMappings must say which of an ordinary user's ids the "
		    "container gets");
	if (spec_has_new(s, CLONE_NEWTIME))
		return err_set(e, -EPERM, "linux.namespaces: an ordinary user cannot make a time namespace");
	for (size_t i = 0; i < s->namespace_count; i++)
		if (s->namespaces[i].path)
			return err_set(e, -EPERM,
				       "linux.namespaces: an ordinary user cannot join the %s namespace %s",
				       s->namespaces[i].name, s->namespaces[i].path);
	return 0;
}
