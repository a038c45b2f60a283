// SPDX-License-Identifier: Apache-2.0
// The command line as a table: one row an option. It knows what each option looks like and which of them do
// not go together; what they mean is the affair of the files that read struct options. No system call.
#include "joblet-shim/options.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"

enum kind { FLAG, TEXT, NUMBER, SIZE, LIST };

struct row {
	const char *name;
	char letter; // 0: none
	enum kind kind;
	size_t offset; // of the field in struct options
};

#define AT(field) offsetof(struct options, field)

static const struct row rows[] = {
    {"help", 'h', FLAG, AT(help)},
    {"version", 0, FLAG, AT(version)},
    {"api-version", 0, NUMBER, AT(api_version)},
    {"cid", 'c', TEXT, AT(cid)},
    {"cuuid", 'u', TEXT, AT(cuuid)},
    {"name", 'n', TEXT, AT(name)},
    {"runtime", 'r', TEXT, AT(runtime)},
    {"bundle", 'b', TEXT, AT(bundle)},
    {"container-pidfile", 'p', TEXT, AT(container_pidfile)},
    {"pidfile", 0, TEXT, AT(container_pidfile)}, // its older name
    {"conmon-pidfile", 'P', TEXT, AT(shim_pidfile)},
    {"runtime-arg", 0, LIST, AT(runtime_args)},
    {"runtime-opt", 0, LIST, AT(runtime_opts)},
    {"log-path", 'l', LIST, AT(logs)},
    {"log-level", 0, TEXT, AT(log_level)},
    {"log-size-max", 0, SIZE, AT(log_size_max)},
    {"log-global-size-max", 0, SIZE, AT(log_global_size_max)},
    {"log-tag", 0, TEXT, AT(log_tag)},
    {"log-label", 0, LIST, AT(log_labels)},
    {"log-rotate", 0, FLAG, AT(log_rotate)},
    {"log-max-files", 0, NUMBER, AT(log_max_files)},
    {"log-allowlist-dir", 0, LIST, AT(log_allowlist)},
    {"log-full", 0, TEXT, AT(log_full)},
    {"no-container-partial-message", 0, FLAG, AT(no_partial_message)},
    {"syslog", 0, FLAG, AT(syslog)},
    {"terminal", 't', FLAG, AT(terminal)},
    {"stdin", 'i', FLAG, AT(is_stdin)},
    {"leave-stdin-open", 0, FLAG, AT(leave_stdin_open)},
    {"timeout", 'T', NUMBER, AT(timeout_s)},
    {"exit-dir", 0, TEXT, AT(exit_dir)},
    {"persist-dir", '0', TEXT, AT(persist_dir)},
    {"socket-dir-path", 0, TEXT, AT(socket_dir)},
    {"full-attach", 0, FLAG, AT(full_attach)},
    {"exit-command", 0, TEXT, AT(exit_command)},
    {"exit-command-arg", 0, LIST, AT(exit_args)},
    {"exit-delay", 0, NUMBER, AT(exit_delay_s)},
    {"systemd-cgroup", 's', FLAG, AT(systemd_cgroup)},
    {"no-pivot", 0, FLAG, AT(no_pivot)},
    {"no-new-keyring", 0, FLAG, AT(no_new_keyring)},
    {"no-sync-log", 0, FLAG, AT(no_sync_log)},
    {"sync", 0, FLAG, AT(sync)},
    {"replace-listen-pid", 0, FLAG, AT(replace_listen_pid)},
    {"exec", 'e', FLAG, AT(exec)},
    {"exec-attach", 0, FLAG, AT(exec_attach)},
    {"exec-process-spec", 0, TEXT, AT(exec_spec)},
    {"restore", 0, TEXT, AT(restore_path)},
    {"restore-arg", 0, LIST, AT(runtime_opts)}, // an older name of --runtime-opt
    {"seccomp-notify-socket", 0, TEXT, AT(seccomp_socket)},
    {"seccomp-notify-plugins", 0, TEXT, AT(seccomp_plugins)},
    {"sdnotify-socket", 0, TEXT, AT(sdnotify_socket)},
};

static const char help[] =
    "joblet-shim stays with one container: it holds its output, its input and its exit code.\n"
    "Its command line is conmon's; see joblet-shim(8).\n\n"
    "  joblet-shim -c ID -u UUID -r RUNTIME -b BUNDLE -p PIDFILE -l k8s-file:PATH [option ...]\n"
    "  joblet-shim --exec --exec-process-spec FILE -c ID ... \n"
    "  joblet-shim --version\n";

static const struct row *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

