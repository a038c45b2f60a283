#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The commands of joblet-runtime that look: features, events, ps, list; and what create, spec and hooks have in common with runc's.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() {
	[ ! -d "$BATS_TEST_TMPDIR/runc" ] || timeout 20 runc --root "$BATS_TEST_TMPDIR/runc" delete -f "$ID" 2>/dev/null 3>&- || true
	rt_teardown
}

@test "features: what runc has is there, and every mount option it names is taken" {
	run --separate-stderr rt features
	[ "$status" -eq 0 ]
	[ "$(jq -r .ociVersionMin <<<"$output")" = 1.0.0 ]
	[ "$(jq -r '.linux.seccomp.enabled' <<<"$output")" = true ]
	ours=$output
	if command -v runc >/dev/null; then
		for list in .hooks .mountOptions .linux.namespaces .linux.seccomp.actions .linux.seccomp.operators .linux.seccomp.archs; do
			missing=$(jq -cn --argjson a "$(jq -c "$list" <<<"$ours")" --argjson b "$(runc features | jq -c "$list")" '$b - $a')
			echo "$list: $missing"
			[ "$missing" = '[]' ] || [ "$list" = .mountOptions ]
			# tmpcopyup and idmap count where they are really done
			[ "$list" != .mountOptions ] || [ "$(jq -c '. - ["tmpcopyup", "acl", "noacl"]' <<<"$missing")" = '[]' ]
		done
	fi
	bundle true
	# shellcheck disable=SC2016
	edit --argjson options "$(jq -c '.mountOptions - ["remount", "bind", "rbind", "idmap", "ridmap"] | map(select(test("shared|slave|private|unbindable") | not))' <<<"$ours")" \
		'.mounts += ($options | map({destination: "/tmp", type: "tmpfs", source: "tmpfs", options: [.]}))'
	run_bundle
	echo "$output"
	[ "$status" -eq 0 ] || [[ $output != *"unknown"* ]]
	run rt features x
	[ "$status" -eq 1 ]
}

@test "events --stats: runc's members, with the numbers of the cgroup" {
	bundle sleep 300
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run --separate-stderr rt events --stats "$ID"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[ "$(jq -r '.type + .id' <<<"$output")" = "stats$ID" ]
	[ "$(jq -c '.data | keys_unsorted' <<<"$output")" = '["cpu","cpuset","memory","pids","blkio","hugetlb","intel_rdt","network_interfaces"]' ]
	[ "$(jq .data.memory.usage.limit <<<"$output")" = 67108864 ]
	[ "$(jq .data.memory.usage.usage <<<"$output")" -gt 0 ]
	[ "$(jq .data.pids.current <<<"$output")" = 1 ]
	[ "$(jq .data.pids.limit <<<"$output")" = 64 ]
	[ "$(jq .data.cpu.usage.total <<<"$output")" -gt 0 ]
	ours=$(jq -c '[paths | map(select(type == "string"))] | unique' <<<"$output") # throttling and block devices come and go
	if command -v runc >/dev/null; then
		rt_open_paths
		edit --arg c "/$CGROUP/runc" '.linux.cgroupsPath = $c'
		runc --root "$BATS_TEST_TMPDIR/runc" run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&-
		theirs=$(runc --root "$BATS_TEST_TMPDIR/runc" events --stats "$ID" 3>&- | jq -c 'del(.data.cpu.throttling, .data.blkio) | [paths | map(select(type == "string"))] | unique')
		echo "runc alone: $(jq -cn --argjson a "$ours" --argjson b "$theirs" '$b - $a')"
		[ "$(jq -cn --argjson a "$ours" --argjson b "$theirs" '$b - $a')" = '[]' ]
		runc --root "$BATS_TEST_TMPDIR/runc" delete -f "$ID"
	fi
	run rt events --interval 0 "$ID"
	[ "$status" -eq 1 ]
	rt kill "$ID" KILL
	wait_status "$ID" stopped
	run rt events --stats "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"is not running"* ]]
	rt delete "$ID"
	nothing_left
}

