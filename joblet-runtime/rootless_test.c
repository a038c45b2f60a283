// SPDX-License-Identifier: Apache-2.0
// What is decided without root: whose rights, which bundles, which ids need a helper, which groups may stay.
#include <sched.h>

#include "joblet-runtime/idmap.h"
#include "joblet-runtime/rights.h"
#include "joblet-runtime/verify.h"
#include "lib/base/str.h"
#include "lib/base/test.h"

#define HEAD                                                                                                 \
	"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"a\"],\"cwd\":\"/\","   \
	"\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}"
#define MAPS                                                                                                 \
	"],\"uidMappings\":[{\"containerID\":0,\"hostID\":7,\"size\":1}],"                                   \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":7,\"size\":1}]}}"

static void test_whole(void)
{
	test_ok(rights_map_is_whole("         0          0 4294967295\n"), "the initial user namespace");
	test_ok(!rights_map_is_whole("         0       1000          1\n"), "one id");
	test_ok(!rights_map_is_whole("         0          0 4294967294\n"), "all but one");
	test_ok(!rights_map_is_whole("         0          0      65536\n"), "the first of them");
	test_ok(!rights_map_is_whole("0 0 42949672950\n"), "a longer number");
	test_ok(!rights_map_is_whole(""), "no line");
}

static int check(enum rights r, const char *text, struct err *e)
{
	cleanup_spec struct spec *s = NULL;
	int rc = spec_parse(text, strlen(text), &s, e);
	return rc ? rc : rights_check(r, s, e);
}

static void test_check(void)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
	    {HEAD "]}}", "user namespace"},
	    {HEAD ",{\"type\":\"user\"}]}}", "must say which"},
	    {HEAD ",{\"type\":\"user\"},{\"type\":\"time\"}" MAPS, "time namespace"},
	    {HEAD ",{\"type\":\"user\"},{\"type\":\"ipc\",\"path\":\"/x\"}" MAPS, "cannot join the ipc"},
	};
	struct err e = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		test_ok(check(RIGHTS_USER, rows[i].text, &e) < 0 && strstr(e.msg, rows[i].says), "user: %s",
			e.msg);
		test_ok(check(RIGHTS_USERNS, rows[i].text, &e) == 0, "uid 0 of a user namespace: row %zu", i);
		test_ok(check(RIGHTS_ROOT, rows[i].text, &e) == 0, "root: row %zu", i);
	}
	test_ok(check(RIGHTS_USER, HEAD ",{\"type\":\"user\"}" MAPS, &e) == 0, "user: own namespace and ids");
}

static void test_own(void)
{
	const struct spec_id_map one = {0, 7, 1}, two = {0, 7, 2}, both[] = {{0, 7, 1}, {1, 9, 1}};
	test_ok(idmap_is_own(&one, 1, 7), "the own id");
	test_ok(!idmap_is_own(&one, 1, 8), "another's");
	test_ok(!idmap_is_own(&two, 1, 7), "a range that begins with it");
	test_ok(!idmap_is_own(both, 2, 7), "and one more");
	test_ok(!idmap_is_own(NULL, 0, 7), "none");
	cleanup_strv char **argv = idmap_arguments("/bin/newuidmap", 12, both, 2);
	static const char *const want[] = {"/bin/newuidmap", "12", "0", "7", "1", "1", "9", "1"};
	bool same = strv_len(argv) == ARRAY_LEN(want);
	for (size_t i = 0; same && i < ARRAY_LEN(want); i++)
		same = str_eq(argv[i], want[i]);
	test_ok(same, "arguments of newuidmap");
}

static void test_groups(void)
{
	cleanup_spec struct spec *s = NULL;
	struct err e = {0};
	const char *text = HEAD ",{\"type\":\"user\"}" MAPS;
	test_ok(spec_parse(text, strlen(text), &s, &e) == 0, "configuration %s", e.msg);
	uint32_t groups[] = {65534, 0}, others[] = {65534, 5};
	struct verify_status st = {.groups = groups, .group_count = 2};
	test_ok(verify_status(s, &st, false, &e) == -EPERM, "groups that could have been given up");
	st.groups_kept = true;
	e.msg[0] = 0;
	test_ok(verify_status(s, &st, false, &e) == 0, "groups that could not: %s", e.msg);
	st.groups = others;
	test_ok(verify_status(s, &st, false, &e) == -EPERM, "a group that nobody can have kept");
}

int main(void)
{
	test_begin();
	test_whole();
	test_check();
	test_own();
	test_groups();
	return test_end();
}
