#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# rnx job run against a server of the test's own: streams, stdin, exit statuses, what is sent.

bats_require_minimum_version 1.5.0
load helpers/rnx_fake

setup_file() {
	fake_start
}

teardown_file() {
	fake_stop
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

@test "the two streams stay two, and talk goes to stderr" {
	rnx job run both 200 >out 2>err </dev/null
	[ "$(grep -c '^out' out)" -eq 200 ] && [ "$(wc -l <out)" -eq 200 ]
	[ "$(grep -c '^err' err)" -eq 200 ] && grep -q '^job [0-9a-f-]\{36\}$' err
	rnx job run -q both 1 >out 2>err </dev/null
	[ "$(cat err)" = "err 0" ]
}

@test "the exit status is the job's" {
	local n
	for n in 0 1 7 126 255; do
		run -$n rnx job run exit $n </dev/null
	done
	run -137 --separate-stderr rnx job run killed 9 </dev/null
	[[ $stderr == *"killed by signal 9"* ]]
	run -143 rnx job run killed 15 </dev/null
	run -124 rnx job run timeout </dev/null
	run -127 rnx job run nosuch </dev/null
	[[ $output == *'exec "nosuch": not found'* ]]
}

@test "refused: by role, by the server" {
	run -1 --separate-stderr rnx --node viewer job run echo test
	[ -z "$output" ]
	[ "${stderr_lines[0]}" = "ERROR: Permission denied" ]
	[ "${stderr_lines[1]}" = "role viewer lacks job:run" ]
	RNX_NODE=viewer run -1 --separate-stderr rnx --json job run echo test
	[ "$(jq -r .error.code <<<"$stderr")" = PERMISSION_DENIED ]
	run -1 rnx job run invalid
	[[ $output == "error: network: there is none yet"* ]]
}

@test "every byte, in order, to a fast and to a slow reader" {
	local want=$((30 << 20)) sum
	sum=$(python3 -c "
import hashlib, sys
n, b = $want, bytes((i * 7 + i // 251) % 256 for i in range(1 << 20))
h = hashlib.sha256()
for at in range(0, n, len(b)): h.update(b[:n - at])
print(h.hexdigest())")
	[ "$(rnx job run -q bytes $want </dev/null | sha256sum | cut -d' ' -f1)" = "$sum" ]
	rnx job run -q bytes $want </dev/null >file
	[ "$(sha256sum <file | cut -d' ' -f1)" = "$sum" ]
	[ "$(rnx job run -q bytes $want </dev/null | (sleep 2 && cat) | sha256sum | cut -d' ' -f1)" = "$sum" ]
	[ "$(rnx job run -q bytes $want </dev/null | python3 -c '
import sys, hashlib, time
h = hashlib.sha256()
while d := sys.stdin.buffer.raw.read(1 << 20): h.update(d); time.sleep(0.001)
print(h.hexdigest())')" = "$sum" ]
}

@test "memory does not grow with a reader that takes nothing" {
	rnx job run -q bytes $((200 << 20)) </dev/null 2>err | (
		sleep 2
		grep VmHWM "/proc/$(pgrep -f -- "$RNX job run -q bytes $((200 << 20))" | tail -1)/status" >hwm || true
		head -c 1000 >/dev/null
	) || true
	[ "$(awk '{ print $2 }' hwm)" -lt 60000 ]
}

@test "stdin: a pipe, a file, nothing, binary, a lot" {
	[ "$(echo secret | rnx job run -q cat)" = secret ]
	head -c 10000000 /dev/urandom >in
	rnx job run -q cat <in | cmp - in
	cat in | rnx job run -q cat | cmp - in
	[ "$(printf '' | rnx job run -q cat)" = "" ]
	[ "$(rnx job run -q request </dev/null | jq .stdin)" = false ]
	[ "$(rnx job run -q request <&- | jq .stdin)" = false ]
	[ "$(echo x | rnx job run -q request | jq .stdin)" = true ]
	[ "$(rnx job run -d request </dev/null | wc -l)" = 1 ]
}

@test "what is asked for arrives" {
	export FROM_HERE=here SECRET_HERE=hidden
	printf 'in a file\n' >secret
	rnx job run -q --max-cpu=150 --max-memory 512 --max-iobps=1048576 --cpu-cores 0-1 --env A=1 -e B=x=y --env FROM_HERE \
		--secret-env SECRET_HERE -s FILE=@secret --workdir /work/x --schedule 1h --timeout 90s --name a_name --label k=v --network n \
		--volume v1 --volume=v2 --runtime r --gpu 1 --gpu-memory 2 -- request --json -x "" "a b" '*' '$HOME' </dev/null >got
	jq -e '.args == ["--json", "-x", "", "a b", "*", "$HOME"]' got
	jq -e '.max_cpu == 150 and .max_memory == 512 and .max_io_bps == 1048576 and .cpu_cores == "0-1"' got
	jq -e '.environment == {"A": "1", "B": "x=y", "FROM_HERE": "here"}' got
	jq -e '.secret_environment == {"SECRET_HERE": "hidden", "FILE": "in a file"}' got
	jq -e '.schedule == "1h" and .timeout == "90s" and .work_dir == "/work/x" and .name == "a_name" and .labels == {"k": "v"}' got
	jq -e '.network == "n" and .volumes == ["v1", "v2"] and .runtime == "r" and .gpu_count == 1 and .gpu_memory_mb == 2' got
	TZ=Etc/GMT-2 rnx job run -q --schedule 2099-01-01T02:00:00 request </dev/null >got
	jq -e '.schedule == "2099-01-01T00:00:00.000000000Z"' got
	[ "$(printf 'from stdin' | rnx job run -d -s S=- request | wc -c)" -eq 37 ]
	run -0 --separate-stderr rnx job run -q -s S=clear request
	[[ $stderr == *"can be read by every user"* ]]
	[ "$(jq -r .secret_environment.S <<<"$output")" = clear ]
	run -1 rnx job run -s S=@nothing request
}

@test "flags behind the command are the command's" {
	[ "$(rnx job run -q echo --json --node x -h -- y </dev/null)" = "--json --node x -h -- y" ]
	[ "$(rnx job run -q -- echo -q </dev/null)" = "-q" ]
}

@test "-d prints the id alone" {
	run -0 --separate-stderr rnx job run -d echo x
	[[ $output =~ ^[0-9a-f-]{36}$ ]]
	[ -z "$stderr" ]
	run -0 --separate-stderr rnx --json job run -d echo x
	[ "$(jq -r .status <<<"$output")" = RUNNING ]
}

@test "--json: one object a line, bytes that are no text as base64" {
	rnx job run --json -q both 2 </dev/null >got
	jq -s -e '(.[0] | .stream == "stdout" and .data == "out 0\n" and .offset == 6) and (.[-1] | .exit_code == 0 and .status == "COMPLETED")' got
	rnx job run --json printf 'a\x00\xff' </dev/null >got 2>/dev/null
	jq -s -e '.[0].base64 == "YQD/"' got
}

@test "signals go to the job" {
	local name pid i
	for name in HUP INT QUIT USR1 USR2 TERM; do
		"$RNX" job run -q signals 1 </dev/null >out 2>err &
		pid=$!
		for ((i = 0; i < 1200; i++)); do grep -q ready out && break || sleep 0.05; done
		# what a shell starts in the background ignores INT and QUIT, and so does rnx
		if [ "$name" = INT ] || [ "$name" = QUIT ]; then
			kill -USR1 "$pid"
			wait "$pid"
			continue
		fi
		kill -"$name" "$pid"
		wait "$pid"
		grep -qx "got $name" out
	done
	run -0 /usr/bin/python3 - <<-'END'
		import os, signal, subprocess
		for name in ("INT", "QUIT"):
		    p = subprocess.Popen([os.environ["RNX"], "job", "run", "-q", "signals", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
		    assert p.stdout.readline() == b"ready\n"
		    p.send_signal(getattr(signal, "SIG" + name))
		    assert p.stdout.read() == b"got %s\n" % name.encode() and p.wait() == 0
	END
}

@test "a second Ctrl-C leaves, and says how to come back" {
	run -0 /usr/bin/python3 - <<-'END'
		import os, re, signal, subprocess, time
		p = subprocess.Popen([os.environ["RNX"], "job", "run", "ignore"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		assert p.stdout.readline() == b"ready\n"
		p.send_signal(signal.SIGINT)
		assert p.stdout.readline() == b"got INT\n"
		p.send_signal(signal.SIGINT)
		out, err = p.communicate(timeout=10)
		assert p.returncode == 130 and out == b"", (p.returncode, out)
		m = re.search(rb"the job goes on: rnx (job attach --from 14 [0-9a-f-]{36})", err)
		assert m, err
		q = subprocess.Popen([os.environ["RNX"]] + m.group(1).decode().split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
		time.sleep(0.5)
		q.send_signal(signal.SIGUSR1)
		assert q.stdout.readline() == b"got USR1\n"
		q.kill(); q.wait()
	END
	# two that are further apart are two for the job
	run -0 /usr/bin/python3 - <<-'END'
		import os, signal, subprocess, time
		p = subprocess.Popen([os.environ["RNX"], "job", "run", "-q", "signals", "2"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
		p.stdout.readline(); p.send_signal(signal.SIGINT); p.stdout.readline()
		time.sleep(2.2); p.send_signal(signal.SIGINT)
		assert p.stdout.read() == b"got INT\n" and p.wait() == 0
	END
}

@test "a reader that goes away ends the job as a pipe would" {
	run -0 bash -c '"$RNX" job run -q yes </dev/null | head -n 1; [ "${PIPESTATUS[0]}" -eq 141 ]'
	[ "$output" = y ]
	fake_events | grep -q '"name": "PIPE"'
	run -125 bash -c '"$RNX" job run -q bytes 1000000 </dev/null >/dev/full'
	[[ $output == *"No space left on device"*"the job goes on"* ]]
}