@test "events: reports again and again, tells of a want of memory, and ends with the container" {
	plain_bundle sh -c 'while [ ! -e /work/go ]; do sleep 0.1; done; (dd if=/dev/zero of=/dev/null bs=60M count=1); while [ ! -e /work/end ]; do sleep 0.1; done'
	edit '.linux.resources.memory = {limit: 20971520, swap: 20971520}'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	timeout 60 "$RUNTIME" --root "$ROOT" events --interval 200ms "$ID" >"$BATS_TEST_TMPDIR/events" 2>&1 3>&- &
	pid=$!
	for i in $(seq 600); do grep -q stats "$BATS_TEST_TMPDIR/events" && break; sleep 0.05; done
	touch "$BUNDLE/work/go"
	for i in $(seq 600); do grep -q '"oom"' "$BATS_TEST_TMPDIR/events" && break; sleep 0.05; done
	touch "$BUNDLE/work/end"
	wait $pid
	[ "$(jq -c 'select(.type == "oom")' "$BATS_TEST_TMPDIR/events")" = "{\"type\":\"oom\",\"id\":\"$ID\"}" ]
	wait_status "$ID" stopped
	rt delete "$ID"
	nothing_left
}

@test "ps: a table of the container's processes alone, ps's own options, JSON" {
	bundle sh -c 'sleep 301 & exec sleep 302'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	for i in $(seq 600); do [ "$(rt ps -f json "$ID" | jq length)" -eq 2 ] && break; sleep 0.05; done
	run rt ps "$ID"
	echo "$output"
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} == *PID*CMD* ]]
	[[ $output == *"sleep 301"*"sleep 302"* || $output == *"sleep 302"*"sleep 301"* ]]
	run rt ps "$ID" -o pid,args
	[ "${#lines[@]}" -eq 1 ] || [[ ${lines[0]} == *PID*COMMAND* ]]
	run rt ps "$ID" -e -o stat,pid,args
	[ "${#lines[@]}" -eq 3 ]
	for line in "--format json $ID" "$ID --format json" "$ID --format=json" "-f json $ID"; do
		# shellcheck disable=SC2086
		[ "$(rt ps $line | jq length)" -eq 2 ]
	done
	run rt ps "$ID" -o args
	[ "$status" -eq 1 ]
	[[ $output == *'no column PID'* ]]
	run rt ps --format xml "$ID"
	[ "$status" -eq 1 ]
	rt delete -f "$ID"
	nothing_left
}

@test "spec --rootless: an ordinary user runs what it writes" {
	mkdir -p "$BATS_TEST_TMPDIR/b" "$BATS_TEST_TMPDIR/run"
	cp -a "$ROOTFS" "$BATS_TEST_TMPDIR/b/rootfs"
	chown -R 61234:61234 "$BATS_TEST_TMPDIR/b" "$BATS_TEST_TMPDIR/run"
	rt_open_paths
	install -m 755 "$RUNTIME" "$BATS_TEST_TMPDIR/runtime"
	user() { timeout 30 setpriv --reuid 61234 --regid 61234 --clear-groups env XDG_RUNTIME_DIR="$BATS_TEST_TMPDIR/run" "$BATS_TEST_TMPDIR/runtime" "$@" 3>&-; }
	user spec --rootless -b "$BATS_TEST_TMPDIR/b"
	jq '.process.args = ["id", "-u"]' "$BATS_TEST_TMPDIR/b/config.json" >"$BATS_TEST_TMPDIR/c"
	cat "$BATS_TEST_TMPDIR/c" >"$BATS_TEST_TMPDIR/b/config.json"
	run user run -b "$BATS_TEST_TMPDIR/b" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = 0 ]
}

@test "--pidfd-socket: a descriptor of the process is handed over, at create and at exec" {
	cat >"$BATS_TEST_TMPDIR/recv.py" <<-'END'
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] + ".new"); s.listen(1); os.rename(sys.argv[1] + ".new", sys.argv[1])
		c, _ = s.accept()
		data, anc, _, _ = c.recvmsg(64, socket.CMSG_SPACE(4))
		fds = array.array("i"); fds.frombytes(anc[0][2][:4])
		print(data.decode(), [l.split()[1] for l in open("/proc/self/fdinfo/%d" % fds[0]) if l.startswith("Pid:")][0])
	END
	bundle sleep 300
	take() {
		rm -f "$BATS_TEST_TMPDIR/s"
		timeout 60 /usr/bin/python3 -I "$BATS_TEST_TMPDIR/recv.py" "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/out" 3>&- &
		reader=$!
		for i in $(seq 600); do [ -S "$BATS_TEST_TMPDIR/s" ] && break; sleep 0.05; done
	}
	take
	rt create -b "$BUNDLE" --pidfd-socket "$BATS_TEST_TMPDIR/s" "$ID" </dev/null >/dev/null 2>&1
	wait $reader
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "pidfd $(rt state "$ID" | jq .pid)" ]
	rt start "$ID"
	take
	rt exec -d --pid-file "$BATS_TEST_TMPDIR/pid" --pidfd-socket "$BATS_TEST_TMPDIR/s" "$ID" sleep 300 </dev/null >/dev/null 2>&1
	wait $reader
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "pidfd $(cat "$BATS_TEST_TMPDIR/pid")" ]
	rt delete -f "$ID"
	nothing_left
}

