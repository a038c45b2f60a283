// SPDX-License-Identifier: Apache-2.0
// systemd as the one who makes a container's cgroup: a transient scope with Delegate=yes, so that systemd
// leaves what is in it alone. It is asked over its private socket, as systemctl asks it, by dbus.h: no bus
// has to run and no library is needed. org.freedesktop.systemd1(5).
#pragma once

#include <sys/types.h>

#include "joblet-runtime/cgroup.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct systemd_scope {
	char *slice, *unit; // names with their suffix
};

// cgroupsPath `slice:prefix:name`, or NULL: then slice:joblet-runtime:ID. Without a slice it is system.slice,
// or user.slice for a user's own systemd. -EINVAL, when path has not that form or a part cannot be a unit's
// name. On success the parts are the caller's (systemd_scope_free). Pure.
int systemd_scope_parse(const char *path, const char *id, bool user, struct systemd_scope *out,
			struct err *e) attr_must_check;
void systemd_scope_free(struct systemd_scope *s);

// Is there one that we could ask? -ENOENT, -EACCES and what is missing.
int systemd_check(struct err *e) attr_must_check;

// Makes the scope with that process in it and returns when it is there. -EEXIST: a unit of that name is
// there.
int systemd_start(const struct systemd_scope *s, const char *id, pid_t pid, struct err *e) attr_must_check;
// The cgroup of a unit, which the caller frees. -ENOENT: no such unit runs.
int systemd_cgroup(const char *unit, char **out, struct err *e) attr_must_check;
// Tells systemd the limits that are in force in c, which it would put back to its own idea of them else.
int systemd_keep_limits(const char *unit, const struct cgroup *c, struct err *e) attr_must_check;
// Stops the unit and waits until it is gone; one that is not there is 0. What is in it should have ended.
int systemd_stop(const char *unit, struct err *e) attr_must_check;

// systemd_limits.c: properties of type (sv) for a(sv), read back from the files of a v2 cgroup.
int systemd_put_limits(const struct cgroup *c, struct buf *out, struct err *e) attr_must_check;
// "0-3,7" as AllowedCPUs has it, a bit each; returns the number of bytes, 0 when it is no list. Pure.
#define SYSTEMD_MASK_MAX 1024
size_t systemd_mask(const char *list, uint8_t mask[SYSTEMD_MASK_MAX]);
// cpu.max, "QUOTA PERIOD", as CPUQuotaPerSecUSec and CPUQuotaPeriodUSec. -EINVAL. Pure.
int systemd_quota(const char *cpu_max, uint64_t *per_second, uint64_t *period) attr_must_check;
void systemd_put_u64(struct buf *b, const char *name, uint64_t v); // one property
