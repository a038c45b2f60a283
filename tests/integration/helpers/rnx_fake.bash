#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# rnx against a jobletd that is none (fake_jobletd.py). Loaded by bats files:
#
#	fake_start     makes certificates and configuration, starts the server; sets FAKE_DIR, FAKE_PID, RNX_CONFIG
#	fake_stop      ends it and removes everything
#	fake_events    what the server was asked for, a JSON object a line
#	rnx …          the rnx of this build

FAKE_SOURCE=${JOBLET_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
RNX=${JOBLET_BIN:-$FAKE_SOURCE/build/release/bin}/rnx
PATH=${RNX%/*}:$PATH

rnx() {
	"$RNX" "$@"
}

# fake_node NAME CERTIFICATE [more lines]
fake_node() {
	printf '  %s:\n    address: "127.0.0.1:%s"\n%s' "$1" "$FAKE_PORT" "${3:-}"
	printf '    cert: |\n' && sed 's/^/      /' "$FAKE_DIR/$2.pem"
	printf '    key: |\n' && sed 's/^/      /' "$FAKE_DIR/$2.key"
	printf '    ca: |\n' && sed 's/^/      /' "$FAKE_DIR/ca.pem"
}

fake_config() {
	(
		umask 077
		{
			printf 'version: "3.0"\n# a remark\nnodes:\n'
			fake_node default admin $'    isDefault: true\n'
			fake_node viewer viewer
		} >"$FAKE_DIR/rnx-config.yml"
	)
}

fake_start() {
	local i
	FAKE_DIR=$(mktemp -d "/tmp/${JOBLET_TEST_NAME:-joblet-test}-XXXXXX")
	bash "$FAKE_SOURCE/tests/integration/helpers/grpc_certs.sh" "$FAKE_DIR" short
	PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$FAKE_SOURCE/tests/integration/helpers/fake_jobletd.py" "$FAKE_DIR" \
		</dev/null >"$FAKE_DIR/server.log" 2>&1 3>&- &
	FAKE_PID=$!
	for ((i = 0; i < 2400; i++)); do
		[ ! -s "$FAKE_DIR/port" ] || break
		kill -0 "$FAKE_PID" 2>/dev/null || break
		sleep 0.05
	done
	if [ ! -s "$FAKE_DIR/port" ]; then
		cat "$FAKE_DIR/server.log" >&2
		return 1
	fi
	FAKE_PORT=$(cat "$FAKE_DIR/port")
	fake_config
	export FAKE_DIR FAKE_PID FAKE_PORT RNX RNX_CONFIG=$FAKE_DIR/rnx-config.yml
	unset RNX_NODE
}

fake_stop() {
	[ -n "${FAKE_DIR:-}" ] || return 0
	kill -KILL "$FAKE_PID" 2>/dev/null || true
	wait "$FAKE_PID" 2>/dev/null || true
	rm -rf "$FAKE_DIR"
	FAKE_DIR=
}

fake_events() {
	cat "$FAKE_DIR/events.jsonl"
}
