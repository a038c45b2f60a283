#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The audit log (specs/audit.md): who did what is on disk before the answer, nothing is changed without a record, no secret is in it, and
# whoever changes it is found out.

load helpers/daemon

teardown() {
	[ -z "${DAEMON_HOME:-}" ] || chattr -f -R -ai "$DAEMON_HOME/log" 2>/dev/null || true
	daemon_clean
}

log() { cat "$DAEMON_HOME/log/audit.log"; }

verify() { "$DAEMON_BIN/jobletd" audit verify --config "$DAEMON_HOME/config/joblet-config.yml"; }

@test "what was done, refused and tried, and the guide's searches find it" {
	daemon_make
	daemon_start
	jc run --wait --environment '{"TOKEN_OF_MINE": "canary-1"}' --secret_environment '{"PASS": "canary-2"}' --max_memory 64 sh -c 'exit 3' || [ $? -eq 3 ]
	run jc --role viewer run true
	[ "$status" -eq 3 ]
	jc call JobService.ListJobs
	jc call JobService.DeleteAllJobs
	# a certificate of nobody's
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DAEMON_HOME/k" -out "$DAEMON_HOME/c" -subj /CN=mallory/OU=admin -days 1 2>/dev/null
	timeout 20 openssl s_client -connect "127.0.0.1:$DAEMON_PORT" -cert "$DAEMON_HOME/c" -key "$DAEMON_HOME/k" -alpn h2 </dev/null >/dev/null 2>&1 || true
	for _ in $(seq 600); do log | grep -q auth_failed && break; sleep 0.05; done
	log
	[ "$(log | jq -c . | wc -l)" -eq "$(log | wc -l)" ] # a line is a record
	for event in auth_success auth_failed admin_operation job_operation job_start job_end daemon_start log_created; do
		log | grep -q "\"event\":\"$event\""
	done
	log | jq -se 'map(select(.op == "joblet.JobService/RunJob" and .actor.cn == "admin-client")) | length == 2 and
		.[0].phase == "intent" and .[0].params.command == "sh" and .[0].params.args == ["-c", "exit 3"] and .[0].params.max_memory == 64 and
		.[0].params.environment == ["TOKEN_OF_MINE"] and .[0].params.secret_environment == ["PASS"] and
		.[1].phase == "result" and .[1].result == "OK" and (.[1].object | length == 36) and .[1].duration_us > 0'
	log | jq -se 'map(select(.actor.role == "viewer" and .event == "job_operation")) | length == 1 and
		.[0].decision == "denied" and .[0].result == "PERMISSION_DENIED" and (.[0].text | contains("role viewer lacks job:run"))'
	log | jq -se 'map(select(.event == "job_end")) | .[0].exit_code == 3 and .[0].status == "FAILED" and .[0].owner == "admin-client"'
	log | jq -se 'map(select(.event == "admin_operation")) | .[-1].op == "joblet.JobService/DeleteAllJobs"'
	[ -z "$(log | jq 'select(.job_count > 100)')" ]
	[ "$(log | grep -c '"event":"read_operation"')" -eq 0 ]
	[ "$(grep -rlE 'canary-[12]' "$DAEMON_HOME/log" | wc -l)" -eq 0 ]
	verify
}

@test "what a client sends cannot forge a record" {
	daemon_make security.audit='{log_all_operations: true}'
	daemon_start
	before=$(log | wc -l)
	py <<-'END'
		evil = 'x\n{"v":1,"event":"auth_success"}\r\x1b[2J\u2028","event":"admin_operation'
		c.run("echo", evil, "\x01" * 20000, "y" * 50000)
		fails("NOT_FOUND", "", c.job.GetJobStatus, joblet.GetJobStatusRequest(uuid="12345678"))
		fails("INVALID_ARGUMENT", "", c.job.GetJobStatus, joblet.GetJobStatusRequest(uuid=evil))
	END
	log | tail -n +"$((before + 1))" | jq -se 'all(.[]; .event != "admin_operation") and (map(select(.event == "read_operation")) | length == 2) and
		(map(select(.phase == "intent")) | length == 1 and (.[0].params.args | tostring | contains("bytes)")))'
	! log | grep -q "[[:cntrl:]]"
	[ "$(log | wc -L)" -lt 16384 ]
	verify
}

@test "killed at any moment: what was answered has its record, and the log is whole" {
	daemon_make joblet.maxConcurrentJobs=4
	for round in 1 2 3; do
		daemon_start
		PY_TIMEOUT=60 py >>"$DAEMON_HOME/accepted" <<-END &
			try:
			    while True: print(c.run("true"), flush=True)
			except grpc.RpcError: pass
		END
		client=$!
		while [ "$(wc -l <"$DAEMON_HOME/accepted")" -lt $((round * 15)) ]; do sleep 0.02; done
		daemon_kill
		wait "$client" || true
	done
	daemon_start
	verify
	[ "$(wc -l <"$DAEMON_HOME/accepted")" -ge 45 ]
	log | jq -r 'select(.op == "joblet.JobService/RunJob" and .phase == "result" and .result == "OK") | .object' | sort >"$DAEMON_HOME/recorded"
	[ -z "$(sort "$DAEMON_HOME/accepted" | comm -23 - "$DAEMON_HOME/recorded")" ]
	[ "$(log | jq -s 'map(select(.op == "joblet.JobService/RunJob" and .phase == "intent")) | length')" -ge "$(wc -l <"$DAEMON_HOME/recorded")" ]
}

