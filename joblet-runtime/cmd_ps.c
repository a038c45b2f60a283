// SPDX-License-Identifier: Apache-2.0
// ps: the processes of a container, by the host's process ids; as a table it is what ps(1) says of them.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/members.h"
#include "joblet-runtime/state.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define PS_OUTPUT_MAX ((size_t)64 << 20)

static int print_json(const pid_t *pids, size_t count, struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct json_out o;
	json_out_begin(&o, &text, false);
	json_open_arr(&o);
	for (size_t i = 0; i < count; i++)
		json_put_i64(&o, pids[i]);
	json_close_arr(&o);
	int rc = json_out_end(&o);
	if (rc)
		return err_sys(e, rc, "cannot write the list");
	puts(text.data);
	return 0;
}

static int run_ps(const char *const *args, char **text, struct err *e)
{
	static const char *const paths[] = {"/usr/bin/ps", "/bin/ps"};
	const char *argv[64] = {access(paths[0], X_OK) == 0 ? paths[0] : paths[1], "-ef"};
	int ends[2], rc;
	for (size_t i = 0; args[i]; i++) {
		if (i + 2 == ARRAY_LEN(argv))
			return err_set(e, -E2BIG, "ps: too many arguments");
		argv[i + 1] = args[i];
	}
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_sys(e, -errno, "ps: cannot make a pipe");
	cleanup_close int out = ends[0], in = ends[1], pidfd = -1;
	const int fds[] = {-1, in, STDERR_FILENO};
	struct proc_spawn spawn = {.argv = argv,
				   .envp = (const char *const *)environ,
				   .fds = fds,
				   .fd_count = ARRAY_LEN(fds)};
	pid_t pid;
	siginfo_t info = {0};
	if ((rc = proc_spawn(&spawn, &pid, &pidfd, e)))
		return rc;
	cleanup_close_p(&in);
	in = -1;
	rc = file_read_fd(out, PS_OUTPUT_MAX, text, NULL);
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 || rc)
		return err_sys(e, rc ? rc : -errno, "ps: cannot read what it says");
	return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : err_set(e, -EIO, "ps failed");
}

// Which word of the heading is PID; -1 when there is none.
static int pid_column(const char *line)
{
	// analyzed: file_read_fd has set it
	for (int column = 0; *line && *line != '\n'; column++) {
		line += strspn(line, " ");
		size_t len = strcspn(line, " \n");
		if (len == 3 && strncmp(line, "PID", 3) == 0)
			return column;
		line += len;
	}
	return -1;
}

static bool is_member(const char *line, int column, const pid_t *pids, size_t count)
{
	for (; column > 0; column--) {
		line += strspn(line, " ");
		line += strcspn(line, " \n");
	}
	long pid = strtol(line, NULL, 10);
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static int print_table(const char *const *args, const pid_t *pids, size_t count, struct err *e)
{
	cleanup_free char *text = NULL;
	int rc = run_ps(args, &text, e);
	if (rc)
		return rc;
	int column = pid_column(text);
	if (column < 0)
		return err_set(e, -EINVAL, "ps: its output has no column PID");
	bool heading = true;
	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		if (heading || is_member(line, column, pids, count))
			printf("%.*s\n", (int)len, line);
		heading = false;
		line += len + (line[len] == '\n');
	}
	return 0;
}

// Behind the id stand ps's own options, and --format, which is ours wherever it stands.
static int take_format(const char **words, const char **format, struct err *e)
{
	size_t kept = 0;
	for (size_t i = 0; words[i]; i++) {
		if (str_starts(words[i], "--format=")) {
			*format = words[i] + strlen("--format=");
		} else if (str_eq(words[i], "--format")) {
			if (!words[i + 1])
				return err_set(e, -EINVAL, "ps: option --format needs a value");
			*format = words[++i];
		} else {
			words[kept++] = words[i];
		}
	}
	words[kept] = NULL;
	return 0;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *format = "table";
	int n_rest;
	cleanup_free const char **rest = xcalloc((size_t)n + 1, sizeof(*rest));
	const struct option_def options[] = {{"format", 'f', true, &format, "table or json", NULL}};
	int rc = args_parse(&cmd_ps, options, ARRAY_LEN(options), args, n, rest, n, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest < 1)
		return err_set(e, -EINVAL, "ps: a container id is needed");
	if ((rc = take_format(rest + 1, &format, e)))
		return rc;
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(e, -EINVAL, "ps: --format must be table or json");
	cleanup_state struct state st;
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;
	if ((rc = state_open(g->root, rest[0], &st, e)) || (rc = members_pids(&st, &pids, &count, e)))
		return rc;
	return str_eq(format, "json") ? print_json(pids, count, e) : print_table(rest + 1, pids, count, e);
}

const struct command cmd_ps = {
    .name = "ps",
    .usage = "[-f table|json] ID [OPTIONS OF PS]",
    .help = "lists the processes of a container",
    .program = true,
    .run = run,
};
