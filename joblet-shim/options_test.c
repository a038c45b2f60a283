// SPDX-License-Identifier: Apache-2.0
// The command line: both spellings, and a row for every kind of mistake with the word that its message must
// have.
#include "joblet-shim/options.h"
#include "lib/base/test.h"

#define MUST "-c", "id", "-u", "uu", "-r", "/bin/runtime", "-l", "/tmp/log"

static struct options o;
static struct err e;

static int parse(const char *const *argv)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	o = (struct options){0};
	e = (struct err){0};
	return options_parse(&o, argc, (char *const *)argv, &e);
}
#define PARSE(...) parse((const char *const[]){"joblet-shim", __VA_ARGS__, NULL})

static void test_good(void)
{
	test_is_int(PARSE(MUST), 0, "the least");
	test_is_int(PARSE("--cid=id", "--cuuid=uu", "--runtime=/r", "--log-path=k8s-file:/tmp/x",
			  "--timeout=7", "--log-size-max=-1"),
		    0, "--option=value");
	test_ok(o.timeout_s == 7 && o.log_size_max == -1 && !strcmp(o.runtime, "/r"), "the values are there");
	test_is_int(PARSE(MUST, "-it", "--leave-stdin-open", "-b/tmp/b"), 0,
		    "letters together, and a value behind its letter");
	test_ok(o.terminal && o.is_stdin && o.leave_stdin_open && !strcmp(o.bundle, "/tmp/b"),
		"they are set");
	test_is_int(PARSE(MUST, "--runtime-arg", "--root", "--runtime-arg", "/x",
			  "--runtime-opt=--preserve-fds", "--runtime-opt", "3"),
		    0, "values that look like options");
	test_ok(o.runtime_args.count == 2 && !strcmp(o.runtime_args.v[0], "--root") &&
		    o.runtime_opts.count == 2,
		"lists keep their order");
	test_is_int(PARSE(MUST, "-c", "id"), 0, "the same value twice");
	test_is_int(PARSE("--version"), 0, "--version alone");
	test_is_int(PARSE(MUST, "-e", "--exec-process-spec", "/s", "--exec-attach", "-b/b", "--api-version",
			  "1"),
		    0, "exec");
	test_is_int(PARSE("-c", "id", "-r", "/r", "-l", "/x", "-e", "--exec-process-spec", "/s"), 0,
		    "the first exec protocol has no UUID");
	test_is_int(PARSE(MUST, "--restore=/x", "--restore-arg", "--tcp-established", "--runtime-opt=-x"), 0,
		    "restore");
	test_ok(o.runtime_opts.count == 2 && !strcmp(o.restore_path, "/x"),
		"--restore-arg and --runtime-opt are one list");
	test_is_int(PARSE(MUST, "-l", "journald", "--log-tag=t", "--log-label=A_1=b=c", "--log-rotate",
			  "--log-max-files=0", "--log-full=hold"),
		    0, "logs");
}

