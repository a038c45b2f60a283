# SPDX-License-Identifier: Apache-2.0
"""Following a log over mTLS, beside the same bytes through openssl's own server and client."""
import os
import re
import subprocess
import time

from engines import daemon, run, until
from place import BIN
from report import Aim, Group, Line

SIZE = 200 << 20
PORT = "4433"


def through_rnx(served, job):
    began = time.monotonic()
    rnx = subprocess.Popen([f"{BIN}/rnx", "job", "log", "--raw", job], stdout=subprocess.PIPE, env={**os.environ, **served.env})
    counted = int(run(["wc", "-c"], stdin=rnx.stdout))
    took = time.monotonic() - began
    if rnx.wait() or counted < SIZE:
        raise SystemExit(f"bench: rnx job log gave {counted} bytes of {SIZE}")
    return counted / took / 1e6


def is_listening():
    """Not what is left of the connection before, which has the port too."""
    for path in "/proc/net/tcp", "/proc/net/tcp6":
        with open(path, encoding="ascii") as f:
            if re.search(rf":{int(PORT):04X} \S+ 0A ", f.read()):
                return True
    return False


def through_openssl(here, path):
    server = subprocess.Popen(["openssl", "s_server", "-quiet", "-accept", PORT, "-tls1_3", "-naccept", "1", "-cert", here.path("tls.pem"), "-key",
                               here.path("tls.key"), "-HTTP"], cwd=os.path.dirname(path), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    until("openssl s_server listens", is_listening)
    began = time.monotonic()
    client = subprocess.Popen(["openssl", "s_client", "-quiet", "-ign_eof", "-tls1_3", "-connect", f"127.0.0.1:{PORT}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    client.stdin.write(f"GET /{os.path.basename(path)} HTTP/1.0\r\n\r\n".encode())
    client.stdin.flush()
    counted = int(run(["wc", "-c"], stdin=client.stdout))
    took = time.monotonic() - began
    client.stdin.close()
    client.wait()
    server.terminate()
    server.wait()
    if counted < SIZE:
        raise SystemExit(f"bench: openssl s_client gave {counted} bytes of {SIZE}")
    return counted / took / 1e6


def follow(here, reps):
    served = daemon(here)
    line = "0123456789abcdefghijklmnopqrstuvwxyz" * 3
    job = served.job("sh", "-c", f"yes {line[:79]} | head -c {SIZE}")
    served.rnx("job", "wait", job)
    plain = here.make_dir("follow") + "/plain"
    with open(plain, "w", encoding="ascii") as f:
        f.write((line[:79] + "\n") * (SIZE // 80 + 1))
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench", "-days", "2", "-keyout",
         here.path("tls.key"), "-out", here.path("tls.pem")])
    ours, theirs = [], []
    for _ in range(max(3, reps // 2)):
        ours.append(through_rnx(served, job))
        theirs.append(through_openssl(here, plain))
    os.unlink(plain)
    served.rnx("job", "delete", job)
    return [Group("follow", f"{SIZE >> 20} MiB of a job's log (lines of 80 bytes) to a client", "MB/s",
                  [Line("rnx job log", ours), Line("openssl s_server to s_client", theirs, Aim(">=", 0.7))],
                  "The payload's bytes; in the log file every line is 45 bytes longer.")]


rows = {"follow": follow}
