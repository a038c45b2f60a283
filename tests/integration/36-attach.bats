#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# AttachJob: stdin in, both streams out, window size, signals, and what happens when the client goes away.

load helpers/daemon

setup_file() {
	daemon_make joblet.maxConcurrentJobs=3 joblet.stopGracePeriod=1s
	daemon_start
	export FILE_HOME=$DAEMON_HOME
}

teardown() {
	[ "$DAEMON_HOME" = "$FILE_HOME" ] || daemon_clean # a test's own
}

teardown_file() {
	daemon_clean
}

# A session: what is put into .q goes to the server, .out and .err collect, .exit is the last message.
session() {
	cat <<-'END'
		import queue
		A, S = joblet.AttachRequest, joblet.AttachStart
		class Session:
		    def __init__(self, u, client=None, **start):
		        self.q, self.out, self.err, self.notes, self.exit, self.error, self.ready = queue.Queue(), b"", b"", [], None, None, None
		        self.q.put(A(start=S(uuid=u, **start)))
		        self.call = (client or c).control.AttachJob(iter(self.q.get, None))
		        self.thread = threading.Thread(target=self.read, daemon=True); self.thread.start()
		    def read(self):
		        try:
		            for m in self.call:
		                kind = m.WhichOneof("response")
		                if kind == "ready": self.ready = m.ready
		                elif kind == "exit": self.exit = m.exit
		                elif kind == "note": self.notes.append(m.note)
		                elif m.output.stream == 2: self.err += m.output.payload
		                else: self.out += m.output.payload
		                self.last = kind
		        except grpc.RpcError as e: self.error = e
		        self.q.put(None)
		    def send(self, **k): self.q.put(A(**k))
		    def end(self):
		        self.thread.join(60); assert not self.thread.is_alive(), "the session does not end"
		        if self.error: raise self.error
		        return self
	END
	cat
}

@test "output and exit of a job without stdin" {
	session <<-'END' | py
		u = c.run("sh", "-c", "echo out; echo err >&2; exit 3")
		s = Session(u).end()
		assert (s.out, s.err, s.exit.exit_code, s.exit.status, s.last) == (b"out\n", b"err\n", 3, "FAILED", "exit") and s.ready.uuid == u, vars(s)
		s = Session(u).end(); assert s.out == b"out\n" and s.ready.status == "FAILED" and s.exit.exit_code == 3
		s = Session(u, client=connect("viewer")).end(); assert s.out == b"out\n"
		s = Session(u, from_offset=-1).end(); assert s.out == b"" and s.exit.exit_code == 3
	END
}

@test "stdin: 20 MB through cat, and its end" {
	session <<-'END' | py
		u = c.run("bash", "-c", "sleep 0.5; cat >f; sha256sum f; cat f >&2", stdin=True)
		s = Session(u, stdin=True)
		h = hashlib.sha256()
		for i in range(320):
		    b = os.urandom(65536); h.update(b); s.send(stdin=b)
		s.send(stdin_eof=True)
		s.end()
		assert s.out.split()[0].decode() == h.hexdigest() and s.exit.exit_code == 0, s.out
		assert hashlib.sha256(s.err).hexdigest() == h.hexdigest()
		# closing the sending side is the end of stdin too
		u = c.run("cat", stdin=True); s = Session(u, stdin=True); s.send(stdin=b"x"); s.q.put(None); s.end(); assert s.out == b"x"
		# a job that does not read, or stops reading
		u = c.run("sh", "-c", "exec <&-; sleep 0.5; echo done", stdin=True); s = Session(u, stdin=True)
		for i in range(100): s.send(stdin=b"y" * 65536)
		s.end(); assert s.out == b"done\n" and s.exit.exit_code == 0
	END
}

@test "a job that does not take its stdin holds back the client, and nothing else" {
	session <<-'END' | py
		u = c.run("sleep", "1000", stdin=True); sent = [0]
		def feed():
		    yield A(start=S(uuid=u, stdin=True))
		    while True:
		        sent[0] += 65536
		        yield A(stdin=b"z" * 65536)
		call = c.control.AttachJob(feed())
		assert next(call).ready.uuid == u
		before = -1
		while before != sent[0]: before = sent[0]; time.sleep(1)
		assert sent[0] < 16 << 20, sent
		assert c.status(u).status == "RUNNING"
		call.cancel()
		c.job.StopJob(joblet.StopJobRequest(uuid=u))
	END
}

