#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jobletd as a program: its command line, its configuration, what keeps it from starting, its end, and its gateway.

load helpers/daemon

setup() {
	daemon_make
}

teardown() {
	daemon_clean
}

config() {
	echo "$DAEMON_HOME/config/joblet-config.yml"
}

# Starts in the foreground; it must end by itself with status 1 and this text.
refuses() {
	run timeout 20 "$DAEMON_BIN/jobletd" --config "$(config)"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
}

@test "command line" {
	run "$DAEMON_BIN/jobletd" --version
	[ "$status" -eq 0 ]
	[[ $output == "jobletd "[0-9]* ]]
	run "$DAEMON_BIN/jobletd" -h
	[ "$status" -eq 0 ]
	[[ $output == usage:* ]]
	run "$DAEMON_BIN/jobletd" --nosuch
	[ "$status" -eq 2 ]
	run "$DAEMON_BIN/jobletd" word
	[ "$status" -eq 2 ]
	run "$DAEMON_BIN/jobletd" --config "$(config)" --check-config
	[ "$status" -eq 0 ]
	[ "$output" = "$(config): ok" ]
	run "$DAEMON_BIN/jobletd" --config "$(config)" --print-config
	[ "$status" -eq 0 ]
	[[ $output == *$'\n  serverKey: "***"\n'* && $output != *BEGIN* ]]
}

@test "the manual has no fault, and every option" {
	page=$DAEMON_SOURCE/jobletd/jobletd.8
	[ -z "$(man -l --warnings -E UTF-8 "$page" 2>&1 >/dev/null)" ]
	text=$(MANWIDTH=1000 man -l -E UTF-8 "$page" | col -bx)
	options=$({ "$DAEMON_BIN/jobletd" --help; "$DAEMON_BIN/jobletd" audit --help; } | grep -o -- '--[a-z-]*')
	[ "$(wc -w <<<"$options")" -ge 8 ]
	for option in $options; do grep -qF -- "$option" <<<"$text"; done
}

@test "a wrong configuration is refused with its line" {
	echo 'nosuch: 1' >>"$(config)"
	run "$DAEMON_BIN/jobletd" --config "$(config)" --check-config
	[ "$status" -eq 1 ]
	[[ $output == *"joblet-config.yml:$(wc -l <"$(config)"):"*nosuch* ]]
	sed -i '$d' "$(config)"
	sed -i 's/^  port: .*/  port: many/' "$(config)"
	refuses "joblet-config.yml:$(grep -n '  port:' "$(config)" | cut -d: -f1):"
	run "$DAEMON_BIN/jobletd" --config "$DAEMON_HOME/nosuch.yml"
	[ "$status" -eq 1 ]
	[[ $output == *nosuch.yml* ]]
	chmod 0644 "$(config)"
	refuses "chmod 600"
}

@test "the cipher suites of the configuration, and no other" {
	daemon_clean
	daemon_make server.tls='{cipher_suites: [TLS_CHACHA20_POLY1305_SHA256]}'
	daemon_start
	jc call Health.Check
	try() { timeout 20 openssl s_client -connect "127.0.0.1:$DAEMON_PORT" -alpn h2 -ciphersuites "$1" </dev/null 2>&1; }
	try TLS_CHACHA20_POLY1305_SHA256 | grep -q 'Cipher is TLS_CHACHA20_POLY1305_SHA256'
	run try TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256
	[[ $output == *"Cipher is (NONE)"* ]]
}

@test "only the commands that the configuration allows" {
	daemon_clean
	daemon_make joblet.validateCommands=true 'joblet.allowedCommands=[echo]'
	daemon_start
	[ "$(jc run --wait /bin/echo yes)" = yes ]
	run jc run sh -c 'echo no'
	[ "$status" -eq 3 ]
	[[ $output == 'PERMISSION_DENIED: the command "sh" is not in joblet.allowedCommands'* ]]
}

