#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line of rnx and its configuration: everything that is decided without a server.

bats_require_minimum_version 1.5.0
load helpers/rnx_fake

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export HOME=$BATS_TEST_TMPDIR/home
	unset RNX_CONFIG RNX_NODE
}

# The command on a machine where joblet is not installed.
bare() {
	unshare -m sh -c 'for d in /etc/joblet /opt/joblet; do [ ! -d $d ] || mount -t tmpfs none $d; done; exec "$@"' _ "$@"
}

@test "version and help" {
	run -0 rnx --version
	[[ $output =~ ^rnx\ [0-9]+\.[0-9]+\.[0-9]+\ \([0-9a-z]+\)$ ]]
	run -0 --separate-stderr rnx --json --version
	[ "$(jq -r 'keys | join(",")' <<<"$output")" = commit,version ]
	run -0 rnx -h
	[[ $output == *"job run"* && $output != *" complete "* ]]
	run -0 rnx job run --help
	[[ $output == *Examples:*--max-memory*--json* ]]
	run -0 rnx help job stop
	[[ $output == *"rnx job stop ID"* ]]
	run -0 rnx help job
	[[ $output == *"job delete-all"* && $output != *nodes* ]]
	run -2 --separate-stderr rnx
	[ -z "$output" ]
	run -2 --separate-stderr rnx job
	[ -z "$output" ]
}

@test "what is not known names what may be meant, and ends with 2" {
	run -2 rnx jbo list
	[[ $output == *"unknown command jbo"*"rnx job"* ]]
	run -2 rnx job stpo x
	[[ $output == *"unknown command job stpo"*"rnx job stop"* ]]
	run -2 rnx volume list
	[[ $output == *"unknown command volume"* ]]
	run -2 rnx monitor
	[[ $output == *"unknown command monitor"* ]]
	run -2 rnx job run --max-memroy=5 true
	[[ $output == *"unknown flag --max-memroy"*"--max-memory"* ]]
	run -2 rnx job list --nmae x
	[[ $output == *"--name"* ]]
	run -2 --separate-stderr rnx --json job list --nmae x
	[ -z "$output" ]
	[ "$(jq -r .error.code <<<"$stderr")" = USAGE ]
	[ "$(jq -r '.error | keys | join(",")' <<<"$stderr")" = code,hint,message ]
}

@test "numbers, times and names are strict" {
	local flag
	for flag in --max-cpu=1.5 --max-cpu=10001 --max-memory=-1 --max-memory=512MB --max-memory= --max-iobps=1e6 --max-iobps=9999999999 \
		--timeout=soon --schedule=tomorrow --schedule=2020-01-01T00:00:00Z --name=1x --name=a/b --cpu-cores=a --cpu-cores=3-1 \
		--env=1X=y --env==y --secret-env=A-B=x --label=x --on-disconnect=perhaps --env=NOT_SET_ANYWHERE --gpu=x; do
		run -2 rnx job run $flag true
		[[ $output == *"${flag%%=*}"* ]] || { echo "$flag: $output"; false; }
	done
	run -2 rnx job list --status runing
	[[ $output == *"RUNNING"* ]]
	run -2 rnx job list --since yesterday
	run -2 rnx job list -n 0
	run -2 rnx job list --format '{stauts}'
	[[ $output == *"{status}"* ]]
	run -2 rnx job log --stream both x
	run -2 rnx job log --tail=-1 x
	run -2 rnx job wait --timeout x y
	run -2 rnx job signal x NOSIG
}

@test "words that are missing or too many" {
	local c
	for c in "job run" "job run --" "job run --max-cpu=1" "job stop" "job cancel" "job delete" "job status" "job log" "job wait" \
		"job attach" "job signal x" "use" "job list x" "job log a b" "job run -d -t x"; do
		run -2 rnx $c
		[[ $output == error:* ]] || { echo "$c: $output"; false; }
	done
	run -2 rnx job run ""
	[[ $output == *"the command is empty"* ]]
	run -2 rnx job run echo $'\xff'
	[[ $output == *UTF-8* ]]
	run -125 rnx job run --upload x true
	[[ $output == *"--upload"* ]]
}

