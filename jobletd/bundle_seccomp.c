// SPDX-License-Identifier: Apache-2.0
// linux.seccomp of every job: the rows of specs/seccomp.def as OCI has them. It is the same for all jobs, so
// it becomes text once, at the start of the daemon. Pure.
#include <errno.h>
#include <string.h>

#include "jobletd/bundle_private.h"
#include "lib/base/json.h"

struct comparison {
	unsigned index;
	const char *op;
	uint64_t value, two;
};

// A row with conditions, or with an error of its own.
struct row {
	const char *name;
	int error; // 0: allowed
	unsigned count;
	struct comparison when[2];
};

static const struct row rows[] = {
#define SECCOMP_ALLOW_ARG(name, index, op, value, two) {#name, 0, 1, {{index, "SCMP_CMP_" #op, value, two}}},
#define SECCOMP_ALLOW_ARG2(name, i, op, value, two, i2, op2, value2, two2)                                   \
	{#name, 0, 2, {{i, "SCMP_CMP_" #op, value, two}, {i2, "SCMP_CMP_" #op2, value2, two2}}},
#define SECCOMP_ERRNO(name, number) {#name, number, 0, {{0}}},
#define SECCOMP_ERRNO_ARG(name, number, index, op, value, two)                                               \
	{#name, number, 1, {{index, "SCMP_CMP_" #op, value, two}}},
#define SECCOMP_ERRNO_ARG2(name, number, i, op, value, two, i2, op2, value2, two2)                           \
	{#name, number, 2, {{i, "SCMP_CMP_" #op, value, two}, {i2, "SCMP_CMP_" #op2, value2, two2}}},
#include "specs/seccomp.def"
};

static const char *const allowed[] = {
#define SECCOMP_ALLOW(name) #name,
#include "specs/seccomp.def"
};

static void put_row(struct json_out *o, const struct row *row)
{
	json_open_obj(o);
	json_key(o, "names");
	json_open_arr(o);
	json_put_str(o, row->name);
	json_close_arr(o);
	json_kv_str(o, "action", row->error ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	if (row->error)
		json_kv_i64(o, "errnoRet", row->error);
	if (row->count) {
		json_key(o, "args");
		json_open_arr(o);
		for (unsigned i = 0; i < row->count; i++) {
			json_open_obj(o);
			json_kv_i64(o, "index", row->when[i].index);
			json_key(o, "value");
			json_put_u64(o, row->when[i].value);
			json_key(o, "valueTwo");
			json_put_u64(o, row->when[i].two);
			json_kv_str(o, "op", row->when[i].op);
			json_close_obj(o);
		}
		json_close_arr(o);
	}
	json_close_obj(o);
}

static void put_allowed(struct json_out *o)
{
	json_open_obj(o);
	json_key(o, "names");
	json_open_arr(o);
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		json_put_str(o, allowed[i]);
	json_close_arr(o);
	json_kv_str(o, "action", "SCMP_ACT_ALLOW");
	json_close_obj(o);
}

#if defined(__x86_64__)
#define ARCHITECTURE "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "SCMP_ARCH_AARCH64"
#else
#error "which architecture is this for libseccomp?"
#endif

int bundle_seccomp(struct buf *out, struct err *e)
{
	struct json_out o;

	json_out_begin(&o, out, false);
	json_open_obj(&o);
	json_kv_str(&o, "defaultAction", "SCMP_ACT_ERRNO");
	json_kv_i64(&o, "defaultErrnoRet", EPERM);
	json_key(&o, "architectures");
	json_open_arr(&o);
	json_put_str(&o, ARCHITECTURE);
	json_close_arr(&o);
	json_key(&o, "syscalls");
	json_open_arr(&o);
	// The denials come first in the file and here: plain libseccomp takes the broader rule that comes
	// later.
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		put_row(&o, &rows[i]);
	put_allowed(&o);
	json_close_arr(&o);
	json_close_obj(&o);
	int rc = json_out_end(&o);
	return rc < 0 ? err_sys(e, rc, "the seccomp filter") : 0;
}
