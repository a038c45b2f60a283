#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime: fields of the runtime-spec that take more than one look at the probe's output: what has another end, a moment, or a life of its own.
# helpers/spec_fields.txt names these tests.
bats_require_minimum_version 1.5.0
load helpers/runtime
load helpers/spec_table

setup_file() {
	rt_setup_file
	cp "$PROBE" "$ROOTFS/bin/"
	echo one >"$ROOTFS/etc/which"
}
setup() { rt_setup; }
teardown() { rt_teardown; }

@test "terminal: size, controlling terminal, console" {
	plain_bundle joblet-probe --stat /dev/console
	edit '.process.terminal = true | .process.consoleSize = {height: 33, width: 77} | .process.user = {uid: 1000, gid: 5}'
	python3 "$JOBLET_SOURCE/tests/integration/helpers/runtime_tool.py" console "$BATS_TEST_TMPDIR/console" >"$BATS_TEST_TMPDIR/seen" 3>&- &
	tool=$!
	for _ in $(seq 600); do [ -S "$BATS_TEST_TMPDIR/console" ] && break; sleep 0.05; done
	rt run -b "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/console" "$ID" </dev/null
	wait $tool
	[ "$(head -1 "$BATS_TEST_TMPDIR/seen")" = /dev/pts/0 ]
	tail -n +2 "$BATS_TEST_TMPDIR/seen" | jq -e '.tty == {rows: 33, cols: 77, name: "/dev/pts/0", controlling: true} and
		.fds == {"0": "/dev/pts/0", "1": "/dev/pts/0", "2": "/dev/pts/0"} and
		.stat["/dev/console"].type == "char" and .stat["/dev/console"].uid == 1000'
	# without a terminal the size means nothing
	plain_bundle joblet-probe
	edit '.process.terminal = false | .process.consoleSize = {height: 33, width: 77}'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.tty == null'
}

@test "hooks: six kinds, each at its moment, in order, with the state on stdin" {
	local log=$BATS_TEST_TMPDIR/log
	mkdir -p "$BATS_TEST_TMPDIR/rootfs"
	cp -a "$ROOTFS/." "$BATS_TEST_TMPDIR/rootfs"
	# says which hook it is, what it was given, and where it runs: namespace, root, user, whether the mounts are there
	cat >"$BATS_TEST_TMPDIR/hook" <<-'EOF'
		#!/bin/sh
		printf '{"name": "%s", "args": "%s", "env": "%s", "mnt": "%s", "uid": %s, "inside": %s, "pid1": "%s", "state": %s}\n' "$1" "$*" "$ENV_OF" \
			"$(readlink /proc/self/ns/mnt)" "$(id -u)" "$([ -e /etc/which ] && echo true || echo false)" "$(readlink /proc/self)" "$(cat)" >>"$LOG"
	EOF
	chmod 755 "$BATS_TEST_TMPDIR/hook"
	cp "$BATS_TEST_TMPDIR/hook" "$BATS_TEST_TMPDIR/rootfs/bin/hook"
	: >"$log" && chmod 666 "$log" && chmod 711 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" 
	plain_bundle sh -c 'cat /log/log >/dev/null; sleep 1000'
	edit --arg hook "$BATS_TEST_TMPDIR/hook" --arg log "$log" --arg dir "$BATS_TEST_TMPDIR" '
		.root.path = $dir + "/rootfs" | .process.user = {uid: 1000, gid: 1000} | .annotations = {"a.b": "c"} |
		.mounts += [{destination: "/log", type: "bind", source: $dir, options: ["bind"]}] |
		.hooks = (["prestart", "createRuntime", "createContainer", "poststart", "poststop"] | map({key: ., value: [
			{path: $hook, args: ["name-of-\(.)", ., "first"], env: ["LOG=\($log)", "ENV_OF=\(.)", "PATH=/usr/bin:/bin"], timeout: 30},
			{path: $hook, args: ["x", ., "second"], env: ["LOG=\($log)", "PATH=/usr/bin:/bin"]}]}) | from_entries) |
		.hooks.startContainer = [{path: "/bin/hook", args: ["x", "startContainer"], env: ["LOG=/log/log", "PATH=/bin", "ENV_OF=startContainer"]}]'
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err" || { cat "$BATS_TEST_TMPDIR/err"; false; }
	[ "$(jq -r .name "$log" | paste -sd' ')" = "prestart prestart createRuntime createRuntime createContainer createContainer" ]
	pid=$(rt state "$ID" | jq .pid)
	rt start "$ID"
	[ "$(jq -r .name "$log" | tail -n +7 | paste -sd' ')" = "startContainer poststart poststart" ]
	inside=$(readlink "/proc/$pid/ns/mnt")
	rt delete -f "$ID"
	cat "$log"
	[ "$(jq -r .name "$log" | tail -n +10 | paste -sd' ')" = "poststop poststop" ]
	jq -se --arg inside "$inside" --arg host "$(readlink /proc/self/ns/mnt)" --argjson pid "$pid" --arg id "$ID" --arg bundle "$BUNDLE" '
		def of(n): map(select(.name == n));
		(.[0].args == "prestart first" and .[1].args == "prestart second" and .[0].env == "prestart" and .[1].env == "") and
		all(.[]; .state.id == $id and .state.bundle == $bundle and .state.annotations == {"a.b": "c"} and .state.ociVersion == "1.0.2") and
		(of("prestart") + of("createRuntime") | all(.[]; .mnt == $host and .state.status == "creating" and .state.pid == $pid and (.inside | not))) and
		(of("createContainer") | all(.[]; .mnt == $inside and .state.status == "creating" and .state.pid == 1 and (.inside | not))) and
		(of("startContainer") | all(.[]; .mnt == $inside and .state.status == "created" and .state.pid == 1 and .inside and .uid == 1000)) and
		(of("poststart") | all(.[]; .mnt == $host and .state.status == "running" and .state.pid == $pid)) and
		(of("poststop") | all(.[]; .mnt == $host and .state.status == "stopped"))' "$log"
	nothing_left
}

