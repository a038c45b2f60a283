# SPDX-License-Identifier: Apache-2.0
"""Where a run takes place. Outside: a folder with a lock, and an end that removes all. Inside: namespaces of its own.

The inside has its own mounts (/run and /dev/shm are empty file systems of its own), its own network with nothing but a loopback, so that
no port is taken from anybody, and its own process ids: when their first process dies, all die. It is killed when the outside dies. So
whatever happens, only the folder and cgroups named after it can stay behind; a folder whose lock nobody holds is swept by the next run.
"""
import contextlib
import ctypes
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = f"{SOURCE}/build/release/bin"
TOOL = f"{BIN}/bench-tool"
PREFIX = "joblet-bench-"
PARENT = "/var/tmp"  # on a disk: the daemon's commits must cost what they cost
CGROUPS = "/sys/fs/cgroup"


def cgroup_dirs(name):
    """Every cgroup of that name, below the root of any hierarchy, leaves first."""
    found = []
    for top in glob.glob(f"{CGROUPS}/{name}*") + glob.glob(f"{CGROUPS}/*/{name}*"):
        for path, _, _ in os.walk(top, topdown=False):
            found.append(path)
    return found


def remove_cgroups(name):
    end = time.monotonic() + 10
    while True:
        left = cgroup_dirs(name)
        for path in left:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if not left or not cgroup_dirs(name):
            return
        if time.monotonic() > end:
            print(f"bench: cgroups cannot be removed: {' '.join(cgroup_dirs(name))}", file=sys.stderr)
            return
        time.sleep(0.05)


def lock(path):
    """The descriptor of the lock, None when another run holds it."""
    fd = os.open(path + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def sweep():
    """What a killed run left."""
    for path in glob.glob(f"{PARENT}/{PREFIX}*"):
        fd = lock(path)
        if fd is None:
            continue
        print(f"bench: removing what an interrupted run left: {os.path.basename(path)}", file=sys.stderr)
        remove_cgroups(os.path.basename(path))
        shutil.rmtree(path, ignore_errors=True)
        os.close(fd)


def stop_on_signal(number, _frame):
    raise SystemExit(128 + number)


@contextlib.contextmanager
def outside():
    """The folder of this run; gone, with its cgroups, however the block ends."""
    sweep()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on_signal)
    path = tempfile.mkdtemp(prefix=PREFIX, dir=PARENT)
    held = lock(path)
    os.set_inheritable(held, True)  # the processes inside hold it too, until the last of them is gone
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        remove_cgroups(os.path.basename(path))
        shutil.rmtree(path, ignore_errors=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def run_inside(workdir, argv):
    """Runs bench.py in namespaces of its own; its exit status. The first process is a shell, which reaps what daemons leave it."""
    script = """mount -t tmpfs -o mode=755 tmpfs /run && mount -t tmpfs tmpfs /dev/shm && ip link set lo up || exit 1
mkdir -p /run/lock; "$@"; exit $?"""
    inside = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "bash", "-c", script, "bench",
              sys.executable, *argv]
    env = {"PATH": f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": workdir, "LC_ALL": "C.UTF-8", "TZ": "UTC",
           "PYTHONDONTWRITEBYTECODE": "1"}
    child = subprocess.Popen(inside, preexec_fn=die_with_parent, close_fds=False, env=env, stdin=subprocess.DEVNULL)
    try:
        return child.wait()
    finally:
        child.kill()
        child.wait()


class Place:
    """The inside, as the rows see it."""

    def __init__(self, workdir):
        self.dir = workdir
        self.name = os.path.basename(workdir)
        self.kept = {}

    def path(self, name):
        return f"{self.dir}/{name}"

    def keep(self, key, make):
        """What is made once and used by several rows: a daemon, a store of podman's."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def make_dir(self, name):
        os.makedirs(self.path(name), exist_ok=True)
        return self.path(name)
