// SPDX-License-Identifier: Apache-2.0
// The cgroup of a container: chosen, made, read back, undone. What a user without rights on any cgroup gets
// is decided here, and as runc decides it: no cgroup where neither a path nor a limit was asked for, an error
// else. The list of devices is no limit in that sense: whoever has no rights on the host can make no device.
#include "joblet-runtime/placement.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "joblet-runtime/rights.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define CGROUP_TEXT_MAX 65536
#define OWN_PARENT	"joblet-runtime"

static int read_cgroups(int procdir, char **out, struct err *e)
{
	cleanup_close int fd = openat(procdir, "cgroup", O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_read_fd(fd, CGROUP_TEXT_MAX, out, NULL);
	return rc ? err_sys(e, rc, "cannot read the cgroup of the container's first process") : 0;
}

// Beside the caller's own cgroup, for that one has the caller in it, and a cgroup with processes cannot limit
// its children. Only under v2 alone is there one such place. NULL: none.
static char *beside_caller(const char *id)
{
	cleanup_free char *text = NULL;
	cleanup_close int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || read_cgroups(proc, &text, NULL) != 0 || !text)
		return NULL;
	if (!str_starts(text, "0::/") || str_starts(text, "0::/..") ||
	    strchr(text, '\n') != text + strlen(text) - 1)
		return NULL;
	text[strlen(text) - 1] = 0;
	char *own = text + strlen("0::");
	*strrchr(own, '/') = 0;
	return xasprintf("%s/" OWN_PARENT "-%s", own, id);
}

static bool may_do_without(const struct placement *p, int rc)
{
	return p->rootless && !p->named &&
	       (rc == -EACCES || rc == -EPERM || rc == -EROFS || rc == -ENODEV || rc == -ENOENT);
}

static void drop(struct placement *p)
{
	cgroup_free(p->cgroup);
	p->cgroup = NULL;
	free(p->path);
	p->path = NULL;
}

// One of another layout would have limits in hierarchies that systemd does not hand over as one.
static int check_layout(const char *unit, struct err *e)
{
	cleanup_cgroup struct cgroup *c = NULL;
	int rc = cgroup_open(unit, &c, e);
	if (rc || cgroup_layout(c) == CGROUP_V2)
		return rc;
	return err_set(
	    e, -ENOTSUP,
	    "the systemd cgroup driver needs cgroup v2 alone, and this machine has v1 controllers: "
	    "use --cgroup-manager cgroupfs");
}

static int choose_scope(struct placement *p, const struct spec *s, const char *id, struct err *e)
{
	enum rights rights;
	int rc = rights_read(&rights, e);
	if (rc || (rc = systemd_scope_parse(s->cgroups_path, id, rights != RIGHTS_ROOT, &p->scope, e)) ||
	    (rc = systemd_check(e)))
		return rc;
	return check_layout(p->scope.unit, e);
}

int placement_choose(struct placement *p, const struct spec *s, const char *id, struct err *e)
{
	if (p->manager == MANAGER_DISABLED)
		return 0;
	p->named = s->cgroups_path && *s->cgroups_path;
	if (p->manager == MANAGER_SYSTEMD)
		return choose_scope(p, s, id, e);
	if (p->named)
		p->path = xstrdup(s->cgroups_path);
	else if (p->rootless)
		p->path = beside_caller(id);
	if (!p->path)
		p->path = xasprintf("/" OWN_PARENT "/%s", id);
	if (strchr(p->path, ':'))
		return err_set(e, -EINVAL,
			       "linux.cgroupsPath %.256s is systemd's form, which needs --systemd-cgroup",
			       p->path);
	int rc = cgroup_open(p->path, &p->cgroup, e);
	if (rc && may_do_without(p, rc)) {
		drop(p);
		return 0;
	}
	return rc;
}

static int no_cgroup(struct placement *p, const struct spec_resources *r, struct err *e)
{
	const char *limit = cgroup_first_limit(r);
	drop(p);
	if (!limit)
		return 0;
	return p->manager == MANAGER_DISABLED
		   ? err_set(e, -EINVAL, "the container asks for a %s limit, but cgroups are disabled", limit)
		   : err_wrap(e, -EPERM,
			      "the container asks for a %s limit, but this user may not make a cgroup for it",
			      limit);
}

// Device rules are the host's root's; without its rights the container sees no device that the user could not
// use anyway.
static int apply(struct placement *p, const struct spec_resources *r, struct err *e)
{
	struct spec_resources limits = *r, devices;
	if (!p->rootless)
		return cgroup_apply(p->cgroup, r, e);
	limits.device_count = 0;
	int rc = cgroup_apply(p->cgroup, &limits, e);
	if (rc)
		return rc;
	spec_resources_init(&devices);
	devices.devices = r->devices;
	devices.device_count = r->device_count;
	rc = cgroup_apply(p->cgroup, &devices, e);
	return rc == -EPERM || rc == -EACCES ? 0 : rc;
}

