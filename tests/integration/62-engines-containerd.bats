#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd, by its own client ctr, with joblet-runtime below its shim; each row with runc too, so that a row which asks for the impossible
# is seen.
bats_require_minimum_version 1.5.0
load helpers/engine

setup_file() {
	engine_setup_file
	engine_use conmon joblet-runtime
	CTRD=$ENGINE/containerd
	export CTRD
	mkdir "$CTRD"
	pod save -q --format oci-archive -o "$CTRD/box.tar" box
	# What looks for a device, for a network or for a folder outside is left out.
	cat >"$CTRD/config.toml" <<-EOF
		version = 2
		root = "$CTRD/root"
		state = "$CTRD/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
			"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
			"io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
		[grpc]
		  address = "$CTRD/sock"
	EOF
	nsenter -t "$ENGINE_KEEPER" -m -n containerd --config "$CTRD/config.toml" </dev/null >"$CTRD/log" 2>&1 3>&- 4>&- &
	export CTRD_PID=$!
	wait_until ctr version || { cat "$CTRD/log"; return 1; }
	ctr image import "$CTRD/box.tar"
	IMAGE=$(ctr image list -q)
	export IMAGE
}

teardown_file() {
	local bad=0 id
	for id in $(ctr container list -q); do
		echo "left: container $id"
		bad=1
		ctr task delete -f "$id" || true
		ctr container delete "$id" || true
	done
	kill "$CTRD_PID"
	wait_until test ! -e "/proc/$CTRD_PID" || bad=1
	engine_teardown_file && [ "$bad" = 0 ]
}

ctr() {
	engine_in timeout --foreground -k 5 60 ctr -a "$CTRD/sock" -n joblet-test "$@"
}

# box ID [option …] -- command …
box() {
	local id=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	ctr run --cgroup "/$ENGINE_CGROUP/$id" --runc-binary "$(engine_program "$RUNTIME")" --runc-root "$CTRD/runtime" "${options[@]}" "$IMAGE" "$id" "${@:2}"
}

# The row with each runtime.
both() {
	for RUNTIME in joblet-runtime runc; do
		echo "with $RUNTIME:"
		"$@"
	done
}

ends() { # status command …
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ] || { echo "status $got, not $want, of: $*"; return 1; }
}

prints() { # text command …
	local want=$1 got
	shift
	got=$("$@") || { echo "status $? of: $*"; return 1; }
	[ "$got" = "$want" ] || { printf 'printed "%s", not "%s": %s\n' "$got" "$want" "$*"; return 1; }
}

has() { # text command …: its output has it, however it ends
	local want=$1 got
	shift
	got=$("$@" 2>&1) || true
	[[ $got == *"$want"* ]] || { printf 'no "%s" in "%s": %s\n' "$want" "$got" "$*"; return 1; }
}

is_task() { # id STATE
	[ "$(ctr task list | awk -v id="$1" '$1 == id { print $3 }')" = "$2" ]
}

says() { # id text: the task has written it into its file
	[ "$(cat "$ENGINE/data/$1" 2>/dev/null)" = "$2" ]
}

# A task that goes on, until TERM, and then exits 9; $ENGINE/data/ID says how far it is.
FOREVER='trap "exit 9" TERM; echo up >/data/$0; while :; do sleep 0.1; done'
start() { # id [option …]
	rm -f "$ENGINE/data/$1"
	box "$1" -d --null-io --mount "type=bind,src=$ENGINE/data,dst=/data,options=rbind:rw" "${@:2}" -- sh -c "$FOREVER" "$1" && wait_until says "$1" up
}

finish() { # id: the task and the container go
	ctr task kill -s KILL --all "$1"
	wait_until is_task "$1" STOPPED
	has 'exit code 137' ctr task delete "$1"
	ctr container delete "$1"
}

