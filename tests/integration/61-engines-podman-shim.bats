#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman with joblet-shim in conmon's place, and each of joblet-runtime, crun and runc below it.
bats_require_minimum_version 1.5.0
load helpers/engine
load helpers/engine_rows
load helpers/engine_features

setup_file() {
	engine_setup_file
	rows_prepare
}

setup() { engine_use joblet-shim joblet-runtime; }
teardown_file() { engine_teardown_file; }

@test "joblet-shim and joblet-runtime: the process's stdio, status and descriptors" { rows_run process; }

@test "joblet-shim and joblet-runtime: create, start, stop, kill, pause, restart, health, out of memory" { features $FEATURES_LIFE; }

@test "joblet-shim and joblet-runtime: exec, top, stats, cp, commit, update" { features $FEATURES_EXEC; }

@test "joblet-shim and joblet-runtime: terminals, attach, stdin, logs" { features $FEATURES_STREAM; }

@test "joblet-shim and joblet-runtime: pods, shared namespaces, volumes, readiness, checkpoint" { features $FEATURES_POD; }

@test "joblet-shim and runc: what the monitor has a part in" {
	engine_use joblet-shim runc
	features $FEATURES_MONITOR
}

@test "joblet-shim and crun: what the monitor has a part in" {
	engine_crun_layout
	engine_use joblet-shim crun
	features $FEATURES_MONITOR
}
