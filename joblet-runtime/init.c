// SPDX-License-Identifier: Apache-2.0
// Init: what the new process does to itself. It has every capability of the container's user namespace at
// first and gives away one right after the other; nothing here undoes anything, since the end of this process
// undoes it all.
#include "joblet-runtime/init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "joblet-runtime/become.h"
#include "joblet-runtime/console.h"
#include "joblet-runtime/device.h"
#include "joblet-runtime/hook.h"
#include "joblet-runtime/label.h"
#include "joblet-runtime/lookup.h"
#include "joblet-runtime/process.h"
#include "joblet-runtime/seccomp_notify.h"
#include "joblet-runtime/sync.h"
#include "joblet-runtime/sysctl.h"
#include "lib/base/file.h"
#include "lib/base/proc.h"
#include "lib/base/str.h"

struct progress {
	const struct init *in;
	int procfd; // a procfs of the container's own
	struct become become;
	struct seccomp_notify notify;
};

// clone3(2) left the ids of the host's root, which no map knows.
static int become_root(const struct init *in, struct err *e)
{
	const struct spec *s = in->spec;
	if (!spec_namespace(s, CLONE_NEWUSER))
		return 0;
	if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot become root of the user namespace");
	// An ordinary user's namespace may deny it for good; process_set_user judges that.
	if (setgroups(0, NULL) != 0 && (in->rights == RIGHTS_ROOT || errno != EPERM))
		return err_sys(e, -errno, "cannot give up the supplementary groups");
	return 0;
}

// An ordinary user can clone a tree only here, in a user namespace of its own, and still reaches what the
// container's root may not. Dumpable it was for the sake of the id maps.
static int open_sources(const struct init *in, struct err *e)
{
	if (in->rights != RIGHTS_USER)
		return 0;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot hide this process");
	cleanup_close int bundle = open(in->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bundle < 0)
		return err_sys(e, -errno, "cannot open the bundle %s", in->bundle);
	return mount_open_sources(in->spec, bundle, in->cgroup, in->src, e);
}

static int set_names(const struct spec *s, struct err *e)
{
	if (s->hostname && sethostname(s->hostname, strlen(s->hostname)) != 0)
		return err_sys(e, -errno, "cannot set the hostname");
	if (s->domainname && setdomainname(s->domainname, strlen(s->domainname)) != 0)
		return err_sys(e, -errno, "cannot set the domainname");
	return 0;
}

// A directory that the image lacks is made, as engines expect; where it cannot be made, the change to it will
// say so.
static void make_cwd(const struct spec *s, int rootfd)
{
	int fd = lookup_make(rootfd, s->process.cwd, LOOKUP_DIR);
	if (fd >= 0)
		close(fd);
}

// Hooks that run in the container's namespaces, and so know init by the number that it has there.
static int run_hooks(const struct progress *p, const struct spec_hook_list *list, const char *name,
		     enum state_status status, struct err *e)
{
	cleanup_buf struct buf text = {0};
	struct state st = *p->in->st;
	if (list->n == 0)
		return 0;
	st.pid = getpid();
	int rc = state_print(&st, status, false, &text);
	return rc ? err_sys(e, rc, "cannot write the state for the hooks")
		  : hook_run(list, name, text.data, text.len, e);
}

