// SPDX-License-Identifier: Apache-2.0
// The mounts of config.json, by descriptors only. The parent opens what lies on the host, as the user who
// may; init puts it together below its own root. fsopen(2), open_tree(2), mount_setattr(2), move_mount(2).
#pragma once

#include "lib/base/err.h"
#include "joblet-runtime/cgroup.h"
#include "joblet-runtime/spec.h"

#define MOUNT_CGROUPS_MAX 32

struct mount_tree {
	int fd; // detached tree, -1: none
	bool is_dir;
};

// Trees that the parent opened. Everything is -1 where there is nothing.
struct mount_sources {
	struct mount_tree root;
	struct mount_tree *binds; // one a mount of the spec
	size_t bind_count;
	struct {
		char name[64];
		int fd;
	} cgroups[MOUNT_CGROUPS_MAX]; // the container's own directory in each hierarchy; only when a mount
				      // asks for them
	size_t cgroup_count;
	bool unified; // the one tree is cgroup v2's
};

// bundlefd is where relative paths begin. cg has been created; NULL: the container stays in the caller's.
int mount_open_sources(const struct spec *s, int bundlefd, const struct cgroup *cg, struct mount_sources *out,
		       struct err *e) attr_must_check;
void mount_close_sources(struct mount_sources *src);

// In init: attaches the root, then every mount in order. *procfd gets the root of a procfs of the container
// that nothing can lie on: the one that the spec mounts, or a private one.
int mount_all(const struct spec *s, const struct mount_sources *src, int *procfd,
	      struct err *e) attr_must_check;

int mount_mask(const struct spec *s, int rootfd, struct err *e) attr_must_check;     // maskedPaths
int mount_readonly(const struct spec *s, int rootfd, struct err *e) attr_must_check; // readonlyPaths
int mount_set_readonly(int fd, bool recursive) attr_must_check; // the mount that fd is the root of

// Makes the tree behind rootfd the root of the caller, detaches all of the old one, and sets
// rootfsPropagation.
int mount_pivot(const struct spec *s, int rootfd, struct err *e) attr_must_check;

// Attaches the detached or attached node of the host, or of the caller's namespace, at name in dirfd as a
// file.
int mount_file_at(int treefd, int dirfd, const char *name) attr_must_check;