static const struct row *find_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (letter && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static int store_number(const struct row *r, int64_t *field, bool again, const char *value, struct err *e)
{
	int64_t n;
	// Sizes go from -1, which podman passes for no limit.
	int rc = str_to_i64(value, r->kind == SIZE ? -1 : 0, r->kind == SIZE ? INT64_MAX : INT32_MAX, &n);
	if (rc)
		return err_set(e, -EINVAL, "--%s: '%.64s' is %s", r->name, value,
			       rc == -ERANGE ? "out of range" : "not a number");
	if (again && *field != n)
		return err_set(e, -EINVAL, "--%s is given twice", r->name);
	*field = n;
	return 0;
}

// seen has one bit a row: an option that takes one value may be repeated only with the same.
static int store(struct options *o, uint64_t *seen, const struct row *r, const char *value, struct err *e)
{
	void *field = (char *)o + r->offset;
	uint64_t bit = (uint64_t)1 << (r - rows);
	bool again = *seen & bit;
	*seen |= bit;
	switch (r->kind) {
	case FLAG: *(bool *)field = true; return 0;
	case NUMBER:
	case SIZE: return store_number(r, field, again, value, e);
	case LIST: {
		struct option_list *l = field;
		if (l->count == OPTIONS_LIST_MAX)
			return err_set(e, -EINVAL, "--%s is given more than %d times", r->name,
				       OPTIONS_LIST_MAX);
		l->v[l->count++] = value;
		return 0;
	}
	case TEXT: {
		const char **text = field;
		// analyzed: a row of text has a value
		if ((again || *text) && strcmp(*text, value) != 0)
			return err_set(e, -EINVAL, "--%s is given twice", r->name);
		*text = value;
		return 0;
	}
	}
	return -EINVAL;
}

static int parse_long(struct options *o, uint64_t *seen, int argc, char *const *argv, int *i, struct err *e)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const struct row *r = find_long(name, len);
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	if (!r)
		return err_set(e, -EINVAL, "unknown option --%.64s", name);
	if (r->kind == FLAG && value)
		return err_set(e, -EINVAL, "--%s takes no value", r->name);
	if (r->kind != FLAG && !value) {
		if (*i + 1 >= argc)
			return err_set(e, -EINVAL, "--%s needs a value", r->name);
		value = argv[++*i];
	}
	return store(o, seen, r, value, e);
}

// -t, -it, -c ID and -cID.
static int parse_short(struct options *o, uint64_t *seen, int argc, char *const *argv, int *i, struct err *e)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct row *r = find_letter(*p);
		if (!r)
			return err_set(e, -EINVAL, "unknown option -%c", *p >= ' ' && *p < 127 ? *p : '?');
		const char *value = NULL;
		if (r->kind != FLAG) {
			if (p[1])
				value = p + 1;
			else if (*i + 1 < argc)
				value = argv[++*i];
			else
				return err_set(e, -EINVAL, "-%c (--%s) needs a value", r->letter, r->name);
		}
		int rc = store(o, seen, r, value, e);
		if (rc || value)
			return rc;
	}
	return 0;
}

static int check_id(const struct options *o, struct err *e)
{
	if (!o->cid || !*o->cid || strchr(o->cid, '/') || !strcmp(o->cid, ".") || !strcmp(o->cid, "..") ||
	    strlen(o->cid) > 200)
		return err_set(e, -EINVAL,
			       "--cid: the container's id is missing or not usable as a file name");
	bool needs_uuid = !o->exec || o->api_version >= 1; // the first exec protocol has none
	if ((needs_uuid && !o->cuuid) || (o->cuuid && (!*o->cuuid || strchr(o->cuuid, '/') ||
						       !strcmp(o->cuuid, ".") || !strcmp(o->cuuid, ".."))))
		return err_set(e, -EINVAL,
			       "--cuuid: the container's UUID is missing or not usable as a file name");
	if (!o->runtime || !*o->runtime)
		return err_set(e, -EINVAL, "--runtime is missing");
	if (o->runtime[0] != '/')
		return err_set(e, -EINVAL, "--runtime: '%.200s' is not an absolute path", o->runtime);
	return 0;
}

static int check_mode(const struct options *o, struct err *e)
{
	if (o->api_version > 1)
		return err_set(e, -EINVAL, "--api-version: 0 and 1 are known");
	if (o->exec && o->restore_path)
		return err_set(e, -EINVAL, "--exec and --restore do not go together");
	if (o->exec && !o->exec_spec)
		return err_set(e, -EINVAL, "--exec needs --exec-process-spec");
	if (!o->exec && (o->exec_spec || o->exec_attach))
		return err_set(e, -EINVAL, "--exec-process-spec and --exec-attach are for --exec");
	if (o->exec_attach && o->api_version < 1)
		return err_set(e, -EINVAL, "--exec-attach needs --api-version 1");
	if (o->exec_attach && !o->bundle)
		return err_set(e, -EINVAL, "--exec-attach needs --bundle, for its socket");
	if (o->leave_stdin_open && !o->is_stdin && !o->terminal)
		return err_set(e, -EINVAL, "--leave-stdin-open needs --stdin");
	if (o->exit_args.count && !o->exit_command)
		return err_set(e, -EINVAL, "--exit-command-arg needs --exit-command");
	if (o->seccomp_plugins && !o->seccomp_socket)
		return err_set(e, -EINVAL, "--seccomp-notify-plugins needs --seccomp-notify-socket");
	if (o->seccomp_plugins && o->seccomp_plugins[0] != '/' && o->seccomp_plugins[0] != '@')
		return err_set(e, -EINVAL,
			       "--seccomp-notify-plugins: '%.200s' is not the path of a socket: shared "
			       "objects are not loaded",
			       o->seccomp_plugins);
	return 0;
}

