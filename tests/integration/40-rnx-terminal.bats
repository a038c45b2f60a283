#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# rnx in a terminal: raw mode and its end on every way out, window size, keys, control sequences, the width of tables, questions.

bats_require_minimum_version 1.5.0
load helpers/rnx_fake

setup_file() {
	fake_start
}

teardown_file() {
	fake_stop
}

play() {
	/usr/bin/python3 "$FAKE_SOURCE/tests/integration/helpers/rnx_pty.py" "$@"
}

@test "-it: window, keys, resize, and the terminal as it was" {
	run -0 play --size 30x101 expect:'size 30x101' send:'a' expect:"typed b'a'" send:'\x03' expect:"typed b'\\\\x03'" resize:40x120 pause:0.3 \
		send:b expect:'size 40x120' send:q -- "$RNX" job run -it size
	[[ $output == *"status 0"*"mode same"* ]]
}

@test "-it: the terminal is put back when rnx is killed by a signal, and when the user leaves" {
	run -0 play expect:'size' send:'\x1d\x1d' -- "$RNX" job run -it size
	[[ $output == *"the job goes on: rnx job attach"*"status 130"*"mode same"* ]]
	run -0 play expect:'size' signal:TERM pause:0.3 send:q -- "$RNX" job run -it size
	[[ $output == *"status 0"*"mode same"* ]]
	run -0 play expect:'size' signal:ABRT -- "$RNX" job run -it size
	[[ $output == *"status 134"*"mode same"* ]]
}

@test "without -t Ctrl-C is a signal for the job, twice it leaves" {
	run -0 play expect:ready send:'\x03' expect:'got INT' send:'\x03' -- "$RNX" job run ignore
	[[ $output == *"the job goes on: rnx job attach --from 14 "*"status 130"*"mode same"* ]]
}

@test "without -i a terminal's keys stay with the terminal" {
	run -0 play expect:'"stdin": false' -- "$RNX" job run request
	run -0 play send:'line\n' expect:'line\r\nline\r\n' send:'\x04' -- "$RNX" job run -q -i cat
	[[ $output == *"status 0"* ]]
}

@test "what a job prints cannot steer the terminal, unless it was asked for" {
	local evil='a\x1b]0;title\x07b\x1b[31mc\x1b]52;c;eA==\x07d\rE\x9bf\n'
	run -0 play quiet:'\x1b' -- "$RNX" job run -q printf "$evil"
	[[ $output != *$'\e'* ]]
	[[ $output == *"abcd"* ]]
	run -0 play expect:'\x1b]0;title' -- "$RNX" job run -q --raw printf "$evil"
	run -0 play expect:'\x1b]0;title' -- "$RNX" job run -q -t printf "$evil"
	[ "$("$RNX" job run -q printf 'a\x1b[31mb' </dev/null)" = $'a\e[31mb' ]
	id=$("$RNX" job run -d printf "$evil")
	run -0 play quiet:'\x1b' -- "$RNX" job log "$id"
	[[ $output != *$'\e'* ]]
}

@test "a table fits the terminal" {
	"$RNX" job run -d --name x echo "$(printf 'word %.0s' {1..60})" >/dev/null
	run -0 play --size 24x70 -- "$RNX" --color never job list
	[[ $output == *"…"* ]]
	local line
	while IFS= read -r line; do
		line=${line%$'\r'}
		[ ${#line} -le 70 ]
	done <<<"$output"
	run -0 play --size 24x70 -- "$RNX" job list
	[[ $output == *$'\e['* ]]
	NO_COLOR=1 run -0 play --size 24x70 -- "$RNX" job list
	[[ $output != *$'\e['* ]]
}

@test "delete-all asks in a terminal" {
	"$RNX" job run -q echo x </dev/null
	run -0 play expect:'[y/N]' send:'n\n' -- "$RNX" job delete-all
	[[ $output == *"nothing is deleted"*"status 1"* ]]
	run -0 play expect:'[y/N]' send:'y\n' -- "$RNX" job delete-all
	[[ $output == *" deleted"*"status 0"* ]]
	run -0 play quiet:'[y/N]' -- "$RNX" job delete-all --yes
	[[ $output == *"status 0"* ]]
}

@test "attach hands the terminal over when the job has one" {
	local id
	id=$("$RNX" job run -d echo x)
	run -0 play -- "$RNX" job attach "$id"
	[[ $output == *"status 0"*"mode same"* ]]
	run -0 play expect:size send:'\x1d\x1d' -- "$RNX" job run -it --name term size
	run -0 play expect:size send:z expect:"typed b'z'" send:q -- "$RNX" job attach term
	[[ $output == *"status 0"*"mode same"* ]]
}
