#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-shim's logs: drivers, limits, rotation, a disk that is full, a journal that is busy, stuck or away.
load helpers/shim

setup() {
	OTHERS=()
	MOUNTED=
}

teardown() {
	local pid
	for pid in "${OTHERS[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	[ -z "$MOUNTED" ] || umount -l "$MOUNTED"
	shim_clean
}

dropped() { # key: of the exit record
	jq ".$1" "$SHIM_DIR/bundle/exit.json"
}


small_disk() { # size: at $SHIM_DIR/disk
	mkdir "$SHIM_DIR/disk"
	mount -t tmpfs -o "size=$1" tmpfs "$SHIM_DIR/disk"
	MOUNTED=$SHIM_DIR/disk
	SHIM_LOG=k8s-file:$SHIM_DIR/disk/log
}

# The shim with a /run of the test's own, so that its journal is a socket of the test's.
with_journal() { # option …
	mkdir -p "$SHIM_DIR/run/systemd/journal"
	shim_args "$@"
	timeout 60 unshare -m bash -c 'mount --rbind "$1/run" /run && exec "${@:2}"' - "$SHIM_DIR" "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}" 3>&-
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid")
}

journal_listens() {
	mkdir -p "$SHIM_DIR/run/systemd/journal"
	"$SHIM_TOOL" listen "$SHIM_DIR/run/systemd/journal/socket" "$SHIM_DIR/journal" 3>&- &
	OTHERS+=("$!")
	shim_until 60 test -S "$SHIM_DIR/run/systemd/journal/socket"
}

@test "logs: every line of a fuzzed stream is a CRI line, and its bytes come back" {
	shim_dir
	shim_fake
	cat >"$SHIM_DIR/bundle/job" <<-'PY'
		#!/usr/bin/python3
		import os, random, sys
		r = random.Random(os.getpid())
		copies = {n: open("%s/sent%d" % (os.path.dirname(sys.argv[0]), n), "wb") for n in (1, 2)}
		kinds = [lambda: b"\n" * r.randrange(1, 50), lambda: r.randbytes(r.randrange(1, 20000)), lambda: b"y" * r.choice((8191, 8192, 8193, 16384, 65536)) + b"\n",
		         lambda: b"2026-11-23T17:53:21.298756433+00:00 stdout F forged\n", lambda: b"\r\0\x1b[2J", lambda: b"z" * r.randrange(200000)]
		for _ in range(400):
		    n, data = r.choice((1, 2)), r.choice(kinds)()
		    copies[n].write(data)
		    while data:
		        data = data[os.write(n, data[:r.randrange(1, 70000)]):]
	PY
	chmod +x "$SHIM_DIR/bundle/job"
	shim_created
	[ "$(shim_wait 60)" = 0 ]
	shim_log stdout | cmp - "$SHIM_DIR/bundle/sent1"
	shim_log stderr | cmp - "$SHIM_DIR/bundle/sent2"
}

@test "logs: rotation keeps so many old files, in their order, and no line is lost or cut in two" {
	shim_dir
	shim_fake
	shim_job 'i=0; while [ $i -lt 2000 ]; do echo "line $i ......................................................"; i=$((i+1)); done'
	shim_created --log-size-max 40000 --log-rotate --log-max-files 3
	[ "$(shim_wait 60)" = 0 ]
	[ "$(cd "$SHIM_DIR" && ls log*)" = $'log\nlog.1\nlog.2\nlog.3' ]
	local file
	for file in log log.1 log.2 log.3; do
		[ "$(stat -c '%s %a' "$SHIM_DIR/$file" | awk '{ print ($1 <= 40000), $2 }')" = "1 600" ]
	done
	# Full ones are full to the last line, and together they are the end of the output.
	[ "$(stat -c %s "$SHIM_DIR/log.1")" -gt 39800 ]
	for file in log.3 log.2 log.1 log; do
		"$SHIM_TOOL" decode "$SHIM_DIR/$file" stdout
	done >"$SHIM_DIR/all"
	[ "$(tail -1 "$SHIM_DIR/all")" = "line 1999 ......................................................" ]
	[ "$(awk 'NR > 1 && $2 != last + 1 { print "gap" } { last = $2 }' "$SHIM_DIR/all")" = "" ]
	shim_clean
	# --log-rotate alone keeps one; 0 keeps none; a line longer than the limit has a file of its own.
	shim_dir
	shim_fake
	shim_job 'echo one; printf "%0500d\n" 0; echo three'
	shim_created --log-size-max 200 --log-rotate
	[ "$(shim_wait 60)" = 0 ]
	[ "$(cd "$SHIM_DIR" && ls log*)" = $'log\nlog.1' ]
	[ "$(shim_log both)" = three ]
	[ "$("$SHIM_TOOL" decode "$SHIM_DIR/log.1" both | wc -c)" = 501 ]
}

