#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzzer for a while, two at a time: fuzz.sh SECONDS PROGRAM... Seeds are in tests/corpus/FOLDER/NAME; what a run learns stays in
# build/corpus/, so that the next goes on from there. An input that breaks something is kept beside that and shown: it becomes a seed,
# in one commit with the mend. The edges are those of the instrumented code, the sanitizers' own branches among them: they compare
# runs; `make coverage` says what the seeds reach. With JOBLET_RESULTS set, one line "fuzz PASSED FAILED 0" is appended to that file.
set -u
cd "$(dirname "$0")/.." || exit 1
export SECONDS_EACH=$1
shift

one() {
	local fuzzer=$1 name=${1#build/*/tests/} log
	name=${name%_fuzz}
	log=build/corpus/$name.log
	mkdir -p "build/corpus/$name"
	if [ ! -d "tests/corpus/$name" ]; then
		printf '  FAIL    %s: no seeds in tests/corpus/%s\n' "$name" "$name"
	elif "$fuzzer" -max_total_time="$SECONDS_EACH" -timeout=20 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 \
		-artifact_prefix="build/corpus/$name-" "build/corpus/$name" "tests/corpus/$name" >"$log" 2>&1 </dev/null; then
		printf '  ok %10s runs %6s edges  %s\n' "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
			"$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)" "$name"
	else
		printf '  FAIL    %s\n%s\n' "$name" "$(tail -40 "$log" | sed 's/^/          /')"
	fi
}
export -f one

out=$(mktemp)
trap 'rm -f "$out"' EXIT
# the inner shell expands it
# shellcheck disable=SC2016
printf '%s\0' "$@" | xargs -0 -n 1 -P 2 bash -c 'one "$1"' one | tee "$out"
passed=$(grep -c '^  ok' "$out")
echo "fuzz: $passed passed, $(($# - passed)) failed"
[ -z "${JOBLET_RESULTS:-}" ] || echo "fuzz $passed $(($# - passed)) 0" >>"$JOBLET_RESULTS"
[ "$passed" -eq $# ] && [ $# -gt 0 ]
