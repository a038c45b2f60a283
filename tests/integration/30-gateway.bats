#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The gateway alone, with a core that only echoes: gRPC with a client that is not ours, with our own, and with hostile ones.

setup_file() {
	export GW_DIR GW_BIN=${JOBLET_BIN:-$BATS_TEST_DIRNAME/../../build/release/bin}
	GW_DIR=$(mktemp -d "/tmp/${JOBLET_TEST_NAME:-joblet-test}-gw-XXXXXX")
	mkdir "$GW_DIR/certs"
	bash "$BATS_TEST_DIRNAME/helpers/grpc_certs.sh" "$GW_DIR/certs"
}

teardown_file() {
	rm -rf "$GW_DIR"
}

# up [limit=number …]: starts core and gateway; sets PORT, GATEWAY (pid), ECHO (pid)
up() {
	local i
	rm -f "$GW_DIR"/{in,out,err} # what the one before said is no answer
	mkfifo "$GW_DIR/in"
	"$GW_BIN/gateway-echo" "$GW_DIR"/certs/{server.pem,server.key,ca.pem} "$@" <"$GW_DIR/in" >"$GW_DIR/out" 2>"$GW_DIR/err" 3>&- &
	ECHO=$!
	exec 9>"$GW_DIR/in"
	for ((i = 0; i < 1200; i++)); do
		grep -qs '^READY\|^FAILED\|^EXIT' "$GW_DIR/out" && break
		sleep 0.05
	done
	PORT=$(sed -n 's/^PORT //p' "$GW_DIR/out")
	GATEWAY=$(sed -n 's/^GATEWAY //p' "$GW_DIR/out")
}

# The gateway goes with its core, by itself, and without a complaint.
down() {
	exec 9>&-
	wait "$ECHO" || true
	ECHO=
	cat "$GW_DIR/out" "$GW_DIR/err"
	tail -1 "$GW_DIR/out" | grep -qx 'EXIT 0'
	if grep 'error' "$GW_DIR/err"; then
		return 1
	fi
}

teardown() {
	exec 9>&-
	[ -z "${ECHO:-}" ] || kill -9 "$ECHO" 2>/dev/null || true
	[ -z "${OTHER:-}" ] || kill -9 "$OTHER" 2>/dev/null || true
}

drive() {
	timeout 100 "$BATS_TEST_DIRNAME/helpers/grpc_gateway.py" "$PORT" "$GW_DIR/certs" "$@" 3>&- 9>&-
}

try() { # NAME MODE …: our own client
	local name=$1
	shift
	timeout 60 "$GW_BIN/rpc-try" "127.0.0.1:$PORT" "$GW_DIR/certs/$name.pem" "$GW_DIR/certs/$name.key" "$GW_DIR/certs/ca.pem" "$@" 3>&- 9>&-
}

descriptors() { find "/proc/$GATEWAY/fd" -mindepth 1 | wc -l; }
# The address sanitizer keeps what was freed; what this bounds is then of the order of a leak only.
slack() { case $GW_BIN in *asan*) echo 400000 ;; *) echo "$1" ;; esac; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$GATEWAY/status"; }

