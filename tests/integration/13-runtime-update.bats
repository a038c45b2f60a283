#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime update: new limits for a container that lives, as the kernel has them afterwards.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() {
	[ ! -d "$BATS_TEST_TMPDIR/runc" ] || timeout 20 runc --root "$BATS_TEST_TMPDIR/runc" delete -f "$ID" 2>/dev/null 3>&- || true
	rt_teardown
}

begin() {
	bundle sleep 300
	edit "${1:-.}"
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
}

# The values of some files of a cgroup, whichever hierarchy has them.
values() { # cgroup file...
	local f path
	for f in "${@:2}"; do
		for path in "/sys/fs/cgroup/$1/$f" /sys/fs/cgroup/*/"$1/$f"; do
			[ ! -f "$path" ] || echo "$f $(tr '\n' ' ' <"$path")"
		done
	done
}
MEMORY='memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes memory.max memory.swap.max memory.low'
CPU='cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpu.weight cpu.max cpuset.cpus cpuset.mems'

has_swap_limit() {
	[ -n "$(find /sys/fs/cgroup -maxdepth 3 -name 'memory.memsw.limit_in_bytes' -o -maxdepth 3 -name memory.swap.max | head -1)" ]
}

@test "update: each flag, as runc's" {
	command -v runc >/dev/null || skip "runc is not installed"
	rt_open_paths
	begin
	edit --arg c "/$CGROUP/runc" '.linux.cgroupsPath = $c'
	runc --root "$BATS_TEST_TMPDIR/runc" --log "$BATS_TEST_TMPDIR/log" run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- || { cat "$BATS_TEST_TMPDIR/log"; false; }
	while read -r -a flags; do
		echo "${flags[*]}"
		[ "${flags[0]}" != swap ] || { has_swap_limit || continue; flags=("${flags[@]:1}"); }
		rt update "${flags[@]}" "$ID"
		runc --root "$BATS_TEST_TMPDIR/runc" update "${flags[@]}" "$ID" 3>&-
		# shellcheck disable=SC2086
		diff <(values "$CGROUP/$ID" $MEMORY $CPU pids.max) <(values "$CGROUP/runc" $MEMORY $CPU pids.max)
	done <<-'END'
		--memory 32M
		swap --memory 100M --memory-swap 200M
		swap --memory 300M --memory-swap 300M
		swap --memory 20M --memory-swap 30M
		swap --memory 20M --memory-swap 25M
		swap --memory 20M --memory-swap -1
		--memory 33554432
		--memory-reservation 16M
		--cpu-share 512
		--cpu-quota 20000
		--cpu-period 50000
		--cpu-quota 30000 --cpu-period 100000
		--cpu-quota -1
		--cpuset-cpus 0
		--cpuset-mems 0
		--pids-limit 33
		--pids-limit -1
		--memory -1
	END
	runc --root "$BATS_TEST_TMPDIR/runc" delete -f "$ID"
	rt delete -f "$ID"
	nothing_left
}

@test "update --resources: a file, stdin; state.json keeps the sum" {
	begin
	echo '{"memory": {"limit": 50331648, "swap": 50331648}, "pids": {"limit": 20}, "cpu": {"shares": 300}, "devices": null}' >"$BATS_TEST_TMPDIR/r.json"
	rt update --resources "$BATS_TEST_TMPDIR/r.json" "$ID"
	values "$CGROUP/$ID" memory.limit_in_bytes memory.max | grep -q 50331648
	values "$CGROUP/$ID" pids.max | grep -q 'pids.max 20 '
	echo '{"pids": {"limit": 21}, "blockIO": {}, "devices": [{"allow": true, "access": "rwm"}]}' | rt update -r - "$ID"
	rt update --cpu-quota 40000 "$ID"
	values "$CGROUP/$ID" pids.max | grep -q 'pids.max 21 '
	[ "$(jq -c '.resources | [.memory.limit, .pids.limit, .cpu.shares, .cpu.quota, .cpu.period]' "$ROOT/$ID/state.json")" = '[50331648,21,300,40000,100000]' ]
	# the device rules are those of before, and the state is a state
	[ "$(status_of "$ID")" = running ]
	run rt exec "$ID" sh -c 'echo x >/dev/null && mknod /tmp/sda b 8 0'
	[ "$status" -ne 0 ]
	rt delete -f "$ID"
	nothing_left
}

@test "update: nonsense is refused before anything is written" {
	begin
	# shellcheck disable=SC2086
	before=$(values "$CGROUP/$ID" $MEMORY $CPU pids.max)
	while IFS='~' read -r flags words; do
		# shellcheck disable=SC2086
		run rt update $flags "$ID"
		echo "$flags: $status $output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"$words"* ]]
		[ "$before" = "$(values "$CGROUP/$ID" $MEMORY $CPU pids.max)" ]
		[ "$(jq .resources "$ROOT/$ID/state.json")" = null ]
	done <<-'END'
		--memory x~--memory
		--memory 64m --memory-swap 32m~below
		--memory 128m~swap limit too
		--memory-swap 1m~below
		--memory-reservation 1g~above its limit
		--pids-limit many~--pids-limit
		--cpu-quota 1~below 1000
		--cpu-period 1~within 1000
		--cpuset-cpus 0-x~list of cpus
		--cpuset-cpus 4000~cpuset.cpus
		--pids-limit 5 --cpuset-cpus 4000~cpuset.cpus
		--cpu-share 77 --cpuset-mems 900~cpuset.mems
		--blkio-weight 5~within 10
		--l3-cache-schema x~RDT
		--nosuch 1~unknown option
		--memroy 1~did you mean --memory?
		--pids-limit 1 --pids-limit 2~given twice
		--memory 32m --memory-swap 32m --cpuset-cpus 4000~cpuset.cpus
		-r /nosuch~/nosuch
	END
	for text in '' '[]' '{' '{"memory": 1}' '{"memory": {"limit": "1"}}' '{"pids": {"limit": 1.5}}' '{"unified": {"../x": "1"}}'; do
		echo "$text" >"$BATS_TEST_TMPDIR/r.json"
		run rt update -r "$BATS_TEST_TMPDIR/r.json" "$ID"
		echo "$text: $status $output"
		[ "$status" -eq 1 ]
	done
	run rt update "$ID"
	[ "$status" -eq 0 ]
	rt delete -f "$ID"
	run rt update --pids-limit 5 "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *'does not exist'* ]]
	nothing_left
}

@test "update: less memory than is used, where the specification's check is asked for" {
	begin '.process.args = ["sh", "-c", "dd if=/dev/zero of=/tmp/f bs=1M count=16 2>/dev/null; echo done >/work/done; exec sleep 300"]'
	for i in $(seq 600); do [ -e "$BUNDLE/work/done" ] && break; sleep 0.05; done
	echo '{"memory": {"limit": 4194304, "swap": 4194304, "checkBeforeUpdate": true}}' >"$BATS_TEST_TMPDIR/r.json"
	run rt update -r "$BATS_TEST_TMPDIR/r.json" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"bytes of memory"* ]]
	values "$CGROUP/$ID" memory.limit_in_bytes memory.max | grep -q 67108864
	[ "$(status_of "$ID")" = running ]
	rt delete -f "$ID"
	nothing_left
}

@test "update: created and paused containers, not stopped ones" {
	bundle sleep 300
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt update --pids-limit 11 "$ID"
	values "$CGROUP/$ID" pids.max | grep -q 'pids.max 11 '
	rt start "$ID"
	rt pause "$ID"
	rt update --pids-limit 12 "$ID"
	values "$CGROUP/$ID" pids.max | grep -q 'pids.max 12 '
	[ "$(status_of "$ID")" = paused ]
	rt kill "$ID" KILL
	rt resume "$ID" || true # v2 ends what is frozen, v1 does not
	wait_status "$ID" stopped
	run rt update --pids-limit 13 "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"in the stopped state"* ]]
	rt delete "$ID"
	nothing_left
}
