#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the bats suite: the files given, or all of tests/integration in their order, which is by hop, so that the first failure is the
# simplest. The programs come from build/$MODE/bin. Ends with the totals; with JOBLET_RESULTS set, one line
# "PART PASSED FAILED SKIPPED" is appended to that file, PART being $JOBLET_PART or "integration".
#
#	hack/integration.sh [FILE…]
#	hack/integration.sh --tag TAG     those that say so in their head: # bats file_tags=TAG,…
#	JOBS=2 hack/integration.sh …      so many files at once; each is shown when it has ended
#
# An interrupted run ends its tests, which clean up; what a killed one could not is removed by the next.
set -u
results=${JOBLET_RESULTS:-}
part=${JOBLET_PART:-integration}
jobs=${JOBS:-1}
unset JOBLET_RESULTS JOBLET_PART JOBS # a run within a test is not counted
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=hack/traces.sh
. hack/traces.sh

mode=${MODE:-release}
bin=$PWD/build/$mode/bin
export PATH=$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export JOBLET_SOURCE=$PWD JOBLET_BIN=$bin
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$([ -n "${JOBLET_VM:-}" ] && echo 900 || echo 180)} # emulation is slow
export LC_ALL=C.UTF-8 TZ=UTC
# Nothing of the caller's may decide which server and which configuration the tests talk to.
unset RNX_CONFIG RNX_NODE JOBLET_HOME JOBLET_SERVER_ADDRESS JOBLET_ADDITIONAL_NAMES

if ! command -v bats >/dev/null; then
	echo "integration: bats is not installed (apt-get install bats)" >&2
	exit 1
fi
if [ ! -d "$bin" ]; then
	echo "integration: $bin is missing: run make first" >&2
	exit 1
fi
shopt -s nullglob
files=(tests/integration/*.bats)
if [ "${1:-}" = --tag ]; then
	mapfile -t files < <(grep -lE "^# bats file_tags=(.*,)?${2:?}(,|\$)" "${files[@]}")
elif [ $# -gt 0 ]; then
	files=("$@")
fi
if [ ${#files[@]} -eq 0 ]; then
	echo "integration: no test files" >&2
	exit 1
fi

# A run that lives holds the lock of its folder.
for old in /tmp/joblet-test-????; do
	exec 9<"$old" && flock -n 9 && remove_traces "${old##*/}"
	exec 9<&-
done
run=$(mktemp -d /tmp/joblet-test-XXXX)
name=${run##*/}
exec 9<"$run"
flock 9

declare -A number_of=() # of the files that run, by the pid of their bats
finish() {
	trap '' INT TERM HUP
	for pid in "${!number_of[@]}"; do kill -INT "$pid"; done
	for pid in "${!number_of[@]}"; do wait "$pid"; done
	remove_traces "$name"
} 2>/dev/null
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# NUMBER: starts one file, in a process group of its own, which is interrupted when this script is or ends.
start_file() {
	mkfifo "$run/pipe$1"
	if [ "$jobs" -eq 1 ]; then
		tee "$run/tap$1" <"$run/pipe$1" 9<&- | sed -u '/^1\.\./d' 9<&- &
	else
		cat <"$run/pipe$1" >"$run/tap$1" 9<&- &
	fi
	shown[$1]=$!
	began[$1]=$SECONDS
	JOBLET_TEST_NAME=$name setpriv --pdeathsig INT timeout -s INT -k 60 3600 bats --tap --tempdir "$run/$1" "${files[$1]}" </dev/null >"$run/pipe$1" 2>&1 9<&- &
	number_of[$!]=$1
}

# FILE NUMBER STATUS SECONDS: what came of it.
count() {
	local ok bad skip
	if [ "$jobs" -gt 1 ]; then
		echo "# $1"
		sed '/^1\.\./d' "$run/tap$2"
	fi
	ok=$(grep -c '^ok ' "$run/tap$2")
	bad=$(grep -c '^not ok ' "$run/tap$2")
	skip=$(grep -c '^ok .*# skip' "$run/tap$2")
	# A file that cannot be read, or tests that never ran, have no line of their own.
	if [ "$bad" -eq 0 ] && { [ "$3" -ne 0 ] || [ "$ok" -eq 0 ]; }; then
		bad=1
		echo "not ok - $1: bats ended with status $3 after $ok tests"
	fi
	passed=$((passed + ok - skip))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	echo "# $1: $((ok - skip)) passed, $bad failed, $skip skipped, $4 s"
}

# Waits until fewer than so many files run.
await() {
	local pid status number
	while [ ${#number_of[@]} -ge "$1" ] && [ ${#number_of[@]} -gt 0 ]; do
		wait -n -p pid "${!number_of[@]}"
		status=$?
		number=${number_of[$pid]}
		unset "number_of[$pid]"
		wait "${shown[number]}"
		count "${files[number]}" "$number" "$status" $((SECONDS - began[number]))
	done
}

case " ${files[*]} " in *nothing-left.bats*) standing_traces | sort >"$run/before" ;; esac
passed=0 failed=0 skipped=0 began=() shown=()
for number in "${!files[@]}"; do
	# What looks at what is left of the others comes when they have ended.
	case ${files[number]} in *nothing-left.bats) await 1 ;; *) await "$jobs" ;; esac
	[ "$jobs" -gt 1 ] || echo "# ${files[number]}"
	start_file "$number"
done
await 1

echo "integration: $passed passed, $failed failed, $skipped skipped"
[ -z "$results" ] || echo "$part $passed $failed $skipped" >>"$results"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
