#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a terminal of its own and plays a person:
#
#   rnx_pty.py [--size ROWSxCOLUMNS] STEP … -- command args …
#
# A step is `expect:TEXT` (shown since the last expect), `send:TEXT` (escapes as in Python), `signal:NAME` (to the command), `resize:ROWSxCOLUMNS`,
# `pause:SECONDS`, or `quiet:TEXT` (must not have been shown). At the end what the terminal showed is printed, then `status N`
# (128+n for a signal) and `mode same` or `mode changed`: whether the terminal is as it was before.
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 15  # seconds for each expect


def size(fd, text):
    rows, columns = text.split("x")
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))


args = sys.argv[1:]
steps, command = args[:args.index("--")], args[args.index("--") + 1:]
window = "24x80"
if steps and steps[0] == "--size":
    window, steps = steps[1], steps[2:]

master, slave = pty.openpty()
size(master, window)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.close(master)
    os.execvp(command[0], command)
shown, at, status = b"", 0, None


def take(timeout):
    global shown
    if select.select([master], [], [], timeout)[0]:
        try:
            shown += os.read(master, 65536)
        except OSError:
            pass


def fail(why):
    sys.stdout.write(shown.decode("utf-8", "replace"))
    print("\nFAILED: %s" % why)
    os.kill(pid, signal.SIGKILL)
    sys.exit(1)


for step in steps:
    kind, _, text = step.partition(":")
    data = text.encode().decode("unicode_escape").encode("latin-1")
    if kind == "expect":
        end = time.monotonic() + LIMIT
        while data not in shown[at:]:
            if time.monotonic() > end:
                fail("%r was not shown" % text)
            take(0.1)
        at = shown.index(data, at) + len(data)
    elif kind == "send":
        os.write(master, data)
    elif kind == "signal":
        os.kill(pid, getattr(signal, "SIG" + text))
    elif kind == "resize":
        size(master, text)
    elif kind == "pause":
        end = time.monotonic() + float(text)
        while time.monotonic() < end:
            take(0.05)
    elif kind == "quiet" and data in shown:
        fail("%r was shown" % text)
end = time.monotonic() + LIMIT
while status is None:
    take(0.05)
    done, code = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(code)
    elif time.monotonic() > end:
        fail("the command does not end")
take(0.1)
sys.stdout.write(shown.decode("utf-8", "replace"))
print("\nstatus %d" % (status if status >= 0 else 128 - status))
print("mode %s" % ("same" if termios.tcgetattr(slave) == before else "changed"))