@test "hooks: one that fails stops what it stands before, and leaves nothing" {
	for kind in prestart createRuntime createContainer startContainer; do
		plain_bundle sh -c 'echo ran'
		edit --arg k $kind '.hooks[$k] = [{path: "/bin/false"}]'
		run_bundle
		[ "$status" -eq 1 ] && [[ $output == *"$kind: the hook /bin/false failed with exit status 1"* ]] && [[ $output != *ran* ]] || { echo "$kind $output"; false; }
		nothing_left
		edit --arg k $kind '.hooks[$k] = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'
		run_bundle
		[ "$status" -eq 1 ] && [[ $output == *"longer than 1 second"* ]] && [[ $output != *ran* ]] || { echo "$kind $output"; false; }
		nothing_left
	done
	for kind in poststart poststop; do
		plain_bundle sh -c 'echo ran'
		edit --arg k $kind '.hooks[$k] = [{path: "/bin/false"}]'
		run_bundle
		[ "$status" -eq 0 ] && [[ $output == *ran* ]] && [[ $output == *"$kind: the hook /bin/false failed"* ]] || { echo "$kind $output"; false; }
	done
	nothing_left
}

@test "propagation: of the root" {
	spec_bundle plain
	for kind in private rprivate slave rslave shared rshared unbindable runbindable; do
		edit --arg k $kind '.linux.rootfsPropagation = $k'
		in_tree timeout 30 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/seen" 3>&-
		jq -e --arg k ${kind#r} '.mounts[0].propagation as $p | {private: ($p == "private"), slave: true, shared: ($p | test("^shared:")),
			unbindable: ($p == "unbindable")}[$k]' "$BATS_TEST_TMPDIR/seen" || { jq .mounts[0] "$BATS_TEST_TMPDIR/seen"; echo $kind; false; }
	done
	# what the host mounts below a slave root is seen, what the container mounts does not come back
	edit '.linux.rootfsPropagation = "rslave" | .root.path = "tree" | .root.readonly = false | .process.args = ["/joblet-probe"] | .process.cwd = "/"'
	cp "$PROBE" "$BATS_TEST_TMPDIR/probe"
	in_tree sh -ec 'cp "$1" "$2/tree/joblet-probe"; shift 2; exec "$@"' sh "$BATS_TEST_TMPDIR/probe" "$BUNDLE" \
		timeout 30 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/seen" 3>&-
	jq -e '.mounts[0].propagation | test("^master:")' "$BATS_TEST_TMPDIR/seen" || { jq .mounts[0] "$BATS_TEST_TMPDIR/seen"; false; }
}

