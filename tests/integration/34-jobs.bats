#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The life of a job through the daemon: how it ends and what is said about it, the queue, the schedule, the timeout, names, keys.

load helpers/daemon

setup_file() {
	daemon_make joblet.maxConcurrentJobs=3 joblet.stopGracePeriod=1s
	daemon_start
}

teardown_file() {
	daemon_clean
}

@test "exit codes, signals, and programs that are not there" {
	py <<-'END'
		def ends(status, code, sig, reason, *argv):
		    u = c.run(*argv); e = c.wait(u)[0]
		    assert (e.status, e.exit_code, e.signal) == (status, code, sig), (argv, e)
		    assert reason in e.reason, e
		    s = c.status(u)
		    assert (s.status, s.exit_code, s.signal, s.reason) == (e.status, e.exit_code, e.signal, e.reason), s
		    return u
		ends("COMPLETED", 0, 0, "", "true")
		ends("FAILED", 1, 0, "1", "false")
		ends("FAILED", 255, 0, "255", "sh", "-c", "exit 255")
		ends("FAILED", 137, 9, "signal 9", "sh", "-c", "sh -c 'kill -9 $PPID'; sleep 5; exit 3") if False else None
		u = ends("FAILED", 127, 0, "nosuch", "nosuch")
		ends("FAILED", 126, 0, "", "/etc/passwd")
	END
}

@test "a signal ends it and is told" {
	py <<-'END'
		for name, n in (("KILL", 9), ("SIGTERM", 15), ("usr1", 10), ("2", 2)):
		    u = c.run("sleep", "1000")
		    until(lambda: c.status(u).status == "RUNNING")
		    c.control.SignalJob(joblet.SignalJobRequest(uuid=u, signal=name))
		    e = c.wait(u)[0]
		    assert (e.status, e.exit_code, e.signal) == ("FAILED", 128 + n, n), e
		u = c.run("sh", "-c", "trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.05; done")
		s = c.logs(u); next(s)
		c.control.SignalJob(joblet.SignalJobRequest(uuid=u, signal="USR1"))
		assert c.wait(u)[0].exit_code == 9 and c.output(u) == b"ready\ngot\n"
		fails("FAILED_PRECONDITION", "", c.control.SignalJob, joblet.SignalJobRequest(uuid=u, signal="USR1"))
	END
}

