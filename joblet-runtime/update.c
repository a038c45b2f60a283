// SPDX-License-Identifier: Apache-2.0
// New limits. Numbers from the command line become the same JSON that --resources has, so that there is one
// way from there on; the state file keeps the sum of all changes.
#include "joblet-runtime/update.h"

#include <errno.h>
#include <string.h>

#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/state.h"
#include "joblet-runtime/systemd.h"
#include "lib/base/str.h"

#define SET(field)   ((field) != SPEC_UNSET)
#define GIVEN(field) ((field) != SPEC_UNSET && (field) != 0)
#define CPUS_HIGHEST 8191

enum unit { NUMBER, BYTES, TEXT };

// Values go to "group.key", or "group" alone.
struct flag {
	const char *option, *group, *key, *value;
	enum unit unit;
};

static int put_value(struct json_out *o, const struct flag *f, struct err *e)
{
	int64_t number = -1;
	uint64_t bytes;
	int rc = 0;
	if (f->unit == TEXT) {
		json_kv_str(o, f->key, f->value);
		return 0;
	}
	if (f->unit == BYTES && f->value[0] != '-') {
		rc = str_to_bytes(f->value, &bytes);
		rc = rc == 0 && bytes > INT64_MAX ? -ERANGE : rc;
		number = (int64_t)bytes;
	} else {
		rc = str_to_i64(f->value, -1, INT64_MAX, &number);
	}
	if (rc)
		return err_set(e, -EINVAL, "update: --%s \"%.64s\" is not %s", f->option, f->value,
			       f->unit == BYTES ? "a number of bytes, such as 64m, or -1" : "a number");
	json_kv_i64(o, f->key, number);
	return 0;
}

int update_from_flags(const struct update_flags *f, struct buf *out, struct err *e)
{
	const struct flag flags[] = {
	    {"memory", "memory", "limit", f->memory, BYTES},
	    {"memory-reservation", "memory", "reservation", f->memory_reservation, BYTES},
	    {"memory-swap", "memory", "swap", f->memory_swap, BYTES},
	    {"kernel-memory-tcp", "memory", "kernelTCP", f->kernel_memory_tcp, BYTES},
	    {"cpu-share", "cpu", "shares", f->cpu_shares, NUMBER},
	    {"cpu-quota", "cpu", "quota", f->cpu_quota, NUMBER},
	    {"cpu-period", "cpu", "period", f->cpu_period, NUMBER},
	    {"cpu-burst", "cpu", "burst", f->cpu_burst, NUMBER},
	    {"cpu-idle", "cpu", "idle", f->cpu_idle, NUMBER},
	    {"cpu-rt-runtime", "cpu", "realtimeRuntime", f->rt_runtime, NUMBER},
	    {"cpu-rt-period", "cpu", "realtimePeriod", f->rt_period, NUMBER},
	    {"cpuset-cpus", "cpu", "cpus", f->cpuset_cpus, TEXT},
	    {"cpuset-mems", "cpu", "mems", f->cpuset_mems, TEXT},
	    {"pids-limit", "pids", "limit", f->pids, NUMBER},
	    {"blkio-weight", "blockIO", "weight", f->blkio_weight, NUMBER},
	};
	struct json_out o;
	json_out_begin(&o, out, false);
	json_open_obj(&o);
	const char *group = NULL;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (!flags[i].value)
			continue;
		if (!str_eq(group, flags[i].group)) {
			if (group)
				json_close_obj(&o);
			group = flags[i].group;
			json_key(&o, group);
			json_open_obj(&o);
		}
		int rc = put_value(&o, &flags[i], e);
		if (rc)
			return rc;
	}
	if (group)
		json_close_obj(&o);
	json_close_obj(&o);
	int rc = json_out_end(&o);
	return rc ? err_sys(e, rc, "update: cannot write the resources") : 0;
}

static int check_memory(struct spec_resources *r, const struct spec_resources *now, struct err *e)
{
	int64_t limit = GIVEN(r->memory_limit) ? r->memory_limit : now->memory_limit;
	int64_t swap = GIVEN(r->memory_swap) ? r->memory_swap : now->memory_swap;
	if (GIVEN(r->memory_swap) && r->memory_swap > 0 && !(GIVEN(limit) && limit > 0))
		return err_set(e, -EINVAL,
			       "a limit of memory and swap (%jd) needs a limit of memory: give both",
			       (intmax_t)r->memory_swap);
	if (GIVEN(limit) && limit > 0 && GIVEN(swap) && swap > 0 && swap < limit &&
	    (GIVEN(r->memory_limit) || GIVEN(r->memory_swap)))
		return err_set(e, -EINVAL,
			       "the limit of memory and swap together (%jd) is below that of memory (%jd)%s",
			       (intmax_t)swap, (intmax_t)limit,
			       GIVEN(r->memory_swap) ? "" : ": give the swap limit too");
	if (GIVEN(r->memory_reservation) && r->memory_reservation > 0 && GIVEN(limit) && limit > 0 &&
	    r->memory_reservation > limit)
		return err_set(e, -EINVAL, "the reservation of memory (%jd) is above its limit (%jd)",
			       (intmax_t)r->memory_reservation, (intmax_t)limit);
	if (GIVEN(r->memory_swap) && !GIVEN(r->memory_limit)) // v2 subtracts
		r->memory_limit = limit;
	return 0;
}

