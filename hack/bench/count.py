#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""System calls of a command and of all that comes of it, by program. They do not depend on how busy the machine is, as times do.

usage: count.py FILE COMMAND...     writes "PROGRAM CALLS" lines into FILE, and below them each program's calls by name; exit status of COMMAND
"""
import collections
import re
import subprocess
import sys
import tempfile

LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
FORKS = ("clone", "clone3", "fork", "vfork")


def program_of(call, text):
    """What an exec puts in the place of what was there: the last part of its path, or of argv[0] when it executes a descriptor."""
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    path = strings[0] if call == "execve" or strings[0] else strings[1]
    return path.rsplit("/", 1)[-1]


def parents(lines):
    """pid -> the process that made it, where strace(1) shows the number that both know."""
    found = {}
    for pid, resumed, call, text in lines:
        made = re.search(r" = (\d+)$", text)
        if (resumed or call) in FORKS and made:
            found[made[1]] = pid
    return found


def count(lines):
    """program -> Counter of its calls."""
    made_by = parents(lines)
    program, asked = {}, {}
    out = collections.defaultdict(collections.Counter)

    def name(pid):
        if pid not in program:
            program[pid] = name(made_by[pid]) if pid in made_by else "?"
        return program[pid]

    for pid, resumed, call, text in lines:
        if call:
            if call in ("execve", "execveat"):
                asked[pid] = program_of(call, text)
            out[name(pid)][call] += 1
        if (resumed or call) in ("execve", "execveat") and re.search(r" = 0\b", text):
            program[pid] = asked[pid]
    return out


def trace(argv, **more):
    """Runs it; its exit status, and count() of it."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as f:
        status = subprocess.run(["strace", "-f", "-qq", "-s", "256", "-e", "signal=none", "-o", f.name, *argv], check=False, close_fds=False,
                                **more).returncode
        lines = [m.groups() for m in map(LINE.match, f) if m]
    return status, count(lines)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    status, programs = trace(sys.argv[2:])
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        for program, calls in programs.items():
            f.write(f"{program} {sum(calls.values())}\n")
        for program, calls in programs.items():
            f.write(f"\n{program}:\n" + "".join(f"  {n:6} {call}\n" for call, n in calls.most_common()))
    return status


if __name__ == "__main__":
    sys.exit(main())
