#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-shim alone with a runtime: exit codes, output, logs, terminal, exec.
load helpers/shim

teardown() {
	shim_clean
}

@test "shim: --version looks like conmon's" {
	run "$SHIM" --version
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^conmon\ version\ [0-9]+\.[0-9]+\.[0-9]+ ]]
}

@test "shim: exit codes 0, 7, 255 and a signal" {
	local row
	for row in 'exit 0=0' 'exit 7=7' 'exit 255=255' 'kill -9 $$; sleep 5=137'; do
		shim_make "${row%=*}" nopid
		run shim_run
		echo "$output"
		[ "${lines[-1]}" = "${row##*=}" ]
		[ "$(cat "$SHIM_DIR/persist/exit")" = "${row##*=}" ]
		shim_clean
	done
}

@test "shim: a signal from outside is 128 and its number" {
	shim_make 'trap "exit 3" USR1; echo up; while :; do sleep 0.05; done'
	shim_created
	shim_begin
	shim_until 60 grep -q up "$SHIM_DIR/log"
	shim_signal USR1
	[ "$(shim_wait)" = 3 ]
	shim_clean
	shim_make 'exec sleep 30'
	shim_created
	shim_begin
	shim_signal KILL
	[ "$(shim_wait)" = 137 ]
}

@test "shim: SIGTERM to the shim goes to the container" {
	shim_make 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done'
	shim_created
	shim_begin
	shim_until 60 grep -q up "$SHIM_DIR/log"
	kill -HUP "$SHIM_PID"
	kill -TERM "$SHIM_PID"
	[ "$(shim_wait)" = 9 ]
}

@test "shim: stdout and stderr apart, in order, the last line without newline" {
	shim_make 'for i in 1 2 3; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done; printf end'
	[ "$(shim_run | tail -1)" = 0 ]
	[ "$(shim_log stdout | od -c | head -2)" = "$(printf 'o1\no2\no3\nend' | od -c | head -2)" ]
	[ "$(shim_log stderr)" = $'e1\ne2\ne3' ]
	[ "$(shim_log both)" = $'o1\ne1\no2\ne2\no3\ne3\nend' ]
}

@test "shim: binary output, a line of 1 MB, empty output" {
	shim_make 'cat /data/in; cat /data/in >&2'
	python3 - "$SHIM_DIR/in" <<'PY'
import random, sys
r = random.Random(1)
open(sys.argv[1], "wb").write(r.randbytes(3000000) + b"x" * (1 << 20) + b"\n" + b"\n" * 100000 + b"\0\r\n\xff")
PY
	[ "$(shim_run | tail -1)" = 0 ]
	shim_log stdout | cmp - "$SHIM_DIR/in"
	shim_log stderr | cmp - "$SHIM_DIR/in"
	shim_clean
	shim_make 'exit 0'
	[ "$(shim_run | tail -1)" = 0 ]
	[ ! -s "$SHIM_DIR/log" ]
}

@test "shim: 50 jobs that end with their last byte lose nothing" {
	local i
	for i in $(seq 50); do
		shim_make "echo first; head -c 70000 /data/bundle/rootfs/bin/busybox >&2; printf last; exit $i"
		[ "$(shim_run | tail -1)" = "$i" ]
		[ "$(shim_log stdout)" = $'first\nlast' ]
		shim_log stderr | cmp - <(head -c 70000 /bin/busybox)
		shim_clean
	done
}

@test "shim: a grandchild that holds the output is waited for, without a pid namespace" {
	shim_make '(sleep 1; echo late) & echo early; exit 4' nopid
	[ "$(shim_run | tail -1)" = 4 ]
	[ "$(shim_log stdout)" = $'early\nlate' ]
}

@test "shim: a grandchild that closed its output is not waited for" {
	shim_make 'setsid sleep 30 >/dev/null 2>&1 & exit 4' nopid
	[ "$(shim_run | tail -1)" = 4 ]
}

@test "shim: a stranger that holds the output does not keep the shim once the cgroup is empty" {
	shim_make 'echo up; until [ -e /data/go ]; do sleep 0.05; done; echo bye; exit 2' nopid
	shim_created
	shim_begin
	shim_until 60 grep -q up "$SHIM_DIR/log"
	# This process is not the container's: it opens the container's stdout and keeps it.
	sleep 40 3>"/proc/$(cat "$SHIM_DIR/pid")/fd/1" &
	local holder=$!
	sleep 0.2
	touch "$SHIM_DIR/go"
	run shim_wait 10
	kill "$holder"
	[ "$output" = 2 ]
	[ "$(shim_log stdout)" = $'up\nbye' ]
}

