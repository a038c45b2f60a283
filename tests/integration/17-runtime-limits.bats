#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime: each field of linux.resources as asked in config.json, and as the container's cgroup has it, in v1, hybrid and v2 alike. The rows are in
# helpers/spec_limits.txt. What the machine cannot do is an error that says so: no limit is passed over.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

# NAME: the mount of the v1 hierarchy with that controller, or nothing.
v1_of() {
	awk -v c="$1" '{ for (i = 7; $i != "-"; i++) } $(i + 1) == "cgroup" && ("," $(i + 3) ",") ~ ("," c ",") { print $5; exit }' /proc/self/mountinfo
}
v2_root() { awk '{ for (i = 7; $i != "-"; i++) } $(i + 1) == "cgroup2" { print $5; exit }' /proc/self/mountinfo; }

# The disk that this directory is on, or any that there is: "8:0".
any_disk() { lsblk -dno MAJ:MIN,TYPE 2>/dev/null | awk '$2 == "disk" { print $1; exit }'; }

# FILE WANT: a line of FILE is WANT; without WANT it is enough that there is the file.
says() {
	if [ -z "$2" ]; then [ -e "$1" ]; else grep -qxF -- "$2" "$1"; fi || { echo "$1 says $(cat "$1"), not $2"; return 1; }
}

@test "each limit is in the file of its controller, or refused by name" {
	local controller field edit v1 v2 want file dir mount disk refused=0 done=0
	disk=$(any_disk)
	disk=${disk:-7:0}
	bundle sh -c 'exit 0'
	edit 'del(.linux.resources.memory, .linux.resources.cpu, .linux.resources.pids)'
	cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/plain.json"
	while IFS='~' read -r controller field edit v1 v2; do
		jq --argjson major "${disk%:*}" --argjson minor "${disk#*:}" ".linux.resources |= ($edit)" "$BATS_TEST_TMPDIR/plain.json" >"$BUNDLE/config.json"
		mount=$(v1_of "$controller")
		want=$v1
		[ -n "$mount" ] || { want=$v2 mount=$(v2_root); }
		want=${want//\$major:\$minor/$disk}
		file=${want#\?} file=${file%% *}
		case $want in *'|'*) if [ -n "$(find "$mount" -maxdepth 2 -name "$file" -print -quit)" ]; then want=${want%|*}; else want=${want#*|}; fi ;; esac
		dir=$mount/$CGROUP/$ID
		# v1 with group scheduling: the parent has to have what a child gets
		case $field in *.realtime*) [ -z "$(v1_of cpu)" ] || { mkdir -p "$mount/$CGROUP"; echo 50000 >"$mount/$CGROUP/cpu.rt_runtime_us" || true; } ;; esac
		status=0
		rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err" || status=$?
		if [ "$status" -ne 0 ]; then
			# only for what this machine has not got, and by name
			word=$controller
			[ "$controller" != blkio ] || [ -n "$(v1_of blkio)" ] || word=io # as v2 calls it
			case $want in -*) word=${want#-} ;; esac
			[ "$status" -eq 1 ] && [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ] && grep -qi -- "$word" "$BATS_TEST_TMPDIR/err" || {
				echo "$field: $status $(cat "$BATS_TEST_TMPDIR/err")"
				return 1
			}
			file=${want#\?}
			case $want in
			-*) ;;
			\?*) grep -q 'not supported' "$BATS_TEST_TMPDIR/err" ;; # the disk decides
			*) [ ! -e "$mount/${file%% *}" ] && ! find "$mount" -maxdepth 2 -name "${file%% *}" | grep -q . || {
				echo "$field: refused although there is ${file%% *}: $(cat "$BATS_TEST_TMPDIR/err")"
				return 1
			} ;;
			esac
			refused=$((refused + 1))
			nothing_left
			continue
		fi
		case $want in -*) echo "$field: not refused, and this machine cannot do it"; return 1 ;; esac
		want=${want#\?}
		file=${want%% *}
		case $want in *' '*) want=${want#* } ;; *) want= ;; esac
		says "$dir/$file" "$want" || { echo "$field"; return 1; }
		done=$((done + 1))
		rt delete -f "$ID"
	done < <(grep -v '^#' "$JOBLET_SOURCE/tests/integration/helpers/spec_limits.txt" | grep . | sed 's/ ~ /~/g')
	echo "$done limits in force, $refused refused"
	[ "$done" -gt 25 ]
	nothing_left
}
