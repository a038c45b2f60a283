// SPDX-License-Identifier: Apache-2.0
// The parent's side of a container: judge the bundle, make state and cgroup, make init, hand it what only the
// host's root can do, and wait until it has set itself up. A failure undoes everything.
#include "joblet-runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "joblet-runtime/birth.h"
#include "joblet-runtime/console.h"
#include "joblet-runtime/device.h"
#include "joblet-runtime/hook.h"
#include "joblet-runtime/idmap.h"
#include "joblet-runtime/init.h"
#include "joblet-runtime/mount.h"
#include "joblet-runtime/namespace.h"
#include "joblet-runtime/process.h"
#include "joblet-runtime/seal.h"
#include "joblet-runtime/sched.h"
#include "joblet-runtime/seccomp_notify.h"
#include "joblet-runtime/sync.h"
#include "joblet-runtime/terminal.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

#define KILL_WAIT_MS 10000

// Descriptors that live only while the container is made.
struct making {
	int bundlefd, procdir, console, notify, listen, lock;
	struct mount_sources src;
	struct enter enter;
};

static int read_spec(struct container *c, struct making *m, struct err *e)
{
	const struct container_options *o = c->o;
	c->bundle = realpath(o->bundle, NULL);
	m->bundlefd = c->bundle ? open(c->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (m->bundlefd < 0)
		return err_sys(e, -errno, "cannot open the bundle %s", o->bundle);
	int rc = file_read(m->bundlefd, o->config, SPEC_SIZE_MAX, &c->config, &c->config_len, e);
	if (rc)
		return rc;
	rc = spec_parse(c->config, c->config_len, &c->spec, e);
	if (rc)
		return err_wrap(e, rc, "%s", o->config);
	return seal_self_for(c->spec, o->argv, e);
}

static int check_options(const struct container *c, struct err *e)
{
	const struct spec *s = c->spec;
	if (s->process.terminal && !c->o->console_socket && !c->o->terminal)
		return err_set(e, -EINVAL, "process.terminal needs --console-socket");
	if (!s->process.terminal && c->o->console_socket)
		return err_set(e, -EINVAL, "--console-socket needs process.terminal");
	return 0;
}

static void set_names(struct container *c)
{
	const struct spec *s = c->spec;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	str_time_rfc3339(now.tv_sec * 1000000000LL + now.tv_nsec, c->created);
	c->rootfs =
	    s->root_path[0] == '/' ? xstrdup(s->root_path) : xasprintf("%s/%s", c->bundle, s->root_path);
	c->st.id = c->o->id;
	c->st.bundle = c->bundle;
	c->st.rootfs = c->rootfs;
	c->st.created = c->created;
	c->st.oci_version = s->oci_version;
	c->st.annotations = json_get(s->root, "annotations");
}

// Compiling takes longer than all the rest, and the filters of a host are few: they are kept beside the
// containers. Without a place to keep them they are compiled each time.
int container_filter(const char *root, const struct spec *s, struct seccomp_program *out, struct err *e)
{
	struct err ignored = {0};
	cleanup_free char *dir = xasprintf("%s/" STATE_FILTERS, root);
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && file_mkdirs(root, 0700, &ignored) == 0 && mkdir(dir, 0700) == 0)
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return seccomp_compile_cached(fd, &s->seccomp, out, e);
}

// All that can be found wrong without making anything.
static int judge(struct container *c, struct making *m, struct err *e)
{
	int rc;
	if ((rc = state_check_id(c->o->id, e)) || (rc = read_spec(c, m, e)) || (rc = check_options(c, e)))
		return rc;
	set_names(c);
	if ((rc = rights_check(c->o->rights, c->spec, e)))
		return rc;
	c->place.manager = c->o->manager;
	c->place.rootless = c->o->rootless;
	if ((rc = placement_choose(&c->place, c->spec, c->o->id, e)))
		return rc;
	c->st.cgroup = c->place.path;
	c->st.unit = c->place.scope.unit;
	if (c->spec->has_seccomp && (rc = container_filter(c->o->root, c->spec, &c->filter, e)))
		return rc;
	if (c->spec->has_seccomp) {
		m->notify = seccomp_notify_connect(&c->spec->seccomp, &c->filter, e);
		if (m->notify < -1)
			return m->notify;
	}
	if (c->o->console_socket && (m->console = console_connect(c->o->console_socket, e)) < 0)
		return m->console;
	if (c->spec->process.terminal && !c->o->console_socket) {
		if ((rc = terminal_open(c->o->terminal, e)))
			return rc;
		m->console = take_fd(c->o->terminal->theirs);
	}
	return 0;
}

