#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime against an image, a configuration and a program that want out: nothing of the host is reached or changed, whatever lies in the image.
# A host sentinel is compared before and after.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() {
	rt_setup_file
	cp "$PROBE" "$ROOTFS/bin/"
	mkdir "$ROOTFS/etc/d"
	python3 "$JOBLET_SOURCE/tests/integration/helpers/seccomp_profile.py" "$JOBLET_SOURCE/specs/seccomp.def" >"$BATS_FILE_TMPDIR/profile.json"
}

setup() {
	rt_setup
	SENTINEL=$BATS_TEST_TMPDIR/sentinel
	mkdir -p "$SENTINEL/dir"
	echo safe >"$SENTINEL/file"
	echo linked >"$SENTINEL/linked"
	host_state >"$BATS_TEST_TMPDIR/before"
}

teardown() {
	rt_teardown
	host_state | diff "$BATS_TEST_TMPDIR/before" -
}

# What no container may change. The link count of `linked` is the tests' own.
host_state() {
	find "$SENTINEL" -printf '%p %y %m %U %G %s\n' | sort
	cat "$SENTINEL"/file "$SENTINEL"/linked
	sha256sum "$RUNTIME" /bin/busybox
	cat /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/kernel/domainname
	stat -c '%n %t %T %a %u' /dev/null /dev/zero /dev/tty /dev/ptmx
}

hostile() {
	local kind=$1
	shift
	python3 "$JOBLET_SOURCE/tests/integration/helpers/hostile.py" "$kind" "$RUNTIME" "$ROOT" "$BUNDLE" "$SENTINEL" "$@" 3>&-
}

# KIND: the probe's attempts of that kind, as JSON.
attempts() {
	rt run -b "$BUNDLE" "$ID" </dev/null | jq ".$1"
}

# The bundle as jobletd writes it, under its filter.
profile_bundle() {
	bundle "$@"
	edit --slurpfile p "$BATS_FILE_TMPDIR/profile.json" '.linux.seccomp = $p[0]'
}

@test "B1: things planted in the place of mount points, devices and masks" {
	cp "$PROBE" "$BATS_TEST_TMPDIR/probe"
	bundle joblet-probe
	hostile planted "$BATS_TEST_TMPDIR/probe"
	nothing_left
}

@test "B1: the same as the host's root, without a user namespace" {
	cp "$PROBE" "$BATS_TEST_TMPDIR/probe"
	plain_bundle joblet-probe
	hostile planted "$BATS_TEST_TMPDIR/probe"
	nothing_left
}

@test "B3: a directory and a link change places while mounts go through them" {
	plain_bundle joblet-probe
	hostile race 150
	bundle joblet-probe
	rm -rf "$BATS_TEST_TMPDIR/volume"
	hostile race 150
	nothing_left
}

@test "A2: no working directory leads out; only three descriptors" {
	plain_bundle joblet-probe
	hostile cwds
	nothing_left
}

@test "C3: ids, environment and names as a parser may misread them" {
	plain_bundle joblet-probe
	hostile ids
	nothing_left
}

@test "C3: names of capabilities that are none" {
	plain_bundle joblet-probe
	hostile caps
	nothing_left
}

