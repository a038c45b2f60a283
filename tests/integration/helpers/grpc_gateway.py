#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Drives the gateway for 30-gateway.bats: grpc_gateway.py PORT CERTS CASE [arguments]. What needs a well-behaved client goes through
# python3-grpcio, what needs a bad one through frames made by hand on a TLS socket. A case that fails raises; one that passes prints its
# findings.
import ctypes
import socket
import ssl
import struct
import sys
import time

PORT, CERTS = int(sys.argv[1]), sys.argv[2]
UNARY, STREAM, BIDI = "/joblet.JobService/ListJobs", "/joblet.JobService/GetJobLogs", "/joblet.JobControlService/AttachJob"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONT = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def read(name):
    with open("%s/%s" % (CERTS, name), "rb") as f:
        return f.read()


# ---- a good client ----------------------------------------------------------------------------------------------------------------

def channel(name="admin"):
    import grpc
    cred = grpc.ssl_channel_credentials(read("ca.pem"), read(name + ".key"), read(name + ".pem"))
    return grpc.secure_channel("127.0.0.1:%d" % PORT, cred, options=[
        ("grpc.ssl_target_name_override", "joblet"), ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)])


def chunk(b):
    n, out = len(b), b"\n"
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n]) + b


def code_of(f, *args, **kw):
    """The status code's name and text of a call that must fail."""
    import grpc
    try:
        r = f(*args, **kw)
        if hasattr(r, "__next__"):
            list(r)
    except grpc.RpcError as e:
        return e.code().name, e.details()
    raise AssertionError("the call did not fail")


def case_kinds():
    c = channel()
    big = bytes(range(256)) * 4096
    assert c.unary_unary(UNARY)(big) == big
    assert c.unary_unary(UNARY)(b"") == b""
    assert len(list(c.unary_stream(STREAM)(chunk(b"50 1000")))) == 50
    sent = [b"x" * n for n in range(200)]
    assert list(c.stream_stream(BIDI)(iter(sent))) == sent
    assert list(c.stream_stream(BIDI)(iter([]))) == []
    it = c.unary_stream(STREAM)(chunk(b"fail 7"))
    assert next(it) == chunk(b"abc")
    assert code_of(lambda: list(it)) == ("PERMISSION_DENIED", "it failed")
    assert code_of(c.unary_unary("/joblet.JobService/DeleteJob"), b"") == (
        "FAILED_PRECONDITION", "50% of \u00fc\nline two")
    # many at once on one connection
    calls = [c.unary_unary(UNARY).future(b"%d" % i) for i in range(500)]
    assert [f.result() for f in calls] == [b"%d" % i for i in range(500)]
    who = c.unary_unary("/joblet.JobService/GetJobStatus")(b"").decode("latin1")
    assert "cn=alice ou=admin serial=" in who and "peer=127.0.0.1:" in who, who


def case_deadline():
    c = channel()
    f, began = c.unary_unary("/joblet.JobService/StopJob"), time.time()
    assert code_of(f, b"", timeout=0.3)[0] == "DEADLINE_EXCEEDED"
    assert time.time() - began < 3
    # the gateway's own clock: a client that does not end the call itself
    s = Raw()
    s.call("/joblet.JobService/StopJob", extra=[("grpc-timeout", "200m")], body=frame_message(b""))
    h = s.trailers(1)
    assert h["grpc-status"] == "4", h
    s.call(UNARY, sid=3, extra=[("grpc-timeout", "0m")], body=frame_message(b""))
    assert s.trailers(3)["grpc-status"] == "4"
    s.call(UNARY, sid=5, extra=[("grpc-timeout", "garbage")], body=frame_message(b""))
    assert s.trailers(5)[":status"] == "400"


def case_cancel():
    c = channel()
    f = c.unary_unary("/joblet.JobService/StopJob").future(b"")
    time.sleep(0.3)
    f.cancel()
    it = c.unary_stream(STREAM)(chunk(b"forever"))
    next(it)
    it.cancel()
    # the core hangs up without a status
    assert code_of(c.unary_unary("/joblet.JobService/CancelJob"), b"") == ("UNAVAILABLE", "the daemon has stopped")
    assert c.unary_unary(UNARY)(b"on") == b"on"
    time.sleep(0.3)