static int check_logs(const struct options *o, struct err *e)
{
	bool has_journal = false;
	if (!o->logs.count)
		return err_set(e, -EINVAL, "--log-path is missing");
	if (o->logs.count > OPTIONS_LOGS_MAX)
		return err_set(e, -EINVAL, "--log-path is given more than %d times", OPTIONS_LOGS_MAX);
	for (unsigned i = 0; i < o->logs.count; i++) {
		enum log_driver driver;
		const char *path;
		int rc = options_log(o->logs.v[i], &driver, &path, e);
		if (rc)
			return rc;
		if (driver == LOG_DRIVER_PASSTHROUGH && (o->logs.count > 1 || o->terminal))
			return err_set(e, -EINVAL,
				       "--log-path passthrough goes with no other log and no --terminal");
		if (driver == LOG_DRIVER_JOURNAL && has_journal)
			return err_set(e, -EINVAL, "--log-path journald is given twice");
		has_journal = has_journal || driver == LOG_DRIVER_JOURNAL;
	}
	if ((o->log_tag || o->log_labels.count) && !has_journal)
		return err_set(e, -EINVAL, "--log-tag and --log-label are for --log-path journald");
	for (unsigned i = 0; i < o->log_labels.count; i++)
		if (!options_is_label(o->log_labels.v[i]))
			return err_set(e, -EINVAL,
				       "--log-label: '%.64s' is not NAME=VALUE with a name of A-Z, 0-9 and _",
				       o->log_labels.v[i]);
	if (o->log_max_files >= 0 && !o->log_rotate)
		return err_set(e, -EINVAL, "--log-max-files needs --log-rotate");
	if (o->log_max_files > 1000)
		return err_set(e, -EINVAL, "--log-max-files: '%lld' is out of range",
			       (long long)o->log_max_files);
	if (o->log_full && strcmp(o->log_full, "drop") != 0 && strcmp(o->log_full, "hold") != 0)
		return err_set(e, -EINVAL, "--log-full: '%.64s' is neither drop nor hold", o->log_full);
	return 0;
}

static int check(const struct options *o, struct err *e)
{
	if (o->help || o->version)
		return 0;
	int rc = check_id(o, e);
	rc = rc ? rc : check_mode(o, e);
	return rc ? rc : check_logs(o, e);
}

int options_parse(struct options *o, int argc, char *const *argv, struct err *e)
{
	_Static_assert(ARRAY_LEN(rows) <= 64, "one bit a row");
	uint64_t seen = 0;
	o->log_size_max = o->log_global_size_max = o->log_max_files = -1;
	for (int i = 1; i < argc; i++) {
		int rc;
		if (!strncmp(argv[i], "--", 2) && argv[i][2])
			rc = parse_long(o, &seen, argc, argv, &i, e);
		else if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
			rc = parse_short(o, &seen, argc, argv, &i, e);
		else
			rc = err_set(e, -EINVAL, "unexpected argument '%.64s'", argv[i]);
		if (rc)
			return rc;
	}
	return check(o, e);
}

bool options_is_label(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	return n > 0 && n <= 64 && text[0] != '_' && (text[0] < '0' || text[0] > '9') && text[n] == '=' &&
	       !strchr(text, '\n');
}

int options_log(const char *text, enum log_driver *driver, const char **path, struct err *e)
{
	static const struct {
		const char *name;
		enum log_driver driver;
	} names[] = {
	    {"k8s-file", LOG_DRIVER_FILE},    {"json-file", LOG_DRIVER_FILE},
	    {"none", LOG_DRIVER_NONE},	      {"null", LOG_DRIVER_NONE},
	    {"off", LOG_DRIVER_NONE},	      {"passthrough", LOG_DRIVER_PASSTHROUGH},
	    {"journald", LOG_DRIVER_JOURNAL},
	};
	size_t len = strcspn(text, ":");
	*path = text[len] ? text + len + 1 : "";
	*driver = LOG_DRIVER_FILE;
	bool is_named = false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i].name) == len && !memcmp(names[i].name, text, len)) {
			*driver = names[i].driver;
			is_named = true;
		}
	if (!is_named && text[len] && len > 0 && !memchr(text, '/', len))
		return err_set(e, -EINVAL, "--log-path: there is no log driver '%.*s'",
			       (int)(len < 64 ? len : 64), text);
	if (!is_named && len > 0)
		*path = text;
	if (*driver == LOG_DRIVER_FILE && !**path)
		return err_set(e, -EINVAL, "--log-path: '%.64s' names no file", text);
	return 0;
}

int options_print(const struct options *o)
{
	if (o->help)
		return fputs(help, stdout) < 0;
	return printf("conmon version 2.1.6 (joblet-shim %s)\ncommit: %s\n", JOBLET_VERSION, JOBLET_COMMIT) <
	       0;
}
