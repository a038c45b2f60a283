#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# The other ends that joblet-runtime talks to, and a mover of directories. Each prints what it saw.
#
#   runtime_tool.py console SOCKET        takes one terminal's master and prints all that comes out of it
#   runtime_tool.py agent SOCKET ERRNO    takes one seccomp listener, prints its state, answers the first call with ERRNO
#   runtime_tool.py flip DIR A B          exchanges DIR/A and DIR/B as fast as it can until it is killed
import array, ctypes, fcntl, json, os, socket, struct, sys


def take(path, size):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(1)
    s.settimeout(60)
    conn, _ = s.accept()
    conn.settimeout(60)
    data, control, _, _ = conn.recvmsg(size, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(control[0][2][:4])
    return data, fds[0]


def console(path):
    name, fd = take(path, 4096)
    out = b""
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    print(name.decode())
    sys.stdout.write(out.decode().replace("\r\n", "\n"))


# seccomp_unotify(2): struct seccomp_notif has 80 bytes, struct seccomp_notif_resp 24
def agent(path, errno):
    text, fd = take(path, 1 << 20)
    print(text.decode(), flush=True)
    request = bytearray(80)
    fcntl.ioctl(fd, 0xC0502100, request)
    ident, pid, _, nr = struct.unpack_from("=QIIi", request)
    print(json.dumps({"pid": pid, "nr": nr}), flush=True)
    fcntl.ioctl(fd, 0xC0182101, bytearray(struct.pack("=QqiI", ident, 0, -errno, 0)))


def flip(where, a, b):
    libc = ctypes.CDLL(None)
    d = os.open(where, os.O_PATH)
    while libc.renameat2(d, a.encode(), d, b.encode(), 2) == 0:
        pass
    sys.exit("flip: renameat2 failed")


if __name__ == "__main__":
    kind, args = sys.argv[1], sys.argv[2:]
    if kind == "console":
        console(*args)
    elif kind == "agent":
        agent(args[0], int(args[1]))
    else:
        flip(*args)
