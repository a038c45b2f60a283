// SPDX-License-Identifier: Apache-2.0
// config.json as plain structs: what the runtime-spec calls the configuration, checked, with nothing done
// yet. spec_parse makes no system call, so tests and fuzzers need no root. Strings belong to the document
// that struct spec owns. Numbers that were not given are SPEC_UNSET; pointers that were not given are NULL.
#pragma once

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/json.h"

#define SPEC_UNSET     INT64_MIN
#define SPEC_SIZE_MAX  ((size_t)8 << 20) // bytes of config.json
#define SPEC_ITEMS_MAX 4096		 // elements of one array: arguments and environment may have 65536

// config-linux.md "Device allowed list"
struct spec_device_rule {
	bool allow;
	char type;	      // 'a', 'b' or 'c'
	int64_t major, minor; // -1: all
	bool read, write, mknod;
};

struct spec_blkio_device {
	int64_t major, minor;
	uint64_t value; // weight, or bytes or operations a second
};

struct spec_list_blkio {
	struct spec_blkio_device *v;
	size_t n;
};

struct spec_kv {
	const char *key, *value;
};

// config-linux.md "Control groups"
struct spec_resources {
	struct spec_device_rule *devices;
	size_t device_count;

	int64_t memory_limit, memory_reservation, memory_swap, memory_kernel,
	    memory_kernel_tcp; // bytes; -1 unlimited; swap is memory + swap, as v1 has it
	int64_t memory_swappiness;
	int64_t memory_disable_oom_killer, memory_use_hierarchy; // 0, 1 or SPEC_UNSET
	bool memory_check_before_update;

	int64_t cpu_shares, cpu_quota, cpu_period, cpu_burst, cpu_realtime_runtime,
	    cpu_realtime_period; // microseconds
	int64_t cpu_idle;
	const char *cpuset_cpus, *cpuset_mems;

	int64_t pids_limit; // -1 unlimited

	int64_t blkio_weight, blkio_leaf_weight;
	struct spec_list_blkio weight_device, leaf_weight_device, throttle_read_bps, throttle_write_bps,
	    throttle_read_iops, throttle_write_iops;

	struct {
		const char *page_size; // "2MB"
		uint64_t limit;
	} * hugepage_limits;
	size_t hugepage_count;

	int64_t net_class_id;
	struct {
		const char *name;
		int64_t priority;
	} * net_priorities;
	size_t net_priority_count;

	struct {
		const char *device;
		int64_t hca_handles, hca_objects;
	} * rdma;
	size_t rdma_count;

	struct spec_kv *unified; // v2 file name and value
	size_t unified_count;
};

// config-linux.md "Seccomp"; names are resolved by seccomp.c
struct spec_seccomp_arg {
	unsigned index;
	uint64_t value, value_two;
	const char *op; // SCMP_CMP_…
};

struct spec_syscall {
	const char **names;
	size_t name_count;
	const char *action; // SCMP_ACT_…
	int64_t errno_ret;
	struct spec_seccomp_arg *args;
	size_t arg_count;
};

struct spec_seccomp {
	const char *default_action;
	int64_t default_errno_ret;
	const char **architectures;
	size_t architecture_count;
	const char **flags;
	size_t flag_count;
	const char *listener_path, *listener_metadata;
	struct spec_syscall *syscalls;
	size_t syscall_count;
};

// config.md "Process"
struct spec_rlimit {
	int resource; // RLIMIT_…
	uint64_t soft, hard;
};

struct spec_caps {
	uint64_t bounding, effective, inheritable, permitted, ambient; // bit n: capability n
};

// config.md "scheduler"; the kernel's numbers, nanoseconds
struct spec_scheduler {
	bool given;
	uint32_t policy, priority;
	int32_t nice;
	uint64_t flags, runtime, deadline, period;
};