@test "logs: --log-global-size-max is filled to its last whole line; the rest is counted" {
	shim_dir
	shim_fake
	shim_job 'i=0; while [ $i -lt 400 ]; do echo "line $((i+100))"; i=$((i+1)); done'
	shim_created --log-global-size-max 5000
	[ "$(shim_wait 60)" = 0 ]
	local in
	in=$(shim_log both | wc -l)
	[ "$(stat -c %s "$SHIM_DIR/log")" -le 5000 ] && [ "$(stat -c %s "$SHIM_DIR/log")" -gt 4940 ]
	[ "$(dropped linesDropped)" = $((400 - in)) ]
	[ "$(dropped bytesDropped)" = $(((400 - in) * 9)) ]
}

@test "logs: a full disk with --log-full drop: the job goes on, the gap is marked and counted" {
	shim_dir
	shim_fake
	shim_job 'i=0; while [ $i -lt 3000 ]; do echo "line $i ..............................................................................."; i=$((i+1)); done
		touch "${0%/*}/full"; until [ -e "${0%/*}/room" ]; do sleep 0.05; done; echo after'
	small_disk 100k
	shim_created --log-full drop
	shim_until 60 test -e "$SHIM_DIR/bundle/full"
	mount -o remount,size=10m "$SHIM_DIR/disk"
	sleep 0.3 # the shim has read all of it by then, or it has not: the sum is the same
	touch "$SHIM_DIR/bundle/room"
	[ "$(shim_wait 60)" = 0 ]
	"$SHIM_TOOL" decode "$SHIM_DIR/disk/log" stdout >"$SHIM_DIR/in"
	"$SHIM_TOOL" decode "$SHIM_DIR/disk/log" stderr >"$SHIM_DIR/marks"
	cat "$SHIM_DIR/marks" "$SHIM_DIR/bundle/exit.json"
	[ "$(tail -1 "$SHIM_DIR/in")" = after ]
	[ "$(dropped linesDropped)" -gt 0 ]
	[ "$(($(wc -l <"$SHIM_DIR/in") + $(dropped linesDropped)))" = 3001 ]
	[ "$(sed -n 's/^joblet-shim: \([0-9]*\) lines ([0-9]* bytes) of output are missing here: No space left on device$/\1/p' "$SHIM_DIR/marks" |
		awk '{ n += $1 } END { print n }')" = "$(dropped linesDropped)" ]
}

@test "logs: a full disk with --log-full hold: the job waits, and nothing is lost" {
	shim_dir
	shim_fake
	shim_job 'i=0; while [ $i -lt 6000 ]; do echo "line $i ..............................................................................."; i=$((i+1)); echo $i >"${0%/*}/at"; done'
	small_disk 100k
	shim_created --log-full hold
	# It stands still once the disk, the shim's buffer and the pipe are full.
	local before=x now=y
	until [ "$before" = "$now" ] && [ -n "$now" ] && [ "$now" -gt 900 ]; do
		before=$now
		sleep 0.5
		now=$(cat "$SHIM_DIR/bundle/at" 2>/dev/null || true)
	done
	[ "$now" -lt 6000 ] && [ ! -e "$SHIM_DIR/exits/$SHIM_ID" ]
	mount -o remount,size=10m "$SHIM_DIR/disk"
	[ "$(shim_wait 60)" = 0 ]
	"$SHIM_TOOL" decode "$SHIM_DIR/disk/log" both >"$SHIM_DIR/in"
	[ "$(wc -l <"$SHIM_DIR/in")" = 6000 ]
	[ "$(awk '$2 != NR - 1 { print "gap" }' "$SHIM_DIR/in")" = "" ]
	[ "$(dropped linesDropped)" = 0 ]
	umount -l "$SHIM_DIR/disk"
	MOUNTED=
	shim_clean
	# A job that ends while the disk is full is told all the same, with what is missing.
	shim_dir
	shim_fake
	shim_job 'head -c 30000 /dev/zero | tr "\0" "\n"; exit 3'
	small_disk 100k
	shim_created --log-full hold
	[ "$(shim_wait 60)" = 3 ]
	[ "$(dropped linesDropped)" -gt 0 ]
}

