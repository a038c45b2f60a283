#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reads every source with gcc -fanalyzer, clang-tidy (.clang-tidy) and cppcheck, and prints what they find, "FILE:LINE: what [who]". A finding
# that is wrong has a line beside it that says why, "// analyzed: …", at the end of its line or on the line before; such a line without a
# finding is a complaint, too. Run by `make analyze`, which gives the files, and in the environment the compiler's flags, CPPFLAGS.
#
#	hack/analyze.sh FILE…
set -u
cd "$(dirname "$0")/.." || exit 1
export CPPFLAGS=${CPPFLAGS:?make analyze knows them}

# shellcheck source=hack/packages.sh
. hack/packages.sh
install_packages "${packages_analyze[@]}" || exit 1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# shellcheck disable=SC2016
printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 4 sh -c 'for f; do
	eval "gcc $CPPFLAGS -std=gnu11 -O1 -fanalyzer -c -o /dev/null $f" 2>&1 | grep -E "^[^ ]+:[0-9]+:[0-9]+: (warning|error):"
	done >>"$0/gcc.$$"' "$out"
# shellcheck disable=SC2016
printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 8 sh -c 'eval "clang-tidy --quiet $* -- $CPPFLAGS -std=gnu11" 2>/dev/null |
	grep -E "^[^ ]+:[0-9]+:[0-9]+: (warning|error):" >"$0/tidy.$$"' "$out"
cppcheck -j "$(nproc)" --quiet --enable=warning,performance,portability --std=c11 -D_GNU_SOURCE -D__x86_64__ -I. \
	--suppress=internalAstError --suppress=missingIncludeSystem --template='{file}:{line}:1: warning: {message} [cppcheck-{id}]' "$@" 2>"$out/cppcheck"
[ -n "$(cat "$out"/gcc.* "$out"/tidy.* "$out/cppcheck")" ] || [ -n "$(ls "$out"/tidy.* 2>/dev/null)" ] || {
	echo "analyze: no tool has said anything" >&2
	exit 1
}

sed -E "s|^$PWD/||; s|^\./||; s|^([^:]*:[0-9]+):[0-9]+: [a-z]+: |\1: |" "$out"/gcc.* "$out"/tidy.* "$out/cppcheck" | sort -u >"$out/all"
grep -n '// analyzed: ' "$@" /dev/null | cut -d: -f1,2 >"$out/marks"
awk -F: -v sources=$# '
	FILENAME == ARGV[1] { mark[$1 ":" $2]; next }
	{
		at = $1 ":" $2 in mark ? $1 ":" $2 : $1 ":" ($2 - 1)
		if (at in mark) { used[at]; explained++ } else { print; bad++ }
	}
	END {
		for (m in mark)
			if (!(m in used)) { print m ": explains a finding that is none"; bad++ }
		printf "analyze: %d sources, %d findings explained, %d complaints\n", sources, explained, bad
		exit bad > 0
	}' "$out/marks" "$out/all"
