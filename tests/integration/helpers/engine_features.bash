#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034
# What podman does with containers that go on: a function a feature, feature_NAME, for every runtime and monitor; the names of its containers
# begin with $BOX. `features NAME…` runs them, and prints those that failed with what they had said.

FEATURES_LIFE='create_start stop stop_kill kill pause restart wait rm_force restart_policy timeout rename_inspect healthcheck oom no_oom'
FEATURES_EXEC='exec exec_io exec_terminal exec_errors exec_detached exec_ends_with_it exec_paused top stats cp commit update'
FEATURES_STREAM='terminal detach_keys attach attach_input run_input logs logs_follow logs_size logs_drivers output_big output_last'
FEATURES_MONITOR='create_start kill timeout healthcheck oom exec exec_io exec_terminal exec_errors attach attach_input logs_follow logs_size output_last sdnotify'
FEATURES_POD='pod volumes container_namespaces pidfiles sdnotify checkpoint'

# same NAME WANTED GOT
same() {
	[ "$2" = "$3" ] || { printf '%s: is "%s", not "%s"\n' "$1" "$3" "$2"; return 1; }
}

# ends STATUS COMMAND…
ends() {
	local want=$1 status=0
	shift
	"$@" || status=$?
	same "status of ${*:0:6}" "$want" "$status"
}

field() {
	pod inspect --format "{{$2}}" "$1"
}

is_field() {
	[ "$(field "$1" "$2")" = "$3" ]
}

box() {
	pod_run -d --name "$@" >/dev/null
}

pty() {
	"$BATS_TEST_DIRNAME/helpers/rnx_pty.py" "$@"
}

has() {
	grep -qF -- "$2" <<<"$1" || { printf 'no "%s" in: %s\n' "$2" "$1"; return 1; }
}

FOREVER='trap "exit 9" TERM; trap "echo got usr1" USR1; echo ready; while :; do sleep 0.1; done'

logged() {
	pod logs "$1" 2>&1 | grep -q "$2"
}

# ready NAME [TEXT]: the container has printed it.
ready() {
	wait_until logged "$1" "${2:-ready}"
}

has_process() {
	pod top "$1" comm | grep -q "$2"
}

# --- life

feature_create_start() {
	pod create --cgroup-parent="/$ENGINE_CGROUP" --name "$BOX" box sh -c 'echo started; exit 3' >/dev/null || return 1
	same state created "$(field "$BOX" .State.Status)" || return 1
	pod init "$BOX" >/dev/null || return 1
	same 'state after init' initialized "$(field "$BOX" .State.Status)" || return 1
	same output started "$(pod start -a "$BOX"; echo "$?" >"$ENGINE/$BOX.status")" || return 1
	same status 3 "$(cat "$ENGINE/$BOX.status")" && same 'state' "exited 3" "$(field "$BOX" '.State.Status}} {{.State.ExitCode')"
}

feature_stop() {
	box "$BOX" box sh -c "$FOREVER" && ready "$BOX" && pod stop -t 20 "$BOX" >/dev/null &&
		same status 9 "$(field "$BOX" .State.ExitCode)" &&
		box "$BOX-2" --stop-signal USR2 box sh -c 'trap "exit 8" USR2; echo ready; while :; do sleep 0.1; done' && ready "$BOX-2" &&
		pod stop -t 20 "$BOX-2" >/dev/null && same status 8 "$(field "$BOX-2" .State.ExitCode)"
}

feature_stop_kill() {
	box "$BOX" box sh -c 'trap "" TERM; echo ready; while :; do sleep 1; done' && ready "$BOX" && pod stop -t 1 "$BOX" >/dev/null 2>&1 &&
		same status 137 "$(field "$BOX" .State.ExitCode)"
}

feature_kill() {
	box "$BOX" box sh -c "$FOREVER" && ready "$BOX" && pod kill -s USR1 "$BOX" >/dev/null && ready "$BOX" 'got usr1' &&
		pod kill "$BOX" >/dev/null && same status 137 "$(pod wait "$BOX")" && ends 125 pod kill "$BOX" 2>/dev/null
}

