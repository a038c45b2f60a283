// SPDX-License-Identifier: Apache-2.0
// joblet-config.yml: defaults, values, and every way to be refused with the right line.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "jobletd/config.h"
#include "lib/base/base.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

static unsigned count, failed;
static char dir[64];

static void ok(bool good, const char *name, const char *detail)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++count, name);
	if (!good) {
		failed++;
		printf("# %s\n", detail);
	}
}

#define PEM                                                                                                  \
	"security:\n  serverCert: |\n    -----BEGIN CERTIFICATE-----\n  serverKey: |\n    -----BEGIN "       \
	"PRIVATE KEY-----\n"                                                                                 \
	"  caCert: |\n    -----BEGIN CERTIFICATE-----\n"

static int load(const char *text, mode_t mode, struct config **c, struct err *e)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/config/joblet-config.yml", dir);
	unlink(file);
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
		exit(1);
	close(fd);
	*e = (struct err){0};
	*c = NULL;
	return config_load(file, c, e);
}

static void refused(const char *name, const char *text, const char *wanted)
{
	struct config *c;
	struct err e;
	int rc = load(text, 0600, &c, &e);

	ok(rc < 0 && strstr(e.msg, wanted), name, rc < 0 ? e.msg : "was accepted");
	config_free(c);
}

static void accepts(void)
{
	struct config *c;
	struct err e;
	char path[160];

	int rc = load("version: \"3.0\"\n" PEM, 0600, &c, &e);
	ok(rc == 0 && config_check_base(c, &e) == 0, "the smallest file", e.msg);
	if (rc == 0) {
		snprintf(path, sizeof(path), "%s/state/exits", dir);
		ok(str_eq(c->path.exits, path) && str_eq(c->home, dir), "paths hang off the home",
		   c->path.exits);
		ok(c->server.port == 50051 && c->joblet.max_concurrent_jobs == 100 &&
		       c->joblet.pids_limit == 512 && c->joblet.stop_grace_ns == 10000000000LL &&
		       c->process.uid_base == 524288 && str_eq(c->cgroup.base_dir, "joblet") &&
		       str_eq(c->server.address, "0.0.0.0"),
		   "defaults", "");
		ok(str_eq(c->filesystem.base_version, "1.10.0"), "the newest base tree",
		   c->filesystem.base_version);
		ok(c->programs.shim[0] == '/' && strstr(c->programs.shim, "/joblet-shim"),
		   "programs beside our own", c->programs.shim);
	}
	config_free(c);
	rc = load("server:\n  port: 0\n  address: 127.0.0.1\n  instance: t1\njoblet:\n  jobTimeout: 1h\n  "
		  "maxConcurrentJobs: 3\n"
		  "cgroup: {baseDir: /joblet-test/x}\nprograms:\n  runtime: /usr/sbin/runc\ngrpc:\n  "
		  "maxRecvMsgSize: 8MB\n"
		  "logging: {level: debug, format: json, output: /tmp/x}\n" PEM,
		  0600, &c, &e);
	ok(rc == 0, "values of every kind", e.msg);
	if (rc == 0) {
		ok(c->server.port == 0 && c->joblet.timeout_ns == 3600000000000LL &&
		       c->joblet.max_concurrent_jobs == 3 && str_eq(c->cgroup.base_dir, "joblet-test/x") &&
		       str_eq(c->programs.runtime, "/usr/sbin/runc") &&
		       c->grpc.max_recv_msg_size == 8 << 20 && c->logging.level == LOG_LEVEL_DEBUG &&
		       c->logging.format == LOG_FORMAT_JSON,
		   "values are what was given", "");
		ok(strstr(c->security.key, "-----BEGIN PRIVATE KEY-----") != NULL, "a PEM block",
		   c->security.key);
	}
	config_free(c);
}

