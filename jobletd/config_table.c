// SPDX-License-Identifier: Apache-2.0
// Every key of joblet-config.yml, once (specs/config.md says what each means; a test compares the two). Pure.
#include "jobletd/config_table.h"

#include <limits.h>
#include <string.h>

#include "lib/base/str.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static bool is_line(const char *s)
{
	return strlen(s) <= 253 && !strpbrk(s, "\n\r");
}

static bool is_address(const char *s)
{
	return s[0] && strlen(s) <= 253 && !strpbrk(s, " \t\n/");
}

static bool is_path(const char *s)
{
	return s[0] == '/' && strlen(s) < PATH_MAX && !strchr(s, '\n');
}

static bool is_output(const char *s)
{
	return str_eq(s, "stderr") || is_path(s);
}

// Below the root of every hierarchy; a leading slash says the same.
static bool is_cgroup(const char *s)
{
	s += strspn(s, "/");
	size_t n = strlen(s);
	return n && n <= 255 && s[n - 1] != '/' && !strstr(s, "..") && !strstr(s, "//") &&
	       !strpbrk(s, " \t\n\\:");
}

static bool is_version(const char *s)
{
	return s[0] && s[0] != '.' && strlen(s) <= 64 && !strpbrk(s, "/ \t\n");
}

static bool is_cipher(const char *s)
{
	return str_eq(s, "TLS_AES_256_GCM_SHA384") || str_eq(s, "TLS_CHACHA20_POLY1305_SHA256") ||
	       str_eq(s, "TLS_AES_128_GCM_SHA256");
}

static bool is_command(const char *s)
{
	return s[0] && strlen(s) < PATH_MAX && !strpbrk(s, "\n\r");
}

static bool is_user(const char *s)
{
	return s[0] && strlen(s) <= 32 && !strpbrk(s, ": /\t\n");
}

static const char *const formats[] = {"text", "json", NULL};		      // as enum log_format
static const char *const levels[] = {"debug", "info", "warn", "error", NULL}; // as enum log_level

#define FIELD(member) offsetof(struct config, member)
#define TEXT(key, member, fallback, valid, wanted)                                                           \
	{                                                                                                    \
		key, CONFIG_TEXT, FIELD(member), fallback, 0, 0, valid, wanted, NULL                         \
	}
#define PEM(key, member)                                                                                     \
	{                                                                                                    \
		key, CONFIG_PEM, FIELD(member), NULL, 0, 0, NULL, NULL, NULL                                 \
	}
#define NUMBER(key, member, fallback, min, max)                                                              \
	{                                                                                                    \
		key, CONFIG_NUMBER, FIELD(member), fallback, min, max, NULL, NULL, NULL                      \
	}
#define UNSIGNED(key, member, fallback, min, max)                                                            \
	{                                                                                                    \
		key, CONFIG_UNSIGNED, FIELD(member), fallback, min, max, NULL, NULL, NULL                    \
	}
#define DURATION(key, member, fallback, min, max)                                                            \
	{                                                                                                    \
		key, CONFIG_DURATION, FIELD(member), fallback, min, max, NULL, NULL, NULL                    \
	}
#define SIZE(key, member, fallback, min, max)                                                                \
	{                                                                                                    \
		key, CONFIG_SIZE, FIELD(member), fallback, min, max, NULL, NULL, NULL                        \
	}
#define CHOICE(key, member, fallback, choices)                                                               \
	{                                                                                                    \
		key, CONFIG_CHOICE, FIELD(member), fallback, 0, 0, NULL, NULL, choices                       \
	}
#define LIST(key, member, valid, wanted)                                                                     \
	{                                                                                                    \
		key, CONFIG_LIST, FIELD(member), NULL, 0, 0, valid, wanted, NULL                             \
	}
#define TRUTH(key, member, fallback)                                                                         \
	{                                                                                                    \
		key, CONFIG_TRUTH, FIELD(member), fallback, 0, 0, NULL, NULL, NULL                           \
	}
