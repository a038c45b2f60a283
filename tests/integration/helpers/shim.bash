#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One shim and one container of a test's own. Loaded by bats files:
#
#	load helpers/shim
#	shim_make 'shell script' [pid]     a bundle that runs it; with "nopid" without a pid namespace, "tty" with a terminal
#	shim_create [option …]             starts the shim; $output is the sync pipe's line, SHIM_PID its pid
#	shim_begin                         starts the container
#	shim_wait                          until the exit file is there; prints it
#	shim_log stdout|stderr|both        the decoded log
#	shim_fake [shell script]           another runtime in its place: it only starts <bundle>/job, and needs no bundle; or the script
#	shim_clean                         ends everything, and looks whether something was left
#
# $JOBLET_TEST_RUNTIME is the runtime: joblet-runtime when it is built, else runc. $JOBLET_TEST_SHIM may name another shim.

SHIM_SOURCE=${JOBLET_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
SHIM_BIN=${JOBLET_BIN:-$SHIM_SOURCE/build/release/bin}
SHIM=${JOBLET_TEST_SHIM:-$SHIM_BIN/joblet-shim}
SHIM_TOOL=$BATS_TEST_DIRNAME/helpers/shim_tool.py

shim_runtime() {
	if [ -n "${JOBLET_TEST_RUNTIME:-}" ]; then
		command -v "$JOBLET_TEST_RUNTIME"
	elif [ -x "$SHIM_BIN/joblet-runtime" ]; then
		echo "$SHIM_BIN/joblet-runtime"
	else
		echo "# joblet-runtime is not built, runc is used" >&3
		command -v runc
	fi
}

shim_dir() { # the folder of a test, without a bundle in it
	SHIM_DIR=$(mktemp -d "/tmp/${JOBLET_TEST_NAME:-joblet-test}-shim-XXXXXX")
	SHIM_ID=${SHIM_DIR##*/}
	SHIM_PID=
	mkdir -p "$SHIM_DIR"/{exits,persist,root,bundle}
}

shim_make() { # script [nopid] [tty]
	local how=" ${*:2} "
	shim_dir
	SHIM_RUNTIME=$(shim_runtime)
	mkdir -p "$SHIM_DIR"/bundle/rootfs/{bin,proc,dev,tmp,data,etc}
	cp /bin/busybox "$SHIM_DIR/bundle/rootfs/bin/busybox"
	local applet
	for applet in sh cat echo sleep printf seq dd true kill stty head tail wc yes sha256sum rm timeout nohup setsid id; do
		ln "$SHIM_DIR/bundle/rootfs/bin/busybox" "$SHIM_DIR/bundle/rootfs/bin/$applet"
	done
	SHIM_SCRIPT=$1 SHIM_HOW=$how SHIM_ID=$SHIM_ID SHIM_DIR=$SHIM_DIR python3 - >"$SHIM_DIR/bundle/config.json" <<'PY'
import json, os
how = os.environ["SHIM_HOW"].split()
d = os.environ["SHIM_DIR"]
spaces = ["mount", "ipc", "uts"] + ([] if "nopid" in how else ["pid"])
proc = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}
if "nopid" in how:
    proc = {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind", "ro"]}
json.dump({
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"terminal": "tty" in how, "user": {"uid": 0, "gid": 0}, "args": ["/bin/sh", "-c", os.environ["SHIM_SCRIPT"]],
                "env": ["PATH=/bin"], "cwd": "/", "noNewPrivileges": True,
                "capabilities": {k: ["CAP_KILL"] for k in ("bounding", "effective", "permitted")}},
    "hostname": "t",
    "mounts": [proc,
               {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
               {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
               {"destination": "/data", "type": "bind", "source": d, "options": ["rbind", "rw"]}],
    "linux": {"namespaces": [{"type": n} for n in spaces], "cgroupsPath": "/" + os.environ["SHIM_ID"],
              "resources": {"memory": {"limit": 256 << 20}, "pids": {"limit": 200}}},
}, __import__("sys").stdout)
PY
}

# A container is then a process of the host that starts at `create`. A script has the variables command, bundle, pid_file, console
# and id, and all that stands behind the program in $all. Perl, where a process is left behind: a shell may reap it.
shim_fake() {
	SHIM_RUNTIME=$SHIM_DIR/runtime
	if [ $# -gt 0 ]; then
		cat >"$SHIM_RUNTIME" <<-'SH'
			#!/bin/sh
			all="$*"
			while [ $# -gt 1 ]; do
				case $1 in
				create | exec | restore) command=$1 ;;
				--bundle) bundle=$2 ;;
				--pid-file) pid_file=$2 ;;
				--console-socket) console=$2 ;;
				esac
				shift
			done
			id=$1
			[ "$command" ] || exit 0 # delete, kill: there is nothing
		SH
		echo "$1" >>"$SHIM_RUNTIME"
	else
		cat >"$SHIM_RUNTIME" <<-'PERL'
			#!/usr/bin/perl
			my ($job) = $0 =~ m{(.*)/}; $job .= "/bundle/job";
			my %o; for my $i (0 .. $#ARGV) { $o{$ARGV[$i]} = $ARGV[$i + 1] }
			exit 0 unless $o{"--pid-file"};
			$job = "$o{'--bundle'}/job" if $o{"--bundle"};
			my $pid = fork;
			if (!$pid) { exec $job; exit 127 }
			open my $f, ">", $o{"--pid-file"}; print $f $pid; close $f;
		PERL
	fi
	chmod +x "$SHIM_RUNTIME"
}

shim_job() { # script: what the fake runtime starts
	printf '#!/bin/sh\n%s\n' "$1" >"$SHIM_DIR/bundle/job"
	chmod +x "$SHIM_DIR/bundle/job"
}

shim_args() { # into the array SHIM_ARGS
	SHIM_ARGS=("$SHIM" --api-version 1 -c "$SHIM_ID" -u "$SHIM_ID" -n name -r "$SHIM_RUNTIME" -b "$SHIM_DIR/bundle"
		-p "$SHIM_DIR/pid" -P "$SHIM_DIR/shim.pid" -l "${SHIM_LOG:-k8s-file:$SHIM_DIR/log}" --exit-dir "$SHIM_DIR/exits"
		--persist-dir "$SHIM_DIR/persist" --full-attach --runtime-arg --root --runtime-arg "$SHIM_DIR/root" "$@")
}

shim_create() {
	shim_args "$@"
	run timeout 120 "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}"
	SHIM_PID=$(cat "$SHIM_DIR/shim.pid" 2>/dev/null || true)
}

# shellcheck disable=SC2154 # shim_create sets them by run
shim_created() { # the same, and it must succeed
	shim_create "$@"
	[ "$status" -eq 0 ] && [[ $output =~ ^\{\"data\":\ [0-9]+\}$ ]] || {
		echo "create: $status $output" >&2
		return 1
	}
}

shim_begin() {
	timeout 120 "$SHIM_RUNTIME" --root "$SHIM_DIR/root" start "$SHIM_ID"
}

shim_signal() {
	timeout 120 "$SHIM_RUNTIME" --root "$SHIM_DIR/root" kill "$SHIM_ID" "$1"
}

shim_until() { # seconds command …: until it succeeds
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "never: $*" >&2
			return 1
		}
		sleep 0.02
	done
}

shim_is_gone() { # pid: no such process, or one that only waits to be reaped
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
	[ -z "$state" ] || [ "$state" = Z ]
}

# shellcheck disable=SC2120 # the tests give the time
shim_wait() {
	shim_until "${1:-120}" test -e "$SHIM_DIR/exits/$SHIM_ID" || return 1
	cat "$SHIM_DIR/exits/$SHIM_ID"
}

shim_log() {
	"$SHIM_TOOL" decode "$SHIM_DIR/log" "$1"
}

shim_run() { # the whole life; prints the exit code
	shim_created "$@" && shim_begin && shim_wait
}

shim_clean() {
	[ -n "${SHIM_DIR:-}" ] || return 0
	local left=0 said dir
	said=$(timeout 120 "$SHIM_RUNTIME" --root "$SHIM_DIR/root" delete --force "$SHIM_ID" 2>&1) || true
	SHIM_PID=${SHIM_PID:-$(cat "$SHIM_DIR/shim.pid" 2>/dev/null || true)}
	if [ -n "$SHIM_PID" ]; then
		shim_until 60 shim_is_gone "$SHIM_PID" || {
			left=1
			kill -9 "$SHIM_PID"
		}
	fi
	while read -r dir; do
		echo "left: $dir with processes $(tr '\n' ' ' <"$dir/cgroup.procs"), state $(ls "$SHIM_DIR/root"), delete said $said" >&2
		rmdir "$dir" || true
		left=1
	done < <(find /sys/fs/cgroup -maxdepth 3 -depth -type d -name "$SHIM_ID" 2>/dev/null)
	rm -rf --one-file-system "$SHIM_DIR"
	SHIM_DIR=
	return "$left"
}
