#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The house rules that a machine can check. Silent when all is well. Reads only files that are, or could be, committed.
# A check prints one line a complaint, "FILE[:LINE]: what is wrong".
# File names of this tree hold no space, so that lists of them may be split:
# shellcheck disable=SC2046,SC2086
set -u
cd "$(dirname "$0")/.." || exit 1

files=$(git ls-files -co --exclude-standard 2>/dev/null || find . -type f -not -path './build/*' -not -path './.git/*' -printf '%P\n')
files=$(for f in $files; do [ -f "$f" ] && echo "$f"; done)
c_files=$(grep -E '\.[ch]$' <<<"$files")
programs='joblet-runtime joblet-shim jobletd rnx'

# The files under $1, with one that is never missing, so that grep does not read standard input.
under() {
	echo /dev/null
	grep "^$1/" <<<"$c_files"
}

# Lines of `grep -n` in, complaints out.
says() {
	cut -d: -f1,2 | sed "s|\$|: $1|"
}

check_format() {
	xargs -P 2 -n 8 sh -c 'for f; do
		clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || echo "$f: not as clang-format has it (clang-format -i)"
	done' sh <<<"$c_files"
}

check_sizes() {
	local f
	for f in $c_files; do
		# clang-format puts the braces of a function, and of nothing else, alone at the start of a line
		awk -v f="$f" '
			/^\{$/ { start = NR }
			/^\}$/ && start {
				if (NR - start - 1 > 100)
					print f ":" start ": a function of " NR - start - 1 " lines, 100 is the end"
				start = 0
			}
			END { if (NR > 800) print f ": " NR " lines, 800 is the end" }' "$f"
	done
}

# A folder may include from lib/ and from itself; lib/base from itself only; nobody goes up with "..".
check_layers() {
	local program others
	grep -nE '^#include "[^"]*\.\./' /dev/null $c_files | says 'an include that goes up'
	grep -nE "^#include \"(${programs// /|})/" $(under lib) | says 'lib/ includes a program'
	grep -nE '^#include "(lib/)?rpc/' $(under lib/base) | says 'lib/base includes lib/rpc'
	for program in $programs; do
		others=$(tr ' ' '\n' <<<"$programs" | grep -vx "$program" | paste -sd'|')
		grep -nE "^#include \"($others)/" $(under "$program") | says "$program includes another program"
	done
	grep -nE '^#include "jobletd/' $(under jobletd/gateway) | grep -v '"jobletd/gateway/' |
		says 'the gateway includes the core'
	grep -nE '^#include "lib/conf' $(under lib/base) | says 'lib/base includes lib/conf'
	grep -nE '^#include <yaml.h>' /dev/null $c_files | grep -v '^lib/conf/conf.c' | says 'libyaml has one wrapper, lib/conf/conf.c'
	grep -nE '^#include <yajl/' /dev/null $c_files | grep -v '^lib/base/json' | says 'yajl has one wrapper, lib/base/json.c'
	grep -E '^specs/.*\.[ch]$' <<<"$files" | sed 's/$/: C in specs/'
}

# Calls that cannot be used safely, or that leave a descriptor open across exec.
check_calls() {
	perl -e '
		my $banned = join "|", qw(strcpy strcat strncpy strncat sprintf vsprintf strtok system popen mktemp tmpnam
			tempnam atoi atol atoll atof gets alloca usleep vfork pipe accept epoll_create inotify_init);
		for my $f (@ARGV) {
			open my $in, "<", $f or next;
			while (<$in>) {
				s{"(\\.|[^"\\])*"}{""}g;
				s{//.*}{};
				print "$f:$.: the call $1() is banned\n" if /(?<![\w.>])($banned)\s*\(/;
				print "$f:$.: a descriptor that is not close-on-exec\n"
					if /(?<![\w.>])open(at)?\(.*\bO_(RDONLY|RDWR|WRONLY|PATH)\b.*;/ && !/O_CLOEXEC/;
			}
		}' $c_files
}

check_spdx() {
	local f
	for f in $(grep -E '\.(c|h|sh|bash|bats|proto|service|py)$|^Makefile$|^\.ci/run$' <<<"$files"); do
		head -3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f: no SPDX line at the top"
	done
	for f in $c_files; do
		sed -n 2p "$f" | grep -q '^// ' || echo "$f:2: no comment at the top that says what it is"
	done
}

check_shell() {
	shellcheck -x -S warning -f gcc $(grep -E '\.(sh|bash)$|^\.ci/run$' <<<"$files")
}

# Every method of joblet.proto has its row, with its permission, and has it once.
check_methods() {
	local service method
	[ -f specs/joblet.proto ] && [ -f specs/method.def ] || return 0
	awk '/^service / { s = $2 } /^[ \t]*rpc / { sub(/\(.*/, "", $2); print s, $2 }' specs/joblet.proto |
		while read -r service method; do
			grep -qF "METHOD(\"joblet.$service\", \"$method\"," specs/method.def ||
				echo "specs/joblet.proto: $service.$method has no row in specs/method.def"
		done
	sed -n 's/^METHOD("\([^"]*\)", "\([^"]*\)".*/\1.\2/p' specs/method.def | sort | uniq -d |
		sed 's|.*|specs/method.def: & has two rows|'
}

# config.md has every key of joblet-config.yml, and no other.
check_config() {
	local key
	[ -f jobletd/config_table.c ] && [ -f specs/config.md ] || return 0
	comm -3 <(sed -n 's/^    [A-Z]*("\([A-Za-z_.]*\)".*/\1/p' jobletd/config_table.c | sort) \
		<(sed -n '/^## joblet-config.yml/,/^## rnx-config.yml/s/^| `\([A-Za-z_.]*\)` .*/\1/p' specs/config.md | sort) |
		while read -r key; do echo "specs/config.md, jobletd/config_table.c: only one of them has the key $key"; done
}

# What a document points at is there.
check_links() {
	local f link
	for f in $(grep -E '\.md$' <<<"$files"); do
		grep -oE '\]\([^)#: ]+\)' "$f" | tr -d '()]' | while read -r link; do
			[ -e "$(dirname "$f")/$link" ] || echo "$f: it points at $link, which is not there"
		done
	done
}

for tool in clang-format shellcheck perl; do
	command -v "$tool" >/dev/null || {
		echo "lint: $tool is missing: hack/packages.sh says what to install" >&2
		exit 1
	}
done
report=$(mktemp)
trap 'rm -f "$report"' EXIT
for check in format sizes layers calls spdx shell methods config links; do
	"check_$check"
done >"$report" 2>&1
[ -s "$report" ] || exit 0
sort -u "$report"
echo "lint: $(sort -u "$report" | wc -l) complaints"
exit 1