@test "seccomp: actions, operators, errors, architectures" {
	while IFS='~' read -r rule want; do
		plain_bundle joblet-probe
		edit ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", architectures: [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"], syscalls: [$rule]}"
		status=0
		rt run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/seen" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
		jq -ne --argjson status $status --slurpfile s "$BATS_TEST_TMPDIR/seen" '($s[0] // {}) | '"$want" >/dev/null || { echo "$rule: $status"; cat "$BATS_TEST_TMPDIR/err"; false; }
	done <<-'END'
		{names: ["getsid"], action: "SCMP_ACT_ERRNO", errnoRet: 7}~.sid == -1 and $status == 0
		{names: ["getsid"], action: "SCMP_ACT_KILL_PROCESS"}~$status == 159
		{names: ["getsid"], action: "SCMP_ACT_KILL"}~$status == 159
		{names: ["getsid"], action: "SCMP_ACT_KILL_THREAD"}~$status == 159
		{names: ["getsid"], action: "SCMP_ACT_TRAP"}~$status == 159
		{names: ["getsid"], action: "SCMP_ACT_TRACE", errnoRet: 5}~.sid == -1
		{names: ["getsid"], action: "SCMP_ACT_LOG"}~.sid == 1
		{names: ["getsid"], action: "SCMP_ACT_ALLOW"}~.sid == 1
		{names: ["no_such_call", "getsid"], action: "SCMP_ACT_ERRNO"}~.sid == -1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 27, op: "SCMP_CMP_EQ"}]}~.securebits == -1 and .dumpable == 1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 3, op: "SCMP_CMP_NE"}, {index: 0, value: 27, op: "SCMP_CMP_EQ"}]}~.securebits == -1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 26, op: "SCMP_CMP_GT"}]}~.securebits == -1 and .dumpable == 1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 27, op: "SCMP_CMP_GT"}]}~.securebits != -1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 27, op: "SCMP_CMP_GE"}]}~.securebits == -1 and .dumpable == 1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 4, op: "SCMP_CMP_LT"}]}~.securebits != -1 and .dumpable == -1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 3, op: "SCMP_CMP_LE"}]}~.securebits != -1 and .dumpable == -1
		{names: ["prctl"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 255, valueTwo: 27, op: "SCMP_CMP_MASKED_EQ"}]}~.securebits == -1 and .dumpable == 1
	END
	# a default errno; the calls that a program needs are allowed
	plain_bundle joblet-probe
	edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 6, architectures: ["SCMP_ARCH_X86_64"], syscalls: [
		{names: ["execve", "read", "write", "writev", "close", "openat", "brk", "mmap", "munmap", "exit_group", "fstat", "newfstatat", "lseek", "getdents64",
		 "uname", "umask", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "mprotect", "prlimit64", "getrandom", "readlink", "readlinkat",
		 "mkdir", "prctl", "ioctl", "fcntl"], action: "SCMP_ACT_ALLOW"}]}'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.sid == -1 and .keyring == -1'
	# another architecture than those that are named is killed, one that is named is not
	for arch in '"SCMP_ARCH_X86_64"' '"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"'; do
		plain_bundle joblet-probe --try escapes
		edit ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", architectures: [$arch]}"
		rt run -b "$BUNDLE" "$ID" </dev/null | jq -r '.escapes["int 0x80"]'
	done >"$BATS_TEST_TMPDIR/seen"
	[ "$(paste -sd' ' "$BATS_TEST_TMPDIR/seen")" = "SYS 0" ] || { cat "$BATS_TEST_TMPDIR/seen"; false; }
}

