// SPDX-License-Identifier: Apache-2.0
// config.json of a job: specs/bundle.md, sentence by sentence. Pure.
#include <errno.h>
#include <string.h>

#include "jobletd/bundle_private.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

#define NOBODY 65534
#define MB     (1024LL * 1024)

static void put_strings(struct json_out *o, const char *key, const char *const *v, size_t n)
{
	json_key(o, key);
	json_open_arr(o);
	for (size_t i = 0; i < n; i++)
		json_put_str(o, v[i]);
	json_close_arr(o);
}

static bool has_name(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return true;
	return false;
}

// The real value of an entry whose value is hidden.
static const char *reveal(const char *entry, char *const *secrets)
{
	size_t n = strcspn(entry, "=") + 1;

	for (; secrets && *secrets; secrets++)
		if (strncmp(*secrets, entry, n) == 0)
			return *secrets;
	return entry;
}

static void put_env(struct json_out *o, const struct bundle_maker *m, const struct bundle_job *j)
{
	static const struct {
		const char *name, *value;
	} defaults[] = {
	    {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	    {"HOME", "/work"},
	    {"USER", "nobody"},
	    {"LANG", "C.UTF-8"},
	    {"TERM", "xterm"},
	};
	const struct job_request *r = j->request;
	char text[512];

	json_key(o, "env");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		if (has_name(r->env, defaults[i].name) || has_name(r->secret_env, defaults[i].name) ||
		    (str_eq(defaults[i].name, "TERM") && !r->tty))
			continue;
		snprintf(text, sizeof(text), "%s=%s", defaults[i].name, defaults[i].value);
		json_put_str(o, text);
	}
	snprintf(text, sizeof(text), "JOB_ID=%s", j->id);
	json_put_str(o, text);
	if (r->name && r->name[0]) {
		snprintf(text, sizeof(text), "JOB_NAME=%s", r->name);
		json_put_str(o, text);
	}
	if (m->cfg->server.node_id && m->cfg->server.node_id[0]) {
		snprintf(text, sizeof(text), "JOBLET_NODE_ID=%s", m->cfg->server.node_id);
		json_put_str(o, text);
	}
	for (char *const *p = r->env; p && *p; p++)
		json_put_str(o, reveal(*p, j->secrets));
	for (char *const *p = r->secret_env; p && *p; p++)
		json_put_str(o, reveal(*p, j->secrets));
	json_close_arr(o);
}

static void put_rlimits(struct json_out *o)
{
	// A core limit of exactly 1 is what makes the kernel leave out a core handler that is a program.
	static const struct {
		const char *type;
		int64_t soft, hard;
	} limits[] = {
	    {"RLIMIT_CORE", 1, 1},
	    {"RLIMIT_NOFILE", 1024, 4096},
	    {"RLIMIT_MEMLOCK", 65536, 65536},
	    {"RLIMIT_MSGQUEUE", 0, 0},
	    {"RLIMIT_RTPRIO", 0, 0},
	    {"RLIMIT_NICE", 0, 0},
	    {"RLIMIT_SIGPENDING", 1024, 1024},
	};

	json_key(o, "rlimits");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		json_open_obj(o);
		json_kv_str(o, "type", limits[i].type);
		json_kv_i64(o, "soft", limits[i].soft);
		json_kv_i64(o, "hard", limits[i].hard);
		json_close_obj(o);
	}
	json_close_arr(o);
}

static void put_process(struct json_out *o, const struct bundle_maker *m, const struct bundle_job *j)
{
	static const char *const sets[] = {"bounding", "effective", "inheritable", "permitted", "ambient"};
	const struct job_request *r = j->request;

	json_key(o, "process");
	json_open_obj(o);
	json_kv_bool(o, "terminal", r->tty);
	if (r->tty && r->tty_rows && r->tty_columns) {
		json_key(o, "consoleSize");
		json_open_obj(o);
		json_kv_i64(o, "height", r->tty_rows);
		json_kv_i64(o, "width", r->tty_columns);
		json_close_obj(o);
	}
	json_key(o, "user");
	json_open_obj(o);
	json_kv_i64(o, "uid", NOBODY);
	json_kv_i64(o, "gid", NOBODY);
	json_kv_i64(o, "umask", 022);
	json_close_obj(o);
	json_key(o, "args");
	json_open_arr(o);
	json_put_str(o, r->command);
	for (char *const *p = r->args; p && *p; p++)
		json_put_str(o, *p);
	json_close_arr(o);
	put_env(o, m, j);
	json_kv_str(o, "cwd", r->work_dir);
	json_key(o, "capabilities");
	json_open_obj(o);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		put_strings(o, sets[i], NULL, 0);
	json_close_obj(o);
	json_kv_bool(o, "noNewPrivileges", true);
	json_kv_i64(o, "oomScoreAdj", 200);
	put_rlimits(o);
	json_close_obj(o);
}