def case_refused():
    c = channel()
    assert code_of(c.unary_unary(UNARY), b"x" * (5 << 20))[0] == "RESOURCE_EXHAUSTED"
    for path in ("/joblet.JobService/listjobs", "/joblet.JobService/ListJobs/", "//joblet.JobService/ListJobs",
                 "/joblet.JobService/%4cistJobs", "/joblet.JobService/ListJobs?x=1", "/x/../joblet.JobService/ListJobs", "/"):
        assert code_of(c.unary_unary(path), b"")[0] == "UNIMPLEMENTED", path
    s = Raw()
    sid = iter(range(1, 1000, 2))
    ok = frame_message(b"hi")

    def want(status, code, body=ok, **kw):
        i = next(sid)
        s.call(UNARY, sid=i, body=body, **kw)
        h = s.trailers(i)
        assert (h[":status"], h["grpc-status"]) == (status, str(code)), h
        return h

    want("405", 12, method="GET", body=b"")
    want("415", 2, ctype="text/plain")
    want("415", 2, ctype="application/grpc-web")
    want("415", 2, ctype=None)
    want("400", 13, te=None)
    want("400", 13, extra=[("content-type", "application/grpc")])
    want("200", 12, extra=[("grpc-encoding", "gzip")])
    want("200", 12, body=b"\1" + ok[1:])
    want("200", 13, body=b"\7" + ok[1:])
    want("200", 13, body=ok[:-1])
    want("200", 13, body=ok[:3])
    want("200", 13, body=b"")
    want("200", 13, body=ok + ok)
    want("200", 8, body=b"\0\xff\xff\xff\xff")
    want("200", 0, ctype="application/grpc+proto")
    want("200", 0, extra=[("grpc-encoding", "identity"), ("x-bin", "AAAA")])
    # a method that is refused does not need the rest of the request
    i = next(sid)
    s.headers(i, request("/no/Such"), END_HEADERS)
    assert s.trailers(i)["grpc-status"] == "12"


def case_identity():
    for name, code, text in (("no-ou", "UNAUTHENTICATED", "no organizational unit"), ("two-ou", "UNAUTHENTICATED", "more than one organ"),
                             ("two-cn", "UNAUTHENTICATED", "more than one common"), ("no-cn", "UNAUTHENTICATED", "no common name"),
                             ("multi", "UNAUTHENTICATED", "several attributes")):
        got = code_of(channel(name).unary_unary(UNARY), b"")
        assert got[0] == code and text in got[1], (name, got)
    # whose role is unknown is for the core to say: the gateway passes the OU on as it stands
    for name, ou in (("upper", "Admin"), ("no-eku", "admin"), ("viewer", "viewer")):
        assert ("ou=%s " % ou).encode() in channel(name).unary_unary("/joblet.JobService/GetJobStatus")(b""), name
    for name in ("expired", "future", "foreign", "self", "server-eku"):
        assert code_of(channel(name).unary_unary(UNARY), b"")[0] == "UNAVAILABLE", name
        time.sleep(0.5)  # no more than ten failures a second are told one by one
        print(name, "alert:", alert(name))


def alert(name):
    """What a TLS client reads after a handshake that the server did not like."""
    try:
        s = tls(name)
        s.settimeout(5)
        s.sendall(PREFACE)
        while s.recv(4096):
            pass
        return "closed"
    except ssl.SSLError as e:
        return e.reason
    except OSError as e:
        return type(e).__name__


def case_per_client(limit):
    kept = [Raw() for _ in range(int(limit))]
    for s in kept:
        s.call(UNARY, body=frame_message(b"a"))
        assert s.trailers(1)["grpc-status"] == "0"
    s = Raw()
    s.call(UNARY, body=frame_message(b"a"))
    h = s.trailers(1)
    assert h["grpc-status"] == "8" and "too many connections" in h["grpc-message"], h
    assert channel("viewer").unary_unary(UNARY)(b"other") == b"other"


# ---- a bad client -----------------------------------------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def tls(name="admin", alpn=("h2",), version=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(CERTS + "/ca.pem")
    if name:
        ctx.load_cert_chain("%s/%s.pem" % (CERTS, name), "%s/%s.key" % (CERTS, name))
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    if version:
        ctx.maximum_version = version
    return ctx.wrap_socket(socket.create_connection(("127.0.0.1", PORT), timeout=10), server_hostname="joblet")


def frame(kind, flags, sid, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, sid) + payload


def integer(n, prefix, first=0):
    top = (1 << prefix) - 1
    if n < top:
        return bytes([first | n])
    out, n = bytes([first | top]), n - top
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def hpack(fields):
    out = b""
    for k, v in fields:
        k, v = k.encode(), v.encode()
        out += b"\0" + integer(len(k), 7) + k + integer(len(v), 7) + v
    return out


def request(path, method="POST", ctype="application/grpc", te="trailers", extra=()):
    h = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "joblet")]
    return h + ([("te", te)] if te else []) + ([("content-type", ctype)] if ctype else []) + list(extra)


def frame_message(b):
    return b"\0" + struct.pack(">I", len(b)) + b


