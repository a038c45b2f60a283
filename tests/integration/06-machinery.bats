#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What runs the tests: totals and tags of integration.sh, what becomes of interrupted runs, the virtual machine.
bats_require_minimum_version 1.5.0

setup() {
	SOURCE=${JOBLET_SOURCE:-$BATS_TEST_DIRNAME/../..}
	cd "$BATS_TEST_TMPDIR"
	unset MODE # that of this run is not that of the runs within
	MARK=$((RANDOM + 100000)).$BATS_TEST_NUMBER # the length of a sleep that is nobody else's
}

# A tree whose suite is the files that the test writes.
small_tree() {
	mkdir -p tree/hack tree/build/release/bin tree/tests/integration
	cp "$SOURCE"/hack/{integration,test,traces}.sh tree/hack
}

# NAME: a file of the suite from stdin; a line that bats itself should not take for one of this file says @TEST.
suite_file() { sed 's/@TEST/@test/' >"tree/tests/integration/$1.bats"; }

until_true() {
	local i
	for ((i = 0; i < 1200; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	echo "never: $*"
	return 1
}

sleeps() { grep -qzx "$MARK" /proc/[0-9]*/cmdline; }
sleeps_not() { ! sleeps; }
gone() { ! kill -0 "$1" 2>/dev/null; }

@test "integration.sh: totals, and a file that is broken is a failure" {
	small_tree
	printf '%s\n' '@test "a" { true; }' '@test "b" { skip "for a reason"; }' | suite_file 1
	JOBLET_RESULTS=$PWD/results JOBLET_PART=here run tree/hack/integration.sh
	[ "$status" -eq 0 ]
	[[ $output == *"integration: 1 passed, 0 failed, 1 skipped"* ]]
	[ "$(cat results)" = "here 1 0 1" ]
	suite_file 2 <<<'@TEST "a" { false; }'
	suite_file 3 <<<'no bash ('
	run tree/hack/integration.sh
	[ "$status" -ne 0 ]
	echo "$output"
	[[ $output == *"integration: 1 passed, 2 failed, 1 skipped"* ]]
}

@test "integration.sh: --tag takes the files that have the tag, and none is an error" {
	small_tree
	for tags in vm:v1 vm:v2 x,vm:v2,y vm:v22 ''; do
		printf '# bats file_tags=%s\n@TEST "%s" { true; }\n' "$tags" "$tags" | suite_file "$tags"
	done
	run tree/hack/integration.sh --tag vm:v2
	[ "$status" -eq 0 ]
	[ "$(grep ^ok <<<"$output")" = $'ok 1 vm:v2\nok 1 x,vm:v2,y' ]
	run tree/hack/integration.sh --tag vm:v3
	[ "$status" -ne 0 ]
}

@test "integration.sh: JOBS=2 runs two files at once, and what looks for the rest of the others behind them" {
	small_tree
	export LOG=$PWD
	suite_file 1 <<<'@TEST "a" { touch "$LOG/a"; until [ -e "$LOG/b" ]; do sleep 0.05; done; touch "$LOG/1"; }'
	suite_file 2 <<<'@TEST "b" { touch "$LOG/b"; until [ -e "$LOG/a" ]; do sleep 0.05; done; touch "$LOG/2"; false; }'
	suite_file 9-nothing-left <<<'@TEST "c" { [ -e "$LOG/1" ] && [ -e "$LOG/2" ]; }'
	JOBS=2 run timeout 60 tree/hack/integration.sh
	[ "$status" -eq 1 ]
	[[ $output == *"integration: 2 passed, 1 failed, 0 skipped"* ]]
	[ "$(grep -c '^ok 1 [ac]$' <<<"$output")" -eq 2 ]
}

@test "integration.sh: interrupted, it ends its tests, which clean up" {
	small_tree
	suite_file 1 <<-'END'
		teardown() { echo teardown >>"$LOG"; }
		teardown_file() { echo teardown_file >>"$LOG"; }
		@TEST "long" { sleep "$MARK"; }
		@TEST "never" { echo never >>"$LOG"; }
	END
	export MARK LOG=$PWD/log
	for signal in INT TERM HUP KILL; do
		rm -f log
		# Started by python, since what a shell starts beside itself cannot be interrupted.
		/usr/bin/python3 -I -c 'import subprocess, sys; print(subprocess.Popen(["tree/hack/integration.sh"],
			stdin=subprocess.DEVNULL, stdout=open("out", "w"), stderr=subprocess.STDOUT).pid)' >pid 3>&-
		until_true sleeps
		kill -$signal "$(cat pid)"
		until_true sleeps_not
		until_true gone "$(cat pid)"
		until_true grep -q teardown_file log
		[ "$(cat log)" = $'teardown\nteardown_file' ]
	done
}