@test "notify: the agent gets the listener and the state, and answers" {
	plain_bundle joblet-probe
	edit --arg s "$BATS_TEST_TMPDIR/agent" '.annotations = {x: "y"} | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s, listenerMetadata: "some words",
		syscalls: [{names: ["getsid"], action: "SCMP_ACT_NOTIFY"}]}'
	for nnp in true false; do
		edit --argjson n $nnp '.process.noNewPrivileges = $n'
		python3 "$JOBLET_SOURCE/tests/integration/helpers/runtime_tool.py" agent "$BATS_TEST_TMPDIR/agent" 18 >"$BATS_TEST_TMPDIR/agent.out" 3>&- &
		tool=$!
		for _ in $(seq 600); do [ -S "$BATS_TEST_TMPDIR/agent" ] && break; sleep 0.05; done
		rt create -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" </dev/null >"$BATS_TEST_TMPDIR/seen" 2>&1
		rt start "$ID"
		wait $tool
		cat "$BATS_TEST_TMPDIR/agent.out"
		wait_status "$ID" stopped
		jq -e '.sid == -1 and .umask == 18 and (.fds | keys) == ["0", "1", "2"]' "$BATS_TEST_TMPDIR/seen"
		jq -se --argjson pid "$(cat "$BATS_TEST_TMPDIR/pid")" --arg id "$ID" '.[0].fds == ["seccompFd"] and .[0].pid == $pid and .[0].metadata == "some words" and
			.[0].state.id == $id and .[0].state.pid == $pid and .[0].state.annotations == {x: "y"} and .[1].pid == $pid and .[1].nr == 124' "$BATS_TEST_TMPDIR/agent.out"
		rt delete "$ID"
		rm "$BATS_TEST_TMPDIR/agent"
	done
	# nobody listens; nobody is named; the call that hands the listener over
	refused_with() { run_bundle; [ "$status" -eq 1 ] && [[ $output == *"$1"* ]] || { echo "$output"; false; }; }
	refused_with "$BATS_TEST_TMPDIR/agent"
	edit 'del(.linux.seccomp.listenerPath)'
	refused_with 'listenerMetadata without listenerPath'
	edit 'del(.linux.seccomp.listenerMetadata)'
	refused_with 'needs listenerPath'
	edit '.linux.seccomp.listenerPath = "/nosuch" | .linux.seccomp.syscalls[0].names = ["sendmsg"]'
	refused_with sendmsg
	edit '.linux.seccomp.defaultAction = "SCMP_ACT_NOTIFY"'
	refused_with 'cannot be the default'
	nothing_left
}

@test "realtime: FIFO and DEADLINE reach the process" {
	local cpu
	# cgroup v1 with group scheduling gives no realtime to a new cgroup: its parent, this test's own, must have some
	cpu=$(awk '{ for (i = 7; $i != "-"; i++) } $(i + 1) == "cgroup" && ("," $(i + 3) ",") ~ /,cpu,/ { print $5; exit }' /proc/self/mountinfo)
	plain_bundle joblet-probe
	if [ -n "$cpu" ] && [ -e "$cpu/cpu.rt_runtime_us" ]; then
		mkdir -p "$cpu/$CGROUP"
		echo 10000 >"$cpu/$CGROUP/cpu.rt_runtime_us"
		edit '.linux.resources.cpu = {realtimeRuntime: 5000, realtimePeriod: 1000000}'
	fi
	edit '.process.scheduler = {policy: "SCHED_FIFO", priority: 7}'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.sched.policy == 1 and .sched.priority == 7'
	edit '.process.scheduler = {policy: "SCHED_RR", priority: 3}'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.sched.policy == 2 and .sched.priority == 3'
	edit '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 30000000, period: 40000000} | del(.linux.resources.cpu)'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.sched | .policy == 6 and .runtime == 1000000 and .deadline == 30000000 and .period == 40000000'
}