feature_pause() {
	local before
	box "$BOX" box sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/tmp/i; sleep 0.02; done' && pod pause "$BOX" >/dev/null || return 1
	same state paused "$(field "$BOX" .State.Status)" || return 1
	before=$(pod cp "$BOX:/tmp/i" - | tar -xO)
	sleep 0.5
	same 'what a paused one wrote' "$before" "$(pod cp "$BOX:/tmp/i" - | tar -xO)" || return 1
	pod unpause "$BOX" >/dev/null && same state running "$(field "$BOX" .State.Status)" &&
		wait_until pod exec "$BOX" sh -c "[ \$(cat /tmp/i) -gt ${before:-0} ]"
}

feature_restart() {
	local first
	box "$BOX" box sh -c "$FOREVER" && ready "$BOX" || return 1
	first=$(field "$BOX" .State.Pid)
	pod restart -t 20 "$BOX" >/dev/null && same state running "$(field "$BOX" .State.Status)" && [ "$(field "$BOX" .State.Pid)" != "$first" ]
}

feature_wait() {
	box "$BOX" box sh -c 'sleep 0.3; exit 5' && same status 5 "$(pod wait "$BOX")"
}

feature_rm_force() {
	box "$BOX" box sh -c 'trap "" TERM; (setsid sleep 1000 &); sleep 1000' || return 1
	pod rm -f -t 0 "$BOX" >/dev/null && ends 1 pod container exists "$BOX"
}

feature_restart_policy() {
	box "$BOX" --restart=on-failure:2 -v "$ENGINE/data:/data" box sh -c "echo once >>/data/$BOX; exit 4" &&
		wait_until is_field "$BOX" '.RestartCount}} {{.State.Status' '2 exited' && same starts 3 "$(wc -l <"$ENGINE/data/$BOX")" &&
		same status 4 "$(field "$BOX" .State.ExitCode)"
}

feature_timeout() {
	box "$BOX" --timeout 1 box sh -c 'sleep 1000' && same status -1 "$(pod wait "$BOX")"
}

feature_rename_inspect() {
	local pid
	box "$BOX" --label a=b box sh -c "$FOREVER" && pod rename "$BOX" "$BOX-new" || return 1
	pid=$(field "$BOX-new" .State.Pid)
	same "the process's parent" "$(field "$BOX-new" .State.ConmonPid)" "$(sed -n 's/^PPid:\t//p' "/proc/$pid/status")" &&
		same runtime "$RUNTIME" "$(field "$BOX-new" .OCIRuntime)"
}

feature_healthcheck() {
	box "$BOX" --health-cmd 'test -e /tmp/well' --health-interval=disable --health-retries=1 box sh -c "$FOREVER" && ready "$BOX" || return 1
	ends 1 pod healthcheck run "$BOX" >/dev/null 2>&1 && same health unhealthy "$(field "$BOX" .State.Health.Status)" &&
		pod exec "$BOX" touch /tmp/well && ends 0 pod healthcheck run "$BOX" && same health healthy "$(field "$BOX" .State.Health.Status)"
}

# conmon writes the file that says so into its working directory, where podman does not look.
oom_field() {
	case $MONITOR in
	*/conmon) same OOMKilled false "$(field "$1" .State.OOMKilled)" ;;
	*) same OOMKilled true "$(field "$1" .State.OOMKilled)" ;;
	esac
}

feature_oom() {
	box "$BOX" --memory=24m --memory-swap=24m box tail /dev/zero && same status 137 "$(pod wait "$BOX")" && oom_field "$BOX"
}

feature_no_oom() {
	box "$BOX" --memory=24m --memory-swap=24m box sh -c 'kill -9 $$; sleep 1' --init && pod wait "$BOX" >/dev/null &&
		same OOMKilled false "$(field "$BOX" .State.OOMKilled)"
}

