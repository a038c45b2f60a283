#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-runtime exec: one more program in a container has what the first one has, and no more.
bats_require_minimum_version 1.5.0
load helpers/runtime

setup_file() { rt_setup_file; }
setup() { rt_setup; }
teardown() {
	[ ! -d "$BATS_TEST_TMPDIR/runc" ] || timeout 120 runc --root "$BATS_TEST_TMPDIR/runc" delete -f "$ID" 2>/dev/null 3>&- || true
	rt_teardown
}

# The bundle runs as $ID.
begin() {
	rt create -b "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/init" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	INIT=$(cat "$BATS_TEST_TMPDIR/init")
}

ex() {
	rt exec "$@" </dev/null
}

# exec fails with 255, and these words are in its one line.
refused() {
	local words=$1
	shift
	run ex "$@"
	echo "$*: $status $output"
	[ "$status" -eq 255 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$words"* ]]
}

@test "exec: output, exit status and stdin are the program's" {
	bundle sleep 300
	begin
	for code in 0 1 7 127 255; do
		run --separate-stderr -"$code" ex "$ID" sh -c "echo out; echo err >&2; exit $code"
		[ "$output" = out ]
		[ "$stderr" = err ]
	done
	run -137 ex "$ID" sh -c 'kill -9 $$'
	[ "$(printf 'a\0b' | rt exec "$ID" cat | od -c)" = "$(printf 'a\0b' | od -c)" ]
	# the options end at the id, and a -- behind it is none of the program's words
	[ "$(ex "$ID" echo -d --cwd /x)" = '-d --cwd /x' ]
	[ "$(ex "$ID" -- echo x)" = x ]
	rt delete -f "$ID"
	nothing_left
}

@test "exec: exit status and output as runc's, command by command" {
	command -v runc >/dev/null || skip "runc is not installed"
	bundle sleep 300
	rt_open_paths
	begin
	edit --arg c "/$CGROUP/runc" '.linux.cgroupsPath = $c'
	runc --root "$BATS_TEST_TMPDIR/runc" run -d -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&-
	while read -r -a words; do
		ours=0 theirs=0
		timeout 120 "$RUNTIME" --root "$ROOT" exec "${words[@]/ID/$ID}" </dev/null >"$BATS_TEST_TMPDIR/ours" 2>/dev/null 3>&- || ours=$?
		timeout 120 runc --root "$BATS_TEST_TMPDIR/runc" exec "${words[@]/ID/$ID}" </dev/null >"$BATS_TEST_TMPDIR/theirs" 2>/dev/null 3>&- || theirs=$?
		echo "${words[*]}: $ours $theirs"
		[ "$ours" -eq "$theirs" ]
		diff <(sort "$BATS_TEST_TMPDIR/ours") <(sort "$BATS_TEST_TMPDIR/theirs")
	done <<-'END'
		ID true
		ID false
		ID id
		ID pwd
		ID env
		ID nosuch
		-d ID nosuch
		ID /etc
		ID /bin/not-executable
		ID
		nosuch id
		--cwd /tmp ID pwd
		--cwd /nosuch ID pwd
		-e A=1 -e B=2 ID env
		-u 0:0 ID id
		-u 0 -g 0 ID id
		-u abc ID id
		-u 5 ID id
		--cgroup /nosuch ID id
		--cgroup nosuch:/ ID id
		-p /nosuch ID
		-d -t ID id
		ID -x
		ID sh -c umask
		--no-new-privs ID grep -E Cap|NoNew|Seccomp|Groups /proc/self/status
		ID grep -v open /proc/self/limits
		ID cat /proc/self/oom_score_adj
		ID hostname
	END
	rt pause "$ID"
	runc --root "$BATS_TEST_TMPDIR/runc" pause "$ID"
	run -255 ex "$ID" id
	run -255 timeout 120 runc --root "$BATS_TEST_TMPDIR/runc" exec "$ID" id 3>&-
	runc --root "$BATS_TEST_TMPDIR/runc" delete -f "$ID"
	rt delete -f "$ID"
	nothing_left
}

@test "exec: a detached process is where the first one is, and has what it has" {
	for kind in bundle plain_bundle; do
		$kind sleep 300
		edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["swapon"], action: "SCMP_ACT_ERRNO"}]} |
		      .process.user.additionalGids = [0]'
		begin
		ex -d --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sleep 301 >/dev/null 2>&1
		pid=$(cat "$BATS_TEST_TMPDIR/pid")
		[ "$(stat -c %s "$BATS_TEST_TMPDIR/pid")" -eq ${#pid} ]
		[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = 'sleep 301 ' ]
		for ns in user mnt pid net ipc uts cgroup time; do
			[ "$(readlink "/proc/$pid/ns/$ns")" = "$(readlink "/proc/$INIT/ns/$ns")" ]
		done
		diff "/proc/$pid/cgroup" "/proc/$INIT/cgroup"
		diff "/proc/$pid/limits" "/proc/$INIT/limits"
		diff "/proc/$pid/oom_score_adj" "/proc/$INIT/oom_score_adj"
		fields='^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp|SigBlk|SigIgn|NSsid|Seccomp_filters)'
		diff <(grep -E "$fields" "/proc/$pid/status" | grep -v NSsid) <(grep -E "$fields" "/proc/$INIT/status" | grep -v NSsid)
		grep -q 'Seccomp:.*2' "/proc/$pid/status"
		[ "$(readlink "/proc/$pid/root")" = "$(readlink "/proc/$INIT/root")" ]
		# a session of its own
		[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
		[ "$(rt ps -f json "$ID" | jq -c 'sort')" = "$(jq -cn --argjson a "$INIT" --argjson b "$pid" '[$a, $b] | sort')" ]
		rt delete -f "$ID"
		nothing_left
	done
}

@test "exec: no descriptor but those asked for" {
	plain_bundle sleep 300
	begin
	run timeout 120 "$RUNTIME" --root "$ROOT" exec "$ID" sh -c 'ls /proc/$$/fd; true' 5</etc/hostname 6</ 7</
	echo "$output"
	[ "$output" = $'0\n1\n2' ]
	run timeout 120 "$RUNTIME" --root "$ROOT" exec --preserve-fds 2 "$ID" sh -c 'ls /proc/$$/fd; true' 3</etc/hostname 4</etc/hostname 5</
	[ "$output" = $'0\n1\n2\n3\n4' ]
	run -255 sh -c 'exec "$@" 3<&- 4<&-' sh timeout 120 "$RUNTIME" --root "$ROOT" exec --preserve-fds 2 "$ID" true
	[[ $output == *"descriptor 3 is not open"* ]]
	# a working directory through a descriptor of the host (CVE-2024-21626)
	for fd in $(seq 3 20); do
		run ex --cwd "/proc/self/fd/$fd" "$ID" sh -c 'pwd; ls ..'
		[ "$status" -ne 0 ]
		run ex --cwd "/proc/self/fd/$fd/../../.." "$ID" cat etc/hostname
		[ "$status" -ne 0 ]
	done 5</ 6</etc
	rt delete -f "$ID"
	nothing_left
}

cannot_write() { # HOW the bundle is made
	"$1" sh -c 'while :; do
		for p in /proc/[0-9]*; do
			echo x 2>/dev/null >"$p/exe" && echo "wrote $p/exe" >>/work/log
			ls "$p/fd/" 2>/dev/null >/dev/null
		done; done'
	edit '.process.capabilities |= map_values(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"])'
	before=$(sha256sum <"$RUNTIME")
	begin
	for i in $(seq 30); do ex "$ID" true; done
	# the runtime as the program, and as the interpreter of one
	run ex "$ID" /proc/self/exe --version
	printf '#!/proc/self/exe\n' >"$BUNDLE/work/script"
	chmod 755 "$BUNDLE/work/script"
	run ex "$ID" /work/script
	[ "$(sha256sum <"$RUNTIME")" = "$before" ]
	cat "$BUNDLE/work/log" 2>/dev/null || true
	! grep -q wrote "$BUNDLE/work/log" 2>/dev/null
	rt delete -f "$ID"
	nothing_left
}

@test "exec: the container cannot write to the runtime, nor look into it" {
	cannot_write plain_bundle
}

@test "exec: nor can one with a user namespace, where there is no sealed copy" {
	cannot_write bundle
}

copies() { # how often an exec makes a sealed copy
	strace -f -qq -e trace=execveat -o "$BATS_TEST_TMPDIR/calls" "$RUNTIME" --root "$ROOT" exec "$ID" true 3>&-
	grep -c 'execveat(.*= 0' "$BATS_TEST_TMPDIR/calls" || true
}

@test "exec: from a sealed copy where the runtime's file could be written, and only there" {
	cp "$RUNTIME" "$BATS_TEST_TMPDIR/runtime"
	RUNTIME=$BATS_TEST_TMPDIR/runtime
	bundle sleep 1000
	begin
	[ "$(copies)" -eq 0 ]
	chmod 0775 "$RUNTIME"
	[ "$(copies)" -eq 1 ]
	chmod 0755 "$RUNTIME"
	chown $((BASE_ID + 1)) "$RUNTIME"
	[ "$(copies)" -eq 1 ]
	rt delete -f "$ID"
	plain_bundle sleep 1000
	begin
	[ "$(copies)" -eq 1 ]
	rt delete -f "$ID"
	nothing_left
}

@test "exec --process: every field" {
	plain_bundle sleep 300
	edit '.process.noNewPrivileges = false | .process.capabilities |= map_values(["CAP_KILL"])'
	begin
	jq '.process | .args = ["sh", "-c", "id; pwd; umask; echo $A; ulimit -n; cat /proc/self/oom_score_adj; grep -E \"Cap(Eff|Bnd)|NoNew\" /proc/self/status"] |
	    .env += ["A=b"] | .cwd = "/tmp" | .noNewPrivileges = true | .oomScoreAdj = 77 |
	    .user = {uid: 9, gid: 8, additionalGids: [7, 6], umask: 63} |
	    .rlimits = [{type: "RLIMIT_NOFILE", soft: 55, hard: 66}] |
	    .capabilities = {bounding: ["CAP_CHOWN"], effective: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"], inheritable: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"]}' \
		"$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
	run ex --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = 'uid=9 gid=8 groups=6,7
/tmp
0077
b
55
77
CapEff:	0000000000000001
CapBnd:	0000000000000001
NoNewPrivs:	1' ] || [ "$output" = 'uid=9 gid=8 groups=7,6
/tmp
0077
b
55
77
CapEff:	0000000000000001
CapBnd:	0000000000000001
NoNewPrivs:	1' ]
	# from a pipe, and changed by options
	[ "$(jq '.args = ["pwd"]' "$BATS_TEST_TMPDIR/process.json" | rt exec --cwd /work -p /dev/stdin "$ID")" = /work ]
	while IFS='~' read -r change words; do
		jq "$change" "$BATS_TEST_TMPDIR/process.json" >"$BATS_TEST_TMPDIR/wrong.json"
		refused "$words" -p "$BATS_TEST_TMPDIR/wrong.json" "$ID"
	done <<-'END'
		del(.args)~args
		.args = []~args
		.cwd = "work"~absolute
		del(.cwd)~cwd
		.user.uid = -1~uid
		.capabilities.effective = ["CAP_X"]~CAP_X
		.rlimits = [{type: "RLIMIT_X", soft: 1, hard: 1}]~RLIMIT_X
		.terminal = "yes"~terminal
		[]~not an object
	END
	echo '{' >"$BATS_TEST_TMPDIR/wrong.json"
	refused wrong.json -p "$BATS_TEST_TMPDIR/wrong.json" "$ID"
	rt delete -f "$ID"
	nothing_left
}

@test "exec: options of the command line" {
	plain_bundle sleep 300
	edit '.process.noNewPrivileges = false | .process.capabilities |= map_values(["CAP_SETUID"])'
	begin
	[ "$(ex -u 5:6 -g 7 --additional-gids 8 "$ID" id)" = 'uid=5 gid=6 groups=7,8' ]
	[ "$(ex -u 5 "$ID" id -u)" = 5 ]
	[ "$(ex -e PATH=/bin:/x -e A=1 -e A=2 "$ID" sh -c 'echo $PATH $A')" = '/bin:/x 2' ]
	[ "$(ex "$ID" grep NoNew /proc/self/status | cut -f2)" = 0 ]
	[ "$(ex --no-new-privs "$ID" grep NoNew /proc/self/status | cut -f2)" = 1 ]
	[ "$(ex -c CAP_CHOWN --cap CAP_KILL "$ID" grep CapEff /proc/self/status | cut -f2)" = 00000000000000a1 ]
	[ "$(ex -c CAP_CHOWN "$ID" grep CapInh /proc/self/status | cut -f2)" = 0000000000000080 ]
	for wrong in 'x' '-1' '4294967295' '4294967296' '1:' ':1' '1:x' '1:2:3' '' '0x1' ' 1' '1 '; do
		refused 'is not UID' -u "$wrong" "$ID" id
	done
	refused 'not a group id' -g x "$ID" id
	refused 'unknown capability' -c CAP_X "$ID" id
	refused 'NAME=VALUE' -e A "$ID" id
	refused 'NAME=VALUE' -e =x "$ID" id
	refused 'absolute' --cwd tmp "$ID" id
	[ -e /sys/fs/selinux/enforce ] || refused 'selinuxLabel' --process-label x "$ID" id
	[ -e /sys/kernel/security/apparmor ] || refused 'apparmorProfile' --apparmor x "$ID" id
	refused 'cannot be empty' "$ID"
	refused 'No such file' "$ID" nosuch
	refused 'No such file' "$ID" /bin/no-interpreter
	refused 'Permission denied' "$ID" /bin/not-executable
	refused 'No such file' --cwd /nosuch "$ID" id
	refused 'needs a terminal' --console-socket /nosuch "$ID" id
	refused '/nosuch' -t --console-socket /nosuch "$ID" id
	refused '/nosuch/pid' -d --pid-file /nosuch/pid "$ID" id
	refused 'does not exist' nosuch id
	# the command line itself is wrong
	for line in '--nosuch' '--cwd' "--cwd=/a --cwd=/b $ID id" ''; do
		# shellcheck disable=SC2086
		run ex $line
		[ "$status" -eq 1 ]
	done
	run ex --detatch "$ID" id
	[[ $output == *'did you mean --detach'* ]]
	rt delete -f "$ID"
	nothing_left
}

@test "exec: ids that the user namespace does not map are refused" {
	bundle sleep 300
	begin
	refused 'not mapped' -u 5 "$ID" id
	refused 'not mapped' -u 0:5 "$ID" id
	refused 'not mapped' -g 5 "$ID" id
	[ "$(ex -u 0:0 "$ID" id -u)" = 0 ]
	rt delete -f "$ID"
	nothing_left
}

@test "exec: created, paused, stopped" {
	bundle sleep 300
	rt create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(ex "$ID" hostname)" = job-host ]
	rt start "$ID"
	rt pause "$ID"
	refused 'cannot exec in a paused container' "$ID" id
	timeout 120 "$RUNTIME" --root "$ROOT" exec --ignore-paused "$ID" echo thawed </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pid=$!
	sleep 0.3
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	rt resume "$ID"
	wait $pid
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = thawed ]
	rt kill "$ID" KILL
	wait_status "$ID" stopped
	refused 'cannot exec in a stopped container' "$ID" id
	rt delete "$ID"
	nothing_left
}