@test "a job that waits in the queue: it is said, and stdin waits with the client" {
	session <<-'END' | py
		block = [c.run("sleep", "1000") for _ in range(3)]
		for b in block: until(lambda: c.status(b).status == "RUNNING")
		u = c.run("cat", stdin=True)
		s = Session(u, stdin=True)
		s.send(stdin=b"early\n"); s.send(stdin_eof=True)
		until(lambda: s.notes); assert "queue" in s.notes[0] and s.ready.status == "PENDING", s.notes
		for b in block: c.job.StopJob(joblet.StopJobRequest(uuid=b))
		s.end(); assert s.out == b"early\n" and s.exit.exit_code == 0
		u = c.run("echo", "x", schedule="1s"); s = Session(u).end(); assert "scheduled" in s.notes[0] and s.out == b"x\n"
	END
}

@test "signals" {
	session <<-'END' | py
		u = c.run("sh", "-c", "trap 'echo hup' HUP; trap 'echo int; exit 130' INT; echo ready; while :; do sleep 0.05; done")
		s = Session(u)
		until(lambda: s.out == b"ready\n")
		s.send(signal="HUP"); until(lambda: b"hup" in s.out)
		s.send(signal="SIGINT"); s.end()
		assert s.out == b"ready\nhup\nint\n" and s.exit.exit_code == 130
	END
}

@test "a terminal: echo, size, end of input" {
	session <<-'END' | py
		u = c.run("sh", "-c", "stty size; read x; stty size; echo got $x; test -t 0 && test -t 1 && test -t 2", tty=True, tty_rows=30, tty_columns=100)
		s = Session(u, stdin=True)
		until(lambda: b"30 100" in s.out); assert s.ready.tty
		s.send(resize=joblet.TerminalSize(rows=50, columns=120)); time.sleep(0.3)
		s.send(stdin=b"hello\n"); s.end()
		assert b"50 120\r\n" in s.out and b"got hello\r\n" in s.out and s.exit.exit_code == 0, s.out
	END
}

@test "the client goes away: the job goes on, unless it was asked to stop" {
	session <<-'END' | py
		u = c.run("sh", "-c", "echo a; sleep 1; echo b")
		s = Session(u); until(lambda: s.out); s.call.cancel()
		assert c.wait(u)[0].status == "COMPLETED" and c.output(u) == b"a\nb\n"
		# cut off and back again: nothing lost, nothing twice
		u = c.run("bash", "-c", "for i in $(seq 3000); do echo $i; [ $((i % 500)) != 0 ] || sleep 0.2; done")
		out, offset, sessions = b"", 0, 0
		while True:
		    sessions += 1; call = connect().control.AttachJob(iter([A(start=S(uuid=u, from_offset=offset))])); done = False
		    for m in call:
		        if m.WhichOneof("response") == "exit": done = True
		        if m.WhichOneof("response") == "output":
		            out += m.output.payload; offset = m.output.offset
		            if sessions < 6: call.cancel(); break
		    if done: break
		assert out == b"".join(b"%d\n" % i for i in range(1, 3001)) and sessions > 2, sessions
		u = c.run("sleep", "1000")
		s = Session(u, stop_on_disconnect=True); until(lambda: s.ready and c.status(u).status == "RUNNING"); s.call.cancel()
		e = c.wait(u)[0]; assert e.status == "STOPPED", e
		u = c.run("sh", "-c", "exit 2"); s = Session(u, stop_on_disconnect=True).end(); assert s.exit.status == "FAILED"
	END
}