@test "A1: the runtime's file cannot be written, from /proc/self/exe or by any process number" {
	plain_bundle sh -c 'for i in 1 2 3 4 5 6 7 8; do for e in /proc/[0-9]*/exe; do (: >>"$e") 2>/dev/null && case $(readlink "$e") in *joblet-runtime*) echo "WROTE $e";; esac; done; done; echo done'
	edit '.linux.namespaces |= map(select(.type != "pid")) | .process.capabilities |= map_values(["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE"]) | .process.noNewPrivileges = false'
	rt run -d -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/out" 2>&1 </dev/null
	cp -r "$BUNDLE" "$BATS_TEST_TMPDIR/other"
	jq --arg c "/$CGROUP/other" '.process.args = ["true"] | .linux.cgroupsPath = $c' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/other/config.json"
	for _ in $(seq 30); do rt run -b "$BATS_TEST_TMPDIR/other" other </dev/null; done
	rt kill "$ID" KILL || true
	! grep WROTE "$BATS_TEST_TMPDIR/out"
	rt delete -f "$ID"
	# Without a user namespace, what runs in the container until the program does is a copy that nobody can change: F_GET_SEALS says
	# SEAL, SHRINK, GROW, WRITE. (With one 11-runtime-isolation shows that the file itself cannot be written.)
	plain_bundle true
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	python3 -c 'import fcntl, os, sys; sys.exit(fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), 1034) & 15 != 15)' "/proc/$(rt state "$ID" | jq .pid)/exe"
	rt delete -f "$ID"
	printf '#!/proc/self/exe\n' >"$BUNDLE/work/script"
	chmod 755 "$BUNDLE/work/script"
	for program in /proc/self/exe /work/script; do
		bundle "$program" --version
		run_bundle # what runs, if anything, is the sealed copy; teardown compares the file
	done
	nothing_left
}

@test "B6, E: ways out and into the kernel, under the profile of jobs" {
	profile_bundle joblet-probe --try escapes
	attempts escapes >"$BATS_TEST_TMPDIR/seen"
	cat "$BATS_TEST_TMPDIR/seen"
	jq -e 'to_entries | map(select(.value == "ESCAPED")) == []' "$BATS_TEST_TMPDIR/seen"
	jq -e '(.["int 0x80"], .x32) | . == "SYS"' "$BATS_TEST_TMPDIR/seen"
	jq -e 'del(.["int 0x80"], .x32, .[".."], .["/proc/1/root"], .["/proc/1/cwd"], .["inherited descriptor"]) | to_entries | map(select(.value == "0")) == []' "$BATS_TEST_TMPDIR/seen"
	# the filter's answers, not the kernel's
	jq -e '[.["mount tmpfs"], .["open_by_handle_at"], .bpf, .ptrace, .add_key, .["keyctl clear"], .pivot_root, .fsopen, .["chroot twice"]] | unique == ["EPERM"]' "$BATS_TEST_TMPDIR/seen"
	jq -e '.["setrlimit core"] | IN("EINVAL", "EPERM")' "$BATS_TEST_TMPDIR/seen"
}

@test "B6: ways out, as root with CAP_SYS_CHROOT and no filter" {
	plain_bundle joblet-probe --try escapes
	edit '.process.capabilities |= map_values(["CAP_SYS_CHROOT"])'
	attempts escapes >"$BATS_TEST_TMPDIR/seen"
	cat "$BATS_TEST_TMPDIR/seen"
	jq -e '(to_entries | map(select(.value == "ESCAPED")) == []) and ([.[".."], .["/proc/1/root"], .["/proc/1/cwd"]] | unique == ["0"])' "$BATS_TEST_TMPDIR/seen"
	jq -e '[.["mount tmpfs"], .["mount cgroup"], .["mount --bind"], .["remount /"], .pivot_root, .open_by_handle_at, .sethostname] |
		unique == ["EPERM"]' "$BATS_TEST_TMPDIR/seen"
	# the capability is there, and it is pivot_root that holds: from a mere chroot the same probe gets out
	[ "$(jq -r '.["chroot twice"]' "$BATS_TEST_TMPDIR/seen")" = 0 ]
	unshare -m -p -f --mount-proc="$ROOTFS/proc" chroot "$ROOTFS" /bin/joblet-probe --try roots 3>&- | jq -e '.roots["chroot twice"] == "ESCAPED"'
}

@test "E1: no namespace is made or entered" {
	profile_bundle joblet-probe --try namespaces
	attempts namespaces >"$BATS_TEST_TMPDIR/seen"
	jq -e '[to_entries[] | select(.key | test("^(clone|unshare|setns)( |$)")) | .value] | unique == ["EPERM"]' "$BATS_TEST_TMPDIR/seen"
	jq -e '[to_entries[] | select(.key | test("^clone3 ")) | .value] | unique == ["ENOSYS"]' "$BATS_TEST_TMPDIR/seen"
}

