#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# A client that is not ours: Debian's python3-grpcio, with stubs made from specs/ by python3-grpc-tools. For the tests.
#
#   grpc_client.py [--role admin] call JobService.ListJobs '{"json": …}'   one message in, what comes back as JSON, a line each
#   grpc_client.py [--role admin] run [--wait] [--field json] command args …     prints the id; --wait: output, then exits as the job
#   grpc_client.py [--role admin] logs ID [json]                           output to stdout and stderr
#   grpc_client.py [--role admin] wait ID …                                prints `id status code` for each
#
# An error prints `CODE: text` on stderr and exits 3. As a module: connect(role) and the message modules.
import importlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
HOME = os.environ.get("DAEMON_HOME", "")


def stubs():
    """Makes the stubs once; renamed into place, so that two tests at the same moment do no harm."""
    specs = os.path.join(SOURCE, "specs")
    newest = max(os.stat(os.path.join(specs, f)).st_mtime_ns for f in os.listdir(specs) if f.endswith(".proto"))
    out = os.path.join(SOURCE, "build", "test-cache", "py-%d" % newest)
    if not os.path.isdir(out):
        from grpc_tools import protoc
        tmp = "%s.%d" % (out, os.getpid())
        os.makedirs(tmp)
        files = [f for f in os.listdir(specs) if f.endswith(".proto")]
        if protoc.main(["protoc", "-I" + specs, "--python_out=" + tmp, "--grpc_python_out=" + tmp] + files):
            sys.exit("protoc failed")
        try:
            os.rename(tmp, out)
        except OSError:
            pass
    sys.path.insert(0, out)


stubs()
import grpc  # noqa: E402
from google.protobuf import json_format  # noqa: E402

joblet = importlib.import_module("joblet_pb2")
joblet_grpc = importlib.import_module("joblet_pb2_grpc")
health = importlib.import_module("health_pb2")
health_grpc = importlib.import_module("health_pb2_grpc")
reflection = importlib.import_module("reflection_v1_pb2")
reflection_grpc = importlib.import_module("reflection_v1_pb2_grpc")
reflection_alpha = importlib.import_module("reflection_v1alpha_pb2")
reflection_alpha_grpc = importlib.import_module("reflection_v1alpha_pb2_grpc")


def node(role):
    """Certificates of a role from rnx-config.yml: blocks of `key: |` and indented lines."""
    want = "default" if role == "admin" else role
    found, key, current = {}, None, None
    with open(os.path.join(HOME, "config", "rnx-config.yml")) as f:
        for line in f:
            if line.startswith("  ") and not line.startswith("   "):
                current = line.strip().rstrip(":")
                key = None
            elif line.startswith("    ") and not line.startswith("     ") and ":" in line:
                key = line.split(":")[0].strip()
                found.setdefault(current, {})[key] = ""
            elif key and current:
                found[current][key] += line.strip() + "\n"
    return found[want]


def channel(role="admin", options=()):
    files = node(role)
    creds = grpc.ssl_channel_credentials(files["ca"].encode(), files["key"].encode(), files["cert"].encode())
    port = open(os.path.join(HOME, "run", "port")).read().strip()
    return grpc.secure_channel("127.0.0.1:" + port, creds, list(options) + [("grpc.ssl_target_name_override", "joblet")])


class Client:
    def __init__(self, role="admin", options=()):
        self.channel = channel(role, options)
        self.job = joblet_grpc.JobServiceStub(self.channel)
        self.control = joblet_grpc.JobControlServiceStub(self.channel)
        self.health = health_grpc.HealthStub(self.channel)
        self.reflection = reflection_grpc.ServerReflectionStub(self.channel)
        self.reflection_alpha = reflection_alpha_grpc.ServerReflectionStub(self.channel)

    def run(self, command, *args, **fields):
        return self.job.RunJob(joblet.RunJobRequest(command=command, args=args, **fields)).job_uuid

    def wait(self, *ids, timeout=120):
        return list(self.control.WaitJob(joblet.WaitJobRequest(uuids=ids), timeout=timeout).jobs)

    def logs(self, uuid, **fields):
        return self.job.GetJobLogs(joblet.GetJobLogsRequest(uuid=uuid, **fields))

    def output(self, uuid):
        return b"".join(c.payload for c in self.logs(uuid))

    def status(self, uuid):
        return self.job.GetJobStatus(joblet.GetJobStatusRequest(uuid=uuid))


def fails(code, text, fn, *args, **kw):
    """The call must end with this code, and its text must hold text."""
    try:
        reply = fn(*args, **kw)
        if hasattr(reply, "__next__"):
            list(reply)
    except grpc.RpcError as e:
        assert e.code().name == code, "%s, not %s: %s" % (e.code().name, code, e.details())
        assert text in e.details(), e.details()
        return e.details()
    raise AssertionError("no error, wanted " + code)


def until(check, seconds=30):
    """Waits until check() is true: for what has no call that waits for it."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "waited %d s in vain" % seconds
        time.sleep(0.02)


def connect(role="admin", options=()):
    return Client(role, options)


def call(client, name, text):
    service, method = name.split(".")
    file = {"Health": health}.get(service, joblet)
    stub = {"JobService": client.job, "JobControlService": client.control, "Health": client.health}[service]
    m = file.DESCRIPTOR.services_by_name[service].methods_by_name[method]
    request = json_format.Parse(text or "{}", getattr(file, m.input_type.name)())
    requests = iter([request]) if m.client_streaming else request
    reply = getattr(stub, method)(requests, timeout=60)
    for message in reply if m.server_streaming else [reply]:
        out = json_format.MessageToDict(message, including_default_value_fields=True, preserving_proto_field_name=True)
        print(json.dumps(out), flush=True)


def show(client, uuid, **fields):
    for chunk in client.logs(uuid, **fields):
        out = sys.stderr if chunk.stream == 2 else sys.stdout
        out.buffer.write(chunk.payload)
        out.buffer.flush()


def main(args):
    role = "admin"
    if args[:1] == ["--role"]:
        role, args = args[1], args[2:]
    client = connect(role)
    if args[0] == "call":
        call(client, args[1], args[2] if len(args) > 2 else "")
    elif args[0] == "run":
        args, fields, wait = args[1:], {}, False
        while args and args[0].startswith("--"):
            if args[0] == "--wait":
                wait, args = True, args[1:]
            else:
                fields[args[0][2:]] = json.loads(args[1])
                args = args[2:]
        uuid = client.run(args[0], *args[1:], **fields)
        if not wait:
            print(uuid)
            return 0
        show(client, uuid)
        return client.wait(uuid)[0].exit_code
    elif args[0] == "logs":
        show(client, args[1], **(json.loads(args[2]) if len(args) > 2 else {}))
    elif args[0] == "wait":
        for e in client.wait(*args[1:]):
            print(e.uuid, e.status, e.exit_code)
    else:
        sys.exit("grpc_client: unknown word " + args[0])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except grpc.RpcError as e:
        print("%s: %s" % (e.code().name, e.details()), file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:
        sys.exit(1)
