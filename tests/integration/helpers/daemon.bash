#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A jobletd of a test's own: its own home, instance, cgroups, certificates, user ids and free port. Loaded by bats files:
#
#	load helpers/daemon
#	daemon_make [yaml lines of joblet-config.yml …]   home and configuration; sets DAEMON_HOME
#	daemon_start                                      returns when it serves; sets DAEMON_PORT, DAEMON_PID
#	daemon_stop                                       ends it in peace; jobs go on
#	daemon_kill                                       kill -9
#	daemon_clean                                      ends everything and looks whether something was left behind
#	jc [--role R] …                                   the client that is not ours (grpc_client.py)
#
# A key given to daemon_make replaces the default of the same block: `joblet: {maxConcurrentJobs: 3}` as `joblet.maxConcurrentJobs=3`.

DAEMON_SOURCE=${JOBLET_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
DAEMON_BIN=${JOBLET_BIN:-$DAEMON_SOURCE/build/release/bin}
DAEMON_CACHE=$DAEMON_SOURCE/build/test-cache

# The base tree is the same for all and built once.
daemon_base() {
	local mark
	mkdir -p "$DAEMON_CACHE/home"
	for mark in "$DAEMON_CACHE"/home/runtimes/base/*/fingerprint; do
		[ ! "$mark" -nt "$DAEMON_SOURCE/hack/base_tree.sh" ] || [ ! "$mark" -nt "$DAEMON_SOURCE/runtimes/base/runtime.yaml" ] || return 0
	done
	"$DAEMON_SOURCE/hack/base_tree.sh" --home "$DAEMON_CACHE/home" >/dev/null
}

daemon_yaml() { # block.key=value …
	local pair block last=
	printf '%s\n' "$@" | sort -s -t. -k1,1 | while IFS= read -r pair; do
		block=${pair%%.*} pair=${pair#*.}
		[ "$block" = "$last" ] || echo "$block:"
		last=$block
		echo "  ${pair%%=*}: ${pair#*=}"
	done
}

daemon_make() {
	local name defaults=() pair
	DAEMON_HOME=$(mktemp -d "/tmp/${JOBLET_TEST_NAME:-joblet-test}-XXXXXX")
	chmod 0755 "$DAEMON_HOME"
	name=${DAEMON_HOME##*/}
	DAEMON_CGROUP=$name
	DAEMON_PID=
	export DAEMON_HOME DAEMON_CGROUP
	for pair in server.address=127.0.0.1 server.port=0 "server.instance=$name" server.nodeId=test \
		"cgroup.baseDir=$name" process.user=nobody "process.uidBase=$((1000000 + RANDOM * 20000))" \
		"programs.runtime=${DAEMON_RUNTIME:-$DAEMON_BIN/joblet-runtime}" "programs.shim=${DAEMON_SHIM:-$DAEMON_BIN/joblet-shim}" logging.level=debug; do
		case " $* " in *" ${pair%%=*}="*) ;; *) defaults+=("$pair") ;; esac
	done
	mkdir -m 0700 "$DAEMON_HOME/config"
	(umask 077 && daemon_yaml "${defaults[@]}" "$@" >"$DAEMON_HOME/config/joblet-config.yml")
	JOBLET_HOME=$DAEMON_HOME JOBLET_SERVER_ADDRESS=127.0.0.1 "$DAEMON_SOURCE/hack/certs_gen_embedded.sh" >/dev/null
	daemon_base
	# Hard links where the file system allows: a symbolic link is no root for a runtime.
	mkdir -p "$DAEMON_HOME/runtimes"
	cp -al "$DAEMON_CACHE/home/runtimes/base" "$DAEMON_HOME/runtimes/" 2>/dev/null ||
		cp -a "$DAEMON_CACHE/home/runtimes/base" "$DAEMON_HOME/runtimes/"
}

