#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Many containers from one config.json, each with one thing in it that somebody hostile would put there. A line for each that did what it must not do;
# the last line counts. A container passes when it runs as it should, or is refused in one line.
#
#   hostile.py KIND RUNTIME ROOT BUNDLE SENTINEL [ARGUMENTS]
#
# BUNDLE has the config.json and takes the changed ones; SENTINEL is a directory outside of every container that must stay as it is.
import copy, json, os, socket, stat, subprocess, sys

kind, runtime, state, bundle, sentinel = sys.argv[1:6]
base = json.load(open(bundle + "/config.json"))
owner = base["linux"].get("uidMappings", [{"hostID": 0}])[0]["hostID"]
failures = 0
count = 0
ran = 0


def fail(name, *what):
    global failures
    failures += 1
    print("FAILED", name, *what)


def tree_of(path):
    out = []
    for d, dirs, files in sorted(os.walk(path)):
        for n in sorted(dirs + files):
            p = os.path.join(d, n)
            st = os.lstat(p)
            text = open(p).read() if stat.S_ISREG(st.st_mode) else ""
            out.append((p, st.st_mode, st.st_uid, st.st_gid, st.st_rdev, text))
    return out


def host():
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read()
    null = os.stat("/dev/null")
    return tree_of(sentinel), pattern, (null.st_rdev, null.st_mode), os.path.lexists(sentinel + "/../escaped")


def run(name, config, raw=None):
    """One container: the probe's JSON, None if it was refused. Anything else is a failure."""
    global count, ran
    count += 1
    with open(bundle + "/config.json", "w") as f:
        f.write(raw if raw is not None else json.dumps(config))
    p = subprocess.run([runtime, "--root", state, "run", "-b", bundle, "h"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if p.returncode == 0:
        try:
            seen = json.loads(p.stdout)
            ran += 1
            return seen
        except ValueError:
            fail(name, "no JSON:", p.stdout[:200])
    elif os.environ.get("HOSTILE_SHOW"):
        print(name, p.stderr.decode()[:200])
    elif p.returncode != 1 or p.stderr.count(b"\n") != 1 or b"Success" in p.stderr:
        fail(name, "status", p.returncode, p.stderr[:300])
    if os.path.isdir(state + "/h"):
        fail(name, "left its state behind")
        subprocess.run([runtime, "--root", state, "delete", "-f", "h"])
    return None


LINKS = ["/", "../../../../../../../..", sentinel, sentinel + "/file", "/proc/self/fd/3", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
         "/nosuch/../" + sentinel.lstrip("/"), "loop", "/tmp", "/proc/1/root" + sentinel, "x/" * 2000 + "y"]
KINDS = [("link", l) for l in LINKS] + [("fifo", ""), ("socket", ""), ("hardlink", ""), ("device", ""), ("setuid", "")]
TARGETS = ["dev", "dev/null", "dev/console", "dev/pts", "dev/shm", "dev/ptmx", "dev/fd", "proc", "proc/sys", "sys", "etc", "etc/resolv.conf", "etc/hosts", "work", "tmp",
           "run", "volumes", "volumes/v"]


def plant(path, what, link):
    if what == "link":
        os.symlink(os.path.basename(path) if link == "loop" else link, path)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "socket":
        s = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(os.path.dirname(path))
        s.bind(os.path.basename(path))
        os.chdir(here)
        s.close()
    elif what == "hardlink":
        os.link(sentinel + "/linked", path)
    elif what == "device":
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 8))
    else:
        with open(path, "w") as f:
            f.write("x")
        os.chmod(path, 0o6755)


