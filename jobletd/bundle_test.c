// SPDX-License-Identifier: Apache-2.0
// The bundle: config.json is JSON with what specs/bundle.md promises; the folder has its modes and owners;
// secrets come and go.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "jobletd/bundle_private.h"
#include "jobletd/slot.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

#define ID "01234567-89ab-4cde-8f01-23456789abcd"

static unsigned count, failed;
static char dir[64];
static struct config cfg;

static void ok(bool good, const char *name, const char *detail)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++count, name);
	if (!good) {
		failed++;
		printf("# %s\n", detail);
	}
}

static bool has_str(const struct json *array, const char *s)
{
	json_for_each(it, array) if (it->type == JSON_STRING && str_eq(it->s, s)) return true;
	return false;
}

static const struct json *at(const struct json *array, size_t n)
{
	json_for_each(it, array) if (n-- == 0) return it;
	return NULL;
}

static int64_t number(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return v && v->type == JSON_INT ? v->i : -12345;
}

static const char *text(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return v && v->type == JSON_STRING ? v->s : "";
}

static void check_process(const struct json *root)
{
	const struct json *p = json_get(root, "process");
	const struct json *env = json_get(p, "env");
	const struct json *user = json_get(p, "user");
	bool no_caps = true;

	ok(str_eq(text(root, "ociVersion"), "1.0.2") && str_eq(text(root, "hostname"), "01234567"),
	   "version, host name", "");
	ok(number(user, "uid") == 65534 && number(user, "gid") == 65534 && number(user, "umask") == 18,
	   "user", "");
	ok(str_eq(at(json_get(p, "args"), 0)->s, "sh") && str_eq(at(json_get(p, "args"), 1)->s, "a\n\"b\\"),
	   "arguments", "");
	ok(has_str(env, "HOME=/work") && has_str(env, "JOB_ID=" ID) && has_str(env, "LANG=de_DE") &&
	       !has_str(env, "LANG=C.UTF-8") && has_str(env, "API_TOKEN=real"),
	   "environment", "");
	json_for_each(set, json_get(p, "capabilities")) no_caps =
	    no_caps && set->type == JSON_ARRAY && set->count == 0;
	ok(no_caps && json_get(p, "capabilities")->count == 5 && json_get(p, "noNewPrivileges")->b,
	   "no privileges", "");
	ok(str_eq(text(p, "cwd"), "/work/a/b"), "work directory", text(p, "cwd"));
}

static void check_linux(const struct json *root)
{
	const struct json *l = json_get(root, "linux");
	const struct json *resources = json_get(l, "resources");
	const struct json *first = at(json_get(l, "uidMappings"), 0);
	const struct json *second = at(json_get(l, "uidMappings"), 1);
	const struct json *seccomp = json_get(l, "seccomp");
	unsigned kinds = 0;

	ok(number(first, "containerID") == 0 && number(first, "hostID") == 700014 &&
	       number(second, "containerID") == 65534 && number(second, "hostID") == 700015 &&
	       number(second, "size") == 1 && json_get(l, "uidMappings")->count == 2,
	   "ids of the slot", "");
	json_for_each(n, json_get(l, "namespaces")) kinds +=
	    text(n, "type")[0] != '\0' && !json_get(n, "path");
	ok(kinds == 7, "seven namespaces, each new", "");
	ok(str_eq(text(l, "cgroupsPath"), "/joblet-test/" ID), "cgroup", text(l, "cgroupsPath"));
	ok(number(json_get(resources, "memory"), "limit") == 64 << 20 &&
	       number(json_get(resources, "memory"), "swap") == 64 << 20 &&
	       number(json_get(resources, "cpu"), "quota") == 150000 &&
	       number(json_get(resources, "cpu"), "period") == 100000 &&
	       str_eq(text(json_get(resources, "cpu"), "cpus"), "0") &&
	       number(json_get(resources, "pids"), "limit") == 512,
	   "limits", "");
	const struct json *deny = at(json_get(resources, "devices"), 0);
	ok(deny && !json_get(deny, "allow")->b && json_get(resources, "devices")->count == 9,
	   "devices: deny first", "");
	ok(str_eq(text(seccomp, "defaultAction"), "SCMP_ACT_ERRNO") &&
	       json_get(seccomp, "syscalls")->count > 10,
	   "the filter", "");
	ok(has_str(json_get(l, "maskedPaths"), "/proc/kcore") &&
	       has_str(json_get(l, "readonlyPaths"), "/proc/sys"),
	   "paths", "");
	ok(json_get(root, "hooks") == NULL, "no hooks", "");
}

static void check_mounts(const struct json *root)
{
	const struct json *mounts = json_get(root, "mounts");
	const struct json *work = NULL;
	bool nosuid = true;
	bool sys = false;

	json_for_each(m, mounts)
	{
		nosuid = nosuid && has_str(json_get(m, "options"), "nosuid");
		sys = sys || str_eq(text(m, "destination"), "/sys");
		if (str_eq(text(m, "destination"), "/work"))
			work = m;
	}
	ok(nosuid && !sys && mounts->count == 12, "mounts", "");
	ok(work && str_starts(text(work, "source"), dir), "the work directory is the bundle's",
	   work ? text(work, "source") : "");
}

