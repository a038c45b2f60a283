#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The main job as its user types it: rnx, jobletd, joblet-shim and joblet-runtime together.

bats_require_minimum_version 1.5.0
load helpers/daemon

setup_file() {
	daemon_make joblet.maxConcurrentJobs=20
	daemon_start
	export RNX_CONFIG=$DAEMON_HOME/config/rnx-config.yml
}

teardown_file() {
	daemon_clean
}

rnx() {
	"$DAEMON_BIN/rnx" "$@"
}

@test "rnx: a job's output, and nothing else, is on stdout" {
	run --separate-stderr rnx job run echo "Hello, Joblet"
	[ "$status" -eq 0 ]
	[ "$output" = "Hello, Joblet" ]
}

@test "rnx: stdout and stderr stay apart" {
	run --separate-stderr rnx job run sh -c 'echo to-out; echo to-err >&2'
	[ "$status" -eq 0 ]
	[ "$output" = to-out ]
	[[ "$stderr" == *to-err* ]]
}

@test "rnx: the exit status is the job's own" {
	run rnx job run sh -c 'exit 7'
	[ "$status" -eq 7 ]
	run rnx job run sh -c 'sh -c "kill -9 \$\$"'
	[ "$status" -eq 137 ]
}

@test "rnx: a command that is not there exits 127 and says what is missing" {
	run -127 rnx job run nosuch
	[[ "$output" == *nosuch* ]]
	run rnx job run /etc/passwd
	[ "$status" -eq 126 ]
}

@test "rnx: piped stdin arrives, and the job sees only its own world" {
	run --separate-stderr bash -c "echo secret | '$DAEMON_BIN/rnx' job run bash -c 'cat; id; ls /; ps -e -o comm=; hostname'"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = secret ]
	[ "${lines[1]}" = "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)" ]
	[[ "$output" != *jobletd* ]]
	[[ "$output" != *"$(hostname)"$'\n'* ]]
}

@test "rnx: the job finds no package manager, no sudo, no host file, and may not read what is root's" {
	for program in apt dpkg sudo su; do
		run -127 rnx job run sh -c "command -v $program"
	done
	run rnx job run ls /root
	[ "$status" -ne 0 ]
	[[ "$output" == *"Permission denied"* ]]
	run rnx job run ls "$DAEMON_HOME"
	[ "$status" -ne 0 ]
}

@test "rnx: a job has no capability, no new privileges and a seccomp filter" {
	run --separate-stderr rnx job run grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
	[ "$status" -eq 0 ]
	[ "$(grep -c '0000000000000000$' <<<"$output")" -eq 5 ]
	[[ "$output" == *$'NoNewPrivs:\t1'* ]]
	[[ "$output" == *$'Seccomp:\t2'* ]]
}

@test "rnx: the filter refuses other socket families, namespaces and typing into a terminal" {
	run --separate-stderr rnx job run python3 -c '
import ctypes, fcntl, os, socket
families = []
for family in range(0, 46):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
        families.append(family)
    except OSError as error:
        if error.errno not in (1, 93, 94, 97): families.append((family, error.errno))
print(families)
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare(0x10000000), ctypes.get_errno())
for request in (0x5412, 0x541c, 0x5423, 0x401c5820, 0x5412 + (1 << 32)):
    ctypes.set_errno(0)
    print(libc.ioctl(0, ctypes.c_ulong(request), b"x"), ctypes.get_errno())
'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "[1, 2, 10, 16]" ]
	[ "${lines[1]}" = "-1 1" ]
	for i in 2 3 4 5 6; do [ "${lines[$i]}" = "-1 1" ]; done
}

@test "rnx: a viewer may not run, and is told which role lacks what" {
	run rnx --node viewer job run echo hi
	[ "$status" -eq 1 ]
	[[ "$output" == *"ERROR: Permission denied"* ]]
	[[ "$output" == *"role viewer lacks job:run"* ]]
	run rnx --node viewer job list
	[ "$status" -eq 0 ]
}

@test "rnx: list and status as JSON, with zeros" {
	rnx job run --name=shown true
	run --separate-stderr rnx job list --json
	[ "$status" -eq 0 ]
	jq -e 'type == "array" and (map(select(.name == "shown")) | length == 1) and all(.[]; .max_iobps == 0)' <<<"$output"
	run --separate-stderr rnx job status --json shown
	[ "$status" -eq 0 ]
	jq -e '.status == "COMPLETED" and .exitCode == 0 and .command == "true"' <<<"$output"
}