def make_root(where, target, what, link):
    subprocess.run(["rm", "-rf", where], check=True)
    for d in ("bin", "dev", "proc", "sys", "etc", "work", "tmp", "run", "volumes"):
        os.makedirs(where + "/" + d)
    os.link(probe, where + "/bin/joblet-probe")
    path = where + "/" + target
    if os.path.isdir(path):
        os.rmdir(path)
    for name in ("hosts", "resolv.conf"):
        if os.path.isdir(where + "/etc"):
            open(where + "/etc/" + name, "w").close()
    if os.path.isfile(path):
        os.unlink(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    for d, _, _ in os.walk(where):
        os.chown(d, owner, owner)  # the image belongs to the container's root
    plant(path, what, link)


def check_seen(name, seen, config):
    targets = [m["target"] for m in seen["mounts"]]
    if len(targets) <= len(config["mounts"]):  # where a link leads to, but inside
        fail(name, "mounts are missing:", targets)
    null = seen["dev"].get("null")
    if any(m["destination"] == "/dev" for m in config["mounts"]) and "/dev" in targets and (null or {}).get("minor") != 3:
        fail(name, "/dev/null is", null)
    if [t for t in targets if sentinel in t]:
        fail(name, "mounts at", targets)
    if sorted(seen["fds"]) != ["0", "1", "2"]:
        fail(name, "descriptors", seen["fds"])


# Things in the place of mount points, devices, masked and read-only paths; with a /dev of its own and with the image's.
def planted():
    before = host()
    where = os.path.dirname(bundle) + "/evil"
    for own_dev in (True, False):
        config = copy.deepcopy(base)
        config["root"]["path"] = where
        config["mounts"] += [{"destination": "/etc/resolv.conf", "type": "bind", "source": sentinel + "/file", "options": ["bind", "ro"]},
                             {"destination": "/volumes/v", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"]},
                             {"destination": "/sys", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "size=64k"]}]
        if not own_dev:
            config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
        config["linux"]["maskedPaths"] += ["/etc/hosts", "/run", "/dev/shm"]
        config["linux"]["readonlyPaths"] += ["/tmp", "/dev/fd"]
        for target in TARGETS if own_dev else [t for t in TARGETS if t.startswith("dev")]:
            for what, link in KINDS:
                name = "%s %s %s%s" % (target, what, link[:40], "" if own_dev else " (the image's /dev)")
                make_root(where, target, what, link)
                seen = run(name, config)
                if seen:
                    check_seen(name, seen, config)
                if seen and target == "proc":
                    fail(name, "ran with its proc elsewhere")
                if host() != before:
                    fail(name, "the host is not as it was")
                    return
    # the root itself, and things in a volume that a later mount goes through
    config = copy.deepcopy(base)
    config["root"]["path"] = where
    for what, link in KINDS:
        subprocess.run(["rm", "-rf", where], check=True)
        plant(where, what, link)
        name = "the root is a %s %s" % (what, link[:40])
        if run(name, config) is not None:
            fail(name, "ran")
        subprocess.run(["rm", "-rf", where], check=True)
    config = copy.deepcopy(base)
    volume = os.path.dirname(bundle) + "/volume"
    config["mounts"] += [{"destination": "/volumes/v", "type": "bind", "source": volume, "options": ["rbind"]},
                         {"destination": "/volumes/v/sub/deep", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"]}]
    for what, link in KINDS:
        subprocess.run(["rm", "-rf", volume], check=True)
        os.mkdir(volume)
        os.chmod(volume, 0o777)
        plant(volume + "/sub", what, link)
        run("volume %s %s" % (what, link[:40]), config)
        if host() != before:
            fail("volume", what, link, "the host is not as it was")
            return


# A directory and a link to the sentinel change places all the time while mounts go through them.
def race():
    before = host()
    volume = os.path.dirname(bundle) + "/volume"
    os.makedirs(volume + "/a/sub")
    os.makedirs(volume + "/dev")
    os.symlink(sentinel, volume + "/b")
    for d in ("", "/a", "/a/sub"):
        os.chmod(volume + d, 0o777)
    config = copy.deepcopy(base)
    config["mounts"] += [{"destination": "/volumes/v", "type": "bind", "source": volume, "options": ["rbind"]},
                         {"destination": "/volumes/v/a/sub", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"]},
                         {"destination": "/volumes/v/a/new", "type": "bind", "source": sentinel + "/file", "options": ["bind", "ro"]}]
    config["linux"]["maskedPaths"] = ["/volumes/v/a/sub", "/volumes/v/b/file"]
    config["linux"]["readonlyPaths"] = ["/volumes/v/a"]
    if not any(n["type"] == "user" for n in config["linux"]["namespaces"]):
        config["linux"]["devices"] = [{"path": "/volumes/v/a/null", "type": "c", "major": 1, "minor": 3}]
    flip = subprocess.Popen([sys.executable, os.path.dirname(__file__) + "/runtime_tool.py", "flip", volume, "a", "b"])
    try:
        for i in range(int(sys.argv[6])):
            run("race %d" % i, config)
    finally:
        flip.kill()
        flip.wait()
    if host() != before:
        fail("race", "the host is not as it was")


# Working directories that lead out, if something was left open.
def cwds():
    paths = ["/proc/self/fd/%d" % n for n in range(3, 20)] + ["/proc/1/fd/%d" % n for n in range(3, 12)]
    paths += ["/proc/self/cwd/../../..", "/proc/1/root/../..", "/proc/self/root/../../..", "/proc/thread-self/cwd/..", "/work/../../../..", "/proc/self/fd/../../..",
              "/work/link", "/work/link/..", "/proc/self/task/../../.."]
    os.symlink("/proc/self/fd/7", bundle + "/work/link")
    os.set_inheritable(os.open(sentinel, os.O_RDONLY), True)
    for path in paths:
        config = copy.deepcopy(base)
        config["process"]["cwd"] = path
        seen = run("cwd " + path, config)
        if seen and (not (seen["cwd"] or "").startswith("/") or sentinel in seen["cwd"]):
            fail("cwd", path, "is", seen["cwd"])


# Numbers and strings as a parser may misread them: refused, or exactly that.
def ids():
    numbers = ["-1", "-0", "0", "1", "65534", "65535", "65536", "2147483647", "2147483648", "4294967294", "4294967295", "4294967296", "4294967297", "8589934592",
               "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551617", "-4294967296", "-4294967295",
               "-9223372036854775808", "1e3", "1.0", "0.5", "1e400", "-1e400", "1E1", "0x10", "010", "+1", ".5", "1.", '"0"', '"1"', '" 1"', '"root"', '"-1"', '""', "null", "true",
               "false", "[]", "[0]", "{}", '{"a": 1}', "NaN", "Infinity", "00", "1_000", "0b1", "1,0"]
    text = json.dumps(base)
    for member in ("uid", "gid"):
        config = copy.deepcopy(base)
        config["process"]["user"] = {"uid": 0, "gid": 0}
        config["process"]["user"][member] = "HERE"
        text = json.dumps(config)
        for number in numbers:
            seen = run("%s %s" % (member, number), None, text.replace('"HERE"', number))
            if seen is None:
                continue
            value = seen["status"]["Uid" if member == "uid" else "Gid"]
            want = "0" if number in ("null", "-0") else number
            if value.split() != [want] * 4:
                fail(member, number, "became", value)
    for entry in ["A=\n", "A=\r\nB=c", "A=\x01", "A=é", "=", "A", "", "A=\u2028", "LD_PRELOAD=/x", "A=" + "x" * 100000]:
        config = copy.deepcopy(base)
        config["process"]["env"] = [entry]
        seen = run("env", config)
        if seen and seen["env"] != [entry]:
            fail("env", repr(entry[:50]), "became", repr(seen["env"])[:100])
    for member in ("args", "env"):
        config = copy.deepcopy(base)
        config["process"][member] = ["HERE"]
        if run("NUL in " + member, None, json.dumps(config).replace("HERE", "A=\\u0000b")) is not None:
            fail("NUL in", member, "ran")
    for name in ["a\nb", "a/b", "a\0b", "x" * 65, "", "é", " ", "-"]:
        config = copy.deepcopy(base)
        config["hostname"] = name
        seen = run("hostname", config)
        if seen and seen["hostname"] != name and name:
            fail("hostname", repr(name), "became", repr(seen["hostname"]))


def caps():
    names = ["CAP_KILL", "cap_kill", "Cap_Kill", "KILL", "CAP_", "CAP_ALL", "ALL", "CAP_KILL ", " CAP_KILL", "CAP_KILL\n", "CAP_KILL=ep", "cap_kill+ep", "CAP_5", "5", "CAP_63", "CAP_64",
             "CAP_99", "CAP_-1", "-1", "", "CAP_KILL,CAP_CHOWN", "CAP_SYS_ADMIN\0", "CAP_CHECKPOINT_RESTORE", "CAP_CHECKPOINT_RESTOREX", "CAP_LAST_CAP", "=", "all=eip"]
    for name in names:
        for key in ("bounding", "permitted", "effective", "inheritable", "ambient"):
            config = copy.deepcopy(base)
            config["process"]["capabilities"] = {"bounding": [], "permitted": [], "effective": [], "inheritable": [], "ambient": []}
            config["process"]["capabilities"][key] = [name]
            seen = run("capability %s %r" % (key, name), config)
            if seen is None:
                continue
            want = {"cap_kill": 1 << 5, "cap_checkpoint_restore": 1 << 40}.get(name.lower())
            got = {k: int(v, 16) for k, v in seen["status"].items() if k.startswith("Cap")}
            if want is None or got["CapBnd"] != (want if key == "bounding" else 0) or any(got[k] & ~want for k in got):
                fail("capability", key, repr(name), "gave", got)


probe = sys.argv[6] if kind == "planted" else ""
{"planted": planted, "race": race, "cwds": cwds, "ids": ids, "caps": caps}[kind]()
print("%d containers, %d ran, %d failures" % (count, ran, failures))
sys.exit(failures != 0 or ran == 0 or ran == count)
