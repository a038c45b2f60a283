#!/usr/bin/env bats
# bats file_tags=vm:v1,vm:v2
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime and cgroups: the limits of config.json are in force, in v1, hybrid and v2 alike; nothing is left behind.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

# The directory of a controller's hierarchy for this test's container: v1's if there is one, else the unified tree.
cgdir() {
	local root
	root=$(awk -v c="$1" '{ for (i = 7; $i != "-"; i++) } $(i + 1) == "cgroup" && ("," $(i + 3) ",") ~ ("," c ",") { print $5; exit }' /proc/self/mountinfo)
	[ -n "$root" ] || root=$(awk '{ for (i = 7; $i != "-"; i++) } $(i + 1) == "cgroup2" { print $5; exit }' /proc/self/mountinfo)
	echo "$root/$CGROUP/$ID"
}

# cg CONTROLLER V1-FILE V2-FILE: what the file of the running container says.
cg() {
	local dir
	dir=$(cgdir "$1")
	cat "$dir/$2" 2>/dev/null || cat "$dir/$3"
}

has_controller() {
	[ "$(awk -v c="$1" '$1 == c { print $4 }' /proc/cgroups)" = 1 ] || return 1
	case $(cgdir "$1") in */unified/*) grep -qw "$1" /sys/fs/cgroup/unified/cgroup.controllers ;; esac
}

start_sleeper() {
	bundle sh -c 'while :; do sleep 1000; done'
	edit "${1:-.}"
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
}

@test "every hierarchy is joined, and the container sees its own as the root" {
	start_sleeper
	pid=$(rt state "$ID" | jq .pid)
	while IFS=: read -r _ name path; do
		[ -n "$name" ] || grep -q ' - cgroup2 ' /proc/self/mountinfo || continue
		[ "$path" = "/$CGROUP/$ID" ] || { echo "$name: $path"; false; }
	done <"/proc/$pid/cgroup"
	run nsenter -t "$pid" -C cat "/proc/$pid/cgroup"
	[ "$status" -eq 0 ]
	[ -z "$(echo "$output" | grep -v ':/$' | grep .)" ]
	rt delete -f "$ID"
	nothing_left
}

@test "memory, swap, processes, cpu and cpus are written" {
	start_sleeper '.linux.resources.cpu += {shares: 512, cpus: "0", mems: "0"} | .linux.resources.memory.reservation = 33554432'
	[ "$(cg memory memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(cg memory memory.soft_limit_in_bytes memory.low)" = 33554432 ]
	case $(cgdir memory) in
	*/memory/*) swap=$(cat "$(cgdir memory)/memory.memsw.limit_in_bytes" 2>/dev/null || echo 67108864) && [ "$swap" = 67108864 ] ;;
	*) swap=$(cat "$(cgdir memory)/memory.swap.max" 2>/dev/null || echo 0) && [ "$swap" = 0 ] ;;
	esac
	[ "$(cg pids pids.max pids.max)" = 64 ]
	if [ -e "$(cgdir cpu)/cpu.max" ]; then
		[ "$(cat "$(cgdir cpu)/cpu.max")" = "50000 100000" ]
		[ "$(cat "$(cgdir cpu)/cpu.weight")" = 20 ]
	else
		[ "$(cat "$(cgdir cpu)/cpu.cfs_quota_us") $(cat "$(cgdir cpu)/cpu.cfs_period_us")" = "50000 100000" ]
		[ "$(cat "$(cgdir cpu)/cpu.shares")" = 512 ]
	fi
	[ "$(cg cpuset cpuset.cpus cpuset.cpus)" = 0 ]
	rt delete -f "$ID"
	nothing_left
}

@test "memory: more than the limit is killed" {
	bundle sh -c 'head -c 100000000 /dev/zero | tail -c 100000000 | wc -c; echo survived'
	edit '.linux.resources.memory = {limit: 20971520, swap: 20971520}'
	run_bundle
	[[ $output != *100000000* ]]
	nothing_left
}

@test "processes: a fork bomb stays below its limit" {
	bundle sh -c 'i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i + 1)); done; echo started all'
	edit '.linux.resources.pids.limit = 10'
	run_bundle
	[[ $output != *"started all"* ]]
	[[ $output == *fork* ]]
	nothing_left
}

@test "devices: what is not on the list cannot be opened, even by root with CAP_MKNOD" {
	plain_bundle sh -c 'mknod /tmp/kmsg c 1 11; cat /tmp/kmsg; mknod /tmp/disk b 254 0; cat /tmp/disk; echo x >/dev/null && head -c 1 /dev/zero | wc -c'
	edit '.process.capabilities |= map_values(["CAP_MKNOD"]) | (.mounts[] | select(.destination == "/tmp") | .options) = ["mode=1777"]'
	run_bundle
	[[ $output == *"/tmp/kmsg"*"peration not permitted"* ]]
	[[ $output == *"/tmp/disk"*"peration not permitted"* ]]
	[ "${lines[-1]}" = 1 ]
	nothing_left
}

@test "devices: without the list the same device opens: it is the list that denies" {
	plain_bundle sh -c 'mknod /tmp/null2 c 1 3 && echo y >/tmp/null2 && mknod /tmp/full2 c 1 7 && echo z >/tmp/full2'
	edit '.process.capabilities |= map_values(["CAP_MKNOD"]) | (.mounts[] | select(.destination == "/tmp") | .options) = ["mode=1777"]
	      | .linux.resources.devices = [{allow: true, access: "rwm"}]'
	run_bundle
	[[ $output == *"o space left"* ]]
}

@test "a limit without its controller is an error that names it, and nothing is left" {
	has_controller net_cls && [ -d /sys/fs/cgroup/net_cls ] && skip "this machine has net_cls"
	bundle true
	edit '.linux.resources.network = {classID: 5}'
	run_bundle
	[ "$status" -ne 0 ]
	[[ $output == *net_cls* ]]
	nothing_left
}

@test "limits that the kernel refuses are errors, and nothing is left" {
	for change in '.linux.resources.cpu.cpus = "4000"' '.linux.resources.cpu.quota = 1' \
		'.linux.resources.hugepageLimits = [{pageSize: "3MB", limit: 1}]' '.linux.resources.hugepageLimits = [{pageSize: "../x", limit: 1}]' \
		'.linux.resources.unified = {"cgroup.procs": "1"}' '.linux.resources.unified = {"../../cgroup.procs": "1"}' \
		'.linux.resources.memory = {limit: 1000000, swap: 1}'; do
		bundle true
		edit "$change"
		run_bundle
		[ "$status" -ne 0 ] || { echo "taken: $change"; false; }
		nothing_left
	done
}

@test "paths that leave the tree are refused" {
	for path in /../x /a/../../b a//b / ./a "/$CGROUP/."; do
		bundle true
		edit --arg p "$path" '.linux.cgroupsPath = $p'
		run_bundle
		[ "$status" -ne 0 ] || { echo "taken: $path"; false; }
	done
	nothing_left
}

@test "delete -f ends all: stopped ones, daemons, and a frozen container" {
	bundle sh -c 'for i in 1 2 3; do (setsid sleep 1000 &) ; done; sleep 1000 & kill -STOP $!; exec sleep 1000'
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	procs=$(cgdir pids)/cgroup.procs
	for i in $(seq 600); do
		pids=$(cat "$procs")
		# the stopped one may not be `sleep` yet
		sleeps=$(for pid in $pids; do tr '\0' ' ' <"/proc/$pid/cmdline" && echo; done | grep -cx 'sleep 1000 ') || true
		[ "$sleeps" -ge 4 ] && [ "$(wc -w <<<"$pids")" -eq 5 ] && break
		sleep 0.1
	done
	[ "$(wc -w <<<"$pids")" -eq 5 ]
	rt pause "$ID"
	[ "$(status_of "$ID")" = paused ]
	rt delete -f "$ID"
	for pid in $pids; do [ ! -d "/proc/$pid" ] || grep -q '^State:.*Z' "/proc/$pid/status"; done
	nothing_left
}

@test "twenty containers at once, started and deleted side by side" {
	bundle sh -c 'exit 5'
	jobs=
	for i in $(seq 20); do
		mkdir -p "$BATS_TEST_TMPDIR/b$i"
		jq --arg p "/$CGROUP/many$i" '.linux.cgroupsPath = $p' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/b$i/config.json"
		timeout 60 "$RUNTIME" --root "$ROOT" run -b "$BATS_TEST_TMPDIR/b$i" "many$i" </dev/null 3>&- &
		jobs="$jobs $!"
	done
	bad=0
	for job in $jobs; do
		wait "$job" && code=0 || code=$?
		[ "$code" = 5 ] || bad=$((bad + 1))
	done
	[ "$bad" = 0 ]
	[ -z "$(rt_cgroups | grep many)" ]
}