@test "logs: a log directory that vanishes hurts nobody; ctl brings the log back" {
	shim_dir
	shim_fake
	shim_job 'echo one; until [ -e "${0%/*}/go" ]; do sleep 0.05; done; echo two; until [ -e "${0%/*}/on" ]; do sleep 0.05; done; echo three'
	mkdir "$SHIM_DIR/logs"
	SHIM_LOG=k8s-file:$SHIM_DIR/logs/log shim_created --log-size-max 1000
	shim_until 60 grep -q one "$SHIM_DIR/logs/log"
	rm -r "$SHIM_DIR/logs"
	echo '2 0 0' >"$SHIM_DIR/bundle/ctl"
	touch "$SHIM_DIR/bundle/go"
	sleep 0.3
	mkdir "$SHIM_DIR/logs"
	echo '2 0 0' >"$SHIM_DIR/bundle/ctl"
	shim_until 60 test -e "$SHIM_DIR/logs/log"
	touch "$SHIM_DIR/bundle/on"
	[ "$(shim_wait 60)" = 0 ]
	[ "$("$SHIM_TOOL" decode "$SHIM_DIR/logs/log" stdout | tail -1)" = three ]
}

@test "logs: journald gets conmon's fields, an entry a line, and every line though it is slow" {
	shim_dir
	shim_fake
	# What comes on stderr before the runtime has ended is the runtime's.
	shim_job 'until [ -e "${0%/*}/go" ]; do sleep 0.05; done; echo "first line"; echo "an error" >&2; head -c 10000 /dev/zero | tr "\0" y; echo; i=0; while [ $i -lt 3000 ]; do echo "n$i"; i=$((i+1)); done; printf end'
	journal_listens
	with_journal -l journald --log-tag "the tag" --log-label COLOUR=blue --log-label SIZE=a=b
	touch "$SHIM_DIR/bundle/go"
	[ "$(shim_wait 60)" = 0 ]
	shim_until 60 grep -q '^MESSAGE=end ' "$SHIM_DIR/journal"
	local common="CONTAINER_ID_FULL=$SHIM_ID CONTAINER_ID=${SHIM_ID:0:12} SYSLOG_IDENTIFIER=the tag CONTAINER_NAME=name CONTAINER_TAG=the tag COLOUR=blue SIZE=a=b "
	shim_until 60 grep -q '^MESSAGE=an error ' "$SHIM_DIR/journal"
	grep -qxF "MESSAGE=first line PRIORITY=6 $common" "$SHIM_DIR/journal"
	grep -qxF "MESSAGE=an error PRIORITY=3 $common" "$SHIM_DIR/journal"
	[ "$(grep -c 'CONTAINER_PARTIAL_MESSAGE=true $' "$SHIM_DIR/journal")" = 2 ] # of the long line, and the end without newline
	[ "$(sed -n 's/^MESSAGE=n\([0-9]*\) .*/\1/p' "$SHIM_DIR/journal")" = "$(seq 0 2999)" ]
	[ "$(sed -n 's/^MESSAGE=\(y*\) .*/\1/p' "$SHIM_DIR/journal" | tr -d '\n' | wc -c)" = 10000 ]
	[ "$(dropped linesDropped)" = 0 ]
	shim_log stdout | grep -q '^first line$' # the file beside it
}

@test "logs: a journald that is stuck or away does not keep the job; what it misses is counted" {
	shim_dir
	shim_fake
	shim_job 'i=0; while [ $i -lt 2000 ]; do echo "n$i"; i=$((i+1)); done; exit 2'
	with_journal -l journald --no-container-partial-message
	[ "$(shim_wait 60)" = 2 ]
	[ "$(dropped linesDropped)" = 2000 ]
	[ "$(shim_log stdout | wc -l)" = 2000 ]
	shim_clean
	shim_dir
	shim_fake
	shim_job 'i=0; while [ $i -lt 9000 ]; do echo "n$i"; i=$((i+1)); done; exit 2'
	journal_listens
	kill -STOP "${OTHERS[-1]}"
	with_journal -l journald
	[ "$(shim_wait 60)" = 2 ]
	[ "$(dropped linesDropped)" -gt 0 ]
	[ "$(shim_log stdout | wc -l)" = 9000 ]
}

@test "logs: passthrough is the caller's own stdio" {
	shim_dir
	shim_fake
	shim_job 'echo out; echo err >&2; cat; exit 3'
	SHIM_LOG=passthrough shim_args --sync --exit-command /bin/sh --exit-command-arg -c --exit-command-arg "echo of the exit command; : >$SHIM_DIR/ended"
	run bash -c 'echo in | "$@" 2>"$0/err"' "$SHIM_DIR" "${SHIM_ARGS[@]}"
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$output" = $'out\nin' ]
	[ "$(cat "$SHIM_DIR/err")" = err ]
	[ -e "$SHIM_DIR/ended" ]
}