static int make_cgroup(struct container *c, struct err *e)
{
	device_add_rules(c->spec, &c->spec->resources);
	int rc = placement_make(&c->place, &c->spec->resources, c->o->id, e);
	c->st.cgroup = c->place.path;
	return rc;
}

static int make_init(struct container *c, struct making *m, struct err *e)
{
	int pair[2];
	struct init in = {
	    .spec = c->spec,
	    .src = &m->src,
	    .cgroup = c->place.cgroup,
	    .rights = c->o->rights,
	    .bundle = c->bundle,
	    .enter = &m->enter,
	    .filter = c->spec->has_seccomp ? &c->filter : NULL,
	    .listen = m->listen,
	    .lock = m->lock,
	    .console = m->console,
	    .notify = m->notify,
	    .st = &c->st,
	    .preserve_fds = c->o->preserve_fds,
	    .new_keyring = c->o->new_keyring,
	};
	cleanup_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, -errno, "cannot open /proc");
	int rc = namespace_read(c->spec, proc, &in.before, e);
	if (rc || (rc = namespace_expect(c->spec, &in.before, e)))
		return rc;
	if ((rc = sync_pair(pair)))
		return err_sys(e, rc, "cannot make a socket pair");
	c->sync = pair[0];
	in.sync = pair[1];
	pid_t pid = birth(c->spec, c->place.cgroup, c->o->rights, &c->pidfd, e);
	if (pid == 0) {
		close(pair[0]);
		init_main(&in);
	}
	close(pair[1]);
	if (pid < 0)
		return pid;
	c->st.pid = pid;
	return 0;
}

static int write_maps(struct container *c, struct making *m, struct err *e)
{
	if (!spec_has_new(c->spec, CLONE_NEWUSER))
		return namespace_check_maps(c->spec, m->procdir, e);
	return c->o->rights == RIGHTS_USER ? idmap_write(c->spec, c->st.pid, m->procdir, e)
					   : namespace_write_maps(c->spec, m->procdir, e);
}

static int open_sources(struct container *c, struct making *m, struct err *e)
{
	return c->o->rights == RIGHTS_USER
		   ? 0 // init does
		   : mount_open_sources(c->spec, m->bundlefd, c->place.cgroup, &m->src, e);
}

int container_give_stdio(const struct spec *s, pid_t pid, struct err *e)
{
	const struct spec_namespace *user = spec_namespace(s, CLONE_NEWUSER);
	if (!user || !user->path)
		return process_give_stdio(s, false, e);
	struct spec outside = *s;
	cleanup_free uint32_t *groups = xcalloc(s->process.group_count + 1, sizeof(*groups));
	cleanup_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, -errno, "cannot open /proc");
	int rc = namespace_outside(proc, pid, &outside.process, groups, e);
	return rc ? rc : process_give_stdio(&outside, true, e);
}

// What the container's root could not do for itself.
static int equip_init(struct container *c, struct making *m, struct err *e)
{
	const struct spec *s = c->spec;
	char path[32];
	int rc;
	snprintf(path, sizeof(path), "/proc/%d", c->st.pid);
	m->procdir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->procdir < 0)
		return err_sys(e, -errno, "cannot open %s", path);
	if ((rc = proc_start_time(c->st.pid, &c->st.start_time)))
		return err_sys(e, rc, "cannot read the start time of the container's first process");
	if ((rc = write_maps(c, m, e)) || (rc = process_set_oom_score(&s->process, m->procdir, e)) ||
	    (rc = process_raise_rlimits(&s->process, c->st.pid, e)) ||
	    (rc = sched_apply(&s->process, c->st.pid, e)))
		return rc;
	if (!s->process.terminal && c->o->rights != RIGHTS_USER &&
	    (rc = container_give_stdio(s, c->st.pid, e)))
		return rc;
	rc = sync_send(c->sync, SYNC_GO);
	return rc == -EPIPE || !rc
		   ? 0
		   : err_sys(e, rc,
			     "cannot talk to the container's first process"); // its own error comes next
}

