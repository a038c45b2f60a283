# SPDX-License-Identifier: Apache-2.0
"""Starting a container: how long it takes, and the most memory that it needs."""
import subprocess

import count
from engines import Bundle, Contender, bare, bubblewrap, for_crun, in_turns
from place import BIN
from report import Aim, Group, Line

TIMES = 3  # in a row, in each round
OURS = "joblet-runtime run"


def calls(contender):
    """System calls of one run, but for those of `true`."""
    argv = contender.wrap(contender.argv) if contender.wrap else contender.argv
    status, programs = count.trace(argv, stdout=subprocess.DEVNULL)
    if status:
        raise SystemExit(f"bench: {' '.join(argv)} ended with {status}")
    return sum(sum(called.values()) for program, called in programs.items() if program not in ("?", "sh", "mount", "unshare", "true"))


def start(here, reps):
    bundle = Bundle(here, "start", ["true"])
    contenders = {
        OURS: Contender([f"{BIN}/joblet-runtime", "run", "-b", bundle.dir, "bench"]),
        "the bare system calls": Contender(bare(bundle)),
        "the same without cgroups": Contender(bare(bundle, groups=False)),
        "bubblewrap (no cgroups)": Contender(bubblewrap(bundle)),
        "crun run": Contender(["crun", "run", "-b", bundle.dir, "bench"], wrap=for_crun),
        "runc run": Contender(["runc", "run", "-b", bundle.dir, "bench"]),
    }
    took = in_turns(contenders, reps, TIMES)
    aims = {"the bare system calls": Aim("<=", 1.3), "crun run": Aim("<=", 0.5)}
    memory = {name: [m for _, _, m in took[name]] for name in (OURS, "crun run", "runc run")}
    return [
        Group("start", "`run` of `true` in the bundle that jobletd writes for a plain job, from before the fork to the end", "ms",
              [Line(name, [wall for wall, _, _ in values], aims.get(name)) for name, values in took.items()],
              "Bare is `bench-tool bare`: the namespaces, mounts, cgroups and the filter of the same job, and no other system call."),
        Group("start-cpu", "the CPU time of the same, all processes together", "ms",
              [Line(name, [cpu for _, cpu, _ in values]) for name, values in took.items()], "Less noisy than the time that passes."),
        Group("start-calls", "the system calls of the same, without those of `true`", "calls",
              [Line(name, [calls(contender)]) for name, contender in contenders.items()], "Held to a limit by tests/integration/18-count.bats."),
        Group("start-memory", "the most memory that a process of the same had in use", "KiB",
              [Line(name, values, Aim("<=", 1536, False) if name == OURS else None) for name, values in memory.items()]),
    ]


def execute(here, reps):
    """One more program in a container that runs, each runtime in one of its own."""
    contenders, names = {}, {}
    for name, argv, wrap in (("joblet-runtime exec", [f"{BIN}/joblet-runtime"], None), ("crun exec", ["crun"], for_crun)):
        bundle = Bundle(here, "exec-" + argv[0].rsplit("/", 1)[-1], ["sleep", "1000"])
        words = argv + ["run", "-d", "-b", bundle.dir, bundle.id]
        subprocess.run(wrap(words) if wrap else words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        contenders[name] = Contender(argv + ["exec", bundle.id, "true"], wrap=wrap)
        names[name] = argv + ["delete", "-f", bundle.id]
    try:
        took = in_turns(contenders, reps, TIMES)
    finally:
        for name, words in names.items():
            wrap = contenders[name].wrap
            subprocess.run(wrap(words) if wrap else words, check=True)
    return [Group("exec", "`exec` of `true` in a container that runs", "ms",
                  [Line(name, [wall for wall, _, _ in values], Aim("<=", 0.5) if name == "crun exec" else None) for name, values in took.items()])]


rows = {"start": start, "exec": execute}
