#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the shim's tests need and a shell cannot do.

start COMMAND...          starts a shim with a sync and a start pipe; prints the first line of the sync pipe, and its exit status
exec SOCKET COMMAND...    the same with an attach pipe: attaches before the execution starts; output goes to --out and --err
burst [...]               many short jobs, one after the other: every byte and every exit code must be there
listen SOCKET OUT         takes datagrams, each on a line of OUT, until it is killed
attach SOCKET [...]       a client: stdin to the job, packets to --out and --err; see --help
decode LOG STREAM         checks every line of a CRI log and writes the payload of stdout, stderr or both
"""
import argparse
import os
import re
import socket
import subprocess
import sys
import threading
import time


def start(a):
    sync_r, sync_w = os.pipe()
    start_r, start_w = os.pipe()
    env = dict(os.environ, _OCI_SYNCPIPE=str(sync_w), _OCI_STARTPIPE=str(start_r))
    p = subprocess.Popen(a.command, env=env, pass_fds=(sync_w, start_r), stdin=subprocess.DEVNULL)
    os.close(sync_w)
    os.close(start_r)
    if a.linger:  # until somebody kills us: the caller that dies
        print(p.pid, flush=True)
        time.sleep(60)
    if not a.no_byte:
        try:
            os.write(start_w, b"\0")
        except BrokenPipeError:  # it has refused already, and says why on the sync pipe
            pass
    os.close(start_w)
    with os.fdopen(sync_r, "rb") as f:
        while True:
            line = f.readline()
            if not line:
                break
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            if not a.all:
                break
    sys.exit(p.wait())


def execute(a):
    """podman exec: the byte that lets the shim begin, the line that says it listens, the byte that lets the runtime begin."""
    sync_r, sync_w = os.pipe()
    start_r, start_w = os.pipe()
    attach_r, attach_w = os.pipe()
    env = dict(os.environ, _OCI_SYNCPIPE=str(sync_w), _OCI_STARTPIPE=str(start_r), _OCI_ATTACHPIPE=str(attach_w))
    p = subprocess.Popen(a.command, env=env, pass_fds=(sync_w, start_r, attach_w), stdin=subprocess.DEVNULL)
    for fd in (sync_w, start_r, attach_w):
        os.close(fd)
    os.write(start_w, b"\0")
    ready = os.read(attach_r, 100)
    assert ready == b'{"data": 0}\n', ready
    s = connect(a.socket)
    if a.wait_file:  # nothing may run before we say so
        time.sleep(0.3)
        assert not os.path.exists(a.wait_file), "the execution did not wait"
    os.write(start_w, b"\0")
    os.close(start_w)
    out = {2: open(a.out, "wb"), 3: open(a.err, "wb")}
    said = os.read(sync_r, 1000) if a.late else b""
    while True:
        data = s.recv(1 << 20)
        if not data:
            break
        out[data[0]].write(data[1:])
        out[data[0]].flush()
    with os.fdopen(sync_r, "rb") as f:
        sys.stdout.write((said + f.read()).decode())
    sys.exit(p.wait())


def burst(a):
    """One shim after the other in the foreground (--sync), with a runtime that only starts <bundle>/job."""
    payload = os.urandom(3000) + b"\n" + b"x" * a.size
    bundle, exits, log = (os.path.join(a.dir, n) for n in ("burst", "burst-exits", "burst.log"))
    os.makedirs(bundle)
    os.makedirs(exits)
    with open(os.path.join(bundle, "payload"), "wb") as f:
        f.write(payload)
    job = os.path.join(bundle, "job")
    with open(job, "w") as f:
        f.write('#!/bin/sh\ncat "${0%%/*}/payload"\nprintf last; exit 7\n'.replace("%%", "%"))
    os.chmod(job, 0o755)
    command = [a.shim, "--sync", "--api-version=1", "-c", "burst", "-u", "burst", "-r", a.runtime, "-b", bundle, "--full-attach",
               "-l", "k8s-file:" + log, "--exit-dir", exits, "-p", os.path.join(bundle, "pid"), "--no-sync-log"]
    for i in range(a.count):
        status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=120).returncode
        try:
            with open(os.path.join(exits, "burst")) as f:
                code = f.read()
        except FileNotFoundError:
            sys.exit("run %d: status %d and no exit file" % (i, status))
        got = payload_of(log, "stdout")
        if status != 7 or code != "7" or got != payload + b"last":
            sys.exit("run %d: status %d, code %s, %d of %d bytes" % (i, status, code, len(got), len(payload) + 4))
        os.unlink(log)
    print(a.count, "runs")


def listen(a):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(a.socket)
    with open(a.out, "wb", buffering=0) as f:
        while True:
            f.write(s.recv(1 << 20).replace(b"\n", b" ") + b"\n")


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = os.open(os.path.dirname(path), os.O_PATH)  # the path may be too long for a socket address
    s.connect("/proc/self/fd/%d/%s" % (fd, os.path.basename(path)))
    return s


def send(a, s):
    if not a.no_input:
        while True:
            data = sys.stdin.buffer.read1(a.packet)
            if not data:
                break
            s.sendall(data)
    if a.end == "shutdown":
        s.shutdown(socket.SHUT_WR)
    elif a.end == "empty":
        s.send(b"")


def attach(a):
    s = connect(a.socket)
    if a.deaf:
        s.shutdown(socket.SHUT_RD)
    if a.ready:
        open(a.ready, "w").close()
    if a.stuck:
        time.sleep(a.stuck)
        return
    while a.until and not os.path.exists(a.until):
        time.sleep(0.05)
    if a.deaf or a.leave:
        send(a, s)
        return
    threading.Thread(target=send, args=(a, s), daemon=True).start()
    out = {2: open(a.out, "wb"), 3: open(a.err, "wb")}
    while True:
        data = s.recv(1 << 20)
        if not data:
            break
        out[data[0]].write(data[1:])
        out[data[0]].flush()


LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d (stdout|stderr) ([FP]) ")


def payload_of(log, stream):
    parts = []
    for line in open(log, "rb"):
        m = LINE.match(line)
        if not m or not line.endswith(b"\n") or len(line) - m.end() - 1 > 8192:
            sys.exit("not a CRI line: %r" % line[:200])
        if stream in ("both", m[1].decode()):
            parts.append(line[m.end() :] if m[2] == b"F" else line[m.end() : -1])
    return b"".join(parts)


def decode(a):
    sys.stdout.buffer.write(payload_of(a.log, a.stream))


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(required=True)
    c = sub.add_parser("start")
    c.add_argument("--all", action="store_true", help="every line of the sync pipe")
    c.add_argument("--linger", action="store_true")
    c.add_argument("--no-byte", action="store_true", help="the start pipe ends without its byte")
    c.add_argument("command", nargs=argparse.REMAINDER)
    c.set_defaults(run=start)
    c = sub.add_parser("attach")
    c.add_argument("socket")
    c.add_argument("--out", default="/dev/stdout")
    c.add_argument("--err", default="/dev/stderr")
    c.add_argument("--end", choices=["shutdown", "empty", "none"], default="shutdown")
    c.add_argument("--deaf", action="store_true", help="shut the reading side first")
    c.add_argument("--leave", action="store_true", help="go away after the input")
    c.add_argument("--stuck", type=float, default=0, help="connect and read nothing for so long")
    c.add_argument("--until", help="connect and read nothing before there is such a file")
    c.add_argument("--no-input", action="store_true")
    c.add_argument("--packet", type=int, default=8192)
    c.add_argument("--ready", help="a file that is made once connected")
    c.set_defaults(run=attach)
    c = sub.add_parser("exec")
    c.add_argument("--out", default="/dev/stdout")
    c.add_argument("--err", default="/dev/stderr")
    c.add_argument("--wait-file")
    c.add_argument("--late", action="store_true", help="read nothing before the runtime has ended")
    c.add_argument("socket")
    c.add_argument("command", nargs=argparse.REMAINDER)
    c.set_defaults(run=execute)
    c = sub.add_parser("burst")
    for name in ("--shim", "--runtime", "--dir"):
        c.add_argument(name, required=True)
    c.add_argument("--count", type=int, required=True)
    c.add_argument("--size", type=int, default=70000)
    c.set_defaults(run=burst)
    c = sub.add_parser("listen")
    c.add_argument("socket")
    c.add_argument("out")
    c.set_defaults(run=listen)
    c = sub.add_parser("decode")
    c.add_argument("log")
    c.add_argument("stream", choices=["stdout", "stderr", "both"])
    c.set_defaults(run=decode)
    a = p.parse_args()
    if getattr(a, "command", None) and a.command[0] == "--":
        del a.command[0]
    a.run(a)


main()
