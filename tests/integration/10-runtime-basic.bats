#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime by its command line: a container's life, exit codes, signals, the files it leaves for others.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

@test "version and help" {
	run rt --version
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "joblet-runtime version "* ]]
	[[ ${lines[1]} == "commit: "* ]]
	[[ ${lines[2]} == "spec: 1."* ]]
	run rt --help
	[ "$status" -eq 0 ]
	[[ $output == *create* ]]
	run rt create --help
	[ "$status" -eq 0 ]
	[[ $output == *--console-socket* ]]
}

@test "run: output and exit code are the program's" {
	for code in 0 1 7 127 255; do
		bundle sh -c "echo out; echo err >&2; exit $code"
		run --separate-stderr -"$code" rt run -b "$BUNDLE" "$ID"
		[ "$output" = out ]
		[ "$stderr" = err ]
	done
	nothing_left
}

@test "run: without a user namespace too" {
	plain_bundle sh -c 'id -u; exit 3'
	run_bundle
	[ "$status" -eq 3 ]
	[ "$output" = 0 ]
	nothing_left
}

@test "run: stdin reaches the program" {
	bundle cat
	run sh -c 'printf "a\0b\nlast" | "$@"' sh timeout 120 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID"
	[ "$status" -eq 0 ]
	[ "$(printf 'a\0b\nlast' | timeout 120 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" 3>&- | od -c)" = "$(printf 'a\0b\nlast' | od -c)" ]
}

@test "run: a program that a signal ends gives 128 + n" {
	bundle sh -c 'kill -KILL $$; sleep 60'
	edit '.process.args = ["sh", "-c", "sh -c \"kill -9 \\$\\$\"; exit $?"]'
	run_bundle
	[ "$status" -eq 137 ]
}

@test "run: signals are forwarded" {
	bundle sh -c 'trap "echo got TERM; exit 42" TERM; echo ready; while :; do sleep 1; done'
	"$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	for i in $(seq 1200); do grep -q ready "$BATS_TEST_TMPDIR/out" && break; sleep 0.05; done
	kill -TERM $pid
	rc=0
	wait $pid || rc=$?
	[ "$rc" -eq 42 ]
	grep -q 'got TERM' "$BATS_TEST_TMPDIR/out"
	nothing_left
}

@test "run --detach returns while the program runs, --keep keeps the state" {
	bundle sleep 60
	rt run -d -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" </dev/null >/dev/null 2>&1
	[ "$(status_of "$ID")" = running ]
	kill -0 "$(cat "$BATS_TEST_TMPDIR/pid")"
	rt delete --force "$ID"
	bundle true
	rt run --keep -b "$BUNDLE" "$ID"
	[ "$(status_of "$ID")" = stopped ]
	rt delete "$ID"
	nothing_left
}

@test "a life: create, start, kill, delete" {
	bundle sleep 60
	rt create --bundle="$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" </dev/null >/dev/null 2>&1
	pid=$(cat "$BATS_TEST_TMPDIR/pid")
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/pid")" -eq ${#pid} ]
	[ "$(status_of "$ID")" = created ]
	[ "$(rt state "$ID" | jq .pid)" = "$pid" ]
	# the program does not run yet
	[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" != 'sleep 60 ' ]
	rt start "$ID"
	[ "$(status_of "$ID")" = running ]
	[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = 'sleep 60 ' ]
	run rt start "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot start a container in the running state"* ]]
	run rt delete "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"that is not stopped: running"* ]]
	[ "$(status_of "$ID")" = running ]
	rt kill "$ID" KILL
	wait_status "$ID" stopped
	[ "$(rt state "$ID" | jq .pid)" = 0 ]
	run rt kill "$ID" 15
	[ "$status" -eq 1 ]
	[[ $output == *"container not running"* ]]
	rt delete "$ID"
	nothing_left
}

@test "state: keys in runc's order, annotations" {
	bundle sleep 60
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run rt state "$ID"
	[ "$(jq -c keys_unsorted <<<"$output")" = '["ociVersion","id","pid","status","bundle","rootfs","created","annotations","owner"]' ]
	[ "$(jq -r .id <<<"$output")" = "$ID" ]
	[ "$(jq -r .bundle <<<"$output")" = "$(realpath "$BUNDLE")" ]
	[ "$(jq -r .rootfs <<<"$output")" = "$ROOTFS" ]
	[ "$(jq -r '.annotations["org.joblet.job"]' <<<"$output")" = test ]
	[[ $(jq -r .created <<<"$output") =~ ^20[0-9-]+T[0-9:.]+Z$ ]]
	run rt list -q
	[ "$output" = "$ID" ]
	[ "$(rt list -f json | jq -r '.[0].status')" = created ]
	[[ $(rt list) == ID*PID*STATUS*BUNDLE*CREATED*OWNER* ]]
	# one that never ran anything is deleted with its init
	rt delete "$ID"
	nothing_left
}

