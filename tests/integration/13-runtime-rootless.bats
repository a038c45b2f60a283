#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime without root: as an ordinary user with its own id alone and with subordinate ids, and as uid 0 of a user namespace that
# somebody else made, which is how podman calls it.
bats_require_minimum_version 1.5.0
load helpers/runtime
load helpers/rootless

setup_file() { rt_setup_file; rl_setup_file; }
setup() { rl_setup; }
teardown() {
	[ -z "${OTHER:-}" ] || pkill -KILL -P "$OTHER" || true
	rt_teardown
}

# What the program prints about itself, one `name value` a line.
ABOUT='for k in Uid Gid Groups CapPrm CapEff CapBnd NoNewPrivs; do
		sed -n "s/^$k:[[:space:]]*//p" /proc/self/status | tr -s "\t " "  " | sed "s/^/$k /; s/ *\$//"
	done
	sed "s/^ */uid_map /" /proc/self/uid_map | tr -s " "
	sed "s/^/setgroups /" /proc/self/setgroups'

start_sleeper() {
	rl_bundle sh -c 'sleep 1000 & while :; do sleep 1000; done'
	edit "${1:-.}"
	rl create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rl start "$ID"
}

@test "the own id alone: no helper, setgroups denied, nothing of the caller's but its groups" {
	rl_bundle sh -c "$ABOUT"
	RL_GROUPS=7,8 run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 'Uid 0 0 0 0' ]
	[ "${lines[1]}" = 'Gid 0 0 0 0' ]
	[ "${lines[2]}" = 'Groups 65534 65534' ]
	[ "${lines[3]}" = 'CapPrm 0000000000000000' ]
	[ "${lines[5]}" = 'CapBnd 0000000000000000' ]
	[ "${lines[6]}" = 'NoNewPrivs 1' ]
	[ "${lines[7]}" = "uid_map 0 $USER_ID 1" ]
	[ "${lines[8]}" = 'setgroups deny' ]
	nothing_left
}

@test "subordinate ids: newuidmap and newgidmap map them, groups are given up and set" {
	rl_bundle sh -c "$ABOUT"
	map_range
	edit '.process.user = {uid: 1000, gid: 100, additionalGids: [5, 65535]}'
	RL_GROUPS=7,8 run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 'Uid 1000 1000 1000 1000' ]
	[ "${lines[1]}" = 'Gid 100 100 100 100' ]
	[ "${lines[2]}" = 'Groups 5 65535' ]
	[ "${lines[7]}" = "uid_map 0 $USER_ID 1" ]
	[ "${lines[8]}" = "uid_map 1 $SUB_BASE $SUB_COUNT" ]
	[ "${lines[9]}" = 'setgroups allow' ]
	nothing_left
}

@test "ids that are not the user's are refused, by the helper or for the lack of one" {
	rl_bundle true
	map_range
	edit '.linux.uidMappings[1].hostID = 1'
	run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *'/etc/subuid'*newuidmap* ]]
	map_range
	run as_user timeout 30 env PATH=/nowhere "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *'newuidmap is needed'*uidmap* ]]
	nothing_left
	# root's id, without a helper
	map_own
	edit '.linux.uidMappings[0].hostID = 0'
	run rl run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	nothing_left
}

@test "bundles that need more than a user has are refused with what to do" {
	local rows=(
		'.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)|user namespace of its own'
		'del(.linux.uidMappings, .linux.gidMappings)|must say which'
		'.linux.namespaces += [{type: "time"}]|time namespace'
		'.linux.namespaces |= map(if .type == "network" then .path = "/proc/1/ns/net" else . end)|cannot join the net namespace'
		'.process.user.additionalGids = [0]|denies setgroups'
		'.process.oomScoreAdj = -1000|oom_score_adj'
		'.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 999999999, hard: 999999999}]|resource limit'
	)
	local row
	for row in "${rows[@]}"; do
		rl_bundle true
		edit "${row%%|[a-z]*}"
		run rl run -b "$BUNDLE" "$ID"
		echo "$row: $status $output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"${row##*|}"* ]]
		nothing_left
	done
}

@test "without rights on any cgroup: none, unless a path or a limit asks for one" {
	start_sleeper
	[ "$(jq -r .cgroup "$ROOT/$ID/state.json")" = null ]
	run rl pause "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *'has no cgroup'* ]]
	rl delete -f "$ID"
	nothing_left
	rl_bundle true
	edit --arg c "/$CGROUP/$ID" '.linux.cgroupsPath = $c'
	run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *cgroup*'Permission denied'* ]]
	nothing_left
	rl_bundle true
	edit '.linux.resources.pids.limit = 10'
	run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *'asks for a pids limit'*'may not make a cgroup'* ]]
	nothing_left
	run rl --cgroup-manager disabled run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *'cgroups are disabled'* ]]
	run rl --rootless=false run -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	nothing_left
}

