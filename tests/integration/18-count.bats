#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# System calls and instructions of a start and of a shim's life. They are the same on a busy machine as on a quiet one, so a slower start shows here before it
# shows in any time. The limits have a little room; who needs more looks first where they go, which a failure prints.

bats_require_minimum_version 1.5.0
load helpers/runtime
load helpers/shim

setup_file() {
	rt_setup_file
}

setup() {
	[[ $JOBLET_BIN == */release/* ]] || skip "the limits are those of the release build; sanitizers and coverage make calls of their own"
	rt_setup
}

teardown() {
	[ -n "${ROOT:-}" ] || return 0
	shim_clean
	rt_teardown
}

# FILE PROGRAM LIMIT: what was counted of that program is no more. Too few would mean that nothing was counted.
at_most() {
	local n
	n=$(awk -v p="$2" '$1 == p && NF == 2 { print $2; exit }' "$1")
	if [ -z "$n" ] || [ "$n" -gt "$3" ] || [ "$n" -lt 100 ]; then
		echo "$2: ${n:-nothing} was counted, the limit is $3"
		cat "$1"
		return 1
	fi
}

@test "a start of a plain job is few system calls" {
	bundle true
	rt run -b "$BUNDLE" first # fills the cache of filters, makes the cgroup's parents
	LC_ALL=C timeout -k 5 60 "$JOBLET_SOURCE/hack/bench/count.py" "$BATS_TEST_TMPDIR/calls" "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" 3>&-
	hierarchies=$(grep -c . /proc/self/cgroup)
	# each hierarchy takes some 22, all the rest some 580
	at_most "$BATS_TEST_TMPDIR/calls" joblet-runtime $((600 + 24 * hierarchies))
	nothing_left
}

@test "the life of a shim is few system calls" {
	shim_make true
	shim_args
	timeout -k 5 90 "$JOBLET_SOURCE/hack/bench/count.py" "$BATS_TEST_TMPDIR/calls" "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}" >"$BATS_TEST_TMPDIR/out" 3>&- &
	count=$!
	shim_until 30 grep -q data "$BATS_TEST_TMPDIR/out"
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	shim_begin
	[ "$(shim_wait 30)" = 0 ]
	wait "$count"
	at_most "$BATS_TEST_TMPDIR/calls" joblet-shim 265
}

# One at a time, which takes a minute where debug exceptions are slow; the calls above have said before what is wrong in most cases.
@test "a start of a plain job is few instructions" {
	bundle true
	rt run -b "$BUNDLE" first
	timeout -k 5 400 env -i "$JOBLET_BIN/bench-tool" steps "$BATS_TEST_TMPDIR/steps" joblet-runtime "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" 3>&-
	at_most "$BATS_TEST_TMPDIR/steps" joblet-runtime 1200000
	nothing_left
}

@test "the life of a shim is few instructions" {
	shim_make true
	shim_args
	timeout -k 5 400 env -i "$JOBLET_BIN/bench-tool" steps "$BATS_TEST_TMPDIR/steps" joblet-shim "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}" >"$BATS_TEST_TMPDIR/out" 3>&- &
	count=$!
	shim_until 120 grep -q data "$BATS_TEST_TMPDIR/out"
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	shim_begin
	[ "$(shim_wait 120)" = 0 ]
	wait "$count"
	at_most "$BATS_TEST_TMPDIR/steps" joblet-shim 200000
}