struct spec_process {
	bool terminal;
	uint16_t console_rows, console_cols; // 0: not given
	const char **args, **env;	     // NULL-terminated
	size_t arg_count, env_count;
	const char *cwd;
	uint32_t uid, gid;
	uint32_t *groups;
	size_t group_count;
	int64_t umask; // SPEC_UNSET
	bool has_caps; // without: all sets are empty
	struct spec_caps caps;
	struct spec_rlimit *rlimits;
	size_t rlimit_count;
	bool no_new_privs;
	int64_t oom_score_adj;	       // SPEC_UNSET
	int64_t io_class, io_priority; // ioprio_set(2); SPEC_UNSET
	struct spec_scheduler scheduler;
	const char *affinity_initial, *affinity_final; // of `exec` only; lists of processors
	const char *apparmor_profile, *selinux_label;
};

struct spec_id_map {
	uint32_t inside, outside, count;
};

struct spec_mount {
	const char *destination, *type, *source;
	const char **options;
	size_t option_count;
	struct spec_id_map *uid_maps, *gid_maps; // of an id-mapped mount
	size_t uid_map_count, gid_map_count;
};

struct spec_namespace {
	uint64_t flag;	  // CLONE_NEW…
	const char *name; // as under /proc/PID/ns
	const char *path; // to join; NULL: a new one
};

struct spec_device {
	const char *path;
	char type; // 'c', 'b', 'p'
	int64_t major, minor;
	uint32_t mode, uid, gid;
};

struct spec_hook {
	const char *path;
	const char **args, **env; // NULL-terminated; args NULL: the path alone
	int64_t timeout;	  // seconds, SPEC_UNSET
};

struct spec_hook_list {
	struct spec_hook *v;
	size_t n;
};

struct spec {
	struct json_doc *doc;
	const struct json *root; // of doc
	void **owned;		 // every array below
	size_t owned_count;

	const char *oci_version;
	const char *hostname, *domainname;
	struct spec_process process;
	const char *root_path;
	bool root_readonly;
	struct spec_mount *mounts;
	size_t mount_count;
	struct spec_kv *annotations;
	size_t annotation_count;
	struct spec_hook_list prestart, create_runtime, create_container, start_container, poststart,
	    poststop;

	// config-linux.md
	struct spec_namespace namespaces[8];
	size_t namespace_count;
	struct spec_id_map *uid_maps, *gid_maps;
	size_t uid_map_count, gid_map_count;
	struct spec_device *devices;
	size_t device_count;
	const char *cgroups_path;
	struct spec_resources resources;
	const char *rootfs_propagation;
	bool has_seccomp;
	struct spec_seccomp seccomp;
	const char **masked_paths, **readonly_paths;
	size_t masked_count, readonly_count;
	struct spec_kv *sysctls;
	size_t sysctl_count;
	int64_t personality;	      // PER_…, SPEC_UNSET
	struct spec_kv *time_offsets; // clock and "secs nanosecs"
	size_t time_offset_count;
};

// Reads and checks the whole text. On success *out is the caller's (spec_free). -EINVAL and a text that names
// the member else; -ENOTSUP for what the specification has and this runtime lacks.
int spec_parse(const char *text, size_t len, struct spec **out, struct err *e) attr_must_check;
// A `process` object alone, as `exec --process` has it: only the process of *out is set.
int spec_parse_process(const char *text, size_t len, struct spec **out, struct err *e) attr_must_check;
// That a new user namespace maps the ids of the process. Pure.
int spec_check_ids(const struct spec *s, struct err *e) attr_must_check;
void spec_free(struct spec *s);
static inline void spec_free_p(struct spec **s)
{
	spec_free(*s);
}
#define cleanup_spec __attribute__((cleanup(spec_free_p)))

// The namespace of that CLONE_NEW… flag, NULL when the container shares the runtime's.
const struct spec_namespace *spec_namespace(const struct spec *s, uint64_t flag);
// A namespace of its own, not a joined one.
bool spec_has_new(const struct spec *s, uint64_t flag);

// `hooks` of an object, as config.json and the state file have it. Arrays go to s.
int spec_read_hooks(struct spec *s, const struct json *root, struct err *e) attr_must_check;
// `linux.resources` alone, as `update --resources` reads it too. Arrays go to s.
int spec_read_resources(struct spec *s, const struct json *obj, struct spec_resources *r,
			struct err *e) attr_must_check;
void spec_resources_init(struct spec_resources *r);
