// SPDX-License-Identifier: Apache-2.0
// Reads /proc/PID/status and judges it. Pure, no system calls.
#include "joblet-runtime/verify.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

#define GROUPS_MAX  65536
#define OVERFLOW_ID 65534

// The text behind "name:\t", NULL when there is no such line.
static const char *field(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

static size_t read_numbers(const char *p, uint32_t *out, size_t max)
{
	size_t n = 0;
	while (p && n < max) {
		char *end;
		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			break;
		out[n++] = (uint32_t)strtoul(p, &end, 10);
		p = end;
	}
	return n;
}

static int read_hex(const char *text, const char *name, uint64_t *out, struct err *e)
{
	const char *p = field(text, name);
	if (!p)
		return err_set(e, -EINVAL, "the process status has no line %s", name);
	*out = strtoull(p + strspn(p, " \t"), NULL, 16);
	return 0;
}

static int read_number(const char *text, const char *name, int64_t *out, struct err *e)
{
	uint32_t value;
	if (read_numbers(field(text, name), &value, 1) != 1)
		return err_set(e, -EINVAL, "the process status has no line %s", name);
	*out = value;
	return 0;
}

static void read_groups(const char *text, struct verify_status *out)
{
	const char *p = field(text, "Groups");
	size_t room = 1;
	for (const char *q = p; q && *q && *q != '\n'; q++)
		room += *q == ' ';
	if (room > GROUPS_MAX)
		room = GROUPS_MAX;
	out->groups = xcalloc(room, sizeof(*out->groups));
	out->group_count = read_numbers(p, out->groups, room);
}

int verify_parse(const char *text, struct verify_status *out, struct err *e)
{
	int rc;
	*out = (struct verify_status){0};
	if (read_numbers(field(text, "Uid"), out->uid, 4) != 4 ||
	    read_numbers(field(text, "Gid"), out->gid, 4) != 4)
		return err_set(e, -EINVAL, "the process status has no ids");
	if ((rc = read_hex(text, "CapInh", &out->cap_inh, e)) ||
	    (rc = read_hex(text, "CapPrm", &out->cap_prm, e)) ||
	    (rc = read_hex(text, "CapEff", &out->cap_eff, e)) ||
	    (rc = read_hex(text, "CapBnd", &out->cap_bnd, e)) ||
	    (rc = read_hex(text, "CapAmb", &out->cap_amb, e)) ||
	    (rc = read_hex(text, "SigIgn", &out->sig_ignored, e)) ||
	    (rc = read_number(text, "NoNewPrivs", &out->no_new_privs, e)) ||
	    (rc = read_number(text, "Seccomp", &out->seccomp, e)))
		return rc;
	read_groups(text, out);
	return 0;
}

void verify_free(struct verify_status *st)
{
	free(st->groups);
	st->groups = NULL;
}

static bool has_group(const uint32_t *v, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

// Groups of the caller that could not be given up: those without a number here show as the overflow id, and
// the one that is mapped is the namespace's root's or the program's own.
static bool is_callers(const struct spec_process *p, uint32_t id)
{
	return id == OVERFLOW_ID || id == 0 || id == p->gid;
}

static int check_ids(const struct spec_process *p, const struct verify_status *st, struct err *e)
{
	for (int i = 0; i < 4; i++) {
		if (st->uid[i] != p->uid)
			return err_set(e, -EPERM, "the user is %u, not %u", st->uid[i], p->uid);
		if (st->gid[i] != p->gid)
			return err_set(e, -EPERM, "the group is %u, not %u", st->gid[i], p->gid);
	}
	for (size_t i = 0; i < st->group_count; i++)
		if (!has_group(p->groups, p->group_count, st->groups[i]) &&
		    !(st->groups_kept && is_callers(p, st->groups[i])))
			return err_set(e, -EPERM, "the process is in group %u, which was not asked for",
				       st->groups[i]);
	return 0;
}

static int check_caps(const struct spec_caps *want, const struct verify_status *st, struct err *e)
{
	const struct {
		const char *name;
		uint64_t have, want;
	} sets[] = {
	    {"inheritable", st->cap_inh, want->inheritable}, {"permitted", st->cap_prm, want->permitted},
	    {"effective", st->cap_eff, want->effective},     {"bounding", st->cap_bnd, want->bounding},
	    {"ambient", st->cap_amb, want->ambient},
	};
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		if (sets[i].have & ~sets[i].want)
			return err_set(e, -EPERM, "the %s capabilities are %016llx, not %016llx",
				       sets[i].name, (unsigned long long)sets[i].have,
				       (unsigned long long)sets[i].want);
	return 0;
}

int verify_status(const struct spec *s, const struct verify_status *st, bool with_seccomp, struct err *e)
{
	int rc;
	if ((rc = check_ids(&s->process, st, e)))
		return rc;
	// Without no_new_privs the filter needs a capability, so it is loaded first and the sets are final
	// only then.
	if ((with_seccomp || s->process.no_new_privs || !s->has_seccomp) &&
	    (rc = check_caps(&s->process.caps, st, e)))
		return rc;
	if (s->process.no_new_privs && st->no_new_privs != 1)
		return err_set(e, -EPERM, "no_new_privs is not in force");
	if (with_seccomp && s->has_seccomp && st->seccomp != 2)
		return err_set(e, -EPERM, "no seccomp filter is in force");
	return 0;
}