@test "a poststart hook may call the runtime, and delete -f ends what is frozen" {
	bundle sleep 300
	edit --arg r "$RUNTIME" --arg root "$ROOT" --arg out "$BATS_TEST_TMPDIR/hook" \
		'.hooks.poststart = [{path: "/bin/sh", args: ["sh", "-c", "cat >/dev/null; \($r) --root \($root) exec c7 hostname >\($out) 2>&1"]}]' --arg id "$ID"
	sed -i "s/exec c7/exec $ID/" "$BUNDLE/config.json"
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	[ "$(cat "$BATS_TEST_TMPDIR/hook")" = job-host ]
	rt pause "$ID"
	rt delete -f "$ID"
	nothing_left
}

@test "kill: every spelling of a signal, and none that is no signal" {
	bundle sh -c 'trap "echo got >>/work/log" USR1 37; echo ready >>/work/log; while :; do sleep 0.1; done'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	for i in $(seq 600); do grep -qs ready "$BUNDLE/work/log" && break; sleep 0.05; done
	n=1
	for sig in 10 USR1 SIGUSR1 sigusr1 Usr1 37 RTMIN+3 SIGRTMIN+3; do
		rt kill "$ID" $sig
		n=$((n + 1))
		for i in $(seq 600); do [ "$(wc -l <"$BUNDLE/work/log")" -eq $n ] && break; sleep 0.05; done
		[ "$(wc -l <"$BUNDLE/work/log")" -eq $n ]
	done
	for sig in 0 -1 65 99 NOSUCH SIG '' 'TERM ' RTMIN+99 9x; do
		run rt kill "$ID" "$sig"
		[ "$status" -eq 1 ]
	done
	[ "$(status_of "$ID")" = running ]
	rt delete -f "$ID"
	nothing_left
}

@test "the manual has no fault, and every command and option" {
	page=$JOBLET_SOURCE/joblet-runtime/joblet-runtime.8
	[ -z "$(man -l --warnings -E UTF-8 "$page" 2>&1 >/dev/null)" ]
	text=$(MANWIDTH=1000 man -l -E UTF-8 "$page" | col -bx)
	commands=$(rt --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
	[ "$(wc -w <<<"$commands")" -ge 17 ]
	for command in $commands; do
		grep -qw -- "$command" <<<"$text"
		for option in $(rt "$command" --help | grep -o -- '--[a-z0-9-]*'); do
			echo "$command $option"
			grep -qE -- "(^|[^-a-z])$option([^-a-z]|$)" <<<"$text"
		done
	done
}

@test "checkpoint and restore are refused with a reason, and have a help" {
	for command in checkpoint restore; do
		run rt $command --help
		[ "$status" -eq 0 ]
		run rt $command --image-path "$BATS_TEST_TMPDIR/i" --work-path "$BATS_TEST_TMPDIR/w" "$ID"
		[ "$status" -eq 1 ]
		[[ $output == *"not supported"*criu* ]]
	done
}

@test "errors say what to do: interpreter, format, noexec, mode" {
	mkdir -p "$BUNDLE/work"
	while IFS='~' read -r program change words; do
		bundle "$program"
		cp "$ROOTFS/bin/no-interpreter" "$BUNDLE/work/script"
		echo 'plain text' >"$BUNDLE/work/text"
		cp "$ROOTFS/bin/busybox" "$BUNDLE/work/busybox"
		chmod 755 "$BUNDLE/work/script" "$BUNDLE/work/text" "$BUNDLE/work/busybox"
		echo x >"$BUNDLE/work/plain"
		edit "$change"
		run_bundle
		echo "$program: $output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"exec \"$program\": "*"$words"* ]]
	done <<-'END'
		/work/script~.~No such file or directory (the file is there: its interpreter
		/work/text~.~Exec format error (a script without
		/work/busybox~.mounts |= map(if .destination == "/work" then .options += ["noexec"] else . end)~Permission denied (its file system is mounted noexec)
		/work/plain~.~Permission denied (the container's user may not execute it
		/nosuch~.~No such file or directory
	END
	# namespaces that may not be made: the limit is that of a user namespace of the test's own
	bundle true
	edit 'del(.linux.resources, .linux.cgroupsPath, .process.oomScoreAdj) | .process.user = {uid: 0, gid: 0} |
	      .linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}] | .linux.gidMappings = .linux.uidMappings'
	run unshare -Urm sh -c 'echo 0 >/proc/sys/user/max_ipc_namespaces && exec "$@"' sh \
		timeout 30 "$RUNTIME" --root "$BATS_TEST_TMPDIR/inner" --cgroup-manager disabled run -b "$BUNDLE" "$ID" 3>&- 4>&-
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"first process: "*"sysctl user.max_"* ]]
	nothing_left
}

