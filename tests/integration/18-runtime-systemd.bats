#!/usr/bin/env bats
# bats file_tags=vm:systemd
# SPDX-License-Identifier: Apache-2.0
# The systemd cgroup driver, where systemd is process 1 and cgroup v2 is all there is:
#
#	INIT=systemd hack/vm.sh hack/integration.sh tests/integration/18-runtime-systemd.bats
bats_require_minimum_version 1.5.0
load helpers/runtime

is_place() { [ "$(cat /proc/1/comm)" = systemd ] && [ -e /sys/fs/cgroup/cgroup.controllers ]; }

setup_file() { rt_setup_file; }

setup() {
	is_place || skip "needs systemd as process 1 and cgroup v2: INIT=systemd hack/vm.sh makes such a machine"
	rt_setup
	UNIT=$CGROUP-$ID.scope
	SLICE=${CGROUP//-/_}.slice
	DIR=/sys/fs/cgroup/$SLICE/$UNIT
}

teardown() {
	is_place || return 0
	rt_teardown
	systemctl stop "$SLICE"
	if id joblet-tester >/dev/null 2>&1; then
		systemctl stop user@4242.service
		userdel joblet-tester
	fi
}

sd() { rt --systemd-cgroup "$@"; }

scope_bundle() { # PROGRAM …
	bundle "$@"
	edit --arg path "$SLICE:$CGROUP:$ID" '.linux.cgroupsPath = $path'
}

property() { systemctl show -P "$1" "$UNIT"; }

no_unit() {
	[ "$(property LoadState)" = not-found ]
	[ ! -e "$DIR" ]
	nothing_left
}

@test "systemd: a scope with the limits as its properties, which outlive a reload; update changes them; delete leaves nothing" {
	scope_bundle sleep 1000
	edit '.linux.resources |= (.cpu = {shares: 512, quota: 33333, period: 100000, cpus: "0-1"} | .memory += {reservation: 33554432} |
		.unified = {"memory.high": "50331648"})'
	sd create -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID"
	pid=$(<"$BATS_TEST_TMPDIR/pid")
	[ "$(cat "/proc/$pid/cgroup")" = "0::/$SLICE/$UNIT" ]
	[ "$(cat "$DIR/cgroup.procs")" = "$pid" ] # and no other process
	[ "$(property ActiveState)/$(property Slice)/$(property Delegate)/$(property ControlGroup)" = "active/$SLICE/yes/${DIR#/sys/fs/cgroup}" ]
	[ "$(property Description)" = "container $ID" ]
	limits() { (cd "$DIR" && cat memory.max memory.low memory.high memory.swap.max pids.max cpu.weight cpu.max cpuset.cpus | paste -sd' '); }
	[ "$(limits)" = "67108864 33554432 50331648 0 64 20 33333 100000 0-1" ]
	for p in MemoryMax=67108864 MemoryLow=33554432 MemoryHigh=50331648 MemorySwapMax=0 TasksMax=64 CPUWeight=20 CPUQuotaPerSecUSec=340ms AllowedCPUs=0-1; do
		echo "$p: $(property "${p%%=*}")"
		[ "$(property "${p%%=*}")" = "${p#*=}" ]
	done
	[ "$(jq -r '.unit, .cgroup' "$ROOT/$ID/state.json" | paste -sd' ')" = "$UNIT ${DIR#/sys/fs/cgroup}" ]
	sd start "$ID"
	wait_status "$ID" running
	systemctl daemon-reload
	systemctl set-property --runtime "$UNIT" MemoryHigh=40M # after which it writes them all
	echo "$(limits)"
	[ "$(limits)" = "67108864 33554432 41943040 0 64 20 34000 100000 0-1" ]

	# Every command knows the cgroup without being told who made it.
	rt update --memory 128m --memory-swap 128m --pids-limit 99 --cpu-quota 70000 "$ID"
	[ "$(property MemoryMax) $(property TasksMax) $(property CPUQuotaPerSecUSec)" = "134217728 99 700ms" ]
	[ "$(cat "$DIR/memory.max" "$DIR/pids.max" "$DIR/cpu.max" | paste -sd' ')" = "134217728 99 70000 100000" ]
	[ "$(rt exec "$ID" cat /proc/self/cgroup)" = 0::/ ]
	rt pause "$ID"
	[ "$(status_of "$ID")" = paused ]
	rt resume "$ID"
	rt delete --force "$ID"
	no_unit
	[ ! -e "/proc/$pid" ]
}