# --- exec; all in one container

exec_box() {
	EXEC_BOX=exec-$PAIR
	pod container exists "$EXEC_BOX" || { box "$EXEC_BOX" --memory=64m -e FROM=image -v "$ENGINE/data:/data" box sh -c "$FOREVER" && ready "$EXEC_BOX"; }
}

feature_exec() {
	exec_box || return 1
	ends 7 pod exec "$EXEC_BOX" sh -c 'exit 7' && ends 143 pod exec "$EXEC_BOX" sh -c 'kill -TERM $$; sleep 9' &&
		same output 'image b /tmp 1000:1001' "$(pod exec -e A=b -w /tmp -u user "$EXEC_BOX" sh -c 'echo $FROM $A $PWD $(id -u):$(id -g)')" &&
		same capabilities 0000000000000000 "$(pod exec -u 1000 "$EXEC_BOX" sed -n 's/^CapEff:\t//p' /proc/self/status)" &&
		same 'privileged capabilities' "$(sed -n 's/^CapBnd:\t//p' /proc/self/status)" \
			"$(pod exec --privileged "$EXEC_BOX" sed -n 's/^CapEff:\t//p' /proc/self/status)" &&
		same seccomp 2 "$(pod exec "$EXEC_BOX" sed -n 's/^Seccomp:\t//p' /proc/self/status)" &&
		same namespaces "$(pod exec "$EXEC_BOX" sh -c 'readlink /proc/1/ns/pid /proc/1/ns/mnt /proc/1/ns/uts /proc/1/ns/ipc')" \
			"$(pod exec "$EXEC_BOX" readlink /proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/uts /proc/self/ns/ipc)" &&
		same cgroup "$(pod exec "$EXEC_BOX" sed -n 's/^[0-9]*:[a-z]*://p' /proc/1/cgroup | sort -u)" \
			"$(pod exec "$EXEC_BOX" sed -n 's/^[0-9]*:[a-z]*://p' /proc/self/cgroup | sort -u)"
}

feature_exec_io() {
	exec_box || return 1
	same stdin 'given GIVEN' "$(echo given | pod exec -i "$EXEC_BOX" sh -c 'read a; echo $a $(echo $a | tr a-z A-Z)')" &&
		same stderr err "$(pod exec "$EXEC_BOX" sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" &&
		same 'a megabyte' 1000000 "$(head -c 1000000 /dev/zero | pod exec -i "$EXEC_BOX" cat | wc -c)" &&
		same 'not in the log' 0 "$(pod logs "$EXEC_BOX" 2>&1 | grep -c GIVEN)"
}

feature_exec_errors() {
	exec_box || return 1
	ends 127 pod exec "$EXEC_BOX" /bin/nosuch 2>/dev/null && ends 127 pod exec "$EXEC_BOX" nosuch 2>/dev/null &&
		ends 126 pod exec "$EXEC_BOX" /bin/not-executable 2>/dev/null && ends 126 pod exec "$EXEC_BOX" /tmp 2>/dev/null
}

feature_exec_detached() {
	exec_box || return 1
	pod exec -d "$EXEC_BOX" sh -c 'echo written >/tmp/detached' >/dev/null &&
		wait_until pod exec "$EXEC_BOX" grep -q written /tmp/detached
}

feature_exec_ends_with_it() {
	local client status=0
	box "$BOX" box sh -c "$FOREVER" && ready "$BOX" || return 1
	pod exec "$BOX" sleep 1000 &
	client=$!
	wait_until has_process "$BOX" sleep && pod kill "$BOX" >/dev/null || return 1
	wait "$client" || status=$?
	same 'status of the exec' 137 "$status"
}

feature_exec_paused() {
	exec_box && pod pause "$EXEC_BOX" >/dev/null || return 1
	ends 255 pod exec "$EXEC_BOX" true 2>/dev/null
	pod unpause "$EXEC_BOX" >/dev/null && ends 0 pod exec "$EXEC_BOX" true
}