static int check_cpu(const struct spec_resources *r, struct err *e)
{
	if (GIVEN(r->cpu_quota) && r->cpu_quota > 0 && r->cpu_quota < 1000)
		return err_set(e, -EINVAL, "a cpu quota of %jd microseconds is below 1000, the least",
			       (intmax_t)r->cpu_quota);
	if (GIVEN(r->cpu_period) && (r->cpu_period < 1000 || r->cpu_period > 1000000))
		return err_set(e, -EINVAL, "a cpu period of %jd microseconds is not within 1000 and 1000000",
			       (intmax_t)r->cpu_period);
	if (r->cpuset_cpus && *r->cpuset_cpus && str_check_cpu_list(r->cpuset_cpus, CPUS_HIGHEST) != 0)
		return err_set(e, -EINVAL, "\"%.64s\" is no list of cpus, such as 0-3,7", r->cpuset_cpus);
	if (r->cpuset_mems && *r->cpuset_mems && str_check_cpu_list(r->cpuset_mems, CPUS_HIGHEST) != 0)
		return err_set(e, -EINVAL, "\"%.64s\" is no list of memory nodes, such as 0-1",
			       r->cpuset_mems);
	return 0;
}

int update_check(struct spec_resources *r, const struct spec_resources *now, struct err *e)
{
	int rc = check_memory(r, now, e);
	if (!rc)
		rc = check_cpu(r, e);
	if (!rc && GIVEN(r->blkio_weight) && (r->blkio_weight < 10 || r->blkio_weight > 1000))
		rc = err_set(e, -EINVAL, "a blkio weight of %jd is not within 10 and 1000",
			     (intmax_t)r->blkio_weight);
	return rc;
}

// Resources with the memory that their arrays live in.
struct changes {
	struct spec *owner;
	struct spec_resources r;
};

static int read_changes(struct changes *c, const struct json *json, struct err *e)
{
	c->owner = xcalloc(1, sizeof(*c->owner));
	spec_resources_init(&c->r);
	int rc = json ? spec_read_resources(c->owner, json, &c->r, e) : 0;
	c->r.device_count = 0;
	return rc;
}

static void close_changes(struct changes *c)
{
	spec_free(c->owner);
}
#define cleanup_changes __attribute__((cleanup(close_changes)))

// memory.checkBeforeUpdate of config-linux.md.
static int check_usage(const struct cgroup *cg, const struct spec_resources *r, const struct json *json,
		       struct err *e)
{
	bool wanted = false;
	struct cgroup_usage used;
	int rc = json_read_bool(json_get(json, "memory"), "checkBeforeUpdate", &wanted, e);
	if (rc || !wanted || r->memory_limit <= 0)
		return rc;
	cgroup_usage(cg, &used);
	return used.memory_now > r->memory_limit
		   ? err_set(e, -EBUSY, "the container uses %jd bytes of memory, the new limit is %jd",
			     (intmax_t)used.memory_now, (intmax_t)r->memory_limit)
		   : 0;
}

static int explain(const struct cgroup *cg, const struct spec_resources *r, int rc, struct err *e)
{
	struct cgroup_usage used;
	if (rc != -EBUSY || r->memory_limit <= 0)
		return rc;
	cgroup_usage(cg, &used);
	return err_wrap(e, rc, "the container uses %jd bytes of memory, and no less would do",
			(intmax_t)used.memory_now);
}

// systemd is told afterwards, and makes its own, coarser form of it: so once more.
static int write_limits(const struct state *st, struct cgroup *cg, const struct spec_resources *r,
			struct err *e)
{
	int rc = cgroup_apply(cg, r, e);
	if (rc || !st->unit)
		return rc;
	rc = systemd_keep_limits(st->unit, cg, e);
	return rc ? rc : cgroup_apply(cg, r, e);
}

static int apply(const struct state *st, const struct json *base, const struct json *json, struct err *e)
{
	cleanup_changes struct changes new = {0}, old = {0};
	cleanup_cgroup struct cgroup *cg = NULL;
	const struct json *before = json_get(st->root, "resources");
	struct err ignored = {0};
	int rc;
	if ((rc = read_changes(&new, json, e)) || (rc = read_changes(&old, before ? before : base, e)) ||
	    (rc = update_check(&new.r, &old.r, e)) || (rc = cgroup_open(st->cgroup, &cg, e)) ||
	    (rc = check_usage(cg, &new.r, json, e)))
		return rc;
	rc = write_limits(st, cg, &new.r, e);
	if (!rc && (rc = state_change_resources(st, base, json, e)) == 0)
		return 0;
	rc = explain(cg, &new.r, rc, e);
	if (write_limits(st, cg, &old.r, &ignored) != 0)
		rc = err_wrap(e, rc, "and the limits of before could not be restored (%.256s)", ignored.msg);
	return rc;
}

int update_container(const char *root, const char *id, const char *text, size_t len, struct err *e)
{
	cleanup_state struct state st;
	cleanup_spec struct spec *spec = NULL;
	cleanup_json struct json_doc *doc = NULL;
	const struct json *json;
	int rc = json_parse(text, len, SPEC_SIZE_MAX, &doc, &json, e);
	if (!rc && json->type != JSON_OBJECT)
		rc = err_set(e, -EINVAL, "the resources are no JSON object");
	if (rc)
		return err_wrap(e, rc, "update");
	if ((rc = state_open(root, id, &st, e)) || (rc = state_lock(&st, e)))
		return rc;
	enum state_status status = state_status(&st);
	if (status == STATE_STOPPED || status == STATE_CREATING)
		return err_set(e, -EINVAL, "cannot update a container in the %s state",
			       state_status_name(status));
	if (!st.cgroup)
		return err_set(e, -ENOTSUP,
			       "the container has no cgroup of its own, so that it has no limits");
	if ((rc = state_read_config(&st, &spec, e)))
		return rc;
	return apply(&st, json_get(json_get(spec->root, "linux"), "resources"), json, e);
}
