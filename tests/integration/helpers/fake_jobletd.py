#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# A jobletd that is none: it speaks the same wire with mutual TLS (python3-grpcio) and does what the command of a job says, so that rnx can
# be tested against anything that a server, a job or a network may do, without a kernel, root or a daemon.
#
#   fake_jobletd.py DIR     DIR has ca.pem, server.pem, server.key (grpc_certs.sh DIR short); writes DIR/port and DIR/events.jsonl,
#                           then serves until it is killed
#
# A command is a script of words: see `Job.play`. Between rnx and the server stands a small TCP proxy, so that connections can be cut for real.
import json
import os
import queue
import socket
import sys
import threading
import time
import uuid
from concurrent import futures

from grpc_client import grpc, joblet, joblet_grpc

DIR = sys.argv[1]
CHUNK = 32768
lock = threading.Condition()
order = []
keys = {}
fail = {}  # what goes wrong next: {"run": n, "find": n}


def event(**what):
    with open(os.path.join(DIR, "events.jsonl"), "a") as f:
        f.write(json.dumps(what) + "\n")


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Proxy:
    """Passes bytes both ways; cut() resets every connection, down() refuses new ones for a while."""

    def __init__(self, target):
        self.target, self.pairs = target, []
        self.listen()

    def listen(self, port=0):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        self.sock.listen(64)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.sock,), daemon=True).start()

    def accept(self, sock):
        while True:
            try:
                a, _ = sock.accept()
            except OSError:
                return
            b = socket.create_connection(("127.0.0.1", self.target))
            self.pairs += [a, b]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.copy, args=(x, y), daemon=True).start()

    @staticmethod
    def copy(x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
        except OSError:
            pass
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, down=0.0):
        pairs, self.pairs = self.pairs, []
        if down and self.sock.fileno() >= 0:
            port = self.port
            self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()
            threading.Timer(down, self.listen, [port]).start()
        for s in pairs:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Job:
    def __init__(self, r, owner):
        self.r, self.owner = r, owner
        self.id = str(uuid.uuid4())
        self.status, self.code, self.signal, self.reason = "RUNNING", 0, 0, ""
        self.created = self.start = now()
        self.end = ""
        self.log = []  # (stream, bytes, time_ns)
        self.size = 0
        self.input = queue.Queue()
        self.signals = queue.Queue()
        self.sizes = queue.Queue()
        threading.Thread(target=self.live, daemon=True).start()

    def put(self, data, stream=1):
        if isinstance(data, str):
            data = data.encode()
        with lock:
            for i in range(0, len(data), CHUNK):
                self.log.append((stream, data[i:i + CHUNK], time.time_ns()))
            self.size += len(data)
            lock.notify_all()

    def ended(self, status, code, sig=0, reason=""):
        with lock:
            if self.end:
                return
            self.status, self.code, self.signal, self.reason, self.end = status, code, sig, reason or "exited %d" % code, now()
            lock.notify_all()

    def live(self):
        try:
            code = self.play(self.r.command, list(self.r.args)) or 0
            self.ended("COMPLETED" if code == 0 else "FAILED", code)
        except Exception as e:  # a mistake in the script is the job's end
            self.ended("FAILED", 125, reason="script: %r" % e)

    def play(self, command, args):
        if command == "echo":
            self.put(" ".join(args) + "\n")
        elif command == "err":
            self.put(" ".join(args) + "\n", 2)
        elif command == "both":
            for i in range(int(args[0])):
                self.put("out %d\n" % i)
                self.put("err %d\n" % i, 2)
        elif command == "exit":
            return int(args[0])
        elif command == "killed":
            self.ended("FAILED", 128 + int(args[0]), int(args[0]), "killed by signal %s" % args[0])
        elif command == "timeout":
            self.ended("TIMEOUT", 124, 0, "timed out after 1s")
        elif command == "nosuch":
            self.ended("FAILED", 127, 0, 'could not start: exec "nosuch": not found')
        elif command == "bytes":  # N bytes of every value, and of every length of line
            n, block = int(args[0]), bytes((i * 7 + i // 251) % 256 for i in range(1 << 20))
            for at in range(0, n, len(block)):
                self.put(block[:n - at])
        elif command == "printf":
            self.put(args[0].encode().decode("unicode_escape").encode("latin-1"))
        elif command == "cat":
            while (data := self.input.get()) is not None:
                self.put(data)
        elif command == "size":  # says the window and each change, until a q is typed
            self.put("size %dx%d\n" % (self.r.tty_rows, self.r.tty_columns))
            while (data := self.input.get()) is not None and b"q" not in data:
                self.put("typed %r\r\n" % data)
                while not self.sizes.empty():
                    self.put("size %dx%d\r\n" % self.sizes.get())
        elif command == "signals":  # says each, ends by the last
            self.put("ready\n")
            for _ in range(int(args[0])):
                self.put("got %s\n" % self.signals.get())
        elif command == "ignore":  # says each, never ends
            self.put("ready\n")
            while (s := self.signals.get()) != "STOP":
                self.put("got %s\n" % s)
            self.ended("STOPPED", 143, 15, "stopped by tester")
        elif command == "yes":
            while self.signals.empty():
                self.put("y\n" * 1000)
                while len(self.log) > 4096:
                    if not self.signals.empty():
                        break
                    time.sleep(0.001)
            name = self.signals.get()
            self.ended("FAILED", 141, 13, "killed by signal 13") if name == "PIPE" else self.ended("FAILED", 1)
        elif command == "lines":  # N lines, cutting the connection after each k-th, down for d seconds
            n, k, down = int(args[0]), int(args[1]), float(args[2])
            for i in range(n):
                self.put("line %d\n" % i)
                time.sleep(0.02)
                if (i + 1) % k == 0:
                    proxy.cut(down)
        elif command == "abort":  # the server itself says that it goes
            self.put("before\n")
            time.sleep(0.2)
            fail["attach"] = 1
            self.put("after\n")
        elif command == "sleep":
            try:
                if self.signals.get(timeout=float(args[0])) == "STOP":
                    self.ended("STOPPED", 143, 15, "stopped by tester")
            except queue.Empty:
                pass
        elif command == "request":
            r = self.r
            self.put(json.dumps({
                "args": list(r.args), "max_cpu": r.max_cpu, "max_memory": r.max_memory, "max_io_bps": r.max_io_bps,
                "cpu_cores": r.cpu_cores, "schedule": r.schedule, "network": r.network, "volumes": list(r.volumes),
                "runtime": r.runtime, "work_dir": r.work_dir, "environment": dict(r.environment),
                "secret_environment": dict(r.secret_environment), "gpu_count": r.gpu_count, "gpu_memory_mb": r.gpu_memory_mb,
                "timeout": r.timeout, "stdin": r.stdin, "tty": r.tty, "name": r.name, "labels": dict(r.labels)},
                sort_keys=True) + "\n")
        else:
            self.ended("FAILED", 127, 0, 'could not start: exec "%s": not found' % command)
        return 0

    def exit(self):
        return joblet.JobExit(uuid=self.id, status=self.status, exit_code=self.code, signal=self.signal, reason=self.reason)

    def follow(self, offset, context, no_follow=False):
        """(stream, bytes, offset behind them, time) from a byte offset on, until the end."""
        at, i = 0, 0
        while True:
            with lock:
                while i >= len(self.log) and not self.end and not no_follow and context.is_active():
                    lock.wait(0.2)
                if i >= len(self.log):
                    return
                stream, data, t = self.log[i]
            i += 1
            at += len(data)
            if at > offset:
                yield stream, data[max(0, len(data) - (at - offset)):], at, t

    def message(self, kind):
        m = kind(uuid=self.id, command=self.r.command, args=self.r.args, max_cpu=self.r.max_cpu, max_memory=self.r.max_memory,
                 status=self.status, start_time=self.start, end_time=self.end, exit_code=self.code, node_id="fake", name=self.r.name,
                 owner=self.owner, reason=self.reason if self.end else "", signal=self.signal, created_time=self.created,
                 labels=self.r.labels, runtime=self.r.runtime)
        if kind is joblet.GetJobStatusResponse:
            m.tty = self.r.tty
        m.environment.update(self.r.environment)
        for name in self.r.secret_environment:
            m.secret_environment[name] = "***"
        return m


def who(context):
    names = context.auth_context().get("x509_common_name", [b"?"])
    return names[0].decode()


def may_write(context):
    if who(context) == "victor":
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "role viewer lacks job:run")


def get(ref, context):
    with lock:
        found = [j for j in order if j.id.startswith(ref) or (ref and j.r.name == ref)]
        if ref == "@last":
            found = order[-1:]
        if len(found) == 1:
            return found[0]
    context.abort(grpc.StatusCode.INVALID_ARGUMENT if found else grpc.StatusCode.NOT_FOUND,
                  'job "%s" is ambiguous' % ref if found else 'no job "%s"' % ref)


def maybe_fail(what, context):
    if fail.get(what, 0) > 0:
        fail[what] -= 1
        event(call=what, failed=True)
        context.abort(grpc.StatusCode.UNAVAILABLE, "the server is being restarted")


class Jobs(joblet_grpc.JobServiceServicer):
    def RunJob(self, r, context):
        may_write(context)
        event(call="run", key=r.idempotency_key, command=r.command)
        if r.command == "fail-next":  # not a job: arms what goes wrong
            fail[r.args[0]] = int(r.args[1])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "armed")
        if r.command == "invalid":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "network: there is none yet\x1b[31m")
        with lock:
            j = keys.get(r.idempotency_key)
            if not j:
                j = keys[r.idempotency_key] = Job(r, who(context))
                order.append(j)
        maybe_fail("run", context)  # the job is there, its answer is lost
        return joblet.RunJobResponse(job_uuid=j.id, status="RUNNING")

    def GetJobStatus(self, r, context):
        maybe_fail("status", context)
        return get(r.uuid, context).message(joblet.GetJobStatusResponse)

    def StopJob(self, r, context):
        may_write(context)
        j = get(r.uuid, context)
        if j.end:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "job %s has ended: %s" % (j.id, j.status))
        j.signals.put("STOP")
        with lock:
            lock.wait_for(lambda: j.end, 5)
        return joblet.StopJobResponse(uuid=j.id, status=j.status, end_time=j.end, exit_code=j.code)

    def CancelJob(self, r, context):
        j = get(r.uuid, context)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "job %s has started" % j.id)

    def DeleteJob(self, r, context):
        j = get(r.uuid, context)
        if not j.end:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "job %s has not ended" % j.id)
        with lock:
            order.remove(j)
        return joblet.DeleteJobResponse(uuid=j.id, success=True)

    def DeleteAllJobs(self, r, context):
        with lock:
            gone = [j for j in order if j.end]
            for j in gone:
                order.remove(j)
            return joblet.DeleteAllJobsResponse(success=True, deleted_count=len(gone), skipped_count=len(order))

    def GetJobLogs(self, r, context):
        event(call="logs", from_offset=r.from_offset, tail=r.tail, no_follow=r.no_follow, stream=r.stream, timestamps=r.timestamps,
              since=r.since_ns > 0, until=r.until_ns > 0)
        j = get(r.uuid, context)
        for stream, data, offset, t in j.follow(r.from_offset, context, r.no_follow):
            if not r.stream or r.stream == ("stderr" if stream == 2 else "stdout"):
                yield joblet.DataChunk(payload=data, stream=stream, offset=offset, time_ns=t if r.timestamps else 0)