static void check_config(const struct bundle_maker *m, const struct bundle_job *j)
{
	cleanup_buf struct buf b = {0};
	cleanup_json struct json_doc *doc = NULL;
	const struct json *root = NULL;
	struct err e = {0};

	int rc = bundle_config(m, j, &b, &e);
	if (rc == 0)
		rc = json_parse(b.data, b.len, b.len, &doc, &root, &e);
	ok(rc == 0, "config.json is JSON", e.msg);
	if (rc < 0)
		return;
	check_process(root);
	check_linux(root);
	check_mounts(root);
}

static mode_t mode_of(const char *path, uid_t *owner)
{
	struct stat st = {0};
	cleanup_free char *full = xasprintf("%s/jobs/" ID "/%s", dir, path);

	if (lstat(full, &st) < 0)
		return 0;
	*owner = st.st_uid;
	return st.st_mode & 07777;
}

static bool config_has(const char *what)
{
	cleanup_free char *path = xasprintf("%s/jobs/" ID "/config.json", dir);
	cleanup_free char *content = NULL;

	return file_read(AT_FDCWD, path, 1 << 20, &content, NULL, NULL) == 0 && strstr(content, what);
}

static void check_folder(const struct bundle_maker *m, const struct bundle_job *j)
{
	struct err e = {0};
	uid_t owner = 1;
	struct bundle_job bad = *j;

	if (geteuid() != 0) {
		ok(true, "the folder # SKIP needs root to give files away", "");
		return;
	}
	int rc = bundle_make(m, j, &e);
	ok(rc == 0, "a bundle", e.msg);
	ok(mode_of("", &owner) == 0711 && owner == 0, "mode of the folder", "");
	ok(mode_of("config.json", &owner) == 0600 && owner == 0, "mode of config.json", "");
	ok(mode_of("work", &owner) == 0700 && owner == 700015, "work belongs to the job", "");
	ok(mode_of("work/a/b", &owner) == 0755 && owner == 700015, "and what is below it", "");
	ok(mode_of("etc/hosts", &owner) == 0644 && owner == 0, "files of /etc", "");
	ok(config_has("real"), "the secret is there for the runtime", "");
	rc = bundle_hide_secrets(m, j, &e);
	ok(rc == 0 && !config_has("real") && config_has("API_TOKEN=***"), "and gone after it", e.msg);
	rc = bundle_make(m, j, &e);
	ok(rc == 0 && config_has("real"), "what was there before is replaced", e.msg);
	rc = bundle_remove(m, ID, &e);
	ok(rc == 0 && mode_of("", &owner) == 0, "removed", e.msg);
	ok(bundle_remove(m, ID, &e) == 0, "removing nothing is fine", e.msg);
	bad.id = "no-such-parent/x";
	ok(bundle_make(m, &bad, &e) < 0, "a bundle that cannot be made", "");
}

static void check_slots(void)
{
	struct slots *s = slots_new(3);
	int a = slots_take(s);
	int b = slots_take(s);

	slots_release(s, a);
	int c = slots_take(s);
	ok(a == 0 && b == 1 && c == 2, "a freed slot comes last", "");
	ok(slots_take(s) == 0 && slots_take(s) == -EAGAIN && slots_left(s) == 0, "until all are taken", "");
	slots_release(s, 1);
	slots_release(s, 1);
	slots_release(s, -1);
	slots_release(s, 99);
	ok(slots_left(s) == 1 && slots_claim(s, 2) == -EBUSY && slots_claim(s, 1) == 0 &&
	       slots_claim(s, 3) == -ERANGE,
	   "release and claim", "");
	slots_free(s);
}

int main(void)
{
	struct job_request r = {.command = xstrdup("sh"), .max_cpu = 150, .max_memory_mb = 64};
	struct bundle_maker *m = NULL;
	struct err e = {0};
	char secret[] = "API_TOKEN=real";
	char *secrets[] = {secret, NULL};

	snprintf(dir, sizeof(dir), "/tmp/joblet-test-bundle-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	cfg.path.jobs = xasprintf("%s/jobs", dir);
	cfg.filesystem.base_tree = xstrdup("/base");
	cfg.cgroup.base_dir = xstrdup("joblet-test");
	cfg.server.node_id = xstrdup("");
	cfg.process.uid_base = 700000;
	cfg.process.id_slots = 100;
	cfg.joblet.pids_limit = 512;
	strv_add(&r.args, "a\n\"b\\");
	strv_add(&r.env, "LANG=de_DE");
	strv_add(&r.env, "API_TOKEN=***");
	r.work_dir = xstrdup("/work/a/b");
	r.cpu_cores = xstrdup("0");
	const struct bundle_job j = {.id = ID, .slot = 7, .request = &r, .secrets = secrets};
	if (file_mkdirs(cfg.path.jobs, 0711, &e) < 0 || bundle_maker_new(&cfg, &m, &e) < 0) {
		printf("# %s\n", e.msg);
		return 1;
	}
	check_config(m, &j);
	check_folder(m, &j);
	check_slots();
	bundle_maker_free(m);
	if (file_remove_tree(AT_FDCWD, dir, &e) < 0)
		ok(false, "clean up", e.msg);
	free(r.command);
	strv_free(r.args);
	strv_free(r.env);
	free(r.work_dir);
	free(r.cpu_cores);
	free(cfg.path.jobs);
	free(cfg.filesystem.base_tree);
	free(cfg.cgroup.base_dir);
	free(cfg.server.node_id);
	printf("1..%u\n", count);
	return failed != 0;
}
