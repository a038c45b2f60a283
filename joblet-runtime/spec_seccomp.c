// SPDX-License-Identifier: Apache-2.0
// config.json: `linux.seccomp`. Names of actions, operators and system calls stay text; seccomp.c knows them.
// No system calls.
#include "joblet-runtime/spec_read.h"

#include <errno.h>

static int read_args(struct spec *s, const struct json *it, struct spec_syscall *call, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(it, "args", 64, &arr, &n, e);
	if (rc)
		return rc;
	call->args = spec_alloc(s, n, sizeof(*call->args));
	json_for_each(a, arr)
	{
		struct spec_seccomp_arg *arg = &call->args[call->arg_count++];
		int64_t index = 0;
		if (!json_get(a, "index"))
			return spec_missing(a, "index", e);
		if ((rc = json_read_i64(a, "index", 0, 5, &index, e)) ||
		    (rc = json_read_u64(a, "value", UINT64_MAX, &arg->value, e)) ||
		    (rc = json_read_u64(a, "valueTwo", UINT64_MAX, &arg->value_two, e)) ||
		    (rc = json_read_str(a, "op", &arg->op, e)))
			return rc;
		if (!arg->op)
			return spec_missing(a, "op", e);
		arg->index = (unsigned)index;
	}
	return 0;
}

static int read_syscalls(struct spec *s, const struct json *obj, struct err *e)
{
	const struct json *arr;
	size_t n;
	int rc = spec_read_objects(obj, "syscalls", SPEC_ITEMS_MAX, &arr, &n, e);
	if (rc)
		return rc;
	s->seccomp.syscalls = spec_alloc(s, n, sizeof(*s->seccomp.syscalls));
	json_for_each(it, arr)
	{
		struct spec_syscall *call = &s->seccomp.syscalls[s->seccomp.syscall_count++];
		call->errno_ret = SPEC_UNSET;
		if ((rc = spec_read_strings(s, it, "names", SPEC_ITEMS_MAX, &call->names, &call->name_count,
					    e)) ||
		    (rc = json_read_str(it, "action", &call->action, e)) ||
		    (rc = json_read_i64(it, "errnoRet", 0, UINT16_MAX, &call->errno_ret, e)) ||
		    (rc = read_args(s, it, call, e)))
			return rc;
		if (!call->name_count)
			return spec_missing(it, "names", e);
		if (!call->action)
			return spec_missing(it, "action", e);
	}
	return 0;
}

int spec_read_seccomp(struct spec *s, const struct json *obj, struct err *e)
{
	struct spec_seccomp *sc = &s->seccomp;
	int rc;
	sc->default_errno_ret = SPEC_UNSET;
	if ((rc = json_read_str(obj, "defaultAction", &sc->default_action, e)) ||
	    (rc = json_read_i64(obj, "defaultErrnoRet", 0, UINT16_MAX, &sc->default_errno_ret, e)) ||
	    (rc = spec_read_strings(s, obj, "architectures", 64, &sc->architectures, &sc->architecture_count,
				    e)) ||
	    (rc = spec_read_strings(s, obj, "flags", 64, &sc->flags, &sc->flag_count, e)) ||
	    (rc = json_read_str(obj, "listenerPath", &sc->listener_path, e)) ||
	    (rc = json_read_str(obj, "listenerMetadata", &sc->listener_metadata, e)) ||
	    (rc = read_syscalls(s, obj, e)))
		return rc;
	if (!sc->default_action)
		return spec_missing(obj, "defaultAction", e);
	s->has_seccomp = true;
	return 0;
}