@test "a port that is in use" {
	exec 5< <(exec /usr/bin/python3 -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); sys.stdout.close(); time.sleep(60)')
	holder=$!
	read -r port <&5
	sed -i "s/^  port: .*/  port: $port/" "$(config)"
	refuses "port $port of 127.0.0.1 is in use"
	kill "$holder"
	exec 5<&-
	sed -i 's/^  address: .*/  address: 203.0.113.9/' "$(config)"
	refuses "cannot listen on 203.0.113.9"
	[ ! -e "$DAEMON_HOME/state/joblet.db" ]
}

@test "certificates that cannot serve" {
	cp "$(config)" "$DAEMON_HOME/good.yml"
	# a key that belongs to another certificate
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null | sed 's/^/    /' >"$DAEMON_HOME/key"
	awk -v f="$DAEMON_HOME/key" '/serverKey:/ { print; while ((getline l < f) > 0) print l; skip = 1; next } skip && /^    / { next } { skip = 0; print }' \
		"$DAEMON_HOME/good.yml" >"$(config)"
	refuses match
	# a certificate that cannot be read
	sed 's/^    M.*/    rubbish/' "$DAEMON_HOME/good.yml" >"$(config)"
	refuses certificate
	sed '/serverKey:/,/END/d' "$DAEMON_HOME/good.yml" >"$(config)"
	refuses serverKey
}

@test "a user that is not there" {
	cp "$(config)" "$DAEMON_HOME/good.yml"
	sed -i 's/^  user: .*/  user: nosuch-user/' "$(config)"
	refuses "nosuch-user"
	sed 's/^  user: .*/  user: root/' "$DAEMON_HOME/good.yml" >"$(config)"
	refuses "must not be root"
}

@test "a shim or runtime that is missing or cannot be executed: said at start, and by each job" {
	cp "$(config)" "$DAEMON_HOME/good.yml"
	touch "$DAEMON_HOME/plain"
	for key in "shim: /nosuch/shim" "runtime: $DAEMON_HOME/plain"; do
		sed "s|^  ${key%%:*}: .*|  $key|" "$DAEMON_HOME/good.yml" >"$(config)"
		daemon_start
		grep -q "error jobletd: ${key#*: } cannot be executed" "$DAEMON_HOME/jobletd.log"
		run jc run --wait true
		[ "$status" -eq 125 ]
		jc call JobService.GetJobStatus '{"uuid": "@last"}' | grep -qF "${key#*: }"
		[ -z "$(daemon_leftovers)" ]
		daemon_stop
	done
}

@test "two daemons on one home" {
	daemon_start
	refuses "another jobletd runs"
	jc call Health.Check
}

@test "pid and port files, and modes of the folders" {
	daemon_start
	[ "$(cat "$DAEMON_HOME/run/jobletd.pid")" = "$DAEMON_PID" ]
	for folder in state logs; do [ "$(stat -c %a "$DAEMON_HOME/$folder")" = 700 ]; done
	[ "$(stat -c %a "$DAEMON_HOME/jobs")" = 711 ]
	daemon_stop
	[ ! -e "$DAEMON_HOME/run/jobletd.pid" ]
	[ ! -e "$DAEMON_HOME/run/port" ]
}

@test "it tells systemd when it is ready" {
	export NOTIFY_SOCKET=$DAEMON_HOME/notify
	timeout 30 /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print(s.recv(4096).decode())' "$NOTIFY_SOCKET" >"$DAEMON_HOME/notified" 3>&- &
	listener=$!
	for _ in $(seq 100); do [ ! -S "$NOTIFY_SOCKET" ] || break; sleep 0.05; done
	daemon_start
	wait "$listener"
	grep -q READY=1 "$DAEMON_HOME/notified"
}

gateway_pid() {
	pgrep -P "$DAEMON_PID" -f -- --gateway
}

