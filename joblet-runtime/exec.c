// SPDX-License-Identifier: Apache-2.0
// exec, its three processes: this program; the helper, which is outside of the container's pid namespace and
// has the rights of this program at first; and the program's process, which the helper makes as a child of
// this program. specs/runtime.md has the order.
#include "joblet-runtime/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "joblet-runtime/become.h"
#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/console.h"
#include "joblet-runtime/container.h"
#include "joblet-runtime/enter.h"
#include "joblet-runtime/foreground.h"
#include "joblet-runtime/label.h"
#include "joblet-runtime/namespace.h"
#include "joblet-runtime/process.h"
#include "joblet-runtime/sched.h"
#include "joblet-runtime/seal.h"
#include "joblet-runtime/seccomp_notify.h"
#include "joblet-runtime/sync.h"
#include "joblet-runtime/terminal.h"
#include "joblet-runtime/verify.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define PROC_TEXT_MAX 65536
#define FROZEN_MS     200 // how often it is asked, while somebody is waited for, whether that one is frozen

struct exec {
	const struct exec_options *o;
	struct state st;
	struct spec *spec, *file;
	struct seccomp_program filter;
	struct cgroup *cgroup;
	struct enter enter;
	int init;		  // pidfd of the container's first process
	int proc;		  // the host's /proc
	int console;		  // socket that gets the terminal, -1
	struct terminal terminal; // in the foreground, without such a socket
	struct seccomp_notify notify;
	int sync[2]; // ours, the other side's
	pid_t pid;   // of the program
	int pidfd;
};

static bool is_paused(const struct exec *x)
{
	return !x->o->ignore_paused && x->cgroup && cgroup_is_frozen(x->cgroup);
}

static int refuse_paused(struct err *e)
{
	return err_set(e, -EINVAL, "cannot exec in a paused container (use --ignore-paused to override)");
}

static int open_container(struct exec *x, struct err *e)
{
	const struct exec_options *o = x->o;
	int rc = state_open(o->root, o->id, &x->st, e);
	if (rc)
		return rc;
	enum state_status status = state_status_of_init(&x->st);
	if (status == STATE_STOPPED || status == STATE_CREATING)
		return err_set(e, -EINVAL, "cannot exec in a %s container", state_status_name(status));
	x->init = state_pidfd(&x->st);
	if (x->init < 0)
		return err_set(e, x->init, "container not running");
	if (x->st.cgroup && (rc = cgroup_open(x->st.cgroup, &x->cgroup, e)))
		return rc;
	if (is_paused(x))
		return refuse_paused(e);
	return state_read_config(&x->st, &x->spec, e);
}

static int read_process(struct exec *x, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	const char *path = x->o->process_file;
	if (path) {
		cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		int rc = fd < 0 ? -errno : file_read_fd(fd, SPEC_SIZE_MAX, &text, &len);
		if (rc)
			return err_sys(e, rc, "cannot read the process file %s", path);
		if ((rc = spec_parse_process(text, len, &x->file, e)))
			return err_wrap(e, rc, "the process file %s", path);
	}
	return exec_process(x->spec, x->file, x->o, e);
}

static int read_proc(int dir, const char *name, char **text, struct err *e)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, PROC_TEXT_MAX, text, NULL);
	return rc ? err_sys(e, rc, "cannot read /proc/%s", name) : 0;
}

