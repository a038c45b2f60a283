// SPDX-License-Identifier: Apache-2.0
// Ids, capabilities, securebits, what status says, keyring, names, environment.
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "lib/base/str.h"
#include "tests/probe/probe.h"

// The members of /proc/self/status that matter, as they stand there.
static void put_status(struct json_out *o)
{
	static const char *const names[] = {"Uid",    "Gid",	"Groups", "CapInh",	    "CapPrm",
					    "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",	    "Seccomp",
					    "SigIgn", "SigBlk", "NSpid",  "Seccomp_filters"};
	cleanup_free char *text = probe_read("/proc/self/status");
	char *save = text;
	json_key(o, "status");
	json_open_obj(o);
	for (char *line; save && (line = strsep(&save, "\n"));) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = 0;
		char *value = colon + 1 + strspn(colon + 1, " \t");
		for (char *p = value; *p; p++)
			if (*p == '\t')
				*p = ' ';
		for (size_t n = strlen(value); n && value[n - 1] == ' '; n--)
			value[n - 1] = 0;
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (str_eq(line, names[i]))
				json_kv_str(o, line, value);
	}
	json_close_obj(o);
}

static void put_file(struct json_out *o, const char *key, const char *path)
{
	cleanup_free char *text = probe_read(path);
	if (text)
		text[strcspn(text, "\n") == strlen(text) ? strlen(text) : strlen(text) - 1] = 0;
	json_kv_str(o, key, text);
}

static void put_env(struct json_out *o)
{
	json_key(o, "env");
	json_open_arr(o);
	for (char **p = environ; *p; p++)
		json_put_str(o, *p);
	json_close_arr(o);
}

static void put_names(struct json_out *o)
{
	struct utsname u;
	char cwd[4096];
	if (uname(&u) != 0)
		return;
	json_kv_str(o, "hostname", u.nodename);
	json_kv_str(o, "domainname", u.domainname);
	json_kv_str(o, "machine", u.machine);
	json_kv_str(o, "cwd", syscall(SYS_getcwd, cwd, sizeof(cwd)) > 0 ? cwd : NULL);
}

void identity_put(struct json_out *o)
{
	mode_t mask = umask(0);
	umask(mask);
	put_status(o);
	json_kv_i64(o, "securebits", prctl(PR_GET_SECUREBITS));
	json_kv_i64(o, "dumpable", prctl(PR_GET_DUMPABLE));
	json_kv_i64(o, "umask", mask);
	json_kv_i64(o, "pid", getpid());
	json_kv_i64(o, "ppid", getppid());
	json_kv_i64(o, "sid", getsid(0));
	json_kv_i64(o, "keyring", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
	put_names(o);
	put_env(o);
	put_file(o, "uid_map", "/proc/self/uid_map");
	put_file(o, "gid_map", "/proc/self/gid_map");
	put_file(o, "cgroup", "/proc/self/cgroup");
	put_file(o, "comm", "/proc/self/comm");
	put_file(o, "label", "/proc/self/attr/current");
}
