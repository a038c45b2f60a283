#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime and the places that its caller names, when they are missing, of another kind, somebody else's, too long, full or read-only: one line
# that names the place, status 1, nothing left.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

# WORDS OPTIONS...: `create` with them is refused with these words, and nothing is left.
refused() {
	local words=$1 status=0
	shift
	timeout -k 5 60 "$RUNTIME" --root "${AT-$ROOT}" create "$@" "$ID" </dev/null >"$BATS_TEST_TMPDIR/try" 2>&1 3>&- || status=$?
	echo "$words: $status $(cat "$BATS_TEST_TMPDIR/try")"
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/try")" -eq 1 ]
	grep -qF -- "$words" "$BATS_TEST_TMPDIR/try"
	nothing_left
}

# The same with a change of config.json.
refused_with() {
	local words=$1 change=$2
	shift 2
	bundle true
	edit "$@" "$change"
	refused "$words" -b "$BUNDLE"
}

# Things that are no directory, no socket and no file that one may have: each is where $1 says.
wrong_kinds() {
	mkfifo "$1/fifo"
	ln -s nowhere "$1/dangling"
	ln -s loop "$1/loop"
	mknod "$1/device" c 1 3
	echo text >"$1/file"
}

@test "bundles" {
	d=$BATS_TEST_TMPDIR/places
	mkdir "$d"
	wrong_kinds "$d"
	for kind in missing fifo dangling loop device file; do refused "cannot open the bundle $d/$kind" -b "$d/$kind"; done
	refused 'cannot open the bundle' -b ''
	refused 'File name too long' -b "/$(printf 'x%.0s' {1..300})"
	refused '...: No such file or directory' -b "$(printf '/x%.0s' {1..2100})"
	bundle true
	ln -s "$BUNDLE" "$d/link"
	rt run -b "$d/link" "$ID"
	(cd "$BUNDLE" && rt run "$ID")
	nothing_left
	# somebody else's bundle is a bundle: who may call the runtime says which
	chown -R 12345:12345 "$BUNDLE/config.json"
	rt run -b "$BUNDLE" "$ID"
}

@test "root directories" {
	d=$BATS_TEST_TMPDIR/places
	mkdir "$d"
	wrong_kinds "$d"
	for kind in missing fifo dangling loop device file; do refused_with "$d/$kind" '.root.path = $p' --arg p "$d/$kind"; done
	refused_with 'File name too long' '.root.path = "/" + "x" * 300'
	refused_with 'File name too long' '.root.path = "/x" * 2100'
	# a link may be exchanged: as with runc the root is a directory itself
	ln -s "$ROOTFS" "$d/root"
	refused_with "$d/root is not a directory" '.root.path = $p' --arg p "$d/root"
}

@test "paths that are too long, wherever config.json has one" {
	long=$(printf '/abcdefg%.0s' {1..520})
	for change in '.process.cwd = $p' '.process.args = [$p]' '.mounts += [{destination: $p, type: "tmpfs"}]' '.mounts += [{destination: "/tmp", type: "bind", source: $p}]' \
		'.linux.namespaces |= map(if .type == "network" then .path = $p else . end)' '.linux.cgroupsPath = $p' '.hooks.prestart = [{path: $p}]' \
		'.linux.devices = [{path: $p, type: "c", major: 1, minor: 3}]' '.linux.maskedPaths = [$p]' '.linux.readonlyPaths = [$p]'; do
		refused_with 'too long' "$change" --arg p "$long"
	done
}

@test "console sockets, pid files, logs" {
	d=$BATS_TEST_TMPDIR/places
	mkdir "$d"
	wrong_kinds "$d"
	bundle true
	edit '.process.terminal = true'
	for kind in missing fifo dangling loop device file; do refused "$d/$kind" -b "$BUNDLE" --console-socket "$d/$kind"; done
	refused 'console' -b "$BUNDLE" --console-socket "$(printf '/x%.0s' {1..100})"
	bundle true
	refused 'process.terminal' -b "$BUNDLE" --console-socket "$d/file"
	for kind in missing/pid file/pid fifo/pid loop/pid; do refused "$d/$kind" -b "$BUNDLE" --pid-file "$d/$kind"; done
	refused "$d" -b "$BUNDLE" --pid-file "$d/"
	mkdir "$d/directory"
	refused directory -b "$BUNDLE" --pid-file "$d/directory"
	# what is there is replaced, and not written through
	for kind in fifo dangling file; do
		rt create -b "$BUNDLE" --pid-file "$d/$kind" "$ID" </dev/null >/dev/null 2>&1
		[ "$(cat "$d/$kind")" = "$(rt state "$ID" | jq .pid)" ]
		[ ! -L "$d/$kind" ] && [ -f "$d/$kind" ]
		rt delete -f "$ID"
	done
	for kind in loop directory missing/log; do
		run rt --log "$d/$kind" state x
		[ "$status" -eq 1 ]
		[[ $output == *"$d/$kind"* ]]
	done
	nothing_left
}

@test "state directories" {
	d=$BATS_TEST_TMPDIR/places
	mkdir "$d"
	wrong_kinds "$d"
	bundle true
	for kind in fifo loop device file; do AT=$d/$kind refused "$d/$kind" -b "$BUNDLE"; done
	AT=$d/file/below refused "$d/file/below" -b "$BUNDLE"
	AT=/proc/nosuch refused "/proc/nosuch" -b "$BUNDLE"
	AT=$(printf '/abcdefg%.0s' {1..520}) refused 'too long' -b "$BUNDLE"
	AT='' refused '--root' -b "$BUNDLE"
}

@test "disks that are full or read-only" {
	d=$BATS_TEST_TMPDIR/disk
	mkdir "$d"
	bundle true
	# in a mount namespace of its own: the host sees no mount
	for options in size=4k,nr_inodes=1 size=4k,nr_inodes=2 size=4k,nr_inodes=3 size=4k,nr_inodes=5 size=4k ro; do
		echo "$options"
		status=0
		unshare -m --propagation private sh -c 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"' sh "$options" "$d" \
			timeout -k 5 60 "$RUNTIME" --root "$d/state" create -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/try" 2>&1 3>&- || status=$?
		cat "$BATS_TEST_TMPDIR/try"
		[ "$status" -eq 1 ]
		[ "$(wc -l <"$BATS_TEST_TMPDIR/try")" -eq 1 ]
		grep -qE 'No space left on device|Read-only file system' "$BATS_TEST_TMPDIR/try"
		nothing_left
	done
	# the disk of the pid file
	for options in nr_inodes=1 ro; do
		status=0
		unshare -m --propagation private sh -c 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"' sh "$options" "$d" \
			timeout -k 5 60 "$RUNTIME" --root "$ROOT" create -b "$BUNDLE" --pid-file "$d/pid" "$ID" </dev/null >"$BATS_TEST_TMPDIR/try" 2>&1 3>&- || status=$?
		[ "$status" -eq 1 ]
		grep -qE "$d/pid.*(No space left on device|Read-only file system)" "$BATS_TEST_TMPDIR/try"
		nothing_left
	done
	# the container's root: what it lacks cannot be made there
	edit --arg p "$d" '.root.path = $p'
	for options in nr_inodes=1 ro; do
		status=0
		unshare -m --propagation private sh -c 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"' sh "$options" "$d" \
			timeout -k 5 60 "$RUNTIME" --root "$ROOT" create -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/try" 2>&1 3>&- || status=$?
		[ "$status" -eq 1 ]
		grep -qE "/proc.*(No space left on device|Read-only file system)" "$BATS_TEST_TMPDIR/try"
		nothing_left
	done
}