// A scope is made around a process, and there is none yet. This one holds its place, and dies with the
// runtime: then systemd lets go of the scope by itself.
static int start_anchor(struct placement *p, struct err *e)
{
	pid_t parent = getpid();
	p->anchor = fork();
	if (p->anchor < 0) {
		p->anchor = 0;
		return err_sys(e, -errno, "cannot make a process");
	}
	if (p->anchor > 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

static void end_anchor(struct placement *p)
{
	if (p->anchor <= 0)
		return;
	kill(p->anchor, SIGKILL); // our child, and not waited for yet
	while (waitpid(p->anchor, NULL, 0) < 0 && errno == EINTR)
		;
	p->anchor = 0;
}

// While the anchor is in it, one process is too few.
static int apply_with_anchor(struct placement *p, const struct spec_resources *r, struct err *e)
{
	struct spec_resources limits = *r;
	if (limits.pids_limit == 1)
		limits.pids_limit = 2;
	return apply(p, &limits, e);
}

static int make_scope(struct placement *p, const struct spec_resources *r, const char *id, struct err *e)
{
	int rc = start_anchor(p, e);
	if (rc || (rc = systemd_start(&p->scope, id, p->anchor, e)))
		return rc;
	p->made = true;
	if ((rc = systemd_cgroup(p->scope.unit, &p->path, e)) || (rc = cgroup_open(p->path, &p->cgroup, e)) ||
	    (rc = cgroup_adopt(p->cgroup, e)))
		return rc;
	return apply_with_anchor(p, r, e);
}

// Last the limits once more, the devices' apart: systemd has put them into its own form, and that is coarser.
int placement_settle(struct placement *p, const struct spec_resources *r, struct err *e)
{
	struct spec_resources limits = *r;
	if (p->manager != MANAGER_SYSTEMD)
		return 0;
	end_anchor(p);
	limits.device_count = 0;
	int rc = cgroup_apply(p->cgroup, &limits, e);
	if (!rc)
		rc = systemd_keep_limits(p->scope.unit, p->cgroup, e);
	return rc ? rc : cgroup_apply(p->cgroup, &limits, e);
}

int placement_make(struct placement *p, const struct spec_resources *r, const char *id, struct err *e)
{
	if (p->manager == MANAGER_SYSTEMD)
		return make_scope(p, r, id, e);
	if (!p->cgroup)
		return no_cgroup(p, r, e);
	int rc = cgroup_create(p->cgroup, e);
	if (rc && may_do_without(p, rc))
		return no_cgroup(p, r, e);
	if (rc)
		return rc;
	p->made = true;
	return apply(p, r, e);
}

int placement_verify(const struct placement *p, int procdir, struct err *e)
{
	cleanup_free char *text = NULL;
	if (!p->cgroup)
		return 0;
	int rc = read_cgroups(procdir, &text, e);
	return rc ? rc : cgroup_verify(p->cgroup, text, e);
}

int placement_undo(struct placement *p, struct err *e)
{
	end_anchor(p);
	if (!p->made)
		return 0;
	int rc = p->cgroup ? cgroup_kill(p->cgroup, SIGKILL, e) : 0;
	if (!rc && p->scope.unit)
		rc = systemd_stop(p->scope.unit, e);
	return rc || !p->cgroup ? rc : cgroup_remove(p->cgroup, e);
}

// The form of the path says who made the cgroup; without one it may be either.
int placement_find(struct placement *p, const struct spec *s, const char *id, struct err *e)
{
	struct err ignored = {0};
	bool named = s->cgroups_path && *s->cgroups_path;
	p->manager = MANAGER_SYSTEMD;
	int rc = named && !strchr(s->cgroups_path, ':') ? -EINVAL : choose_scope(p, s, id, &ignored);
	if (!rc)
		rc = systemd_cgroup(p->scope.unit, &p->path, &ignored);
	if (!rc)
		return cgroup_open(p->path, &p->cgroup, e);
	if (named && strchr(s->cgroups_path, ':'))
		return err_set(e, rc, "%s", ignored.msg);
	placement_free(p);
	p->manager = MANAGER_CGROUPFS;
	return placement_choose(p, s, id, e);
}

void placement_free(struct placement *p)
{
	end_anchor(p);
	cgroup_free(p->cgroup);
	free(p->path);
	systemd_scope_free(&p->scope);
	*p = (struct placement){0};
}
