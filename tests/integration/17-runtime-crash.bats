#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Commands of joblet-runtime that are killed at any moment, or that meet: the container is what it was or what it should be, and goes away whole.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

# Runs the runtime and kills it after $1 seconds.
killed() {
	local pid delay=$1
	shift
	"$RUNTIME" --root "$ROOT" "$@" </dev/null >/dev/null 2>&1 3>&- 4>&- &
	pid=$!
	sleep "$delay"
	kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
}

@test "start, pause, resume, update and kill that are killed leave a container that can be used" {
	for delay in 0 0.001 0.002 0.003 0.005; do
		bundle sleep 300
		rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
		killed $delay start "$ID"
		[[ $(status_of "$ID") =~ ^(created|running)$ ]]
		[ "$(status_of "$ID")" = running ] || rt start "$ID"
		killed $delay update --pids-limit 33 "$ID"
		jq -e . "$ROOT/$ID/state.json" >/dev/null
		killed $delay pause "$ID"
		[[ $(status_of "$ID") =~ ^(paused|running)$ ]]
		[ "$(status_of "$ID")" = running ] || killed $delay resume "$ID"
		[ "$(status_of "$ID")" = running ] || rt resume "$ID"
		[ "$(rt exec "$ID" hostname </dev/null)" = job-host ]
		killed $delay kill "$ID" KILL
		rt delete -f "$ID"
		nothing_left
	done
}

@test "delete that is killed: a second one finishes it" {
	for delay in 0 0.001 0.002 0.003 0.004 0.006 0.01; do
		bundle sleep 300
		rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
		killed $delay delete -f "$ID"
		rt delete -f "$ID"
		nothing_left
	done
}

@test "a run in the foreground that is killed leaves a container that delete removes" {
	for delay in 0.002 0.004 0.008 0.02 0.1; do
		bundle sleep 300
		killed $delay run -b "$BUNDLE" "$ID"
		rt delete -f "$ID"
		nothing_left
	done
}

@test "two commands at the same moment: both end, and neither sees half of the other" {
	for pair in 'start|delete -f' 'pause|delete -f' 'update --pids-limit 22|delete -f' 'kill|delete -f' 'state|delete -f' 'delete -f|delete -f' 'start|start' 'pause|pause' 'update --pids-limit 22|update --pids-limit 23' 'exec -d|pause'; do
		for again in 1 2; do
			bundle sleep 300
			rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
			[ "${pair%%|*}" = start ] || rt start "$ID"
			pids=()
			for command in "${pair%%|*}" "${pair##*|}"; do
				program=()
				[ "$command" != 'exec -d' ] || program=(sleep 300)
				# shellcheck disable=SC2086
				timeout 60 "$RUNTIME" --root "$ROOT" $command "$ID" "${program[@]}" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&- &
				pids+=($!)
			done
			rcs=()
			for pid in "${pids[@]}"; do
				rc=0
				wait "$pid" || rc=$?
				rcs+=("$rc")
			done
			echo "$pair: ${rcs[*]}"
			for rc in "${rcs[@]}"; do [ "$rc" -ne 124 ] && [ "$rc" -lt 128 ] || [ "$rc" -eq 255 ]; done
			case $pair in
			*'|delete -f') [ "${rcs[1]}" -eq 0 ] ;;
			'start|start' | 'pause|pause') [ $((rcs[0] + rcs[1])) -eq 1 ] ;;
			update*update*) [[ $(jq .resources.pids.limit "$ROOT/$ID/state.json") =~ ^2[23]$ ]] ;;
			esac
			rt delete -f "$ID"
			nothing_left
		done
	done
}

@test "an exec that is overtaken by a pause does not wait for the resume" {
	bundle sleep 300
	rt run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	for i in $(seq 20); do
		rt exec -d "$ID" true </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 &
		sleep 0.00$((i % 5))
		rt pause "$ID"
		rc=0
		wait $! || rc=$?
		[ "$rc" -eq 0 ] || { [ "$rc" -eq 255 ] && grep -q 'cannot exec in a paused container' "$BATS_TEST_TMPDIR/out"; } || { cat "$BATS_TEST_TMPDIR/out"; false; }
		rt resume "$ID"
	done
	for i in $(seq 600); do
		[ "$(rt ps -f json "$ID" | jq length)" -gt 1 ] || break
		sleep 0.1
	done
	[ "$(rt ps -f json "$ID" | jq length)" -eq 1 ]
	rt delete -f "$ID"
	nothing_left
}
