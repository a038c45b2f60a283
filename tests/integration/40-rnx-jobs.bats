#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The other commands of rnx against a server of the test's own.

bats_require_minimum_version 1.5.0
load helpers/rnx_fake

setup_file() {
	fake_start
}

teardown_file() {
	fake_stop
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	rnx job delete-all >/dev/null
}

@test "job list: nothing, columns, order, keys, pages" {
	run -0 rnx job list
	[ "$output" = "No jobs found" ]
	run -0 rnx job list --json
	[ "$(jq -c . <<<"$output")" = "[]" ]
	local i
	for i in 1 2 3 4 5 6 7 8; do rnx job run -q echo "$i" </dev/null >/dev/null; done
	run -0 rnx job list
	[[ ${lines[0]} =~ ^ID\ +NODE\ ID\ +STATUS\ +START\ TIME\ +COMMAND$ ]]
	[[ ${lines[1]} =~ ^[0-9a-f]{8}\ +fake\ +COMPLETED\ +[0-9]{4}-[0-9]{2}-[0-9]{2}\ [0-9:]{8}\ +echo\ 1$ ]]
	[[ ${lines[8]} == *"echo 8" ]]
	run -0 rnx job list --json
	jq -e 'length == 8 and ([.[].args[0]] == ["1", "2", "3", "4", "5", "6", "7", "8"])' <<<"$output"
	jq -e '.[0] | .max_iobps == 0 and .max_cpu == 0 and .exit_code == 0 and .cpu_cores == "" and .command == "echo"' <<<"$output"
	jq -e '["id", "node_id", "status", "start_time", "end_time", "command", "args", "exit_code", "max_cpu", "max_memory", "max_iobps",
		"cpu_cores", "scheduled_time", "name", "owner", "reason", "signal", "created_time", "labels"] - (.[0] | keys) == []' <<<"$output"
	run -0 rnx job ls -n 2 --format '{args}\t{status}'
	[ "$output" = $'7\tCOMPLETED\n8\tCOMPLETED' ]
	run -0 rnx job ps -q
	[ "${#lines[@]}" -eq 8 ] && [ "${#lines[0]}" -eq 36 ]
	run -0 rnx job list --no-trunc
	[[ ${lines[1]} =~ ^[0-9a-f-]{36} ]]
}

@test "job list: filters are sent" {
	rnx job list --status running,FAILED --status stopped --name x --label a=b --runtime r --mine --since 10min -n 4
	fake_events | tail -1 | jq -e '.status == ["RUNNING", "FAILED", "STOPPED"] and .name == "x" and .labels == {"a": "b"} and
		.runtime == "r" and .mine and .since and .page_size == 4'
}

@test "job status: text, JSON, several, unknown" {
	local id
	id=$(rnx job run -d --name nick --env A=1 -s S=2 --label l=m echo $'a\e]0;x\ab' 2>/dev/null)
	rnx job wait -q "$id"
	run -0 rnx job status "$id"
	[[ $output == *"job        $id"*"status     COMPLETED"*"S=***"* ]]
	[[ $output != *$'\e'* ]]
	run -0 rnx job status --json nick
	jq -e --arg id "$id" '.uuid == $id and .nodeId == "fake" and .exitCode == 0 and .environment.A == "1" and .maxIOBPS == 0' <<<"$output"
	jq -e '["uuid", "nodeId", "command", "args", "status", "startTime", "endTime", "exitCode", "scheduledTime", "environment",
		"network", "volumes", "runtime", "workDir", "maxCPU", "maxMemory", "maxIOBPS", "cpuCores"] - keys == []' <<<"$output"
	[ "$(rnx job status --json nick @last | jq length)" -eq 2 ]
	run -1 --separate-stderr rnx job status --json nick nothing @last
	[ "$(jq length <<<"$output")" -eq 2 ]
	[ "$(jq -r .error.code <<<"$stderr")" = NOT_FOUND ]
}

@test "job log: both streams, options, live" {
	local id
	id=$(rnx job run -d both 3)
	rnx job log "$id" >out 2>err
	[ "$(cat out)" = $'out 0\nout 1\nout 2' ] && [ "$(cat err)" = $'err 0\nerr 1\nerr 2' ]
	run -0 rnx job logs --stream stderr --tail 2 --since 1h --until 2099-01-01T00:00:00Z --no-follow "$id"
	fake_events | tail -1 | jq -e '.stream == "stderr" and .tail == 2 and .no_follow and .since and .until'
	run -0 --separate-stderr rnx job log --timestamps --stream stdout "$id"
	[[ ${lines[0]} =~ ^20[0-9-]{8}T[0-9:]{8}\.[0-9]{9}Z\ out\ 0$ ]]
	run -0 --separate-stderr rnx job log --from 12 --stream stdout "$id"
	[ "$output" = $'out 1\nout 2' ]
	rnx job log --json "$id" | jq -s -e '.[1].stream == "stderr" and .[1].offset == 12'
	run -1 rnx job log nothing
	[[ $output == *'no job "nothing"'* ]]
	id=$(rnx job run -d sleep 0.5)
	run -0 rnx job log -f "$id"
	run -0 --separate-stderr rnx --node viewer job log "$id"
	run -0 bash -c 'id=$("$RNX" job run -d bytes 5000000); "$RNX" job log "$id" | head -c 10 | wc -c; [ "${PIPESTATUS[0]}" -eq 141 ]'
	# One that prints no more, and goes on: that its reader has gone is seen all the same.
	run -0 timeout 60 bash -c 'id=$("$RNX" job run -d ignore); "$RNX" job log "$id" | grep -q ready; [ "${PIPESTATUS[0]}" -eq 141 ]; bad=$?
		"$RNX" job stop "$id" && "$RNX" job wait -q "$id"; "$RNX" job delete "$id" && exit $bad'
}