static void test_bad(void)
{
	static const struct {
		const char *const argv[16];
		const char *word;
	} rows[] = {
	    {{"x", MUST, "--nosuch"}, "unknown option --nosuch"},
	    {{"x", MUST, "-Z"}, "unknown option -Z"},
	    {{"x", MUST, "--"}, "unexpected argument"},
	    {{"x", MUST, "word"}, "unexpected argument 'word'"},
	    {{"x", MUST, ""}, "unexpected argument"},
	    {{"x", MUST, "--bundle"}, "needs a value"},
	    {{"x", MUST, "-b"}, "needs a value"},
	    {{"x", MUST, "--stdin=yes"}, "takes no value"},
	    {{"x", MUST, "--timeout", "soon"}, "not a number"},
	    {{"x", MUST, "--timeout", "-1"}, "out of range"},
	    {{"x", MUST, "--timeout", "99999999999"}, "out of range"},
	    {{"x", MUST, "--timeout", "1", "--timeout", "2"}, "twice"},
	    {{"x", MUST, "--cid", "other"}, "twice"},
	    {{"x", MUST, "--api-version", "2"}, "--api-version"},
	    {{"x", MUST, "--leave-stdin-open"}, "--stdin"},
	    {{"x", MUST, "--exec"}, "--exec-process-spec"},
	    {{"x", MUST, "--exec-attach"}, "--exec"},
	    {{"x", MUST, "--exit-command-arg", "a"}, "--exit-command"},
	    {{"x", MUST, "--pidfile", "/a", "-p", "/b"}, "twice"},
	    {{"x", MUST, "--restore", "/x", "-e", "--exec-process-spec", "/s"}, "do not go together"},
	    {{"x", MUST, "-e", "--exec-process-spec", "/s", "--exec-attach", "-b", "/b"}, "--api-version 1"},
	    {{"x", MUST, "-e", "--exec-process-spec", "/s", "--exec-attach", "--api-version=1"}, "--bundle"},
	    {{"x", MUST, "--seccomp-notify-plugins=/x"}, "--seccomp-notify-socket"},
	    {{"x", MUST, "--seccomp-notify-socket=/x", "--seccomp-notify-plugins=x.so"}, "not loaded"},
	    {{"x", MUST, "--log-max-files", "2"}, "--log-rotate"},
	    {{"x", MUST, "--log-rotate", "--log-max-files", "1001"}, "out of range"},
	    {{"x", MUST, "--log-full", "maybe"}, "neither drop nor hold"},
	    {{"x", MUST, "--log-tag", "t"}, "journald"},
	    {{"x", MUST, "--log-label", "A=b"}, "journald"},
	    {{"x", MUST, "-l", "journald", "--log-label", "a=b"}, "NAME=VALUE"},
	    {{"x", MUST, "-l", "journald", "--log-label", "AB"}, "NAME=VALUE"},
	    {{"x", MUST, "-l", "journald", "--log-label", "_A=b"}, "NAME=VALUE"},
	    {{"x", MUST, "-l", "journald", "--log-label", "A=b\nC=d"}, "NAME=VALUE"},
	    {{"x", MUST, "-l", "journald", "-l", "journald:"}, "twice"},
	    {{"x", MUST, "-l", "odd:/a"}, "no log driver 'odd'"},
	    {{"x", MUST, "-l", ""}, "names no file"},
	    {{"x", MUST, "-l", "k8s-file:"}, "names no file"},
	    {{"x", MUST, "-l", "passthrough"}, "no other log"},
	    {{"x", "-c", "id", "-u", "uu", "-r", "/r"}, "--log-path is missing"},
	    {{"x", "-c", "id", "-u", "uu", "-l", "/x"}, "--runtime is missing"},
	    {{"x", "-c", "id", "-u", "uu", "-l", "/x", "-r", "runc"}, "absolute"},
	    {{"x", "-u", "uu", "-l", "/x", "-r", "/r"}, "--cid"},
	    {{"x", "-c", "../x", "-u", "uu", "-l", "/x", "-r", "/r"}, "--cid"},
	    {{"x", "-c", "..", "-u", "uu", "-l", "/x", "-r", "/r"}, "--cid"},
	    {{"x", "-c", "id", "-l", "/x", "-r", "/r"}, "--cuuid"},
	    {{"x", "-c", "id", "-u", "a/b", "-l", "/x", "-r", "/r"}, "--cuuid"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = parse(rows[i].argv);
		if (!test_ok(rc == -EINVAL && strstr(e.msg, rows[i].word), "refused: %s", rows[i].word))
			printf("# %d %s\n", rc, e.msg);
	}
}

static void test_many(void)
{
	static const char *argv[2 * OPTIONS_LIST_MAX + 16] = {"x", MUST};
	size_t n = 9;
	for (int i = 0; i < OPTIONS_LIST_MAX; i++) {
		argv[n++] = "--runtime-arg";
		argv[n++] = "v";
	}
	test_is_int(parse(argv), 0, "as many arguments as fit");
	argv[n++] = "--runtime-arg=one-more";
	test_ok(parse(argv) == -EINVAL && strstr(e.msg, "more than"), "one more is refused");
}

static void test_drivers(void)
{
	static const struct {
		const char *text;
		enum log_driver driver;
		const char *path;
	} rows[] = {
	    {"k8s-file:/a:b", LOG_DRIVER_FILE, "/a:b"},
	    {"json-file:/a", LOG_DRIVER_FILE, "/a"},
	    {"/a/b", LOG_DRIVER_FILE, "/a/b"},
	    {"/odd:/a", LOG_DRIVER_FILE, "/odd:/a"},
	    {":a", LOG_DRIVER_FILE, "a"},
	    {"journald", LOG_DRIVER_JOURNAL, ""},
	    {"journald:", LOG_DRIVER_JOURNAL, ""},
	    {"none", LOG_DRIVER_NONE, ""},
	    {"off:", LOG_DRIVER_NONE, ""},
	    {"null", LOG_DRIVER_NONE, ""},
	    {"passthrough", LOG_DRIVER_PASSTHROUGH, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum log_driver driver;
		const char *path;
		int rc = options_log(rows[i].text, &driver, &path, &e);
		test_ok(rc == 0 && driver == rows[i].driver && !strcmp(path, rows[i].path), "log %s",
			rows[i].text);
	}
}

int main(void)
{
	test_begin();
	test_good();
	test_bad();
	test_many();
	test_drivers();
	return test_end();
}
