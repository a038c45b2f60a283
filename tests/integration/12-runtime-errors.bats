#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime given wrong bundles, wrong ids, and a KILL at any moment: a clear error, and nothing half-made.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

# create, with its output in $output. To a file: an init that should not have been made would hold a pipe of bats open.
try_create() {
	status=0
	rt create "$@" </dev/null >"$BATS_TEST_TMPDIR/try" 2>&1 || status=$?
	mapfile -t lines <"$BATS_TEST_TMPDIR/try"
	output=$(cat "$BATS_TEST_TMPDIR/try")
}

# The bundle is refused with these words, and nothing is left.
refused() {
	try_create -b "$BUNDLE" "$ID"
	echo "$1: $status $output"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$1"* ]]
	nothing_left
}

@test "config.json that is no configuration" {
	bundle true
	cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/good"
	rm "$BUNDLE/config.json"
	refused config.json
	: >"$BUNDLE/config.json"
	refused config.json
	for n in 1 10 100 1000; do
		head -c $n "$BATS_TEST_TMPDIR/good" >"$BUNDLE/config.json"
		refused config.json
	done
	for text in '[]' '1' '"x"' 'null' '{}' '{"ociVersion": "1.0.2"}' '{"ociVersion": "2.0.0"}' '{"ociVersion": 1}' 'x' '{"a":1}{"b":2}' '{"a":1,"a":2}'; do
		echo "$text" >"$BUNDLE/config.json"
		refused config.json
	done
	{ printf '{"ociVersion": "1.0.2", "x": "'; head -c 10000000 /dev/zero | tr '\0' x; printf '"}'; } >"$BUNDLE/config.json"
	refused config.json
	{ printf '{"a":'; head -c 100000 /dev/zero | tr '\0' '['; } >"$BUNDLE/config.json"
	refused config.json
	sed 's/"true"/"tr\\u0000ue"/' "$BATS_TEST_TMPDIR/good" >"$BUNDLE/config.json"
	refused config.json
	head -c 100000 /dev/urandom >"$BUNDLE/config.json"
	refused config.json
	rm "$BUNDLE/config.json"
	mkdir "$BUNDLE/config.json"
	refused config.json
	rmdir "$BUNDLE/config.json"
	ln -s "$BATS_TEST_TMPDIR/good" "$BUNDLE/config.json"
	refused config.json
	rm "$BUNDLE/config.json"
	mkfifo "$BUNDLE/config.json"
	refused config.json
}