@test "it gives up everything before it serves" {
	up
	cat "/proc/$GATEWAY/status"
	for line in 'Uid: 65534 65534 65534 65534' 'Gid: 65534 65534 65534 65534' 'Groups: ' 'CapInh: 0000000000000000' \
		'CapPrm: 0000000000000000' 'CapEff: 0000000000000000' 'CapBnd: 0000000000000000' 'CapAmb: 0000000000000000' \
		'NoNewPrivs: 1' 'Seccomp: 2'; do
		tr '\t' ' ' <"/proc/$GATEWAY/status" | grep -q "^$line *\$"
	done
	[ -z "$(ls -A "/proc/$GATEWAY/root/")" ]
	run touch "/proc/$GATEWAY/root/x"
	[ "$status" -ne 0 ]
	[ "$(readlink "/proc/$GATEWAY/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
	grep -q '^Max core file size *0 ' "/proc/$GATEWAY/limits"
	[ "$(tr -d '\0' <"/proc/$GATEWAY/environ" | wc -c)" -eq 0 ]
	down
}

@test "a wrong configuration is FAILED with its reason" {
	local good="$GW_DIR"/certs
	for row in "expired.pem expired.key ca.pem|certificate expired" "future.pem future.key ca.pem|not yet valid (check the clock)" \
		"server.pem admin.key ca.pem|key does not match the certificate" "admin.key server.key ca.pem|certificate is not readable PEM" \
		"server.pem ca.pem ca.pem|key is not readable PEM" "server.pem server.key server.key|CA certificate is not readable PEM" \
		"server.pem server.key ca.pem nosuch=1|unknown key"; do
		read -r cert key ca limit <<<"${row%|*}"
		run timeout 120 "$GW_BIN/gateway-echo" "$good/$cert" "$good/$key" "$good/$ca" $limit </dev/zero
		echo "$output"
		grep -q "^FAILED .*${row#*|}" <<<"$output"
		grep -qx "EXIT 1" <<<"$output"
	done
}

@test "all kinds of calls, from a client that is not ours" {
	up
	drive kinds
	before=$(descriptors)
	drive kinds
	sleep 0.3
	[ "$(descriptors)" -eq "$before" ]
	down
}

@test "deadlines are kept on either side" {
	up
	drive deadline
	down
	[ "$(grep -c '^CANCELLED unary' "$GW_DIR/out")" -eq 2 ]
}

@test "cancel goes both ways" {
	up
	drive cancel
	down
	grep -qx 'CANCELLED unary' "$GW_DIR/out"
	grep -qx 'CANCELLED stream' "$GW_DIR/out"
}

@test "wrong paths, headers and messages never reach the core" {
	up
	drive refused
	down
	[ "$(grep -c BAD "$GW_DIR/out")" -eq 0 ]
}

@test "the certificate zoo" {
	up
	run drive identity
	echo "$output"
	[ "$status" -eq 0 ]
	grep -q '^expired alert: .*CERTIFICATE_EXPIRED' <<<"$output"
	grep -q '^foreign alert: .*UNKNOWN_CA' <<<"$output"
	drive versions
	down
	for reason in 'certificate expired' 'not yet valid' 'unknown CA' 'self-signed' 'extended key usage' 'no certificate' \
		'cn=double .*more than one organizational unit'; do
		grep -q "^AUTH_FAILED .*$reason" "$GW_DIR/out"
	done
}

@test "our client says why it was refused" {
	up
	run try foreign unary
	[ "$status" -eq 4 ] && [[ $output == *"Permission denied"*"signed by a CA it does not know"* ]]
	run try server-eku unary
	[ "$status" -eq 4 ] && [[ $output == *"not made for this use"* ]]
	run try no-ou unary
	[ "$status" -eq 1 ] && [[ $output == *"UNAUTHENTICATED: the certificate has no organizational unit"* ]]
	run try expired unary
	[ "$status" -eq 4 ] && [[ $output == *"certificate expired"* ]]
	run try rsa1024 unary
	[ "$status" -eq 4 ] && [[ $output == *"too weak"* ]]
	cp "$GW_DIR/certs/ca.pem" "$GW_DIR/right.pem"
	cp "$GW_DIR/certs/other-ca.pem" "$GW_DIR/certs/ca.pem"
	run try admin unary
	cp "$GW_DIR/right.pem" "$GW_DIR/certs/ca.pem"
	[ "$status" -eq 4 ] && [[ $output == *"unknown CA"* ]]
	down
	run try admin unary
	[ "$status" -eq 4 ] && [[ $output == *"Connection refused"* ]]
}

@test "a server that is not joblet is refused by our client" {
	local out="$GW_DIR/wrong"
	mkfifo "$GW_DIR/in2"
	"$GW_BIN/gateway-echo" "$GW_DIR"/certs/{wrong-name.pem,wrong-name.key,ca.pem} <"$GW_DIR/in2" >"$out" 2>&1 3>&- &
	ECHO=$!
	exec 9>"$GW_DIR/in2"
	for ((i = 0; i < 1200; i++)); do
		grep -q READY "$out" && break
		sleep 0.05
	done
	PORT=$(sed -n 's/^PORT //p' "$out")
	run try admin unary
	[ "$status" -eq 4 ] && [[ $output == *"for another name"* ]]
	exec 9>&-
	wait "$ECHO" || true
	ECHO=
}

@test "our client: every kind of call, large messages, cancel, deadline" {
	up
	[[ $(try admin unary 3000000) == *"3000000 same"*OK* ]]
	[[ $(try admin bidi 5000 1000) == *"5000 back"*OK* ]]
	[[ $(try admin stream "2000 1000") == *"2000 messages 2000000 bytes"*OK* ]]
	[[ $(try admin cancel) == *"10 same"*OK* ]]
	run try admin unary 5000000
	[[ $output == *RESOURCE_EXHAUSTED*"longer than 4194304"* ]]
	run try admin stream "100000 100000" 0 200
	[[ $output == *DEADLINE_EXCEEDED* ]]
	down
}

@test "100 MB to a slow reader: nothing is kept in memory" {
	up
	try admin stream "100 100000" >/dev/null
	before=$(memory)
	try admin stream "1000 100000" 5 >"$GW_DIR/slow" &
	OTHER=$!
	most=0
	while kill -0 "$OTHER" 2>/dev/null; do
		now=$(memory)
		[ "$now" -le "$most" ] || most=$now
		sleep 0.2
	done
	wait "$OTHER"
	OTHER=
	grep -q '1000 messages 100000000 bytes' "$GW_DIR/slow"
	echo "before $before KiB, most $most KiB"
	[ "$most" -lt $((before + $(slack 2048))) ]
	down
}

@test "a client that never reads holds back the core, and is let go of" {
	up idleTimeoutMs=2000
	drive stalled 1000 100000 >"$GW_DIR/stalled"
	cat "$GW_DIR/stalled"
	grep -qx reset "$GW_DIR/stalled"
	drive kinds
	down
	grep -qx 'CANCELLED stream' "$GW_DIR/out"
}

@test "slow handshake, idle connection" {
	up handshakeTimeoutMs=500 idleTimeoutMs=1000
	drive slow_handshake 0.5
	drive idle 1.0
	down
}

@test "garbage on the port" {
	up
	drive garbage
	drive kinds
	down
}

@test "300 connections" {
	up maxConnections=50 maxConnectionsPerAddress=20
	before=$(descriptors)
	drive many 20
	sleep 0.3
	[ "$(descriptors)" -eq "$before" ]
	down
}

@test "connections of one certificate" {
	up maxConnectionsPerClient=3
	drive per_client 3
	down
}

@test "too many headers" {
	up
	drive headers
	drive kinds
	down
}

@test "floods end the connection that makes them, and nothing else" {
	up
	before=$(memory)
	run drive floods
	echo "$output"
	[ "$status" -eq 0 ]
	drive kinds
	sleep 0.3
	[ "$(memory)" -lt $((before + $(slack 16384))) ]
	down
}

@test "drain: calls end well, new ones find nobody" {
	up
	drive drain >"$GW_DIR/drain" &
	OTHER=$!
	for ((i = 0; i < 1200; i++)); do
		grep -qx open "$GW_DIR/drain" && break
		sleep 0.05
	done
	echo drain >&9
	wait "$OTHER"
	OTHER=
	wait "$ECHO"
	ECHO=
	tail -1 "$GW_DIR/out" | grep -qx 'EXIT 0'
}

@test "the gateway goes when its core is killed" {
	up
	kill -9 "$ECHO"
	wait "$ECHO" || true
	ECHO=
	for ((i = 0; i < 1200; i++)); do
		[ -d "/proc/$GATEWAY" ] || break
		sleep 0.05
	done
	[ ! -d "/proc/$GATEWAY" ]
}

@test "a standard tool: h2load" {
	up
	printf '\0\0\0\0\3abc' >"$GW_DIR/body"
	# h2load has no client certificate, so it gets no further than the handshake, in numbers
	run timeout 60 h2load -n 200 -c 20 -d "$GW_DIR/body" "https://127.0.0.1:$PORT/joblet.JobService/ListJobs"
	[ "$status" -ne 127 ]
	grep -q '200 total, .* 0 succeeded' <<<"$output"
	drive kinds
	sleep 1.2
	down
	grep -q 'AUTH_FAILED .*left_out=[1-9]' "$GW_DIR/out"
}