@test "E2: only the socket families that are allowed, netlink for routes alone" {
	profile_bundle joblet-probe --try families
	attempts families | jq -e '(to_entries | map(select(.value != "EPERM") | .key | tonumber)) - [1, 2, 10, 16] == [] and .["38"] == "EPERM" and .["40"] == "EPERM"'
	profile_bundle joblet-probe --try netlink
	attempts netlink | jq -e 'to_entries | map(select(.value != "EPERM") | .key) == ["0"]'
}

@test "E3: every system call by its number, against the table" {
	profile_bundle joblet-probe --try syscalls
	attempts syscalls | jq -r 'to_entries[] | "\(.key) \(.value | if IN("EPERM", "ENOSYS") or test("^[A-Z]{2,5}$") and . == "SYS" then . else "passed" end)"' >"$BATS_TEST_TMPDIR/seen"
	grep -v '^#' "$JOBLET_SOURCE/tests/integration/helpers/syscalls_golden.txt" >"$BATS_TEST_TMPDIR/golden"
	awk 'NR == FNR { seen[$1] = $2; n++; next } seen[$1] != $2 && seen[$1] != $3 { print "call " $1 " is " seen[$1] ", not " $2; bad = 1 }
		END { exit bad || n != 471 || n != FNR }' "$BATS_TEST_TMPDIR/seen" "$BATS_TEST_TMPDIR/golden"
}

@test "E4: nothing is put into a terminal's input, with and without one" {
	profile_bundle joblet-probe --try terminal
	check='.terminal | [.TIOCSTI, .["TIOCSTI+2^32"], .TIOCLINUX, .["TIOCLINUX+2^32"], .TIOCSETD] | unique == ["EPERM"]'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e "$check"
	edit '.process.terminal = true'
	python3 "$JOBLET_SOURCE/tests/integration/helpers/runtime_tool.py" console "$BATS_TEST_TMPDIR/console" >"$BATS_TEST_TMPDIR/seen" 3>&- &
	tool=$!
	for _ in $(seq 600); do [ -S "$BATS_TEST_TMPDIR/console" ] && break; sleep 0.05; done
	rt run -b "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/console" "$ID" </dev/null
	wait $tool
	tail -n +2 "$BATS_TEST_TMPDIR/seen" | jq -e "($check) and .terminal.TCGETS == \"0\""
}

@test "E5: a keyring of its own" {
	plain_bundle joblet-probe
	rt run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/a"
	rt run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/b"
	host=$(joblet-probe 3>&- | jq .keyring)
	jq -se --argjson h "$host" '.[0].keyring > 0 and .[0].keyring != .[1].keyring and all(.[]; .keyring != $h)' "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
}

@test "E6: what is masked is empty, what is read-only stays, /proc has only its own" {
	masked=(/proc/acpi /proc/kcore /proc/keys /proc/timer_list /proc/scsi /proc/interrupts)
	args=()
	for p in "${masked[@]}"; do args+=(--read "$p"); done
	for p in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/sys/net/ipv4/ip_forward /proc/irq/default_smp_affinity; do args+=(--write "$p"); done
	plain_bundle joblet-probe "${args[@]}"
	rt run -b "$BUNDLE" "$ID" </dev/null >"$BATS_TEST_TMPDIR/seen"
	jq -e '[.read[] | select(IN("", "ENOENT", "EISDIR") | not)] == []' "$BATS_TEST_TMPDIR/seen" || { jq .read "$BATS_TEST_TMPDIR/seen"; false; }
	jq -e '[.write[] | select(IN("EROFS", "ENOENT", "EACCES") | not)] == []' "$BATS_TEST_TMPDIR/seen" || { jq .write "$BATS_TEST_TMPDIR/seen"; false; }
	# one empty filesystem for all directories
	jq -e '[.mounts[] | select(.target | IN("/proc/acpi", "/proc/scsi")) | .dev] | unique | length <= 1' "$BATS_TEST_TMPDIR/seen"
	bundle sh -c 'ls /proc | grep -c "^[0-9]"'
	run_bundle
	[ "$output" -le 4 ]
}

