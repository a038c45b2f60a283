// SPDX-License-Identifier: Apache-2.0
// Where a process's cgroups are in the file system.
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "lib/base/base.h"

// Between begin and end the finders work for pid; a controller is `memory`, `name=systemd` or, for the
// unified hierarchy, "". -errno.
int cgroup_find_begin(pid_t pid) attr_must_check;
int cgroup_find(const char *controller, char dir[PATH_MAX]) attr_must_check;
bool cgroup_is_own(const char *controller); // not the root, and not the one that this process is in
void cgroup_find_end(void);

int cgroup_open_in(const char *dir, const char *name, int flags) attr_must_check; // descriptor or -errno
// The file from its beginning, cut at size - 1, NUL-terminated. -errno.
int cgroup_read(int fd, char *text, size_t size) attr_must_check;

// The path of a line of /proc/PID/cgroup for a v1 controller, or for the unified hierarchy with controller
// "". Pure; text is the whole file, NUL-terminated. 0 with *path pointing into text and *len, or -ENOENT.
int cgroup_path_of(const char *text, const char *controller, const char **path, size_t *len) attr_must_check;
// The number behind key at the beginning of a line of memory.events or memory.oom_control; 0 when there is
// none. Pure.
uint64_t cgroup_count_of(const char *text, const char *key);
// One line of /proc/self/mountinfo (proc(5)), which is cut up: whether it is the mount of the controller (""
// is unified). Then *point is where it is mounted, and *root what of it. Pure.
bool cgroup_is_mount_of(char *line, const char *controller, char **point, char **root);
