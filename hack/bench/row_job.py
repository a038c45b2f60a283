# SPDX-License-Identifier: Apache-2.0
"""A whole job: one, from the command to its exit status; and as many as the machine can do."""
import datetime
import os
import re
import subprocess
import time

from engines import Bundle, Contender, Sshd, daemon, for_crun, in_turns, podman, run
from place import BIN
from report import Aim, Group, Line

AT_ONCE = 8  # jobs under way on one connection
JOBS = 200
PODMAN_JOBS = 12


def job(here, reps):
    took = in_turns({
        "rnx job run true": Contender([f"{BIN}/rnx", "job", "run", "true"], daemon(here).env),
        "podman run --rm": Contender(podman(here).true(), wrap=for_crun),
        "ssh to the loopback": Contender(here.keep("sshd", lambda: Sshd(here)).words),
    }, reps, 2)
    return [Group("job", "a job of `true`, from the command to its exit status", "ms",
                  [Line(name, [wall for wall, _, _ in values], Aim("<=", 0.1) if name.startswith("podman") else None)
                   for name, values in took.items()],
                  "rnx with TLS and certificates of both sides; podman with crun; sshd with keys.")]


EVENT = re.compile(r"^(\S+)Z \S+ jobletd: (?:job (\S+): ([A-Z]+)$|call (\w+) by .*: OK (\S+))")
STEPS = (("accepted to durable and told", "INITIALIZING", "RunJob"), ("accepted to running", "INITIALIZING", "RUNNING"),
         ("running to ended", "RUNNING", "COMPLETED"), ("ended to told", "COMPLETED", "AttachJob"))


def split(here, reps):
    """Where the time of a job goes, by jobletd's own log: of jobs that ran one after the other."""
    for _ in range(2 * reps):
        daemon(here).rnx("job", "run", "true")
    jobs = {}
    with open(here.path("jobletd.log"), encoding="utf-8") as log:
        for found in filter(None, map(EVENT.match, log)):
            at = datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp()
            jobs.setdefault(found[2] or found[5], {}).setdefault(found[3] or found[4], at)
    whole = sorted((j for j in jobs.values() if all(a in j and b in j for _, a, b in STEPS)), key=lambda j: j["INITIALIZING"])[-2 * reps:]
    return [Group("job-split", "where the time of such a job goes, by jobletd's log", "ms",
                  [Line(name, [1000 * (j[end] - j[began]) for j in whole]) for name, began, end in STEPS],
                  "Accepted to running is the bundle, the shim, `create` and `start`; told and running overlap. The rest is rnx and TLS. The log has "
                  "milliseconds.", is_beside=False)]


def pem_files(here):
    """The three of the first node of rnx-config.yml, as files."""
    out = {}
    with open(daemon(here).env["RNX_CONFIG"], encoding="utf-8") as f:
        key = None
        for line in f:
            word = line.strip()
            if word in ("cert: |", "key: |", "ca: |"):
                key = word.split(":")[0]
                if key in out:
                    break
                out[key] = ""
            elif key and (word.startswith("-----") or "-----END" not in out[key]):
                out[key] += word + "\n"
    for key, text in out.items():
        with open(here.path(f"{key}.pem"), "w", encoding="ascii", opener=lambda p, m: os.open(p, m, 0o600)) as f:
            f.write(text)
    return [here.path(f"{key}.pem") for key in ("cert", "key", "ca")]


def a_second(count, seconds):
    return count / seconds


def loops(commands, each):
    """As many loops at once as commands; how many a second in all."""
    began = time.monotonic()
    started = [subprocess.Popen(argv, stdout=subprocess.DEVNULL) for argv in commands]
    for one in started:
        if one.wait():
            raise SystemExit("bench: a loop failed")
    return a_second(len(commands) * each, time.monotonic() - began)


def rate(here, reps):
    cores = os.cpu_count()
    served = daemon(here)
    client = [f"{BIN}/bench-load", f"127.0.0.1:{served.port}", *pem_files(here), str(JOBS), str(AT_ONCE)]
    tool = f"{BIN}/bench-tool"
    bundles = [Bundle(here, f"loop{i}", ["true"]) for i in range(cores)]
    bare = [[tool, "measure", str(JOBS // cores), f"{BIN}/joblet-runtime", "run", "-b", b.dir, b.id] for b in bundles]
    theirs = [for_crun([tool, "measure", str(PODMAN_JOBS // cores), *podman(here).true()]) for _ in range(cores)]
    ours, loop, other = [], [], []
    for _ in range(max(3, reps // 3)):
        ours.append(a_second(JOBS, int(run(client)) / 1e9))
        loop.append(loops(bare, JOBS // cores))
        other.append(loops(theirs, PODMAN_JOBS // cores))
    return [Group("rate", f"jobs of `true` with full isolation, on {cores} cores", "/s",
                  [Line("jobletd", ours), Line("joblet-runtime in bare loops", loop, Aim(">=", 0.8)), Line("podman in loops", other)],
                  f"jobletd is asked over one connection, {AT_ONCE} jobs at a time, each until it is known to have ended; "
                  "every one is recorded and synced to disk twice. The loops, one a core, do nothing of that.")]


rows = {"job": job, "job-split": split, "rate": rate}