feature_top() {
	exec_box && has "$(pod top "$EXEC_BOX" pid,user,comm)" 'root' && has "$(pod top "$EXEC_BOX" -o pid,args)" 'while'
}

feature_stats() {
	local stats
	exec_box || return 1
	stats=$(pod stats --no-stream --format json "$EXEC_BOX") && has "$stats" "$EXEC_BOX" && has "$stats" '/ 67.11MB' && jq -e '.[0].pids | tonumber >= 1' <<<"$stats" >/dev/null
}

feature_cp() {
	exec_box || return 1
	echo "copied $PAIR" >"$ENGINE/data/copy"
	pod cp "$ENGINE/data/copy" "$EXEC_BOX:/tmp/in" && same inside "copied $PAIR" "$(pod exec "$EXEC_BOX" cat /tmp/in)" &&
		pod exec "$EXEC_BOX" sh -c 'mkdir -p /tmp/d && echo out >/tmp/d/f' && pod cp "$EXEC_BOX:/tmp/d" "$ENGINE/data/$PAIR" &&
		same outside out "$(cat "$ENGINE/data/$PAIR/f")"
}

feature_commit() {
	exec_box && pod exec "$EXEC_BOX" touch /etc/new && pod commit -q "$EXEC_BOX" "new-$PAIR" >/dev/null &&
		ends 0 pod_run --rm "new-$PAIR" test -e /etc/new && has "$(pod diff "$EXEC_BOX")" 'A /etc/new'
}

feature_update() {
	exec_box && pod update --memory 48m --cpus 0.7 "$EXEC_BOX" >/dev/null &&
		same limits '50331648 70000' "$(pod exec "$EXEC_BOX" sh -c 'cd /sys/fs/cgroup; echo $(cat memory/memory.limit_in_bytes memory.max 2>/dev/null) $(cat cpu/cpu.cfs_quota_us cpu.max 2>/dev/null | cut -d" " -f1)')"
}

# --- streams

feature_terminal() {
	local said
	said=$(pty --size 30x100 expect:'# ' send:'stty size\n' expect:'30 100' expect:'# ' resize:20x60 pause:0.3 send:'stty size; tty; echo $((6 * 7))\n' \
		expect:'20 60' expect:/dev/pts/0 expect:42 send:'exit 6\n' -- "$BASH" -c "$(declare -f pod pod_run engine_in); pod_run -it --rm --name $BOX box sh") ||
		{ echo "$said"; return 1; }
	has "$said" 'status 6' && has "$said" 'mode same'
}

feature_exec_terminal() {
	local said
	exec_box || return 1
	said=$(pty --size 25x90 expect:'# ' send:'stty size; tty\n' expect:'25 90' expect:/dev/pts/ send:'sleep 100\n' pause:0.3 send:'\x03' expect:'# ' \
		send:'exit 4\n' -- "$BASH" -c "$(declare -f pod engine_in); pod exec -it $EXEC_BOX sh") || { echo "$said"; return 1; }
	has "$said" 'status 4'
}

feature_detach_keys() {
	local said
	said=$(pty expect:'# ' send:'\x10' pause:0.2 send:'\x11' -- "$BASH" -c "$(declare -f pod pod_run engine_in); pod_run -it --name $BOX box sh") || { echo "$said"; return 1; }
	has "$said" 'status 0' && same state running "$(field "$BOX" .State.Status)" || return 1
	said=$(pty pause:0.5 send:'echo $((6 * 7))\n' expect:42 send:'exit 5\n' -- "$BASH" -c "$(declare -f pod engine_in); pod attach $BOX") || { echo "$said"; return 1; }
	same status 5 "$(pod wait "$BOX")"
}

