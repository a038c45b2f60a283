#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How a job ended and what it used: in its status, in JSON, over gRPC, in the audit log; after a restart of jobletd; with a record that lies or
# is not there.

bats_require_minimum_version 1.5.0
load helpers/daemon

setup_file() {
	daemon_make joblet.maxConcurrentJobs=20
	start
	export RNX_CONFIG=$DAEMON_HOME/config/rnx-config.yml
}

# The daemon that serves now, which a test before may have started.
setup() {
	DAEMON_PID=$(cat "$DAEMON_HOME/test.pid")
	DAEMON_PORT=$(cat "$DAEMON_HOME/run/port")
}

teardown_file() {
	setup
	daemon_clean
}

start() {
	daemon_start
	echo "$DAEMON_PID" >"$DAEMON_HOME/test.pid"
}

rnx() {
	"$DAEMON_BIN/rnx" "$@"
}

status() { # ID, a condition of jq
	rnx job status --json "$1" >"$BATS_TEST_TMPDIR/status"
	cat "$BATS_TEST_TMPDIR/status"
	jq -e "$2" "$BATS_TEST_TMPDIR/status"
}

runs() { # ID
	local i
	for ((i = 0; i < 600; i++)); do
		[ "$(rnx job status --json "$1" | jq -r .status)" != RUNNING ] || return 0
		sleep 0.05
	done
	return 1
}

# A job that ends with CODE while there is no jobletd. Sets id, and record to its file. The first process does not notice the signal before it
# has set its trap.
ends_unseen() { # CODE
	local i
	id=$(rnx job run -d sh -c "trap 'exit $1' USR1; while :; do sleep 0.05; done")
	rnx job status --json "$id" | jq -e '.usage == null'
	record=$DAEMON_HOME/jobs/$id/exit.json
	runs "$id"
	daemon_kill
	for ((i = 0; i < 600; i++)); do
		[ ! -e "$DAEMON_HOME/state/exits/$id" ] || return 0
		kill -USR1 "$(cat "$DAEMON_HOME/jobs/$id/pid")" 2>/dev/null || true
		sleep 0.05
	done
	return 1
}

@test "a job that exits: code, reason, and what it used" {
	id=$(rnx job run -d python3 -c 'x = bytearray(40 << 20); sum(range(2000000)); raise SystemExit(3)')
	run rnx job wait "$id"
	status "$id" '.status == "FAILED" and .exitCode == 3 and .signal == 0 and .reason == "exited 3" and (.oomKilled | not) and
		.usage.memoryPeak > 41943040 and .usage.memoryPeak < 400000000 and .usage.cpuTime > 1000000 and
		.usage.linesDropped == 0 and .usage.bytesDropped == 0 and (.usage | keys | length) == 6'
	run rnx job status "$id"
	echo "$output"
	[[ $output =~ used\ +memory\ at\ its\ peak\ [0-9.]+\ MB,\ CPU\ [0-9.]+\ s,\ read\ .*,\ written ]]
	[[ $output != *dropped* ]]
	# over gRPC, with the client that is not ours
	jc call JobService.GetJobStatus "{\"uuid\": \"$id\"}" | grep -E '"?memory_?[pP]eak'
	grep -F '"job_end"' "$DAEMON_HOME/log/audit.log" | grep -F "$id" | grep -E '"memory_peak":[0-9]+,"cpu_ns":[0-9]+,"io_read":-?[0-9]+,"io_written":-?[0-9]+,"lines_dropped":0,"bytes_dropped":0'
}

@test "a signal has its name, and a program that exits like one has not" {
	id=$(rnx job run -d sh -c 'exit 137')
	run rnx job wait "$id"
	status "$id" '.exitCode == 137 and .signal == 0 and .reason == "exited 137"'
	id=$(rnx job run -d sleep 100)
	runs "$id"
	rnx job signal "$id" KILL
	run rnx job wait "$id"
	status "$id" '.exitCode == 137 and .signal == 9 and .reason == "killed by signal 9 (KILL)" and .usage.memoryPeak > 0'
}

@test "out of memory says how much of how much" {
	run rnx job run --max-memory=64 python3 -c 'x = bytearray(512 << 20)'
	[ "$status" -ne 0 ]
	status @last '.oomKilled and .signal == 9 and .reason == "out of memory: used 64 of 64 MB" and .usage.memoryPeak <= 67108864'
}

