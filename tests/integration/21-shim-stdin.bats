#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-shim's attach socket: stdin, its end, many clients, clients that misbehave.
load helpers/shim

setup() {
	CLIENTS=()
}

teardown() {
	local pid
	for pid in "${CLIENTS[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	shim_clean
}

client() { # options of shim_tool attach …, in the background; stdin as it is
	"$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" "$@" <&0 &
	CLIENTS+=("$!")
}

attach() {
	timeout 120 "$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" "$@"
}

@test "attach: what a client sends comes back, and shutdown is the end of stdin" {
	shim_make 'cat; echo end >&2'
	shim_created -i
	shim_begin
	[ "$(stat -c %a "$SHIM_DIR/bundle/attach")" = 700 ]
	head -c 3000000 /dev/urandom >"$SHIM_DIR/in"
	attach --out "$SHIM_DIR/out" --err "$SHIM_DIR/err" <"$SHIM_DIR/in"
	[ "$(shim_wait)" = 0 ]
	cmp "$SHIM_DIR/in" "$SHIM_DIR/out"
	[ "$(cat "$SHIM_DIR/err")" = end ]
	shim_log stdout | cmp - "$SHIM_DIR/in"
	[ ! -e "$SHIM_DIR/bundle/attach" ]
}

@test "attach: input that came before the start waits" {
	shim_make 'cat'
	shim_created -i
	client --out "$SHIM_DIR/out" --ready "$SHIM_DIR/ready" < <(echo early)
	shim_until 60 test -e "$SHIM_DIR/ready"
	sleep 0.2
	shim_begin
	[ "$(shim_wait)" = 0 ]
	wait "${CLIENTS[0]}"
	[ "$(cat "$SHIM_DIR/out")" = early ]
}

@test "attach: without -i stdin is empty" {
	shim_make 'cat; echo done'
	[ "$(shim_run | tail -1)" = 0 ]
	[ "$(shim_log stdout)" = done ]
}

@test "attach: a client that shut its reading side still sends; an empty packet is the end" {
	shim_make 'while read -r line; do echo "got $line"; done; echo over'
	shim_created -i --leave-stdin-open
	shim_begin
	client --deaf --end empty < <(echo a; sleep 0.3; echo b)
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout)" = $'got a\ngot b\nover' ]
}

@test "attach: with --leave-stdin-open a client may go and another goes on" {
	shim_make 'while read -r line; do echo "got $line"; done; echo over'
	shim_created -i --leave-stdin-open
	shim_begin
	echo one | attach --end none --leave
	shim_until 60 grep -q 'got one' "$SHIM_DIR/log"
	echo two | attach --end none --deaf
	shim_until 60 grep -q 'got two' "$SHIM_DIR/log"
	echo three | attach --end shutdown --out "$SHIM_DIR/out"
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout)" = $'got one\ngot two\ngot three\nover' ]
	[ "$(cat "$SHIM_DIR/out")" = $'got three\nover' ]
}

@test "attach: without it the end of the client is the end of stdin" {
	shim_make 'while read -r line; do echo "got $line"; done; echo over'
	shim_created -i
	shim_begin
	echo one | attach --end none --leave
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout)" = $'got one\nover' ]
}

@test "attach: a job that does not read holds back its client only; every byte comes before the end" {
	shim_make 'echo up; until [ -e /data/go ]; do sleep 0.05; done; sha256sum'
	shim_created -i --leave-stdin-open
	shim_begin
	shim_until 60 grep -q up "$SHIM_DIR/log"
	head -c 2000000 /dev/urandom >"$SHIM_DIR/in"
	client --deaf --end empty <"$SHIM_DIR/in"
	sleep 0.5
	kill -0 "${CLIENTS[0]}" # still sending
	# The loop lives, and does not spin while it waits.
	local before after
	before=$(awk '{print $14 + $15}' "/proc/$SHIM_PID/stat")
	client --no-input --end none --out "$SHIM_DIR/out"
	sleep 0.5
	after=$(awk '{print $14 + $15}' "/proc/$SHIM_PID/stat")
	[ $((after - before)) -le 5 ]
	touch "$SHIM_DIR/go"
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout | tail -1)" = "$(sha256sum <"$SHIM_DIR/in")" ]
	grep -q "$(sha256sum <"$SHIM_DIR/in" | cut -c1-64)" "$SHIM_DIR/out"
}

@test "attach: a job that has closed its stdin does not hurt" {
	shim_make 'exec <&-; echo closed; sleep 1; echo end'
	shim_created -i
	shim_begin
	shim_until 60 grep -q closed "$SHIM_DIR/log"
	head -c 1000000 /dev/zero | attach --out "$SHIM_DIR/out"
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout)" = $'closed\nend' ]
}

@test "attach: three clients get the same, a stuck one costs nobody anything" {
	shim_make 'until [ -e /data/go ]; do sleep 0.05; done; i=0; while [ $i -lt 60 ]; do head -c 50000 /bin/busybox; i=$((i+1)); sleep 0.01; done'
	shim_created
	shim_begin
	local i
	for i in 1 2 3; do
		client --no-input --end none --out "$SHIM_DIR/out$i" --ready "$SHIM_DIR/ready$i"
	done
	client --stuck 60 --ready "$SHIM_DIR/ready4"
	for i in 1 2 3 4; do
		shim_until 60 test -e "$SHIM_DIR/ready$i"
	done
	touch "$SHIM_DIR/go"
	[ "$(shim_wait)" = 0 ]
	wait "${CLIENTS[@]:0:3}"
	shim_log stdout >"$SHIM_DIR/want"
	[ "$(stat -c %s "$SHIM_DIR/want")" = 3000000 ]
	for i in 1 2 3; do
		cmp "$SHIM_DIR/want" "$SHIM_DIR/out$i"
	done
}