int container_write_pid(const char *path, pid_t pid, struct err *e)
{
	char text[16];
	if (!path)
		return 0;
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir =
	    slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
	cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, -errno, "cannot open the directory of the pid file %s", path);
	int n = snprintf(text, sizeof(text), "%d", pid);
	int rc = file_replace(dirfd, slash ? slash + 1 : path, text, (size_t)n, 0644, FILE_NOSYNC, e);
	return rc ? err_wrap(e, rc, "the pid file %s", path) : 0;
}

static int open_waiting(struct container *c, struct making *m, struct err *e)
{
	m->lock = state_init_lock(c->st.dirfd, e);
	if (m->lock < 0)
		return m->lock;
	if (!c->o->detached)
		return 0;
	m->listen = state_listen(c->st.dirfd, e);
	return m->listen < 0 ? m->listen : 0;
}

static int run_create_hooks(struct container *c, struct err *e)
{
	cleanup_buf struct buf state = {0};
	const struct spec *s = c->spec;
	int rc;
	if (!s->prestart.n && !s->create_runtime.n)
		return 0;
	if ((rc = sync_expect(c->sync, SYNC_MOUNTED, e)))
		return rc;
	if ((rc = state_print(&c->st, STATE_CREATING, false, &state)))
		return err_sys(e, rc, "cannot write the state for the hooks");
	if ((rc = hook_run(&s->prestart, "prestart", state.data, state.len, e)) ||
	    (rc = hook_run(&s->create_runtime, "createRuntime", state.data, state.len, e)))
		return rc;
	return sync_send(c->sync, SYNC_HOOKED);
}

static int make(struct container *c, struct making *m, struct err *e)
{
	int rc;
	if ((rc = state_write(&c->st, c->spec, e)) ||
	    (rc = state_keep_config(&c->st, c->config, c->config_len, e)) || (rc = make_cgroup(c, e)) ||
	    (rc = open_sources(c, m, e)) ||
	    (c->place.cgroup && (rc = enter_open(c->place.cgroup, &m->enter, e))) ||
	    (rc = open_waiting(c, m, e)) || (rc = make_init(c, m, e)) ||
	    (rc = placement_settle(&c->place, &c->spec->resources, e)) || (rc = equip_init(c, m, e)) ||
	    (rc = run_create_hooks(c, e)) || (rc = sync_expect(c->sync, SYNC_READY, e)) ||
	    (rc = placement_verify(&c->place, m->procdir, e)) || (rc = state_write(&c->st, c->spec, e)) ||
	    (rc = container_write_pid(c->o->pid_file, c->st.pid, e)) ||
	    (rc = console_send_pidfd(c->o->pidfd_socket, c->pidfd, e)))
		return rc;
	if (c->o->detached && (rc = sync_send(c->sync, SYNC_WAIT)))
		return err_sys(e, rc, "the container's first process has ended");
	return 0;
}

// An init that the kernel killed could not say why; the one cause that callers can mend is a limit that is
// too small to begin with.
static int explain(const struct container *c, int rc, struct err *e)
{
	siginfo_t info = {0};
	if (c->pidfd < 0 || (rc == -EPIPE && container_wait(c->pidfd, 1000) != 0) ||
	    waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
	    info.si_code == CLD_EXITED)
		return rc;
	return err_set(e, rc, "the container's first process was ended by signal %d while it was set up%s",
		       info.si_status, info.si_status == SIGKILL ? ": is its memory limit too small?" : "");
}

static void tell_created(const struct container *c)
{
	log_debug("container %s: process %d, cgroup /%s, %s", c->o->id, c->st.pid,
		  c->place.path ? c->place.path + (c->place.path[0] == '/') : "(none)",
		  c->spec->has_seccomp ? "with a seccomp filter" : "without a seccomp filter");
}

