# SPDX-License-Identifier: Apache-2.0
"""What is measured, ready to run: a jobletd with a home of its own, bundles as it writes them, and the peers."""
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import time

import place



def run(argv, **more):
    """Must succeed; what it said is in the exception."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more).stdout.decode()


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench: {what}: not within {seconds} s")
        time.sleep(0.01)


def for_crun(argv):
    """crun refuses a hybrid layout whose unified tree has a controller. It is shown a tree that has none, in mounts of its own: nothing is
    changed that anybody else sees. This happens before bench-tool begins to measure."""
    unified = f"{place.CGROUPS}/unified/cgroup.controllers"
    if not os.path.exists(unified):
        return argv
    return ["unshare", "--mount", "sh", "-c", f'mount --bind /dev/null {unified} && exec "$@"', "sh", *argv]


@dataclasses.dataclass
class Contender:
    argv: list
    env: dict = dataclasses.field(default_factory=dict)
    wrap: object = None  # what is put around the measuring, not the measured

    def measure(self, times=1):
        """Runs it that often; a (milliseconds, milliseconds of CPU, KiB) each."""
        out = []
        argv = [place.TOOL, "measure", str(times), *self.argv]
        for line in run(self.wrap(argv) if self.wrap else argv, env={**os.environ, **self.env}).splitlines():
            wall, user, system, memory, status = map(int, line.split())
            if status:
                raise SystemExit(f"bench: {' '.join(self.argv)} ended with {status}")
            out.append((wall / 1e6, (user + system) / 1e3, memory))
        return out


def in_turns(contenders, reps, times):
    """contenders: name -> Contender. All take their turn in each round. name -> list of measure()'s."""
    out = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.measure(2)  # what is read for the first time counts for nobody
    for _ in range(reps):
        for name, contender in contenders.items():
            out[name] += contender.measure(times)
    return out


