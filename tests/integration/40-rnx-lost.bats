#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Connections that are cut, servers that go and come back: nothing is lost, nothing comes twice, no job runs twice.

bats_require_minimum_version 1.5.0
load helpers/rnx_fake

setup() {
	fake_start
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	fake_stop
}

lines_of() {
	seq 0 $(($1 - 1)) | sed 's/^/line /'
}

@test "run: the connection is cut ten times" {
	rnx job run lines 100 10 0 </dev/null >out 2>err
	lines_of 100 | cmp - out
	grep -q "is lost" err && grep -q "connected again" err
}

@test "run: the server is away for a while" {
	rnx job run -q lines 40 15 0.7 </dev/null >out 2>err
	lines_of 40 | cmp - out
	[ ! -s err ]
}

@test "log: the connection is cut" {
	local id
	id=$(rnx job run -d lines 100 10 0)
	rnx job log "$id" >out
	lines_of 100 | cmp - out
	id=$(rnx job run -d lines 40 15 0.7)
	rnx job log "$id" >out
	lines_of 40 | cmp - out
}

@test "wait: the connection is cut" {
	local id
	id=$(rnx job run -d lines 60 10 0.3)
	run -0 rnx job wait -q "$id"
}

@test "the server says itself that it goes" {
	rnx job run -q abort </dev/null >out
	[ "$(cat out)" = $'before\nafter' ]
}

@test "a submission whose answer is lost runs one job" {
	run -1 rnx job run fail-next run 3
	run -0 --separate-stderr rnx job run -q echo once </dev/null
	[ "$output" = once ]
	[ "$(rnx job list -q | wc -l)" -eq 1 ]
	[ "$(fake_events | jq -r 'select(.call == "run" and .command == "echo") | .key // empty' | sort | uniq -c | awk '{ print $1 }')" = 4 ]
	run -1 rnx job run fail-next find 2
	run -0 rnx job list -q
}

@test "a server that never comes back: 125, and how to go on" {
	[ -z "${RNX_SLOW_TESTS:-}" ] && skip "takes a minute: set RNX_SLOW_TESTS"
	"$RNX" job run ignore </dev/null >out 2>err &
	local pid=$! status=0
	until grep -q ready out; do sleep 0.1; done
	kill -KILL "$FAKE_PID"
	wait "$pid" || status=$?
	[ "$status" -eq 125 ]
	grep -q "rnx job attach --from 6" err
}

@test "Ctrl-C while there is no connection" {
	run -0 /usr/bin/python3 - <<-'END'
		import os, signal, subprocess, time
		p = subprocess.Popen([os.environ["RNX"], "job", "run", "ignore"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		assert p.stdout.readline() == b"ready\n"
		os.kill(int(os.environ["FAKE_PID"]), signal.SIGKILL)
		time.sleep(0.7)
		p.send_signal(signal.SIGINT); time.sleep(0.3); p.send_signal(signal.SIGINT)
		out, err = p.communicate(timeout=5)
		assert p.returncode == 130 and b"is lost" in err and b"rnx job attach --from 6 " in err, err
	END
}
