// SPDX-License-Identifier: Apache-2.0
// Asks systemd for a scope, and to let it go again. Units are made and stopped by jobs, whose end is a
// signal; on the private socket every signal comes by itself.
#include "joblet-runtime/systemd.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "joblet-runtime/dbus.h"
#include "joblet-runtime/rights.h"
#include "lib/base/str.h"

#define MANAGER	   "org.freedesktop.systemd1.Manager"
#define TIMEOUT_MS 30000 // what D-Bus services have by custom, and a little
#define NAME_MAX_  255

// Of unit names but for ':', which parts the three.
static bool is_name(const char *s, size_t len)
{
	static const char more[] = "-_.\\@";
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && (!s[i] || !strchr(more, s[i])))
			return false;
	return true;
}

static bool ends_in_slice(const char *s, size_t len)
{
	static const char suffix[] = ".slice";
	size_t n = sizeof(suffix) - 1;
	return len > n && memcmp(s + len - n, suffix, n) == 0;
}

int systemd_scope_parse(const char *path, const char *id, bool user, struct systemd_scope *out, struct err *e)
{
	cleanup_free char *own = path && *path ? xstrdup(path) : xasprintf(":joblet-runtime:%s", id);
	char *prefix = strchr(own, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;
	*out = (struct systemd_scope){0};
	if (!name || strchr(name + 1, ':'))
		return err_set(e, -EINVAL,
			       "linux.cgroupsPath %.256s has not the form slice:prefix:name, as the systemd "
			       "cgroup driver needs it",
			       own);
	*prefix++ = 0;
	*name++ = 0;
	const char *slice = *own ? own : user ? "user.slice" : "system.slice";
	if (!is_name(own, strlen(own)) || !is_name(prefix, strlen(prefix)) || !is_name(name, strlen(name)) ||
	    !*name)
		return err_set(e, -EINVAL, "linux.cgroupsPath: %.64s:%.64s:%.64s cannot be a unit's name",
			       own, prefix, name);
	if (!ends_in_slice(slice, strlen(slice)) || ends_in_slice(name, strlen(name)))
		return err_set(
		    e, -EINVAL,
		    "linux.cgroupsPath: %.64s:%.64s:%.64s: the first part, and no other, must end in .slice",
		    own, prefix, name);
	cleanup_free char *unit = xasprintf("%s%s%s.scope", prefix, *prefix ? "-" : "", name);
	if (strlen(unit) > NAME_MAX_ || strlen(slice) > NAME_MAX_)
		return err_set(e, -ENAMETOOLONG, "linux.cgroupsPath: a unit's name has at most %d characters",
			       NAME_MAX_);
	out->slice = xstrdup(slice);
	out->unit = take_ptr(unit);
	return 0;
}

void systemd_scope_free(struct systemd_scope *s)
{
	free(s->slice);
	free(s->unit);
	*s = (struct systemd_scope){0};
}

// Root's is the machine's; everybody else has one of his own, if any.
static int socket_path(char **out, struct err *e)
{
	enum rights r;
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int rc = rights_read(&r, e);
	if (rc)
		return rc;
	if (r == RIGHTS_ROOT)
		*out = xstrdup("/run/systemd/private");
	else if (dir && dir[0] == '/')
		*out = xasprintf("%s/systemd/private", dir);
	else
		*out = xasprintf("/run/user/%u/systemd/private", (unsigned)geteuid());
	return 0;
}

static int connect_manager(struct dbus *d, struct err *e)
{
	cleanup_free char *path = NULL;
	int rc = socket_path(&path, e);
	if (rc)
		return rc;
	rc = dbus_connect(d, path, TIMEOUT_MS, e);
	return rc ? err_wrap(e, rc,
			     "cannot reach systemd%s; the systemd cgroup driver needs it, "
			     "--cgroup-manager cgroupfs does not",
			     str_starts(path, "/run/systemd/") ? "" : " of this user (see XDG_RUNTIME_DIR)")
		  : 0;
}

int systemd_check(struct err *e)
{
	cleanup_dbus struct dbus d = {.fd = -1};
	return connect_manager(&d, e);
}

struct known {
	const char *name;
	int rc;
};

static int error_of(const struct dbus_message *m)
{
	static const struct known errors[] = {
	    {"org.freedesktop.systemd1.UnitExists", -EEXIST},
	    {"org.freedesktop.systemd1.NoSuchUnit", -ENOENT},
	    {"org.freedesktop.DBus.Error.UnknownObject", -ENOENT},
	    {"org.freedesktop.DBus.Error.AccessDenied", -EACCES},
	};
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (str_eq(m->error, errors[i].name))
			return errors[i].rc;
	return -EPROTO;
}

// An answer of systemd's that is an error becomes one here, in its own words.
static int call(struct dbus *d, const struct dbus_method *m, const char *signature,
		struct dbus_message *answer, struct err *e)
{
	int rc = dbus_call(d, m, answer, e);
	if (rc)
		return err_wrap(e, rc, "systemd");
	if (answer->type == DBUS_ERROR)
		return err_set(e, error_of(answer), "systemd: %s: %.512s (%.128s)", m->member,
			       str_starts(answer->signature, "s") ? dbus_get_str(&answer->body) : "no reason",
			       answer->error);
	return str_eq(answer->signature, signature)
		   ? 0
		   : err_set(e, -EPROTO, "systemd: %s: an answer of another kind", m->member);
}

static int call_manager(struct dbus *d, const char *member, const char *signature, const struct buf *body,
			const char *answer_signature, struct dbus_message *answer, struct err *e)
{
	const struct dbus_method m = {.path = "/org/freedesktop/systemd1",
				      .interface = MANAGER,
				      .member = member,
				      .signature = signature,
				      .body = body};
	return call(d, &m, answer_signature, answer, e);
}

// JobRemoved: number, job, unit, result.
static int await_job(struct dbus *d, const char *job, const char *unit, struct err *e)
{
	for (;;) {
		struct dbus_message m;
		int rc = dbus_next(d, &m, e);
		if (rc)
			return err_wrap(e, rc, "waiting for systemd and the unit %s", unit);
		if (m.type != DBUS_SIGNAL || !str_eq(m.member, "JobRemoved") || !str_eq(m.signature, "uoss"))
			continue;
		(void)dbus_get_u32(&m.body);
		bool ours = str_eq(dbus_get_str(&m.body), job);
		(void)dbus_get_str(&m.body);
		const char *result = dbus_get_str(&m.body);
		if (!ours || m.body.bad)
			continue;
		return str_eq(result, "done")
			   ? 0
			   : err_set(e, -EIO,
				     "systemd: the job for the unit %s ended as \"%.64s\": "
				     "see systemctl status %s",
				     unit, result, unit);
	}
}

static int run_job(struct dbus *d, const char *member, const char *signature, const struct buf *body,
		   const char *unit, struct err *e)
{
	struct dbus_message answer;
	int rc = call_manager(d, member, signature, body, "o", &answer, e);
	if (rc)
		return rc;
	cleanup_free char *job = xstrdup(dbus_get_str(&answer.body)); // the next message takes its place
	return await_job(d, job, unit, e);
}

static void put_str_property(struct buf *b, const char *name, const char *v)
{
	dbus_struct(b);
	dbus_put_str(b, name);
	dbus_put_sig(b, "s");
	dbus_put_str(b, v);
}

static void put_bool_property(struct buf *b, const char *name, bool v)
{
	dbus_struct(b);
	dbus_put_str(b, name);
	dbus_put_sig(b, "b");
	dbus_put_u32(b, v);
}

static void put_pid(struct buf *b, pid_t pid)
{
	dbus_struct(b);
	dbus_put_str(b, "PIDs");
	dbus_put_sig(b, "au");
	struct dbus_array a = dbus_array(b, 4);
	dbus_put_u32(b, (uint32_t)pid);
	dbus_array_end(b, a);
}

int systemd_start(const struct systemd_scope *s, const char *id, pid_t pid, struct err *e)
{
	cleanup_dbus struct dbus d = {.fd = -1};
	cleanup_buf struct buf body = {0};
	cleanup_free char *description = xasprintf("container %s", id);
	int rc = connect_manager(&d, e);
	if (rc)
		return rc;
	dbus_put_str(&body, s->unit);
	dbus_put_str(&body, "fail");
	struct dbus_array properties = dbus_array(&body, 8);
	put_str_property(&body, "Description", description);
	put_str_property(&body, "Slice", s->slice);
	put_str_property(&body, "CollectMode", "inactive-or-failed"); // so that nothing of it stays
	put_bool_property(&body, "Delegate", true);
	put_bool_property(&body, "DefaultDependencies", false);
	put_pid(&body, pid);
	dbus_array_end(&body, properties);
	dbus_array_end(&body, dbus_array(&body, 8)); // no auxiliary units
	rc = run_job(&d, "StartTransientUnit", "ssa(sv)a(sa(sv))", &body, s->unit, e);
	return rc ? err_wrap(e, rc, "cannot make the unit %s", s->unit) : 0;
}

// What is no letter or digit is _ and two hexadecimal digits in an object's path.
static char *object_path(const char *unit)
{
	cleanup_buf struct buf b = {0};
	buf_add_str(&b, "/org/freedesktop/systemd1/unit/");
	for (const char *p = unit; *p; p++) {
		bool plain = isalpha((unsigned char)*p) || (isdigit((unsigned char)*p) && p > unit);
		if (plain)
			buf_add(&b, p, 1);
		else
			buf_printf(&b, "_%02x", (unsigned char)*p);
	}
	return buf_take(&b);
}

int systemd_cgroup(const char *unit, char **out, struct err *e)
{
	cleanup_dbus struct dbus d = {.fd = -1};
	cleanup_buf struct buf body = {0};
	cleanup_free char *path = object_path(unit);
	struct dbus_message answer;
	const struct dbus_method m = {.path = path,
				      .interface = "org.freedesktop.DBus.Properties",
				      .member = "Get",
				      .signature = "ss",
				      .body = &body};
	int rc = connect_manager(&d, e);
	if (rc)
		return rc;
	dbus_put_str(&body, "org.freedesktop.systemd1.Scope");
	dbus_put_str(&body, "ControlGroup");
	if ((rc = call(&d, &m, "v", &answer, e)))
		return err_wrap(e, rc, "cannot read the cgroup of the unit %s", unit);
	bool is_text = str_eq(dbus_get_sig(&answer.body), "s");
	const char *text = is_text ? dbus_get_str(&answer.body) : "";
	if (!*text)
		return err_set(e, -ENOENT, "the unit %s has no cgroup", unit);
	*out = xstrdup(text);
	return 0;
}

int systemd_keep_limits(const char *unit, const struct cgroup *c, struct err *e)
{
	cleanup_dbus struct dbus d = {.fd = -1};
	cleanup_buf struct buf body = {0};
	struct dbus_message answer;
	int rc = connect_manager(&d, e);
	if (rc)
		return rc;
	dbus_put_str(&body, unit);
	dbus_put_u32(&body, true); // not beyond the next start of the machine
	struct dbus_array properties = dbus_array(&body, 8);
	if ((rc = systemd_put_limits(c, &body, e)))
		return rc;
	dbus_array_end(&body, properties);
	rc = call_manager(&d, "SetUnitProperties", "sba(sv)", &body, "", &answer, e);
	return rc ? err_wrap(e, rc, "cannot tell systemd the limits of the unit %s", unit) : 0;
}

int systemd_stop(const char *unit, struct err *e)
{
	cleanup_dbus struct dbus d = {.fd = -1};
	cleanup_buf struct buf body = {0};
	int rc = connect_manager(&d, e);
	if (rc)
		return rc;
	dbus_put_str(&body, unit);
	dbus_put_str(&body, "replace");
	rc = run_job(&d, "StopUnit", "ss", &body, unit, e);
	if (rc == -ENOENT)
		return 0;
	return rc ? err_wrap(e, rc, "cannot stop the unit %s", unit) : 0;
}
