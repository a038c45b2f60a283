#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman with joblet-runtime in runc's place and the real conmon beside it: what podman's run can be asked for, and what it does with
# containers that go on.
bats_require_minimum_version 1.5.0
load helpers/engine
load helpers/engine_rows
load helpers/engine_features

setup_file() {
	engine_setup_file
	rows_prepare
}

setup() { engine_use conmon joblet-runtime; }
teardown_file() { engine_teardown_file; }

@test "podman run: the process, its rights and its limits are as asked" { rows_run process; }

@test "podman run: capabilities, namespaces, filters and masks are as asked" { rows_run isolation; }

@test "podman run: root, mounts, volumes and devices are as asked" { rows_run files; }

@test "podman run: limits are in force" { rows_run limits; }

@test "podman: create, start, stop, kill, pause, restart, health, out of memory" { features $FEATURES_LIFE; }

@test "podman: exec, top, stats, cp, commit, update" { features $FEATURES_EXEC; }

@test "podman: terminals, attach, stdin, logs" { features $FEATURES_STREAM; }

@test "podman: pods, shared namespaces, volumes, readiness, checkpoint" { features $FEATURES_POD; }