@test "systemd: one process is a limit that works; the same unit twice is an error that leaves the first; a failed create leaves nothing" {
	scope_bundle sleep 1000
	edit '.linux.resources.pids.limit = 1'
	sd create -b "$BUNDLE" "$ID"
	[ "$(property TasksMax) $(cat "$DIR/pids.max")" = "1 1" ]
	run sd create -b "$BUNDLE" other
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$UNIT"*already* ]]
	[ "$(property ActiveState)" = active ]
	rt start "$ID"
	rt kill "$ID" KILL
	wait_status "$ID" stopped
	rt delete "$ID"
	no_unit
	edit '.process.args = ["/nosuch"] | .linux.resources.pids.limit = 64'
	run sd create -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"No such file or directory"* ]]
	no_unit
}

@test "systemd: without a path system.slice has it; a damaged state is found by the unit; run leaves nothing" {
	UNIT=joblet-runtime-$ID.scope DIR=/sys/fs/cgroup/system.slice/joblet-runtime-$ID.scope
	scope_bundle cat /proc/self/cgroup
	edit 'del(.linux.cgroupsPath) | .linux.namespaces |= map(select(.type != "cgroup"))'
	run sd run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$output" = "0::/system.slice/$UNIT" ]
	no_unit
	edit '.process.args = ["sleep", "1000"]'
	sd run -d -b "$BUNDLE" "$ID"
	pid=$(rt state "$ID" | jq .pid)
	echo '{' >"$ROOT/$ID/state.json"
	rt delete --force "$ID"
	[ ! -e "/proc/$pid" ]
	no_unit
}

@test "systemd: an ordinary user has a scope of the user's own systemd, with limits" {
	useradd -M -d / -u 4242 joblet-tester
	systemctl start dbus.socket user@4242.service
	own() { setpriv --reuid 4242 --regid 4242 --clear-groups env XDG_RUNTIME_DIR=/run/user/4242 "$@" 3>&-; }
	mine=/run/user/4242/test
	own mkdir -p "$mine/rootfs"
	cp -a "$ROOTFS/bin" "$mine/rootfs/bin"
	cp "$RUNTIME" "$mine/runtime"
	(cd "$mine" && own ./runtime spec --rootless)
	jq --arg path ":$CGROUP:$ID" '.process.args = ["sleep", "1000"] | .process.terminal = false | .linux.cgroupsPath = $path |
		.linux.resources = {memory: {limit: 33554432}, pids: {limit: 20}}' "$mine/config.json" >"$mine/new"
	mv "$mine/new" "$mine/config.json"
	chmod 644 "$mine/config.json"
	cat >"$mine/go" <<-END
		set -e
		$(declare -f property)
		runtime() { ./runtime --root $mine/state "\$@"; }
		systemctl() { command systemctl --user "\$@"; }
		UNIT=$UNIT
		runtime --systemd-cgroup run -d $ID </dev/null >/dev/null
		pid=\$(runtime state $ID | jq .pid)
		dir=/sys/fs/cgroup\$(cut -d: -f3 /proc/\$pid/cgroup)
		echo \${dir##*/} \$(cat \$dir/memory.max \$dir/pids.max) \$(property MemoryMax) \$(property TasksMax)
		runtime delete -f $ID
		property LoadState
		ls -d \$dir 2>/dev/null || echo gone
	END
	run own timeout 300 systemd-run -q --user --wait --pipe --working-directory="$mine" bash "$mine/go"
	rm -rf "$mine"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "$UNIT 33554432 20 33554432 20"$'\nnot-found\ngone' ]
}

@test "systemd: podman with its systemd cgroup manager and joblet-shim: limits in force, out of memory told, and nothing left" {
	command -v podman >/dev/null || skip "podman is missing"
	pod() { timeout 300 podman --root "$BATS_TEST_TMPDIR/storage" --runroot "$BATS_TEST_TMPDIR/run" --storage-driver vfs --cgroup-manager systemd \
		--conmon "${RUNTIME%-runtime}-shim" --runtime "$RUNTIME" --runtime-flag "root=$ROOT" "$@"; }
	pod run -d --name c --net none --memory 64m --pids-limit 50 --cgroup-parent "$SLICE" --rootfs "$ROOTFS" sleep 1000
	UNIT=libpod-$(pod inspect -f '{{.Id}}' c).scope DIR=/sys/fs/cgroup/$SLICE/$UNIT
	[ "$(property ActiveState) $(property MemoryMax) $(property TasksMax)" = "active 67108864 50" ]
	[ "$(cat "$DIR/memory.max" "$DIR/pids.max" | paste -sd' ')" = "67108864 50" ]
	[ "$(pod exec c cat /proc/self/cgroup)" = 0::/ ]
	pod rm -f -t 0 c
	[ "$(property LoadState)" = not-found ]
	[ ! -e "$DIR" ]
	run pod run --name o --net none --memory 16m --memory-swap 16m --cgroup-parent "$SLICE" --rootfs "$ROOTFS" sh -c 'x=x; while :; do x=$x$x; done'
	[ "$(pod inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' o)" = "true 137" ]
	pod rm -f -t 0 o
}
