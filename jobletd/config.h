// SPDX-License-Identifier: Apache-2.0
// joblet-config.yml, read once at start by a strict schema: an unknown key, a wrong type or an impossible
// value is an error with file and line. specs/config.md lists every key. After config_load every field has a
// usable value and every path is absolute.
#pragma once

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

struct config {
	char *file; // where it was read from
	char *home; // $JOBLET_HOME, or the parent of the folder that holds the file when that is called
		    // config, or /opt/joblet
	// one field a row of specs/path.def, absolute
	struct {
		char *config, *runtimes, *jobs, *logs, *volumes, *network, *state, *exits, *run, *log;
	} path;

	struct {
		char *address; // default 0.0.0.0
		unsigned port; // default 50051; 0 picks a free one (tests), which is logged and written to
			       // <run>/port
		char *node_id;
		char **cipher_suites; // of TLS 1.3, the preferred first; NULL: all
		char *instance;	      // name of this daemon among several on one machine; default joblet
	} server;

	struct {
		char *runtime; // absolute paths of the two inner programs
		char *shim;
	} programs;

	struct {
		int64_t max_concurrent_jobs; // default 100
		int64_t max_queued_jobs;     // default 10000; further ones are refused
		int64_t timeout_ns;	     // jobTimeout; 0: none
		int64_t stop_grace_ns;	     // stopGracePeriod; default 10 s
		int64_t default_cpu_percent; // 0: no limit
		int64_t default_memory_mb;
		int64_t default_iobps;
		int64_t pids_limit;	 // default 512
		bool validate_commands;	 // only those of allowed_commands are run
		char **allowed_commands; // by name, or by path
	} joblet;

	struct {
		char *cert, *key, *ca; // PEM
	} security;

	struct {
		bool enabled;
		char *log_file; // absolute; default <log>/audit.log
		bool log_successful_auth, log_failed_auth, log_job_operations, log_admin_operations,
		    log_all_operations;
		int64_t retention_days; // 0: for ever
		int64_t max_file_size;	// bytes, then a new file is begun
		bool immutable;		// append-only, and closed files immutable (chattr(1))
		bool integrity_check;	// the whole log is verified at start and once a day
	} audit;

	struct {
		char *base_dir; // below the root of each hierarchy, no leading '/'; default the instance
	} cgroup;

	struct {
		char *base_version; // of runtimes/base; default the newest
		char *base_tree;    // <runtimes>/base/<version>/isolated; NULL: no version is there
	} filesystem;

	struct {
		char *user;	   // gateway's user, default joblet
		uid_t uid_base;	   // first host id of the jobs, default 524288
		unsigned id_slots; // how many jobs can have ids at once, default 10000
	} process;

	struct {
		int64_t max_recv_msg_size, max_concurrent_streams, max_connections,
		    max_connections_per_client, max_connections_per_address;
		int64_t handshake_timeout_ns, idle_timeout_ns, keep_alive_ns;
	} grpc;

	struct {
		enum log_level level;
		enum log_format format;
		char *output; // "stderr" or an absolute path
	} logging;
};

// file NULL: $JOBLET_CONFIG_PATH, else <home>/config/joblet-config.yml. A file that others can read is
// refused: it holds a private key.
int config_load(const char *file, struct config **out, struct err *e) attr_must_check;
// What config_load does with the text of the file: c has its file and is filled but for what only the disk
// can tell (home, path, base tree, programs that are not named). text ends with a NUL. -EINVAL. Pure.
int config_read(struct config *c, const char *text, size_t len, struct err *e) attr_must_check;
void config_free(struct config *c);
// Whether the base tree of jobs is there: -ENOENT when there is none of that version, or none at all.
int config_check_base(const struct config *c, struct err *e) attr_must_check;

// What is in force, every key, as YAML; private keys and certificates as "***".
void config_print(const struct config *c, struct buf *out);