class Control(joblet_grpc.JobControlServiceServicer):
    def AttachJob(self, requests, context):
        start = next(requests).start
        event(call="attach", from_offset=start.from_offset, stdin=start.stdin, stop=start.stop_on_disconnect)
        j = get(start.uuid, context)
        if start.stdin and not j.r.stdin and not j.r.tty:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the job was started without stdin")
        if start.stdin and who(context) == "victor":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "role viewer lacks job:attach")
        threading.Thread(target=self.take, args=(j, requests), daemon=True).start()
        yield joblet.AttachResponse(ready=joblet.AttachReady(uuid=j.id, status=j.status, tty=j.r.tty))
        if j.r.schedule:
            yield joblet.AttachResponse(note="scheduled for " + j.r.schedule)
        for stream, data, offset, _ in j.follow(max(0, start.from_offset) if start.from_offset >= 0 else j.size, context):
            maybe_fail("attach", context)
            yield joblet.AttachResponse(output=joblet.DataChunk(payload=data, stream=stream, offset=offset))
        yield joblet.AttachResponse(exit=j.exit())

    @staticmethod
    def take(j, requests):
        try:
            for m in requests:
                kind = m.WhichOneof("request")
                if kind == "stdin":
                    j.input.put(m.stdin)
                elif kind == "stdin_eof":
                    j.input.put(None)
                elif kind == "signal":
                    event(call="signal", name=m.signal)
                    j.signals.put(m.signal)
                elif kind == "resize":
                    j.sizes.put((m.resize.rows, m.resize.columns))
        except Exception:  # the client has gone
            event(call="gone")

    def WaitJob(self, r, context):
        found = [get(u, context) for u in r.uuids]
        done = (lambda: any(j.end for j in found)) if r.any else (lambda: all(j.end for j in found))
        with lock:
            while not done() and context.is_active():
                lock.wait(0.1)
        return joblet.WaitJobResponse(jobs=[j.exit() for j in found if j.end])

    def SignalJob(self, r, context):
        j = get(r.uuid, context)
        j.signals.put(r.signal)
        return joblet.SignalJobResponse(uuid=j.id)

    def FindJobs(self, r, context):
        maybe_fail("find", context)
        event(call="find", status=list(r.status), name=r.name, labels=dict(r.labels), runtime=r.runtime, mine=r.mine,
              since=r.since_ns > 0, page_size=r.page_size)
        with lock:
            found = [j for j in reversed(order) if not r.status or j.status in r.status]
        at, size = int(r.page_token or 0), min(r.page_size or 500, 3)
        return joblet.FindJobsResponse(jobs=[j.message(joblet.Job) for j in found[at:at + size]],
                                       next_page_token=str(at + size) if at + size < len(found) else "")


def read(name):
    with open(os.path.join(DIR, name), "rb") as f:
        return f.read()


server = grpc.server(futures.ThreadPoolExecutor(64))
joblet_grpc.add_JobServiceServicer_to_server(Jobs(), server)
joblet_grpc.add_JobControlServiceServicer_to_server(Control(), server)
credentials = grpc.ssl_server_credentials([(read("server.key"), read("server.pem"))], read("ca.pem"), True)
proxy = Proxy(server.add_secure_port("127.0.0.1:0", credentials))
server.start()
with open(os.path.join(DIR, "port.tmp"), "w") as f:
    f.write("%d\n" % proxy.port)
os.rename(os.path.join(DIR, "port.tmp"), os.path.join(DIR, "port"))
server.wait_for_termination()
