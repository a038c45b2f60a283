// SPDX-License-Identifier: Apache-2.0
// What the cgroup files share with each other and with nobody else: the hierarchies of the machine, and small
// writes below a directory descriptor. Nothing here resolves a path by name but cgroup_open.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "joblet-runtime/cgroup.h"

#define CGROUP_HIER_MAX	 32
#define CGROUP_PATH_MAX	 1024
#define CGROUP_DEPTH_MAX 32 // components of a path, and levels below a cgroup that are walked
#define CGROUP_PIDS_MAX	 ((size_t)1 << 22)
#define CGROUP_NONE	 (-1)

// One hierarchy that is mounted where we can see it.
struct cgroup_hier {
	char *
	    name; // controllers as in /proc/PID/cgroup: "cpu,cpuacct", "name=systemd"; "" is the unified tree
	char *mount; // where it is mounted
	char *root;  // which part of it is mounted there: "" for all, else "/some/dir"
	dev_t dev;
	char *sub; // cgroup_select: where below the container's path; NULL: there itself
	bool v2;
	int root_fd;   // O_PATH, of the mount
	int fd;	       // O_PATH, of the container's cgroup; -1 until it was made or found
	int made_from; // first component that cgroup_create made; the count of components when it made none
};

struct cgroup {
	char *path; // without a leading '/'
	char **parts;
	size_t part_count;
	enum cgroup_layout layout;
	struct cgroup_hier hier[CGROUP_HIER_MAX];
	size_t hier_count;
};

// cgroup_layout.c: no system call. Texts of /proc/self/cgroup and /proc/self/mountinfo; fills hier (names,
// mounts, roots, dev) and says what kind of machine it is. A hierarchy that is not mounted where we can see
// it is left out.
int cgroup_layout_parse(const char *self_cgroup, const char *mountinfo, struct cgroup *c,
			struct err *e) attr_must_check;
// Splits and checks a path: see cgroup_open.
int cgroup_path_parse(const char *path, struct cgroup *c, struct err *e) attr_must_check;
// Is name one of the comma-separated words of list?
bool cgroup_has_word(const char *list, const char *name);
// cgroup_verify without a struct cgroup that was opened.
int cgroup_verify_text(const struct cgroup *c, const char *proc_cgroup_text, struct err *e) attr_must_check;

// cgroup_io.c: one file below dirfd, which is a cgroup. All return 0 or -errno; e gets the file's name and
// the value.
int cgroup_open_dir(int dirfd,
		    const char *path); // O_PATH below dirfd, no link followed, no mount crossed; or -errno
bool cgroup_has_file(int dirfd, const char *file);
int cgroup_write(int dirfd, const char *file, const char *value, struct err *e) attr_must_check;
int cgroup_writef(int dirfd, const char *file, struct err *e, const char *fmt, ...)
    attr_printf(4, 5) attr_must_check;
// At most 64 KiB, NUL-terminated, without the last newline; the caller frees.
int cgroup_read(int dirfd, const char *file, char **out, struct err *e) attr_must_check;
int cgroup_read_u64(int dirfd, const char *file, uint64_t *out) attr_must_check; // "max" is UINT64_MAX
// Writes v and reads it back: the kernel may round down by less than slack bytes, nothing else. -1 is written
// as unlimited: "-1" or "max". -ERANGE when the kernel kept something else.
int cgroup_write_number(int dirfd, const char *file, int64_t v, const char *unlimited, uint64_t slack,
			struct err *e) attr_must_check;
// key's value in a flat keyed file such as cgroup.events. -ENOENT when it is not there.
int cgroup_read_key(int dirfd, const char *file, const char *key, uint64_t *out) attr_must_check;

// cgroup_apply.c: the hierarchy of a v1 controller, NULL when it is not one's own; and the directory where a
// controller is, in v1 or under its v2 name in the unified tree, -1 when it is nowhere.
const struct cgroup_hier *cgroup_controller_v1(const struct cgroup *c, const char *name);
int cgroup_controller_fd(const struct cgroup *c, const char *v1, const char *v2);

// cgroup_v1.c and cgroup_v2.c: what one controller takes from r, below that controller's directory.
#define CGROUP_SETTER(name) int name(int dirfd, const struct spec_resources *r, struct err *e) attr_must_check
CGROUP_SETTER(cgroup_v1_memory);
CGROUP_SETTER(cgroup_v1_cpu);
CGROUP_SETTER(cgroup_v1_cpuset);
CGROUP_SETTER(cgroup_v1_blkio);
CGROUP_SETTER(cgroup_v1_hugetlb);
CGROUP_SETTER(cgroup_v1_net_cls);
CGROUP_SETTER(cgroup_v1_net_prio);
CGROUP_SETTER(cgroup_v1_devices);
CGROUP_SETTER(cgroup_v2_memory);
CGROUP_SETTER(cgroup_v2_cpu);
CGROUP_SETTER(cgroup_v2_cpuset);
CGROUP_SETTER(cgroup_v2_io);
CGROUP_SETTER(cgroup_v2_hugetlb);
CGROUP_SETTER(cgroup_v2_unified);
CGROUP_SETTER(cgroup_v2_devices); // cgroup_bpf.c
CGROUP_SETTER(cgroup_any_pids);	  // the same file in both versions
CGROUP_SETTER(cgroup_any_rdma);

// v1: cpus and mems of an empty cpuset are taken from its parent, which has them.
int cgroup_v1_cpuset_inherit(int parent_fd, int child_fd, struct err *e) attr_must_check;
// v2: enables for the children of dirfd every controller that dirfd has itself. What cannot be enabled (a
// process stands in dirfd) is left off: cgroup_apply says so when a limit needs it.
int cgroup_v2_enable(int dirfd, struct err *e) attr_must_check;

// Pure. Conversions as runc has them.
uint64_t cgroup_v2_weight(uint64_t shares);   // cpu.shares [2,262144] to cpu.weight [1,10000]
uint64_t cgroup_v2_io_weight(uint64_t blkio); // blkio.weight [10,1000] to io.weight [1,10000]
int cgroup_v2_swap(int64_t swap, int64_t memory, int64_t *out,
		   struct err *e) attr_must_check; // SPEC_UNSET: nothing to write
// "2MB": digits, K, M or G, B. It becomes part of a file's name.
bool cgroup_page_size_ok(const char *s);
// Name of a file that `unified` may write: no '/', not cgroup.*, a dot inside.
bool cgroup_unified_key_ok(const char *s);
// Devices under v1: -ENOTSUP when the kernel's list could not say what the rules say in their order.
int cgroup_v1_devices_check(const struct spec_device_rule *rules, size_t n, struct err *e) attr_must_check;
// Devices under v2: the rules as one BPF program; *out is the caller's to free. The last rule that matches
// decides, for each kind of access by itself. Without a rule for all devices, what no rule matches is
// allowed, as a new cgroup allows it.
struct bpf_insn;
int cgroup_bpf_build(const struct spec_device_rule *rules, size_t n, struct bpf_insn **out, size_t *count,
		     struct err *e) attr_must_check;