# Starts it and waits until it serves, or has ended.
daemon_start() {
	local i
	rm -f "$DAEMON_HOME/run/port"
	"$DAEMON_BIN/jobletd" --config "$DAEMON_HOME/config/joblet-config.yml" </dev/null >>"$DAEMON_HOME/jobletd.log" 2>&1 3>&- &
	DAEMON_PID=$!
	for ((i = 0; i < 2400; i++)); do
		[ ! -s "$DAEMON_HOME/run/port" ] || break
		kill -0 "$DAEMON_PID" 2>/dev/null || break
		sleep 0.05
	done
	if [ ! -s "$DAEMON_HOME/run/port" ]; then
		cat "$DAEMON_HOME/jobletd.log" >&2
		return 1
	fi
	DAEMON_PORT=$(cat "$DAEMON_HOME/run/port")
	export DAEMON_PID DAEMON_PORT
	# rnx finds it too
	sed -i -E "s/^(    address: \"127\.0\.0\.1:)[0-9]+\"/\1$DAEMON_PORT\"/" "$DAEMON_HOME/config/rnx-config.yml"
}

daemon_stop() {
	[ -n "$DAEMON_PID" ] || return 0
	kill -TERM "$DAEMON_PID" 2>/dev/null || true
	daemon_gone
}

daemon_kill() {
	kill -KILL "$DAEMON_PID" 2>/dev/null || true
	daemon_gone
}

# Waits for its end; in teardown_file it is no child of this shell.
daemon_gone() {
	local i
	wait "$DAEMON_PID" 2>/dev/null || true
	for ((i = 0; i < 2400; i++)); do
		case $(awk '/^State:/ { print $2 }' "/proc/$DAEMON_PID/status" 2>/dev/null) in '' | Z) break ;; esac
		sleep 0.05
	done
	DAEMON_PID=
}

# Processes that name our home on their command line: shims, and runtimes on their way.
daemon_processes() {
	local dir
	for dir in /proc/[0-9]*; do
		if tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -qE "joblet(-shim|-runtime|d)? .*$DAEMON_HOME/"; then
			echo "${dir#/proc/}"
		fi
	done
}

daemon_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$DAEMON_CGROUP/*" 2>/dev/null
}

daemon_mounts() {
	grep -F "$DAEMON_HOME/" /proc/self/mountinfo || true
}

# What is left of jobs that have ended: nothing may be. Prints it.
daemon_leftovers() {
	daemon_processes | grep -vx "${DAEMON_PID:-none}" | sed 's/^/process /'
	daemon_cgroups | sed 's/^/cgroup /'
	daemon_mounts | sed 's/^/mount /'
	find "$DAEMON_HOME/state/exits" -type f 2>/dev/null | sed 's/^/exit file /'
}

daemon_clean() {
	local pid dir rc=0
	[ -n "${DAEMON_HOME:-}" ] || return 0
	if [ -n "${BATS_TEST_COMPLETED-x}" ] || [ "${BATS_ERROR_STATUS:-0}" -eq 0 ]; then :; else tail -n 40 "$DAEMON_HOME/jobletd.log" | sed 's/^/# /' >&2; fi
	daemon_stop
	# What the sanitizers found fails the test, or the file.
	if grep -aE -A 30 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$DAEMON_HOME/jobletd.log" >"$DAEMON_HOME/found" 2>/dev/null; then
		sed 's/^/# /' "$DAEMON_HOME/found" >&2
		rc=1
	fi
	for dir in $(daemon_cgroups); do
		if [ -e "$dir/cgroup.procs" ]; then
			while read -r pid; do [ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null || true; done <"$dir/cgroup.procs"
		fi
	done
	for pid in $(daemon_processes); do kill -KILL "$pid" 2>/dev/null || true; done
	sleep 0.1
	daemon_cgroups | while read -r dir; do rmdir "$dir" 2>/dev/null || true; done
	find /sys/fs/cgroup -maxdepth 2 -type d -name "$DAEMON_CGROUP" -exec rmdir {} + 2>/dev/null || true
	daemon_mounts | awk '{ print $5 }' | sort -r | while read -r dir; do umount -l "$dir" || true; done
	rm -rf --one-file-system "$DAEMON_HOME"
	DAEMON_HOME=
	return "$rc"
}

jc() {
	/usr/bin/python3 "$DAEMON_SOURCE/tests/integration/helpers/grpc_client.py" "$@"
}

# A test in python with the client: `from grpc_client import *`, c is an admin's connection.
py() {
	PYTHONPATH=$DAEMON_SOURCE/tests/integration/helpers PYTHONDONTWRITEBYTECODE=1 timeout "${PY_TIMEOUT:-120}" /usr/bin/python3 -c "
import os, sys, time, json, hashlib, threading, signal
from grpc_client import *
c = connect()
$(cat)" "$@"
}
