# SPDX-License-Identifier: Apache-2.0
"""A thousand jobs that run: the memory of all our programs together."""
import glob
import threading

from engines import daemon, rollup, until
from report import Aim, Group, Line

JOBS = 1000
STARTERS = 4


def ours(served):
    """The pids of jobletd's two processes and of every shim."""
    pids = served.processes()
    for path in glob.glob(f"{served.home}/jobs/*/shim.pid"):
        with open(path, encoding="ascii") as f:
            pids.append(int(f.read()))
    return pids


def memory(pids):
    return sum(rollup(pid)["Pss"] for pid in pids)


def start_some(served, count, failures):
    try:
        for _ in range(count):
            served.rnx("job", "run", "-d", "sleep", "100000")
    except Exception as e:  # pylint: disable=broad-except
        failures.append(e)


def running(here, _reps):
    served = daemon(here)
    before = memory(ours(served))
    failures = []
    starters = [threading.Thread(target=start_some, args=(served, JOBS // STARTERS, failures)) for _ in range(STARTERS)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    if failures:
        raise failures[0]
    until("a thousand jobs run", lambda: len(glob.glob(f"{served.home}/jobs/*/shim.pid")) >= JOBS and
          served.rnx("job", "list", "--json").count('"RUNNING"') >= JOBS, 300)
    pids = ours(served)
    with_jobs = memory(pids)
    shims = memory(pids[len(served.processes()):])
    served.rnx("job", "stop", *ids(served))
    return [Group("running", f"{JOBS:,} jobs that sleep: proportional share of memory of jobletd and all shims, a job", "KiB",
                  [Line("all our programs", [with_jobs / JOBS], Aim("<=", 250, False)), Line("of that, the shim", [shims / JOBS]),
                   Line("of that, jobletd", [(with_jobs - shims) / JOBS]), Line("jobletd without jobs, in all", [before])],
                  "Not counted: the job's own process, and what the kernel keeps for it.", is_beside=False)]


def ids(served):
    return [path.split("/")[-2] for path in glob.glob(f"{served.home}/jobs/*/shim.pid")]


rows = {"running": running}
