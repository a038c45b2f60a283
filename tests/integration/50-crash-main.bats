#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jobletd killed with jobs running: no job, no exit code and no byte of output is lost.

load helpers/daemon

teardown() {
	daemon_clean
}

rnx() {
	"$DAEMON_BIN/rnx" "$@"
}

@test "kill -9 with 20 jobs running, five times: every job, exit code and byte is there" {
	daemon_make joblet.maxConcurrentJobs=30
	daemon_start
	export RNX_CONFIG=$DAEMON_HOME/config/rnx-config.yml
	ids=()
	for i in $(seq 20); do
		ids+=("$(rnx job run -d sh -c "n=0; while [ \$n -lt 60 ]; do echo line \$n of $i; n=\$((n+1)); sleep 0.1; done; exit $i")")
	done
	for _ in 1 2 3 4 5; do
		sleep "0.$((RANDOM % 9))"
		daemon_kill
		daemon_start
	done
	for i in $(seq 20); do
		run rnx job wait "${ids[$((i - 1))]}"
		[ "$status" -eq "$i" ]
		[ "$(rnx job log "${ids[$((i - 1))]}" | sha256sum)" = "$(for n in $(seq 0 59); do echo "line $n of $i"; done | sha256sum)" ]
	done
	[ "$(rnx job list --json | jq length)" -eq 20 ]
}

@test "killed while jobs are being submitted: what was accepted ends, nothing twice" {
	daemon_make joblet.maxConcurrentJobs=4
	daemon_start
	export RNX_CONFIG=$DAEMON_HOME/config/rnx-config.yml
	ids=()
	for _ in $(seq 12); do ids+=("$(rnx job run -d sh -c 'echo ran; sleep 0.2')"); done
	daemon_kill
	daemon_start
	run rnx job wait "${ids[@]}"
	[ "$status" -eq 0 ]
	for id in "${ids[@]}"; do
		[ "$(rnx job log "$id")" = ran ]
	done
}