// The blocks of the security guide, as they stand in it.
static void guide(void)
{
	static const char text[] =
	    "server:\n  tls:\n    enabled: true\n    min_version: \"1.3\"\n"
	    "joblet:\n  validateCommands: true\n  allowedCommands:\n    - python3\n    - bash\n"
	    "  maxConcurrentJobs: 50\n  jobTimeout: \"1h\"\n  defaultMemoryLimit: 1024\n" PEM
	    "  tls:\n    cipher_suites:\n      - TLS_AES_256_GCM_SHA384\n      - "
	    "TLS_CHACHA20_POLY1305_SHA256\n"
	    "  require_client_cert: true\n  verify_client_cert: true\n  enable_rbac: true\n"
	    "  audit:\n    enabled: true\n    log_all_operations: true\n    log_failed_auth: true\n    "
	    "retention_days: 2555 # 7 years\n"
	    "filesystem:\n  enable_chroot: true\n  readonly_rootfs: true\n"
	    "process:\n  default_user: \"nobody\"\n  allow_setuid: false\n"
	    "logging:\n  level: \"info\"\n  format: \"json\"\n  immutable_logs: true\n  log_integrity_check: "
	    "true\n";
	struct config *c;
	struct err e;
	int rc = load(text, 0600, &c, &e);

	ok(rc == 0, "the guide's blocks", e.msg);
	if (rc == 0)
		ok(c->joblet.validate_commands && str_eq(c->joblet.allowed_commands[1], "bash") &&
		       !c->joblet.allowed_commands[2] &&
		       str_eq(c->server.cipher_suites[1], "TLS_CHACHA20_POLY1305_SHA256") &&
		       c->audit.log_all_operations && c->audit.retention_days == 2555 && c->audit.immutable,
		   "mean what they say", "");
	config_free(c);
	rc = load("logging:\n  security:\n    audit: {enabled: false, log_file: /x/y}\n" PEM, 0600, &c, &e);
	ok(rc == 0 && !c->audit.enabled && str_eq(c->audit.log_file, "/x/y"), "audit below logging.security",
	   e.msg);
	config_free(c);
	refused("the same key in two places", "audit: {enabled: true}\n" PEM "  audit: {enabled: true}\n",
		"the key \"security.audit.enabled\" is there twice, first in line 1");
	refused("an older TLS", "server:\n  tls: {min_version: \"1.2\"}\n" PEM,
		"yml:2: server.tls.min_version is \"1.2\", must be 1.3: no older version is spoken");
	refused("no TLS", "server:\n  tls: {enabled: false}\n" PEM,
		"yml:2: server.tls.enabled is \"false\", must be true");
	refused("clients without a certificate", PEM "  verify_client_cert: no\n",
		"yml:8: security.verify_client_cert is \"no\", must be true: who a client is");
	refused("another cipher", "server:\n  tls:\n    cipher_suites:\n    - TLS_AES_128_CCM_SHA256\n" PEM,
		"yml:4: server.tls.cipher_suites[0] is \"TLS_AES_128_CCM_SHA256\"");
	refused("a list that is none", "joblet: {allowedCommands: sh}\n" PEM,
		"joblet.allowedCommands is \"sh\", must be a list");
}

static void prints(void)
{
	cleanup_buf struct buf out = {0};
	struct config *c;
	struct err e;

	if (load("server: {port: 7, nodeId: \"a\\\"b\"}\njoblet: {jobTimeout: 1h}\n" PEM, 0600, &c, &e) !=
	    0) {
		ok(false, "a file to print", e.msg);
		return;
	}
	config_print(c, &out);
	ok(strstr(out.data, "server:\n  address: \"0.0.0.0\"\n  port: 7\n  nodeId: \"a\\\"b\"\n") &&
	       strstr(out.data, "\njoblet:\n") && strstr(out.data, "  jobTimeout: 3600s\n"),
	   "what is in force is printed", out.data);
	ok(!strstr(out.data, "BEGIN") && strstr(out.data, "  serverKey: \"***\"\n"), "and no secret",
	   out.data);
	config_free(c);
}