feature_attach() {
	local one two
	box "$BOX" -v "$ENGINE/data:/data" box sh -c "until [ -e /data/$BOX.go ]; do sleep 0.05; done; echo out; echo err >&2; exit 6" || return 1
	pod attach --no-stdin "$BOX" >"$ENGINE/$BOX.1" 2>"$ENGINE/$BOX.2" &
	one=$!
	pod attach --no-stdin "$BOX" >"$ENGINE/$BOX.3" 2>&1 &
	two=$!
	wait_until attached "$BOX" 2 && touch "$ENGINE/data/$BOX.go" || return 1
	ends 0 wait "$one" && ends 0 wait "$two" && same stdout out "$(cat "$ENGINE/$BOX.1")" && same stderr err "$(cat "$ENGINE/$BOX.2")" &&
		same 'both for the second' $'err\nout' "$(grep . "$ENGINE/$BOX.3" | sort)"
}

# attached NAME COUNT: the monitor of a container has that many connections on its attach socket.
attached() {
	local pid
	pid=$(field "$1" .State.ConmonPid)
	[ "$(nsenter -t "$pid" -n ss -xpH 2>/dev/null | grep "pid=$pid," | grep -c '/attach ')" -ge "$2" ]
}

feature_attach_input() {
	box "$BOX" -i box sh -c 'read line; echo "got $line"; cat; exit 2' && same output $'got one\ntwo' "$(printf 'one\ntwo\n' | pod attach "$BOX")" &&
		same status 2 "$(pod wait "$BOX")"
}

feature_run_input() {
	same 'a megabyte through' "$(head -c 1000000 /dev/zero | sha256sum)" "$(head -c 1000000 /dev/zero | pod_run -i --rm box cat | sha256sum)"
}

feature_logs() {
	box "$BOX" box sh -c 'for i in 1 2 3; do echo out $i; done; echo err >&2; echo out 4; printf unfinished' && pod wait "$BOX" >/dev/null || return 1
	same stdout $'out 1\nout 2\nout 3\nout 4\nunfinished' "$(pod logs "$BOX" 2>/dev/null)" && same stderr err "$(pod logs "$BOX" 2>&1 >/dev/null)" &&
		same tail 'out 4unfinished' "$(pod logs --tail 2 "$BOX")" && same until '' "$(pod logs --until 2020-01-01T00:00:00Z "$BOX" 2>&1)" &&
		same 'times' 5 "$(pod logs -t "$BOX" 2>&1 | grep -c '^20..-..-..T..:..:')"
}

feature_logs_follow() {
	local client
	box "$BOX" -v "$ENGINE/data:/data" box sh -c "echo first; until [ -e /data/$BOX.go ]; do sleep 0.05; done; echo last" || return 1
	pod logs -f "$BOX" >"$ENGINE/$BOX.log" &
	client=$!
	wait_until grep -q first "$ENGINE/$BOX.log" && touch "$ENGINE/data/$BOX.go" && ends 0 wait "$client" && same log $'first\nlast' "$(cat "$ENGINE/$BOX.log")"
}

feature_logs_size() {
	local path
	box "$BOX" --log-opt max-size=4k box sh -c 'i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i + 1)); done' && pod wait "$BOX" >/dev/null || return 1
	path=$(field "$BOX" .HostConfig.LogConfig.Path)
	[ "$(stat -c %s "$path")" -le 4096 ] && [ "$(stat -c %s "$path")" -gt 0 ] && has "$(pod logs "$BOX")" 'line 999'
}

feature_logs_drivers() {
	local path
	box "$BOX" --log-driver k8s-file --log-opt path="$ENGINE/$BOX.log" box echo k8s && pod wait "$BOX" >/dev/null &&
		same k8s-file 1 "$(grep -cE '^20[^ ]* stdout F k8s$' "$ENGINE/$BOX.log")" &&
		box "$BOX-j" --log-driver json-file box echo json && pod wait "$BOX-j" >/dev/null && same json-file json "$(pod logs "$BOX-j")" &&
		box "$BOX-n" --log-driver none box echo none && pod wait "$BOX-n" >/dev/null && ends 125 pod logs "$BOX-n" 2>/dev/null &&
		same passthrough through "$(pod_run --rm --log-driver passthrough box echo through)"
}

