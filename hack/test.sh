#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need, builds, and runs all tests: lint, the C tests, the integration suite, and of this suite the
# files with a vm: tag in virtual machines with cgroup v2, with pure v1, and with systemd. The last line is "N passed, N failed"; the exit
# status says the same.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd "$(dirname "$0")/.." || exit 1
umask 022
# shellcheck source=hack/packages.sh
. hack/packages.sh
[ "$(id -u)" -eq 0 ] || {
	echo "test: must run as root: sudo hack/test.sh" >&2
	exit 1
}

JOBLET_RESULTS=$(mktemp)
export JOBLET_RESULTS
times=$(mktemp)
running=
finish() {
	trap '' INT TERM HUP
	[ -z "$running" ] || { kill -TERM "$running" && wait "$running"; }
	rm -f "$JOBLET_RESULTS" "$times"
} 2>/dev/null
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# NAME COMMAND...: runs a part. One that fails without a count of its own is one failure; one that counts nothing else is one test.
part() {
	local name=$1 began=$SECONDS status
	shift
	echo "== $name"
	JOBLET_PART=$name "$@" </dev/null &
	running=$!
	wait "$running"
	status=$?
	running=
	printf '%6d s  %s%s\n' $((SECONDS - began)) "$name" "$([ $status -eq 0 ] || echo ' (failed)')" >>"$times"
	if ! grep -q "^$name " "$JOBLET_RESULTS"; then
		echo "$name $((status == 0)) $((status != 0)) 0" >>"$JOBLET_RESULTS"
	elif [ $status -ne 0 ] && ! awk -v n="$name" '$1 == n && $3 > 0 { f = 1 } END { exit !f }' "$JOBLET_RESULTS"; then
		echo "$name 0 1 0" >>"$JOBLET_RESULTS"
	fi
	return $status
}

trust_tree "$PWD"
prepare() { install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}" "${packages_vm[@]}" && make_user; }
# It ends, and interrupts its tests, when this script ends, however that was.
run_make() { exec setpriv --pdeathsig TERM make "$@"; }
if part packages prepare && part build run_make -j"$(nproc)" all; then
	part lint run_make -s lint
	part check run_make -s check
	part integration run_make -s integration JOBS="$(nproc)"
	part vm-v2 run_make -s vm TAG=vm:v2
	part vm-v1 run_make -s vm TAG=vm:v1 CGROUP=v1
	part vm-systemd run_make -s vm TAG=vm:systemd INIT=systemd
	part asan run_make -s MODE=asan -j"$(nproc)" check # the C tests under the address and undefined-behaviour sanitizers
	part fuzz run_make -s -j"$(nproc)" fuzz T=10         # each fuzzer for ten seconds, from its seeds
fi

echo "== how long it took"
cat "$times"
awk '{ p += $2; f += $3; s += $4 } END {
	if (s) printf "%d skipped, reasons above\n", s
	printf "%d passed, %d failed\n", p, f
	exit f > 0 || p == 0 }' "$JOBLET_RESULTS"