@test "a full disk: nothing is changed without a record, reading works, and it goes on when there is room" {
	daemon_make
	mkdir -p -m 0750 "$DAEMON_HOME/log"
	mount -t tmpfs -o size=256k,mode=750 joblet-test "$DAEMON_HOME/log"
	daemon_start
	id=$(jc run true)
	jc wait "$id"
	dd if=/dev/zero of="$DAEMON_HOME/log/fill" bs=4k 2>/dev/null || true
	dd if=/dev/zero bs=1 count=4096 2>/dev/null >>"$DAEMON_HOME/log/fill" || true
	for _ in $(seq 40); do # what is left of the last page
		run jc call JobService.DeleteJob "{\"uuid\": \"$id\"}"
		[[ $output != *UNAVAILABLE* ]] || break
		id=$(jc run true) || true
		[ -z "$id" ] || jc wait "$id"
	done
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"UNAVAILABLE: "*"audit log"* ]]
	before=$(jc call JobService.ListJobs)
	run jc run touch /work/x
	[[ $output == "UNAVAILABLE: "* ]]
	[ "$(jc call JobService.ListJobs)" = "$before" ]
	rm "$DAEMON_HOME/log/fill"
	jc run --wait true
	# Two when the record of the first still had room in the last page, and the next one had not.
	log | jq -se 'map(select(.event == "log_resumed")) | length >= 1 and length <= 2 and all(.left_out > 0 and (.text | contains("No space left")))'
	verify
	daemon_stop
	verify
}

@test "verify: its exit statuses say what is wrong, and where" {
	daemon_make
	daemon_start
	jc run --wait true
	daemon_stop
	run verify
	[ "$status" -eq 0 ]
	last=$(sed -n 's/^ *last: //p' <<<"$output")
	cp -p "$DAEMON_HOME/log/audit.log" "$DAEMON_HOME/saved"
	run "$DAEMON_BIN/jobletd" audit verify --key "$DAEMON_HOME/config/audit-key.pub" --expect "$last" "$DAEMON_HOME/log/audit.log"
	[ "$status" -eq 0 ]
	sed -i '3s/admin/Admin/' "$DAEMON_HOME/log/audit.log"
	run verify
	[ "$status" -eq 1 ]
	[[ $output == *"in audit.log, line 3, "* ]]
	head -n -2 "$DAEMON_HOME/saved" >"$DAEMON_HOME/log/audit.log"
	run verify
	[ "$status" -eq 2 ]
	mv "$DAEMON_HOME/log/audit.log" "$DAEMON_HOME/gone"
	run verify
	[ "$status" -eq 3 ]
	cp -p "$DAEMON_HOME/saved" "$DAEMON_HOME/log/audit.log"
	run "$DAEMON_BIN/jobletd" audit verify --key "$DAEMON_HOME/saved" "$DAEMON_HOME/log/audit.log"
	[ "$status" -eq 3 ]
	for wrong in 'audit' 'audit look' 'audit verify --expect 1:2 x' 'audit verify a b'; do
		run "$DAEMON_BIN/jobletd" $wrong
		[ "$status" -ge 3 ]
	done
	# a log that was cut is continued, and that it was cut is in it
	head -n 4 "$DAEMON_HOME/saved" >"$DAEMON_HOME/log/audit.log"
	daemon_start
	log | grep -q '"event":"integrity_failed".*"text":"the log had'
}

@test "configured: off, elsewhere, append-only, checked" {
	daemon_make security.audit='{enabled: false}'
	daemon_start
	jc run --wait true
	[ ! -e "$DAEMON_HOME/log/audit.log" ]
	grep -q 'security.audit.enabled is false' "$DAEMON_HOME/jobletd.log"
	daemon_clean
	daemon_make logging.immutable_logs=true logging.log_integrity_check=true logging.security='{audit: {log_job_operations: false, max_file_size: 64KB}}'
	run lsattr -d "$DAEMON_HOME"
	[ "$status" -eq 0 ] || skip "the file system of $DAEMON_HOME has no attributes (chattr)"
	daemon_start
	jc run --wait true
	[ "$(log | grep -c job_operation)" -eq 0 ]
	lsattr "$DAEMON_HOME/log/audit.log" | grep -q '^[^ ]*a'
	run sed -i 1d "$DAEMON_HOME/log/audit.log"
	[ "$status" -ne 0 ]
	for _ in $(seq 600); do log | grep -q integrity_checked && break; sleep 0.05; done
	log | grep -q integrity_checked
	py <<-'END'
		for i in range(70): c.job.DeleteAllJobs(joblet.DeleteAllJobsRequest())
	END
	ls -l "$DAEMON_HOME/log"
	lsattr "$DAEMON_HOME"/log/audit.log.[0-9]* | grep -q '^[^ ]*i'
	verify
}
