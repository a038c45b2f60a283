# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# For the tests of joblet-runtime: a root file system of busybox, bundles as specs/bundle.md has them, and names of their own for everything.
# Each test has its own --root and its own cgroup parent; rt_teardown removes what is left and fails when something cannot be.

RUNTIME=${JOBLET_RUNTIME:-$JOBLET_BIN/joblet-runtime}
# It runs in a root without libraries, so it is static, which a sanitized program cannot be: then it is the release build's.
PROBE=${JOBLET_BIN/%asan\/bin/release/bin}/joblet-probe
BASE_ID=1500000

rt_setup_file() {
	export ROOTFS=$BATS_FILE_TMPDIR/rootfs
	mkdir -p "$ROOTFS"/{bin,dev,etc,proc,run,sys,tmp,volumes,work,root}
	cp /bin/busybox "$ROOTFS/bin/busybox"
	for a in $("$ROOTFS/bin/busybox" --list); do
		[ -e "$ROOTFS/bin/$a" ] || ln -s busybox "$ROOTFS/bin/$a"
	done
	echo 'plain text' >"$ROOTFS/bin/not-executable"
	printf '#!/no/such/interpreter\n' >"$ROOTFS/bin/no-interpreter"
	chmod 755 "$ROOTFS/bin/no-interpreter"
	touch "$ROOTFS/etc/hosts"
}

rt_setup() {
	ROOT=$BATS_TEST_TMPDIR/state
	BUNDLE=$BATS_TEST_TMPDIR/bundle
	CGROUP=${JOBLET_TEST_NAME:-joblet-test}-rt-$$-$BATS_TEST_NUMBER
	ID=c$BATS_TEST_NUMBER
	mkdir -p "$BUNDLE/work" "$BUNDLE/etc"
	chown $((BASE_ID + 1)):$((BASE_ID + 1)) "$BUNDLE/work"
	echo '127.0.0.1 localhost' >"$BUNDLE/etc/hosts"
	MOUNTS_BEFORE=$(rt_mounts)
}

# The host's mounts that lead to anything of this run of tests; others come and go by themselves.
rt_mounts() {
	grep -F "$BATS_RUN_TMPDIR" /proc/self/mountinfo || true
}

# All of this test's cgroup directories, leaves first.
rt_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" 2>/dev/null
}

rt_teardown() {
	local c
	for c in "$ROOT"/*/; do
		[ -d "$c" ] && [ "${c#*@}" = "$c" ] && timeout 120 "$RUNTIME" --root "$ROOT" delete -f "$(basename "$c")" 3>&- || true
	done
	for c in $(rt_cgroups); do rmdir "$c" || return 1; done
	[ "$MOUNTS_BEFORE" = "$(rt_mounts)" ]
}

rt() {
	timeout -k 5 120 "$RUNTIME" --root "$ROOT" "$@" 3>&- 4>&-
}

# A bundle whose program is the arguments, as jobletd writes it: user namespace, no capability, read-only root.
bundle() {
	jq -n --arg bundle "$BUNDLE" --arg rootfs "$ROOTFS" --arg cgroup "/$CGROUP/$ID" --argjson base "$BASE_ID" '
	def map: [{containerID: 0, hostID: $base, size: 1}, {containerID: 65534, hostID: ($base + 1), size: 1}];
	def allow(a; b): {allow: true, type: "c", major: a, minor: b, access: "rwm"};
	{ociVersion: "1.0.2",
	 root: {path: $rootfs, readonly: true},
	 hostname: "job-host",
	 process: {
	  args: $ARGS.positional, env: ["PATH=/bin", "HOME=/work"], cwd: "/work",
	  user: {uid: 65534, gid: 65534, umask: 18},
	  capabilities: {bounding: [], effective: [], inheritable: [], permitted: [], ambient: []},
	  noNewPrivileges: true, oomScoreAdj: 200,
	  rlimits: [{type: "RLIMIT_CORE", soft: 1, hard: 1}, {type: "RLIMIT_NOFILE", soft: 1024, hard: 4096},
	   {type: "RLIMIT_MSGQUEUE", soft: 0, hard: 0}]},
	 mounts: [
	  {destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]},
	  {destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "noexec", "size=64k", "mode=755"]},
	  {destination: "/dev/pts", type: "devpts", source: "devpts",
	   options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
	  {destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "nodev", "noexec", "size=64m", "mode=1777"]},
	  {destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"]},
	  {destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "size=64m", "nr_inodes=16k", "mode=1777"]},
	  {destination: "/run", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec", "size=1m", "mode=755"]},
	  {destination: "/volumes", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec", "size=64k", "mode=755"]},
	  {destination: "/work", type: "bind", source: ($bundle + "/work"), options: ["bind", "nosuid", "nodev", "rw"]},
	  {destination: "/etc/hosts", type: "bind", source: ($bundle + "/etc/hosts"),
	   options: ["bind", "nosuid", "nodev", "noexec", "ro"]}],
	 linux: {
	  namespaces: ["pid", "mount", "ipc", "uts", "cgroup", "network", "user"] | map({type: .}),
	  uidMappings: map, gidMappings: map,
	  cgroupsPath: $cgroup,
	  resources: {memory: {limit: 67108864, swap: 67108864}, pids: {limit: 64}, cpu: {quota: 50000, period: 100000},
	   devices: [{allow: false, access: "rwm"}, allow(1; 3), allow(1; 5), allow(1; 7), allow(1; 8), allow(1; 9), allow(5; 0), allow(5; 2),
	    {allow: true, type: "c", major: 136, access: "rwm"}]},
	  maskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/proc/interrupts", "/proc/nosuch"],
	  readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]},
	 annotations: {"org.joblet.job": "test"}}' --args -- "$@" >"$BUNDLE/config.json"
}

# The same without a user namespace, as root.
plain_bundle() {
	bundle "$@"
	edit 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user")) |
	      .process.user = {uid: 0, gid: 0}'
}

# Changes config.json by a jq program.
edit() {
	jq "$@" "$BUNDLE/config.json" >"$BUNDLE/config.new" && mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# runc opens the root as the container's root, who has to get there.
rt_open_paths() {
	local d
	for d in "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR"; do
		while [ "$(dirname "$d")" != / ]; do
			chmod a+x "$d"
			d=$(dirname "$d")
		done
	done
}

# Runs the bundle; run(1) of bats keeps status and output.
run_bundle() {
	run rt run -b "$BUNDLE" "$ID"
}

status_of() {
	rt state "$1" | jq -r .status
}

# Waits for a container to get into a state; no longer than a minute.
wait_status() {
	local i
	for i in $(seq 1200); do
		[ "$(status_of "$1")" = "$2" ] && return 0
		sleep 0.05
	done
	echo "$1 is $(status_of "$1"), not $2"
	return 1
}

# Nothing of this test's containers is left: state, cgroups, mounts.
nothing_left() {
	[ -z "$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name @seccomp 2>/dev/null)" ] || { ls -lR "$ROOT"; return 1; }
	[ -z "$(rt_cgroups | grep "/$ID\$")" ] || { rt_cgroups; return 1; }
	[ "$MOUNTS_BEFORE" = "$(rt_mounts)" ]
}
