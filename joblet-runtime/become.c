// SPDX-License-Identifier: Apache-2.0
// From rights to a program. After become_user nothing here may be undone, and no descriptor of the host is
// used but statusfd.
#include "joblet-runtime/become.h"

#include <errno.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "joblet-runtime/caps.h"
#include "joblet-runtime/process.h"
#include "joblet-runtime/sync.h"
#include "joblet-runtime/verify.h"

#define STATUS_MAX 65536

static int set_personality(const struct spec *s, struct err *e)
{
	if (s->personality != SPEC_UNSET && personality((unsigned long)s->personality) < 0)
		return err_sys(e, -errno, "cannot set the personality");
	return 0;
}

static bool filter_comes_first(const struct become *b)
{
	return b->filter && !b->spec->process.no_new_privs;
}

static int drop_rights(struct become *b, struct err *e)
{
	const struct spec_process *pr = &b->spec->process;
	int rc;
	if ((rc = caps_bound(&pr->caps, e)))
		return rc;
	if (pr->no_new_privs && caps_is_none(&pr->caps) && (rc = caps_lock(e)))
		return rc;
	if ((rc = process_set_user(pr, &b->groups_kept, e)))
		return rc;
	if (pr->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot set no_new_privs");
	umask(pr->umask == SPEC_UNSET ? 022 : (mode_t)pr->umask);
	return filter_comes_first(b) ? caps_raise(e) : caps_set(&pr->caps, e);
}

// Reads what the kernel says of this process and compares. Only lseek and read: they must pass the filter of
// the container.
static int read_back(struct become *b, bool with_seccomp, struct err *e)
{
	static char text[STATUS_MAX];
	struct verify_status st = {0};
	size_t len = 0;
	ssize_t n;
	while (len < sizeof(text) - 1 && (n = read(b->statusfd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	int rc = verify_parse(text, &st, e);
	st.groups_kept = b->groups_kept;
	if (!rc)
		rc = verify_status(b->spec, &st, with_seccomp, e);
	b->ignored = st.sig_ignored;
	verify_free(&st);
	return rc ? err_wrap(e, rc, "refused to run with less isolation than asked") : 0;
}

int become_user(struct become *b, struct err *e)
{
	const struct spec_process *pr = &b->spec->process;
	int rc;
	if ((rc = set_personality(b->spec, e)) || (rc = drop_rights(b, e)) ||
	    (rc = process_enter_cwd(pr->cwd, e)) || (rc = process_find_program(pr, &b->program, e)))
		return rc;
	return read_back(b, false, e);
}

static int load_filter(struct become *b, struct err *e)
{
	cleanup_close int listener = -1;
	int rc = seccomp_program_load(b->filter, &listener);
	if (rc)
		return err_sys(e, rc, "cannot load the seccomp filter");
	if (listener >= 0 && (rc = seccomp_notify_send(b->notify, listener, e)))
		return rc;
	return filter_comes_first(b) ? caps_set(&b->spec->process.caps, e) : 0;
}

// The file was there when it was looked up: the words of the system alone would be about another one.
static int explain_exec(const char *name, int rc, struct err *e)
{
	const char *hint = "";
	if (rc == -ENOENT)
		hint = " (the file is there: its interpreter, or the loader of its libraries, is not)";
	else if (rc == -ENOEXEC)
		hint = " (a script without #! line, or a program for another machine)";
	else if (rc == -E2BIG)
		hint = " (arguments and environment are too long)";
	return err_set(e, rc, "exec \"%.512s\": %s%s", name, strerror(-rc), hint);
}

int become_program(struct become *b, struct err *e)
{
	const struct spec_process *pr = &b->spec->process;
	int rc;
	if ((rc = process_set_rlimits(pr, e)) || (rc = process_reset_signals(b->ignored, e)))
		return rc;
	if (close_range(3U + (unsigned)b->preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
		return err_sys(e, -errno, "cannot mark the descriptors");
	if (b->filter && b->sync < 0 && lseek(b->statusfd, 0, SEEK_SET) != 0)
		return err_sys(e, -errno, "cannot read the process status again");
	if (b->filter && (rc = load_filter(b, e)))
		return rc;
	if (b->sync >= 0)
		rc = sync_wait_start(b->sync, e);
	else if (b->filter)
		rc = read_back(b, true, e);
	if (rc)
		return rc;
	execve(b->program, (char *const *)(uintptr_t)pr->args, (char *const *)(uintptr_t)pr->env);
	return explain_exec(pr->args[0], -errno, e);
}
