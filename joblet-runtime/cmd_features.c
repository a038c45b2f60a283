// SPDX-License-Identifier: Apache-2.0
// features: what this runtime can, by features.md of the runtime specification. Every name is asked for where
// it would be read from a configuration, so that this list cannot say more than the rest of the program does.
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "joblet-runtime/caps.h"
#include "joblet-runtime/command.h"
#include "joblet-runtime/mount_options.h"
#include "joblet-runtime/seccomp_internal.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

typedef bool accepts(const char *name);

static void put_if(struct json_out *o, const char *key, const char *const *names, size_t n, accepts *ok)
{
	json_key(o, key);
	json_open_arr(o);
	for (size_t i = 0; i < n; i++)
		if (ok(names[i]))
			json_put_str(o, names[i]);
	json_close_arr(o);
}

static bool always(const char *name)
{
	return name != NULL;
}

// Read as an option of a bind mount, or of a filesystem: not merely passed on to it, but for those that the
// specification has.
static bool is_mount_option(const char *name)
{
	static const char *const filesystem[] = {"dirsync", "lazytime", "mand", "sync"};
	bool passed_on = false;
	for (size_t i = 0; i < ARRAY_LEN(filesystem); i++)
		passed_on = passed_on || str_eq(name, filesystem[i]);
	for (int i = 0; i < 2; i++) {
		const char *options[] = {name, NULL};
		struct spec_mount m = {.destination = "/x",
				       .type = i ? "tmpfs" : "bind",
				       .source = "/x",
				       .options = options,
				       .option_count = 1};
		struct mount_options o = {0};
		int rc = mount_options_parse(&m, &o, NULL);
		bool taken = rc == 0 && (o.data_count == 0 || passed_on);
		mount_options_free(&o);
		if (taken)
			return true;
	}
	return false;
}

static bool is_action(const char *name)
{
	uint32_t value;
	return seccomp_action(name, SPEC_UNSET, &value, NULL) == 0;
}

static bool is_operator(const char *name)
{
	int value;
	return seccomp_operator(name, &value, NULL) == 0;
}

static bool is_arch(const char *name)
{
	uint32_t value;
	return seccomp_arch(name, &value, NULL) == 0;
}

static bool is_flag(const char *name)
{
	unsigned value;
	return seccomp_flag(name, &value, NULL) == 0;
}