// `[CONTROLLERS:]PATH`
static int select_cgroups(struct exec *x, struct err *e)
{
	for (char **c = x->o->cgroups; c && *c; c++) {
		const char *colon = strrchr(*c, ':');
		cleanup_free char *controllers = colon ? xstrndup(*c, (size_t)(colon - *c)) : NULL;
		int rc = cgroup_select(x->cgroup, controllers, colon ? colon + 1 : *c, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int open_cgroups(struct exec *x, struct err *e)
{
	int rc;
	if (!x->cgroup) // it stays in the caller's
		return x->o->cgroups ? err_set(e, -EINVAL, "--cgroup: the container has no cgroup of its own")
				     : 0;
	if ((rc = select_cgroups(x, e)))
		return rc;
	return enter_open(x->cgroup, &x->enter, e);
}

static int prepare(struct exec *x, struct err *e)
{
	int rc = read_process(x, e);
	if (rc)
		return rc;
	if (x->spec->has_seccomp && (rc = container_filter(x->o->root, x->spec, &x->filter, e)))
		return rc;
	x->notify.sock = seccomp_notify_connect(&x->spec->seccomp, &x->filter, e);
	if (x->notify.sock < -1)
		return x->notify.sock;
	if ((rc = open_cgroups(x, e)))
		return rc;
	x->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (x->proc < 0)
		return err_sys(e, -errno, "cannot open /proc");
	if (x->o->console_socket && (x->console = console_connect(x->o->console_socket, e)) < 0)
		return x->console;
	if (x->spec->process.terminal && !x->o->console_socket) {
		if ((rc = terminal_open(&x->terminal, e)))
			return rc;
		x->console = take_fd(x->terminal.theirs);
	}
	if (!x->spec->process.terminal && (rc = container_give_stdio(x->spec, x->st.pid, e)))
		return rc;
	return (rc = sync_pair(x->sync)) ? err_sys(e, rc, "cannot make a socket pair") : 0;
}

// The agent of the filter wants the number that the host knows this process by.
static int prepare_notify(struct exec *x, struct become *b, struct err *e)
{
	enum sync_type type;
	int32_t pid;
	if (x->notify.sock < 0)
		return 0;
	int rc = sync_receive(b->sync, &type, &pid, e);
	b->notify = &x->notify;
	return rc ? rc : seccomp_notify_text(&x->spec->seccomp, &x->st, pid, &x->notify.text, e);
}

// The program's process. It has the container's rights, and of this program's descriptors only those that it
// needs.
attr_noreturn static void program_main(struct exec *x, struct become *b)
{
	struct err e = {0};
	int sync = x->sync[1];
	int rc = enter_all(&x->enter, &e);
	if (!rc && setsid() < 0)
		rc = err_sys(&e, -errno, "cannot make a session");
	if (!rc && x->spec->process.terminal)
		rc = console_control(&e);
	if (!rc)
		rc = prepare_notify(x, b, &e);
	if (!rc)
		rc = become_program(b, &e);
	sync_send_error(sync, rc, &e);
	_exit(1);
}

static pid_t clone_process(uint64_t flags, uint64_t signal, int cgroup, int *pidfd)
{
	struct clone_args args = {.flags = flags, .exit_signal = signal, .pidfd = (uint64_t)(uintptr_t)pidfd};
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : (pid_t)pid;
}

// The ids of the host's root have no meaning in the new user namespace.
static int become_root(const struct spec *s, struct err *e)
{
	if (!spec_namespace(s, CLONE_NEWUSER))
		return 0;
	if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0 || setgroups(0, NULL) != 0)
		return err_sys(e, -errno, "cannot become root of the user namespace");
	return 0;
}

// What needs the rights of the host, and its /proc.
static int use_rights(const struct exec *x, struct err *e)
{
	const struct spec_process *pr = &x->spec->process;
	cleanup_close int self = openat(x->proc, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (self < 0)
		return err_sys(e, -errno, "cannot open /proc/self");
	int rc;
	if ((rc = process_set_oom_score(pr, self, e)) || (rc = process_raise_rlimits(pr, 0, e)))
		return rc;
	return sched_set_affinity(pr->affinity_initial, 0, e);
}

static int open_terminal(struct exec *x, struct err *e)
{
	if (!x->spec->process.terminal)
		return 0;
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, -errno, "cannot open the root of the container");
	return console_setup(x->spec, root, x->console, false, e);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

// No directory of the host stays open: the program's process will not have one at any moment.
static int close_others(const struct exec *x, const struct become *b, struct err *e)
{
	int keep[ENTER_MAX + 3];
	size_t n = 0;
	for (; n < x->enter.n; n++)
		keep[n] = x->enter.fds[n];
	keep[n++] = x->sync[1];
	keep[n++] = b->statusfd;
	keep[n++] = x->notify.sock;
	qsort(keep, n, sizeof(keep[0]), compare_ints);
	int rc = proc_close_from(3 + x->o->preserve_fds, keep, n);
	return rc ? err_sys(e, rc, "cannot close the inherited descriptors") : 0;
}

static int give_away(struct exec *x, struct become *b, struct err *e)
{
	int rc;
	if ((rc = use_rights(x, e)) || (rc = namespace_enter(x->init, x->spec, x->proc, x->st.pid, e)) ||
	    (rc = become_root(x->spec, e)) || (rc = process_new_keyring(e)) ||
	    (rc = label_apply(&x->spec->process, x->proc, e)))
		return rc;
	// Its ids are told as the user namespace of who opens it knows them.
	b->statusfd = openat(x->proc, "self/status", O_RDONLY | O_CLOEXEC);
	if (b->statusfd < 0)
		return err_sys(e, -errno, "cannot open the process status");
	if ((rc = open_terminal(x, e)) || (rc = close_others(x, b, e)))
		return rc;
	return become_user(b, e);
}

// The helper.
attr_noreturn static void helper_main(struct exec *x)
{
	struct err e = {0};
	struct become b = {
	    .spec = x->spec,
	    .filter = x->spec->has_seccomp ? &x->filter : NULL,
	    .statusfd = -1,
	    .sync = x->sync[1],
	    .preserve_fds = x->o->preserve_fds,
	};
	int rc = give_away(x, &b, &e);
	if (!rc) {
		pid_t pid = clone_process(CLONE_PARENT, 0, -1, NULL);
		if (pid == 0)
			program_main(x, &b);
		rc = pid < 0 ? err_sys(&e, pid, "cannot make the process")
			     : sync_send_value(b.sync, SYNC_CHILD, pid);
	}
	if (rc)
		sync_send_error(b.sync, rc, &e);
	_exit(rc != 0);
}

// Less than the container has is an error, and the program does not run.
static int verify(struct exec *x, struct err *e)
{
	char name[32];
	cleanup_free char *status = NULL, *cgroups = NULL;
	struct verify_status st = {0};
	struct spec s = *x->spec; // with the ids as this program knows them
	cleanup_free uint32_t *groups = xcalloc(s.process.group_count + 1, sizeof(*groups));
	int rc = namespace_outside(x->proc, x->st.pid, &s.process, groups, e);
	if (rc)
		return rc;
	snprintf(name, sizeof(name), "%d/status", x->pid);
	if ((rc = read_proc(x->proc, name, &status, e)))
		return rc;
	snprintf(name, sizeof(name), "%d/cgroup", x->pid);
	if ((rc = read_proc(x->proc, name, &cgroups, e)) || (rc = verify_parse(status, &st, e)))
		return rc;
	if ((rc = verify_status(&s, &st, true, e)) ||
	    (x->cgroup && (rc = cgroup_verify(x->cgroup, cgroups, e))) ||
	    (rc = namespace_compare(x->spec, x->proc, x->st.pid, x->pid, e)))
		rc = err_wrap(e, rc, "refused to run with less isolation than asked");
	verify_free(&st);
	return rc;
}

// A container that is paused at this moment answers when it is resumed, which may be never.
static int wait_message(const struct exec *x, struct err *e)
{
	while (container_wait(x->sync[0], FROZEN_MS) != 0)
		if (is_paused(x))
			return refuse_paused(e);
	return 0;
}

// The helper tells the process id, the process that it is ready; either may be first.
static int wait_ready(struct exec *x, struct err *e)
{
	bool ready = false;
	while (!ready || !x->pid) {
		enum sync_type type;
		int32_t value;
		int rc = wait_message(x, e);
		if (rc || (rc = sync_receive(x->sync[0], &type, &value, e)))
			return rc;
		if (type == SYNC_CHILD)
			x->pid = value;
		else
			ready = ready || type == SYNC_READY;
		if (type == SYNC_CHILD && x->notify.sock >= 0 &&
		    (rc = sync_send_value(x->sync[0], SYNC_GO, x->pid)))
			return err_sys(e, rc, "cannot talk to the process");
	}
	x->pidfd = proc_pidfd_open(x->pid); // our child, which only we wait for
	return x->pidfd < 0 ? err_sys(e, x->pidfd, "cannot open the process") : 0;
}

static int start(struct exec *x, struct err *e)
{
	int rc;
	const struct spec_process *pr = &x->spec->process;
	if ((rc = wait_ready(x, e)) || (rc = sched_apply(pr, x->pid, e)) ||
	    (rc = sched_set_affinity(pr->affinity_final, x->pid, e)) || (rc = verify(x, e)))
		return rc;
	if (container_wait(x->init, 0) == 0)
		return err_set(e, -ESRCH, "container not running");
	if ((rc = container_write_pid(x->o->pid_file, x->pid, e)) ||
	    (rc = console_send_pidfd(x->o->pidfd_socket, x->pidfd, e)))
		return rc;
	log_debug("container %s: process %d is ready, and has what was asked for", x->o->id, x->pid);
	if ((rc = sync_send(x->sync[0], SYNC_START)) && rc != -EPIPE)
		return err_sys(e, rc, "cannot talk to the process");
	rc = wait_message(x, e);
	return rc ? rc : sync_expect_end(x->sync[0], e);
}

// One that is killed while it is frozen under v1 dies when it is thawed, and is not waited for.
static void end_child(const struct exec *x, int pidfd, bool kill)
{
	siginfo_t info;
	if (kill && proc_pidfd_kill(pidfd, SIGKILL) == 0 && is_paused(x))
		return;
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 && errno == EINTR)
		;
}

static int follow_init(struct exec *x, struct err *e)
{
	char name[32];
	cleanup_free char *text = NULL;
	snprintf(name, sizeof(name), "%d/cgroup", x->st.pid);
	int rc = read_proc(x->proc, name, &text, e);
	return rc ? rc : cgroup_follow(x->cgroup, text, e);
}

static int launch(struct exec *x, struct err *e)
{
	cleanup_close int helper = -1;
	int cgroup = x->cgroup ? cgroup_v2_fd(x->cgroup) : -1;
	pid_t pid = clone_process(CLONE_PIDFD, SIGCHLD, cgroup, &helper);
	if (pid == -EBUSY && x->cgroup && !follow_init(x, e))
		pid = clone_process(CLONE_PIDFD, SIGCHLD, cgroup_v2_fd(x->cgroup), &helper);
	if (pid == 0) {
		close(x->sync[0]);
		helper_main(x);
	}
	if (pid < 0)
		return err_sys(e, pid, "cannot make a process in the container's cgroup");
	cleanup_close_p(&x->sync[1]);
	x->sync[1] = -1;
	cleanup_close_p(&x->console);
	x->console = -1;
	int rc = start(x, e);
	end_child(x, helper, rc != 0);
	if (rc && x->pidfd >= 0)
		end_child(x, x->pidfd, true);
	return rc;
}

static void close_exec(struct exec *x)
{
	state_close(&x->st);
	spec_free(x->spec);
	spec_free(x->file);
	seccomp_program_free(&x->filter);
	cgroup_free(x->cgroup);
	enter_close(&x->enter);
	int *fds[] = {&x->init, &x->proc, &x->console, &x->notify.sock, &x->sync[0], &x->sync[1], &x->pidfd};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		cleanup_close_p(fds[i]);
	buf_free(&x->notify.text);
}

int exec_run(const struct exec_options *o, struct err *e)
{
	struct exec x = {.o = o,
			 .st.dirfd = -1,
			 .init = -1,
			 .proc = -1,
			 .console = -1,
			 .sync = {-1, -1},
			 .pidfd = -1,
			 .terminal = {.ours = -1, .theirs = -1, .master = -1}};
	int rc = open_container(&x, e);
	if (!rc) // before anything is blocked, read or made, because it may begin again
		rc = seal_self_for(x.spec, o->argv, e);
	cleanup_close int signals = !rc && !o->detached ? foreground_signals(e) : -1;
	if (!rc && !o->detached && signals < 0)
		rc = signals;
	if (!rc)
		rc = prepare(&x, e);
	if (!rc)
		rc = launch(&x, e);
	bool relayed = x.terminal.ours >= 0;
	if (!rc && relayed)
		rc = terminal_take(&x.terminal, e);
	cleanup_close int pidfd = take_fd(x.pidfd);
	close_exec(&x);
	if (!rc && !o->detached)
		rc = relayed ? terminal_wait(&x.terminal, pidfd, signals, e)
			     : foreground_wait(pidfd, signals, e);
	terminal_close(&x.terminal);
	return rc;
}
