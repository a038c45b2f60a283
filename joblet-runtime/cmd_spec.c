// SPDX-License-Identifier: Apache-2.0
// spec: writes a config.json that runs a shell in rootfs/, as a place to begin.
#include <errno.h>
#include <fcntl.h>

#include "joblet-runtime/command.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

static const char *const caps[] = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL};

static void put_list(struct json_out *o, const char *key, const char *const *v)
{
	json_key(o, key);
	json_open_arr(o);
	for (size_t i = 0; v[i]; i++)
		json_put_str(o, v[i]);
	json_close_arr(o);
}

static void put_process(struct json_out *o)
{
	static const char *const args[] = {"sh", NULL};
	static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					  "TERM=xterm", NULL};
	json_key(o, "process");
	json_open_obj(o);
	json_kv_bool(o, "terminal", false);
	json_key(o, "user");
	json_open_obj(o);
	json_kv_i64(o, "uid", 0);
	json_kv_i64(o, "gid", 0);
	json_close_obj(o);
	put_list(o, "args", args);
	put_list(o, "env", env);
	json_kv_str(o, "cwd", "/");
	json_key(o, "capabilities");
	json_open_obj(o);
	put_list(o, "bounding", caps);
	put_list(o, "effective", caps);
	put_list(o, "permitted", caps);
	json_close_obj(o);
	json_key(o, "rlimits");
	json_open_arr(o);
	json_open_obj(o);
	json_kv_str(o, "type", "RLIMIT_NOFILE");
	json_kv_i64(o, "hard", 1024);
	json_kv_i64(o, "soft", 1024);
	json_close_obj(o);
	json_close_arr(o);
	json_kv_bool(o, "noNewPrivileges", true);
	json_close_obj(o);
}

static void put_mounts(struct json_out *o, bool rootless)
{
	static const struct {
		const char *destination, *type, *options[8];
	} mounts[] = {
	    {"/proc", "proc", {"nosuid", "noexec", "nodev"}},
	    {"/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
	    {"/dev/pts",
	     "devpts",
	     {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
	    {"/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	    {"/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
	    {"/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
	    {"/sys/fs/cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
	};
	static const char *const without_gid[] = {"nosuid",	   "noexec",	"newinstance",
						  "ptmxmode=0666", "mode=0620", NULL};
	json_key(o, "mounts");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		if (rootless && str_eq(mounts[i].type, "cgroup"))
			continue;
		json_open_obj(o);
		json_kv_str(o, "destination", mounts[i].destination);
		json_kv_str(o, "type", mounts[i].type);
		json_kv_str(o, "source", mounts[i].type);
		// The group of terminals is not mapped there.
		put_list(o, "options",
			 rootless && str_eq(mounts[i].type, "devpts") ? without_gid : mounts[i].options);
		json_close_obj(o);
	}
	json_close_arr(o);
}

static void put_map(struct json_out *o, const char *key, uint32_t outside)
{
	json_key(o, key);
	json_open_arr(o);
	json_open_obj(o);
	json_kv_i64(o, "containerID", 0);
	json_kv_i64(o, "hostID", outside);
	json_kv_i64(o, "size", 1);
	json_close_obj(o);
	json_close_arr(o);
}

static void put_no_devices(struct json_out *o)
{
	json_key(o, "resources");
	json_open_obj(o);
	json_key(o, "devices");
	json_open_arr(o);
	json_open_obj(o);
	json_kv_bool(o, "allow", false);
	json_kv_str(o, "access", "rwm");
	json_close_obj(o);
	json_close_arr(o);
	json_close_obj(o);
}

static void put_linux(struct json_out *o, bool rootless)
{
	static const char *const namespaces[] = {"pid", "network", "ipc", "uts", "mount", "cgroup", "user"};
	static const char *const masked[] = {"/proc/acpi",	  "/proc/asound",	 "/proc/kcore",
					     "/proc/keys",	  "/proc/latency_stats", "/proc/timer_list",
					     "/proc/timer_stats", "/proc/sched_debug",	 "/proc/scsi",
					     "/proc/interrupts",  "/sys/firmware",	 NULL};
	static const char *const readonly[] = {"/proc/bus",	      "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger", NULL};
	json_key(o, "linux");
	json_open_obj(o);
	if (rootless) {
		put_map(o, "uidMappings", geteuid());
		put_map(o, "gidMappings", getegid());
	} else {
		put_no_devices(o);
	}
	json_key(o, "namespaces");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(namespaces) - !rootless; i++) {
		json_open_obj(o);
		json_kv_str(o, "type", namespaces[i]);
		json_close_obj(o);
	}
	json_close_arr(o);
	put_list(o, "maskedPaths", masked);
	put_list(o, "readonlyPaths", readonly);
	json_close_obj(o);
}

static int write_spec(const char *bundle, bool rootless, struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct json_out o;
	json_out_begin(&o, &text, true);
	json_open_obj(&o);
	json_kv_str(&o, "ociVersion", "1.0.2");
	put_process(&o);
	json_key(&o, "root");
	json_open_obj(&o);
	json_kv_str(&o, "path", "rootfs");
	json_kv_bool(&o, "readonly", true);
	json_close_obj(&o);
	json_kv_str(&o, "hostname", "joblet");
	put_mounts(&o, rootless);
	put_linux(&o, rootless);
	json_close_obj(&o);
	int rc = json_out_end(&o);
	if (rc)
		return err_sys(e, rc, "cannot write the configuration");
	cleanup_close int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, -errno, "cannot open %s", bundle);
	if (faccessat(dir, "config.json", F_OK, 0) == 0)
		return err_set(e, -EEXIST, "config.json exists: remove it first");
	return file_replace(dir, "config.json", text.data, text.len, 0644, FILE_NOSYNC, e);
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	(void)g;
	const char *bundle = ".", *rootless = NULL, *rest[1];
	int n_rest;
	const struct option_def options[] = {
	    {"bundle", 'b', true, &bundle, "directory (.)", NULL},
	    {"rootless", 0, false, &rootless, "one that the calling user can run without root", NULL},
	};
	int rc = args_parse(&cmd_spec, options, ARRAY_LEN(options), args, n, rest, 0, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	return write_spec(bundle, rootless != NULL, e);
}

const struct command cmd_spec = {
    .name = "spec",
    .usage = "[-b DIR] [--rootless]",
    .help = "writes a config.json to begin with",
    .run = run,
};
