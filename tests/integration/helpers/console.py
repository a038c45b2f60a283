#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
# A console socket: console.py SOCKET TEXT. Takes the terminal that a runtime sends, writes TEXT to it as a user would, and prints
# "NAME|OUTPUT" at its end.
import array
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + ".new")
listener.listen(1)
os.rename(sys.argv[1] + ".new", sys.argv[1])
conn, _ = listener.accept()
fds = array.array("i")
name, control, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4))
fds.frombytes(control[0][2][:4])
os.write(fds[0], sys.argv[2].encode())
out = b""
try:
    while True:
        data = os.read(fds[0], 4096)
        if not data:
            break
        out += data
except OSError:  # EIO: nobody has the terminal open any more
    pass
sys.stdout.write(name.decode() + "|" + out.decode())
