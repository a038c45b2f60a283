#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each fuzzer's inputs reach of our own code: fuzz_coverage.sh PROGRAM... Programs of MODE=edges, which have libFuzzer's counters and no
# sanitizer, whose branches would count as edges too. The inputs are the seeds in tests/corpus and what `make fuzz` has left in build/corpus.
# Counted are the functions that a fuzzer enters, in whatever folder, but not the fuzzer itself: those that it does not enter are no part of
# the parser, or the row says too much, which the list of functions in build/corpus/NAME.edges shows.
set -u
cd "$(dirname "$0")/.." || exit 1

status=0 all_reached=0 all_edges=0
printf '%8s %8s %5s  %s\n' reached edges part fuzzer
for fuzzer in "$@"; do
	name=${fuzzer#build/*/tests/}
	name=${name%_fuzz}
	list=build/corpus/$name.edges
	mkdir -p "build/corpus/$name"
	if ! "$fuzzer" -runs=0 -print_coverage=1 "build/corpus/$name" "tests/corpus/$name" >"$list" 2>&1 </dev/null; then
		printf '%s did not end well:\n%s\n' "$name" "$(tail -5 "$list")"
		status=1
		continue
	fi
	read -r reached edges < <(awk '$1 == "COVERED_FUNC:" && $7 !~ /_fuzz\.[ch]:|\/gen\// { split($5, n, "/"); r += n[1]; e += n[2] }
		END { print r + 0, e + 0 }' "$list")
	printf '%8d %8d %4d%%  %s\n' "$reached" "$edges" $((edges ? 100 * reached / edges : 0)) "$name"
	all_reached=$((all_reached + reached)) all_edges=$((all_edges + edges))
done
printf '%8d %8d %4d%%  all\n' "$all_reached" "$all_edges" $((all_edges ? 100 * all_reached / all_edges : 0))
exit "$status"