@test "stop: TERM first, KILL after the grace time" {
	py <<-'END'
		u = c.run("sh", "-c", "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
		next(c.logs(u))
		r = c.job.StopJob(joblet.StopJobRequest(uuid=u))
		assert (r.status, r.exit_code) == ("STOPPED", 4), r
		assert c.output(u) == b"ready\nbye\n" and "admin-client" in c.status(u).reason
		u = c.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
		next(c.logs(u))
		t = time.monotonic(); r = c.job.StopJob(joblet.StopJobRequest(uuid=u)); t = time.monotonic() - t
		assert r.status == "STOPPED" and r.exit_code == 137 and 0.9 < t < 10, (r, t)
		# stopped twice at the same moment
		u = c.run("sleep", "1000"); until(lambda: c.status(u).status == "RUNNING")
		a = c.job.StopJob.future(joblet.StopJobRequest(uuid=u)); b = c.job.StopJob.future(joblet.StopJobRequest(uuid=u))
		for f in (a, b):
		    try: assert f.result().status == "STOPPED"
		    except grpc.RpcError as e: assert e.code().name == "FAILED_PRECONDITION", e
	END
}

@test "timeout" {
	py <<-'END'
		t = time.monotonic()
		u = c.run("sh", "-c", "echo x; sleep 1000", timeout="1s"); e = c.wait(u)[0]
		t = time.monotonic() - t
		assert (e.status, e.exit_code) == ("TIMEOUT", 124) and 0.9 < t < 15, (e, t)
		assert "1" in e.reason and c.output(u) == b"x\n" and c.status(u).timeout == "1s"
	END
}

@test "schedule" {
	py <<-'END'
		t = time.time()
		u = c.run("date", "+%s.%N", schedule="2s")
		s = c.status(u); assert s.status == "SCHEDULED" and s.scheduled_time and not s.start_time, s
		assert c.wait(u)[0].status == "COMPLETED"
		at = float(c.output(u)); assert 1.9 < at - t < 15, at - t
		when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
		u = c.run("true", schedule=when); assert c.wait(u)[0].status == "COMPLETED" and c.status(u).scheduled_time.startswith(when[:-1])
		u = c.run("true", schedule="1hour")
		r = c.job.StopJob(joblet.StopJobRequest(uuid=u)); assert r.status == "CANCELED", r
	END
}

@test "the queue keeps its order and its bound" {
	py <<-'END'
		block = [c.run("sleep", "1000") for _ in range(3)]
		for b in block: until(lambda: c.status(b).status == "RUNNING")
		queued = [c.run("sh", "-c", "date +%s.%N; sleep 0.1") for _ in range(6)]
		assert all(c.status(q).status == "PENDING" for q in queued)
		gone = queued.pop(2)
		assert c.job.CancelJob(joblet.CancelJobRequest(uuid=gone)).status == "CANCELED"
		for b in block: c.job.StopJob(joblet.StopJobRequest(uuid=b))
		c.wait(*queued)
		order = [l.split()[4].rstrip(":") for l in open(HOME + "/jobletd.log") if l.endswith(": INITIALIZING\n")]
		assert [i for i in order if i in queued] == queued, order
		assert c.output(gone) == b"" and c.status(gone).start_time == ""
	END
}

@test "200 jobs at once: all finish, no more than may at a time, nothing is left" {
	py <<-'END'
		peak, stop = [0], threading.Event()
		def watch():
		    x = connect()
		    while not stop.is_set():
		        n = sum(j.status in ("RUNNING", "INITIALIZING", "STOPPING") for j in x.job.ListJobs(joblet.EmptyRequest()).jobs)
		        peak[0] = max(peak[0], n)
		        time.sleep(0.05)
		t = threading.Thread(target=watch); t.start()
		futures = [c.job.RunJob.future(joblet.RunJobRequest(command="sh", args=["-c", "echo %d; exit %d" % (i, i % 3)])) for i in range(200)]
		ids = [f.result().job_uuid for f in futures]
		assert len(set(ids)) == 200
		ends = c.wait(*ids)
		stop.set(); t.join()
		assert [e.exit_code for e in ends] == [i % 3 for i in range(200)]
		for i in range(0, 200, 7): assert c.output(ids[i]) == b"%d\n" % i
		assert 1 <= peak[0] <= 3, peak
	END
	left=$(daemon_leftovers)
	echo "$left"
	[ -z "$left" ]
}

@test "an idempotency key runs a job once" {
	py <<-'END'
		R = lambda x, k: x.job.RunJob.future(joblet.RunJobRequest(command="true", idempotency_key=k))
		a = [R(c, "key-1") for _ in range(10)]
		assert len({f.result().job_uuid for f in a}) == 1
		assert R(c, "key-2").result().job_uuid != a[0].result().job_uuid
		d = connect("developer")
		assert R(d, "key-1").result().job_uuid != a[0].result().job_uuid
	END
}

@test "names, prefixes, @last" {
	py <<-'END'
		a = c.run("true", name="same"); b = c.run("true", name="same")
		assert c.status("same").uuid == b
		d = connect("developer"); mine = d.run("true"); theirs = c.run("true")
		assert d.status("@last").uuid == mine and c.status("@last").uuid == theirs
		for i in range(15): c.run("true") # 17 of them: two ids begin with the same digit
		ids = [j.uuid for j in c.job.ListJobs(joblet.EmptyRequest()).jobs]
		first = {}
		for i in ids: first.setdefault(i[0], []).append(i)
		prefix, same = next((p, s) for p, s in first.items() if len(s) > 1)
		text = fails("INVALID_ARGUMENT", "several", c.status, prefix); assert sum(i in text for i in same) > 1, text
		w = c.control.WaitJob(joblet.WaitJobRequest(uuids=[b, a, b])); assert [j.uuid for j in w.jobs] == [b, a, b]
		u = c.run("sleep", "1000")
		w = c.control.WaitJob(joblet.WaitJobRequest(uuids=[u, a], any=True)); assert [j.uuid for j in w.jobs] == [a]
		c.job.StopJob(joblet.StopJobRequest(uuid=u))
	END
}

@test "limits hold" {
	py <<-'END'
		u = c.run("python3", "-c", "x = bytearray(200 << 20); print(len(x))", max_memory=50); e = c.wait(u)[0]
		assert e.status == "FAILED" and c.status(u).oom_killed and "memory" in e.reason, (e, c.status(u))
		u = c.run("sh", "-c", "for i in $(seq 1000); do sleep 3 & done; wait"); e = c.wait(u)[0]
		assert e.status == "FAILED", e
	END
}
