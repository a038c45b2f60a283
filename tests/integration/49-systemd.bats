#!/usr/bin/env bats
# bats file_tags=vm:systemd
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh and the service where systemd is process 1: the installation in its real places, so only on a machine that is thrown away:
#
#	INIT=systemd hack/vm.sh hack/integration.sh tests/integration/49-systemd.bats
bats_require_minimum_version 1.5.0

is_place() { [ -n "${JOBLET_VM:-}" ] && [ "$(cat /proc/1/comm)" = systemd ]; }

setup() {
	is_place || skip "this replaces the machine's installation, under systemd: INIT=systemd hack/vm.sh makes such a machine"
}

setup_file() {
	is_place || return 0
	export SOURCE=${JOBLET_SOURCE:-$BATS_TEST_DIRNAME/../..} JOBLET_HOME=/opt/joblet RNX_CONFIG=/opt/joblet/config/rnx-config.yml
	unset PREFIX
	# What the host has installed is seen here, too.
	rm -rf /opt/joblet /usr/local/lib/systemd/system/joblet.service
	# To make the base tree takes minutes under emulation, and other tests do: here it is the one that they made.
	load helpers/daemon
	daemon_base
	mkdir -p /opt/joblet/runtimes
	mount --bind "$DAEMON_CACHE/home/runtimes" /opt/joblet/runtimes
	printf '#!/bin/sh\n' >"$BATS_FILE_TMPDIR/base_tree.sh"
	chmod 755 "$BATS_FILE_TMPDIR/base_tree.sh"
	mount --bind "$BATS_FILE_TMPDIR/base_tree.sh" "$SOURCE/hack/base_tree.sh"
}

teardown_file() {
	is_place || return 0
	umount "$SOURCE/hack/base_tree.sh"
	! grep -q ' /opt/joblet/runtimes ' /proc/self/mounts || umount /opt/joblet/runtimes
}

quickstart() {
	timeout 600 "$SOURCE/hack/quickstart.sh" "$@" </dev/null 3>&-
}

rnx() {
	timeout 120 /usr/local/bin/rnx "$@" </dev/null
}

property() { # of the service
	systemctl show -P "$1" joblet.service
}

# A job that goes on until it is stopped, and then exits 5: $job, and its shim's pid in $shim.
start_job() {
	job=$(rnx job run -d sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 1; done')
	until rnx job log --no-follow "$job" 2>/dev/null | grep -qx up; do sleep 0.2; done
	shim=$(pgrep -f "/joblet-shim .*$job")
}

# It runs in the same shim as before, and its end reaches the daemon of today.
job_went_on() {
	[ "$(pgrep -f "/joblet-shim .*$job")" = "$shim" ]
	[ "$(rnx --json job status "$job" | jq -r .status)" = RUNNING ]
	rnx job stop "$job"
	[ "$(rnx --json job status "$job" | jq -c '[.status, .exitCode]')" = '["STOPPED",5]' ]
}

until_true() {
	until "$@"; do sleep 0.2; done
}

serves() { rnx job list >/dev/null 2>&1; }
has_new_pid() { [ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != "$1" ]; }

@test "systemd: quickstart from nothing to the first job, as a service that says itself that it is ready" {
	run quickstart
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *$'\nHello, Joblet\n'* ]]
	[ "$(property ActiveState)/$(property SubState)/$(property UnitFileState)/$(property Type)" = active/running/enabled/notify ]
	[ "$(readlink "/proc/$(property MainPID)/exe")" = /usr/local/bin/jobletd ]
	[[ $(property StatusText) == "listening on "* ]]
	[[ $(journalctl -u joblet.service --no-pager) == *"jobletd["*RunJob* ]]
	[ "$(stat -c '%a %U' /run/joblet /var/log/joblet | tr '\n' ' ')" = "711 root 750 root " ]
	run rnx job run sh -c 'exit 7'
	[ "$status" -eq 7 ]
}

@test "systemd: restart and the daemon's violent end: the service is back, the job went on in cgroups of its own" {
	start_job
	[ "$(grep -c joblet.service "/proc/$(pgrep -P "$shim")/cgroup")" = 0 ]
	old=$(property MainPID)
	systemctl restart joblet.service
	[ "$(property MainPID)" != "$old" ]
	[ "$(rnx --json job status "$job" | jq -r .status)" = RUNNING ]
	old=$(property MainPID)
	kill -KILL "$old"
	until_true has_new_pid "$old"
	[ "$(property NRestarts)" = 1 ]
	job_went_on
}

@test "systemd: stop leaves the job alone, start knows it again" {
	start_job
	systemctl stop joblet.service
	[ "$(property ActiveState)" = inactive ]
	[ -z "$(pgrep -x jobletd)" ]
	[ "$(pgrep -f "/joblet-shim .*$job")" = "$shim" ]
	systemctl start joblet.service
	job_went_on
}

@test "systemd: quickstart again is no restart; a configuration that is wrong is reported in the daemon's words" {
	old=$(property MainPID)
	run quickstart
	[ "$status" -eq 0 ]
	[ "$(property MainPID)" = "$old" ]
	cp /opt/joblet/config/joblet-config.yml "$BATS_TEST_TMPDIR/good"
	echo 'nonsense: 1' >>/opt/joblet/config/joblet-config.yml
	run quickstart
	cp "$BATS_TEST_TMPDIR/good" /opt/joblet/config/joblet-config.yml
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *nonsense* && $output == *"jobletd did not start"* ]]
	systemctl reset-failed joblet.service
	systemctl restart joblet.service
}

@test "systemd: socket activation: the first client starts the service, and again after it was stopped" {
	systemctl stop joblet.service
	systemctl start joblet.socket
	for time in first second; do
		[ "$(property ActiveState)" = inactive ]
		run rnx job run echo "$time"
		echo "$output"
		[ "$status" -eq 0 ]
		[ "${lines[-1]}" = "$time" ]
		[[ $(property ActiveState)/$(property StatusText) == "active/listening on "*" port 50051" ]]
		systemctl stop joblet.service
	done
	systemctl stop joblet.socket
	systemctl start joblet.service
}

@test "systemd: --stop disables the service, --uninstall leaves nothing" {
	start_job
	quickstart --stop
	[ "$(property ActiveState)/$(property UnitFileState)" = inactive/disabled ]
	kill -0 "$shim"
	systemctl start joblet.service
	umount /opt/joblet/runtimes
	run quickstart --uninstall --yes
	echo "$output"
	[ "$status" -eq 0 ]
	run ! systemctl cat joblet.service
	[ -z "$(pgrep -f 'joblet(d|-shim|-runtime)')" ]
	[ -z "$(find /opt/joblet /run/joblet /var/log/joblet /usr/local /etc/systemd /sys/fs/cgroup -name '*joblet*' 2>/dev/null)" ]
	run ! getent passwd joblet
}
