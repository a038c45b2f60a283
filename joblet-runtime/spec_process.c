// SPDX-License-Identifier: Apache-2.0
// config.json: `process`. config.md "Process", "POSIX process". `exec --process` reads the same object. No
// system calls.
#include "joblet-runtime/spec_read.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "joblet-runtime/caps.h"
#include "lib/base/str.h"

#define ARGS_MAX 65536

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

static int rlimit_number(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(rlimit_names); i++)
		if (str_eq(name, rlimit_names[i].name))
			return rlimit_names[i].resource;
	return -EINVAL;
}

static int read_rlimits(struct spec *s, struct spec_process *p, const struct json *obj, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, "rlimits", 64, &arr, &n, e);
	if (rc)
		return rc;
	p->rlimits = spec_alloc(s, n, sizeof(*p->rlimits));
	json_for_each(it, arr)
	{
		const char *type = NULL;
		struct spec_rlimit *r = &p->rlimits[p->rlimit_count];
		if ((rc = json_read_str(it, "type", &type, e)) ||
		    (rc = json_read_u64(it, "soft", UINT64_MAX, &r->soft, e)) ||
		    (rc = json_read_u64(it, "hard", UINT64_MAX, &r->hard, e)))
			return rc;
		r->resource = rlimit_number(type);
		if (r->resource < 0)
			return err_set(e, -EINVAL, "process.rlimits: unknown type %.64s",
				       type ? type : "(none)");
		if (r->soft > r->hard)
			return err_set(e, -EINVAL,
				       "process.rlimits: the soft limit of %s is above the hard one", type);
		for (size_t i = 0; i < p->rlimit_count; i++)
			if (p->rlimits[i].resource == r->resource)
				return err_set(e, -EINVAL, "process.rlimits: %s is given twice", type);
		p->rlimit_count++;
	}
	return 0;
}

static int read_cap_set(struct spec *s, const struct json *caps, const char *key, uint64_t *out,
			struct err *e)
{
	const char **names = NULL;
	int rc = spec_read_strings(s, caps, key, 256, &names, NULL, e);
	for (size_t i = 0; !rc && names && names[i]; i++) {
		int number = caps_number(names[i]);
		if (number < 0)
			return err_set(e, -EINVAL, "process.capabilities.%s: unknown capability \"%.64s\"",
				       key, names[i]);
		*out |= (uint64_t)1 << number;
	}
	return rc;
}

static int read_caps(struct spec *s, struct spec_process *p, const struct json *obj, struct err *e)
{
	const struct json *caps = NULL;
	int rc = json_read_obj(obj, "capabilities", &caps, e);
	if (rc || !caps)
		return rc;
	p->has_caps = true;
	if ((rc = read_cap_set(s, caps, "bounding", &p->caps.bounding, e)) ||
	    (rc = read_cap_set(s, caps, "effective", &p->caps.effective, e)) ||
	    (rc = read_cap_set(s, caps, "inheritable", &p->caps.inheritable, e)) ||
	    (rc = read_cap_set(s, caps, "permitted", &p->caps.permitted, e)) ||
	    (rc = read_cap_set(s, caps, "ambient", &p->caps.ambient, e)))
		return rc;
	// What the kernel would refuse anyway. An ambient capability that is not in the other two sets never
	// takes effect, as with runc.
	p->caps.effective &= p->caps.permitted;
	p->caps.ambient &= p->caps.permitted & p->caps.inheritable;
	return 0;
}

static int read_id(const struct json *obj, const char *key, uint32_t *out, struct err *e)
{
	int64_t value = *out;
	int rc = json_read_i64(obj, key, 0, (int64_t)UINT32_MAX - 1, &value,
			       e); // -1 means "leave as it is" to setresuid(2)
	*out = (uint32_t)value;
	return rc;
}

