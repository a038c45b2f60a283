# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# For tests that need an ordinary user: one that exists only in a mount namespace of its own, where /etc/passwd, /etc/group, /etc/subuid and
# /etc/subgid are the test's. The machine's files stay as they are. Load helpers/runtime first.

USER_ID=24242
SUB_BASE=2424000
SUB_COUNT=65536

# Everything of a test lies in a folder that the user can reach and owns.
rl_setup_file() {
	export RL_DIR=$BATS_FILE_TMPDIR/user
	mkdir -p "$RL_DIR"/{etc,home,run}
	{ cat /etc/passwd; echo "joblet-rl:x:$USER_ID:$USER_ID::$RL_DIR/home:/bin/sh"; } >"$RL_DIR/etc/passwd"
	{ cat /etc/group; echo "joblet-rl:x:$USER_ID:"; } >"$RL_DIR/etc/group"
	echo "joblet-rl:$SUB_BASE:$SUB_COUNT" | tee "$RL_DIR/etc/subuid" >"$RL_DIR/etc/subgid"
	chown -R $USER_ID:$USER_ID "$RL_DIR/home" "$RL_DIR/run"
	chmod 700 "$RL_DIR/run"
	rl_reachable "$RL_DIR"
}

# The folders of a test are made for root alone: the way down to $1 is opened, as far as it is the tests'.
rl_reachable() {
	local d=$1
	while case $d in "$BATS_RUN_TMPDIR"* | */joblet-test-*) true ;; *) false ;; esac do
		chmod a+x "$d"
		d=$(dirname "$d")
	done
}

rl_setup() {
	rt_setup
	chown -R $USER_ID:$USER_ID "$BATS_TEST_TMPDIR"
	rl_reachable "$BATS_TEST_TMPDIR"
	ROOT=$BATS_TEST_TMPDIR/state
}

# Runs a command as the user, in a session of its own group only. RL_GROUPS: further groups.
as_user() {
	local groups=(--clear-groups)
	[ -z "${RL_GROUPS:-}" ] || groups=(--groups "$RL_GROUPS")
	unshare -m --propagation private sh -c '
		for f in passwd group subuid subgid; do
			[ -e "/etc/$f" ] || { echo "/etc/$f is missing" >&2; exit 125; }
			mount --bind "$0/etc/$f" "/etc/$f" || exit 125
		done
		cd "$0/home" || exit 125
		exec "$@"' "$RL_DIR" \
		setpriv --reuid $USER_ID --regid $USER_ID "${groups[@]}" \
		env -i PATH="$PATH" HOME="$RL_DIR/home" USER=joblet-rl XDG_RUNTIME_DIR="$RL_DIR/run" LC_ALL=C.UTF-8 "$@"
}

# The runtime, as the user.
rl() {
	as_user timeout -k 5 60 "$RUNTIME" --root "$ROOT" "$@" 3>&- 4>&-
}

# A bundle of the user's without a cgroup path and limits. map_own: the own id alone; map_range: as podman has it.
rl_bundle() {
	bundle "$@"
	edit 'del(.linux.cgroupsPath, .linux.resources.memory, .linux.resources.cpu, .linux.resources.pids, .process.rlimits, .process.oomScoreAdj) |
	      .process.user = {uid: 0, gid: 0}'
	map_own
}

map_own() {
	edit --argjson id $USER_ID '.linux.uidMappings = [{containerID: 0, hostID: $id, size: 1}] | .linux.gidMappings = .linux.uidMappings'
}

map_range() {
	edit --argjson id $USER_ID --argjson base $SUB_BASE --argjson n $SUB_COUNT '
		.linux.uidMappings = [{containerID: 0, hostID: $id, size: 1}, {containerID: 1, hostID: $base, size: $n}] |
		.linux.gidMappings = .linux.uidMappings'
}
