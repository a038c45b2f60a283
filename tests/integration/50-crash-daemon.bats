#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jobletd is killed at random moments. Afterwards every job that was accepted is known, every exit code is right and every byte of output there.

load helpers/daemon

setup() {
	daemon_make joblet.maxConcurrentJobs=100
}

teardown() {
	daemon_clean
}

@test "kill -9 five times with 20 jobs running" {
	daemon_start
	py >"$DAEMON_HOME/ids" <<-'END'
		for i in range(20):
		    print(c.run("bash", "-c", "for i in $(seq 1000); do echo $i; [ $((i %% 100)) != 0 ] || sleep 0.6; done; exit %d" % (i % 7)))
	END
	for _ in 1 2 3 4 5; do
		sleep "0.$((RANDOM % 9 + 1))"
		daemon_kill
		daemon_start
	done
	py "$DAEMON_HOME/ids" <<-'END'
		ids = open(sys.argv[1]).read().split()
		assert len(ids) == 20
		assert {j.uuid for j in c.job.ListJobs(joblet.EmptyRequest()).jobs} == set(ids)
		for i, e in enumerate(c.wait(*ids)):
		    assert e.exit_code == i % 7 and e.status == ("FAILED" if i % 7 else "COMPLETED"), e
		want = b"".join(b"%d\n" % i for i in range(1, 1001))
		for i in ids: assert c.output(i) == want, i
	END
	left=$(daemon_leftovers)
	echo "$left"
	[ -z "$left" ]
}

@test "jobs that end while no jobletd runs" {
	daemon_start
	ids=()
	for code in 0 3; do ids+=("$(jc run sh -c "sleep 0.7; echo end; exit $code")"); done
	daemon_kill
	sleep 1.5
	daemon_start
	[ "$(jc wait "${ids[@]}")" = "$(printf '%s COMPLETED 0\n%s FAILED 3' "${ids[@]}")" ]
	[ "$(jc logs "${ids[1]}")" = end ]
	[ -z "$(daemon_leftovers)" ]
}

@test "killed while it accepts: what was answered is known, and runs once" {
	daemon_start
	py >"$DAEMON_HOME/ids" <<-'END'
		def kill(): time.sleep(0.6); os.kill(int(os.environ["DAEMON_PID"]), 9)
		threading.Thread(target=kill).start()
		futures = [c.job.RunJob.future(joblet.RunJobRequest(command="sh", args=["-c", "echo ran"])) for _ in range(400)]
		for f in futures:
		    try: print(f.result().job_uuid)
		    except grpc.RpcError: pass
	END
	wait "$DAEMON_PID" || true
	daemon_start
	py "$DAEMON_HOME/ids" <<-'END'
		ids = open(sys.argv[1]).read().split()
		print("# %d of 400 were answered" % len(ids), file=sys.stderr)
		assert ids
		known = [j.uuid for j in c.job.ListJobs(joblet.EmptyRequest()).jobs]
		assert set(ids) <= set(known)
		for i in range(0, len(known), 500): c.wait(*known[i:i + 500])
		for i in known: assert c.output(i) == b"ran\n", i
	END
	left=$(daemon_leftovers)
	echo "$left"
	[ -z "$left" ]
}

@test "the queue, the schedule and the timeout outlive it" {
	sed -i 's/maxConcurrentJobs: .*/maxConcurrentJobs: 1/' "$DAEMON_HOME/config/joblet-config.yml"
	daemon_start
	first=$(jc run sleep 2)
	second=$(jc run echo second)
	later=$(jc run --schedule '"1s"' echo later)
	far=$(jc run --schedule '"1h"' echo far)
	limited=$(jc run --timeout '"1s"' sleep 1000)
	daemon_kill
	sleep 1.2
	daemon_start
	[ "$(jc wait "$first" "$second" "$later" "$limited")" = "$(printf '%s COMPLETED 0\n%s COMPLETED 0\n%s COMPLETED 0\n%s TIMEOUT 124' "$first" "$second" "$later" "$limited")" ]
	[ "$(jc logs "$second")$(jc logs "$later")" = secondlater ]
	jc call JobService.GetJobStatus "{\"uuid\": \"$far\"}" | grep -q '"status": "SCHEDULED"'
}

@test "a shim that is killed: its job is ended and reported, never a silent orphan" {
	daemon_start
	id=$(jc run sleep 1000)
	for _ in $(seq 1200); do
		shim=$(cat "$DAEMON_HOME/jobs/$id/shim.pid" 2>/dev/null) && [ -n "$shim" ] && break
		sleep 0.05
	done
	sleep 0.3
	kill -KILL "$shim"
	run jc wait "$id"
	echo "$output"
	[[ $output == "$id FAILED "* ]]
	[ -z "$(daemon_cgroups)" ]
}
