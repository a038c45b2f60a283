#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh from nothing to the first job and back, as a second installation in a directory of its own.
bats_require_minimum_version 1.5.0

setup_file() {
	export SOURCE=${JOBLET_SOURCE:-$BATS_TEST_DIRNAME/../..}
	export JOBLET_HOME=$BATS_FILE_TMPDIR/home PREFIX=$BATS_FILE_TMPDIR/usr
	export JOBLET_SERVER_PORT
	JOBLET_SERVER_PORT=$(/usr/bin/python3 -I -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	export RNX_CONFIG=$JOBLET_HOME/config/rnx-config.yml
}

teardown_file() {
	"$SOURCE/hack/quickstart.sh" --stop >/dev/null 2>&1 || true
}

quickstart() {
	timeout 150 "$SOURCE/hack/quickstart.sh" "$@" </dev/null 3>&-
}

daemon_pid() {
	cat "$JOBLET_HOME/run/jobletd.pid"
}

@test "quickstart: from nothing to the first job" {
	run quickstart
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *$'\nHello, Joblet\n'* ]]
	[ "$(readlink "/proc/$(daemon_pid)/exe")" = "$(readlink -f "$PREFIX")/bin/jobletd" ]
	run "$PREFIX/bin/rnx" job run sh -c 'exit 7'
	[ "$status" -eq 7 ]
}

@test "quickstart: run again, the daemon and its jobs go on and nothing is new" {
	pid=$(daemon_pid)
	sum=$(sha256sum "$JOBLET_HOME"/config/*.yml)
	id=$("$PREFIX/bin/rnx" job run -d sh -c 'read x < /dev/zero; exit 3')
	run quickstart
	[ "$status" -eq 0 ]
	[ "$(daemon_pid)" = "$pid" ]
	[ "$(sha256sum "$JOBLET_HOME"/config/*.yml)" = "$sum" ]
	"$PREFIX/bin/rnx" job list | grep -q "${id:0:8}.*RUNNING"
	"$PREFIX/bin/rnx" job stop "$id"
}

@test "quickstart: a stale pid file does not stop a stranger" {
	sleep 60 3>&- &
	stranger=$!
	mkdir -p "$BATS_TEST_TMPDIR/home/run"
	echo $stranger >"$BATS_TEST_TMPDIR/home/run/jobletd.pid"
	JOBLET_HOME=$BATS_TEST_TMPDIR/home quickstart --stop
	kill -0 $stranger
	kill $stranger
}

@test "quickstart: a daemon that cannot start is reported with its own words" {
	quickstart --stop
	cp "$JOBLET_HOME/config/joblet-config.yml" "$BATS_TEST_TMPDIR/good"
	echo 'nonsense: 1' >>"$JOBLET_HOME/config/joblet-config.yml"
	run quickstart
	cp "$BATS_TEST_TMPDIR/good" "$JOBLET_HOME/config/joblet-config.yml"
	[ "$status" -ne 0 ]
	[[ $output == *nonsense* && $output == *"jobletd did not start"* ]]
	quickstart
}

@test "quickstart: --stop and --uninstall leave nothing" {
	pid=$(daemon_pid)
	id=$("$PREFIX/bin/rnx" job run -d sleep 1000)
	run quickstart --stop
	[ "$status" -eq 0 ]
	[ ! -e "/proc/$pid/exe" ]
	[ ! -e "$JOBLET_HOME/run/jobletd.pid" ]
	quickstart
	[[ $("$PREFIX/bin/rnx" job list) == *"${id:0:8}"*RUNNING* ]]
	cgroup=$("$PREFIX/bin/jobletd" --config "$JOBLET_HOME/config/joblet-config.yml" --print-config | sed -n 's/^  baseDir: "\(.*\)"$/\1/p')
	[ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "$cgroup")" ]
	run quickstart --uninstall --yes
	echo "$output"
	[ "$status" -eq 0 ]
	[ ! -e "$JOBLET_HOME" ]
	[ -z "$(find /sys/fs/cgroup -maxdepth 2 -name "$cgroup")" ]
	[ -z "$(find "$PREFIX" -type f)" ]
	run ! grep -F "$JOBLET_HOME" /proc/self/mounts
	run ! pgrep -f "$JOBLET_HOME"
	run quickstart --uninstall --yes
	[ "$status" -eq 0 ]
}