static int read_user(struct spec *s, struct spec_process *p, const struct json *obj, struct err *e)
{
	const struct json *user = NULL, *groups = NULL;
	int rc = json_read_obj(obj, "user", &user, e);
	if (rc || !user)
		return rc;
	if ((rc = read_id(user, "uid", &p->uid, e)) || (rc = read_id(user, "gid", &p->gid, e)) ||
	    (rc = json_read_i64(user, "umask", 0, 0777, &p->umask, e)) ||
	    (rc = json_read_arr(user, "additionalGids", &groups, e)) || !groups)
		return rc;
	if (groups->count > 65536)
		return err_set(e, -EINVAL, "process.user.additionalGids has more than 65536 elements");
	p->groups = spec_alloc(s, groups->count, sizeof(*p->groups));
	json_for_each(it, groups)
	{
		if (it->type != JSON_INT || it->is_big || it->i < 0 || it->i >= (int64_t)UINT32_MAX)
			return err_set(e, -EINVAL, "process.user.additionalGids[%zu] is not a group id",
				       p->group_count);
		p->groups[p->group_count++] = (uint32_t)it->i;
	}
	return 0;
}

static int read_console_size(struct spec_process *p, const struct json *obj, struct err *e)
{
	const struct json *size = NULL;
	int64_t rows = 0, cols = 0;
	int rc = json_read_obj(obj, "consoleSize", &size, e);
	if (rc || !size)
		return rc;
	if ((rc = json_read_i64(size, "height", 0, UINT16_MAX, &rows, e)) ||
	    (rc = json_read_i64(size, "width", 0, UINT16_MAX, &cols, e)))
		return rc;
	p->console_rows = (uint16_t)rows;
	p->console_cols = (uint16_t)cols;
	return 0;
}

static int read_labels(struct spec_process *p, const struct json *obj, struct err *e)
{
	int rc = json_read_str(obj, "selinuxLabel", &p->selinux_label, e);
	return rc ? rc : json_read_str(obj, "apparmorProfile", &p->apparmor_profile, e);
}

static int check_process(const struct spec_process *p, const struct json *obj, struct err *e)
{
	if (p->arg_count == 0)
		return spec_missing(obj, "args", e);
	if (!p->args[0][0])
		return err_set(e, -EINVAL, "process.args[0] is empty");
	if (!p->cwd || !*p->cwd)
		return spec_missing(obj, "cwd", e);
	if (p->cwd[0] != '/')
		return err_set(e, -EINVAL, "process.cwd %.256s is not an absolute path", p->cwd);
	return 0;
}

int spec_read_process_object(struct spec *s, const struct json *obj, struct err *e)
{
	struct spec_process *p = &s->process;
	int rc;
	p->umask = p->oom_score_adj = p->io_class = p->io_priority = SPEC_UNSET;
	if ((rc = json_read_bool(obj, "terminal", &p->terminal, e)) || (rc = read_console_size(p, obj, e)) ||
	    (rc = read_user(s, p, obj, e)) ||
	    (rc = spec_read_strings(s, obj, "args", ARGS_MAX, &p->args, &p->arg_count, e)) ||
	    (rc = spec_read_strings(s, obj, "env", ARGS_MAX, &p->env, &p->env_count, e)) ||
	    (rc = json_read_str(obj, "cwd", &p->cwd, e)) || (rc = read_caps(s, p, obj, e)) ||
	    (rc = read_rlimits(s, p, obj, e)) ||
	    (rc = json_read_bool(obj, "noNewPrivileges", &p->no_new_privs, e)) ||
	    (rc = json_read_i64(obj, "oomScoreAdj", -1000, 1000, &p->oom_score_adj, e)) ||
	    (rc = spec_read_sched(s, p, obj, e)) || (rc = read_labels(p, obj, e)))
		return rc;
	if (!p->env)
		p->env = spec_alloc(s, 1, sizeof(*p->env));
	return check_process(p, obj, e);
}

int spec_read_process(struct spec *s, const struct json *root, struct err *e)
{
	const struct json *obj = NULL;
	int rc = json_read_obj(root, "process", &obj, e);
	if (rc)
		return rc;
	return obj ? spec_read_process_object(s, obj, e) : spec_missing(root, "process", e);
}