static void put_mount(struct json_out *o, const char *destination, const char *type, const char *source,
		      const char *options)
{
	cleanup_free char *text = xstrdup(options);
	char *save = NULL;

	json_open_obj(o);
	json_kv_str(o, "destination", destination);
	json_kv_str(o, "type", type);
	json_kv_str(o, "source", source);
	json_key(o, "options");
	json_open_arr(o);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		json_put_str(o, word);
	json_close_arr(o);
	json_close_obj(o);
}

static void put_mounts(struct json_out *o, const char *dir)
{
	static const struct {
		const char *destination, *type, *options;
	} fixed[] = {
	    {"/proc", "proc", "nosuid noexec nodev"},
	    {"/dev", "tmpfs", "nosuid noexec size=64k mode=755"},
	    {"/dev/pts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620"},
	    {"/dev/shm", "tmpfs", "nosuid nodev noexec size=64m mode=1777"},
	    {"/dev/mqueue", "mqueue", "nosuid noexec nodev"},
	    {"/tmp", "tmpfs", "nosuid nodev size=64m nr_inodes=16k mode=1777"},
	    {"/run", "tmpfs", "nosuid nodev noexec size=1m mode=755"},
	    {"/volumes", "tmpfs", "nosuid nodev noexec size=64k mode=755"},
	};
	static const char *const files[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"};

	json_key(o, "mounts");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		put_mount(o, fixed[i].destination, fixed[i].type, fixed[i].type, fixed[i].options);
	cleanup_free char *work = xasprintf("%s/work", dir);
	put_mount(o, "/work", "bind", work, "bind nosuid nodev rw");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		cleanup_free char *source = xasprintf("%s%s", dir, files[i]);
		put_mount(o, files[i], "bind", source, "bind nosuid nodev noexec ro");
	}
	json_close_arr(o);
}

static void put_devices(struct json_out *o)
{
	static const struct {
		int64_t major, minor;
	} allowed[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, -1}};

	json_key(o, "devices");
	json_open_arr(o);
	json_open_obj(o);
	json_kv_bool(o, "allow", false);
	json_kv_str(o, "access", "rwm");
	json_close_obj(o);
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		json_open_obj(o);
		json_kv_bool(o, "allow", true);
		json_kv_str(o, "type", "c");
		json_kv_i64(o, "major", allowed[i].major);
		if (allowed[i].minor >= 0)
			json_kv_i64(o, "minor", allowed[i].minor);
		json_kv_str(o, "access", "rw");
		json_close_obj(o);
	}
	json_close_arr(o);
}

static void put_throttle(struct json_out *o, const char *key, const struct bundle_maker *m, int64_t rate)
{
	json_key(o, key);
	json_open_arr(o);
	json_open_obj(o);
	json_kv_i64(o, "major", m->disk_major);
	json_kv_i64(o, "minor", m->disk_minor);
	json_kv_i64(o, "rate", rate);
	json_close_obj(o);
	json_close_arr(o);
}

static void put_resources(struct json_out *o, const struct bundle_maker *m, const struct job_request *r)
{
	json_key(o, "resources");
	json_open_obj(o);
	put_devices(o);
	if (r->max_memory_mb > 0) {
		json_key(o, "memory");
		json_open_obj(o);
		json_kv_i64(o, "limit", r->max_memory_mb * MB);
		json_kv_i64(o, "swap", r->max_memory_mb * MB);
		json_close_obj(o);
	}
	if (r->max_cpu > 0 || (r->cpu_cores && r->cpu_cores[0])) {
		json_key(o, "cpu");
		json_open_obj(o);
		if (r->max_cpu > 0) {
			json_kv_i64(o, "quota", r->max_cpu * 1000);
			json_kv_i64(o, "period", 100000);
		}
		if (r->cpu_cores && r->cpu_cores[0])
			json_kv_str(o, "cpus", r->cpu_cores);
		json_close_obj(o);
	}
	json_key(o, "pids");
	json_open_obj(o);
	json_kv_i64(o, "limit", m->cfg->joblet.pids_limit);
	json_close_obj(o);
	if (r->max_iobps > 0 && m->disk_major) {
		json_key(o, "blockIO");
		json_open_obj(o);
		put_throttle(o, "throttleReadBpsDevice", m, r->max_iobps);
		put_throttle(o, "throttleWriteBpsDevice", m, r->max_iobps);
		json_close_obj(o);
	}
	json_close_obj(o);
}