class Raw:
    """One HTTP/2 connection. Answers nothing by itself."""

    def __init__(self, name="admin"):
        self.s = tls(name)
        self.buf = b""
        self.inflater = Inflater()
        self.s.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def headers(self, sid, fields, flags):
        self.s.sendall(frame(HEADERS, flags, sid, hpack(fields)))

    def call(self, path, sid=1, body=b"", **kw):
        out = frame(HEADERS, END_HEADERS, sid, hpack(request(path, **kw)))
        for at in range(0, len(body), 16384):
            out += frame(DATA, 0, sid, body[at:at + 16384])
        self.s.sendall(out + frame(DATA, END_STREAM, sid))

    def next(self, timeout=10):
        """kind, flags, stream, payload; None at the end."""
        self.s.settimeout(timeout)
        try:
            while len(self.buf) < 9 or len(self.buf) < 9 + int.from_bytes(self.buf[:3], "big"):
                more = self.s.recv(65536)
                if not more:
                    return None
                self.buf += more
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return None
        n = int.from_bytes(self.buf[:3], "big")
        kind, flags, sid = struct.unpack(">BBI", self.buf[3:9])
        payload, self.buf = self.buf[9:9 + n], self.buf[9 + n:]
        return kind, flags, sid, payload

    def trailers(self, sid):
        """All header fields of the stream until it ends."""
        found = {}
        while True:
            f = self.next()
            if f is None:
                raise AssertionError("the connection ended before stream %d" % sid)
            kind, flags, on, payload = f
            if kind == HEADERS:
                fields = self.inflater.fields(payload)
                found.update(fields if on == sid else {})
            if on == sid and (kind == RST or flags & END_STREAM):
                return found

    def end(self, timeout=20):
        """Reads to the end: the error code of GOAWAY, or None."""
        code, until = None, time.time() + timeout
        while time.time() < until:
            f = self.next(max(0.1, until - time.time()))
            if f is None:
                return code
            if f[0] == GOAWAY:
                code = struct.unpack(">I", f[3][4:8])[0]
        raise AssertionError("the connection is still open")

    def flood(self, make, n):
        """Sends make(i) n times or until the other side has had enough; the GOAWAY code."""
        try:
            for i in range(n):
                self.s.sendall(make(i))
        except OSError:
            pass
        return self.end()


class NV(ctypes.Structure):
    _fields_ = [("name", ctypes.POINTER(ctypes.c_char)), ("value", ctypes.POINTER(ctypes.c_char)),
                ("namelen", ctypes.c_size_t), ("valuelen", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


class Inflater:
    """The header fields of one connection's other side, in order; nghttp2's own decoder."""

    def __init__(self):
        self.lib = ctypes.CDLL("libnghttp2.so.14")
        self.lib.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        self.handle = ctypes.c_void_p()
        assert self.lib.nghttp2_hd_inflate_new(ctypes.byref(self.handle)) == 0

    def fields(self, block):
        out, at = {}, 0
        while True:
            nv, flags, rest = NV(), ctypes.c_int(0), block[at:]
            n = self.lib.nghttp2_hd_inflate_hd2(self.handle, ctypes.byref(nv), ctypes.byref(flags), rest,
                                                ctypes.c_size_t(len(rest)), 1)
            assert n >= 0, "HPACK %d" % n
            at += n
            if flags.value & 2:
                out[nv.name[:nv.namelen].decode()] = nv.value[:nv.valuelen].decode()
            if flags.value & 1:
                self.lib.nghttp2_hd_inflate_end_headers(self.handle)
                return out


def case_versions():
    for what, kw in (("TLS 1.2", {"version": ssl.TLSVersion.TLSv1_2}), ("ALPN http/1.1", {"alpn": ("http/1.1",)}),
                     ("no ALPN", {"alpn": None}), ("no certificate", {"name": None})):
        try:
            s = tls(**kw)
            s.settimeout(5)
            s.sendall(PREFACE)
            data = s.recv(4096)
            assert not data, "%s was served: %r" % (what, data)
            print(what, "closed")
        except (ssl.SSLError, ConnectionError) as e:
            print(what, getattr(e, "reason", e))
    s = tls()
    s.sendall(PREFACE + frame(SETTINGS, 0, 0))
    s.recv(100)
    assert s.session is None or not s.session.has_ticket, "a session ticket was given"


def case_garbage():
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, b"\x16\x03\x01\xff\xff" + b"x" * 70000, bytes(range(256)) * 100):
        s = socket.create_connection(("127.0.0.1", PORT), timeout=5)
        try:
            s.sendall(data)
            while s.recv(4096):
                pass
        except OSError:
            pass
        s.close()
    s = tls()
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"y" * 200)
    s.settimeout(5)
    try:
        while s.recv(4096):
            pass
    except (ssl.SSLError, ConnectionError):
        pass