@test "kill: names and numbers, options anywhere" {
	for sig in TERM SIGTERM term 15; do
		bundle sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
		rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
		rt start "$ID"
		rt kill "$ID" $sig
		wait_status "$ID" stopped
		rt delete "$ID"
	done
	bundle sh -c 'sleep 60 & sleep 60'
	rt create "$ID" -b "$BUNDLE" </dev/null >/dev/null 2>&1
	rt start "$ID"
	rt kill "$ID" --all KILL
	wait_status "$ID" stopped
	rt kill --all "$ID" 9
	run rt kill "$ID" NOSUCH
	[ "$status" -eq 1 ]
	rt delete "$ID"
	nothing_left
}

@test "an unknown id: errors, but not for delete --force" {
	for command in state start kill delete ps pause resume; do
		run rt $command nosuch
		[ "$status" -eq 1 ]
		[[ $output == *'container "nosuch" does not exist'* ]]
	done
	run rt delete --force nosuch
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "a second container with the same id is refused and the first goes on" {
	bundle sleep 60
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run rt create -b "$BUNDLE" "$ID" </dev/null
	[ "$status" -eq 1 ]
	[[ $output == *"container with id $ID exists"* ]]
	# another id with the same cgroup would share the first one's limits
	run rt create -b "$BUNDLE" other </dev/null
	[ "$status" -eq 1 ]
	[ ! -e "$ROOT/other" ]
	rt start "$ID"
	[ "$(status_of "$ID")" = running ]
	rt delete -f "$ID"
	nothing_left
}

@test "pause, ps and resume" {
	bundle sh -c 'sleep 60 & sleep 60'
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(rt ps --format json "$ID" | jq length)" -ge 2 ]
	rt pause "$ID"
	[ "$(status_of "$ID")" = paused ]
	rt resume "$ID"
	[ "$(status_of "$ID")" = running ]
	run rt resume "$ID"
	[ "$status" -eq 1 ]
	rt pause "$ID"
	rt delete -f "$ID"
	nothing_left
}

@test "a program that does not exist fails at create, rc 1, with the words callers look for" {
	while read -r program words; do
		bundle "$program"
		run rt create -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" </dev/null
		echo "$program: $output"
		[ "$status" -eq 1 ]
		[[ $output == *"exec \"$program\""* ]]
		[[ ${output,,} == *"$words"* ]]
		[ ! -e "$BATS_TEST_TMPDIR/pid" ]
		nothing_left
	done <<-END
		nosuch no such file or directory
		/bin/nosuch no such file or directory
		./nosuch no such file or directory
		not-executable permission denied
		/bin/not-executable permission denied
		/bin permission denied
	END
	bundle no-interpreter
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run rt start "$ID"
	[ "$status" -eq 1 ]
	[[ ${output,,} == *"no such file or directory"* ]]
	wait_status "$ID" stopped
	rt delete "$ID"
	nothing_left
}

@test "errors: one line on stderr, and one in the log, as JSON where asked" {
	run --separate-stderr rt --log "$BATS_TEST_TMPDIR/log" --log-format json state nosuch
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[ "$(jq -r .level "$BATS_TEST_TMPDIR/log")" = error ]
	[ "$(jq -r .msg "$BATS_TEST_TMPDIR/log")" = 'container "nosuch" does not exist' ]
	jq -r .time "$BATS_TEST_TMPDIR/log" | grep -qE '^20..-..-..T'
	run rt --systemd-cgroup --cgroup-manager cgroupfs state nosuch
	[ "$status" -eq 1 ]
	[[ $output == *contradicts* ]]
	run rt --cgroup-manager nosuch state nosuch
	[ "$status" -eq 1 ]
	[[ $output == *"cgroupfs, systemd or disabled"* ]]
	run rt --nosuch state x
	[ "$status" -eq 1 ]
	run rt nosuch
	[ "$status" -eq 1 ]
}

@test "--systemd-cgroup: a path of another form, and a machine without systemd, are errors that say so" {
	bundle true
	run rt --systemd-cgroup create -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"/$CGROUP/$ID has not the form slice:prefix:name"* ]]
	nothing_left
	[ ! -e /run/systemd/private ] || skip "systemd is here"
	edit --arg path ":$CGROUP:$ID" '.linux.cgroupsPath = $path'
	run rt --cgroup-manager systemd create -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot reach systemd"*"/run/systemd/private: No such file or directory"* ]]
	nothing_left
}

@test "--preserve-fds: the program sees 0, 1, 2 and no other, or those asked for" {
	bundle sh -c 'ls /proc/$$/fd; true'
	run rt run -b "$BUNDLE" "$ID" 5</etc/hostname
	[ "$status" -eq 0 ]
	echo "$output"
	[ "$output" = $'0\n1\n2' ]
	run timeout 120 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" --preserve-fds 2 "$ID" 3</etc/hostname 4</etc/hostname 5</etc/hostname
	[ "$output" = $'0\n1\n2\n3\n4' ]
	run sh -c 'exec "$@" 3<&- 4<&-' sh timeout 120 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" --preserve-fds 2 "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *"descriptor 3 is not open"* ]]
	nothing_left
}

