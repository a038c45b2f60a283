// SPDX-License-Identifier: Apache-2.0
// Hands the listener of a filter to the agent at listenerPath, with the container process state.
// seccomp_unotify(2).
#include "joblet-runtime/seccomp_notify.h"

#include <errno.h>

#include "lib/base/file.h"
#include "lib/base/str.h"

// The agent would wait for a call that it can only answer once it has the listener.
static int check_sendmsg(const struct spec_seccomp *s, struct err *e)
{
	for (size_t i = 0; i < s->syscall_count; i++)
		for (size_t k = 0; k < s->syscalls[i].name_count; k++)
			if (str_eq(s->syscalls[i].action, "SCMP_ACT_NOTIFY") &&
			    str_eq(s->syscalls[i].names[k], "sendmsg"))
				return err_set(e, -EINVAL,
					       "linux.seccomp: SCMP_ACT_NOTIFY cannot have sendmsg, which "
					       "hands the listener over");
	return 0;
}

int seccomp_notify_connect(const struct spec_seccomp *s, const struct seccomp_program *p, struct err *e)
{
	const char *path = s->listener_path && *s->listener_path ? s->listener_path : NULL;
	if (s->listener_metadata && *s->listener_metadata && !path)
		return err_set(e, -EINVAL, "linux.seccomp: listenerMetadata without listenerPath");
	if (!p->want_listener)
		return -1;
	if (!path)
		return err_set(e, -EINVAL, "linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath");
	int rc = check_sendmsg(s, e);
	if (rc)
		return rc;
	int fd = file_connect(path);
	return fd < 0 ? err_sys(e, fd, "linux.seccomp: cannot connect to listenerPath %s", path) : fd;
}

int seccomp_notify_text(const struct spec_seccomp *s, const struct state *st, pid_t pid, struct buf *out,
			struct err *e)
{
	struct state now = *st;
	struct json_out o;
	if (!now.pid) // of init, which is this very process
		now.pid = pid;
	json_out_begin(&o, out, false);
	json_open_obj(&o);
	json_kv_str(&o, "ociVersion", st->oci_version);
	json_key(&o, "fds");
	json_open_arr(&o);
	json_put_str(&o, "seccompFd");
	json_close_arr(&o);
	json_kv_i64(&o, "pid", pid);
	if (s->listener_metadata)
		json_kv_str(&o, "metadata", s->listener_metadata);
	json_key(&o, "state");
	state_put(&now, st->pid ? STATE_RUNNING : STATE_CREATED, &o);
	json_close_obj(&o);
	int rc = json_out_end(&o);
	return rc ? err_sys(e, rc, "cannot write the state for the seccomp listener") : 0;
}

int seccomp_notify_send(const struct seccomp_notify *n, int listener, struct err *e)
{
	if (!n)
		return err_set(e, -EINVAL, "nobody takes the seccomp listener");
	int rc = file_send_fds(n->sock, n->text.data, n->text.len, &listener, 1);
	return rc ? err_sys(e, rc, "cannot hand over the seccomp listener") : 0;
}