runs() {
	local out=$ENGINE/data/out err=$ENGINE/data/err
	ends 3 box r1 --rm -- sh -c 'echo out; echo err >&2; exit 3' >"$out" 2>"$err"
	[ "$(cat "$out") $(grep -v '^$' "$err")" = "out err" ]
	ends 0 box r2 --rm -- head -c 300000 /bin/busybox >"$out" && cmp "$out" <(head -c 300000 /bin/busybox)
	prints 'got given' box r3 --rm -- sh -c 'read x; echo got $x' <<<given
	ends 143 box r4 --rm -- sh -c 'trap "exit 143" TERM; kill -TERM $$'
}

@test "containerd: run: both streams, stdin, exit status" { both runs; }

is_as_asked() {
	prints '/tmp b' box o1 --rm --cwd /tmp --env A=b -- sh -c 'echo $PWD $A'
	has 'Read-only file system' box o3 --rm --read-only -- touch /new
	prints 00000000a80425fa box o2 --rm --cap-drop CAP_CHOWN -- sed -n 's/^CapEff:\t//p' /proc/self/status
	prints 2 box o4 --rm --seccomp -- sed -n 's/^Seccomp:\t//p' /proc/self/status
	prints '1 0' box o5 --rm -- sh -c 'echo $(sed -n "s/^NoNewPrivs:\t//p" /proc/self/status) $(ls /sys/class/net | grep -vc lo)'
}

@test "containerd: run: folder, environment, read-only root, capabilities, seccomp" { both is_as_asked; }

lives() {
	local pid
	start l1
	is_task l1 RUNNING
	pid=$(ctr task list | awk '$1 == "l1" { print $2 }')
	grep -q "^0::/$ENGINE_CGROUP/l1\|pids:/$ENGINE_CGROUP/l1" "/proc/$pid/cgroup"
	has "$pid" ctr task ps l1
	ctr task pause l1 && is_task l1 PAUSED
	ctr task resume l1 && is_task l1 RUNNING
	ctr task kill -s TERM l1 && wait_until is_task l1 STOPPED
	has 'exit code 9' ctr task delete l1
	ctr task start -d --null-io l1 && wait_until is_task l1 RUNNING
	finish l1
	start l2
	ctr task delete -f l2 || true # its own exit status
	ctr container delete l2
	[ -z "$(ctr task list -q)" ]
}

@test "containerd: ps, pause, resume, kill, delete, a second task in the same container" { both lives; }

executes() {
	start e1 --memory-limit 50331648
	ends 7 ctr task exec --exec-id x e1 sh -c 'exit 7'
	prints 'given /tmp' ctr task exec --exec-id x --cwd /tmp e1 sh -c 'read x; echo $x $PWD' <<<given
	prints '1000 1001' ctr task exec --exec-id x --user 1000:1001 e1 sh -c 'echo $(id -u) $(id -g)'
	has 'o such file' ctr task exec --exec-id x e1 /bin/nosuch
	has 50331648 ctr task metrics --format json e1
	finish e1
}

@test "containerd: exec: exit status, stdin, folder, user, a program that is missing; metrics" { both executes; }

has_terminal() {
	local said
	said=$("$BATS_TEST_DIRNAME/helpers/rnx_pty.py" --size 30x100 expect:'# ' send:'stty size; tty\n' expect:'30 100' expect:/dev/pts/0 send:'exit 6\n' -- \
		"$BASH" -c "$(declare -f ctr box engine_in engine_program); ENGINE_BIN=$ENGINE_BIN RUNTIME=$RUNTIME; box t1 --rm -t -- sh") || { echo "$said"; return 1; }
	[[ $said == *'status 6'* ]] || { echo "$said"; return 1; }
}

@test "containerd: a terminal" { both has_terminal; }

fails() {
	has 'o such file' box f1 --rm -- /bin/nosuch
	has 'ermission denied' box f2 --rm -- /bin/not-executable
	ends 137 box f3 --rm --memory-limit 25165824 -- tail /dev/zero
	start f4
	has 'criu' ctr task checkpoint f4
	is_task f4 RUNNING
	finish f4
	[ -z "$(ctr task list -q)$(ctr container list -q)" ]
}

@test "containerd: what cannot start, out of memory, checkpoint: an error that says why, and nothing left" { both fails; }
