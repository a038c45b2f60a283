# SPDX-License-Identifier: Apache-2.0
"""Instructions, one by one (bench-tool steps): the same on a busy machine as on a quiet one, and slow to count."""
import os
import subprocess

from engines import Bundle, Shim, until
from place import BIN
from report import Group, Line

STEPS = [f"{BIN}/bench-tool", "steps"]


def counted(report):
    with open(report, encoding="utf-8") as f:
        return int(f.read().split()[1]) / 1000


def of_start(here):
    report = here.path("steps")
    bundle = Bundle(here, "instructions", ["true"])
    argv = [f"{BIN}/joblet-runtime", "run", "-b", bundle.dir, "bench"]
    for under in [], [*STEPS, report, "joblet-runtime"]:  # what the first run leaves for the next, a filter that it compiled, is there
        subprocess.run(under + argv, check=True, stdout=subprocess.DEVNULL)
    return counted(report)


def of_life(here):
    report = here.path("steps")
    shim = Shim(here, f"{BIN}/joblet-shim", ["true"], under=[*STEPS, report, "joblet-shim"])
    shim.start()
    until("joblet-shim has ended", lambda: os.path.exists(shim.exit), 600)
    shim.first.wait()
    shim.end()
    return counted(report)


def instructions(here, _reps):
    return [Group("instructions", "of a `run` of `true`, without those of `true`, and of the life of a shim around one", "k",
                  [Line("joblet-runtime run", [of_start(here)]), Line("joblet-shim", [of_life(here)])],
                  "In thousands, of user space, one by one: no peer goes through this in a bearable time. Held to limits by "
                  "tests/integration/18-count.bats.", is_beside=False)]


rows = {"instructions": instructions}
