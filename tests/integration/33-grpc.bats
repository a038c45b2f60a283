#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jobletd as a client sees it that is not ours: Debian's python3-grpcio runs, lists, streams and cancels; health, reflection, permissions,
# and every bad input a clear error with nothing half-made.

bats_require_minimum_version 1.5.0
load helpers/daemon

setup_file() {
	daemon_make joblet.maxConcurrentJobs=4 joblet.stopGracePeriod=1s
	daemon_start
}

teardown_file() {
	daemon_clean
}

@test "run, output and exit code" {
	run --separate-stderr jc run --wait sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "list, status, find" {
	py <<-'END'
		a = c.run("true", name="list-a", labels={"k": "v"}, environment={"A": "1", "MY_TOKEN": "x"}, secret_environment={"S": "hidden"})
		b = c.run("false", name="list-b")
		c.wait(a, b)
		jobs = c.job.ListJobs(joblet.EmptyRequest()).jobs
		ids = [j.uuid for j in jobs]
		assert ids.index(a) < ids.index(b), "newest last"
		s = c.status(a)
		assert (s.status, s.exit_code, s.command, s.name, s.owner) == ("COMPLETED", 0, "true", "list-a", "admin-client"), s
		assert dict(s.environment) == {"A": "1", "MY_TOKEN": "***"}, s
		assert dict(s.secret_environment) == {"S": "***"}, s
		assert s.created_time and s.start_time and s.end_time and s.node_id == "test", s
		assert c.status(b).status == "FAILED" and c.status(b).exit_code == 1
		assert c.status(a[:13]).uuid == a and c.status("list-a").uuid == a and c.status("@last").uuid == b
		v = connect("viewer")
		s = v.status(a)
		assert dict(s.environment) == {"A": "***", "MY_TOKEN": "***"}, s
		f = lambda **k: [j.uuid for j in c.control.FindJobs(joblet.FindJobsRequest(**k)).jobs]
		assert f(name="list-a") == [a] and f(labels={"k": "v"}) == [a] and f(labels={"k": "w"}) == []
		assert b in f(status=["FAILED"]) and a not in f(status=["FAILED"])
		assert f(mine=True)[:2] == [b, a]
		assert list(v.control.FindJobs(joblet.FindJobsRequest(mine=True)).jobs) == []
		# pages
		seen, token = [], ""
		while True:
		    r = c.control.FindJobs(joblet.FindJobsRequest(page_size=1, page_token=token))
		    assert len(r.jobs) <= 1
		    seen += [j.uuid for j in r.jobs]
		    token = r.next_page_token
		    if not token: break
		assert seen == list(reversed([j.uuid for j in c.job.ListJobs(joblet.EmptyRequest()).jobs])), seen
	END
}

@test "stop, cancel, delete" {
	py <<-'END'
		a = c.run("sleep", "1000")
		until(lambda: c.status(a).status == "RUNNING")
		fails("FAILED_PRECONDITION", "", c.job.DeleteJob, joblet.DeleteJobRequest(uuid=a))
		fails("FAILED_PRECONDITION", "", c.job.CancelJob, joblet.CancelJobRequest(uuid=a))
		r = c.job.StopJob(joblet.StopJobRequest(uuid=a), timeout=30)
		assert r.status == "STOPPED" and r.end_time, r
		fails("FAILED_PRECONDITION", "", c.job.StopJob, joblet.StopJobRequest(uuid=a))
		b = c.run("true", schedule="1hour")
		assert c.status(b).status == "SCHEDULED" and c.status(b).scheduled_time
		r = c.job.CancelJob(joblet.CancelJobRequest(uuid=b))
		assert r.status == "CANCELED", r
		assert c.job.DeleteJob(joblet.DeleteJobRequest(uuid=a)).success
		fails("NOT_FOUND", "", c.status, a)
		until(lambda: not os.path.exists(HOME + "/logs/%s.log" % a) and not os.path.exists(HOME + "/jobs/" + a))
		r = c.job.DeleteAllJobs(joblet.DeleteAllJobsRequest())
		assert r.success and r.deleted_count >= 1 and r.skipped_count == 0, r
		assert len(c.job.ListJobs(joblet.EmptyRequest()).jobs) == 0
		until(lambda: os.listdir(HOME + "/jobs") == [] and os.listdir(HOME + "/logs") == [])
	END
}

@test "a client that goes away in the middle of a stream" {
	py <<-'END'
		a = c.run("sh", "-c", "echo one; sleep 1000")
		s = c.logs(a)
		assert next(s).payload == b"one\n"
		s.cancel()
		other = connect()
		s2 = other.logs(a)
		assert next(s2).payload == b"one\n"
		other.channel.close()
		try:
		    list(c.job.GetJobLogs(joblet.GetJobLogsRequest(uuid=a), timeout=0.5))
		    assert False
		except grpc.RpcError as e:
		    assert e.code().name == "DEADLINE_EXCEEDED", e
		assert c.status(a).status == "RUNNING"
		c.job.StopJob(joblet.StopJobRequest(uuid=a))
	END
}

@test "health" {
	py <<-'END'
		H = health.HealthCheckRequest
		S = health.HealthCheckResponse
		assert c.health.Check(H()).status == S.SERVING
		assert c.health.Check(H(service="joblet.JobService")).status == S.SERVING
		fails("NOT_FOUND", "", c.health.Check, H(service="nosuch"))
		w = c.health.Watch(H(service="nosuch")); assert next(w).status == S.SERVICE_UNKNOWN; w.cancel()
		w = c.health.Watch(H()); assert next(w).status == S.SERVING; w.cancel()
		assert connect("viewer").health.Check(H()).status == S.SERVING
	END
}

@test "reflection, both versions: what it says builds the descriptors of every service" {
	py <<-'END'
		from google.protobuf import descriptor_pb2, descriptor_pool
		for stub, r in ((c.reflection, reflection), (c.reflection_alpha, reflection_alpha)):
		    Q = r.ServerReflectionRequest
		    ask = lambda *q: list(stub.ServerReflectionInfo(iter(q)))
		    services = [s.name for s in ask(Q(list_services=""))[0].list_services_response.service]
		    assert len(services) == len(set(services)) and "joblet.JobService" in services and "grpc.health.v1.Health" in services, services
		    pool = descriptor_pool.DescriptorPool()
		    for reply in ask(*[Q(file_containing_symbol=s) for s in services]):
		        for f in reply.file_descriptor_response.file_descriptor_proto:
		            pool.AddSerializedFile(f)
		    for s in services:
		        assert pool.FindServiceByName(s).methods
		    assert pool.FindMessageTypeByName("joblet.RunJobRequest").fields_by_name["timeout"].number == 100
		    a = ask(Q(file_by_filename="joblet.proto"), Q(file_by_filename="nosuch"), Q(file_containing_symbol="joblet.JobService.RunJob"),
		            Q(file_containing_symbol="nosuch"), Q(all_extension_numbers_of_type="joblet.Job"), Q(host="h"))
		    assert [m.WhichOneof("message_response") for m in a] == ["file_descriptor_response", "error_response",
		            "file_descriptor_response", "error_response", "error_response", "error_response"], a
		    assert a[1].error_response.error_code == 5 and a[5].valid_host == "h" and a[1].original_request.file_by_filename == "nosuch"
		    # a client that asks much and reads late
		    many = ask(*[Q(file_by_filename="joblet.proto")] * 500)
		    assert len(many) == 500 and all(m.HasField("file_descriptor_response") for m in many)
	END
}

@test "every method against every role" {
	py <<-'END'
		a = c.run("true"); c.wait(a)
		J, K = joblet, lambda x: x.control
		calls = {
		  "RunJob": lambda x: x.job.RunJob(J.RunJobRequest(command="true")),
		  "GetJobStatus": lambda x: x.job.GetJobStatus(J.GetJobStatusRequest(uuid=a)),
		  "StopJob": lambda x: x.job.StopJob(J.StopJobRequest(uuid="00000000")),
		  "CancelJob": lambda x: x.job.CancelJob(J.CancelJobRequest(uuid="00000000")),
		  "DeleteJob": lambda x: x.job.DeleteJob(J.DeleteJobRequest(uuid="00000000")),
		  "DeleteAllJobs": lambda x: x.job.DeleteAllJobs(J.DeleteAllJobsRequest()),
		  "GetJobLogs": lambda x: list(x.job.GetJobLogs(J.GetJobLogsRequest(uuid=a))),
		  "ListJobs": lambda x: x.job.ListJobs(J.EmptyRequest()),
		  "AttachJob": lambda x: list(x.control.AttachJob(iter([J.AttachRequest(start=J.AttachStart(uuid=a))]))),
		  "WaitJob": lambda x: x.control.WaitJob(J.WaitJobRequest(uuids=[a])),
		  "SignalJob": lambda x: x.control.SignalJob(J.SignalJobRequest(uuid="00000000", signal="TERM")),
		  "FindJobs": lambda x: x.control.FindJobs(J.FindJobsRequest()),
		}
		every = [m.name for s in joblet.DESCRIPTOR.services_by_name.values() for m in s.methods]
		assert sorted(every) == sorted(calls), every
		reads = {"GetJobStatus", "GetJobLogs", "ListJobs", "AttachJob", "WaitJob", "FindJobs"}
		for role in ("admin", "maintainer", "developer", "viewer"):
		    x = connect(role)
		    for name in every:
		        if name == "DeleteAllJobs" and role != "viewer": continue
		        denied = None
		        try: calls[name](x)
		        except grpc.RpcError as e:
		            denied = e.code().name == "PERMISSION_DENIED"
		            if denied: assert e.details().startswith("role %s lacks job:" % role), e.details()
		        want = role == "viewer" and name not in reads
		        assert bool(denied) == want, (role, name, denied)
	END
}

@test "bad input: each a clear error" {
	py <<-'END'
		R = lambda **k: c.job.RunJob(joblet.RunJobRequest(**k))
		bad = lambda text, **k: fails("INVALID_ARGUMENT", text, R, **k)
		before = len(c.job.ListJobs(joblet.EmptyRequest()).jobs)
		bad("command")
		bad("", command="", args=["x"])
		bad("NUL", command="a\0b")
		bad("NUL", command="true", args=["a\0b"])
		bad("NUL", command="true", environment={"A": "a\0b"})
		bad("A=B", command="true", environment={"A=B": "c"})
		bad("", command="true", environment={"": "c"})
		bad("1A", command="true", environment={"1A": "c"})
		bad("JOBLET_X", command="true", environment={"JOBLET_X": "c"})
		bad("JOB_X", command="true", secret_environment={"JOB_X": "c"})
		bad("", command="true", environment={"A": "x" * 40000})
		for limit in ("max_cpu", "max_memory", "max_io_bps"):
		    bad("", command="true", **{limit: -1})
		bad("", command="true", max_cpu=1000000)
		bad("", command="true", cpu_cores="7-3")
		bad("", command="true", cpu_cores="0-99999")
		bad("", command="true", cpu_cores="a")
		bad("", command="true", schedule="yesterday")
		bad("", command="true", schedule="2001-01-01T00:00:00Z")
		bad("", command="true", schedule="-5min")
		bad("", command="true", timeout="soon")
		bad("", command="true", timeout="-1s")
		bad("", command="true", name="no spaces")
		bad("", command="true", name="x" * 300)
		bad("", command="true", labels={"a=b": "c"})
		bad("", command="true", work_dir="relative/../..")
		bad("", command="true", runtime="nosuch-runtime:9")
		for field in ({"gpu_count": 1}, {"volumes": ["v"]}, {"network": "custom"}):
		    try: R(command="true", **field); assert False, field
		    except grpc.RpcError as e: assert e.code().name in ("INVALID_ARGUMENT", "UNIMPLEMENTED", "NOT_FOUND"), (field, e)
		try: R(command="true", args=["x" * (2 << 20)]); assert False
		except grpc.RpcError as e: assert e.code().name in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), e
		fails("RESOURCE_EXHAUSTED", "", R, command="true", args=["x" * (5 << 20)])
		big = connect(options=[("grpc.max_send_message_length", -1)])
		fails("INVALID_ARGUMENT", "too many", big.job.RunJob, joblet.RunJobRequest(command="true", args=[""] * 100000))
		assert len(c.job.ListJobs(joblet.EmptyRequest()).jobs) == before, "nothing was half-made"
		# ids
		for fn, m in ((c.job.GetJobStatus, joblet.GetJobStatusRequest), (c.job.StopJob, joblet.StopJobRequest),
		              (c.job.CancelJob, joblet.CancelJobRequest), (c.job.DeleteJob, joblet.DeleteJobRequest),
		              (c.job.GetJobLogs, joblet.GetJobLogsRequest)):
		    fails("NOT_FOUND", "", fn, m(uuid="12345678"))
		    fails("NOT_FOUND", "", fn, m(uuid="00000000-0000-4000-8000-000000000000"))
		    for ref in ("", "../../etc/passwd", "a b", "x" * 5000, "%s", "@first"):
		        try:
		            r = fn(m(uuid=ref)); list(r) if hasattr(r, "__next__") else None
		            assert False, ref
		        except grpc.RpcError as e:
		            assert e.code().name in ("INVALID_ARGUMENT", "NOT_FOUND"), (ref, e)
		L = lambda **k: c.job.GetJobLogs(joblet.GetJobLogsRequest(**k))
		a = c.run("echo", "x"); c.wait(a)
		fails("INVALID_ARGUMENT", "stream", L, uuid=a, stream="both")
		fails("INVALID_ARGUMENT", "tail", L, uuid=a, tail=-1)
		fails("INVALID_ARGUMENT", "from_offset", L, uuid=a, from_offset=-1)
		fails("INVALID_ARGUMENT", "offset", L, uuid=a, from_offset=3)
		fails("OUT_OF_RANGE", "offset", L, uuid=a, from_offset=1 << 40)
		W = lambda **k: c.control.WaitJob(joblet.WaitJobRequest(**k))
		fails("INVALID_ARGUMENT", "uuids", W)
		fails("NOT_FOUND", "", W, uuids=[a, "12345678"])
		fails("INVALID_ARGUMENT", "signal", c.control.SignalJob, joblet.SignalJobRequest(uuid=a, signal="BOOM"))
		F = lambda **k: c.control.FindJobs(joblet.FindJobsRequest(**k))
		fails("INVALID_ARGUMENT", "status", F, status=["DONE"])
		fails("INVALID_ARGUMENT", "page_size", F, page_size=1001)
		fails("INVALID_ARGUMENT", "page_token", F, page_token="abc")
	END
}

