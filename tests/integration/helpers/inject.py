#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Makes the system calls of a container's start fail, one in each start. A start passes when it is refused with a line that says what could not be
# done, or when the probe sees what it sees without the failure; either way nothing is left. A line for each that did not.
#
#   inject.py RUNTIME ROOT BUNDLE CGROUP STRIDE [NAME]
#
# Every STRIDEth call of every process is taken, with one error; 1: all calls; 0: all calls, each with every error. With NAME only calls of that name.
import collections, errno, glob, json, os, signal, subprocess, sys

runtime, state, bundle, cgroup, stride = sys.argv[1:5] + [int(sys.argv[5])]
only = sys.argv[6] if len(sys.argv) > 6 else ""
inject = os.path.join(os.environ["JOBLET_BIN"], "joblet-inject")
ERRORS = ["EPERM", "ENOMEM", "EIO", "EINTR", "ENOSPC", "EACCES", "EMFILE", "ENOSYS", "EAGAIN", "EINVAL", "EROFS", "EBUSY", "EOPNOTSUPP"]
# What cannot fail: umask(2) and its like; close(2) has closed, whatever it says; arch_prctl(2) is libc's, before main.
NEVER = {"umask", "close", "arch_prctl", "getpid", "getuid", "geteuid", "getgid", "getegid", "gettid", "set_tid_address", "rseq", "set_robust_list"}
# Memory that cannot be had ends the program on the spot, so that only `delete` can tidy up.
MEMORY = {"brk", "mmap", "munmap", "mremap", "mprotect"}
host = json.loads(subprocess.run(["joblet-probe"], stdin=subprocess.DEVNULL, capture_output=True).stdout)


def start(*case):
    """Status, output, errors, and the calls: (process, name, did it fail)."""
    calls = bundle + "/calls"
    p = subprocess.Popen([inject, calls, *case, runtime, "--root", state, "run", "-b", bundle, "i"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = p.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        out, err = p.communicate()
        err = b"TIMEOUT " + err
    with open(calls) as f:
        made = [(int(process), name, bool(failed)) for process, name, *failed in map(str.split, f)]
    return p.returncode, out, err.decode(errors="replace"), made


def isolation(text):
    """What of the probe's output says how much isolation there is."""
    s = json.loads(text)
    keep = {k: s[k] for k in ("status", "securebits", "umask", "pid", "hostname", "env", "uid_map", "gid_map", "cgroup", "rlimits", "oom_score_adj", "cwd", "sched")}
    keep["sched"].pop("runtime")
    keep["ns"] = {k: v != host["ns"].get(k) for k, v in s["ns"].items()}
    keep["keyring"] = s["keyring"] != host["keyring"]
    keep["mounts"] = sorted((m["target"], m["type"], m["options"], m["propagation"].split(":")[0]) for m in s["mounts"])
    keep["fds"] = sorted(s["fds"])
    keep["dev"] = sorted((k, v.get("type"), v.get("mode"), v.get("major"), v.get("minor")) for k, v in s["dev"].items())
    return keep


def left_over():
    return [p for p in [state + "/i"] + glob.glob("/sys/fs/cgroup/*/" + cgroup + "/i") + glob.glob("/sys/fs/cgroup/" + cgroup + "/i") if os.path.exists(p)]


def tidy():
    subprocess.run([runtime, "--root", state, "delete", "-f", "i"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return left_over()


def differs(out):
    try:
        now = isolation(out)
    except (ValueError, KeyError):
        return "an output that is not the probe's: %r" % out[:100]
    return " ".join("%s %s, not %s;" % (k, now[k], golden[k]) for k in golden if now[k] != golden[k])


def judge(name, status, out, err, hit):
    if "TIMEOUT" in err:
        return "did not end"
    if not hit:
        return "the call was not made"
    if status == 0:
        return differs(out)
    if name not in MEMORY and (status != 1 or not [line for line in err.splitlines() if " error " in line and len(line.split()) > 5]):
        return "status %d without a reason" % status
    return differs(out) if out else ""  # an error after the program's end


start()  # makes the cache of filters
status, out, err, made = start()
if status != 0:
    sys.exit("the start without a failure: " + err)
golden = isolation(out)
seen, cases = collections.Counter(), []
for process, name, _ in made:
    if name not in NEVER and (not only or only == name):
        cases.append((process, seen[process], name))
    seen[process] += 1
ran = refused = failed = 0
for i, (process, call, name) in enumerate(cases):
    if stride and i % stride:
        continue
    for error in ERRORS if stride == 0 else [ERRORS[(i // stride) % len(ERRORS)]]:
        status, out, err, made = start(str(process), str(call), str(getattr(errno, error)))
        problem = judge(name, status, out, err, any(hit for _, _, hit in made))
        ran += status == 0
        refused += status != 0
        left = left_over()
        if left and tidy():
            problem += " cannot be deleted: %s" % left_over()
        elif left and name not in MEMORY:
            problem += " left %s" % left
        if problem:
            failed += 1
            print("FAILED process %d call %d %s %s: %s | %s" % (process, call, name, error, problem[:300], " / ".join(err.splitlines())[:300]), flush=True)
print("%d calls of %d processes, %d made to fail: %d ran as asked, %d refused, %d failures" % (len(cases), len(seen), ran + refused, ran, refused, failed))
sys.exit(failed != 0 or ran == 0 and not only or refused == 0)