@test "a kernel that lacks a system call is called too old, whoever needs it" {
	bundle true
	rt run -b "$BUNDLE" "$ID" # makes the cache of filters
	list=$BATS_TEST_TMPDIR/calls
	joblet-inject "$list" "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" 3>&-
	for call in '0 openat2' '0 clone3' '0 mount_setattr' '1 openat2' '1 fsopen' '1 move_mount' '1 close_range'; do
		n=$(awk -v p="${call% *}" -v c="${call#* }" '$1 == p { if ($2 == c) { print n + 0; exit } n++ }' "$list")
		echo "$call: $n"
		run joblet-inject "$list.now" "${call% *}" "$n" 38 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" 3>&-
		grep -qx "$call failed" "$list.now"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"Linux 5.12 or newer is needed, and this is $(uname -r), "*": "*"Function not implemented" ]]
		nothing_left
	done
}

@test "--debug: what is done is in the log, or on stderr, and nothing of it on stdout" {
	bundle true
	run --separate-stderr timeout 30 "$RUNTIME" --root "$ROOT" --debug --log "$BATS_TEST_TMPDIR/log" --log-format json run -b "$BUNDLE" "$ID" 3>&- 4>&-
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	[ "$(jq -r .level "$BATS_TEST_TMPDIR/log" | sort -u)" = debug ]
	jq -r .msg "$BATS_TEST_TMPDIR/log" | grep -q "container $ID: process .* cgroup /$CGROUP/$ID"
	run --separate-stderr timeout 30 "$RUNTIME" --root "$ROOT" --debug run -b "$BUNDLE" "$ID" 3>&- 4>&-
	[ -z "$output" ]
	[[ $stderr == *"container $ID: process"* ]]
	run timeout 30 "$RUNTIME" --root "$ROOT" --debug --log "$BATS_TEST_TMPDIR/log" state nosuch 3>&- 4>&-
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	nothing_left
}

@test "the start socket does what start does, and says why a program could not be executed" {
	cat >"$BATS_TEST_TMPDIR/start.py" <<-'END'
		import os, socket, struct, sys
		os.chdir(sys.argv[1])
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.settimeout(30)
		s.connect("start")
		s.send(struct.pack("ii", 6, 0))
		answer = s.recv(4096)
		print(struct.unpack_from("i", answer)[0], answer[8:].rstrip(b"\0").decode(), sep=": ") if answer else print("end")
	END
	plain_bundle sh -c 'echo ran >/work/out; sleep 300'
	chmod 777 "$BUNDLE/work"
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ ! -e "$BUNDLE/work/out" ]
	[ "$(python3 "$BATS_TEST_TMPDIR/start.py" "$ROOT/$ID")" = end ]
	wait_status "$ID" running
	for i in $(seq 600); do [ -s "$BUNDLE/work/out" ] && break; sleep 0.05; done
	[ "$(cat "$BUNDLE/work/out")" = ran ]
	run python3 "$BATS_TEST_TMPDIR/start.py" "$ROOT/$ID"
	[[ $output == *ConnectionRefusedError* ]]
	run rt start "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"in the running state"* ]]
	rt delete -f "$ID"
	plain_bundle /work/no-program
	printf 'not a program' >"$BUNDLE/work/no-program"
	chmod 755 "$BUNDLE/work/no-program"
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run python3 "$BATS_TEST_TMPDIR/start.py" "$ROOT/$ID"
	echo "$output"
	[[ $output == "8: "*"Exec format error"* ]]
	wait_status "$ID" stopped
	rt delete "$ID"
	nothing_left
}