def case_slow_handshake(limit):
    began, s = time.time(), socket.create_connection(("127.0.0.1", PORT), timeout=10)
    s.sendall(b"\x16\x03")
    try:
        assert s.recv(10) == b""
    except ConnectionError:
        pass
    took = time.time() - began
    assert float(limit) * 0.9 < took < float(limit) + 3, took


def case_idle(limit):
    began, s = time.time(), Raw()
    assert s.end() == 0
    took = time.time() - began
    assert float(limit) * 0.9 < took < float(limit) + 3, took
    # a call that is open keeps the connection
    s = Raw()
    s.headers(1, request(BIDI), END_HEADERS)
    time.sleep(float(limit) * 2)
    s.s.sendall(frame(DATA, END_STREAM, 1, frame_message(b"late")))
    assert s.trailers(1)["grpc-status"] == "0"


def case_many(keep):
    """300 connections that say nothing: no more than keep stay open, and when they go, all is as before."""
    socks = [socket.create_connection(("127.0.0.1", PORT), timeout=5) for _ in range(300)]
    time.sleep(1)
    still = 0
    for s in socks:
        s.setblocking(False)
        try:
            still += s.recv(1) != b""
        except BlockingIOError:
            still += 1
        except ConnectionError:
            pass
    for s in socks:
        s.close()
    print("still open:", still)
    assert 0 < still <= int(keep), still
    time.sleep(0.5)
    assert channel().unary_unary(UNARY)(b"on") == b"on"


def case_headers():
    s = Raw()
    s.headers(1, request(UNARY, extra=[("x%d" % i, "y") for i in range(100)]), END_HEADERS | END_STREAM)
    assert s.trailers(1)[":status"] == "431"
    s.headers(3, request(UNARY, extra=[("x", "y" * 9000)]), END_HEADERS | END_STREAM)
    assert s.trailers(3)[":status"] == "431"
    s.call(UNARY, sid=5, body=frame_message(b"a"))
    assert s.trailers(5)["grpc-status"] == "0"
    # one byte a field: 16,000 fields in a frame; the third such request ends the connection
    s.s.sendall(frame(HEADERS, END_HEADERS | END_STREAM, 7, hpack(request(UNARY)) + b"\x90" * 16000))
    assert s.end() == 11
    s = Raw()
    s.s.sendall(frame(HEADERS, 0, 1, hpack(request(UNARY))))
    print("CONTINUATION:", s.flood(lambda i: frame(CONT, 0, 1, b"\x90" * 10), 1000))


def case_floods():
    bad = Raw().flood(lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, hpack(request(BIDI))) + frame(RST, 0, 2 * i + 1, b"\0\0\0\x08"), 20000)
    print("rapid reset:", bad)
    print("PING:", Raw().flood(lambda i: frame(PING, 0, 0, b"12345678"), 20000))
    print("SETTINGS:", Raw().flood(lambda i: frame(SETTINGS, 0, 0), 20000))
    print("empty DATA:", Raw().flood(
        lambda i: (frame(HEADERS, END_HEADERS, 1, hpack(request(BIDI))) if i == 0 else b"") + frame(DATA, 0, 1) * 100, 2000))
    print("made to reset:", Raw().flood(
        lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, hpack(request(BIDI))) + frame(WINDOW, 0, 2 * i + 1, b"\0\0\0\0"), 20000))
    print("too many streams:", Raw().flood(lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, hpack(request(BIDI))), 20000))


def case_stalled(count, size):
    """Asks for a stream and never gives window. Prints `stalled` when the first window is full, then waits for the end."""
    s = Raw()
    s.call(STREAM, body=frame_message(chunk(("%s %s" % (count, size)).encode())))
    got = 0
    while got < 65535:
        f = s.next()
        got += len(f[3]) if f[0] == DATA else 0
    print("stalled", flush=True)
    while True:
        f = s.next(30)
        if f is None or (f[0] == RST and f[2] == 1):
            break
    print("reset" if f else "closed")


def case_drain():
    """A call is open when the gateway drains (told through our stdout); it ends well, and a new connection finds nobody."""
    s = Raw()
    s.headers(1, request(BIDI), END_HEADERS)
    s.s.sendall(frame(DATA, 0, 1, frame_message(b"one")))
    while s.next()[0] != DATA:
        pass
    print("open", flush=True)
    while s.next()[0] != GOAWAY:
        pass
    try:
        socket.create_connection(("127.0.0.1", PORT), timeout=2).close()
        raise AssertionError("still listening")
    except ConnectionRefusedError:
        pass
    s.s.sendall(frame(DATA, END_STREAM, 1, frame_message(b"two")))
    assert s.trailers(1)["grpc-status"] == "0"
    assert s.end() == 0


globals()["case_" + sys.argv[3]](*sys.argv[4:])
print("fine")