feature_output_big() {
	same hash "$(seq 300000 | sha256sum)" "$(pod_run --name "$BOX" box seq 300000 | sha256sum)" && same 'hash of the log' "$(seq 300000 | sha256sum)" "$(pod logs "$BOX" | sha256sum)"
}

feature_output_last() {
	local i
	for i in 1 2 3 4 5; do
		same "the last byte, round $i" "$i." "$(pod_run --rm box sh -c "printf $i; printf .; kill -9 \$\$")" || return 1
	done
}

# --- pods, and what stands around a container

feature_pod() {
	local inside
	pod pod create --name "pod-$BOX" --cgroup-parent="/$ENGINE_CGROUP" --network=none --infra-image localhost/box --infra-command 'sleep 1000' \
		--share net,ipc,uts,pid --hostname podhost >/dev/null || return 1
	inside='for n in net ipc uts pid; do readlink /proc/self/ns/$n; done; hostname'
	box "$BOX" --pod "pod-$BOX" box sh -c "$FOREVER" && ready "$BOX" || return 1
	same namespaces "$(pod exec "$BOX" sh -c "$inside")" "$(pod_run --rm --pod "pod-$BOX" box sh -c "$inside")" && has "$(pod exec "$BOX" hostname)" podhost &&
		has "$(pod exec "$BOX" ps)" 'sleep 1000' && pod pod pause "pod-$BOX" >/dev/null && pod pod unpause "pod-$BOX" >/dev/null &&
		pod pod stop -t 5 "pod-$BOX" >/dev/null && same state Exited "$(pod pod inspect --format '{{.State}}' "pod-$BOX")" &&
		pod pod start "pod-$BOX" >/dev/null && is_field "$BOX" .State.Status running && pod pod rm -f -t 0 "pod-$BOX" >/dev/null
}

feature_volumes() {
	pod volume create "vol-$PAIR" >/dev/null && ends 0 pod_run --rm -v "vol-$PAIR:/etc" box sh -c 'echo kept >/etc/new' &&
		same kept 'kept 2' "$(pod_run --rm -v "vol-$PAIR:/x" box sh -c 'echo $(cat /x/new) $(wc -l </x/passwd)')" &&
		box "$BOX" -v /own box sh -c "echo there >/own/f; $FOREVER" && ready "$BOX" && same 'from another' there "$(pod_run --rm --volumes-from "$BOX" box cat /own/f)"
}

feature_container_namespaces() {
	box "$BOX" box sh -c "$FOREVER" && ready "$BOX" &&
		same namespaces "$(pod exec "$BOX" readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/ipc)" \
			"$(pod_run --rm --network="container:$BOX" --pid="container:$BOX" --ipc="container:$BOX" box readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/ipc)"
}

feature_pidfiles() {
	pod_run -d --name "$BOX" --pidfile "$ENGINE/$BOX.pid" --conmon-pidfile "$ENGINE/$BOX.conmon" --cidfile "$ENGINE/$BOX.id" box sh -c "$FOREVER" >"$ENGINE/$BOX.said" &&
		same id "$(cat "$ENGINE/$BOX.said")" "$(cat "$ENGINE/$BOX.id")" && same pid "$(field "$BOX" .State.Pid)" "$(cat "$ENGINE/$BOX.pid")" &&
		same 'monitor' "$(field "$BOX" .State.ConmonPid)" "$(cat "$ENGINE/$BOX.conmon")"
}

