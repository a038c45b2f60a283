// SPDX-License-Identifier: Apache-2.0
// Every method against every role, as it is meant to be, written out by hand: a slip in role.def or
// method.def shows here.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "jobletd/auth.h"
#include "lib/base/str.h"

static int count, failed;

static void ok(bool good, const char *what, const char *more)
{
	printf("%sok %d - %s %s\n", good ? "" : "not ", ++count, what, more);
	failed += !good;
}

// Roles in this order: admin maintainer developer viewer reader, then some that are none.
static const char *const roles[] = {"admin", "maintainer", "developer", "viewer", "reader", "",
				    "Admin", "admin ",	   "root",	"viewe",  "*"};

static const struct {
	const char *method, *may; // one letter a role: y or n; roles without a letter may not
} expected[] = {
    {"RunJob", "yyynn"},     {"GetJobStatus", "yyyyy"}, {"StopJob", "yyynn"},
    {"CancelJob", "yyynn"},  {"DeleteJob", "yyynn"},	{"DeleteAllJobs", "yyynn"},
    {"GetJobLogs", "yyyyy"}, {"ListJobs", "yyyyy"},	{"AttachJob", "yyyyy"},
    {"WaitJob", "yyyyy"},    {"SignalJob", "yyynn"},	{"FindJobs", "yyyyy"},
    {"Check", "yyyyy"},	     {"Watch", "yyyyy"},	{"ServerReflectionInfo", "yyyyy"},
};

static const struct {
	const char *method, *permission;
} methods[] = {
#define METHOD(service, method, cs, ss, handler, permission) {method, permission},
#include "specs/method.def"
#undef METHOD
};

static const char *const permissions[] = {
#define PERMISSION(name, kind, what) name,
#include "specs/permission.def"
#undef PERMISSION
};

static bool is_permission(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(permissions); i++)
		if (str_eq(permissions[i], name))
			return true;
	return str_eq(name, "-");
}

static void matrix(void)
{
	for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
		const char *may = NULL;
		for (size_t i = 0; i < ARRAY_LEN(expected); i++)
			if (str_eq(expected[i].method, methods[m].method))
				may = expected[i].may;
		ok(may, methods[m].method, "is in the matrix");
		ok(is_permission(methods[m].permission), methods[m].method,
		   "its permission is in permission.def");
		for (size_t r = 0; may && r < ARRAY_LEN(roles); r++) {
			bool want = r < strlen(may) && may[r] == 'y';
			struct err e = {0};
			int rc = auth_check(roles[r], methods[m].permission, &e);
			ok(want ? rc == 0 : rc == -EACCES && e.msg[0], methods[m].method, roles[r]);
		}
	}
}

static void attach(void)
{
	struct err e = {0};
	ok(auth_check("viewer", "job:attach", &e) == -EACCES && str_eq(e.msg, "role viewer lacks job:attach"),
	   "attach", "viewer");
	ok(auth_check("developer", "job:attach", &e) == 0, "attach", "developer");
	ok(auth_check("viewer", "job:stop", &e) == -EACCES, "stop with the client", "viewer");
	ok(auth_check("boss", "job:run", &e) == -EACCES && str_eq(e.msg, "unknown role \"boss\""),
	   "unknown role", "text");
}

static void lists(void)
{
	ok(auth_list_holds("job:run", "job:run"), "list", "exact");
	ok(!auth_list_holds("job:run", "job:ru"), "list", "shorter");
	ok(!auth_list_holds("job:run", "job:runs"), "list", "longer");
	ok(auth_list_holds("a:b job:*", "job:run"), "list", "second word");
	ok(!auth_list_holds("job:*", "jobs:run"), "list", "prefix ends at the colon");
	ok(!auth_list_holds("job:*", "job"), "list", "no colon");
	ok(auth_list_holds("*", "anything:at-all"), "list", "star");
	ok(!auth_list_holds(":*", "job:run"), "list", "empty prefix");
	ok(!auth_list_holds("", "job:run"), "list", "empty list");
	ok(!auth_list_holds("*", ""), "list", "empty permission");
	ok(!auth_list_holds("*", "-"), "list", "dash is nobody's permission");
	ok(auth_list_holds("  job:run  ", "job:run"), "list", "spaces");
}

int main(void)
{
	matrix();
	attach();
	lists();
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}