#define FIXED(key, value, why)                                                                               \
	{                                                                                                    \
		key, CONFIG_FIXED, 0, value, 0, 0, NULL, why, NULL                                           \
	}

const struct config_row config_rows[] = {
    FIXED("version", "3.0", "the only one there is"),

    TEXT("server.address", server.address, "0.0.0.0", is_address, "an address to listen on"),
    UNSIGNED("server.port", server.port, "50051", 0, 65535),
    TEXT("server.nodeId", server.node_id, "", is_line, "one line of at most 253 bytes"),
    TEXT("server.instance", server.instance, "joblet", str_is_name, "a name: letters, digits, _ and -"),
    FIXED("server.tls.enabled", "true", "no job is taken over a connection without TLS"),
    FIXED("server.tls.min_version", "1.3", "no older version is spoken"),
    LIST("server.tls.cipher_suites", server.cipher_suites, is_cipher,
	 "TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256 or TLS_AES_128_GCM_SHA256"),

    NUMBER("joblet.maxConcurrentJobs", joblet.max_concurrent_jobs, "100", 1, 100000),
    NUMBER("joblet.maxQueuedJobs", joblet.max_queued_jobs, "10000", 1, 1000000),
    DURATION("joblet.jobTimeout", joblet.timeout_ns, "0", 0, 365 * DAY),
    DURATION("joblet.stopGracePeriod", joblet.stop_grace_ns, "10s", 0, DAY),
    NUMBER("joblet.defaultCpuLimit", joblet.default_cpu_percent, "0", 0, 10000),
    NUMBER("joblet.defaultMemoryLimit", joblet.default_memory_mb, "0", 0, INT32_MAX),
    NUMBER("joblet.defaultIoLimit", joblet.default_iobps, "0", 0, INT64_C(1) << 40),
    NUMBER("joblet.pidsLimit", joblet.pids_limit, "512", 1, 4194304),

    TRUTH("joblet.validateCommands", joblet.validate_commands, "false"),
    LIST("joblet.allowedCommands", joblet.allowed_commands, is_command, "the name or the path of a command"),

    PEM("security.serverCert", security.cert),
    PEM("security.serverKey", security.key),
    PEM("security.caCert", security.ca),

    FIXED("security.require_client_cert", "true", "who a client is, is known by its certificate only"),
    FIXED("security.verify_client_cert", "true", "who a client is, is known by its certificate only"),
    FIXED("security.enable_rbac", "true", "what a client may do is decided by its role only"),
    TRUTH("security.audit.enabled", audit.enabled, "true"),
    TEXT("security.audit.log_file", audit.log_file, NULL, is_path, "an absolute path"),
    TRUTH("security.audit.log_successful_auth", audit.log_successful_auth, "true"),
    TRUTH("security.audit.log_failed_auth", audit.log_failed_auth, "true"),
    TRUTH("security.audit.log_job_operations", audit.log_job_operations, "true"),
    TRUTH("security.audit.log_admin_operations", audit.log_admin_operations, "true"),
    TRUTH("security.audit.log_all_operations", audit.log_all_operations, "false"),
    NUMBER("security.audit.retention_days", audit.retention_days, "0", 0, 36500),
    SIZE("security.audit.max_file_size", audit.max_file_size, "64MB", 65536, INT64_C(1) << 40),

    TEXT("cgroup.baseDir", cgroup.base_dir, NULL, is_cgroup,
	 "a path below the root of the cgroup hierarchies, such as joblet"),

    TEXT("filesystem.baseVersion", filesystem.base_version, NULL, is_version, "a version such as 1.0.0"),

    FIXED("filesystem.enable_chroot", "true", "a job always has a root of its own"),
    FIXED("filesystem.readonly_rootfs", "true", "a job writes to /work, /tmp and its volumes only"),

    TEXT("process.user", process.user, "joblet", is_user, "the name of a user"),
    UNSIGNED("process.uidBase", process.uid_base, "524288", 65536, INT32_MAX - 1),
    UNSIGNED("process.idSlots", process.id_slots, "10000", 1, 1000000),

    FIXED("process.default_user", "nobody", "a job is nobody, with host ids of its own"),
    FIXED("process.allow_setuid", "false", "a job never gains privileges"),

    TEXT("programs.runtime", programs.runtime, NULL, is_path, "an absolute path"),
    TEXT("programs.shim", programs.shim, NULL, is_path, "an absolute path"),

    SIZE("grpc.maxRecvMsgSize", grpc.max_recv_msg_size, "4MB", 4096, 64 << 20),
    NUMBER("grpc.maxConcurrentStreams", grpc.max_concurrent_streams, "100", 1, 10000),
    NUMBER("grpc.maxConnections", grpc.max_connections, "1000", 1, 100000),
    NUMBER("grpc.maxConnectionsPerClient", grpc.max_connections_per_client, "100", 1, 100000),
    NUMBER("grpc.maxConnectionsPerAddress", grpc.max_connections_per_address, "200", 1, 100000),
    DURATION("grpc.handshakeTimeout", grpc.handshake_timeout_ns, "10s", SECOND / 10, HOUR),
    DURATION("grpc.idleTimeout", grpc.idle_timeout_ns, "1h", SECOND, DAY),
    DURATION("grpc.keepAliveTime", grpc.keep_alive_ns, "30s", SECOND, HOUR),

    CHOICE("logging.level", logging.level, "info", levels),
    CHOICE("logging.format", logging.format, "text", formats),
    TEXT("logging.output", logging.output, "stderr", is_output, "stderr or an absolute path"),
    TRUTH("logging.immutable_logs", audit.immutable, "false"),
    TRUTH("logging.log_integrity_check", audit.integrity_check, "false"),
};
const size_t config_row_count = ARRAY_LEN(config_rows);