@test "D4c: no device but those that are named can be made or opened" {
	mkdir "$BUNDLE/work/nodes"
	while read -r name type major minor; do mknod -m 666 "$BUNDLE/work/nodes/$name" "$type" "$major" "$minor"; done <<-'END'
		sda b 8 0
		mem c 1 1
		kmsg c 1 11
		loop-control c 10 237
		fuse c 10 229
		tun c 10 200
		kvm c 10 232
		null c 1 3
		loop0 b 7 0
	END
	# a job: the mount has no devices
	profile_bundle joblet-probe --try devices
	attempts devices | jq -e '[.[]] | unique | . == ["EACCES", "EPERM"]'
	# root that may make nodes, on a mount that has devices: the cgroup denies
	plain_bundle joblet-probe --try devices
	edit '.process.capabilities |= map_values(["CAP_MKNOD", "CAP_DAC_OVERRIDE"]) | .mounts |= map(if .destination == "/work" then .options = ["bind", "rw"] else . end)'
	attempts devices >"$BATS_TEST_TMPDIR/seen"
	jq -e '.["open null"] == "0" and ([to_entries[] | select((.key | startswith("open ")) and .key != "open null") | .value] | unique == ["EPERM"])' "$BATS_TEST_TMPDIR/seen" || {
		cat "$BATS_TEST_TMPDIR/seen"
		false
	}
}

@test "D1c: no release agent, no cgroup file, nothing to mount one with" {
	args=()
	for f in release_agent notify_on_release cgroup.procs tasks devices.allow memory.limit_in_bytes memory.max cgroup.subtree_control; do
		for d in "" memory/ devices/ pids/ systemd/ unified/; do args+=(--write "/sys/fs/cgroup/$d$f"); done
	done
	plain_bundle joblet-probe "${args[@]}"
	edit '.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "nodev", "noexec"]}]'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '[.write[] | select(IN("EROFS", "ENOENT", "EACCES", "EPERM") | not)] == []'
	plain_bundle joblet-probe "${args[@]}"
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '[.write[] | select(IN("ENOENT") | not)] == []'
}

@test "C1, C2: a set-uid program, a file with capabilities and a group that is shut out give nothing" {
	cp "$PROBE" "$BUNDLE/work/setuid"
	chown 0:0 "$BUNDLE/work/setuid"
	chmod 6755 "$BUNDLE/work/setuid"
	for suid in nosuid suid; do
		plain_bundle /work/setuid
		edit --arg o $suid '.process.user = {uid: 1000, gid: 1000} | .mounts |= map(if .destination == "/work" then .options = ["bind", $o] else . end)'
		rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.status.Uid == "1000 1000 1000 1000" and .status.Gid == "1000 1000 1000 1000" and .status.CapEff == "0000000000000000"'
	done
	# without no_new_privs it is nosuid that holds
	plain_bundle /work/setuid
	edit '.process.user = {uid: 1000, gid: 1000} | .process.noNewPrivileges = false'
	rt run -b "$BUNDLE" "$ID" </dev/null | jq -e '.status.Uid == "1000 1000 1000 1000"'
	# groups of the runtime do not come along: members of group 4 may not read, all others may
	echo text >"$BUNDLE/work/others"
	chgrp 4 "$BUNDLE/work/others"
	chmod 604 "$BUNDLE/work/others"
	plain_bundle cat /work/others
	edit '.process.user = {uid: 1000, gid: 1000}'
	[ "$(setpriv --groups 4,0,27 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" </dev/null 3>&-)" = text ]
	edit '.process.user = {uid: 1000, gid: 1000, additionalGids: [4]}'
	run_bundle
	[[ $output == *ermission* ]]
}
