# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Walks helpers/spec_fields.txt. Rows of one group are one container, whose program is the probe.

SPEC_TABLE=$JOBLET_SOURCE/tests/integration/helpers/spec_fields.txt

# Columns of the rows: GROUP, FIELD, EDIT, SEEN without the spaces around.
spec_rows() {
	awk -F '[ ]+~[ ]+' -v group="$1" '!/^#/ && NF && $1 == group { print $2 "\t" $3 "\t" $4 }' "$SPEC_TABLE"
}

# What rows may use: in EDIT, and in SEEN.
SPEC_EDIT='def fresh(n; o): {destination: ("/m/" + n), type: "tmpfs", source: "tmpfs", options: o};
	def bound(n; o): {destination: ("/m/" + n), type: "bind", source: "tree", options: o}; '
SPEC_SEEN='def mnt(t): .mounts | map(select(.target == t)) | last;
	def opts(t): mnt(t).options | split(",");
	def super(n): mnt("/m/" + n).super | split(",");
	def has(n; o): opts("/m/" + n) | index(o) != null;
	def lacks(n; o): opts("/m/" + n) | index(o) == null; '

# A bundle of the group's kind: with a user namespace for "userns", else as root without one.
spec_bundle() {
	case $1 in
	userns) bundle joblet-probe ;;
	*) plain_bundle joblet-probe ;;
	esac
	mkdir -p "$BUNDLE/tree"
}

# Runs the runtime where $BUNDLE/tree is a shared mount with another below it, without the host seeing them.
in_tree() {
	unshare -m --propagation private sh -ec '
		tree=$1; shift
		mount -t tmpfs tree "$tree"; mount --make-shared "$tree"
		mkdir "$tree/sub"; mount -t tmpfs sub "$tree/sub"; mount --make-shared "$tree/sub"
		echo text >"$tree/file"
		exec "$@"' sh "$BUNDLE/tree" "$@"
}

# GROUP: its container; the probe's output in $BATS_TEST_TMPDIR/seen.
spec_run() {
	spec_bundle "$1"
	edit "$SPEC_EDIT$(spec_rows "$1" | cut -f2 | grep -vx '\.' | paste -sd'|' | sed 's/^$/./')"
	in_tree timeout -k 5 120 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/seen" 3>&-
}

# GROUP: every row's SEEN holds.
spec_check() {
	local field seen n=0 program=''
	while IFS=$'\t' read -r field _ seen; do
		program+="${program:+, }{field: $(jq -n --arg f "$field" '$f'), seen: $(jq -n --arg s "$seen" '$s'), ok: ($seen)}"
		n=$((n + 1))
	done < <(spec_rows "$1")
	[ "$n" -gt 0 ]
	jq -e --slurpfile a "$BUNDLE/config.json" --slurpfile h "$BATS_FILE_TMPDIR/host" \
		"$SPEC_SEEN"'$a[0] as $asked | $h[0] as $host | ['"$program"'] | if all(.[]; .ok) then true else
		(.[] | select(.ok | not) | "not as asked: \(.field): \(.seen)"), false end' "$BATS_TEST_TMPDIR/seen" >"$BATS_TEST_TMPDIR/verdict" || {
		cat "$BATS_TEST_TMPDIR/verdict"
		jq -c 'del(.mounts, .dev, .env)' "$BATS_TEST_TMPDIR/seen"
		return 1
	}
	echo "$1: $n rows"
}