static void refuses(void)
{
	struct config *c;
	struct err e;

	refused("unknown key", "server:\n  address: x\n  prt: 3\n" PEM, "yml:3: unknown key \"server.prt\"");
	refused("the right word for a wrong one", "joblet:\n  maxConcurentJobs: 3\n" PEM,
		"did you mean joblet.maxConcurrentJobs?");
	refused("a key below a value", "server:\n  port: {x: 1}\n" PEM,
		"yml:2: server.port must be a single value");
	refused("a fixed value", "version: 3.1\n" PEM,
		"yml:1: version is \"3.1\", must be 3.0: the only one there is");
	refused("unknown block", "version: \"3.0\"\n\n\nmonitoring:\n  a: b\n" PEM,
		"yml:4: unknown key \"monitoring\"");
	refused("key twice", "server:\n  port: 1\n  port: 2\n" PEM,
		"yml:3: the key \"server.port\" is there twice");
	refused("not a number", "server:\n  port: abc\n" PEM, "yml:2: server.port is \"abc\"");
	refused("number out of range", "server:\n  address: a\n  port: 65536\n" PEM, "yml:3: server.port");
	refused("negative number", PEM "joblet:\n  maxConcurrentJobs: -1\n",
		"joblet.maxConcurrentJobs is \"-1\"");
	refused("line behind a block", PEM "joblet:\n  maxConcurrentJobs: 0\n",
		"yml:9: joblet.maxConcurrentJobs");
	refused("list for a value", "server:\n  port: [1, 2]\n" PEM,
		"yml:2: server.port must be a single value, not a list");
	refused("value for a block", "server: 3\n" PEM, "yml:1: \"server\" must hold keys");
	refused("bad duration", "joblet:\n  jobTimeout: soon\n" PEM, "yml:2: joblet.jobTimeout is \"soon\"");
	refused("bad level", "logging:\n  level: loud\n" PEM, "yml:2: logging.level");
	refused("relative program", "programs:\n  shim: conmon\n" PEM, "yml:2: programs.shim");
	refused("cgroup that climbs", "cgroup:\n  baseDir: a/../b\n" PEM, "yml:2: cgroup.baseDir");
	refused("ids of the system", "process:\n  uidBase: 1000\n" PEM, "yml:2: process.uidBase");
	refused("ids past the end", "process:\n  uidBase: 2147480000\n" PEM, "yml:2: process.uidBase");
	refused("version of another time", "version: \"2.0\"\n" PEM, "yml:1: version is \"2.0\"");
	refused("no certificate", "server:\n  port: 1\n", "security.serverCert is missing");
	refused("not PEM", "security:\n  serverCert: x\n  serverKey: y\n  caCert: z\n",
		"yml:2: security.serverCert");
	refused("not YAML", "server:\n\tport: 3\n" PEM, "yml:2:");
	int rc = load("filesystem:\n  baseVersion: 9.9.9\n" PEM, 0600, &c, &e);
	ok(rc == 0 && config_check_base(c, &e) == -ENOENT && strstr(e.msg, "9.9.9"), "unknown base version",
	   e.msg);
	config_free(c);
	rc = load(PEM, 0640, &c, &e);
	ok(rc == -EPERM && strstr(e.msg, "chmod 600"), "readable by the group", e.msg);
	config_free(c);
	rc = config_load("/nonexistent/joblet-config.yml", &c, &e);
	ok(rc == -ENOENT && strstr(e.msg, "/nonexistent/joblet-config.yml"), "no file", e.msg);
	config_free(c);
}

int main(void)
{
	struct err e = {0};

	snprintf(dir, sizeof(dir), "/tmp/joblet-test-config-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	const char *trees[] = {"config", "runtimes/base/1.9.0/isolated", "runtimes/base/1.10.0/isolated"};
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, trees[i]);
		if (file_mkdirs(path, 0700, &e) < 0)
			return 1;
	}
	unsetenv("JOBLET_HOME");
	unsetenv("JOBLET_CONFIG_PATH");
	accepts();
	guide();
	prints();
	refuses();
	if (file_remove_tree(AT_FDCWD, dir, &e) < 0)
		ok(false, "clean up", e.msg);
	printf("1..%u\n", count);
	return failed != 0;
}
