#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime when the kernel refuses: system calls of a start fail in turn. The container runs as isolated as asked or not at all, the error says what
# could not be done, and nothing is left. A sample; JOBLET_INJECT=1 takes every call, JOBLET_INJECT=0 every call with every error (twenty minutes: BATS_TEST_TIMEOUT=3600).
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() {
	rt_setup_file
	cp "$PROBE" "$ROOTFS/bin/"
}
setup() { rt_setup; }
teardown() { rt_teardown; }

# STRIDE [NAME]: a start with all that a job has, and a filter.
inject() {
	edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mount"], action: "SCMP_ACT_ERRNO"}]} | .linux.cgroupsPath |= sub("/[^/]*$"; "/i")'
	python3 "$JOBLET_SOURCE/tests/integration/helpers/inject.py" "$RUNTIME" "$ROOT" "$BUNDLE" "$CGROUP" "$@" 3>&-
}

@test "a call of a job's start fails" {
	bundle joblet-probe
	inject "${JOBLET_INJECT:-5}"
	nothing_left
}

@test "a call of a start as root without a user namespace fails" {
	plain_bundle joblet-probe
	inject "${JOBLET_INJECT:-7}"
	nothing_left
}

@test "what the runtime and init tell each other is lost, with every error" {
	bundle joblet-probe
	inject 0 recvfrom
	inject 0 sendto
	nothing_left
}
