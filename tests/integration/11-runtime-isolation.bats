#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime: what a program in a container sees and cannot do.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() { rt_teardown; }

# Runs a shell script in the container.
inside() {
	bundle sh -c "$1"
	run_bundle
}

@test "every namespace is a new one" {
	inside 'for n in pid mnt ipc uts cgroup net user; do readlink /proc/self/ns/$n; done'
	[ "$status" -eq 0 ]
	for n in pid mnt ipc uts cgroup net user; do
		grep -q "^$n:" <<<"$output"
		! grep -qF "$(readlink /proc/self/ns/$n)" <<<"$output"
	done
	inside 'hostname; echo $$; ps | wc -l; cat /proc/self/cgroup | grep -cv ":/$"'
	[ "${lines[0]}" = job-host ]
	[ "${lines[1]}" = 1 ]
	[ "${lines[2]}" -le 4 ]
	[ "${lines[3]}" = 0 ]
}

@test "ids: 65534 inside, an id of its own outside, no further group" {
	inside 'id; grep Groups /proc/self/status; cat /proc/self/uid_map; touch /work/file; umask'
	[ "${lines[0]}" = "uid=65534 gid=65534" ]
	[ "$(tr -d '\t ' <<<"${lines[1]}")" = "Groups:" ]
	[ "$(stat -c %u:%g "$BUNDLE/work/file")" = "$((BASE_ID + 1)):$((BASE_ID + 1))" ]
	[ "$(stat -c %a "$BUNDLE/work/file")" = 644 ]
	plain_bundle id
	edit '.process.user = {uid: 12345, gid: 23456, additionalGids: [34567, 45678], umask: 63}'
	run_bundle
	[ "$output" = "uid=12345 gid=23456 groups=34567,45678" ]
}

@test "no capability in any set, no_new_privs, locked securebits" {
	inside 'grep -E "^(Cap|NoNew)" /proc/self/status'
	[ "$(grep -c 0000000000000000 <<<"$output")" -eq 5 ]
	grep -q $'NoNewPrivs:\t1' <<<"$output"
	inside 'mount -t tmpfs x /tmp; chroot / true; hostname x; mknod /work/n c 1 3; chown 0 /work'
	[ "$status" -ne 0 ]
	[ "$(grep -ciE 'not permitted|denied|invalid' <<<"$output")" -eq 5 ]
}

@test "capabilities that are asked for, and no other" {
	plain_bundle sh -c 'grep ^Cap /proc/self/status'
	edit '.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], permitted: ["CAP_KILL", "CAP_CHOWN"],
	      inheritable: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"]} | .process.noNewPrivileges = false | .process.user.uid = 1000'
	run_bundle
	# not root: the program has what is ambient
	[ "${lines[0]}" = $'CapInh:\t0000000000000001' ]
	[ "${lines[1]}" = $'CapPrm:\t0000000000000001' ]
	[ "${lines[2]}" = $'CapEff:\t0000000000000001' ]
	[ "${lines[3]}" = $'CapBnd:\t0000000000000021' ]
	[ "${lines[4]}" = $'CapAmb:\t0000000000000001' ]
	edit '.process.capabilities.bounding += ["CAP_NO_SUCH"]'
	run_bundle
	[ "$status" -eq 1 ]
	[[ $output == *CAP_NO_SUCH* ]]
}

@test "mounts: options are in force, only the container's are there" {
	inside 'cat /proc/self/mounts'
	echo "$output"
	grep -qE '^[^ ]+ / [^ ]+ ro,' <<<"$output"
	grep -qE '^[^ ]+ /proc proc rw,nosuid,nodev,noexec' <<<"$output"
	grep -qE '^[^ ]+ /work [^ ]+ rw,nosuid,nodev,' <<<"$output"
	grep -qE '^[^ ]+ /etc/hosts [^ ]+ ro,nosuid,nodev,noexec' <<<"$output"
	grep -qE '^[^ ]+ /tmp tmpfs rw,nosuid,nodev,.*size=65536k,nr_inodes=16384,mode=1777|^[^ ]+ /tmp tmpfs rw,nosuid,nodev,.*size=65536k,nr_inodes=16384' <<<"$output"
	! grep -qE '/sys |/mnt |/boot ' <<<"$output"
	inside 'echo x > /etc/new; echo x > /etc/hosts; echo x > /bin/new; touch /new'
	[ "$(grep -c 'Read-only' <<<"$output")" -eq 4 ]
	inside 'echo a > /tmp/a && echo a > /dev/shm/a && echo a > /work/a && echo fine'
	[ "$output" = fine ]
}

@test "masked and read-only paths" {
	inside 'cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c; ls /proc/acpi 2>/dev/null | wc -l
		echo 1 > /proc/sys/kernel/panic; grep " /proc/" /proc/self/mounts'
	echo "$output"
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	[[ ${lines[2]} == *Read-only* ]]
	for p in bus fs irq sys; do
		[ ! -e /proc/$p ] || grep -qE "^proc /proc/$p proc ro,nosuid,nodev,noexec" <<<"$output"
	done
}