@test "jobletd killed and started again: the next client has the job's output and its stdin" {
	local DAEMON_HOME DAEMON_PID DAEMON_CGROUP
	daemon_make joblet.stopGracePeriod=1s
	daemon_start
	session <<-'END' | py
		u = c.run("sh", "-c", "while read -r x; do echo got $x; done; echo over; exit 6", stdin=True)
		s = Session(u, stdin=True); s.send(stdin=b"one\n"); until(lambda: s.out == b"got one\n")
		print(u, file=open(os.environ["DAEMON_HOME"] + "/id", "w"))
		os.kill(int(os.environ["DAEMON_PID"]), signal.SIGKILL)
		s.thread.join(60); assert s.error
	END
	daemon_gone
	daemon_start
	session <<-'END' | py
		u = open(os.environ["DAEMON_HOME"] + "/id").read().strip()
		s = Session(u, stdin=True); s.send(stdin=b"two\n"); until(lambda: b"got two" in s.out)
		s.send(stdin_eof=True); s.end()
		assert s.out == b"got one\ngot two\nover\n" and s.exit.exit_code == 6, (s.out, s.exit)
		# a client that goes away is the end of stdin, as before
		u = c.run("sh", "-c", "cat; echo over", stdin=True); s = Session(u, stdin=True); s.send(stdin=b"x\n"); until(lambda: s.out); s.call.cancel()
		assert c.wait(u)[0].status == "COMPLETED" and c.output(u) == b"x\nover\n"
	END
	daemon_clean
}

@test "wrong use, and what a viewer may not" {
	session <<-'END' | py
		u = c.run("sleep", "1000", stdin=True); n = c.run("sleep", "1000")
		until(lambda: c.status(u).status == "RUNNING" and c.status(n).status == "RUNNING")
		v = connect("viewer")
		def ends(code, text, *requests, client=c):
		    def feed():
		        yield from requests
		        time.sleep(2)
		    fails(code, text, client.control.AttachJob, feed())
		start = A(start=S(uuid=u))
		ends("INVALID_ARGUMENT", "start", A(stdin=b"x"))
		ends("INVALID_ARGUMENT", "start", A())
		ends("INVALID_ARGUMENT", "start", start, start)
		ends("INVALID_ARGUMENT", "start")
		ends("INVALID_ARGUMENT", "stdin", start, A(stdin=b"x"))
		ends("INVALID_ARGUMENT", "signal", start, A(signal="BOOM"))
		ends("INVALID_ARGUMENT", "window", start, A(resize=joblet.TerminalSize(rows=70000, columns=1)))
		ends("INVALID_ARGUMENT", "offset", A(start=S(uuid=u, from_offset=-2)))
		ends("NOT_FOUND", "", A(start=S(uuid="12345678")))
		ends("FAILED_PRECONDITION", "without stdin", A(start=S(uuid=n, stdin=True)))
		ends("PERMISSION_DENIED", "role viewer lacks job:attach", A(start=S(uuid=u, stdin=True)), client=v)
		ends("PERMISSION_DENIED", "role viewer lacks job:stop", A(start=S(uuid=u, stop_on_disconnect=True)), client=v)
		ends("PERMISSION_DENIED", "role viewer lacks job:attach", start, A(signal="KILL"), client=v)
		ends("PERMISSION_DENIED", "role viewer lacks job:attach", start, A(resize=joblet.TerminalSize(rows=7, columns=1)), client=v)
		assert c.status(u).status == "RUNNING" and c.status(n).status == "RUNNING"
		for x in (u, n): c.job.StopJob(joblet.StopJobRequest(uuid=x))
	END
}

@test "a log that appears in the moment in which it is looked for" {
	local slow=$BATS_TEST_TMPDIR/slow-shim tracer n
	printf '#!/bin/sh\nsleep 0.5\nexec "%s" "$@"\n' "$DAEMON_BIN/joblet-shim" >"$slow" && chmod 755 "$slow"
	DAEMON_SHIM=$slow daemon_make
	daemon_start
	# It comes after a look for it and before the n-th watch on its folder stands.
	for n in 1 2 3 4; do
		strace -qq -o /dev/null -p "$DAEMON_PID" -e trace=inotify_add_watch -e inject=inotify_add_watch:delay_enter=1500000:when=$n 3>&- &
		tracer=$!
		while ! grep -q "^TracerPid:[[:space:]]*$tracer\$" "/proc/$DAEMON_PID/status"; do sleep 0.05; done
		session <<-'END' | py
			u = c.run("sh", "-c", "echo there; read x", stdin=True)
			s = Session(u, stdin=True)
			until(lambda: s.out == b"there\n")
			s.send(stdin=b"\n"); s.end()
		END
		kill "$tracer"
		wait "$tracer" || true
	done
}

@test "nothing is left behind" {
	left=$(daemon_leftovers)
	echo "$left"
	[ -z "$left" ]
}