@test "the gateway runs without rights" {
	daemon_start
	pid=$(gateway_pid)
	[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" = "$(id -u nobody) $(id -u nobody) $(id -u nobody) $(id -u nobody)" ]
	[ "$(awk '/^Groups:/ { print NF }' "/proc/$pid/status")" = 1 ]
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		[ "$(awk -v s="$set:" '$1 == s { print $2 }' "/proc/$pid/status")" = 0000000000000000 ]
	done
	[ "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" = 1 ]
	[ "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" = 2 ]
	[ -z "$(ls -A "/proc/$pid/root/")" ]
	[ -z "$(tr -d '\0' <"/proc/$pid/environ")" ]
	# neither has the database or a job's directory open
	! ls -l "/proc/$pid/fd" | grep -vF jobletd.log | grep -F "$DAEMON_HOME/"
}

@test "a gateway that is killed is started again; jobs and connections to come do not notice" {
	daemon_start
	id=$(jc run sh -c 'echo before; sleep 2; echo after')
	for _ in 1 2 3; do
		old=$(gateway_pid)
		kill -KILL "$old"
		for _ in $(seq 200); do
			new=$(gateway_pid) || new=
			[ -z "$new" ] || [ "$new" = "$old" ] || break
			sleep 0.02
		done
		[ -n "$new" ]
		[ "$new" != "$old" ]
		jc call Health.Check
	done
	[ "$(jc wait "$id")" = "$id COMPLETED 0" ]
	[ "$(jc logs "$id")" = "$(printf 'before\nafter')" ]
}

@test "TERM ends it with streams open, and jobs go on" {
	daemon_start
	id=$(jc run sh -c 'echo one; until [ -e /work/go ]; do sleep 0.1; done; echo two; exit 5')
	jc logs "$id" >"$DAEMON_HOME/out" 2>"$DAEMON_HOME/err" 3>&- &
	stream=$!
	while [ ! -s "$DAEMON_HOME/out" ]; do sleep 0.05; done
	daemon_stop
	! wait "$stream"
	grep -q UNAVAILABLE "$DAEMON_HOME/err"
	[ -n "$(daemon_processes)" ]
	daemon_start
	touch "$DAEMON_HOME/jobs/$id/work/go"
	[ "$(jc wait "$id")" = "$id FAILED 5" ]
	[ "$(jc logs "$id")" = "$(printf 'one\ntwo')" ]
}

@test "HUP harms nothing" {
	daemon_start
	kill -HUP "$DAEMON_PID"
	jc call Health.Check
	grep -q 'signal HUP' "$DAEMON_HOME/jobletd.log"
}

# From here on jobletd is started with what a service manager passes: descriptors 3 and on, made by this line of Python.
activate() {
	mkdir "$DAEMON_HOME/activated"
	cat >"$DAEMON_HOME/activated/jobletd" <<-EOF
		#!/usr/bin/python3
		import fcntl, os, socket, sys
		tcp, udp = socket.socket(socket.AF_INET6), socket.socket(type=socket.SOCK_DGRAM)
		tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
		tcp.bind(("::ffff:127.0.0.1", 0))
		tcp.listen()
		print(tcp.getsockname()[1], file=open("$DAEMON_HOME/bound", "w"), flush=True)
		passed = [fcntl.fcntl(s, fcntl.F_DUPFD, 100) for s in [$1]]
		for i, f in enumerate(passed):
		    os.dup2(f, 3 + i)
		os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)))
		os.execv("$DAEMON_BIN/jobletd", ["jobletd"] + sys.argv[1:])
	EOF
	chmod 755 "$DAEMON_HOME/activated/jobletd"
	DAEMON_BIN=$DAEMON_HOME/activated
}

@test "socket activation: it serves on the socket that it was passed" {
	activate tcp
	daemon_start
	[ "$DAEMON_PORT" = "$(cat "$DAEMON_HOME/bound")" ]
	grep -q "listens on ::ffff:127.0.0.1 port $DAEMON_PORT" "$DAEMON_HOME/jobletd.log" # and not what the configuration says
	jc call Health.Check
}

@test "socket activation: a gateway that died has a successor on the same socket" {
	activate tcp
	daemon_start
	kill -KILL "$(gateway_pid)"
	for _ in $(seq 600); do
		! grep -q "gateway started again" "$DAEMON_HOME/jobletd.log" || break
		sleep 0.05
	done
	jc call Health.Check
}

@test "socket activation: two sockets, and one that is not TCP, are refused" {
	activate tcp,tcp
	refuses "socket activation: 2 sockets; jobletd listens on one"
	sed -i 's/\[tcp,tcp\]/[udp]/' "$DAEMON_BIN/jobletd"
	refuses "socket activation: descriptor 3 is no listening TCP socket"
}