@test "stopped, timed out, not started, shim lost: each says so" {
	id=$(rnx job run -d sleep 100)
	runs "$id"
	rnx job stop "$id"
	status "$id" '.status == "STOPPED" and (.reason | startswith("stopped by ")) and .usage.cpuTime > 0'
	run -124 rnx job run --timeout=1s sleep 100
	status @last '.status == "TIMEOUT" and .reason == "timed out after 1s" and .usage.memoryPeak > 0'
	run -127 rnx job run nosuch
	status @last '.reason == "could not start: exec \"nosuch\": not found" and .usage == null'
	id=$(rnx job run -d sleep 100)
	runs "$id"
	kill -KILL "$(cat "$DAEMON_HOME/jobs/$id/shim.pid")"
	run rnx job wait "$id"
	status "$id" '.status == "FAILED" and .exitCode == 125 and .reason == "its shim was lost" and .usage == null'
	run rnx job status "$id"
	[[ $output != *"used "* ]]
}

@test "a job that ends without jobletd is described after the restart, and after one more" {
	ends_unseen 4
	jq -e .memoryPeak "$record"
	peak=$(jq .memoryPeak "$record")
	start
	run rnx job wait "$id"
	status "$id" ".exitCode == 4 and .usage.memoryPeak == $peak"
	daemon_kill
	start
	status "$id" ".exitCode == 4 and .usage.memoryPeak == $peak"
}

@test "a record that lies, is damaged or is no file takes nothing from the exit file" {
	for evil in \
		'rm "$record"; echo "{\"exitCode\": 0, \"signal\": 0, \"oomKilled\": true, \"memoryPeak\": 1, \"cpuTime\": 1, \"ioRead\": 1, \"ioWritten\": 1, \"linesDropped\": 0, \"bytesDropped\": 0}" >"$record"' \
		'jq ".memoryPeak = -5" "$record" >"$record.new"; mv "$record.new" "$record"' \
		'truncate -s 20 "$record"' \
		'truncate -s 1G "$record"' \
		'rm "$record"; mkfifo "$record"' \
		'rm "$record"; ln -s /etc/passwd "$record"' \
		'rm "$record"; mkdir "$record"'; do
		ends_unseen 5
		eval "$evil"
		start
		run rnx job wait "$id"
		echo "$evil"
		status "$id" '.status == "FAILED" and .exitCode == 5 and .reason == "exited 5" and (.oomKilled | not) and .usage == null'
		grep -F "job $id: its exit record is of no use: " "$DAEMON_HOME/jobletd.log"
	done
	# and one that is not there, as with a full disk
	ends_unseen 6
	rm "$record"
	start
	run rnx job wait "$id"
	status "$id" '.exitCode == 6 and .reason == "exited 6" and .usage == null'
	run ! grep -F "job $id: its exit record" "$DAEMON_HOME/jobletd.log"
}

@test "output that a full disk has dropped is counted" {
	mount -t tmpfs -o size=1m,mode=700 joblet-test "$DAEMON_HOME/logs"
	id=$(rnx job run -d sh -c 'head -c 3000000 /dev/zero | tr "\0" x | fold -w 99')
	run rnx job wait "$id"
	umount "$DAEMON_HOME/logs"
	status "$id" '.usage.linesDropped > 1000 and .usage.bytesDropped > 100000'
	run rnx job status "$id"
	[[ $output =~ dropped\ +[0-9]+\ lines ]]
}

@test "conmon in the place of joblet-shim: the verdict, without what only a record knows" {
	(
		DAEMON_SHIM=$(command -v conmon) daemon_make
		trap daemon_clean EXIT
		daemon_start
		export RNX_CONFIG=$DAEMON_HOME/config/rnx-config.yml
		run -9 rnx job run sh -c 'exit 9'
		status @last '.reason == "exited 9" and .usage == null'
		run rnx job run --max-memory=64 python3 -c 'x = bytearray(512 << 20)'
		status @last '.exitCode == 137 and .signal == 9 and (.reason | startswith("killed by signal 9") or startswith("out of memory"))'
	)
}

@test "nothing is left" {
	[ -z "$(daemon_leftovers)" ]
}