@test "members of the wrong type or value" {
	while IFS='~' read -r change words; do
		bundle true
		edit "$change"
		refused "$words"
	done <<-'END'
		.process = []~process
		.process.args = "sh"~process.args
		.process.args = []~process.args
		.process.args = [1]~process.args[0]
		.process.args = [""]~process.args[0]
		.process.env = {}~process.env
		.process.env = ["A=1", 2]~process.env[1]
		.process.cwd = "work"~not an absolute path
		del(.process.cwd)~process.cwd
		.process.user.uid = -1~process.user.uid
		.process.user.uid = 4294967296~process.user.uid
		.process.user.uid = "0"~process.user.uid
		.process.user.uid = 1.5~process.user.uid
		.process.user.uid = 5~not mapped
		.process.user.additionalGids = [7]~not mapped
		.process.user.additionalGids = [-7]~additionalGids
		.process.user.umask = 4096~umask
		.process.oomScoreAdj = 5000~oomScoreAdj
		.process.rlimits = [{type: "RLIMIT_NONE", soft: 1, hard: 1}]~RLIMIT_NONE
		.process.rlimits = [{type: "RLIMIT_CPU", soft: 2, hard: 1}]~RLIMIT_CPU
		.process.rlimits = [{type: "RLIMIT_CPU", soft: 1, hard: 1}, {type: "RLIMIT_CPU", soft: 1, hard: 1}]~given twice
		.process.rlimits = [{type: "RLIMIT_CPU", soft: -1, hard: 1}]~soft
		.process.capabilities.effective = ["CAP_X"]~CAP_X
		.process.noNewPrivileges = "yes"~noNewPrivileges
		.process.apparmorProfile = "x"~apparmorProfile
		.process.selinuxLabel = "x"~selinuxLabel
		.root = null~root
		.root.path = ""~root.path
		.root.path = "/nosuch"~/nosuch
		.root.path = "/etc/hostname"~not a directory
		.mounts = {}~mounts
		.mounts = [1]~mounts[0]
		.mounts += [{type: "tmpfs"}]~destination
		.mounts += [{destination: "/x", type: "nosuchfs"}]~nosuchfs
		.mounts += [{destination: "/tmp", type: "tmpfs", options: ["nosuchoption=1"]}]~nosuchoption
		.mounts += [{destination: "/tmp", type: "bind", source: "/nosuch/dir"}]~/nosuch/dir
		.mounts += [{destination: "/tmp", type: "bind"}]~source
		.mounts += [{destination: "/proc/self", type: "bind", source: "/tmp"}]~nothing may be mounted there
		.mounts += [{destination: "/proc", type: "tmpfs", source: "tmpfs"}]~nothing may be mounted there
		.mounts += [{destination: "/nosuch/dir", type: "tmpfs", source: "tmpfs"}]~/nosuch/dir
		.linux.namespaces += [{type: "pid"}]~given twice
		.linux.namespaces += [{type: "x"}]~unknown type
		.linux.namespaces |= map(select(.type != "mount"))~mount namespace
		.linux.namespaces |= map(if .type == "network" then .path = "/nosuch" else . end)~/nosuch
		.linux.namespaces |= map(if .type == "network" then .path = "/etc/hostname" else . end)~/etc/hostname
		.linux.namespaces |= map(select(.type != "uts"))~UTS
		.linux.namespaces |= map(select(.type != "user"))~user namespace
		.linux.uidMappings = [{containerID: 0, hostID: 0, size: 0}]~uidMappings
		.linux.uidMappings = [{containerID: 1, hostID: 0, size: 1}]~must map 0
		.linux.uidMappings = [{containerID: 0, hostID: 4294967295, size: 2}]~uidMappings
		.linux.cgroupsPath = "/../../x"~cgroup
		.linux.cgroupsPath = "system.slice:joblet:x"~systemd
		.linux.resources.memory.limit = "64M"~memory.limit
		.linux.resources.memory.limit = 18446744073709551615~64 bits
		.linux.resources.devices = [{allow: true, type: "x", access: "rwm"}]~devices
		.linux.resources.devices = [{allow: true, access: "x"}]~devices
		.linux.seccomp = {}~defaultAction
		.linux.seccomp = {defaultAction: "SCMP_ACT_X"}~SCMP_ACT_X
		.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"]}]}~action
		.linux.rootfsPropagation = "x"~rootfsPropagation
		.linux.intelRdt = {}~intelRdt
		.hostname = "0123456789012345678901234567890123456789012345678901234567890123456789"~hostname
		.annotations = {a: 1}~annotations
		.hooks.createContainer = [{path: "/no/such/hook"}]~/no/such/hook
		.hooks.prestart = [{path: "true"}]~not absolute
	END
}

@test "ids that are none" {
	bundle true
	for id in '' . .. a/b ../x 'a b' $'a\nb' 'a;b' "$(printf 'x%.0s' $(seq 300))" -- é 'a,b' '@seccomp'; do
		try_create -b "$BUNDLE" "$id"
		[ "$status" -eq 1 ]
		run rt state "$id"
		[ "$status" -eq 1 ]
		run rt delete --force "$id"
		[ "$status" -eq 1 ]
	done
	try_create -b "$BUNDLE"
	[ "$status" -eq 1 ]
	try_create -b "$BUNDLE" a b
	[ "$status" -eq 1 ]
	nothing_left
	for id in a A.b-c_d+e 0; do
		rt run -b "$BUNDLE" "$id"
	done
	nothing_left
}

@test "a bundle, pid file, console or log that is not there" {
	try_create -b /nosuch "$ID"
	[ "$status" -eq 1 ]
	[[ $output == */nosuch* ]]
	bundle true
	try_create -b "$BUNDLE" --pid-file /nosuch/dir/pid "$ID"
	[ "$status" -eq 1 ]
	[[ $output == */nosuch/dir/pid* ]]
	nothing_left
	run rt --log /nosuch/log state x
	[ "$status" -eq 1 ]
	[[ $output == */nosuch/log* ]]
	edit '.process.terminal = true'
	try_create -b "$BUNDLE" --console-socket /nosuch/socket "$ID"
	[ "$status" -eq 1 ]
	nothing_left
	try_create -b "$BUNDLE" --no-pivot "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *no-pivot* ]]
}

@test "a create that is killed at any moment leaves what delete removes" {
	bundle sleep 60
	for delay in 0 0.001 0.002 0.003 0.004 0.005 0.006 0.008 0.010 0.012 0.015 0.02; do
		for again in 1 2 3; do
			"$RUNTIME" --root "$ROOT" create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
			pid=$!
			sleep $delay
			kill -KILL $pid 2>/dev/null || true
			wait $pid 2>/dev/null || true
			rt delete --force "$ID"
			nothing_left
		done
	done
}