@test "rnx: detach prints the id alone; wait, log, stop of many, cancel, delete" {
	a=$(rnx job run -d sh -c 'echo from-a; exit 3')
	[[ "$a" =~ ^[0-9a-f-]{36}$ ]]
	run rnx job wait "$a"
	[ "$status" -eq 3 ]
	run --separate-stderr rnx job log "$a"
	[ "$output" = from-a ]
	b=$(rnx job run -d sleep 100)
	c=$(rnx job run -d sleep 100)
	run rnx job stop "$b" "${c:0:8}"
	[ "$status" -eq 0 ]
	run --separate-stderr rnx job status --json "$c"
	jq -e '.status == "STOPPED"' <<<"$output"
	d=$(rnx job run -d --schedule=1hour true)
	run rnx job cancel "$d"
	[ "$status" -eq 0 ]
	run rnx job delete "$a" "$d"
	[ "$status" -eq 0 ]
	run rnx job status "$a"
	[ "$status" -ne 0 ]
}

@test "rnx: a job that runs out of its time exits 124" {
	run rnx job run --timeout=1s sleep 100
	[ "$status" -eq 124 ]
}

@test "rnx: a memory bomb dies alone and says so" {
	run rnx job run --max-memory=64 python3 -c 'x = bytearray(512 << 20)'
	[ "$status" -ne 0 ]
	run rnx job status @last
	[[ "$output" == *"out of memory"* ]]
}

@test "rnx: binary output, long lines, no line feed, nothing: every byte as it was" {
	script='import os,sys; d=bytes((i*7+(i>>8))&255 for i in range(3<<20)); sys.stdout.buffer.write(d + b"x"*(1<<20) + b"no end")'
	want=$(/usr/bin/python3 -c "$script" | sha256sum)
	[ "$(rnx job run python3 -c "$script" 2>/dev/null | sha256sum)" = "$want" ]
	[ -z "$(rnx job run true 2>/dev/null)" ]
	run --separate-stderr rnx job run sh -c '(sleep 0.2; echo late) & echo early; wait'
	[ "$output" = $'early\nlate' ]
}

@test "rnx: 1 GB arrives whole and in order, with a slow reader, and jobletd stays small" {
	want=$(seq 1 120000000 | head -c 1073741824 | sha256sum)
	got=$(rnx job run sh -c 'seq 1 120000000 | head -c 1073741824' 2>/dev/null | (sleep 3; sha256sum))
	[ "$got" = "$want" ]
	for pid in "$DAEMON_PID" $(pgrep -P "$DAEMON_PID"); do
		rss=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue # a child that has ended since
		echo "# peak memory of $pid: $rss kB" >&3
		[ "$rss" -lt 65536 ]
	done
	rnx job delete @last
}

@test "rnx: 200 jobs at once: all finish" {
	for i in $(seq 200); do rnx job run -d --name=burst true; done >"$BATS_TEST_TMPDIR/ids"
	[ "$(sort -u "$BATS_TEST_TMPDIR/ids" | wc -l)" -eq 200 ]
	mapfile -t ids <"$BATS_TEST_TMPDIR/ids"
	run rnx job wait "${ids[@]}"
	[ "$status" -eq 0 ]
	run --separate-stderr rnx job list --name burst --json
	jq -e 'length == 200 and all(.[]; .status == "COMPLETED")' <<<"$output"
}

@test "rnx: what cannot be is refused clearly and nothing is made" {
	before=$(rnx job list --json | jq length)
	for bad in "--max-cpu=-1" "--max-memory=x" "--max-cpu=99999" "--cpu-cores=900" "--schedule=yesterday" "--schedule=2001-01-01T00:00:00Z" \
		"--timeout=soon" "--env=1A=x" "--env=JOB_ID=x" "--workdir=relative" "--no-such-flag"; do
		run rnx job run "$bad" true
		echo "$bad: $status $output"
		[ "$status" -ne 0 ]
		[ -n "$output" ]
	done
	run rnx job run
	[ "$status" -eq 2 ]
	run rnx job run ""
	[ "$status" -ne 0 ]
	run rnx job status 00000000
	[ "$status" -ne 0 ]
	[ "$(rnx job list --json | jq length)" -eq "$before" ]
}