int container_create(const struct container_options *o, struct container *c, struct err *e)
{
	struct making m = {.bundlefd = -1,
			   .procdir = -1,
			   .console = -1,
			   .notify = -1,
			   .listen = -1,
			   .lock = -1,
			   .src.root.fd = -1};
	*c = (struct container){.o = o, .st.dirfd = -1, .sync = -1, .pidfd = -1};
	int rc = judge(c, &m, e);
	if (!rc) {
		rc = c->st.dirfd = state_make_dir(o->root, o->id, e);
		rc = rc < 0 ? rc : make(c, &m, e);
	}
	mount_close_sources(&m.src);
	enter_close(&m.enter);
	cleanup_close_p(&m.bundlefd);
	cleanup_close_p(&m.procdir);
	cleanup_close_p(&m.console);
	cleanup_close_p(&m.notify);
	cleanup_close_p(&m.listen);
	cleanup_close_p(&m.lock);
	if (rc && c->st.dirfd >= 0) {
		rc = explain(c, rc, e);
		container_undo(c);
	}
	if (rc)
		container_close(c);
	else
		tell_created(c);
	return rc;
}

int container_start(struct container *c, struct err *e)
{
	int rc = sync_send(c->sync, SYNC_START);
	return rc && rc != -EPIPE ? err_sys(e, rc, "cannot talk to the container's first process")
				  : sync_expect_end(c->sync, e);
}

void container_run_poststart(struct container *c)
{
	cleanup_buf struct buf state = {0};
	struct err e = {0};
	if (!c->spec->poststart.n)
		return;
	state_unlock(&c->st); // a hook may call this program
	int rc = state_print(&c->st, STATE_RUNNING, false, &state);
	if (!rc)
		rc = hook_run(&c->spec->poststart, "poststart", state.data, state.len, &e);
	if (rc)
		log_warn("%s", e.msg);
}

int container_wait(int pidfd, int ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;
	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -ETIMEDOUT;
}

void container_undo(struct container *c)
{
	struct err ignored = {0};
	if (c->pidfd >= 0) {
		siginfo_t info;
		if (proc_pidfd_kill(c->pidfd, SIGKILL) != 0)
			ignored.msg[0] = 0; // it has ended by itself
		while (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED) != 0 && errno == EINTR)
			;
	}
	// What failed is tried once more. A container whose cgroup stays is kept: `delete` finds it by its
	// state.
	int rc = placement_undo(&c->place, &ignored) ? placement_undo(&c->place, &ignored) : 0;
	if (!rc && state_remove_dir(c->o->root, c->o->id, &ignored) != 0)
		rc = state_remove_dir(c->o->root, c->o->id, &ignored);
	if (rc)
		log_warn("%s: delete the container %s", ignored.msg, c->o->id);
}

void container_close(struct container *c)
{
	placement_free(&c->place);
	seccomp_program_free(&c->filter);
	spec_free(c->spec);
	cleanup_close_p(&c->sync);
	cleanup_close_p(&c->pidfd);
	cleanup_close_p(&c->st.dirfd);
	free(c->config);
	free(c->bundle);
	free(c->rootfs);
	*c = (struct container){.st.dirfd = -1, .sync = -1, .pidfd = -1};
}

static int end_process(struct state *st, struct err *e)
{
	cleanup_close int pidfd = state_pidfd(st);
	if (pidfd < 0)
		return 0;
	int rc = proc_pidfd_kill(pidfd, SIGKILL);
	if (rc && rc != -ESRCH)
		return err_sys(e, rc, "cannot kill the container's first process");
	rc = container_wait(pidfd, KILL_WAIT_MS);
	return rc ? err_set(e, rc, "the container's first process does not end") : 0;
}

int container_destroy(const char *root, struct state *st, bool kill, struct err *e)
{
	int rc;
	struct err stop = {0};
	cleanup_cgroup struct cgroup *cg = NULL;
	if (st->cgroup && (rc = cgroup_open(st->cgroup, &cg, e)))
		return rc;
	// First all at once, thawed if frozen; the first process alone could not die in a frozen cgroup.
	if (cg && kill && st->pid && (rc = cgroup_kill(cg, SIGKILL, e)))
		return rc;
	if (kill && (rc = end_process(st, e)))
		return rc;
	// What a container without a pid namespace left running, or an exec that came between. A half-made
	// one left nothing, and what is in its cgroup may be another's.
	if (cg && st->pid && (rc = cgroup_kill(cg, SIGKILL, e)))
		return rc;
	// systemd lets go of a scope that is empty by itself: asked, it has done so when this returns.
	if (st->unit && st->pid && systemd_stop(st->unit, &stop) != 0)
		log_warn("%s", stop.msg);
	rc = cg ? cgroup_remove(cg, e) : 0;
	if (rc && (rc != -EBUSY || st->pid))
		return rc;
	return state_remove_dir(root, st->id, e);
}
