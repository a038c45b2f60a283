// SPDX-License-Identifier: Apache-2.0
// Cgroups behind one interface: v1, hybrid and v2. cgroup.c finds out what the machine has, cgroup_v1.c and
// cgroup_v2.c write the limits. Every lookup is below a directory descriptor of the mounted hierarchy; no
// path from outside is resolved by name. cgroups(7), Documentation/admin-guide/cgroup-v1, cgroup-v2.rst.
#pragma once

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "joblet-runtime/spec.h"

enum cgroup_layout { CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

struct cgroup; // the cgroup of one container, in every hierarchy; paths only, so that it can be made again
	       // from the state file

// path: relative to the root of each hierarchy, with or without a leading '/', no "..", no empty component
// (-EINVAL else). The same path is used in every hierarchy: all controllers, named ones and the unified tree.
// Nothing is made yet.
int cgroup_open(const char *path, struct cgroup **out, struct err *e) attr_must_check;
void cgroup_free(struct cgroup *c);
static inline void cgroup_free_p(struct cgroup **c)
{
	cgroup_free(*c);
}
#define cleanup_cgroup __attribute__((cleanup(cgroup_free_p)))

enum cgroup_layout cgroup_layout(const struct cgroup *c);
const char *cgroup_path(const struct cgroup *c);

// Makes the directories (parents too; controllers are enabled down to it on v2; on v1 cpuset inherits cpus
// and mems). -EEXIST when the leaf exists and has processes. Directories that this call made are removed
// again when it fails.
int cgroup_create(struct cgroup *c, struct err *e) attr_must_check;

// The same for one that somebody else made for us and that may have processes: what is missing of it is made.
int cgroup_adopt(struct cgroup *c, struct err *e) attr_must_check;

// Writes what is set in r, and reads back what the kernel took where it may differ. A limit whose controller
// this machine lacks is an error (-ENOTSUP) that names both. On v2 values are converted as runc does (shares
// to weight, swap to swap alone).
int cgroup_apply(struct cgroup *c, const struct spec_resources *r, struct err *e) attr_must_check;
// The controller of a limit that r sets, NULL when it sets none. The list of devices is not one. Pure.
const char *cgroup_first_limit(const struct spec_resources *r);

// Puts the process in every hierarchy. On v2 prefer clone3 with cgroup_v2_fd; joining the rest stays the
// caller's duty. pid 0 is the calling process, which must have one thread; it then needs no global lock of
// the kernel and is the fast way.
int cgroup_join(struct cgroup *c, pid_t pid, struct err *e) attr_must_check;
// The same without the unified tree, for a process that clone3 put there.
int cgroup_join_v1(struct cgroup *c, pid_t pid, struct err *e) attr_must_check;
// O_PATH descriptor of the directory in the unified tree for CLONE_INTO_CGROUP, borrowed; -1 where there is
// none.
int cgroup_v2_fd(const struct cgroup *c);
// 0 when pid is in this cgroup in every hierarchy, by /proc/PID/cgroup; -EPERM and the line that differs
// else. The read-back of design 2.10. Give the text of /proc/PID/cgroup as the reader's own root sees it.
int cgroup_verify(const struct cgroup *c, const char *proc_cgroup_text, struct err *e) attr_must_check;

// Sends sig to every process below: SIGKILL by cgroup.kill where there is a unified tree, else freeze, kill,
// thaw (thawed on every path). Other signals one by one. Loops until none is new. An absent cgroup is 0.
int cgroup_kill(struct cgroup *c, int sig, struct err *e) attr_must_check;
int cgroup_freeze(struct cgroup *c, bool frozen,
		  struct err *e) attr_must_check; // returns once the state is reached
bool cgroup_is_frozen(struct cgroup *c);
int cgroup_pids(struct cgroup *c, pid_t **pids, size_t *n, struct err *e) attr_must_check; // the caller frees

// Removes the cgroup with all below it in every hierarchy. Waits for the last exit by cgroup.events or a
// bounded number of tries where the kernel has no event; absent is 0. -EBUSY when processes remain.
int cgroup_remove(struct cgroup *c, struct err *e) attr_must_check;

// What it has used. -1: this machine does not tell. Bytes, nanoseconds, counts.
struct cgroup_usage {
	int64_t memory_now, memory_peak, cpu_ns, pids, oom_kills;
};
void cgroup_usage(const struct cgroup *c, struct cgroup_usage *out);

// cgroup_stats.c: everything that it has used, as runc's `events` prints it: the members cpu, cpuset, memory,
// pids, blkio and hugetlb of the object that o is in.
struct json_out;
void cgroup_stats(const struct cgroup *c, struct json_out *o);
// A descriptor that poll(2) wakes up for, by events, when the kernel ended a process for want of memory, and
// for other changes too. Or -errno.
int cgroup_oom_fd(const struct cgroup *c, short *events, struct err *e) attr_must_check;

// For one more process: in the hierarchies that controllers names (comma-separated, NULL: all), path below
// the cgroup takes its place for joining, describing and verifying. It must be there (-ENOENT). -EINVAL for a
// controller that is not.
int cgroup_select(struct cgroup *c, const char *controllers, const char *path, struct err *e) attr_must_check;
// The same for the unified tree alone, where the text of /proc/PID/cgroup says that process is, which must be
// below the container's: a v2 cgroup whose children have controllers takes no process itself.
int cgroup_follow(struct cgroup *c, const char *proc_cgroup_text, struct err *e) attr_must_check;

// Mount-free views for state files: one line a hierarchy, `name:/absolute/dir`.
int cgroup_describe(const struct cgroup *c, struct buf *out) attr_must_check;