static int build_root(struct progress *p, struct err *e)
{
	const struct init *in = p->in;
	const struct spec *s = in->spec;
	int rootfd = in->src->root.fd, rc;
	umask(0);
	if ((rc = mount_all(s, in->src, &p->procfd, e)) ||
	    (rc = device_make_all(s, rootfd, in->rights != RIGHTS_ROOT, e)))
		return rc;
	if (in->console >= 0 &&
	    ((rc = console_setup(s, rootfd, in->console, true, e)) || (rc = console_control(e))))
		return rc;
	make_cwd(s, rootfd);
	if ((s->prestart.n || s->create_runtime.n) &&
	    ((rc = sync_send(in->sync, SYNC_MOUNTED)) || (rc = sync_expect(in->sync, SYNC_HOOKED, e))))
		return rc;
	if ((rc = run_hooks(p, &s->create_container, "createContainer", STATE_CREATING, e)))
		return rc;
	if ((rc = sysctl_apply(s, p->procfd, e)) || (rc = mount_mask(s, rootfd, e)) ||
	    (rc = mount_readonly(s, rootfd, e)))
		return rc;
	if (s->root_readonly && (rc = mount_set_readonly(rootfd, false)))
		return err_sys(e, rc, "cannot make the root read-only");
	return mount_pivot(s, rootfd, e);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

// Nothing of the host stays open: not its trees, not the state directory, not the log.
static int close_all_but_needed(struct progress *p, struct err *e)
{
	int keep[] = {p->in->sync, p->in->listen, p->in->lock, p->notify.sock, p->become.statusfd};
	size_t n = ARRAY_LEN(keep), skip = 0;
	qsort(keep, n, sizeof(keep[0]), compare_ints);
	while (skip < n && keep[skip] < 0)
		skip++;
	int rc = proc_close_from(3 + p->in->preserve_fds, keep + skip, n - skip);
	p->procfd = -1;
	return rc ? err_sys(e, rc, "cannot close the inherited descriptors") : 0;
}

static int check_namespaces(struct progress *p, struct err *e)
{
	struct namespace_ids now;
	int rc = namespace_read(p->in->spec, p->procfd, &now, e);
	return rc ? rc : namespace_verify(p->in->spec, &p->in->before, &now, e);
}

static int open_status(struct progress *p, struct err *e)
{
	p->become.statusfd = lookup_beneath(p->procfd, "self/status", O_RDONLY);
	return p->become.statusfd < 0 ? err_sys(e, p->become.statusfd, "cannot open the process status") : 0;
}

// The number that the host knows this process by; its procfs can still be seen.
static int prepare_notify(struct progress *p, struct err *e)
{
	char text[32] = {0};
	int64_t pid;
	if (p->notify.sock < 0)
		return 0;
	if (readlink("/proc/self", text, sizeof(text) - 1) < 0 || str_to_i64(text, 1, INT32_MAX, &pid) != 0)
		return err_set(e, -ESRCH, "cannot read this process's number");
	p->become.notify = &p->notify;
	return seccomp_notify_text(&p->in->spec->seccomp, p->in->st, (pid_t)pid, &p->notify.text, e);
}

static int set_up(struct progress *p, struct err *e)
{
	const struct init *in = p->in;
	const struct spec *s = in->spec;
	int rc;
	if ((rc = sync_expect(in->sync, SYNC_GO, e)) || (rc = enter_all(in->enter, e)) ||
	    (rc = open_sources(in, e)) || (rc = become_root(in, e)))
		return rc;
	if (spec_has_new(s, CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) != 0)
		return err_sys(e, -errno, "cannot make a cgroup namespace");
	if (in->rights == RIGHTS_USER && !s->process.terminal && (rc = process_give_stdio(s, true, e)))
		return rc;
	if (setsid() < 0)
		return err_sys(e, -errno, "cannot make a session");
	if (in->new_keyring && (rc = process_new_keyring(e)))
		return rc;
	if (spec_has_new(s, CLONE_NEWNET) && (rc = namespace_loopback_up(e)))
		return rc;
	if ((rc = set_names(s, e)) || (rc = prepare_notify(p, e)) || (rc = build_root(p, e)) ||
	    (rc = check_namespaces(p, e)) || (rc = label_apply(&s->process, p->procfd, e)) ||
	    (rc = open_status(p, e)) || (rc = close_all_but_needed(p, e)))
		return rc;
	return become_user(&p->become, e);
}

// A `start` that dies before it says so does not start anything.
static int wait_for_start(const struct init *in, struct err *e)
{
	for (;;) {
		int conn = accept4(in->listen, NULL, NULL, SOCK_CLOEXEC);
		if (conn < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (conn < 0)
			return err_sys(e, -errno, "cannot wait for the start");
		if (sync_expect(conn, SYNC_START, e) == 0)
			return conn;
		close(conn);
	}
}

attr_noreturn void init_main(const struct init *in)
{
	struct progress p = {
	    .in = in,
	    .procfd = -1,
	    .notify.sock = in->notify,
	    .become = {.spec = in->spec,
		       .filter = in->filter,
		       .statusfd = -1,
		       .sync = -1,
		       .preserve_fds = in->preserve_fds},
	};
	struct err e = {0};
	int report = in->sync;
	int rc = set_up(&p, &e);
	if (!rc && (rc = sync_send(in->sync, SYNC_READY)) != 0)
		_exit(1);
	if (!rc && in->listen < 0)
		rc = sync_expect(in->sync, SYNC_START, &e);
	if (!rc && in->listen >= 0 && (rc = sync_expect(in->sync, SYNC_WAIT, &e)) == 0) {
		close(in->sync);
		report = rc = wait_for_start(in, &e);
		close(in->listen);
		if (rc > 0)
			rc = 0;
	}
	if (!rc)
		rc = run_hooks(&p, &in->spec->start_container, "startContainer", STATE_CREATED, &e);
	if (!rc)
		rc = become_program(&p.become, &e);
	if (report >= 0)
		sync_send_error(report, rc, &e);
	_exit(1);
}