@test "shim: several logs, none, and a bare path" {
	shim_make 'echo hi'
	SHIM_LOG=$SHIM_DIR/log run shim_run -l "json-file:$SHIM_DIR/log2" -l none
	[ "${lines[-1]}" = 0 ]
	[ "$(shim_log both)" = hi ]
	cmp "$SHIM_DIR/log" "$SHIM_DIR/log2"
	[ "$(stat -c %a "$SHIM_DIR/log")" = 600 ]
}

@test "shim: --log-size-max begins a new file, --log-global-size-max ends it" {
	shim_make 'for i in $(seq 400); do echo "line $i ........................................"; [ $((i % 20)) != 0 ] || sleep 0.02; done'
	[ "$(shim_run --log-size-max 20000 -l "k8s-file:$SHIM_DIR/log2" | tail -1)" = 0 ]
	[ "$(stat -c %s "$SHIM_DIR/log")" -le 20000 ]
	shim_log stdout | tail -1 | grep -q '^line 400 '
	shim_clean
	shim_make 'for i in $(seq 400); do echo "line $i ........................................"; done'
	[ "$(shim_run --log-global-size-max 5000 | tail -1)" = 0 ]
	[ "$(stat -c %s "$SHIM_DIR/log")" -le 5000 ]
}

@test "shim: ctl opens the log anew, and survives garbage" {
	shim_make 'echo one; until [ -e /data/go ]; do sleep 0.05; done; echo two'
	shim_created
	shim_begin
	shim_until 60 grep -q one "$SHIM_DIR/log"
	[ "$(stat -c %a "$SHIM_DIR/bundle/ctl")" = 660 ]
	head -c 100000 /dev/urandom >"$SHIM_DIR/bundle/ctl"
	printf '\n1\n1 x y\n9 9 9\n1 70000 1\n\n' >"$SHIM_DIR/bundle/ctl"
	head -c 100000 /dev/urandom >"$SHIM_DIR/bundle/winsz"
	mv "$SHIM_DIR/log" "$SHIM_DIR/log.1"
	echo '2 0 0' >"$SHIM_DIR/bundle/ctl"
	shim_until 60 test -e "$SHIM_DIR/log"
	touch "$SHIM_DIR/go"
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout)" = two ]
}

@test "shim: a terminal, its size by ctl and by winsz" {
	shim_make 'size() { until [ "$(stty size)" = "$1" ]; do sleep 0.05; done; echo "is $1"; }; size "33 44"; read x; size "50 60"; read x; echo got $x' tty
	shim_created -t -i
	echo '1 33 44' >"$SHIM_DIR/bundle/ctl"
	shim_begin
	shim_until 60 grep -q 'is 33 44' "$SHIM_DIR/log"
	echo '50 60' >"$SHIM_DIR/bundle/winsz"
	printf 'a\n' | "$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" --end none --leave
	shim_until 60 grep -q 'is 50 60' "$SHIM_DIR/log"
	printf 'b\n' | timeout 120 "$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" --end shutdown --out "$SHIM_DIR/out"
	[ "$(shim_wait)" = 0 ]
	grep -q 'got b' "$SHIM_DIR/out"
	shim_log stdout | grep -q $'got b\r'
}

@test "shim: --timeout kills, and says so with -1" {
	shim_make 'exec sleep 30'
	[ "$(shim_run --timeout 1 | tail -1)" = -1 ]
}

@test "shim: memory run out leaves the file oom" {
	shim_make 'head -c 400000000 /dev/zero | tail -c 390000000 >/dev/null; echo code $?; exit 5'
	run shim_run
	[ "${lines[-1]}" = 5 ]
	[ -e "$SHIM_DIR/bundle/oom" ]
	[ -e "$SHIM_DIR/persist/oom" ]
}

@test "shim: no file oom without it" {
	shim_make 'exit 0'
	[ "$(shim_run | tail -1)" = 0 ]
	[ ! -e "$SHIM_DIR/bundle/oom" ]
}

@test "shim: the exit command runs at the end, with its arguments, after the exit file" {
	shim_make 'exit 6'
	cat >"$SHIM_DIR/after" <<-'SH'
		#!/bin/sh
		{ cat "$1"; printf ' %s' "$@"; ls "$2"; } >"$3.tmp"
		mv "$3.tmp" "$3"
	SH
	chmod +x "$SHIM_DIR/after"
	[ "$(shim_run --exit-command "$SHIM_DIR/after" --exit-command-arg "$SHIM_DIR/exits/$SHIM_ID" --exit-command-arg "$SHIM_DIR/bundle" \
		--exit-command-arg "$SHIM_DIR/said" | tail -1)" = 6 ]
	shim_until 60 test -e "$SHIM_DIR/said"
	grep -q "^6 $SHIM_DIR/exits" "$SHIM_DIR/said"
	! grep -qx 'attach\|ctl\|winsz' "$SHIM_DIR/said"
}
