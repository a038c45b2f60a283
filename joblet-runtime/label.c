// SPDX-License-Identifier: Apache-2.0
// AppArmor's profile and SELinux's context of the program. proc_pid_attr(5).
#include "joblet-runtime/label.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "joblet-runtime/lookup.h"
#include "lib/base/file.h"

static int write_label(int procfd, const char *file, const char *label)
{
	cleanup_close int fd = lookup_beneath(procfd, file, O_WRONLY);
	return fd < 0 ? fd : file_write_all(fd, label, strlen(label));
}

int label_apply(const struct spec_process *p, int procfd, struct err *e)
{
	int rc;
	if (p->apparmor_profile && *p->apparmor_profile) {
		cleanup_free char *text = xasprintf("exec %s", p->apparmor_profile);
		rc = write_label(procfd, "self/attr/apparmor/exec", text);
		if (rc == -ENOENT && strchr(p->apparmor_profile, '/') == NULL)
			return err_set(e, -ENOTSUP,
				       "process.apparmorProfile %.128s: this kernel has no AppArmor, or the "
				       "profile is not loaded",
				       p->apparmor_profile);
		if (rc)
			return err_sys(e, rc, "process.apparmorProfile %.128s", p->apparmor_profile);
	}
	if (p->selinux_label && *p->selinux_label &&
	    (rc = write_label(procfd, "self/attr/exec", p->selinux_label)))
		return err_sys(e, rc, "process.selinuxLabel %.128s: is SELinux enabled, and the label valid?",
			       p->selinux_label);
	return 0;
}
