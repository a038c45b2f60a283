#!/usr/bin/env bats
# bats file_tags=vm:v2,vm:v1,vm:systemd
# SPDX-License-Identifier: Apache-2.0
# After all others: the machine is as it was before them. What other runs of tests do beside this one is none of its business.

setup_file() {
	. "${JOBLET_SOURCE:-$BATS_TEST_DIRNAME/../..}/hack/traces.sh"
	export -f test_traces test_processes test_cgroups standing_traces
}

setup() {
	if [ -z "${JOBLET_TEST_NAME:-}" ] || [ ! -e "/tmp/$JOBLET_TEST_NAME/before" ]; then
		skip "hack/integration.sh has to be asked, which knows how the machine was before"
	fi
}

# Prints what is left once it has had half a minute to go; fails when that is anything.
stays() {
	local i
	for ((i = 0; i < ${NOTHING_LEFT_SECONDS:-30}; i++)); do
		left=$("$@")
		[ -n "$left" ] || return 0
		sleep 1
	done
	echo "$left"
	return 1
}

new_standing() {
	standing_traces | sort | comm -13 "/tmp/$JOBLET_TEST_NAME/before" -
}

@test "nothing of the tests is left: processes, cgroups, mounts, files, networks" {
	stays test_traces "$JOBLET_TEST_NAME"
}

@test "nothing new is where an installation would be: /opt, /run, /var, /root, /tmp, cgroups, mounts, networks" {
	stays new_standing
}
