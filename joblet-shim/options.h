// SPDX-License-Identifier: Apache-2.0
// The command line: conmon's, whole. Reading it makes no system call and allocates nothing; every string
// points into argv.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"

#define OPTIONS_LIST_MAX 128 // entries of one repeatable option; the rest is refused
#define OPTIONS_LOGS_MAX 8

struct option_list {
	const char *v[OPTIONS_LIST_MAX];
	unsigned count;
};

// What the command line says. Texts are NULL and numbers 0 (sizes -1) where it says nothing.
struct options {
	bool help, version;
	const char *cid, *cuuid, *name;
	const char *runtime, *bundle;
	const char *container_pidfile, *shim_pidfile;
	struct option_list runtime_args; // before the runtime's command
	struct option_list runtime_opts; // behind it
	struct option_list logs;	 // DRIVER:PATH, as given
	struct option_list log_labels, log_allowlist;
	struct option_list exit_args;
	const char *exit_command;
	const char *exit_dir, *persist_dir;
	const char *socket_dir;
	const char *log_level, *log_tag;
	const char *log_full; // "drop" (the default) or "hold"
	const char *exec_spec;
	const char *restore_path, *seccomp_socket, *seccomp_plugins, *sdnotify_socket;
	bool exec, exec_attach;
	bool terminal, is_stdin, leave_stdin_open;
	bool full_attach, systemd_cgroup, no_pivot, no_new_keyring, no_sync_log, sync, replace_listen_pid,
	    syslog;
	bool log_rotate, no_partial_message;
	int64_t api_version;
	int64_t timeout_s, exit_delay_s;
	int64_t log_size_max, log_global_size_max; // bytes; -1 is no limit
	int64_t log_max_files;			   // -1: not given
};

// Fills *o, which is zeroed, from argv. -EINVAL with a text that names the option: unknown, without its
// value, given twice with two values, a number out of range, or one that is missing or contradicts another.
// help and version end the check.
int options_parse(struct options *o, int argc, char *const *argv, struct err *e) attr_must_check;

// `NAME=VALUE` with a name that journald takes: A-Z, 0-9 and _, which does not begin with a digit or _. Pure.
bool options_is_label(const char *text);

enum log_driver { LOG_DRIVER_FILE, LOG_DRIVER_JOURNAL, LOG_DRIVER_NONE, LOG_DRIVER_PASSTHROUGH };
// Takes `DRIVER:PATH`, `DRIVER` or `PATH` apart. k8s-file and json-file write the same format, as with
// conmon; what has no colon, or a slash before it, is a path. 0 or -EINVAL (an unknown driver; a file driver
// without a path).
int options_log(const char *text, enum log_driver *driver, const char **path, struct err *e) attr_must_check;

// What --help and --version print. Not 0: it could not be printed.
int options_print(const struct options *o) attr_must_check;