# The container says that it is ready; what it says reaches whoever started podman.
feature_sdnotify() {
	local listener client
	python3 - "$ENGINE/$BOX.sock" >"$ENGINE/$BOX.told" <<-'EOF' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(60)
		while True:
		    text = s.recv(4096).decode()
		    print(text, flush=True)
		    if "READY=1" in text:
		        break
	EOF
	listener=$!
	wait_until test -S "$ENGINE/$BOX.sock" || return 1
	POD_NOTIFY=$ENGINE/$BOX.sock box "$BOX" --sdnotify=container box sh -c 'echo "at $NOTIFY_SOCKET"; while :; do sleep 0.1; done' 2>"$ENGINE/$BOX.err" &
	client=$!
	ready "$BOX" 'at /' || return 1
	python3 - "/proc/$(field "$BOX" .State.Pid)/root$(pod logs "$BOX" | sed -n 's/^at //p')" <<-'EOF' || return 1
		import socket, sys
		socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", sys.argv[1])
	EOF
	ends 0 wait "$listener" && ends 0 wait "$client" && has "$(cat "$ENGINE/$BOX.told")" READY=1
}

# Restored where criu knows the kernel; an error that says why where it does not, and the container goes on.
feature_checkpoint() {
	local said
	box "$BOX" box sh -c 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.1; done' && ready "$BOX" 3 || return 1
	if engine_in criu check >/dev/null 2>&1; then
		pod container checkpoint "$BOX" >/dev/null && same state exited "$(field "$BOX" .State.Status)" &&
			pod container restore "$BOX" >/dev/null && same state running "$(field "$BOX" .State.Status)"
	else
		said=$(pod container checkpoint "$BOX" 2>&1) && return 1
		has "$said" Error && same state running "$(field "$BOX" .State.Status)"
	fi
}

# --- the driver

# features NAME…: those that do not share a container run two at a time. $ENGINE_CANNOT has lines "NAME PROGRAM reason": what Debian's own
# program cannot do here; it must fail there, or the line is wrong.
features() {
	local name n=0 dir=$BATS_TEST_TMPDIR pids=()
	PAIR=$(basename "$MONITOR")-$RUNTIME
	for name; do
		n=$((n + 1))
		case $name in
		exec* | top | stats | cp | commit | update) feature_run "$dir/$n" "$name" ;;
		*)
			feature_run "$dir/$n" "$name" &
			pids+=($!)
			[ ${#pids[@]} -lt 2 ] || wait "${pids[-2]}"
			;;
		esac
	done
	[ ${#pids[@]} -eq 0 ] || wait "${pids[@]}"
	[ "$(cat "$dir"/*.done | wc -l)" = "$n" ] || echo "not all of $n features were tried" >"$dir/0.bad"
	[ -z "$(ls "$dir"/*.cannot 2>/dev/null)" ] || cat "$dir"/*.cannot >&"${ENGINE_SAY:-3}"
	! cat "$dir"/*.bad 2>/dev/null
}

# feature_run FILE NAME: FILE.done when it was tried, FILE.bad when it is not as it should be, FILE.cannot when it cannot be.
feature_run() {
	local name=$2 said status=0 reason began=$SECONDS
	BOX=$name-$PAIR
	reason=$(awk -v n="$name" -v r="$RUNTIME" -v m="${MONITOR##*/}" '$1 == n && ($2 == r || $2 == m) { $1 = $2 = ""; print }' <<<"${ENGINE_CANNOT:-}")
	said=$("feature_$name" 2>&1) || status=$?
	[ -z "${ENGINE_TIMES:-}" ] || echo "# $PAIR $name $((SECONDS - began)) s, status $status" >&2
	if [ -n "$reason" ] && [ "$status" -ne 0 ]; then
		echo "# $name cannot be with $PAIR:$reason" >"$1.cannot"
	elif [ -n "$reason" ]; then
		echo "$name: can be, yet is said not to be:$reason" >"$1.bad"
	elif [ "$status" -ne 0 ]; then
		printf '%s: failed: %s\n' "$name" "$said" >"$1.bad"
	fi
	boxes_remove "$BOX"
	echo "$name" >"$1.done"
}

boxes_remove() {
	local names
	names=$(pod ps -a --format '{{.Names}}' | grep -E "^$1(-[a-z0-9]+)?\$") || return 0
	# shellcheck disable=SC2086
	pod rm -f -t 0 $names >/dev/null 2>&1
}