@test "integration.sh: what a killed run could not end, the next removes" {
	small_tree
	suite_file 1 <<-'END'
		@TEST "long" {
			mkdir "/tmp/$JOBLET_TEST_NAME-home"
			mount -t tmpfs none "/tmp/$JOBLET_TEST_NAME-home"
			for c in /sys/fs/cgroup /sys/fs/cgroup/*/; do [ ! -e "$c/cgroup.procs" ] || mkdir "$c/$JOBLET_TEST_NAME-x"; done
			setsid sleep "$MARK" 3>&- 4>&- &
			echo "$JOBLET_TEST_NAME" >"$LOG"
			sleep 1000
		}
	END
	export MARK LOG=$PWD/log
	tree/hack/integration.sh >out 2>&1 3>&- &
	pid=$!
	until_true test -s log
	name=$(cat log)
	kill -KILL $pid $(pgrep -P $pid)
	until_true gone $pid
	sleeps
	[ -d "/tmp/$name-home" ]
	suite_file 1 <<<'@TEST "short" { true; }'
	tree/hack/integration.sh >out 2>&1 3>&-
	until_true sleeps_not
	. tree/hack/traces.sh
	[ -z "$(test_traces "$name")" ]
	[ ! -e "/tmp/$name" ]
}

@test "test.sh: interrupted, it leaves nothing" {
	small_tree
	cat >tree/hack/packages.sh <<-'END'
		packages_build=() packages_run=() packages_test=() packages_vm=()
		install_packages() { :; }
		make_user() { :; }
		trust_tree() { :; }
	END
	suite_file 1 <<<'@TEST "long" { sleep "$MARK"; }'
	printf 'all lint check vm:\nintegration:\n\t@hack/integration.sh\n' >tree/Makefile
	export MARK TMPDIR=$PWD/tmp
	for signal in INT TERM KILL; do
		mkdir -p tmp
		/usr/bin/python3 -I -c 'import subprocess; print(subprocess.Popen(["tree/hack/test.sh"],
			stdin=subprocess.DEVNULL, stdout=open("out", "w"), stderr=subprocess.STDOUT).pid)' >pid 3>&-
		until_true sleeps
		kill -$signal "$(cat pid)"
		until_true gone "$(cat pid)"
		until_true sleeps_not
		[ $signal = KILL ] || [ -z "$(ls tmp)" ]
	done
}

@test "the last file of the suite finds what a test leaves" {
	small_tree
	cp "$SOURCE/tests/integration/99-nothing-left.bats" tree/tests/integration
	suite_file 1 <<-'END'
		@TEST "leaves" {
			[ -z "$WHAT" ] || eval "$WHAT"
		}
	END
	export MARK NOTHING_LEFT_SECONDS=2
	WHAT='' run tree/hack/integration.sh
	echo "$output"
	[ "$status" -eq 0 ]
	while IFS='|' read -r what words; do
		WHAT=$what run tree/hack/integration.sh
		[ "$status" -ne 0 ] && [[ $output == *$words* ]] || { echo "not found: $what: $output"; false; }
		# And the run takes it away when it ends.
		name=$(grep -om1 'joblet-test-....' <<<"$output" || true)
		[ -z "$name" ] || (. "$SOURCE/hack/traces.sh" && [ -z "$(test_traces "$name")" ])
	done <<-'END'
		sleep $MARK 3>&- &|sleep
		mkdir /tmp/$JOBLET_TEST_NAME-home|# file /tmp/joblet-test
		mkdir $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -printf '%h' -quit)/$JOBLET_TEST_NAME-x|# cgroup /sys/fs
		mkdir /tmp/$JOBLET_TEST_NAME-m && mount -t tmpfs none /tmp/$JOBLET_TEST_NAME-m|# mount /tmp/joblet-test
		ip netns add $JOBLET_TEST_NAME-ns|# network joblet-test
	END
}

@test "vm.sh: wrong words are refused before anything is made" {
	for row in ':true' 'CGROUP=v3:true' 'INIT=sysv:true'; do
		run env ${row%%:*} "$SOURCE/hack/vm.sh" $([ "${row%%:*}" = '' ] || echo true)
		[ "$status" -eq 125 ]
		[[ $output == "vm.sh: "* ]]
	done
}

@test "vm.sh: output, status and results come out; killed, it leaves no machine" {
	[ -z "${JOBLET_VM:-}" ] || skip "no virtual machine in the virtual machine"
	run timeout 150 env JOBLET_RESULTS="$PWD/results" "$SOURCE/hack/vm.sh" sh -c \
		'grep cgroup /proc/mounts; pwd; echo to stderr >&2; echo "part 1 2 3" >>"$JOBLET_RESULTS"; ! touch /usr/joblet-was-here || exit 7'
	echo "$output"
	[ "$status" -eq 7 ]
	[[ $output == "cgroup2 /sys/fs/cgroup cgroup2 "*$'\n'"$PWD"$'\nto stderr' ]]
	[ "$(cat results)" = "part 1 2 3" ]
	[ ! -e /usr/joblet-was-here ]
	for signal in TERM KILL; do
		"$SOURCE/hack/vm.sh" sleep "$MARK" >out 2>&1 3>&- &
		pid=$!
		until_true pgrep -P $pid -x qemu-system-x86
		qemu=$(pgrep -P $pid -x qemu-system-x86)
		run=$(tr '\0' '\n' <"/proc/$qemu/cmdline" | sed -n 's/^local,path=\(.*\),mount_tag=vmrun.*/\1/p')
		[ -d "$run" ]
		kill -$signal $pid
		until_true gone "$qemu"
		until_true gone $pid
		[ $signal = KILL ] || [ ! -e "$run" ]
	done
	# The next start removes the folder before it makes its own; this one is ended as soon as that was seen.
	"$SOURCE/hack/vm.sh" true >out 2>&1 3>&- &
	pid=$!
	until_true test ! -e "$run"
	kill $pid
	until_true gone $pid
}