@test "a killed create without --force: the half-made container is stopped or created, and goes" {
	bundle sleep 60
	for delay in 0.002 0.004 0.006 0.009; do
		"$RUNTIME" --root "$ROOT" create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
		pid=$!
		sleep $delay
		kill -KILL $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		[ -e "$ROOT/$ID" ] || continue
		[[ $(status_of "$ID") =~ ^(stopped|created|creating)$ ]]
		try_create -b "$BUNDLE" "$ID"
		[ "$status" -eq 1 ]
		rt delete "$ID"
		nothing_left
	done
}

@test "many at the same moment, and two of the same id" {
	for i in $(seq 12); do
		mkdir -p "$BATS_TEST_TMPDIR/b$i"
		bundle sh -c "exit $i"
		jq --arg c "/$CGROUP/m$i" '.linux.cgroupsPath = $c' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/b$i/config.json"
		"$RUNTIME" --root "$ROOT" run -b "$BATS_TEST_TMPDIR/b$i" "m$i" </dev/null >/dev/null 2>&1 3>&- &
		pids[i]=$!
	done
	for i in $(seq 12); do
		rc=0
		wait "${pids[i]}" || rc=$?
		[ "$rc" -eq "$i" ]
	done
	nothing_left
	bundle sleep 60
	for i in 1 2 3 4; do
		"$RUNTIME" --root "$ROOT" create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
		pids[i]=$!
	done
	good=0
	for i in 1 2 3 4; do wait "${pids[i]}" && good=$((good + 1)) || true; done
	[ "$good" -eq 1 ]
	[ "$(status_of "$ID")" = created ]
	for i in 1 2 3 4; do
		"$RUNTIME" --root "$ROOT" start "$ID" </dev/null >/dev/null 2>&1 3>&- &
		pids[i]=$!
	done
	good=0
	for i in 1 2 3 4; do wait "${pids[i]}" && good=$((good + 1)) || true; done
	[ "$good" -eq 1 ]
	rt delete -f "$ID"
	nothing_left
}

@test "a state file that is damaged is an error, and nothing is guessed" {
	bundle sleep 60
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	pid=$(rt state "$ID" | jq .pid)
	cp "$ROOT/$ID/state.json" "$BATS_TEST_TMPDIR/saved"
	echo '{' >"$ROOT/$ID/state.json"
	run rt state "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *state.json* || $output == *"state of the container"* ]]
	run rt delete "$ID"
	[ "$status" -eq 1 ]
	kill -0 "$pid"
	# the process number of somebody else is never signalled: the start time does not match
	jq '.startTime = 1' "$BATS_TEST_TMPDIR/saved" >"$ROOT/$ID/state.json"
	run rt kill "$ID" KILL
	[ "$status" -eq 1 ]
	kill -0 "$pid"
	# the others are listed all the same
	[ "$(rt list -q)" = "$ID" ]
	# --force finds the processes by the cgroup, and takes nothing away when it cannot find them
	for damage in '' '{' '[]' '{"pid": "x"}' "$(head -c 300 /dev/urandom | base64)"; do
		echo "$damage" >"$ROOT/$ID/state.json"
		mv "$ROOT/$ID/config.json" "$BATS_TEST_TMPDIR/config"
		run rt delete --force "$ID"
		[ "$status" -eq 1 ]
		kill -0 "$pid"
		mv "$BATS_TEST_TMPDIR/config" "$ROOT/$ID/config.json"
		rt delete --force "$ID"
		nothing_left
		! kill -0 "$pid" 2>/dev/null || [ "$(ps -o stat= -p "$pid" | cut -c1)" = Z ]
		rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
		pid=$(rt state "$ID" | jq .pid)
	done
	rt delete -f "$ID"
	nothing_left
}

@test "what a container without a pid namespace left running goes with it" {
	plain_bundle sh -c 'sleep 300 & exec sleep 300'
	edit '.linux.namespaces |= map(select(.type != "pid"))'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(rt ps -f json "$ID" | jq length)" -ge 1 ]
	rt kill "$ID" KILL
	wait_status "$ID" stopped
	rt delete "$ID"
	nothing_left
}

@test "one that init's memory limit ends while it is set up is an error" {
	bundle true
	edit '.linux.resources.memory = {limit: 4096, swap: 4096}'
	try_create -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	nothing_left
}
