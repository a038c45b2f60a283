# SPDX-License-Identifier: Apache-2.0
"""Instructions, one by one (bench-tool steps): the same on a busy machine as on a quiet one, and slow to count."""
import os
import subprocess

from engines import Bundle, Shim, for_crun, until
from place import BIN
from report import Group, Line

STEPS = [f"{BIN}/bench-tool", "steps"]
NOTE = "In thousands, of user space; held to a limit by tests/integration/18-count.bats."


def counted(report):
    with open(report, encoding="utf-8") as f:
        return int(f.read().split()[1]) / 1000


def of_start(here, bundle, name, argv, wrap):
    report = here.path("steps")
    argv = [*argv, "run", "-b", bundle.dir, "bench"]
    for under in [], STEPS + [report, name]:  # what the first run leaves for the next, a filter that it compiled, is there
        words = under + argv
        subprocess.run(wrap(words) if wrap else words, check=True, stdout=subprocess.DEVNULL)
    return counted(report)


def of_life(here, name, program):
    report = here.path("steps")
    shim = Shim(here, program, ["true"], under=[*STEPS, report, name])
    shim.start()
    until(f"{name} has ended", lambda: os.path.exists(shim.exit), 600)
    shim.first.wait()
    shim.end()
    return counted(report)


def instructions(here, _reps):
    bundle = Bundle(here, "instructions", ["true"])
    return [
        Group("start-instructions", "instructions of `run` of `true`, without those of `true`", "k",
              [Line("joblet-runtime run", [of_start(here, bundle, "joblet-runtime", [f"{BIN}/joblet-runtime"], None)]),
               Line("crun run", [of_start(here, bundle, "crun", ["crun"], for_crun)])], NOTE),
        Group("shim-instructions", "instructions of the life of a shim around a job of `true`", "k",
              [Line("joblet-shim", [of_life(here, "joblet-shim", f"{BIN}/joblet-shim")]),
               Line("conmon", [of_life(here, "conmon", "conmon")])], NOTE),
    ]


rows = {"instructions": instructions}