# A configuration file that is good but for what $1 (a sed script) changes.
config() {
	local pem=$'      -----BEGIN CERTIFICATE-----\n      x\n      -----END CERTIFICATE-----'
	(
		umask 077
		rm -f c.yml
		printf 'version: "3.0"\nnodes:\n  default:\n    address: "127.0.0.1:1"\n    cert: |\n%s\n    key: |\n%s\n    ca: |\n%s\n' \
			"$pem" "$pem" "$pem" | sed "$1" >c.yml
	)
}

@test "the configuration: where it is, who can read it, what is in it" {
	run -125 bare "$RNX" nodes
	[[ $output == *"no configuration"*".rnx/rnx-config.yml"* ]]
	config ''
	RNX_CONFIG=c.yml run -0 rnx nodes
	[[ $output == *"127.0.0.1:1"* ]]
	run -0 rnx --config c.yml nodes
	run -0 rnx nodes --config=c.yml
	mkdir -p home/.rnx config && cp -p c.yml home/.rnx/rnx-config.yml
	run -0 rnx nodes
	printf 'nodes: 5\n' >config/rnx-config.yml && chmod 600 config/rnx-config.yml
	run -125 rnx nodes
	[[ $output == *"./config/rnx-config.yml:1: nodes must be"* ]]
	cp -p c.yml rnx-config.yml
	run -0 rnx nodes
	chmod 640 c.yml
	run -125 rnx --config c.yml nodes
	[[ $output == *"can be read by others"*"chmod 600 c.yml"* ]]
	run -125 rnx --config nothing.yml nodes
	[[ $output == *"nothing.yml"* ]]
	config 's/address/adress/'
	run -125 rnx --config c.yml nodes
	[[ $output == *"c.yml:4: unknown key adress"* ]]
	config '$a\    isDefault: 7'
	run -125 rnx --config c.yml nodes
	[[ $output == *"c.yml:17: isDefault must be true or false"* ]]
	run -125 rnx --config . nodes
	run -125 --separate-stderr rnx --json --config c.yml job list
	[ "$(jq -r .error.code <<<"$stderr")" = CONFIG ]
}

@test "no server, no certificate" {
	config ''
	local began=$SECONDS
	run -125 rnx --config c.yml job list
	[[ $output == error:* ]]
	[ $((SECONDS - began)) -le 5 ]
	run -125 rnx --config c.yml --node other job list
	[[ $output == *"no node other (there is default)"* ]]
}

@test "completion knows commands, flags and nodes" {
	run -0 rnx completion bash
	[[ $output == *"complete -o default -F _rnx rnx"* ]]
	run -0 rnx completion zsh
	[[ $output == "#compdef rnx"* ]]
	run -0 rnx completion fish
	run -2 rnx completion tcsh
	run -0 rnx complete -- j
	[ "$output" = job ]
	run -0 rnx complete -- job st
	[ "$output" = $'status\nstop' ]
	run -0 rnx complete -- --json job run --max-m
	[ "$output" = --max-memory ]
	config ''
	RNX_CONFIG=c.yml run -0 rnx complete -- use ""
	[ "$output" = default ]
	run -0 bash -c 'source <(rnx completion bash); COMP_WORDS=(rnx job sto); COMP_CWORD=2; _rnx; echo "${COMPREPLY[@]}"'
	[ "$output" = stop ]
}

@test "standard descriptors that are closed harm nothing" {
	run -0 bash -c '"$1" --version <&- 2>&-' _ "$RNX"
	run bare bash -c '"$1" job list <&- >&- 2>&-' _ "$RNX"
	[ "$status" -eq 125 ]
	run bash -c '"$1" help >/dev/full' _ "$RNX"
	[ "$status" -ne 0 ]
}