// Other places where users have a block, and the one where its rows are.
static const struct {
	const char *other, *own;
} spellings[] = {
    {"audit", "security.audit"},     {"logging.security.audit", "security.audit"},
    {"logging.security", "logging"}, {"security.logging", "logging"},
    {"security.tls", "server.tls"},
};

static const char *spell(const char *path, char out[CONF_PATH_MAX])
{
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		size_t n = strlen(spellings[i].other);
		if (strncmp(path, spellings[i].other, n) != 0 || (path[n] && path[n] != '.'))
			continue;
		snprintf(out, CONF_PATH_MAX, "%s%s", spellings[i].own, path + n);
		return out;
	}
	return path;
}

const struct config_row *config_row_find(const char *path)
{
	char own[CONF_PATH_MAX];
	path = spell(path, own);
	for (size_t i = 0; i < config_row_count; i++)
		if (str_eq(config_rows[i].key, path))
			return &config_rows[i];
	return NULL;
}

bool config_is_block(const char *path)
{
	char own[CONF_PATH_MAX];
	path = spell(path, own);
	size_t n = strlen(path);
	for (size_t i = 0; i < config_row_count; i++)
		if (strncmp(config_rows[i].key, path, n) == 0 && config_rows[i].key[n] == '.')
			return true;
	return false;
}

// The part of a row's key that stands at the place of the last part of path: its length, 0 when the row
// stands elsewhere.
static size_t sibling(const struct config_row *row, const char *path, size_t prefix)
{
	return strncmp(row->key, path, prefix) == 0 ? strcspn(row->key + prefix, ".") : 0;
}

char *config_nearest(const char *path)
{
	char own[CONF_PATH_MAX];
	path = spell(path, own);
	const char *last = strrchr(path, '.');
	size_t prefix = last ? (size_t)(last - path) + 1 : 0;
	cleanup_strv char **names = NULL;

	for (size_t i = 0; i < config_row_count; i++) {
		size_t n = sibling(&config_rows[i], path, prefix);
		if (n) {
			cleanup_free char *name = xstrndup(config_rows[i].key + prefix, n);
			strv_add(&names, name);
		}
	}
	const char *near = names ? str_nearest(path + prefix, (const char *const *)names) : NULL;
	return near ? xasprintf("%.*s%s", (int)prefix, path, near) : NULL;
}