@test "attach: without a log the job waits for who reads late, who gets every byte, and not for who has gone" {
	local i
	shim_make 'until [ -e /data/go ]; do sleep 0.05; done; i=0; while [ $i -lt 60 ]; do head -c 50000 /bin/busybox; i=$((i+1)); done; : >/data/printed'
	SHIM_LOG=none shim_created
	shim_begin
	client --no-input --end none --ready "$SHIM_DIR/ready1" --until "$SHIM_DIR/read" --out "$SHIM_DIR/out1"
	client --no-input --end none --ready "$SHIM_DIR/ready2" --out "$SHIM_DIR/out2"
	client --stuck 300 --ready "$SHIM_DIR/ready3"
	for i in 1 2 3; do
		shim_until 60 test -e "$SHIM_DIR/ready$i"
	done
	touch "$SHIM_DIR/go"
	shim_until 60 test -s "$SHIM_DIR/out2"
	kill "${CLIENTS[2]}"
	sleep 0.5
	[ ! -e "$SHIM_DIR/printed" ] # 3 MB are more than all that lies between
	touch "$SHIM_DIR/read"
	[ "$(shim_wait)" = 0 ]
	wait "${CLIENTS[@]:0:2}"
	for i in $(seq 60); do head -c 50000 /bin/busybox; done >"$SHIM_DIR/want"
	cmp "$SHIM_DIR/want" "$SHIM_DIR/out1"
	cmp "$SHIM_DIR/want" "$SHIM_DIR/out2"
}

@test "attach: without a log a job that has ended does not wait for a client that reads nothing" {
	shim_make 'until [ -e /data/go ]; do sleep 0.05; done; timeout 1 head -c 400000 /bin/busybox; exit 3'
	SHIM_LOG=none shim_created
	shim_begin
	client --stuck 300 --ready "$SHIM_DIR/ready"
	shim_until 60 test -e "$SHIM_DIR/ready"
	touch "$SHIM_DIR/go"
	[ "$(shim_wait)" = 3 ]
	shim_until 60 shim_is_gone "$SHIM_PID"
}

@test "attach: more clients than there is room for wait or are refused, the job goes on" {
	shim_make 'cat; echo end'
	shim_created -i
	shim_begin
	python3 - "$SHIM_DIR/bundle/attach" <<'PY'
import os, socket, sys
fd = os.open(os.path.dirname(sys.argv[1]), os.O_PATH)
path = "/proc/self/fd/%d/attach" % fd
kept, refused = [], 0
for i in range(600):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    try:
        s.connect(path)
        kept.append(s)
    except OSError:
        refused += 1
assert len(kept) >= 64 and refused > 0, (len(kept), refused)
for _ in range(3000):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    try:
        s.connect(path)
    except OSError:
        pass
    s.close()
kept[0].setblocking(True)
kept[0].sendall(b"hello\n")
kept[0].shutdown(socket.SHUT_WR)
got = b""
while b"end" not in got:
    data = kept[0].recv(100000)
    assert data
    got += data[1:]
PY
	[ "$(shim_wait)" = 0 ]
	[ "$(shim_log stdout)" = $'hello\nend' ]
	[ "$(ls "/proc/$SHIM_PID/fd" 2>/dev/null | wc -l)" -lt 100 ]
}

@test "attach: a packet that is too long cuts the client off and not the job; descriptors sent along are closed" {
	shim_make 'while read -r line; do echo "got $line"; done; echo over'
	shim_created -i --leave-stdin-open
	shim_begin
	python3 - "$SHIM_DIR/bundle/attach" "$SHIM_PID" <<'PY'
import os, socket, sys, time
fd = os.open(os.path.dirname(sys.argv[1]), os.O_PATH)
path = "/proc/self/fd/%d/attach" % fd
count = lambda: len(os.listdir("/proc/%s/fd" % sys.argv[2]))
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(path)
s.send(b"first\n")
time.sleep(0.2)
before = count()
for _ in range(50):
    socket.send_fds(s, [b"x\n"], [fd] * 10)
time.sleep(0.3)
assert count() == before, (before, count())
s.setsockopt(socket.SOL_SOCKET, 32, 1 << 21)  # SO_SNDBUFFORCE
s.send(b"y" * 300000)
while s.recv(100000):
    pass
PY
	echo last | attach --end shutdown
	[ "$(shim_wait)" = 0 ]
	shim_log stdout | grep -qx 'got first'
	[ "$(shim_log stdout | tail -2)" = $'got last\nover' ]
}

@test "attach: by --socket-dir-path, with a bundle path that is longer than a socket address" {
	shim_make 'cat'
	local long=$SHIM_DIR/$(printf 'd%.0s' $(seq 150)) got
	mkdir -p "$long" "$SHIM_DIR/sockets"
	mv "$SHIM_DIR/bundle" "$long/"
	shim_args -i --socket-dir-path "$SHIM_DIR/sockets"
	local i
	for i in "${!SHIM_ARGS[@]}"; do
		[ "${SHIM_ARGS[i]}" != "$SHIM_DIR/bundle" ] || SHIM_ARGS[i]=$long/bundle
		[ "${SHIM_ARGS[i]}" != --full-attach ] || SHIM_ARGS[i]=--no-sync-log
	done
	run timeout 120 "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}"
	echo "$output"
	[ "$status" -eq 0 ]
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	shim_begin
	got=$(echo hi | timeout 120 "$SHIM_TOOL" attach "$SHIM_DIR/sockets/$SHIM_ID/attach")
	[ "$got" = hi ]
	[ "$(shim_wait)" = 0 ]
	shim_until 60 shim_is_gone "$SHIM_PID"
	[ ! -L "$SHIM_DIR/sockets/$SHIM_ID" ]
}
