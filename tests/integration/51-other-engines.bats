#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The inner seams are the industry's own: the main job with runc in the place of joblet-runtime and conmon in that of joblet-shim.

bats_require_minimum_version 1.5.0
load helpers/daemon

teardown() {
	daemon_clean
}

rnx() {
	"$DAEMON_BIN/rnx" "$@"
}

main_job() {
	daemon_start
	export RNX_CONFIG=$DAEMON_HOME/config/rnx-config.yml
	run --separate-stderr rnx job run sh -c 'echo out; echo err >&2; id -u; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = $'out\n65534' ]
	run --separate-stderr bash -c "echo piped | '$DAEMON_BIN/rnx' job run cat"
	[ "$status" -eq 0 ]
	[ "$output" = piped ]
	run -127 rnx job run nosuch
	id=$(rnx job run -d sleep 100)
	run rnx job stop "$id"
	[ "$status" -eq 0 ]
}

@test "runc in the place of joblet-runtime" {
	DAEMON_RUNTIME=$(command -v runc) daemon_make
	main_job
}

@test "conmon in the place of joblet-shim" {
	DAEMON_SHIM=$(command -v conmon) daemon_make
	main_job
}

@test "both" {
	DAEMON_RUNTIME=$(command -v runc) DAEMON_SHIM=$(command -v conmon) daemon_make
	main_job
}