static void put_ids(struct json_out *o, const char *key, const struct bundle_maker *m, int slot)
{
	json_key(o, key);
	json_open_arr(o);
	for (unsigned i = 0; i < 2; i++) {
		json_open_obj(o);
		json_kv_i64(o, "containerID", i ? NOBODY : 0);
		json_kv_i64(o, "hostID", bundle_host_id(m, slot, i));
		json_kv_i64(o, "size", 1);
		json_close_obj(o);
	}
	json_close_arr(o);
}

static void put_linux(struct json_out *o, const struct bundle_maker *m, const struct bundle_job *j)
{
	static const char *const namespaces[] = {"pid", "mount", "ipc", "uts", "cgroup", "network", "user"};
	static const char *const masked[] = {
	    "/proc/acpi",	   "/proc/asound",	"/proc/config.gz",   "/proc/interrupts",
	    "/proc/kallsyms",	   "/proc/kcore",	"/proc/key-users",   "/proc/keys",
	    "/proc/kmsg",	   "/proc/kpagecgroup", "/proc/kpagecount",  "/proc/kpageflags",
	    "/proc/latency_stats", "/proc/modules",	"/proc/sched_debug", "/proc/scsi",
	    "/proc/slabinfo",	   "/proc/timer_list",	"/proc/timer_stats", "/proc/vmallocinfo",
	    "/proc/zoneinfo",
	};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger"};
	cleanup_free char *cgroup = xasprintf("/%s/%s", m->cfg->cgroup.base_dir, j->id);

	json_key(o, "linux");
	json_open_obj(o);
	json_key(o, "namespaces");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		json_open_obj(o);
		json_kv_str(o, "type", namespaces[i]);
		json_close_obj(o);
	}
	json_close_arr(o);
	put_ids(o, "uidMappings", m, j->slot);
	put_ids(o, "gidMappings", m, j->slot);
	json_kv_str(o, "cgroupsPath", cgroup);
	put_resources(o, m, j->request);
	if (m->seccomp.len) {
		// The filter is the same for all, so it is made once, as text: it takes the place of a null.
		json_key(o, "seccomp");
		json_put_null(o);
		o->buf->len -= strlen("null");
		buf_add(o->buf, m->seccomp.data, m->seccomp.len);
	}
	put_strings(o, "maskedPaths", masked, ARRAY_LEN(masked));
	put_strings(o, "readonlyPaths", readonly, ARRAY_LEN(readonly));
	json_close_obj(o);
}

int bundle_config(const struct bundle_maker *m, const struct bundle_job *j, struct buf *out, struct err *e)
{
	cleanup_free char *dir = bundle_dir(m, j->id);
	char hostname[9];
	struct json_out o;

	out->max = (size_t)8 << 20;
	snprintf(hostname, sizeof(hostname), "%.8s", j->id);
	json_out_begin(&o, out, false);
	json_open_obj(&o);
	json_kv_str(&o, "ociVersion", "1.0.2");
	put_process(&o, m, j);
	json_key(&o, "root");
	json_open_obj(&o);
	json_kv_str(&o, "path", m->cfg->filesystem.base_tree);
	json_kv_bool(&o, "readonly", true);
	json_close_obj(&o);
	json_kv_str(&o, "hostname", hostname);
	put_mounts(&o, dir);
	json_key(&o, "annotations");
	json_open_obj(&o);
	json_kv_str(&o, "org.joblet.job", j->id);
	json_kv_str(&o, "org.joblet.type", "standard");
	json_close_obj(&o);
	put_linux(&o, m, j);
	json_close_obj(&o);
	int rc = json_out_end(&o);
	return rc < 0 ? err_sys(e, rc, "config.json") : 0;
}