@test "a terminal: the console socket gets the master, the program has the slave" {
	bundle sh -c 'tty; stty size; [ -c /dev/console ] && echo console; read x; echo "read $x"'
	edit '.process.terminal = true | .process.consoleSize = {height: 33, width: 77}'
	cat >"$BATS_TEST_TMPDIR/recv.py" <<-'END'
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
		c, _ = s.accept()
		fds = array.array("i")
		data, anc, _, _ = c.recvmsg(4096, socket.CMSG_SPACE(4))
		fds.frombytes(anc[0][2][:4])
		os.write(fds[0], b"hello\n")
		out = b""
		try:
		    while True:
		        d = os.read(fds[0], 4096)
		        if not d: break
		        out += d
		except OSError:
		    pass
		sys.stdout.write(data.decode() + "|" + out.decode())
	END
	timeout 120 /usr/bin/python3 -I "$BATS_TEST_TMPDIR/recv.py" "$BATS_TEST_TMPDIR/console" >"$BATS_TEST_TMPDIR/out" 3>&- &
	reader=$!
	for i in $(seq 1200); do [ -S "$BATS_TEST_TMPDIR/console" ] && break; sleep 0.05; done
	rt run -d -b "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/console" "$ID" </dev/null
	wait $reader
	cat "$BATS_TEST_TMPDIR/out"
	grep -q '^/dev/pts/0|' "$BATS_TEST_TMPDIR/out"
	grep -q '33 77' "$BATS_TEST_TMPDIR/out"
	grep -q console "$BATS_TEST_TMPDIR/out"
	grep -q 'read hello' "$BATS_TEST_TMPDIR/out"
	wait_status "$ID" stopped
	rt delete "$ID"
	run rt create -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ $output == *console-socket* ]]
	nothing_left
}

@test "hooks: createRuntime, poststart and poststop run with the state on stdin" {
	bundle true
	for h in prestart createRuntime poststart poststop; do
		edit --arg h $h --arg f "$BATS_TEST_TMPDIR/$h" '.hooks[$h] = [{path: "/bin/sh", args: ["sh", "-c", "cat > \"\($f)\""]}]'
	done
	rt run -b "$BUNDLE" "$ID"
	for h in prestart createRuntime poststart poststop; do
		[ "$(jq -r .id "$BATS_TEST_TMPDIR/$h")" = "$ID" ]
	done
	[ "$(jq -r .status "$BATS_TEST_TMPDIR/createRuntime")" = creating ]
	[ "$(jq -r .status "$BATS_TEST_TMPDIR/poststop")" = stopped ]
	edit '.hooks = {createRuntime: [{path: "/bin/false"}]}'
	run_bundle
	[ "$status" -eq 1 ]
	[[ $output == *"hook /bin/false failed"* ]]
	edit '.hooks = {createRuntime: [{path: "/bin/sleep", args: ["sleep", "60"], timeout: 1}]}'
	run_bundle
	[ "$status" -eq 1 ]
	[[ $output == *"longer than 1 second"* ]]
	nothing_left
}

@test "spec writes a bundle that runs" {
	mkdir "$BATS_TEST_TMPDIR/b"
	cp -a "$ROOTFS" "$BATS_TEST_TMPDIR/b/rootfs"
	rt spec -b "$BATS_TEST_TMPDIR/b"
	run rt spec -b "$BATS_TEST_TMPDIR/b"
	[ "$status" -eq 1 ]
	jq --arg c "/$CGROUP/$ID" '.process.args = ["hostname"] | .linux.cgroupsPath = $c' "$BATS_TEST_TMPDIR/b/config.json" >"$BATS_TEST_TMPDIR/c"
	mv "$BATS_TEST_TMPDIR/c" "$BATS_TEST_TMPDIR/b/config.json"
	run rt run -b "$BATS_TEST_TMPDIR/b" "$ID"
	[ "$status" -eq 0 ]
	[ "$output" = joblet ]
}

@test "the bundle runs under runc with the same result" {
	command -v runc >/dev/null || skip "runc is not installed"
	bundle sh -c 'id -u; hostname; pwd; cat /proc/self/cgroup | sort; grep -E "Cap|NoNew" /proc/self/status; umask; ulimit -n; exit 5'
	run_bundle
	[ "$status" -eq 5 ]
	ours=$output
	rt_open_paths
	run timeout 120 runc --root "$BATS_TEST_TMPDIR/runc" run -b "$BUNDLE" "$ID" 3>&- 4>&-
	[ "$status" -eq 5 ]
	echo "ours: $ours"
	echo "runc: $output"
	[ "$ours" = "$output" ]
}
