#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Output arrives whole, in order and apart, however much, however odd, and however slow the client is.

load helpers/daemon

setup_file() {
	daemon_make
	daemon_start
}

teardown_file() {
	daemon_clean
}

@test "odd output" {
	py <<-'END'
		def same(script, out, err=b""):
		    u = c.run("bash", "-c", script)
		    got = {1: b"", 2: b""}
		    for k in c.logs(u): got[k.stream] += k.payload
		    assert got == {1: out, 2: err}, (script, got[1][:200], got[2][:200])
		    again = {1: b"", 2: b""}
		    for k in c.logs(u, no_follow=True): again[k.stream] += k.payload
		    assert again == got
		same("true", b"")
		same("echo -n x", b"x")
		same("echo; echo; echo -n", b"\n\n")
		same("printf 'a\\nb'", b"a\nb")
		same("echo out; echo err >&2", b"out\n", b"err\n")
		same("printf '\\000\\001\\377\\r\\n\\n\\000'", b"\0\1\xff\r\n\n\0")
		same("printf 'no end' ; sleep 0.2; printf ' yet\\n'", b"no end yet\n")
		same("head -c 1000000 /dev/zero | tr '\\0' x; echo", b"x" * 1000000 + b"\n")
		same("head -c 1000000 /dev/zero | tr '\\0' x", b"x" * 1000000)
		same("sh -c '(sleep 0.5; echo late) &'; echo first; sleep 1", b"first\nlate\n")
		same("sh -c '(sleep 0.3; echo never) &'; echo first", b"first\n") # the namespace ends with its first process
		same("for i in $(seq 2000); do echo o$i; echo e$i >&2; done", b"".join(b"o%d\n" % i for i in range(1, 2001)),
		     b"".join(b"e%d\n" % i for i in range(1, 2001)))
	END
}

@test "random bytes" {
	py <<-'END'
		u = c.run("bash", "-c", "head -c 20000000 /dev/urandom >f; sha256sum f >&2; cat f")
		h, err = hashlib.sha256(), b""
		n = 0
		for k in c.logs(u):
		    if k.stream == 1: h.update(k.payload); n += len(k.payload)
		    else: err += k.payload
		assert n == 20000000 and err.split()[0].decode() == h.hexdigest(), (n, err)
	END
}

@test "live: what is printed comes at once, and the stream ends with the job" {
	py <<-'END'
		u = c.run("bash", "-c", "for i in 1 2 3 4 5; do date +%s.%N; sleep 0.3; done")
		late = []
		for k in c.logs(u):
		    late += [time.time() - float(x) for x in k.payload.split()]
		assert len(late) == 5 and sorted(late)[2] < 0.25, late
		# scheduled: nothing is there yet, and then it comes
		u = c.run("echo", "later", schedule="1s")
		assert b"".join(k.payload for k in c.logs(u)) == b"later\n"
		u = c.run("true", schedule="1h"); s = c.logs(u)
		threading.Timer(0.5, lambda: c.job.CancelJob(joblet.CancelJobRequest(uuid=u))).start()
		assert list(s) == []
	END
}

