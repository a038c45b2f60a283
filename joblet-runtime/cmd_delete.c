// SPDX-License-Identifier: Apache-2.0
// delete: removes what is left of a container.
#include <errno.h>
#include <sys/file.h>

#include "joblet-runtime/command.h"
#include "joblet-runtime/container.h"
#include "joblet-runtime/placement.h"
#include "joblet-runtime/start.h"
#include "lib/base/log.h"

// state.json cannot be read: the container is known by its cgroup, which the kept configuration tells.
// Without that, too, something of it may run that nobody would find again, so it stays.
static int delete_damaged(const char *root, struct state *st, const struct err *why, struct err *e)
{
	cleanup_spec struct spec *spec = NULL;
	struct placement p = {0};
	struct err second = {0};
	if (flock(st->dirfd, LOCK_EX) != 0)
		return err_sys(e, -errno, "cannot lock the container %s", st->id);
	int rc = state_read_config(st, &spec, &second);
	if (!rc)
		rc = placement_find(&p, spec, st->id, &second);
	if (!rc && !p.cgroup)
		rc = err_set(&second, -ENOENT, "it has no cgroup");
	if (rc)
		return err_set(e, rc,
			       "%.400s; nor can its processes be found: %.400s; end them, and remove %s/%s",
			       why->msg, second.msg, root, st->id);
	log_warn("%s: removed with all that is in its cgroup /%s", why->msg, cgroup_path(p.cgroup));
	p.made = true;
	if ((rc = placement_undo(&p, e)) == 0)
		rc = state_remove_dir(root, st->id, e);
	placement_free(&p);
	return rc;
}

static int delete_container(const char *root, const char *id, bool force, struct err *e)
{
	cleanup_state struct state st;
	int rc = state_open(root, id, &st, e);
	if (rc == -ENOENT && force)
		return 0;
	if (rc && force && st.dirfd >= 0) {
		struct err why = *e;
		return delete_damaged(root, &st, &why, e);
	}
	if (rc)
		return rc;
	if ((rc = state_lock(&st, e)))
		return rc == -ENOENT && force ? 0 : rc;
	enum state_status status = state_status(&st);
	// A created container has not run anything yet: its init is ended, as runc does.
	if (!force && status != STATE_STOPPED && status != STATE_CREATED && status != STATE_CREATING)
		return err_set(e, -EBUSY, "cannot delete container %s that is not stopped: %s", id,
			       state_status_name(status));
	if ((rc = container_destroy(root, &st, status != STATE_STOPPED && st.pid, e)))
		return rc;
	start_run_hooks(&st, true);
	return 0;
}

static int run(const struct globals *g, char **args, int n, struct err *e)
{
	const char *force = NULL, *rest[2];
	int n_rest;
	const struct option_def options[] = {
	    {"force", 'f', false, &force, "kill it first; an unknown id is no error", NULL}};
	int rc = args_parse(&cmd_delete, options, ARRAY_LEN(options), args, n, rest, 1, &n_rest, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (n_rest != 1)
		return err_set(e, -EINVAL, "delete: a container id is needed");
	return delete_container(g->root, rest[0], force != NULL, e);
}

const struct command cmd_delete = {
    .name = "delete",
    .usage = "[-f] ID",
    .help = "removes a container that has ended",
    .run = run,
};
