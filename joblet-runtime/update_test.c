// SPDX-License-Identifier: Apache-2.0
// update: words of the command line to JSON, and what is refused before anything is written.
#include "joblet-runtime/update.h"

#include <errno.h>
#include <string.h>

#include "lib/base/test.h"

static void test_flags(void)
{
	static const struct {
		struct update_flags f;
		const char *json; // NULL: refused
	} rows[] = {
	    {{.memory = NULL}, "{}"},
	    {{.memory = "64m"}, "{\"memory\":{\"limit\":67108864}}"},
	    {{.memory = "-1", .memory_swap = "1GiB"}, "{\"memory\":{\"limit\":-1,\"swap\":1073741824}}"},
	    {{.memory = "1", .cpu_quota = "-1", .cpuset_cpus = "0-1", .pids = "7", .blkio_weight = "10"},
	     "{\"memory\":{\"limit\":1},\"cpu\":{\"quota\":-1,\"cpus\":\"0-1\"},\"pids\":{\"limit\":7},"
	     "\"blockIO\":{\"weight\":10}}"},
	    {{.memory = "-2"}, NULL},
	    {{.memory = ""}, NULL},
	    {{.memory = "64x"}, NULL},
	    {{.memory = "99999999999g"}, NULL},
	    {{.memory_swap = "9223372036854775808"}, NULL},
	    {{.pids = "1k"}, NULL},
	    {{.cpu_shares = "0x10"}, NULL},
	    {{.cpu_period = "1.5"}, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};
		cleanup_buf struct buf out = {0};
		int rc = update_from_flags(&rows[i].f, &out, &e);
		if (rows[i].json)
			test_ok(rc == 0 && strcmp(out.data, rows[i].json) == 0, "row %zu: %s", i, out.data);
		else
			test_ok(rc == -EINVAL, "row %zu is refused: %s", i, e.msg);
	}
}

struct numbers {
	int64_t limit, swap, reservation;
};

static void set(struct spec_resources *r, const struct numbers *n)
{
	spec_resources_init(r);
	r->memory_limit = n->limit ? n->limit : SPEC_UNSET;
	r->memory_swap = n->swap ? n->swap : SPEC_UNSET;
	r->memory_reservation = n->reservation ? n->reservation : SPEC_UNSET;
}

static void test_memory(void)
{
	static const struct {
		struct numbers before, change;
		int rc;
		int64_t limit; // what is written
	} rows[] = {
	    {{0}, {.limit = 100}, 0, 100},
	    {{0}, {.limit = 100, .swap = 100}, 0, 100},
	    {{0}, {.limit = 100, .swap = 99}, -EINVAL, 0},
	    {{0}, {.swap = 100}, -EINVAL, 0},
	    {{.limit = 50}, {.swap = 100}, 0, 50},
	    {{.limit = 50}, {.swap = 49}, -EINVAL, 0},
	    {{.limit = 50, .swap = 60}, {.limit = 61}, -EINVAL, 0},
	    {{.limit = 50, .swap = 60}, {.limit = 60}, 0, 60},
	    {{.limit = 50, .swap = 60}, {.limit = -1}, 0, -1},
	    {{.limit = 50, .swap = -1}, {.limit = 500}, 0, 500},
	    {{.limit = -1}, {.swap = 100}, -EINVAL, 0},
	    {{.limit = 50, .swap = 60}, {.swap = -1}, 0, 50},
	    {{.limit = 50}, {.reservation = 51}, -EINVAL, 0},
	    {{.limit = 50}, {.reservation = 50}, 0, SPEC_UNSET},
	    {{.limit = 50, .swap = 40}, {.reservation = 1}, 0, SPEC_UNSET},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spec_resources now, r;
		struct err e = {0};
		set(&now, &rows[i].before);
		set(&r, &rows[i].change);
		int rc = update_check(&r, &now, &e);
		test_ok(rc == rows[i].rc && (rc || r.memory_limit == rows[i].limit), "memory row %zu: %s", i,
			e.msg);
	}
}

static void test_others(void)
{
	struct spec_resources now, r;
	struct err e = {0};
	spec_resources_init(&now);
#define REFUSED(field, value)                                                                                \
	spec_resources_init(&r);                                                                             \
	r.field = value;                                                                                     \
	test_is_int(update_check(&r, &now, &e), -EINVAL, #field " " #value ": %s", e.msg)
#define TAKEN(field, value)                                                                                  \
	spec_resources_init(&r);                                                                             \
	r.field = value;                                                                                     \
	test_is_int(update_check(&r, &now, &e), 0, #field " " #value)
	REFUSED(cpu_quota, 999);
	TAKEN(cpu_quota, 1000);
	TAKEN(cpu_quota, -1);
	REFUSED(cpu_period, 999);
	REFUSED(cpu_period, 1000001);
	TAKEN(cpu_period, 1000000);
	TAKEN(cpu_period, 0);
	REFUSED(cpuset_cpus, "0-");
	REFUSED(cpuset_cpus, "a");
	REFUSED(cpuset_mems, "1-0");
	TAKEN(cpuset_cpus, "0-1,3");
	TAKEN(cpuset_cpus, "");
	REFUSED(blkio_weight, 9);
	REFUSED(blkio_weight, 1001);
	TAKEN(blkio_weight, 0);
}

int main(void)
{
	test_begin();
	test_flags();
	test_memory();
	test_others();
	return test_end();
}
