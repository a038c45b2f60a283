# SPDX-License-Identifier: Apache-2.0
"""The shim beside conmon, both with joblet-runtime below: memory while a job runs, and what its output costs."""
import os
import subprocess
import sys
import time

from engines import Shim, create_alone, rollup, run, until
from place import BIN, SOURCE
from report import Aim, Group, Line

SHIMS = {"joblet-shim": f"{BIN}/joblet-shim", "conmon": "conmon"}
SIZE = 400 << 20
KINDS = {"80": ("lines of 80 bytes", True), "4k": ("lines of 4 KiB", False), "binary": ("random bytes", False)}  # the aim is that of short lines
REST = 3  # seconds after which a shim that has nothing to do has given back what it can


def memory(here, _reps):
    found = {name: [] for name in SHIMS}
    for _ in range(3):
        shims = {name: Shim(here, program, ["sleep", "1000"]) for name, program in SHIMS.items()}
        for shim in shims.values():
            shim.start()
        time.sleep(REST)
        for name, shim in shims.items():
            found[name].append(rollup(shim.pid))
            shim.end()

    def lines(values, aim=None):
        return [Line(name, [values(r) for r in found[name]], aim if name == "joblet-shim" else None) for name in SHIMS]

    return [
        Group("shim-memory", "private dirty memory of a shim whose job sleeps", "KiB",
              lines(lambda r: r["Private_Dirty"], Aim("<=", 100, False))),
        Group("shim-private", "all of its private memory", "KiB", lines(lambda r: r["Private_Dirty"] + r["Private_Clean"])),
        Group("shim-pss", "its proportional share of memory", "KiB", lines(lambda r: r["Pss"])),
    ]


def start(here, reps):
    took = {"joblet-shim": [], "joblet-runtime create alone": [], "conmon": []}
    for _ in range(reps + 1):
        for name, program in SHIMS.items():
            shim = Shim(here, program, ["true"])
            took[name].append(shim.took * 1e3)
            shim.end()
        took["joblet-runtime create alone"].append(create_alone(here) * 1e3)
    aims = {"joblet-runtime create alone": Aim("<=", 1.5)}
    return [Group("shim-start", "from before the fork until the shim names the process of the container that it had made", "ms",
                  [Line(name, values[1:], aims.get(name)) for name, values in took.items()], "conmon has joblet-runtime below it too.")]


def calls(here, name, program):
    """System calls of a shim's whole life around a job of `true`, those of the runtime not counted."""
    report = here.path("calls")
    shim = Shim(here, program, ["true"], under=[sys.executable, f"{SOURCE}/hack/bench/count.py", report])
    shim.start()
    until(f"{name} has ended", lambda: os.path.exists(shim.exit))
    shim.first.wait()
    with open(report, encoding="utf-8") as f:
        counted = dict(line.split() for line in f.read().partition("\n\n")[0].splitlines())
    shim.end()
    return int(counted[name])


def life(here, _reps):
    return [Group("shim-calls", "system calls of the life of a shim around a job of `true`", "calls",
                  [Line(name, [calls(here, name, program)]) for name, program in SHIMS.items()],
                  "Held to a limit by tests/integration/18-count.bats.")]


def make_inputs(here):
    """Kinds of output, each SIZE long, in memory."""
    folder = here.make_dir("inputs")
    run(["mount", "-t", "tmpfs", "tmpfs", folder])
    text = "0123456789abcdefghijklmnopqrstuvwxyz" * 120
    for name, line in (("80", text[:79] + "\n"), ("4k", text[:4095] + "\n")):
        block = (line * ((1 << 20) // len(line) + 1)).encode()
        with open(f"{folder}/{name}", "wb") as f:
            while f.tell() < SIZE:
                f.write(block)
    with open(f"{folder}/binary", "wb") as f:
        part = os.urandom(4 << 20)
        while f.tell() < SIZE:
            f.write(part)
    return folder


def feed(here, program, path):
    """Megabytes a second from the program's first byte to the log's last, the shim's seconds of CPU, and the most KiB that it had dirty."""
    script = ": >/work/began; cat /volumes/input; : >/work/ended; exec sleep 1000"
    shim = Shim(here, program, ["sh", "-c", script], [("/volumes/input", path)])
    before = shim.cpu()
    shim.start()
    work = shim.bundle.dir + "/work"
    dirty = [0]

    def is_written():
        dirty.append(rollup(shim.pid)["Private_Dirty"])
        return os.path.exists(work + "/ended")
    until("the output is written", is_written, 120)
    size = -1
    while size != os.path.getsize(shim.log):  # what is still in the pipe
        size = os.path.getsize(shim.log)
        time.sleep(0.2)
    took = os.stat(shim.log).st_mtime_ns - os.stat(work + "/began").st_mtime_ns
    cpu = shim.cpu() - before
    if size < SIZE:
        raise SystemExit(f"bench: {program} lost output: {size} of {SIZE} bytes")
    os.truncate(shim.log, 0)  # it need not reach the disk: that is the same for all
    shim.end()
    return SIZE / took * 1e3, cpu, max(dirty)


def through_cat(here, path):
    out = here.path("logs/cat")
    began = time.monotonic()
    subprocess.run(["sh", "-c", 'cat "$1" | cat >"$2"', "sh", path, out], check=True)
    took = time.monotonic() - began
    os.unlink(out)
    return SIZE / took / 1e6


def logs(here, reps):
    folder = here.keep("inputs", lambda: make_inputs(here))
    groups = []
    for short, (kind, is_aim) in KINDS.items():
        speed = {name: [] for name in SHIMS}
        cpu = {name: [] for name in SHIMS}
        dirty = {name: [] for name in SHIMS}
        cats = []
        for _ in range(max(3, reps // 3)):
            for name, program in SHIMS.items():
                for values, value in zip((speed, cpu, dirty), feed(here, program, f"{folder}/{short}")):
                    values[name].append(value)
            cats.append(through_cat(here, f"{folder}/{short}"))
        groups += [
            Group(f"logs-{short}", f"{SIZE >> 20} MiB of {kind} from the job's pipe into the log", "MB/s",
                  [Line("joblet-shim", speed["joblet-shim"]), Line("conmon", speed["conmon"], Aim(">=", 4) if is_aim else None),
                   Line("cat | cat > file", cats, Aim(">=", 0.5) if is_aim else None)], "From the page cache into the page cache: nobody waits for the disk."),
            Group(f"logs-{short}-cpu", "the shim's own CPU time for the same", "s",
                  [Line("joblet-shim", cpu["joblet-shim"]), Line("conmon", cpu["conmon"], Aim("<=", 0.25) if is_aim else None)]),
            Group(f"logs-{short}-memory", "the most private dirty memory that the shim had meanwhile", "KiB",
                  [Line("joblet-shim", dirty["joblet-shim"], Aim("<=", 1024, False)), Line("conmon", dirty["conmon"])]),
        ]
    return groups


rows = {"shim-memory": memory, "shim-start": start, "shim-calls": life, "logs": logs}
