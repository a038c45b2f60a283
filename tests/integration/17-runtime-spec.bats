#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime: each field of the runtime-spec as asked in config.json, and as the probe sees it in the container. The rows are in
# helpers/spec_fields.txt; a field that spec*.c reads and that has no row fails here.
bats_require_minimum_version 1.5.0
load helpers/runtime
load helpers/spec_table

setup_file() {
	rt_setup_file
	cp "$PROBE" "$ROOTFS/bin/"
	echo one >"$ROOTFS/etc/which"
	cp "$ROOTFS/etc/which" "$ROOTFS/root/"
	ln -s which "$ROOTFS/etc/link"
	install -d -m 700 -o 77 "$ROOTFS/etc/private"
	joblet-probe >"$BATS_FILE_TMPDIR/host" 3>&-
}
setup() { rt_setup; }
teardown() { rt_teardown; }

@test "what is asked is what the probe sees" {
	ln -s "$ROOTFS/bin" "$BATS_TEST_TMPDIR/../rootfs-link"
	for group in $(awk -F '[ ]+~' '!/^#/ && NF && $1 !~ /^(@|error$|refused$|limit$)/ { print $1 }' "$SPEC_TABLE" | sort -u); do
		echo "$group"
		spec_run "$group"
		spec_check "$group"
	done
	nothing_left
}

@test "what is wrong is refused, with its name" {
	local field edit words
	while IFS=$'\t' read -r field edit words; do
		plain_bundle joblet-probe
		edit "$edit"
		run rt run -b "$BUNDLE" "$ID"
		[ "$status" -eq 1 ] && [ "${#lines[@]}" -eq 1 ] && [[ $output == *"$words"* ]] || { echo "$field: $edit: $status $output"; false; }
	done < <(spec_rows error; spec_rows refused)
	nothing_left
}

@test "every field that is read has a row, every row of a test its test" {
	cd "$JOBLET_SOURCE"
	# the names that spec*.c reads, with the number of places: as many different fields of that name must have rows
	perl -0777 -ne 'while (/\b(?:json_read|spec_read|read)\w*\([^;"{?]*?"(\w+)"(?:, "(\w+)")?/g) { print "$1\n"; print "$2\n" if $2 }' \
		joblet-runtime/spec.c joblet-runtime/spec_linux.c joblet-runtime/spec_process.c joblet-runtime/spec_resources.c \
		joblet-runtime/spec_sched.c joblet-runtime/spec_seccomp.c joblet-runtime/spec_net.c 2>/dev/null | sort | uniq -c >"$BATS_TEST_TMPDIR/read"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/read")" -gt 100 ]
	awk -F '[ ]+~[ ]+' '!/^(#|error)/ && NF { print $2 }' "$SPEC_TABLE" "$JOBLET_SOURCE/tests/integration/helpers/spec_limits.txt" | sort -u | sed 's/.*\.//' |
		sort | uniq -c >"$BATS_TEST_TMPDIR/rows"
	awk 'NR == FNR { rows[$2] = $1; next } # weightDevice is read for each of its two weights, process is named in an error
		$2 ~ /^(process|weightDevice)$/ { $1 = 1 } rows[$2] < $1 { print "the field " $2 " is read in " $1 " places and has " rows[$2] + 0 " rows"; bad = 1 } END { exit bad }' \
		"$BATS_TEST_TMPDIR/rows" "$BATS_TEST_TMPDIR/read"
	# mount options, and the tests that rows name
	sed -n '/^} options\[\] = {/,/^};/p; /} types\[\] = {/,/^	};/p' joblet-runtime/mount_options.c | grep -o '{"[a-z]*"' | tr -d '{"' |
		while read -r option; do grep -q "~ option $option ~" "$SPEC_TABLE" || { echo "no row has the option $option"; exit 1; }; done
	sed -n 's/^@\([a-z]*\) ~.*/\1/p' "$SPEC_TABLE" | sort -u | while read -r name; do
		grep -q "^@test \"$name:" tests/integration/1[78]-*.bats || { echo "there is no test $name"; exit 1; }
	done
}
