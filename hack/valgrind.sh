#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the C test programs given under valgrind's memcheck, two at a time: a wrong access, a value that nobody has set, memory that nobody
# frees any more, is a failure with its stack. Debian 12's valgrind does not know the newest system calls; a program that makes one fails
# there for that reason alone, so its memory is judged, not its tests (`make check` and `make asan` do that), and a line says so.
set -u
cd "$(dirname "$0")/.." || exit 1

WRONG=99 # the exit status for what memcheck finds; no test program ends with it

one() {
	local test=$1 name=${1#build/*/tests/} out unknown status
	out=$(mktemp -d) || return 1
	timeout --kill-after=5 300 valgrind --leak-check=full --errors-for-leak-kinds=definite,possible --error-exitcode="$WRONG" \
		--child-silent-after-fork=yes --log-file="$out/memory" "$test" >"$out/tests" 2>&1 </dev/null
	status=$?
	unknown=$(sed -n 's/.*unhandled amd64-linux syscall: //p' "$out/memory" | sort -nu | paste -sd' ')
	if grep -q 'ERROR SUMMARY: [1-9]' "$out/memory" || [ "$status" -eq "$WRONG" ]; then
		printf '  FAIL    %s\n%s\n' "$name" "$(grep -v 'unhandled\|README_MISSING\|You may be able\|Nevertheless\|at http' "$out/memory" | head -60 | sed 's/^/          /')"
	elif ! grep -q 'ERROR SUMMARY: 0' "$out/memory" && [ -n "$unknown" ]; then
		printf '  skipped %s: it does not end without system call %s, which valgrind does not know\n' "$name" "$unknown"
	elif [ -n "$unknown" ]; then
		printf '  ok      %s (its memory alone: valgrind does not know system call %s)\n' "$name" "$unknown"
	elif [ "$status" -ne 0 ]; then
		printf '  FAIL    %s: exit status %s\n%s\n' "$name" "$status" "$(grep -v '^ok ' "$out/tests" | tail -40 | sed 's/^/          /')"
	else
		printf '  ok      %s\n' "$name"
	fi
	rm -r "$out"
}
export -f one
export WRONG

out=$(mktemp)
trap 'rm -f "$out"' EXIT
# the inner shell expands it
# shellcheck disable=SC2016
printf '%s\0' "$@" | xargs -0 -n 1 -P 2 bash -c 'one "$1"' one | tee "$out"
passed=$(grep -c '^  ok' "$out")
skipped=$(grep -c '^  skipped' "$out")
echo "valgrind: $passed passed, $(($# - passed - skipped)) failed, $skipped skipped"
[ $((passed + skipped)) -eq $# ] && [ "$passed" -gt 0 ]
