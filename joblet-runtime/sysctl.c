// SPDX-License-Identifier: Apache-2.0
// Kernel parameters. A name that no namespace owns would change the host, so it is refused before anything is
// made.
#include "joblet-runtime/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "joblet-runtime/lookup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define KEY_MAX 256

static int key_to_path(const char *key, char out[KEY_MAX])
{
	if (str_copy(out, KEY_MAX, key) != 0 || !*out || out[0] == '/' || out[0] == '.' || strstr(out, ".."))
		return -EINVAL;
	if (!strchr(out, '/'))
		for (char *p = out; *p; p++)
			if (*p == '.')
				*p = '/';
	return strstr(out, "/../") || strstr(out, "//") ? -EINVAL : 0;
}

static uint64_t owner(const char *path)
{
	static const char *const ipc[] = {
	    "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
	    "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
	};
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (str_eq(path, ipc[i]))
			return CLONE_NEWIPC;
	if (str_starts(path, "fs/mqueue/"))
		return CLONE_NEWIPC;
	if (str_starts(path, "net/"))
		return CLONE_NEWNET;
	return str_eq(path, "kernel/domainname") ? CLONE_NEWUTS : 0; // hostname has a member of its own
}

uint64_t sysctl_namespace(const char *key)
{
	char path[KEY_MAX];
	return key_to_path(key, path) == 0 ? owner(path) : 0;
}

int sysctl_check(const struct spec *s, const char *key, struct err *e)
{
	char path[KEY_MAX];
	if (key_to_path(key, path) != 0)
		return err_set(e, -EINVAL, "linux.sysctl: \"%.64s\" is not a valid name", key);
	uint64_t flag = owner(path);
	if (!flag)
		return err_set(e, -EINVAL, "linux.sysctl: %s does not belong to a namespace", key);
	if (!spec_namespace(s, flag))
		return err_set(e, -EINVAL,
			       "linux.sysctl: %s needs a namespace that the container does not have", key);
	return 0;
}

int sysctl_apply(const struct spec *s, int procfd, struct err *e)
{
	for (size_t i = 0; i < s->sysctl_count; i++) {
		char path[KEY_MAX];
		if (key_to_path(s->sysctls[i].key, path) != 0)
			return err_set(e, -EINVAL, "linux.sysctl: \"%.64s\" is not a valid name",
				       s->sysctls[i].key);
		cleanup_close int sys = lookup_beneath(procfd, "sys", O_PATH | O_DIRECTORY);
		cleanup_close int fd = sys < 0 ? sys : lookup_beneath(sys, path, O_WRONLY);
		int rc = fd < 0 ? fd : file_write_all(fd, s->sysctls[i].value, strlen(s->sysctls[i].value));
		if (rc)
			return err_sys(e, rc, "linux.sysctl: cannot write %s", s->sysctls[i].key);
	}
	return 0;
}
