// SPDX-License-Identifier: Apache-2.0
// Tests of the gateway's configuration, paths and rates.
#include "jobletd/gateway/gw.h"
#include "lib/base/test.h"

#define GOOD "\"cert\":\"c\",\"key\":\"k\",\"ca\":\"a\",\"uid\":7,\"gid\":8"

static void check(const char *text, const char *problem)
{
	struct gw_config c;
	struct err e = {0};
	int rc = gw_config_parse(text, strlen(text), &c, &e);

	test_ok(problem ? rc < 0 && strstr(e.msg, problem) : rc == 0, "%s: %s", text, e.msg);
	gw_config_free(&c);
}

static void test_config(void)
{
	struct gw_config c;
	struct err e = {0};
	const char *text =
	    "{" GOOD ",\"limits\":{\"maxRecvMsgSize\":5000,\"idleTimeoutMs\":20,\"maxConnections\":100000}}";

	test_is_int(gw_config_parse(text, strlen(text), &c, &e), 0, "a good one");
	test_ok(c.uid == 7 && c.gid == 8 && c.limits.max_message == 5000 && c.limits.idle_ns == 20000000 &&
		    c.limits.max_conns == 100000,
		"what is given");
	test_ok(c.limits.max_streams == 100 && c.limits.handshake_ns == 10000000000, "what is not");
	gw_config_free(&c);
	check("{" GOOD "}", NULL);
	check("{" GOOD ",\"x\":1}", "unknown key \"x\"");
	check("{" GOOD ",\"limits\":{\"x\":1}}", "unknown key \"x\"");
	check("{" GOOD ",\"limits\":{\"maxConnections\":0}}", "maxConnections");
	check("{" GOOD ",\"limits\":{\"maxConnections\":\"9\"}}", "maxConnections");
	check("{\"cert\":\"c\",\"key\":\"k\",\"ca\":\"a\",\"uid\":0,\"gid\":8}", "uid");
	check("{\"cert\":\"c\",\"key\":\"k\",\"ca\":\"a\"}", "no \"uid\"");
	check("{\"cert\":\"c\",\"key\":\"k\"}", "no \"ca\"");
	check("[]", "no JSON object");
	check("", "");
}

static void test_method(void)
{
	for (int i = 0; i < gw_method_count(); i++) {
		const char *path = gw_method_path(i);
		test_is_int(gw_method_find(path, strlen(path)), i, "%s", path);
		test_is_int(gw_method_find(path, strlen(path) - 1), -1, "a byte less is none");
		test_is_int(gw_method_find(path + 1, strlen(path) - 1), -1, "without the slash it is none");
	}
	test_is_int(gw_method_find("", 0), -1, "nothing is none");
}

static void test_bucket(void)
{
	struct gw_bucket b = {0};
	int64_t now = INT64_C(5000000000);
	int taken = 0;

	for (int i = 0; i < 100; i++)
		taken += gw_bucket_take(&b, now, 10, 2);
	test_is_int(taken, 10, "a burst of 10");
	test_ok(gw_bucket_take(&b, now + 500000000, 10, 2), "one more half a second later");
	test_ok(!gw_bucket_take(&b, now + 500000000, 10, 2), "and no two");
	gw_bucket_credit(&b, 3, 2);
	for (taken = 0; gw_bucket_take(&b, now + 500000000, 10, 2); taken++)
		;
	test_is_int(taken, 3, "a credit of 3");
}

int main(void)
{
	test_begin();
	test_config();
	test_method();
	test_bucket();
	return test_end();
}