@test "namespaces: each is joined by its path, and none that is not named" {
	unshare -n -u -i -C -p -f --kill-child sleep 1000 3>&- &
	holder=$!
	for _ in $(seq 600); do child=$(pgrep -P $holder) && [ "$(readlink "/proc/$child/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] && break; sleep 0.05; done
	plain_bundle joblet-probe
	edit --arg p "/proc/$child/ns" 'del(.hostname) | .linux.namespaces = [{type: "mount"}] + ([["network", "net"], ["uts", "uts"], ["ipc", "ipc"], ["pid", "pid"],
		["cgroup", "cgroup"]] | map({type: .[0], path: "\($p)/\(.[1])"}))'
	rt run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/seen"
	for n in net uts ipc pid cgroup; do
		[ "$(jq ".ns.$n" "$BATS_TEST_TMPDIR/seen")" = "$(stat -Lc %i "/proc/$child/ns/$n")" ] || { echo "$n"; false; }
	done
	kill -KILL $holder # --kill-child takes the rest with it
	wait $holder || true
	# a user namespace, with the ids that it has; others that it owns; a mount namespace
	unshare -U -n -m --propagation private -f --kill-child sleep 1000 3>&- &
	holder=$!
	for _ in $(seq 600); do child=$(pgrep -P $holder) && [ "$(readlink "/proc/$child/ns/user")" != "$(readlink /proc/self/ns/user)" ] && break; sleep 0.05; done
	echo 0 1700000 70000 >"/proc/$child/uid_map"
	echo 0 1700000 70000 >"/proc/$child/gid_map"
	plain_bundle sh -c 'id -u; for n in user net mnt; do readlink /proc/self/ns/$n; done; echo x >/dev/stdout; touch /work/mine; cat /proc/1/comm'
	chmod 777 "$BUNDLE/work"
	edit --arg p "/proc/$child/ns" '.process.user = {uid: 1000, gid: 1000} | .linux.namespaces |= (map(if .type == "network" then .path = $p + "/net" else . end) +
		[{type: "user", path: ($p + "/user")}])'
	run_bundle
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = "$(readlink "/proc/$child/ns/user")" ]
	[ "${lines[2]}" = "$(readlink "/proc/$child/ns/net")" ]
	[ "${lines[3]}" != "$(readlink "/proc/$child/ns/mnt")" ]
	[ "${lines[4]}" = x ]
	[ "$(stat -c %u "$BUNDLE/work/mine")" = 1701000 ]
	rm "$BUNDLE/work/mine"
	edit '.linux.uidMappings = [{containerID: 0, hostID: 1700000, size: 70000}] | .linux.gidMappings = .linux.uidMappings'
	run_bundle
	[ "$status" -eq 0 ]
	edit '.linux.uidMappings[0].hostID = 1700001'
	run_bundle
	[ "$status" -eq 1 ] && [[ $output == *"another uid_map"* ]] || { echo "$output"; false; }
	edit --arg p "/proc/$child/ns" 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "mount")) + [{type: "mount", path: ($p + "/mnt")}]'
	run_bundle
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	[ "${lines[3]}" = "$(readlink "/proc/$child/ns/mnt")" ]
	kill -KILL $holder
	wait $holder || true
	# the runtime's own, by a path: not where the container would change it
	for change in '.hostname = "x"' '.linux.sysctl = {"net.ipv4.ip_forward": "1"}' '.linux.sysctl = {"kernel.shmmax": "1"}'; do
		plain_bundle true
		edit "del(.hostname) | .linux.namespaces |= map(if .type | IN(\"uts\", \"network\", \"ipc\") then .path = \"/proc/self/ns/\(.type | sub(\"work\"; \"\"))\" else . end) | $change"
		run_bundle
		[ "$status" -eq 1 ] && [[ $output == *"is the runtime's own"* ]] || { echo "$change: $output"; false; }
	done
	# where cgroupsPath puts it
	plain_bundle sleep 1000
	edit --arg c "/$CGROUP/deep/er/$ID" '.linux.cgroupsPath = $c'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ -z "$(cut -d: -f3 "/proc/$(rt state "$ID" | jq .pid)/cgroup" | sort -u | grep -vx "/$CGROUP/deep/er/$ID")" ]
	rt delete -f "$ID"
}
