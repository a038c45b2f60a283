#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime and seccomp: the profile of jobs (specs/seccomp.def) denies what it should with the filter's own errno, and lets programs work.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() {
	rt_setup_file
	export PROFILE=$BATS_FILE_TMPDIR/profile.json
	/usr/bin/python3 "$BATS_TEST_DIRNAME/helpers/seccomp_profile.py" "$BATS_TEST_DIRNAME/../../specs/seccomp.def" >"$PROFILE"
}
setup() { rt_setup; }
teardown() { rt_teardown; }

# A bundle under the profile whose root is this machine's own, read-only, so that its programs are there.
host_bundle() {
	bundle "$@"
	edit --slurpfile p "$PROFILE" '.linux.seccomp = $p[0] | .root.path = "/" | .process.cwd = "/tmp" |
	      .process.env = ["PATH=/usr/bin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8"] | .linux.resources.memory = {limit: 536870912, swap: 536870912} |
	      .mounts |= map(select(.destination | IN("/work", "/volumes", "/etc/hosts") | not))'
}

# The same, running python from stdin inside.
python_in_job() {
	cat >"$BATS_TEST_TMPDIR/program.py"
	host_bundle /usr/bin/python3 -c "$(cat "$BATS_TEST_TMPDIR/program.py")"
	run_bundle
}

@test "seccomp is in force, in the strict sense" {
	host_bundle grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status
	run_bundle
	[ "$status" -eq 0 ]
	[ "$(echo "$output" | tr -s '\t ' ' ')" = "NoNewPrivs: 1
Seccomp: 2" ]
}

@test "what a job may not do fails with the filter's errno" {
	python_in_job <<-'EOF'
		import ctypes, errno, os
		libc = ctypes.CDLL(None, use_errno=True)
		def call(what, want, *a):
		    r = libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
		    got = 0 if r >= 0 else ctypes.get_errno()
		    if got != want: print(what, "gives", errno.errorcode.get(got, got), "not", errno.errorcode.get(want, want))
		E, N, I = errno.EPERM, errno.ENOSYS, errno.EINVAL
		SOCKET, IOCTL, CLONE, UNSHARE, SETNS, CLONE3, PRLIMIT = 41, 16, 56, 272, 308, 435, 302
		for family in range(0, 46):
		    if family not in (1, 2, 10, 16): call(f"socket {family}", E, SOCKET, family, 3, 0)
		for protocol in range(1, 23): call(f"netlink {protocol}", E, SOCKET, 16, 3, protocol)
		for request in (0x5412, 0x541c, 0x5423, 0x401c5820):
		    for high in (0, 1 << 32, 5 << 40): call(f"ioctl {request:#x}+{high:#x}", E, IOCTL, 0, request + high, 0)
		for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
		    call(f"clone {flag:#x}", E, CLONE, flag | 17, 0, 0, 0, 0)
		    call(f"unshare {flag:#x}", E, UNSHARE, flag)
		call("unshare time", E, UNSHARE, 0x80)
		call("setns", E, SETNS, 0, 0)
		call("clone3", N, CLONE3, 0, 0)
		limits = (ctypes.c_ulong * 2)(0, 0)
		call("core limit by prlimit", I, PRLIMIT, 0, 4, ctypes.byref(limits), 0)
		call("core limit by setrlimit", I, 160, 4, ctypes.byref(limits))
		call("reading the core limit", 0, PRLIMIT, 0, 4, 0, ctypes.byref(limits))
		if list(limits) != [1, 1]: print("core limit", list(limits))
		for name, nr in dict(mount=165, umount2=166, pivot_root=155, chroot=161, bpf=321, perf_event_open=298, userfaultfd=323, ptrace=101,
		        keyctl=250, add_key=248, request_key=249, kexec_load=246, init_module=175, io_uring_setup=425, open_by_handle_at=304,
		        process_vm_readv=310, pidfd_getfd=438, fanotify_init=300, quotactl=179, syslog=103, reboot=169, acct=163, swapon=167,
		        settimeofday=164, sethostname=170, personality=135).items():
		    call(name, E, nr, 0x40000 if name == "personality" else 0, 0, 0, 0, 0)
		call("mknod block", E, 133, b"/tmp/b", 0o60600, 0x800)
		call("a call of the future", N, 900)
		print("done")
	EOF
	[ "$status" -eq 0 ]
	[ "$output" = "done" ] || { echo "$output"; false; }
}

@test "calls of another architecture kill" {
	command -v gcc >/dev/null || skip "gcc is not installed"
	printf 'int main(void) { long r; __asm__ volatile("int $0x80" : "=a"(r) : "0"(20)); return 9; }' >"$BATS_TEST_TMPDIR/i.c"
	printf '#include <sys/syscall.h>\n#include <unistd.h>\nint main(void) { syscall(0x40000000 | SYS_getpid); return 9; }' >"$BATS_TEST_TMPDIR/x.c"
	for kind in i x; do
		gcc -static -o "$ROOTFS/bin/call-$kind" "$BATS_TEST_TMPDIR/$kind.c"
		bundle "/bin/call-$kind"
		edit --slurpfile p "$PROFILE" '.linux.seccomp = $p[0]'
		run_bundle
		[ "$status" -eq 159 ] # 128 + SIGSYS
		edit 'del(.linux.seccomp)'
		run_bundle
		[ "$status" -ne 159 ] # so it was the filter
	done
}

@test "python: threads, subprocesses, sockets, files" {
	python_in_job <<-'EOF'
		import asyncio, concurrent.futures, hashlib, json, multiprocessing, os, random, socket, ssl, sqlite3, subprocess, tempfile, threading, time
		assert subprocess.run(["sh", "-c", "echo $((6*7))"], capture_output=True, text=True).stdout == "42\n"
		with concurrent.futures.ThreadPoolExecutor(4) as pool: assert sum(pool.map(lambda n: n * n, range(100))) == 328350
		with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
		a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
		s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); s.accept()[0].send(b"hi"); assert c.recv(2) == b"hi"
		socket.if_nameindex()
		async def main():
		    p = await asyncio.create_subprocess_exec("true"); assert await p.wait() == 0
		asyncio.run(main())
		db = sqlite3.connect("/tmp/t.db"); db.execute("create table t(x)"); db.execute("insert into t values(1)"); db.commit()
		with tempfile.TemporaryDirectory() as d: os.mkfifo(d + "/f"); os.rename(d + "/f", d + "/g"); os.unlink(d + "/g")
		os.memfd_create("x"); time.sleep(0.01); ssl.create_default_context(); os.sched_getaffinity(0)
		print("python works")
	EOF
	[ "$output" = "python works" ] || { echo "$output"; false; }
}

