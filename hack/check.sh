#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the C test programs given, shows what failed, and ends with the totals. Each has two minutes.
# With JOBLET_RESULTS set, one line "check PASSED FAILED SKIPPED" is appended to that file.
set -u
results=${JOBLET_RESULTS:-}
unset JOBLET_RESULTS # a run within a test is not counted

passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for test in "$@"; do
	name=${test#build/*/tests/}
	timeout --kill-after=5 120 "$test" >"$out" 2>&1 </dev/null
	status=$?
	ok=$(grep -c '^ok ' "$out")
	bad=$(grep -c '^not ok ' "$out")
	skip=$(grep -ci '^ok .*# skip' "$out")
	plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' "$out" | tail -1)
	# A program that died, or said less than it planned, has failed whatever its lines say.
	if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$plan" != "$ok" ]; }; then
		bad=1
		echo "not ok - $name: exit status $status, $ok of ${plan:-an unknown number of} tests" >>"$out"
	fi
	passed=$((passed + ok - skip))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	if [ "$bad" -ne 0 ]; then
		printf '  FAIL    %s\n' "$name"
		grep -v '^ok ' "$out" | sed 's/^/          /' | tail -60
	else
		printf '  ok %4d %s\n' "$ok" "$name"
	fi
	grep -i '^ok .*# skip' "$out" | sed 's/^ok [0-9]* /          /'
done

echo "check: $passed passed, $failed failed, $skipped skipped"
[ -z "$results" ] || echo "check $passed $failed $skipped" >>"$results"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
