#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# joblet-shim when something is wrong at the start: options, paths, directories, a runtime that misbehaves. Each a clear message on the
# sync pipe and on stderr, and never a job that runs unseen.
load helpers/shim

teardown() {
	shim_clean
}

# options of the shim …: the start fails, and says $want on the sync pipe and on stderr
refused() {
	run timeout 60 "$SHIM_TOOL" start -- "$@"
	echo "${*:22} -> $status ${output:0:400}"
	[ "$status" -ne 0 ] && [[ $output == *'{"data": -1, "message": "'*"$want"* ]] && [[ $output == *"error joblet-shim: "*"$want"* ]]
}

@test "start: options that are unknown, missing, doubled or contradict each other" {
	shim_dir
	shim_fake
	shim_job 'touch "${0%/*}/ran"'
	shim_args
	while IFS='|' read -r extra want; do
		read -ra extra <<<"$extra"
		refused "${SHIM_ARGS[@]}" "${extra[@]}"
	done <<-'ROWS'
		--nosuch|unknown option --nosuch
		--exit-dir|--exit-dir needs a value
		--exit-dir /elsewhere|--exit-dir is given twice
		--cid other|--cid is given twice
		-i=yes|unknown option -=
		--stdin=yes|--stdin takes no value
		word|unexpected argument 'word'
		--timeout -1|--timeout: '-1' is out of range
		--timeout 1h|--timeout: '1h' is not a number
		--exit-delay 99999999999|--exit-delay: '99999999999' is out of range
		--log-size-max -2|--log-size-max: '-2' is out of range
		--exec|--exec needs --exec-process-spec
		--exec-attach|--exec-process-spec and --exec-attach are for --exec
		--restore /x --exec --exec-process-spec /x|--exec and --restore do not go together
		--leave-stdin-open|--leave-stdin-open needs --stdin
		--exit-command-arg x|--exit-command-arg needs --exit-command
		--log-max-files 3|--log-max-files needs --log-rotate
		--log-tag x|--log-tag and --log-label are for --log-path journald
		--log-path nodriver:/x|there is no log driver 'nodriver'
		--log-path passthrough|passthrough goes with no other log
		--log-full never|neither drop nor hold
		--seccomp-notify-plugins /x|needs --seccomp-notify-socket
	ROWS
	# What must be there.
	local -A must=([-c]='--cid' [-u]='--cuuid' [-r]='--runtime is missing' [-l]='--log-path is missing')
	local option i args
	for option in "${!must[@]}"; do
		args=() want=${must[$option]}
		for ((i = 0; i < ${#SHIM_ARGS[@]}; i++)); do
			if [ "${SHIM_ARGS[i]}" = "$option" ]; then i=$((i + 1)); else args+=("${SHIM_ARGS[i]}"); fi
		done
		refused "${args[@]}"
	done
	# Nothing was made, nothing ran.
	[ "$(ls "$SHIM_DIR/bundle" "$SHIM_DIR/exits" "$SHIM_DIR/persist")" = "$(printf '%s:\njob\n\n%s:\n\n%s:' "$SHIM_DIR/bundle" "$SHIM_DIR/exits" "$SHIM_DIR/persist")" ]
}

@test "start: directories and paths that cannot be used" {
	shim_dir
	shim_fake
	shim_job 'touch "${0%/*}/ran"'
	touch "$SHIM_DIR/file"
	local long
	long=/$(printf 'x%.0s' $(seq 5000))
	mkdir "$SHIM_DIR/log.d"
	shim_args
	local row i args
	for row in "-b|$SHIM_DIR/nosuch|No such file" "-b|$SHIM_DIR/file|Not a directory" "-b|$long|too long" \
		"-l|k8s-file:$SHIM_DIR/nosuch/log|No such file" "-l|k8s-file:$SHIM_DIR/log.d|Is a directory" "-l|k8s-file:$long|too long" \
		"-P|$SHIM_DIR/nosuch/pid|No such file" "-p|$SHIM_DIR/log.d|Is a directory" "-r|$SHIM_DIR/nosuch|cannot execute the runtime"; do
		IFS='|' read -r option value want <<<"$row"
		args=()
		for ((i = 0; i < ${#SHIM_ARGS[@]}; i++)); do
			args+=("${SHIM_ARGS[i]}")
			if [ "${SHIM_ARGS[i]}" = "$option" ]; then args+=("$value") i=$((i + 1)); fi
		done
		run timeout 60 "$SHIM_TOOL" start -- "${args[@]}"
		echo "${row:0:100} -> $status ${output:0:300}"
		[[ $output == *'{"data": -1, "message": "'*"$want"* ]]
	done
	[ ! -e "$SHIM_DIR/bundle/ran" ]
}

@test "start: a log outside of --log-allowlist-dir is refused, however its path is written" {
	shim_dir
	shim_fake
	shim_job 'echo ran'
	mkdir -p "$SHIM_DIR/allowed/sub" "$SHIM_DIR/allowedtoo"
	ln -s "$SHIM_DIR" "$SHIM_DIR/allowed/out"
	local path want='lies in no directory'
	for path in "$SHIM_DIR/log" "$SHIM_DIR/allowed/../log" "$SHIM_DIR/allowed/out/log" "$SHIM_DIR/allowedtoo/log"; do
		SHIM_LOG=k8s-file:$path shim_args --log-allowlist-dir "$SHIM_DIR/allowed" --log-allowlist-dir /nosuch
		refused "${SHIM_ARGS[@]}"
		[ ! -e "$path" ]
	done
	SHIM_LOG=k8s-file:$SHIM_DIR/allowed/sub/log shim_created --log-allowlist-dir /nosuch --log-allowlist-dir "$SHIM_DIR/allowed/"
	[ "$(shim_wait)" = 0 ]
	[ -s "$SHIM_DIR/allowed/sub/log" ]
}

@test "start: a runtime that fails, dies, says 10 MB, leaves no pid file, or a pid that is not ours" {
	local script want
	while IFS='%' read -r script want; do
		shim_dir
		shim_fake "$script"
		shim_create --exit-command "$SHIM_DIR/after" --exit-command-arg x
		echo "$script -> $output"
		[[ $output == '{"data": -1, "message": "'*"$want"*'"}' ]]
		shim_until 60 shim_is_gone "$SHIM_PID"
		[ "$(ls "$SHIM_DIR/bundle" "$SHIM_DIR/exits")" = "$(printf '%s:\n\n%s:' "$SHIM_DIR/bundle" "$SHIM_DIR/exits")" ]
		shim_clean
	done <<-'ROWS'
		echo "it \\ \"broke\"" >&2; exit 1%it \\ \"broke\"
		exit 3%exit status 3 and said nothing
		kill -9 $$%killed by signal 9
		head -c 10000000 /dev/zero | tr "\\0" x >&2; echo the end >&2; exit 1%xxxthe end
		head -c 10000000 /dev/urandom >&2; echo the end >&2; exit 1%the end
		exit 0%left no pid file
		echo 1 >"$pid_file"%holds no pid
		echo 2x >"$pid_file"%holds no pid
		: >"$pid_file"%is empty
		echo $PPID >"$pid_file"%is not a child of the shim
		mkdir "$pid_file"; exit 0%the runtime's pid file
	ROWS
}

@test "start: the exit command runs when the runtime has failed, as with conmon" {
	shim_dir
	shim_fake 'exit 1'
	printf '#!/bin/sh\necho "$@" >%s/said\n' "$SHIM_DIR" >"$SHIM_DIR/after"
	chmod +x "$SHIM_DIR/after"
	shim_create --exit-command "$SHIM_DIR/after" --exit-command-arg one --exit-command-arg two
	shim_until 60 grep -qx 'one two' "$SHIM_DIR/said"
}

@test "start: a runtime that hangs is ended with the shim; SIGTERM reaches it" {
	shim_dir
	# shellcheck disable=SC2016 # it is the runtime that expands it
	shim_fake 'echo $$ >"$bundle/runtime.pid"; trap "echo was told to end >&2; exit 5" TERM; while :; do sleep 0.05; done'
	shim_args
	timeout 60 "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}" >"$SHIM_DIR/answer" 3>&- &
	shim_until 60 test -s "$SHIM_DIR/bundle/runtime.pid"
	kill -TERM "$(cat "$SHIM_DIR/shim.pid")"
	shim_until 60 grep -q 'was told to end' "$SHIM_DIR/answer"
	rm "$SHIM_DIR/bundle/runtime.pid"
	timeout 60 "$SHIM_TOOL" start -- "${SHIM_ARGS[@]}" >"$SHIM_DIR/answer" 3>&- &
	shim_until 60 test -s "$SHIM_DIR/bundle/runtime.pid"
	kill -KILL "$(cat "$SHIM_DIR/shim.pid")"
	shim_until 60 shim_is_gone "$(cat "$SHIM_DIR/bundle/runtime.pid")"
}

@test "start: a runtime that leaves a process of its own behind" {
	shim_dir
	shim_fake
	# The stray keeps the output for a while: it is waited for, and its line is in the log.
	sed -i 's/^my $pid = fork;/if (!fork) { select undef, undef, undef, 0.5; print "stray\\n"; exit } &/' "$SHIM_RUNTIME"
	shim_job 'echo job; exit 4'
	shim_created
	[ "$(shim_wait 60)" = 4 ]
	[ "$(shim_log stdout)" = $'job\nstray' ]
}