@test "state, ps, kill and delete of a container without a cgroup" {
	start_sleeper
	[ "$(rl state "$ID" | jq -r .status)" = running ]
	# the shell and its two children
	wait_for 3 rl_pids
	[[ $(rl ps "$ID" | head -1) == *PID* ]]
	[ "$(rl_pids)" -eq 3 ]
	pid=$(rl state "$ID" | jq .pid)
	rl ps -f json "$ID" | jq -e --argjson p "$pid" 'index($p) != null'
	# a process of the user's in another pid namespace is no member
	as_user unshare -rpf --kill-child sleep 1000 3>&- &
	OTHER=$!
	[ "$(rl_pids)" -eq 3 ]
	pkill -KILL -P "$OTHER"
	wait "$OTHER" || true
	OTHER=
	rl kill -a "$ID" KILL
	wait_status "$ID" stopped
	[ ! -e "/proc/$pid" ] || [ "$(awk '{ print $3 }' "/proc/$pid/stat")" = Z ]
	rl delete "$ID"
	nothing_left
}

rl_pids() {
	rl ps -f json "$ID" | jq length
}

# wait_for VALUE COMMAND…: until it prints that.
wait_for() {
	local want=$1 i
	shift
	for i in $(seq 300); do
		[ "$("$@")" = "$want" ] && return 0
		sleep 0.1
	done
	echo "$*: $("$@"), not $want"
	return 1
}

@test "the default root is below XDG_RUNTIME_DIR" {
	rl_bundle sh -c 'while :; do sleep 1000; done'
	as_user "$RUNTIME" create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(stat -c %u:%a "$RL_DIR/run/joblet-runtime/$ID")" = "$USER_ID:700" ]
	[ "$(as_user "$RUNTIME" list -q)" = "$ID" ]
	# what another user's runtime remembers is no concern of root's
	run rt state "$ID"
	[ "$status" -eq 1 ]
	as_user "$RUNTIME" delete -f "$ID"
	run as_user env -u XDG_RUNTIME_DIR "$RUNTIME" run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *'set XDG_RUNTIME_DIR'* ]]
}

@test "mounts without rights on the host: devices, terminals, filesystems of shared namespaces" {
	rl_bundle sh -c 'echo hello >/dev/null && head -c 4 /dev/zero | wc -c && stat -c %t:%T /dev/null && ls /dev/pts/ptmx &&
		ls -d /sys/class /dev/mqueue && cat /proc/self/comm && grep -c . /proc/net/dev && ! touch /sys/x 2>/dev/null &&
		touch /work/made && grep " /sys " /proc/self/mountinfo | cut -d" " -f6'
	edit '.linux.namespaces |= map(select(.type != "network" and .type != "pid")) |
	      .mounts |= map(if .type == "devpts" then .options += ["gid=5"] else . end) |
	      .mounts += [{destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]}]'
	run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 4 ]
	[ "${lines[1]}" = 1:3 ]
	[ "${lines[6]}" != '' ]
	[[ ${lines[-1]} == ro,*nosuid* ]]
	[ "$(stat -c %u "$BUNDLE/work/made")" = $USER_ID ]
	nothing_left
}

@test "a cgroup mount without a cgroup shows the caller's, read-only" {
	rl_bundle sh -c 'ls /sys/fs/cgroup | grep -c . && ! mkdir /sys/fs/cgroup/x 2>/dev/null && cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs 2>/dev/null | grep -c .'
	edit '.mounts += [{destination: "/sys", type: "tmpfs", source: "tmpfs"}, {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup"}]'
	run rl run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" -gt 0 ]
	nothing_left
}

