#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-shim's protocol line by line (specs/shim.md): pipes, exec, restore, sockets, signals, the exit record. What conmon does as well
# is named "as conmon" and also runs with JOBLET_TEST_SHIM=conmon.
load helpers/shim

setup() {
	OTHERS=()
}

teardown() {
	local pid
	for pid in "${OTHERS[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	shim_clean
}

# The word behind an option in $SHIM_DIR/argv, one word a line.
argv_of() {
	grep -x -A1 -e "$1" "$SHIM_DIR/argv" | tail -1
}

@test "protocol: API versions 0 and 1 name the pid, as conmon" {
	local key
	for key in pid data; do
		shim_dir
		shim_fake
		shim_job 'exit 5'
		shim_args
		[ "$key" = data ] || SHIM_ARGS=("${SHIM_ARGS[0]}" "${SHIM_ARGS[@]:3}")
		run timeout 60 "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}"
		[ "$status" -eq 0 ]
		[ "$output" = "{\"$key\": $(cat "$SHIM_DIR/pid")}" ]
		SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
		[ "$(shim_wait 60)" = 5 ]
		shim_clean
	done
}

@test "protocol: the runtime's command line, as conmon" {
	shim_dir
	# shellcheck disable=SC2016 # it is the runtime that expands it
	shim_fake 'printf "%s\n" $all >"${bundle%/*}/argv"; exit 1'
	shim_create -s --no-pivot --no-new-keyring --runtime-opt --preserve-fds --runtime-opt 2
	[ "$(cat "$SHIM_DIR/argv")" = "$(printf '%s\n' --systemd-cgroup --root "$SHIM_DIR/root" create --bundle "$SHIM_DIR/bundle" --pid-file "$SHIM_DIR/pid" \
		--no-pivot --no-new-keyring --preserve-fds 2 "$SHIM_ID")" ]
	shim_until 60 shim_is_gone "$SHIM_PID"
	shim_create --restore "$SHIM_DIR/image" --restore-arg --tcp-established
	[ "$(cat "$SHIM_DIR/argv")" = "$(printf '%s\n' --root "$SHIM_DIR/root" restore --bundle "$SHIM_DIR/bundle" --pid-file "$SHIM_DIR/pid" \
		--detach --image-path "$SHIM_DIR/image" --work-path "$SHIM_DIR/bundle" --tcp-established "$SHIM_ID")" ]
	shim_until 60 shim_is_gone "$SHIM_PID"
	shim_create -t
	[[ $(argv_of --console-socket) == /*/console-*.sock ]] || [ "${SHIM##*/}" = conmon ]
}

@test "protocol: a restored container is a container" {
	shim_dir
	shim_fake
	shim_job 'echo restored; exit 6'
	shim_created --restore "$SHIM_DIR/image"
	[ "$(shim_wait 60)" = 6 ]
	[ "$(shim_log stdout)" = restored ]
}

@test "protocol: --sync keeps the shim the caller's child, with the container's exit code" {
	shim_dir
	shim_fake
	shim_job 'cut -d" " -f6 /proc/self/stat; exit 9'
	shim_args --sync
	run timeout 60 "$SHIM_TOOL" start --all -- "${SHIM_ARGS[@]}"
	echo "$output"
	[ "$status" -eq 9 ]
	[ "$(shim_log stdout)" = "$(cat "$SHIM_DIR/shim.pid")" ] # its session is the shim's own
}

@test "protocol: a caller that dies before its byte leaves nothing; after it, everything" {
	shim_dir
	shim_fake
	shim_job 'echo ran; exit 3'
	shim_args
	run timeout 60 "$SHIM_TOOL" start --no-byte -- "${SHIM_ARGS[@]}"
	[ "$status" -eq 1 ]
	[[ $output == *'the caller has gone away before the start'* ]]
	[ "$(ls "$SHIM_DIR/bundle" "$SHIM_DIR/exits")" = "$(printf '%s:\njob\n\n%s:' "$SHIM_DIR/bundle" "$SHIM_DIR/exits")" ]
	"$SHIM_TOOL" start --linger -- "${SHIM_ARGS[@]}" >"$SHIM_DIR/first.pid" 3>&- &
	OTHERS+=("$!")
	shim_until 60 test -s "$SHIM_DIR/first.pid"
	kill -KILL "${OTHERS[0]}"
	shim_until 60 shim_is_gone "$(cat "$SHIM_DIR/first.pid")"
	[ ! -e "$SHIM_DIR/log" ]
	# The byte is there, and the reader of the sync pipe is not.
	mkfifo "$SHIM_DIR/fifo"
	printf x >"$SHIM_DIR/byte"
	head -c 0 "$SHIM_DIR/fifo" 3>&- &
	_OCI_SYNCPIPE=8 _OCI_STARTPIPE=9 timeout 60 "${SHIM_ARGS[@]}" 8>"$SHIM_DIR/fifo" 9<"$SHIM_DIR/byte"
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	[ "$(shim_wait 60)" = 3 ]
	[ "$(shim_log stdout)" = ran ]
}

@test "protocol: the runtime gets its environment, LISTEN_PID as its own, and neither signals nor pipes of ours" {
	shim_dir
	# shellcheck disable=SC2016 # it is the runtime that expands it
	shim_fake '{ env | grep -E "^(LISTEN_PID|_OCI|MINE)"; echo "own $$"; grep -E "^Sig(Ign|Blk)" /proc/self/status; ls -l /proc/self/fd; } >"$bundle/seen" 2>/dev/null; exit 1'
	export MINE=kept LISTEN_PID=1
	shim_create --replace-listen-pid
	cat "$SHIM_DIR/bundle/seen"
	grep -qx MINE=kept "$SHIM_DIR/bundle/seen"
	! grep -q _OCI "$SHIM_DIR/bundle/seen"
	[ "$(sed -n 's/^LISTEN_PID=//p' "$SHIM_DIR/bundle/seen")" = "$(sed -n 's/^own //p' "$SHIM_DIR/bundle/seen")" ]
	grep -qE '^SigBlk:[[:space:]]0{16}$' "$SHIM_DIR/bundle/seen"
	ignored=$((16#$(sed -n 's/^SigIgn:[[:space:]]//p' "$SHIM_DIR/bundle/seen")))
	for n in 1 13 25 32 33; do # HUP, PIPE and XFSZ are the shim's; libc keeps the other two
		[ $((ignored >> (n - 1) & 1)) -eq 0 ]
	done
	! grep -qE 'attach|ctl|winsz|exits' "$SHIM_DIR/bundle/seen"
}

@test "protocol: descriptors that were handed down reach the container and are kept until it ends" {
	shim_dir
	shim_fake
	shim_job 'cat <&7; until [ -e "${0%/*}/go" ]; do sleep 0.05; done'
	sed -i 's/^my $pid = fork;/$^F = 20; my $pid = fork;/' "$SHIM_RUNTIME"
	echo handed >"$SHIM_DIR/in"
	mkfifo "$SHIM_DIR/held"
	cat "$SHIM_DIR/held" >"$SHIM_DIR/held.end" && echo end >>"$SHIM_DIR/held.end" &
	OTHERS+=("$!")
	shim_args
	exec 7<"$SHIM_DIR/in" 8>"$SHIM_DIR/held"
	"${SHIM_ARGS[@]}"
	exec 7<&- 8>&-
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	shim_until 60 grep -q handed "$SHIM_DIR/log"
	readlink "/proc/$SHIM_PID/fd/"* | grep -q held
	[ ! -s "$SHIM_DIR/held.end" ]
	touch "$SHIM_DIR/bundle/go"
	[ "$(shim_wait 60)" = 0 ]
	shim_until 60 grep -q end "$SHIM_DIR/held.end"
}

@test "protocol: exec says the pid and then the code; API 0 the code alone; a failed one why" {
	shim_dir
	shim_fake
	shim_job 'echo out; echo err >&2; exit 12'
	echo '{}' >"$SHIM_DIR/spec"
	shim_args -e --exec-process-spec "$SHIM_DIR/spec"
	run timeout 60 "$SHIM_TOOL" start --all -- "${SHIM_ARGS[@]}"
	echo "$output"
	[ "${lines[0]}" = "{\"data\": $(cat "$SHIM_DIR/pid")}" ]
	[ "${lines[1]}" = '{"data": 12}' ]
	[ "$(shim_log stdout) $(shim_log stderr)" = "out err" ]
	[ "$(cat "$SHIM_DIR/exits/$SHIM_ID")" = 12 ]
	# The first protocol: no UUID, no bundle, no sockets.
	mkdir "$SHIM_DIR/empty"
	cd "$SHIM_DIR/empty"
	run timeout 60 "$SHIM_TOOL" start --all -- "$SHIM" -c "$SHIM_ID" -r "$SHIM_RUNTIME" -l "$SHIM_DIR/log0" -e --exec-process-spec "$SHIM_DIR/spec"
	echo "$output"
	[ "$output" = '{"exit_code": 12}' ]
	[ "$(ls "$SHIM_DIR/empty")" = "pidfile-$SHIM_ID" ]
	shim_fake 'echo "exec failed: no such file or directory" >&2; exit 127'
	run timeout 60 "$SHIM_TOOL" start --all -- "${SHIM_ARGS[@]/$SHIM_DIR\/nothing/}"
	[ "$output" = '{"data": -1, "message": "exec failed: no such file or directory"}' ]
}

@test "protocol: exec that is attached waits for its client, and loses nothing" {
	local i
	for i in 1 2 3 4 5; do
		shim_dir
		shim_fake
		shim_job 'echo ran >"${0%/*}/ran"; echo first; echo error >&2; printf last; exit 4'
		echo '{}' >"$SHIM_DIR/spec"
		shim_args -e --exec-process-spec "$SHIM_DIR/spec" --exec-attach
		run timeout 60 "$SHIM_TOOL" exec --out "$SHIM_DIR/out" --err "$SHIM_DIR/err" --wait-file "$SHIM_DIR/bundle/ran" "$SHIM_DIR/bundle/attach" "${SHIM_ARGS[@]}"
		echo "$output"
		[ "${lines[1]}" = '{"data": 4}' ]
		[ "$(cat "$SHIM_DIR/out")" = $'first\nlast' ]
		[ "$(cat "$SHIM_DIR/err")" = error ]
		shim_clean
	done
}

@test "protocol: exec without a log: a client that reads only when the runtime has ended gets every byte of both streams" {
	shim_dir
	# Held up at once: the client's backlog, the shim and the pipe take less than this. The runtime ends with that.
	shim_fake '{ printf early >&2; head -c 3000000 /dev/zero; printf late >&2; } & echo $! >"$pid_file"; sleep 1'
	echo '{}' >"$SHIM_DIR/spec"
	SHIM_LOG=none shim_args -e --exec-process-spec "$SHIM_DIR/spec" --exec-attach
	run timeout 60 "$SHIM_TOOL" exec --late --out "$SHIM_DIR/out" --err "$SHIM_DIR/err" "$SHIM_DIR/bundle/attach" "${SHIM_ARGS[@]}"
	echo "$output"
	[ "${lines[0]}" = "{\"data\": $(cat "$SHIM_DIR/pid")}" ]
	[ "${lines[1]}" = '{"data": 0}' ]
	[ "$(wc -c <"$SHIM_DIR/out")" = 3000000 ]
	[ "$(cat "$SHIM_DIR/err")" = earlylate ]
}

@test "protocol: --timeout ends an execution with its process group" {
	shim_dir
	shim_fake
	sed -i 's/if (!$pid) {/if (!$pid) { setpgrp;/' "$SHIM_RUNTIME"
	shim_job 'sleep 1000 & echo $! >"${0%/*}/child"; wait'
	echo '{}' >"$SHIM_DIR/spec"
	shim_args -e --exec-process-spec "$SHIM_DIR/spec" --timeout 1
	run timeout 60 "$SHIM_TOOL" start --all -- "${SHIM_ARGS[@]}"
	[ "${lines[1]}" = '{"data": -1, "message": "command timed out"}' ]
	shim_until 60 shim_is_gone "$(cat "$SHIM_DIR/bundle/child")"
}

@test "protocol: the exit record says how it ended and what it used" {
	shim_make 'x=0; while [ $x -lt 30000 ]; do x=$((x+1)); done; head -c 60000000 /dev/zero | tail -c 50000000 >/dev/null; kill -KILL $$; sleep 60' nopid
	[ "$(shim_run | tail -1)" = 137 ]
	cat "$SHIM_DIR/bundle/exit.json"
	jq -e '.exitCode == 137 and .signal == 9 and .oomKilled == false and .timedOut == false and .created < .ended and
		.memoryPeak > 40000000 and .memoryPeak < 200000000 and .cpuTime > 1000000 and .ioRead >= 0 and .ioWritten >= 0 and
		.linesDropped == 0 and .bytesDropped == 0' "$SHIM_DIR/bundle/exit.json"
	[ "$(cat "$SHIM_DIR/persist/exit")" = 137 ]
	[ "$(stat -c %s "$SHIM_DIR/exits/$SHIM_ID")" = 3 ]
	shim_clean
	shim_make 'exec sleep 1000'
	[ "$(shim_run --timeout 1 | tail -1)" = -1 ]
	jq -e '.exitCode == -1 and .signal == 9 and .timedOut' "$SHIM_DIR/bundle/exit.json"
	shim_clean
	shim_make 'head -c 400000000 /dev/zero | tail -c 390000000 >/dev/null; exit 5'
	[ "$(shim_run | tail -1)" = 5 ]
	jq -e '.exitCode == 5 and .signal == 0 and .oomKilled and .memoryPeak > 200000000' "$SHIM_DIR/bundle/exit.json"
	# What an earlier container of this name left is gone before the next one starts.
	"$SHIM_RUNTIME" --root "$SHIM_DIR/root" delete "$SHIM_ID"
	shim_fake 'exit 1'
	shim_create
	[ ! -e "$SHIM_DIR/bundle/exit.json" ] && [ ! -e "$SHIM_DIR/bundle/oom" ] && [ ! -e "$SHIM_DIR/exits/$SHIM_ID" ] && [ ! -e "$SHIM_DIR/persist/exit" ]
}

@test "protocol: the record is on disk before anybody is told" {
	shim_dir
	shim_fake
	shim_job 'exit 7'
	printf '#!/bin/sh\nls "%s" "%s" "%s" >"%s.tmp"\nmv "%s.tmp" "%s"\n' "$SHIM_DIR"/{exits,persist,bundle,told,told,told} >"$SHIM_DIR/after"
	chmod +x "$SHIM_DIR/after"
	shim_args --exit-command "$SHIM_DIR/after" --sync
	strace -f -s 100 -o "$SHIM_DIR/trace" -e trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,execve,close "${SHIM_ARGS[@]}" || true
	shim_until 60 test -e "$SHIM_DIR/told"
	grep -qx "$SHIM_ID" "$SHIM_DIR/told" && grep -qx exit "$SHIM_DIR/told" && grep -qx exit.json "$SHIM_DIR/told"
	! grep -qx attach "$SHIM_DIR/told"
	# The record is renamed; then the other files, each synced, renamed, its directory synced; the exit file last, and only then the end of the attach
	# socket and the exit command.
	sed -n 's/^[0-9]* *//; /"attach"/p; /renameat(/p; /sync(/p; /execve.*after/p' "$SHIM_DIR/trace" | sed -n '/fdatasync\|exit.json/,$p' >"$SHIM_DIR/order"
	cat "$SHIM_DIR/order"
	[ "$(sed 's/renameat.*"exit.json".*/J/; s/renameat.*"exit".*/P/; s/renameat.*"'"$SHIM_ID"'".*/E/; s/.*"attach".*/A/; s/.*sync(.*/s/; s/execve.*/X/' \
		"$SHIM_DIR/order" | tr -d '\n' | sed 's/^s//')" = JsPssEsAX ]
}

@test "protocol: an exit directory that is away is waited for" {
	shim_dir
	shim_fake
	shim_job 'exit 8'
	mv "$SHIM_DIR/exits" "$SHIM_DIR/away"
	shim_created
	sleep 0.5
	! shim_is_gone "$SHIM_PID"
	mv "$SHIM_DIR/away" "$SHIM_DIR/exits"
	[ "$(shim_wait 60)" = 8 ]
	shim_clean
	# One that cannot be written at all, and a bundle that somebody removed: the code is told all the same.
	shim_dir
	shim_fake
	shim_job 'd=${0%/*}; rm -rf "$d"; exit 9'
	shim_created
	[ "$(shim_wait 60)" = 9 ]
	[ "$(cat "$SHIM_DIR/persist/exit")" = 9 ]
}

@test "protocol: SIGUSR1 makes lost sockets anew, connected clients stay" {
	shim_dir
	shim_fake
	shim_job 'while read -r x; do echo "got $x"; done; echo over'
	SHIM_LINK=$SHIM_DIR/links/$SHIM_ID
	mkdir "$SHIM_DIR/links" "$SHIM_DIR/bundle/notify"
	shim_args -i --leave-stdin-open --socket-dir-path "$SHIM_DIR/links" --sdnotify-socket "$SHIM_DIR/host.sock"
	local i
	for i in "${!SHIM_ARGS[@]}"; do
		[ "${SHIM_ARGS[i]}" != --full-attach ] || unset "SHIM_ARGS[i]"
	done
	run timeout 60 "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}"
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	"$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" --no-input --end none --out "$SHIM_DIR/out" --ready "$SHIM_DIR/ready" 3>&- &
	OTHERS+=("$!")
	shim_until 60 test -e "$SHIM_DIR/ready"
	rm -r "$SHIM_DIR/bundle"/{attach,ctl,winsz,notify} "$SHIM_LINK"
	kill -USR1 "$SHIM_PID"
	shim_until 60 test -S "$SHIM_DIR/bundle/notify/notify.sock"
	[ -p "$SHIM_DIR/bundle/ctl" ] && [ -p "$SHIM_DIR/bundle/winsz" ] && [ -L "$SHIM_LINK" ]
	echo one | timeout 60 "$SHIM_TOOL" attach "$SHIM_LINK/attach" --end none --deaf
	shim_until 60 grep -q 'got one' "$SHIM_DIR/out"
	mv "$SHIM_DIR/log" "$SHIM_DIR/log.old"
	echo '2 0 0' >"$SHIM_DIR/bundle/ctl"
	shim_until 60 test -e "$SHIM_DIR/log"
	echo two | timeout 60 "$SHIM_TOOL" attach "$SHIM_DIR/bundle/attach" --end shutdown --out /dev/null
	[ "$(shim_wait 60)" = 0 ]
	[ "$(shim_log stdout)" = $'got two\nover' ]
	shim_until 60 shim_is_gone "$SHIM_PID"
	[ "$(ls "$SHIM_DIR/bundle" "$SHIM_DIR/links")" = "$(printf '%s:\nexit.json\njob\nnotify\n\n%s:' "$SHIM_DIR/bundle" "$SHIM_DIR/links")" ]
}

@test "protocol: sd_notify: READY and WATCHDOG go on to the host, nothing else" {
	shim_dir
	shim_fake
	shim_job 'until [ -e "${0%/*}/go" ]; do sleep 0.05; done'
	"$SHIM_TOOL" listen "$SHIM_DIR/host.sock" "$SHIM_DIR/heard" 3>&- &
	OTHERS+=("$!")
	shim_until 60 test -S "$SHIM_DIR/host.sock"
	shim_created --sdnotify-socket "$SHIM_DIR/host.sock"
	[ "$(stat -c %a "$SHIM_DIR/bundle/notify/notify.sock")" = 777 ]
	python3 - "$SHIM_DIR/bundle/notify/notify.sock" <<'PY'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
for message in (b"MAINPID=1", b"STATUS=READY=1", b"XREADY=1", b"READY=12", b"", b"\0" * 70000, os.urandom(3000),
                b"STATUS=up\nREADY=1\nMAINPID=1\n", b"STOPPING=1", b"WATCHDOG=1"):
    s.send(message)
PY
	shim_until 60 grep -q WATCHDOG "$SHIM_DIR/heard"
	[ "$(cat "$SHIM_DIR/heard")" = $'READY=1\nWATCHDOG=1' ]
	kill "${OTHERS[0]}" # nobody listens any more: that hurts nobody
	python3 -c 'import socket,sys; socket.socket(1, 2).sendto(b"READY=1", sys.argv[1])' "$SHIM_DIR/bundle/notify/notify.sock"
	touch "$SHIM_DIR/bundle/go"
	[ "$(shim_wait 60)" = 0 ]
}

@test "protocol: a seccomp filter that asks is answered, or goes on to who decides" {
	JOBLET_TEST_RUNTIME=runc shim_make 'mkdir /tmp/a; echo "mkdir $?"; exit 3'
	ln "$SHIM_DIR/bundle/rootfs/bin/busybox" "$SHIM_DIR/bundle/rootfs/bin/mkdir"
	jq --arg path "$SHIM_DIR/seccomp.sock" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $path, listenerMetadata: "m",
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY"}]}' "$SHIM_DIR/bundle/config.json" >"$SHIM_DIR/new"
	mv "$SHIM_DIR/new" "$SHIM_DIR/bundle/config.json"
	[ "$(shim_run --seccomp-notify-socket "$SHIM_DIR/seccomp.sock" | tail -1)" = 3 ]
	shim_log both
	shim_log stderr | grep -q 'not supported'
	[ "$(shim_log stdout)" = 'mkdir 1' ]
	[ ! -e "$SHIM_DIR/seccomp.sock" ]
	timeout 60 "$SHIM_RUNTIME" --root "$SHIM_DIR/root" delete --force "$SHIM_ID"
	rm "$SHIM_DIR/log"
	# The one who decides: takes the message and the descriptor, and lets every question pass.
	python3 - "$SHIM_DIR/decide.sock" "$SHIM_DIR/state" 3>&- <<'PY' &
import fcntl, json, os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(sys.argv[1])
s.listen(1)
c, _ = s.accept()
data, fds, _, _ = socket.recv_fds(c, 100000, 4)
open(sys.argv[2], "wb").write(data)
while True:
    ask = bytearray(80)
    try:
        fcntl.ioctl(fds[0], 0xC0502100, ask)
        fcntl.ioctl(fds[0], 0xC0182101, bytearray(struct.pack("=QqiI", struct.unpack_from("=Q", ask)[0], 0, 0, 1)))
    except OSError:
        break
PY
	OTHERS+=("$!")
	shim_until 60 test -S "$SHIM_DIR/decide.sock"
	[ "$(shim_run --seccomp-notify-socket "$SHIM_DIR/seccomp.sock" --seccomp-notify-plugins "$SHIM_DIR/decide.sock" | tail -1)" = 3 ]
	[ "$(shim_log stdout)" = 'mkdir 0' ]
	[ "$(jq -r .state.id "$SHIM_DIR/state")" = "$SHIM_ID" ]
}

@test "protocol: the shim's own words go to the syslog with --syslog" {
	shim_dir
	shim_fake
	shim_job 'until [ -e "${0%/*}/go" ]; do sleep 0.05; done'
	shim_args --syslog --log-level debug
	# A /dev/log of the test's own, in a mount namespace.
	mkdir "$SHIM_DIR/dev"
	touch "$SHIM_DIR/dev/null"
	"$SHIM_TOOL" listen "$SHIM_DIR/dev/log" "$SHIM_DIR/heard" 3>&- &
	OTHERS+=("$!")
	shim_until 60 test -S "$SHIM_DIR/dev/log"
	timeout 60 unshare -m bash -c 'mount --bind /dev/null "$1/dev/null" && mount --rbind "$1/dev" /dev && exec "${@:2}"' \
		- "$SHIM_DIR" "${SHIM_ARGS[@]}" >"$SHIM_DIR/errors" 2>&1 3>&- || { cat "$SHIM_DIR/errors"; false; }
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
	shim_until 60 test -e "$SHIM_DIR/pid"
	echo '2 nonsense' >"$SHIM_DIR/bundle/ctl"
	shim_until 60 grep -q "joblet-shim: ctl: '2 nonsense' is no command" "$SHIM_DIR/heard"
	touch "$SHIM_DIR/bundle/go"
	[ "$(shim_wait 60)" = 0 ]
}