@test "job stop: many, each reported, 1 if any fails" {
	local a b c
	a=$(rnx job run -d sleep 60) b=$(rnx job run -d sleep 60) c=$(rnx job run -d echo x)
	rnx job wait -q "$c"
	run -1 --separate-stderr rnx job stop "$a" "$c" nothing "${b:0:8}"
	[ "$output" = "$a STOPPED"$'\n'"$b STOPPED" ]
	[[ $stderr == *"has ended"*'no job "nothing"'* ]]
	run -1 --separate-stderr rnx job stop --json "$a" nothing
	jq -e 'length == 2 and (all(.[]; .success | not))' <<<"$output"
	run -1 rnx job cancel "$a"
	[[ $output == *"has started"* ]]
	run -0 rnx job rm "$a" "$b"
	run -1 rnx --node viewer job stop "$c"
	[ "${lines[0]}" = "ERROR: Permission denied" ]
	run -0 bash -c 'for i in {1..30}; do "$RNX" job run -d sleep 60; done | xargs "$RNX" job stop | grep -c STOPPED'
	[ "$output" = 30 ]
	run -2 bash -c 'printf "" | xargs "$RNX" job stop; [ $? -eq 123 ] && exit 2'
}

@test "job delete-all never asks without a terminal" {
	rnx job run -q echo x </dev/null
	local b
	b=$(rnx job run -d sleep 5)
	run -0 rnx job delete-all
	[ "$output" = "1 deleted, 1 not ended" ]
	run -0 rnx job delete-all --json
	jq -e '.success and .deleted_count == 0 and .skipped_count == 1' <<<"$output"
	rnx job stop "$b"
}

@test "job wait: the last one's status, any, timeout" {
	local a b c
	a=$(rnx job run -d exit 3) b=$(rnx job run -d exit 4) c=$(rnx job run -d sleep 30)
	run -4 rnx job wait "$a" "$b"
	[ "$output" = "$a FAILED 3"$'\n'"$b FAILED 4" ]
	run -3 rnx job wait --any "$a" "$c"
	run -124 rnx job wait --timeout 300ms "$c"
	[[ $output == *"not ended yet"* ]]
	run -3 rnx job wait --json "$a"
	jq -e '.exit_code == 3 and .status == "FAILED"' <<<"$output"
	run -1 rnx job wait nothing
	rnx job stop "$c"
	run -143 rnx job wait -q "$c"
	[ -z "$output" ]
}

@test "job attach and signal" {
	local id
	id=$(rnx job run -d signals 1)
	rnx job signal "$id" sigusr2
	run -0 rnx job attach "$id" </dev/null
	[[ $output == *$'ready\ngot sigusr2'* ]]
	run -0 --separate-stderr rnx job attach --from 6 "$id" </dev/null
	[ "$output" = "got sigusr2" ]
	# stdin that the job does not have is no reason to fail, nor is a role that may not send any
	run -0 --separate-stderr bash -c 'echo x | "$RNX" job attach "$1"' _ "$id"
	[ "${lines[0]}" = ready ]
	run -0 --separate-stderr bash -c 'echo x | "$RNX" --node viewer job attach "$1"' _ "$id"
	run -1 rnx job attach nothing
}

@test "nodes and use" {
	cp -p "$FAKE_DIR/rnx-config.yml" c.yml
	run -0 rnx --config c.yml nodes
	[[ ${lines[1]} =~ ^\*\ +default\ +127.0.0.1:[0-9]+\ +alice\ +admin\ +20 ]]
	[[ ${lines[2]} =~ ^\ +viewer\ +127.0.0.1:[0-9]+\ +victor\ +viewer\ +20 ]]
	run -0 rnx --config c.yml nodes --json
	jq -e '.[0].default and (.[1].default | not) and .[1].role == "viewer" and (.[0].expires | length) > 0' <<<"$output"
	run -0 rnx --config c.yml use viewer
	grep -q '# a remark' c.yml
	[ "$(stat -c %a c.yml)" = 600 ]
	run -0 rnx --config c.yml nodes --json
	jq -e '.[1].default and (.[0].default | not)' <<<"$output"
	run -1 rnx --config c.yml job run echo x
	run -0 rnx --config c.yml use default
	cmp <(grep -v isDefault c.yml) <(grep -v isDefault "$FAKE_DIR/rnx-config.yml")
	run -1 rnx --config c.yml use nowhere
	[[ $output == *"no node nowhere"* ]]
}

@test "completion of ids" {
	local id
	id=$(rnx job run -d --name nick echo x)
	run -0 rnx complete -- job status ""
	[ "$output" = $'@last\n'"$id"$'\nnick' ]
	run -0 rnx complete -- job log "${id:0:6}"
	[ "$output" = "$id" ]
	RNX_CONFIG=/nothing run -0 rnx complete -- job log ""
	[ "$output" = @last ]
}

@test "a server that is not ours is not spoken to" {
	mkdir other && bash "$FAKE_SOURCE/tests/integration/helpers/grpc_certs.sh" "$PWD/other" short
	(umask 077 && awk -v dir="$PWD/other" '
		/^    ca: / { print; while ((getline line < (dir "/ca.pem")) > 0) print "      " line; close(dir "/ca.pem"); skip = 1; next }
		/^      / && skip { next } { skip = 0; print }' "$RNX_CONFIG" >c.yml)
	run -125 rnx --config c.yml job list
	[[ $output == error:* ]]
}