@test "exec -t: the console socket gets the master, the program has the slave" {
	for kind in bundle plain_bundle; do
		$kind sleep 300
		begin
		rm -f "$BATS_TEST_TMPDIR/console"
		"$BATS_TEST_DIRNAME/helpers/console.py" "$BATS_TEST_TMPDIR/console" $'hello\n' >"$BATS_TEST_TMPDIR/out" 3>&- &
		reader=$!
		for i in $(seq 600); do [ -S "$BATS_TEST_TMPDIR/console" ] && break; sleep 0.05; done
		ex -d -t --console-socket "$BATS_TEST_TMPDIR/console" "$ID" sh -c 'tty; read x; echo "read $x"; echo to-tty >/dev/tty'
		wait $reader
		cat "$BATS_TEST_TMPDIR/out"
		grep -q '^/dev/pts/0|' "$BATS_TEST_TMPDIR/out"
		grep -q '/dev/pts/0.$' "$BATS_TEST_TMPDIR/out"
		grep -q 'read hello' "$BATS_TEST_TMPDIR/out"
		grep -q 'to-tty' "$BATS_TEST_TMPDIR/out"
		rt delete -f "$ID"
	done
	nothing_left
}

@test "exec: signals are forwarded in the foreground" {
	bundle sleep 300
	begin
	"$RUNTIME" --root "$ROOT" exec "$ID" sh -c 'trap "echo got TERM; exit 42" TERM; echo ready; while :; do sleep 0.1; done' \
		</dev/null >"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	for i in $(seq 600); do grep -q ready "$BATS_TEST_TMPDIR/out" && break; sleep 0.05; done
	kill -TERM $pid
	rc=0
	wait $pid || rc=$?
	[ "$rc" -eq 42 ]
	rt delete -f "$ID"
	nothing_left
}