@test "bash, coreutils, tar, find, awk, sort, xargs" {
	host_bundle bash -c 'set -euo pipefail; cd /tmp; mkdir -p a/b; seq 100000 | sort -R | sort -n | tail -1 >a/b/last; cp -r a c; tar cz a | tar tz | wc -l
		find a -type f | xargs -P2 -n1 cat; ulimit -n 512; ulimit -c 2>&1 | head -1 >/dev/null; coproc cat; echo ok >&"${COPROC[1]}"; read -r x <&"${COPROC[0]}"; echo "$x"
		awk "BEGIN { while ((\"echo sub\" | getline l) > 0) print l }"; (trap "echo term" TERM; kill -TERM $BASHPID); diff <(echo 1) <(echo 1) && nice -n 5 timeout 5 stat -c %F a'
	run_bundle
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	[ "$output" = "3
100000
ok
sub
term
directory" ] || { echo "$output"; false; }
}

@test "openssl, curl, git, perl, gpg where they are installed" {
	ran=0
	if command -v openssl >/dev/null; then
		host_bundle sh -c 'cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=x 2>/dev/null &&
			openssl x509 -in c -noout -subject && openssl speed -seconds 1 -bytes 64 sha256 2>&1 | grep -c sha256'
		run_bundle
		[[ $output == *"CN = x"* ]] && [ "$status" -eq 0 ]
		ran=$((ran + 1))
	fi
	if command -v curl >/dev/null; then
		host_bundle bash -c 'cd /tmp && echo served >f && (python3 -m http.server -b 127.0.0.1 8123 >/dev/null 2>&1 & echo $! >p) &&
			curl -s --retry 20 --retry-connrefused --retry-delay 0 --retry-max-time 20 http://localhost:8123/f && kill $(cat p)'
		edit '.process.env[0] = "PATH=/usr/bin:/bin"'
		run_bundle
		[ "$output" = served ] || { echo "$output"; false; }
		ran=$((ran + 1))
	fi
	if command -v git >/dev/null; then
		host_bundle sh -c 'cd /tmp && git init -q r && cd r && echo x >f && git add f && git -c user.name=a -c user.email=a@b commit -qm m && git clone -q . ../s && git -C ../s log --format=%s && git gc -q'
		run_bundle
		[ "$output" = m ] || { echo "$output"; false; }
		ran=$((ran + 1))
	fi
	if command -v gpg >/dev/null; then # turns its core dumps off and gives up if that is a matter of permission
		host_bundle sh -c 'gpg --batch --version | head -1'
		run_bundle
		[ "$status" -eq 0 ] && [[ $output == gpg* ]]
		ran=$((ran + 1))
	fi
	[ "$ran" -gt 0 ] || skip "none of them is installed"
}

@test "the kept filter is used, and one that somebody spoilt is not" {
	host_bundle sh -c 'grep ^Seccomp: /proc/self/status'
	run_bundle
	[ "$status" -eq 0 ]
	file=$(find "$ROOT/@seccomp" -name 'seccomp-*')
	[ -s "$file" ]
	[ "$(stat -c %a "$file")" = 600 ]
	printf 'X' | dd of="$file" bs=1 seek=100 conv=notrunc 2>/dev/null
	run_bundle
	[ "$status" -eq 0 ]
	[[ $output == *2 ]]
	: >"$file"
	run_bundle
	[[ $output == *2 ]]
	[ -s "$file" ]
	chmod 777 "$ROOT/@seccomp"
	run_bundle
	[ "$status" -ne 0 ]
	[[ $output == *"written by others"* ]]
}

@test "what is not seccomp in config.json is an error before anything is made" {
	for change in '.defaultAction = "SCMP_ACT_MAYBE"' '.architectures = ["SCMP_ARCH_PDP11"]' '.flags = ["X"]' 'del(.defaultAction)' \
		'.syscalls[0].action = "ALLOW"' '.syscalls = [{names: ["read"], action: "SCMP_ACT_ALLOW", errnoRet: 1}]' \
		'.syscalls = [{names: ["read"], action: "SCMP_ACT_ALLOW", args: [{index: 0, value: 1, op: "SCMP_CMP_X"}]}]' \
		'.syscalls = [{names: ["read"], action: "SCMP_ACT_ALLOW", args: [{index: 9, value: 1, op: "SCMP_CMP_EQ"}]}]'; do
		bundle true
		edit --slurpfile p "$PROFILE" ".linux.seccomp = (\$p[0] | $change)"
		run_bundle
		[ "$status" -ne 0 ] || { echo "taken: $change"; false; }
		nothing_left
	done
}

@test "runc and crun run the same profile" {
	ran=0
	for engine in runc crun; do
		command -v $engine >/dev/null || continue
		plain_bundle sh -c 'grep ^Seccomp: /proc/self/status'
		edit --slurpfile p "$PROFILE" '.linux.seccomp = $p[0] | del(.linux.cgroupsPath, .linux.resources) | .process.user |= del(.umask) |
			.linux.namespaces |= map(select(.type != "cgroup")) | .mounts |= map(select(.type != "mqueue"))'
		edit --arg p "/$CGROUP/$engine" '.linux.cgroupsPath = $p'
		run timeout 60 $engine --root "$BATS_TEST_TMPDIR/$engine" run -b "$BUNDLE" "$CGROUP-$engine" 3>&-
		echo "$engine: $status $output"
		# crun 1.8 does not know every machine's cgroups; the filter is what counts here.
		[[ $output == *cgroup* ]] && continue
		[ "$status" -eq 0 ] && [[ $output == *2 ]]
		ran=$((ran + 1))
	done
	[ "$ran" -gt 0 ] || skip "neither runc nor crun runs here"
}
