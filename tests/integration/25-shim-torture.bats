#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-shim under force: much output, jobs that end with their last byte, death at any system call. JOBLET_TORTURE=full does each in
# full (1 GB, 5,000 jobs, every system call) instead of a sample.
load helpers/shim

setup() {
	OTHERS=()
	full=
	[ "${JOBLET_TORTURE:-}" != full ] || full=1
	[ -z "$full" ] || export BATS_TEST_TIMEOUT=7200
}

teardown() {
	local pid
	for pid in "${OTHERS[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	shim_clean
}

# Processes whose command line names the folder of the test: the shim, the runtime, the container.
left_over() {
	local p
	for p in /proc/[0-9]*; do
		# shellcheck disable=SC2094
		tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -qF "$SHIM_DIR/" && ! shim_is_gone "${p##*/}" && [ "${p##*/}" != $$ ] && echo "${p##*/}"
	done
	true
}

nothing_left() {
	[ -z "$(left_over)" ]
}

@test "torture: jobs that end with their last byte: every byte and every code" {
	shim_dir
	shim_fake
	local count=200
	[ -z "$full" ] || count=5000
	run "$SHIM_TOOL" burst --shim "$SHIM" --runtime "$SHIM_RUNTIME" --dir "$SHIM_DIR" --count $count
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "torture: stdout and stderr at full speed, three clients, one of them stopped: the same bytes everywhere" {
	local bytes=60000000 i
	[ -z "$full" ] || bytes=500000000
	shim_dir
	shim_fake
	# Lines of all lengths, none of them twice.
	openssl enc -aes-128-ctr -K 0 -iv 0 -in /dev/zero 2>/dev/null | head -c $bytes >"$SHIM_DIR/bundle/one"
	openssl enc -aes-128-ctr -K 1 -iv 0 -in /dev/zero 2>/dev/null | head -c $bytes >"$SHIM_DIR/bundle/two"
	shim_job 'd=${0%/*}; until [ -e "$d/go" ]; do sleep 0.05; done; cat "$d/two" >&2 & cat "$d/one"; wait; exit 5'
	shim_created
	for i in 1 2 3; do
		"$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" --no-input --end none --out "$SHIM_DIR/out$i" --err "$SHIM_DIR/err$i" --ready "$SHIM_DIR/ready$i" 3>&- &
		OTHERS+=("$!")
		shim_until 60 test -e "$SHIM_DIR/ready$i"
	done
	kill -STOP "${OTHERS[2]}"
	touch "$SHIM_DIR/bundle/go"
	# The exit file comes although one client is stopped.
	[ "$(shim_wait 600)" = 5 ]
	kill -CONT "${OTHERS[2]}"
	wait "${OTHERS[@]}"
	shim_log stdout | cmp - "$SHIM_DIR/bundle/one"
	shim_log stderr | cmp - "$SHIM_DIR/bundle/two"
	for i in 1 2 3; do
		cmp "$SHIM_DIR/out$i" "$SHIM_DIR/bundle/one"
		cmp "$SHIM_DIR/err$i" "$SHIM_DIR/bundle/two"
	done
}

@test "torture: the shim killed at its system calls: no wrong code, no process left, and the next one starts over" {
	shim_dir
	shim_fake
	shim_job 'echo out; exit 7'
	shim_args --sync
	local n last files
	strace -o "$SHIM_DIR/trace" "${SHIM_ARGS[@]}" || true
	last=$(grep -c '^[a-z]' "$SHIM_DIR/trace")
	[ "$last" -gt 100 ]
	for ((n = 1; n < last + 5; n += ${full:-9})); do
		rm -f "$SHIM_DIR/log"
		run bash -c '{ strace -o /dev/null -e inject=all:signal=KILL:when='$n' "$@"; } 2>/dev/null' - "${SHIM_ARGS[@]}"
		# 137: killed; 7: it was over by then. Never another.
		[ "$status" -eq 137 ] || [ "$status" -eq 7 ] || { echo "call $n: $status $output"; false; }
		shim_until 60 nothing_left || { echo "call $n"; ps -fp "$(left_over | paste -sd,)"; false; }
		files=$(cat "$SHIM_DIR/exits"/[!.]* "$SHIM_DIR/persist"/exit 2>/dev/null || true)
		[[ $files =~ ^7*$ ]] || { echo "call $n: $files"; false; }
		[ "$status" -ne 7 ] || [ "$files" = 77 ]
	done
	rm -f "$SHIM_DIR/log"
	[ "$(shim_created && shim_wait 60)" = 7 ]
	[ "$(shim_log stdout)" = out ]
}

@test "torture: the runtime killed at its system calls: the caller is told, and delete leaves nothing" {
	shim_make 'echo out; exit 7'
	local real=$SHIM_RUNTIME n step=${full:-7} killed=0
	printf '#!/bin/sh\nread n <"%s/when"\nexec strace -o /dev/null -e inject=all:signal=KILL:when=$n "%s" "$@"\n' "$SHIM_DIR" "$real" >"$SHIM_DIR/runtime"
	chmod +x "$SHIM_DIR/runtime"
	for ((n = 1; ; n += step)); do
		echo "$n" >"$SHIM_DIR/when"
		rm -f "$SHIM_DIR"/{log,pid}
		SHIM_RUNTIME=$SHIM_DIR/runtime shim_create
		[[ $output =~ ^\{\"data\":\ [0-9]+\}$ ]] && break # it was over by then
		[[ $output == '{"data": -1, "message": "'*'"}' ]] || { echo "call $n: $output"; false; }
		killed=$((killed + 1))
		timeout 60 "$real" --root "$SHIM_DIR/root" delete --force "$SHIM_ID"
		shim_until 60 nothing_left || { echo "call $n"; ps -fp "$(left_over | paste -sd,)"; false; }
		[ -z "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$SHIM_ID" 2>/dev/null)" ] || { echo "call $n: a cgroup"; false; }
		[ ! -e "$SHIM_DIR/exits/$SHIM_ID" ]
	done
	echo "killed $killed times"
	[ "$killed" -gt 5 ]
	shim_begin
	[ "$(shim_wait 60)" = 7 ]
	[ "$(shim_log stdout)" = out ]
}

@test "torture: the shim killed while its container runs: the runtime finds it, and nothing is left" {
	shim_make 'echo up; sleep 1000 & sleep 1000'
	shim_created
	shim_begin
	shim_until 60 grep -q up "$SHIM_DIR/log"
	kill -KILL "$SHIM_PID"
	shim_until 60 shim_is_gone "$SHIM_PID"
	[ "$("$SHIM_RUNTIME" --root "$SHIM_DIR/root" state "$SHIM_ID" | jq -r .status)" = running ]
	timeout 60 "$SHIM_RUNTIME" --root "$SHIM_DIR/root" delete --force "$SHIM_ID"
	shim_until 60 nothing_left
	[ ! -e "$SHIM_DIR/exits/$SHIM_ID" ]
	[ -z "$(find /sys/fs/cgroup -maxdepth 4 -type d -name "$SHIM_ID" 2>/dev/null)" ]
}

@test "torture: garbage on every FIFO and socket, and many who connect and go" {
	shim_dir
	shim_fake
	mkdir "$SHIM_DIR/bundle/notify"
	shim_job 'until [ -e "${0%/*}/go" ]; do sleep 0.05; done; cat | head -c 6; exit 3'
	shim_created -i --leave-stdin-open --sdnotify-socket "$SHIM_DIR/none.sock" --seccomp-notify-socket "$SHIM_DIR/seccomp.sock"
	local before count=1000
	before=$(ls "/proc/$SHIM_PID/fd" | wc -l)
	[ -z "$full" ] || count=10000
	python3 - "$SHIM_DIR" $count <<'PY'
import os, random, socket, sys
d, count = sys.argv[1], int(sys.argv[2])
r = random.Random(7)
fifos = [os.open("%s/bundle/%s" % (d, n), os.O_WRONLY | os.O_NONBLOCK) for n in ("ctl", "winsz")]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(d + "/bundle/notify/notify.sock")
notify.setblocking(False)
for i in range(count):
    for fd in fifos:
        try:
            os.write(fd, r.choice((b"1 ", b"2 0 0\n", b"\n", b"9" * 50, r.randbytes(r.randrange(200)))))
        except BlockingIOError:
            pass
    try:
        notify.send(r.randbytes(r.randrange(4000)))
    except BlockingIOError:
        pass
    for name, kind in (("/bundle/attach", socket.SOCK_SEQPACKET), ("/seccomp.sock", socket.SOCK_STREAM)):
        s = socket.socket(socket.AF_UNIX, kind)
        s.setblocking(False)
        try:
            s.connect(d + name)
            if name == "/seccomp.sock":
                socket.send_fds(s, [r.randbytes(20)], [0, 1, 2][: r.randrange(3)])
        except OSError:
            pass
        s.close()
PY
	shim_until 60 bash -c '[ "$(ls "/proc/$1/fd" | wc -l)" -le "$2" ]' - "$SHIM_PID" $((before + 8))
	touch "$SHIM_DIR/bundle/go"
	echo hello | timeout 60 "$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" --out "$SHIM_DIR/out"
	[ "$(shim_wait 60)" = 3 ]
	[ "$(cat "$SHIM_DIR/out")" = hello ]
}