@test "devices: the default ones and links, usable, and no other" {
	inside 'ls /dev; stat -c "%n %t %T" /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
		echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/full; echo text > /dev/stdout
		readlink /dev/fd; readlink /dev/stdin; readlink /dev/ptmx'
	echo "$output"
	[ "$(head -14 <<<"$output" | tr '\n' ' ')" = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero " ]
	grep -q '^/dev/null 1 3' <<<"$output"
	grep -q '^/dev/urandom 1 9' <<<"$output"
	grep -q 'No space left' <<<"$output"
	grep -q '^text' <<<"$output"
	grep -q '^pts/ptmx' <<<"$output"
	# without a user namespace nodes are made; what the rules do not name cannot be opened even by root
	plain_bundle sh -c 'mknod /tmp/mem c 1 1; cat /tmp/mem; mknod /work/sda b 8 0; cat /work/sda; ls -l /dev/null'
	edit '.process.capabilities |= map_values(["CAP_MKNOD"])'
	run_bundle
	[ "$(grep -c 'not permitted\|denied' <<<"$output")" -ge 2 ]
	grep -q 'crw-rw-rw-.* 1,  *3 .*/dev/null' <<<"$output"
}

@test "limits: rlimits, oom_score_adj, cgroup files" {
	bundle sh -c 'ulimit -c; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; read x'
	rt run -d -b "$BUNDLE" "$ID" </dev/zero >"$BATS_TEST_TMPDIR/out" 2>&1
	[ "$(sed -n 2p "$BATS_TEST_TMPDIR/out")" = 1024 ]
	[ "$(sed -n 3p "$BATS_TEST_TMPDIR/out")" = 4096 ]
	[ "$(sed -n 4p "$BATS_TEST_TMPDIR/out")" = 200 ]
	cg() { cat $(find /sys/fs/cgroup -path "*/$CGROUP/$ID/$1" -o -path "*/$CGROUP/$ID/$2" | head -1); }
	[ "$(cg memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(cg pids.max -)" = 64 ]
	[[ $(cg cpu.cfs_quota_us cpu.max) == 50000* ]]
	rt delete -f "$ID"
	bundle sh -c ': | : | :; i=0; while [ $i -lt 100 ]; do sleep 5 & i=$((i + 1)); done 2>&1; echo made $i'
	run rt run -b "$BUNDLE" "$ID"
	[[ $output == *"an't fork"* || $output == *"unavailable"* ]]
	bundle sh -c 'x=$(head -c 200000000 /dev/zero | tr "\0" x); echo survived'
	run_bundle
	[[ $output != *survived* ]]
	nothing_left
}

@test "the network has a loopback interface that is up, and nothing else" {
	inside 'cat /proc/net/dev | tail -n +3 | wc -l; ping -c 1 -W 2 127.0.0.1 >/dev/null 2>&1; ip -o addr show lo'
	[ "${lines[0]}" = 1 ]
	grep -q '127.0.0.1/8' <<<"$output"
	bundle sh -c 'ip link show lo'
	run_bundle
	[[ $output == *"UP"* ]]
}

@test "the working directory must be below the root" {
	for cwd in /proc/self/fd/7 /proc/self/cwd/../../.. /proc/1/root/../.. /nosuch/../../..; do
		bundle pwd
		edit --arg c "$cwd" '.process.cwd = $c'
		run_bundle
		echo "$cwd: $status $output"
		# an error, or a directory of the container
		[ "$status" -ne 0 ] || [ "$output" = / ] || [[ $output == /proc* ]]
	done
	bundle pwd
	edit '.process.cwd = "nosuch"'
	run_bundle
	[ "$status" -eq 1 ]
	nothing_left
}

@test "while created, init holds no descriptor of the host" {
	bundle sleep 60
	rt create -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" </dev/null >/dev/null 2>&1 7</etc
	pid=$(cat "$BATS_TEST_TMPDIR/pid")
	for fd in /proc/$pid/fd/*; do readlink "$fd"; done >"$BATS_TEST_TMPDIR/fds"
	cat "$BATS_TEST_TMPDIR/fds"
	[ "$(grep -vcE '^/dev/null$|^socket:|/init.lock$|^/proc/1/status$' "$BATS_TEST_TMPDIR/fds")" -eq 0 ]
	[ "$(stat -c %u /proc/$pid/fd)" = 0 ] # not dumpable: nobody in the container may look
	rt start "$ID"
	[ "$(ls /proc/$pid/fd | wc -l)" -eq 3 ]
	rt delete -f "$ID"
}

@test "the runtime's own file cannot be written from inside" {
	plain_bundle sh -c 'while :; do for e in /proc/[0-9]*/exe; do (echo x > $e) 2>/dev/null && echo WROTE; done; i=$((i + 1)); [ $i -gt 20 ] && break; done; echo done'
	sum=$(sha256sum "$RUNTIME")
	edit '.linux.namespaces |= map(select(.type != "pid"))'
	run_bundle
	[[ $output != *WROTE* ]]
	bundle /proc/self/exe --version
	run_bundle
	[ "$sum" = "$(sha256sum "$RUNTIME")" ]
}

# What the first process runs from while it waits.
runs_from() {
	rt create -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID"
	pid=$(cat "$BATS_TEST_TMPDIR/pid")
	exe=$(readlink "/proc/$pid/exe")
	echo "$exe"
	[[ $exe == $1 ]]
}

@test "the runtime runs from a sealed copy where its file could be written, and only there" {
	cp "$(command -v "$RUNTIME")" "$BATS_TEST_TMPDIR/runtime"
	RUNTIME=$BATS_TEST_TMPDIR/runtime
	bundle sleep 100
	chmod 0755 "$RUNTIME"
	runs_from "$RUNTIME"
	# root of the container's user namespace, with every capability there, may not, and it is not the path that keeps it away
	dir=$BATS_TEST_TMPDIR
	while [ "$dir" != /tmp ] && [ "$dir" != / ]; do
		chmod a+x "$dir"
		dir=$(dirname "$dir")
	done
	run ! nsenter -t "$pid" -U -S 0 -G 0 test -w "$RUNTIME"
	nsenter -t "$pid" -U -S 0 -G 0 test -r "$RUNTIME"
	rt delete -f "$ID"
	for mode in 0775 0757; do
		chmod "$mode" "$RUNTIME"
		runs_from '/memfd:joblet-runtime*'
		rt delete -f "$ID"
	done
	chmod 0755 "$RUNTIME"
	chown $((BASE_ID + 1)) "$RUNTIME"
	runs_from '/memfd:joblet-runtime*'
	rt delete -f "$ID"
	chown 0 "$RUNTIME"
	plain_bundle sleep 100
	runs_from '/memfd:joblet-runtime*'
	rt delete -f "$ID"
}

@test "links in the root lead nowhere else: mount points, masks, devices" {
	sentinel=$BATS_TEST_TMPDIR/sentinel
	mkdir -p "$sentinel/dir"
	echo safe >"$sentinel/file"
	for target in dev proc work tmp run etc/hosts etc; do
		for link in "$sentinel" "$sentinel/dir" "$sentinel/file" ../../../../../../../../../.. /proc/self/fd/3 /nosuch /proc/sysrq-trigger; do
			rm -rf "$BATS_TEST_TMPDIR/evil"
			cp -a "$ROOTFS" "$BATS_TEST_TMPDIR/evil"
			rm -rf "${BATS_TEST_TMPDIR:?}/evil/$target"
			ln -s "$link" "$BATS_TEST_TMPDIR/evil/$target"
			bundle sh -c 'echo x > /work/probe; echo ran'
			edit --arg r "$BATS_TEST_TMPDIR/evil" '.root.path = $r'
			run_bundle
			[ "$(cat "$sentinel/file")" = safe ]
			[ "$(ls -A "$sentinel" | tr '\n' ' ')" = "dir file " ]
			[ -z "$(ls -A "$sentinel/dir")" ]
		done
	done
	nothing_left
}

@test "sysctl: those of its own namespaces, and no other" {
	bundle cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/shmmax
	edit '.linux.sysctl = {"net.ipv4.ip_default_ttl": "77", "kernel.shmmax": "123456"}'
	run_bundle
	[ "${lines[0]}" = 77 ]
	[ "${lines[1]}" = 123456 ]
	for key in kernel.panic vm.swappiness kernel.core_pattern net/../kernel/panic kernel.hostname ../x; do
		bundle true
		edit --arg k "$key" '.linux.sysctl = {($k): "1"}'
		run_bundle
		[ "$status" -eq 1 ]
		[[ $output == *sysctl* ]]
	done
	bundle true
	edit '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces |= map(select(.type != "network"))'
	run_bundle
	[ "$status" -eq 1 ]
}

@test "a namespace can be joined by its path" {
	bundle sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/uts'
	unshare -n -u sleep 60 3>&- &
	pid=$!
	for i in $(seq 100); do [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break; sleep 0.02; done
	edit --arg p "/proc/$pid/ns" 'del(.hostname) | .linux.namespaces |= map(if .type == "network" then .path = $p + "/net" elif .type == "uts" then .path = $p + "/uts" else . end)'
	run_bundle
	[ "${lines[0]}" = "$(readlink /proc/$pid/ns/net)" ]
	[ "${lines[1]}" = "$(readlink /proc/$pid/ns/uts)" ]
	kill $pid
}

@test "seccomp: the filter is in force from the program's first instruction" {
	bundle sh -c 'grep Seccomp: /proc/self/status; mkdir /work/d || echo refused'
	edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1}]}'
	run_bundle
	[ "$status" -eq 0 ]
	grep -q $'Seccomp:\t2' <<<"$output"
	grep -q refused <<<"$output"
	[ ! -e "$BUNDLE/work/d" ]
	plain_bundle sh -c 'grep Seccomp: /proc/self/status; mkdir /work/d || echo refused; grep CapEff /proc/self/status'
	edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1}]} |
	      .process.noNewPrivileges = false | .process.user.uid = 1000'
	run_bundle
	[ "$status" -eq 0 ]
	grep -q $'Seccomp:\t2' <<<"$output"
	grep -q refused <<<"$output"
	grep -q 'CapEff.*0000000000000000' <<<"$output"
}