@test "exec --cgroup: a cgroup below the container's, of all controllers or of one" {
	plain_bundle sleep 300
	begin
	for d in /sys/fs/cgroup/"$CGROUP/$ID" /sys/fs/cgroup/*/"$CGROUP/$ID"; do
		[ -d "$d" ] || continue
		mkdir "$d/sub"
		[ -e "$d/cgroup.controllers" ] || ! [ -e "$d/cpuset.cpus" ] || for f in cpus mems; do cat "$d/cpuset.$f" >"$d/sub/cpuset.$f"; done
	done
	ex --cgroup /sub -d --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sleep 300 >/dev/null 2>&1
	[ "$(grep -c "/$CGROUP/$ID/sub$" "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/cgroup")" -eq "$(grep -c "/$CGROUP/$ID$" "/proc/$INIT/cgroup")" ]
	refused '/nosuch' --cgroup /nosuch "$ID" true
	refused 'empty, . or ..' --cgroup /sub/../.. "$ID" true
	refused 'no cgroup v1 controller' --cgroup nosuch:/sub "$ID" true
	if grep -q :memory: "/proc/$INIT/cgroup"; then
		ex --cgroup memory:sub -d --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sleep 300 >/dev/null 2>&1
		[ "$(grep -c "/$CGROUP/$ID/sub$" "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/cgroup")" -eq 1 ]
		grep -q ":memory:/$CGROUP/$ID/sub$" "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/cgroup"
	fi
	rt delete -f "$ID"
	nothing_left
}

@test "exec: the container's own configuration counts, whatever becomes of the bundle" {
	bundle sleep 300
	begin
	edit '.process.user = {uid: 0, gid: 0} | .process.noNewPrivileges = false | .process.capabilities |= map_values(["CAP_SYS_ADMIN"])'
	[ "$(ex "$ID" id -u)" = 65534 ]
	rm "$BUNDLE/config.json"
	[ "$(ex "$ID" grep NoNew /proc/self/status | cut -f2)" = 1 ]
	rt delete -f "$ID"
	nothing_left
}

@test "exec: one that is killed at any moment leaves the container as it was" {
	bundle sleep 300
	begin
	for delay in 0 0.001 0.002 0.003 0.004 0.005 0.006 0.008 0.01 0.02; do
		for again in 1 2; do
			"$RUNTIME" --root "$ROOT" exec "$ID" true </dev/null >/dev/null 2>&1 3>&- &
			pid=$!
			sleep $delay
			kill -KILL $pid 2>/dev/null || true
			wait $pid 2>/dev/null || true
		done
	done
	for i in $(seq 600); do [ "$(rt ps -f json "$ID")" = "[$INIT]" ] && break; sleep 0.05; done
	[ "$(rt ps -f json "$ID")" = "[$INIT]" ]
	[ "$(status_of "$ID")" = running ]
	rt delete -f "$ID"
	nothing_left
}

@test "exec: many at once, and while the container is deleted" {
	for kind in bundle nopid; do
		if [ $kind = nopid ]; then
			plain_bundle sleep 300
			edit '.linux.namespaces |= map(select(.type != "pid"))'
		else
			bundle sleep 300
		fi
		edit 'del(.linux.resources.pids)'
		begin
		for i in $(seq 10); do
			"$RUNTIME" --root "$ROOT" exec "$ID" sh -c "exit $i" </dev/null >/dev/null 2>&1 3>&- &
			pids[i]=$!
		done
		for i in $(seq 10); do
			rc=0
			wait "${pids[i]}" || rc=$?
			[ "$rc" -eq "$i" ]
		done
		for i in $(seq 10); do
			"$RUNTIME" --root "$ROOT" exec -d "$ID" sleep 300 </dev/null >/dev/null 2>&1 3>&- &
			pids[i]=$!
		done
		rt delete -f "$ID"
		for i in $(seq 10); do wait "${pids[i]}" || true; done
		nothing_left
	done
}

@test "a terminal in the foreground is carried: bytes, size, signals of the keyboard, exit status" {
	cat >"$BATS_TEST_TMPDIR/pty.py" <<-'END'
		# pty.py OUTPUT COMMAND...: runs it in a terminal of 24 lines and 91 columns, answers, prints what was shown and the status
		import fcntl, os, pty, re, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[2], sys.argv[2:])
		fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 91, 0, 0))
		shown, asked = b"", 0
		while True:
		    try:
		        data = os.read(fd, 4096)
		    except OSError:
		        break
		    if not data:
		        break
		    shown += data
		    if asked == 0 and b"first?" in shown:
		        asked = 1
		        os.write(fd, b"word\r")
		    if asked == 1 and b"second?" in shown:
		        asked = 2
		        os.write(fd, b"\x03")
		_, status = os.waitpid(pid, 0)
		with open(sys.argv[1], "wb") as out:
		    out.write(shown + b"\nstatus %d\n" % os.waitstatus_to_exitcode(status))
	END
	script='trap "echo interrupted; exit 7" INT; tty; echo "first?"; read x; stty size; echo "read $x"; echo "second?"; while :; do sleep 0.1; done'
	bundle sleep 300
	begin
	timeout 60 /usr/bin/python3 -I "$BATS_TEST_TMPDIR/pty.py" "$BATS_TEST_TMPDIR/out" "$RUNTIME" --root "$ROOT" exec -t "$ID" sh -c "$script" </dev/null >/dev/null 3>&-
	cat -v "$BATS_TEST_TMPDIR/out"
	for words in /dev/pts/0 'read word' '24 91' interrupted 'status 7'; do grep -q "$words" "$BATS_TEST_TMPDIR/out"; done
	rt delete -f "$ID"
	edit --arg s "$script" '.process.terminal = true | .process.args = ["sh", "-c", $s]'
	timeout 60 /usr/bin/python3 -I "$BATS_TEST_TMPDIR/pty.py" "$BATS_TEST_TMPDIR/out" "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" </dev/null >/dev/null 3>&-
	cat -v "$BATS_TEST_TMPDIR/out"
	for words in /dev/pts/0 'read word' '24 91' interrupted 'status 7'; do grep -q "$words" "$BATS_TEST_TMPDIR/out"; done
	# without a terminal here, input and output are pipes
	edit '.process.args = ["sh", "-c", "read x; echo got $x; seq 20000; exit 3"]'
	rc=0
	echo word | timeout 60 "$RUNTIME" --root "$ROOT" run -b "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/out" 3>&- || rc=$?
	[ "$rc" -eq 3 ]
	grep -q 'got word' "$BATS_TEST_TMPDIR/out"
	[ "$(tr -d '\r' <"$BATS_TEST_TMPDIR/out" | tail -1)" = 20000 ]
	nothing_left
}