@test "a terminal" {
	rl_bundle sh -c 'tty; stat -c %u $(tty)'
	edit '.process.terminal = true'
	python3 - "$BATS_TEST_TMPDIR/console" >"$BATS_TEST_TMPDIR/out" 3>&- <<-'END' &
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		os.chmod(sys.argv[1], 0o666)
		s.listen(1)
		c = s.accept()[0]
		data, control, _, _ = c.recvmsg(100, 100)
		fd = array.array('i', control[0][2])[0]
		out = b''
		try:
		    while True:
		        more = os.read(fd, 1000)
		        if not more: break
		        out += more
		except OSError:
		    pass
		print(out.decode())
	END
	wait_for yes sh -c "[ -S '$BATS_TEST_TMPDIR/console' ] && echo yes"
	rl run -b "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/console" "$ID" </dev/null
	wait $!
	grep -q /dev/pts/0 "$BATS_TEST_TMPDIR/out"
	nothing_left
}

@test "stdio that is a pipe belongs to the container's user" {
	rl_bundle sh -c 'echo through >/dev/stdout'
	map_range
	edit '.process.user = {uid: 1000, gid: 1000}'
	# a pipe of the user's
	as_user sh -c 'timeout 60 "$@" </dev/null | grep -x through' sh "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
	nothing_left
}

@test "uid 0 of somebody's user namespace: the bundle has none, or one more" {
	local about="$ABOUT" with
	for with in none own; do
		rl_bundle sh -c "$about; stat -c %t:%T /dev/null"
		case $with in
		none) edit '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)' ;;
		own) edit '.linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}] | .linux.gidMappings = .linux.uidMappings' ;;
		esac
		RL_GROUPS=7 run as_user unshare -rm --propagation unchanged timeout 30 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
		echo "$with: $output"
		[ "$status" -eq 0 ]
		[ "${lines[0]}" = 'Uid 0 0 0 0' ]
		[ "${lines[2]}" = 'Groups 65534' ]
		[ "${lines[5]}" = 'CapBnd 0000000000000000' ]
		[ "${lines[-1]}" = 1:3 ]
		nothing_left
	done
}

@test "uid 0 of a user namespace with no mappings in the bundle: the same ids again" {
	rl_bundle sh -c "$ABOUT"
	edit 'del(.linux.uidMappings, .linux.gidMappings)'
	run as_user unshare -rm --propagation unchanged timeout 30 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *'uid_map 0 0 1'* ]]
	nothing_left
}

@test "uid 0 of a user namespace joins namespaces by path" {
	rl_bundle sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname'
	edit '.linux.namespaces |= map(select(.type != "user") | if .type == "network" then .path = "/JOINED/net" elif .type == "uts" then .path = "/JOINED/uts" else . end) |
	      del(.linux.uidMappings, .linux.gidMappings, .hostname)'
	# namespaces of this user namespace's own, and back home is not possible
	run as_user unshare -rm --propagation unchanged sh -c '
		unshare -un sh -c "hostname inner; exec sleep 1000" & q=$!
		i=0; while [ "$(nsenter -u -t $q hostname 2>/dev/null)" != inner ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done
		sed "s|/JOINED|/proc/$q/ns|" "$2/config.json" >"$2/config.new" && mv "$2/config.new" "$2/config.json"
		readlink /proc/$q/ns/net
		"$0" --root "$1" run -b "$2" "$3"; rc=$?
		kill $q
		exit $rc' "$RUNTIME" "$ROOT" "$BUNDLE" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "${lines[1]}" ]
	[ "${lines[3]}" = inner ]
	nothing_left
}

@test "killed at any point: nothing of the container lives on" {
	local i delay
	rl_bundle sh -c 'while :; do sleep 1000; done'
	map_range
	for i in 1 2 3 4 5 6 7 8; do
		delay=0.0$((i * 7))
		as_user timeout -s KILL "$delay" "$RUNTIME" --root "$ROOT" create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- || true
		rl delete -f "$ID"
		nothing_left
	done
}
