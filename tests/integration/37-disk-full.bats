#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A full disk, for the store and for the logs, on small file systems of the test's own: a clear error, nothing half-made, and work goes on when
# there is room again.

load helpers/daemon

setup() {
	daemon_make joblet.maxConcurrentJobs=4
	mkdir -p -m 0700 "$DAEMON_HOME/state" "$DAEMON_HOME/logs"
}

teardown() {
	daemon_clean
}

fill() {
	dd if=/dev/zero of="$1/fill" bs=64k 2>/dev/null || true
	dd if=/dev/zero bs=1 count=65536 2>/dev/null >>"$1/fill" || true
}

@test "the store's disk is full: refused, reads work, running jobs keep their exit" {
	mount -t tmpfs -o size=6m,mode=700 joblet-test "$DAEMON_HOME/state"
	daemon_start
	first=$(jc run sh -c 'sleep 2; exit 6')
	fill "$DAEMON_HOME/state"
	for _ in 1 2 3; do
		run jc run --environment "{\"A\": \"$(head -c 30000 /dev/zero | tr '\0' x)\"}" touch f
		echo "$output"
		[ "$status" -eq 3 ]
		[[ $output == "RESOURCE_EXHAUSTED: "* ]]
	done
	run jc call JobService.ListJobs
	[ "$status" -eq 0 ]
	[ "$(grep -o '"uuid"' <<<"$output" | wc -l)" -eq 1 ]
	sleep 2.5
	rm "$DAEMON_HOME/state/fill"
	[ "$(jc wait "$first")" = "$first FAILED 6" ]
	jc run --wait true
	[ -z "$(daemon_leftovers | grep -v "^mount .*$DAEMON_HOME/state ")" ]
}

@test "the disk of the logs is full: the job is told or ends, jobletd lives, other jobs work again when there is room" {
	mount -t tmpfs -o size=4m,mode=700 joblet-test "$DAEMON_HOME/logs"
	daemon_start
	id=$(jc run sh -c 'head -c 12000000 /dev/zero | tr "\0" x; echo; echo end')
	run jc wait "$id"
	echo "$output"
	[ "$status" -eq 0 ]
	jc call JobService.GetJobStatus "{\"uuid\": \"$id\"}"
	jc logs "$id" '{"no_follow": true}' >"$DAEMON_HOME/out" || true
	[ "$(stat -c %s "$DAEMON_HOME/out")" -lt 4194304 ]
	jc call JobService.DeleteJob "{\"uuid\": \"$id\"}"
	run jc run --wait echo again
	echo "$output"
	[ "$output" = again ]
}