@test "offsets, tail, since, until, one stream, timestamps" {
	py <<-'END'
		u = c.run("bash", "-c", "for i in $(seq 500); do echo line $i; echo err $i >&2; [ $i != 400 ] || sleep 0.1; done"); c.wait(u)
		text = lambda **k: b"".join(x.payload for x in c.logs(u, **k))
		out = b"".join(b"line %d\n" % i for i in range(1, 501))
		assert text(stream="stdout") == out
		assert text(stream="stderr", tail=2) == b"err 499\nerr 500\n" and text(stream="stdout", tail=1) == b"line 500\n"
		assert text(tail=10000, stream="stdout") == out
		chunks = list(c.logs(u)); whole = b"".join(k.payload for k in chunks)
		for i in (0, len(chunks) // 2, len(chunks) - 1):
		    assert b"".join(k.payload for k in chunks[:i + 1]) + text(from_offset=chunks[i].offset) == whole
		lines = list(c.logs(u, timestamps=True, stream="stdout"))
		assert len(lines) == 500 and all(k.time_ns for k in lines) and [k.time_ns for k in lines] == sorted(k.time_ns for k in lines)
		assert abs(lines[0].time_ns / 1e9 - time.time()) < 60
		mid = lines[399].time_ns
		a, b = text(stream="stdout", until_ns=mid), text(stream="stdout", since_ns=mid + 1)
		assert a + b == out and a and b
		assert text(since_ns=int((time.time() + 3600) * 1e9)) == b""
		u = c.run("sleep", "1000"); until(lambda: c.status(u).status == "RUNNING")
		assert text(no_follow=True) == b"" and text(until_ns=time.time_ns() + 10**9) == b""
		c.job.StopJob(joblet.StopJobRequest(uuid=u))
	END
}

@test "1 GB, whole and in order, with a fast and a slow reader; memory does not grow with it" {
	gateway=$(pgrep -P "$DAEMON_PID" -f -- --gateway)
	PY_TIMEOUT=170 py "$DAEMON_PID" "$gateway" <<-'END'
		pids = [int(p) for p in sys.argv[1:]]
		rss = lambda: [int(next(l for l in open("/proc/%d/status" % p) if l.startswith("VmRSS")).split()[1]) for p in pids]
		SIZE = 1000000000
		before = rss(); peak = before
		job = "import sys,hashlib\nb=b''.join(b'%079d\\n'%i for i in range(12500)); h=hashlib.sha256()\nfor i in range(1000): sys.stdout.buffer.write(b); h.update(b)\nsys.stdout.flush(); sys.stderr.write(h.hexdigest())"
		u = c.run("python3", "-c", job)
		def read(pause):
		    global peak
		    h, err, n, k = hashlib.sha256(), b"", 0, 0
		    t = time.monotonic()
		    for chunk in connect().logs(u):
		        if chunk.stream == 1: h.update(chunk.payload); n += len(chunk.payload)
		        else: err += chunk.payload
		        k += 1
		        if k % 1000 == 0:
		            peak = [max(a, b) for a, b in zip(peak, rss())]
		            if pause: time.sleep(pause)
		    assert n == SIZE and h.hexdigest() == err.decode(), (n, err)
		    return time.monotonic() - t
		slow = threading.Thread(target=lambda: results.append(read(0.3)))
		results = []
		slow.start()
		live = read(0)
		slow.join()
		assert len(results) == 1, "the slow reader failed"
		history = read(0)
		print("# live %.1f s, slow %.1f s, history %.1f s (%.0f MB/s); VmRSS %s kB before, %s at most" %
		      (live, results[0], history, SIZE / history / 1e6, before, peak), file=sys.stderr)
		assert all(p - b < 16000 for p, b in zip(peak, before)), (before, peak)
		c.job.DeleteJob(joblet.DeleteJobRequest(uuid=u))
	END
}

@test "a log that is removed while it is read" {
	py <<-'END'
		u = c.run("bash", "-c", "echo one; sleep 1000")
		s = c.logs(u); assert next(s).payload == b"one\n"
		os.unlink(HOME + "/logs/%s.log" % u)
		try: list(s); assert False
		except grpc.RpcError as e: assert e.code().name == "DATA_LOSS" and "removed" in e.details(), e
		c.job.StopJob(joblet.StopJobRequest(uuid=u))
		u = c.run("echo", "x"); c.wait(u)
		with open(HOME + "/logs/%s.log" % u, "ab") as f: f.write(b"rubbish\n")
		fails("DATA_LOSS", "damaged", c.logs, u)
	END
}

@test "a hundred followers of one job" {
	py <<-'END'
		u = c.run("bash", "-c", "sleep 1; for i in $(seq 2000); do echo $i; done; sleep 1; echo end")
		want = b"".join(b"%d\n" % i for i in range(1, 2001)) + b"end\n"
		got = []
		clients = [connect(options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(2)]
		ts = [threading.Thread(target=lambda x: got.append(b"".join(k.payload for k in x.logs(u))), args=(clients[i % 2],)) for i in range(100)]
		[t.start() for t in ts]; [t.join() for t in ts]
		assert len(got) == 100 and all(g == want for g in got)
	END
}

@test "nothing is left behind" {
	left=$(daemon_leftovers)
	echo "$left"
	[ -z "$left" ]
}