class Daemon:
    """A jobletd, as tests/integration/helpers/daemon.bash makes one."""

    def __init__(self, here, **config):
        self.here = here
        self.home = here.path("home")
        self.env = {"RNX_CONFIG": f"{self.home}/config/rnx-config.yml"}
        cache = f"{place.SOURCE}/build/test-cache/home"
        os.makedirs(self.home + "/config", mode=0o755)
        os.chmod(self.home + "/config", 0o700)
        blocks = {"server": {"address": "127.0.0.1", "port": 0, "instance": here.name, "nodeId": "bench"},
                  "cgroup": {"baseDir": here.name}, "process": {"user": "nobody", "uidBase": 1900000000},
                  "joblet": {"maxConcurrentJobs": 2000}, "logging": {"level": "debug"}}
        with open(f"{self.home}/config/joblet-config.yml", "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            for block, keys in {**blocks, **config}.items():
                f.write(f"{block}:\n" + "".join(f"  {key}: {value}\n" for key, value in keys.items()))
        run([f"{place.SOURCE}/hack/certs_gen_embedded.sh"], env={**os.environ, "JOBLET_HOME": self.home, "JOBLET_SERVER_ADDRESS": "127.0.0.1"})
        run([f"{place.SOURCE}/hack/base_tree.sh", "--home", cache])
        os.makedirs(self.home + "/runtimes", exist_ok=True)
        if subprocess.run(["cp", "-al", cache + "/runtimes/base", self.home + "/runtimes/"], check=False, stderr=subprocess.DEVNULL).returncode:
            run(["cp", "-a", cache + "/runtimes/base", self.home + "/runtimes/"])
        self.process = None
        self.start()

    def start(self):
        port = self.home + "/run/port"
        if os.path.exists(port):
            os.unlink(port)
        with open(self.here.path("jobletd.log"), "ab") as log:
            self.process = subprocess.Popen([f"{place.BIN}/jobletd", "--config", f"{self.home}/config/joblet-config.yml"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("jobletd serves", lambda: os.path.exists(port) and os.path.getsize(port) or self.process.poll() is not None)
        if self.process.poll() is not None:
            with open(self.here.path("jobletd.log"), encoding="utf-8") as log:
                raise SystemExit(f"bench: jobletd ended:\n{log.read()}")
        with open(port, encoding="utf-8") as f:
            self.port = f.read().strip()
        run(["sed", "-i", "-E", rf's/^(    address: "127\.0\.0\.1:)[0-9]+"/\1{self.port}"/', f"{self.home}/config/rnx-config.yml"])

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def rnx(self, *words):
        return run([f"{place.BIN}/rnx", *words], env={**os.environ, **self.env}).strip()

    def job(self, *words):
        """Starts a job and returns its id once it runs."""
        job = self.rnx("job", "run", "-d", *words)
        until(f"job {job} runs", lambda: os.path.exists(f"{self.home}/jobs/{job}/pid"))
        return job

    def processes(self):
        """jobletd's own: the core and the gateway."""
        children = run(["pgrep", "-P", str(self.process.pid), "jobletd"]).split()
        return [self.process.pid, *map(int, children)]


def daemon(here):
    return here.keep("daemon", lambda: Daemon(here))


class Bundle:
    """The bundle that jobletd writes for a plain job, with another program."""

    def __init__(self, here, name, args, mounts=()):
        self.here = here
        self.id = name
        self.dir = here.make_dir(f"bundles/{name}")
        config = json.loads(json.dumps(here.keep("config", lambda: self.written(here))))
        config["process"]["args"] = list(args)
        config["linux"]["cgroupsPath"] = self.cgroup = f"/{here.name}/{name}"
        self.root = config["root"]["path"]
        self.uid = config["linux"]["uidMappings"][0]["hostID"]
        for mount in config["mounts"]:
            if mount["type"] == "bind":
                mount["source"] = self.dir + mount["source"][len(config["annotations"]["source"]):]
        config["mounts"] += [{"destination": to, "type": "bind", "source": source, "options": ["bind", "ro"]} for to, source in mounts]
        del config["annotations"]
        os.makedirs(self.dir + "/work", exist_ok=True)
        os.chown(self.dir + "/work", self.uid + 1, self.uid + 1)
        os.makedirs(self.dir + "/etc", exist_ok=True)
        for file in ("hosts", "hostname", "resolv.conf"):
            with open(f"{self.dir}/etc/{file}", "w", encoding="utf-8"):
                pass
        with open(self.dir + "/config.json", "w", encoding="utf-8") as f:
            json.dump(config, f)

    @staticmethod
    def written(here):
        """From a job that really runs."""
        served = daemon(here)
        job = served.job("sleep", "1000")
        source = f"{served.home}/jobs/{job}"
        with open(source + "/config.json", encoding="utf-8") as f:
            config = json.load(f)
        served.rnx("job", "stop", job)
        config["annotations"]["source"] = source
        return config


def hierarchies():
    """controller -> mount, "" for the unified one."""
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            kind, _, options = right.split()[:3]
            if kind == "cgroup2":
                found[""] = left.split()[4]
            elif kind == "cgroup":
                found[options.split(",", 1)[1]] = left.split()[4]
    return found


def bare(bundle, groups=True):
    """The bare system calls with the isolation of that bundle."""
    words = []
    for controller, mount in hierarchies().items() if groups else ():
        path = f"{mount}{bundle.cgroup}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if "cpuset" in controller:
            for file in ("cpuset.cpus", "cpuset.mems"):
                with open(f"{mount}/{file}", encoding="ascii") as source, open(f"{os.path.dirname(path)}/{file}", "w", encoding="ascii") as to:
                    to.write(source.read())
        words += ["-c", controller, path]
    return [place.TOOL, "bare", *words, str(bundle.uid), bundle.root, bundle.dir + "/work", bundle.dir + "/etc", "true"]


def bubblewrap(bundle):
    """The same namespaces and mounts; it knows no cgroups."""
    words = ["--unshare-all", "--uid", "65534", "--gid", "65534", "--hostname", "bench", "--ro-bind", bundle.root, "/", "--proc", "/proc",
             "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/volumes", "--bind", bundle.dir + "/work", "/work"]
    for file in ("hosts", "hostname", "resolv.conf"):
        words += ["--ro-bind", f"{bundle.dir}/etc/{file}", f"/etc/{file}"]
    return ["bwrap", *words, "--chdir", "/work", "--cap-drop", "ALL", "--new-session", "true"]


class Podman:
    """A store of its own with an image of one static program."""

    def __init__(self, here):
        store = here.make_dir("podman")
        self.words = ["podman", "--root", store + "/root", "--runroot", store + "/run", "--tmpdir", store + "/tmp", "--cgroup-manager=cgroupfs",
                      "--events-backend=none", "--runtime=crun"]
        self.cgroup = f"/{here.name}/podman"
        tree = here.make_dir("podman-tree/bin")
        shutil.copy("/bin/busybox", tree + "/true")
        archive = here.path("podman.tar")
        run(["tar", "-C", os.path.dirname(tree), "-cf", archive, "."])
        run([*self.words, "import", archive, "bench"])

    def true(self):
        return [*self.words, "run", "--rm", "--network=none", f"--cgroup-parent={self.cgroup}", "--ulimit=nofile=1024:1024",
                "--ulimit=nproc=1024:1024", "bench", "/bin/true"]


def podman(here):
    return here.keep("podman", lambda: Podman(here))


class Sshd:
    """On the loopback of the namespace, with keys of its own."""

    def __init__(self, here):
        folder = here.make_dir("sshd")
        os.makedirs("/run/sshd", exist_ok=True)
        for key in ("host", "user"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{key}"])
        shutil.copy(f"{folder}/user.pub", f"{folder}/authorized")
        with open(f"{folder}/config", "w", encoding="utf-8") as f:
            f.write(f"Port 2222\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nPidFile none\n"
                    "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nStrictModes no\nMaxStartups 100\n")
        with open("/run/sshd.log", "wb") as log:
            subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", f"{folder}/config"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        with open(f"{folder}/host.pub", encoding="utf-8") as f, open(f"{folder}/known", "w", encoding="utf-8") as known:
            known.write("[127.0.0.1]:2222 " + f.read())
        self.words = ["ssh", "-F", "none", "-p", "2222", "-i", f"{folder}/user", "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={folder}/known",
                      "-o", "BatchMode=yes", "127.0.0.1", "true"]
        until("sshd answers", self.answers)

    @staticmethod
    def answers():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", 2222)) == 0


class Shim:
    """A shim with a container: joblet-shim or conmon, both with joblet-runtime below."""

    def __init__(self, here, program, args, mounts=(), under=()):
        """under: the words of a program that runs it, and ends when it does."""
        self.name = f"{os.path.basename(program)}-{here.keep('shims', lambda: iter(range(1000000))).__next__()}"
        self.bundle = Bundle(here, self.name, args, mounts)
        self.log = f"{here.make_dir('logs')}/{self.name}"
        self.root = here.make_dir("shim-root")
        exits = here.make_dir("exits")
        self.exit = f"{exits}/{self.name}"
        folder = self.bundle.dir
        words = [*under, program, "--api-version", "1", "-c", self.name, "-u", self.name, "-n", self.name, "-r", f"{place.BIN}/joblet-runtime", "-b", folder,
                 "-p", f"{folder}/pid", "-P", f"{folder}/shim.pid", "-l", f"k8s-file:{self.log}", "--exit-dir", exits, "--full-attach",
                 "--runtime-arg", "--root", "--runtime-arg", self.root]
        sync_r, sync_w = os.pipe()
        start_r, start_w = os.pipe()
        began = time.monotonic()
        self.first = subprocess.Popen(words, env={**os.environ, "_OCI_SYNCPIPE": str(sync_w), "_OCI_STARTPIPE": str(start_r)}, pass_fds=(sync_w, start_r),
                                      stdin=subprocess.DEVNULL, cwd=folder)
        os.close(sync_w)
        os.close(start_r)
        os.write(start_w, b"\0")
        os.close(start_w)
        with os.fdopen(sync_r, "rb") as f:
            answer = json.loads(f.readline() or b"{}")
        self.took = time.monotonic() - began  # until the container is made and its process is named
        if answer.get("data", -1) <= 0:
            raise SystemExit(f"bench: {program}: {answer}")
        with open(f"{folder}/shim.pid", encoding="ascii") as f:
            self.pid = int(f.read())

    def runtime(self, *words):
        return run([f"{place.BIN}/joblet-runtime", "--root", self.root, *words, self.name])

    def start(self):
        self.runtime("start")

    def cpu(self):
        """Seconds so far, of the shim alone."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def end(self):
        self.runtime("delete", "-f")
        until(f"{self.name} has ended", lambda: os.path.exists(self.exit) and not os.path.exists(f"/proc/{self.pid}/exe"))
        self.first.wait()
        if os.path.exists(self.log):
            os.unlink(self.log)
        shutil.rmtree(self.bundle.dir)


def create_alone(here):
    """Seconds of joblet-runtime's `create`, as a shim calls it."""
    bundle = Bundle(here, "create", ["true"])
    runtime = [f"{place.BIN}/joblet-runtime", "--root", here.make_dir("shim-root")]
    began = time.monotonic()
    subprocess.run([*runtime, "create", "-b", bundle.dir, "--pid-file", f"{bundle.dir}/pid", bundle.id], check=True, cwd=bundle.dir,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    run([*runtime, "delete", "-f", bundle.id])
    shutil.rmtree(bundle.dir)
    return took


def rollup(pid):
    """smaps_rollup: name -> KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