// The kernel looks at the flags first, and at the missing program then.
static bool is_supported_flag(const char *name)
{
	unsigned value;
	if (seccomp_flag(name, &value, NULL) != 0)
		return false;
	if (str_eq(name, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")) // of a listener only
		value |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, value, NULL) != 0 && errno == EFAULT;
}

static void put_enabled(struct json_out *o, const char *key, bool enabled)
{
	json_key(o, key);
	json_open_obj(o);
	json_kv_bool(o, "enabled", enabled);
	json_close_obj(o);
}

static void put_mount_options(struct json_out *o)
{
	static const char *const names[] = {"async",	     "atime",	     "bind",
					    "defaults",	     "dev",	     "diratime",
					    "dirsync",	     "exec",	     "idmap",
					    "iversion",	     "lazytime",     "loud",
					    "mand",	     "noatime",	     "nodev",
					    "nodiratime",    "noexec",	     "noiversion",
					    "nolazytime",    "nomand",	     "norelatime",
					    "nostrictatime", "nosuid",	     "nosymfollow",
					    "private",	     "ratime",	     "rbind",
					    "rdev",	     "rdiratime",    "relatime",
					    "remount",	     "rexec",	     "ridmap",
					    "rnoatime",	     "rnodev",	     "rnodiratime",
					    "rnoexec",	     "rnorelatime",  "rnostrictatime",
					    "rnosuid",	     "rnosymfollow", "ro",
					    "rprivate",	     "rrelatime",    "rro",
					    "rrw",	     "rshared",	     "rslave",
					    "rstrictatime",  "rsuid",	     "rsymfollow",
					    "runbindable",   "rw",	     "shared",
					    "silent",	     "slave",	     "strictatime",
					    "suid",	     "symfollow",    "sync",
					    "tmpcopyup",     "unbindable"};
	put_if(o, "mountOptions", names, ARRAY_LEN(names), is_mount_option);
}

static void put_capabilities(struct json_out *o)
{
	json_key(o, "capabilities");
	json_open_arr(o);
	for (cap_value_t i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		char *name = cap_to_name(i);
		if (name && caps_number(name) == i) {
			for (char *p = name; *p; p++)
				*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
			json_put_str(o, name);
		}
		cap_free(name);
	}
	json_close_arr(o);
}

static void put_seccomp(struct json_out *o)
{
	static const char *const actions[] = {"SCMP_ACT_ALLOW",	      "SCMP_ACT_ERRNO",
					      "SCMP_ACT_KILL",	      "SCMP_ACT_KILL_PROCESS",
					      "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
					      "SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
					      "SCMP_ACT_TRAP"};
	static const char *const operators[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
						"SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
						"SCMP_CMP_NE"};
	static const char *const archs[] = {
	    "SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",	   "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
	    "SCMP_ARCH_MIPS",	  "SCMP_ARCH_MIPS64",	   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
	    "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC",	    "SCMP_ARCH_PARISC64",
	    "SCMP_ARCH_PPC",	  "SCMP_ARCH_PPC64",	   "SCMP_ARCH_PPC64LE",	    "SCMP_ARCH_RISCV64",
	    "SCMP_ARCH_S390",	  "SCMP_ARCH_S390X",	   "SCMP_ARCH_SH",	    "SCMP_ARCH_SHEB",
	    "SCMP_ARCH_X32",	  "SCMP_ARCH_X86",	   "SCMP_ARCH_X86_64"};
	static const char *const flags[] = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
					    "SECCOMP_FILTER_FLAG_TSYNC",
					    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
	json_key(o, "seccomp");
	json_open_obj(o);
	json_kv_bool(o, "enabled", true);
	put_if(o, "actions", actions, ARRAY_LEN(actions), is_action);
	put_if(o, "operators", operators, ARRAY_LEN(operators), is_operator);
	put_if(o, "archs", archs, ARRAY_LEN(archs), is_arch);
	put_if(o, "knownFlags", flags, ARRAY_LEN(flags), is_flag);
	put_if(o, "supportedFlags", flags, ARRAY_LEN(flags), is_supported_flag);
	json_close_obj(o);
}

static void put_linux(struct json_out *o)
{
	static const char *const namespaces[] = {"cgroup", "ipc",  "mount", "network",
						 "pid",	   "time", "user",  "uts"};
	json_key(o, "linux");
	json_open_obj(o);
	put_if(o, "namespaces", namespaces, ARRAY_LEN(namespaces), always);
	put_capabilities(o);
	json_key(o, "cgroup");
	json_open_obj(o);
	json_kv_bool(o, "v1", true);
	json_kv_bool(o, "v2", true);
	json_kv_bool(o, "systemd", true);
	json_kv_bool(o, "systemdUser", true);
	json_kv_bool(o, "rdma", true);
	json_close_obj(o);
	put_seccomp(o);
	put_enabled(o, "apparmor", true);
	put_enabled(o, "selinux", true);
	put_enabled(o, "intelRdt", false);
	json_key(o, "mountExtensions");
	json_open_obj(o);
	put_enabled(o, "idmap", is_mount_option("idmap"));
	json_close_obj(o);
	json_close_obj(o);
}

static void put_annotations(struct json_out *o)
{
	char version[64];
	const struct scmp_version *v = seccomp_version();
	(void)snprintf(version, sizeof(version), "%u.%u.%u", v->major, v->minor, v->micro);
	json_key(o, "annotations");
	json_open_obj(o);
	json_kv_str(o, "io.github.seccomp.libseccomp.version", version);
	json_kv_str(o, "org.joblet.runtime.version", JOBLET_VERSION);
	json_kv_str(o, "org.joblet.runtime.commit", JOBLET_COMMIT);
	json_close_obj(o);
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	static const char *const hooks[] = {"prestart",	      "createRuntime", "createContainer",
					    "startContainer", "poststart",     "poststop"};
	const char *rest[1];
	int n_rest;
	(void)g;
	int rc = args_parse(&cmd_features, NULL, 0, args, n, rest, 0, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	cleanup_buf struct buf text = {0};
	struct json_out o;
	json_out_begin(&o, &text, true);
	json_open_obj(&o);
	json_kv_str(&o, "ociVersionMin", "1.0.0");
	json_kv_str(&o, "ociVersionMax", "1.2.0");
	put_if(&o, "hooks", hooks, ARRAY_LEN(hooks), always);
	put_mount_options(&o);
	put_linux(&o);
	put_annotations(&o);
	json_close_obj(&o);
	if ((rc = json_out_end(&o)))
		return err_sys(e, rc, "cannot write the features");
	puts(text.data);
	return 0;
}

const struct command cmd_features = {
    .name = "features",
    .usage = "",
    .help = "tells what this runtime can, as JSON",
    .run = run,
};