@test "bytes that are no message" {
	py <<-'END'
		raw = c.channel.unary_unary("/joblet.JobService/RunJob", request_serializer=lambda b: b, response_deserializer=lambda b: b)
		for bytes_ in (b"\x12", b"\x12\x05ls", b"\xff" * 20, b"\x12\x02\xc3\x28", b"\x13\x14", b"\x10\x01", b"\x0a" * 5000, b"\x02\x00"):
		    fails("INVALID_ARGUMENT", "RunJob: ", raw, bytes_)
		fails("UNIMPLEMENTED", "", c.channel.unary_unary("/joblet.JobService/NoSuch"), b"")
		fails("UNIMPLEMENTED", "", c.channel.unary_unary("/joblet.NoSuch/RunJob"), b"")
		stream = c.channel.stream_unary("/joblet.JobService/ListJobs", request_serializer=lambda b: b, response_deserializer=lambda b: b)
		for none_or_two in ([b"", b""], []):
		    try: stream(iter(none_or_two)); assert False
		    except grpc.RpcError as e: assert e.code().name in ("INTERNAL", "UNIMPLEMENTED") and "message" in e.details(), e
		assert c.health.Check(health.HealthCheckRequest()).status == 1
	END
}

@test "the log says who did what" {
	grep -qE 'info jobletd: call RunJob by "admin-client" \(admin\) from 127.0.0.1:[0-9]+: OK [0-9a-f-]{36}' "$DAEMON_HOME/jobletd.log"
	grep -qE 'warn jobletd: call RunJob by "viewer-client" \(viewer\) from .*: PERMISSION_DENIED role viewer lacks job:run' "$DAEMON_HOME/jobletd.log"
	! grep -q hidden "$DAEMON_HOME/jobletd.log"
}

@test "nothing is left behind" {
	left=$(daemon_leftovers)
	echo "$left"
	[ -z "$left" ]
}
