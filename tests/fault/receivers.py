#!/usr/bin/env python3
"""What a receiver may do and what becomes of it: a table, tried over plain HTTP and over TLS.

    receivers.py [--write FILE]

Each row is a receiver of its own with a hook of its own. One event goes to all of them and to a healthy
one beside them, and each must end in the recorded verdict of its row; meanwhile the healthy one gets all
of its events, and at the end the daemon has no more memory, descriptors or threads than the rows
explain. --write puts the table between its marks in the file; without it, the one in docs/faults.md is
compared. $BUILD, $WEBHOOKFS and $SINK say what is tested. Prints TAP.
"""
import collections
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import BUILD, TREE, Rig, wait_for  # noqa: E402

DOCUMENT = f"{TREE}/docs/faults.md"
HEALTHY = 50  # events
GROWTH_KIB = 16384
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"


# ---- what they do, once a connection stands: c is its socket

def take(c):
    """The whole request."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += receive(c)
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
    while len(body) < length:
        body += receive(c)


def receive(c):
    data = c.recv(65536)
    if not data:
        raise OSError("closed")
    return data


def hang(c):
    """Until the sender has had enough."""
    try:
        while c.recv(65536):
            pass
    except OSError:
        pass


def says(text, then=hang):
    def act(c):
        take(c)
        c.sendall(text)
        then(c)
    return act


def close(_):
    pass


def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def at_once(then):
    return then


def end(c):
    """Not with bytes left unread, or it would be a reset, if they have come by then."""
    c.shutdown(socket.SHUT_WR)
    hang(c)


def read_then(then):
    def act(c):
        take(c)
        then(c)
    return act


def without_end(head, piece, pause_s=0):
    def act(c):
        take(c)
        c.sendall(head)
        while True:
            c.sendall(piece)
            time.sleep(pause_s)
    return act


def letters(text, pause_s):
    def act(c):
        take(c)
        for i in range(len(text)):
            c.sendall(text[i:i + 1])
            time.sleep(pause_s)
        hang(c)
    return act


def before_the_body(c):
    """Answers when it has seen the first bytes, and reads no more."""
    c.recv(10)
    c.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    time.sleep(0.5)


def before_the_request(c):
    c.sendall(EMPTY)
    hang(c)


def bomb():
    """Of gzip: a megabyte of zeros again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return OK + b"Content-Encoding: gzip\r\n\r\n" + head, piece * 64


def frame(kind, stream=0, payload=b"", flags=0):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def two(*frames, then=hang):
    """HTTP/2: the settings, and behind the request these frames."""
    def act(c):
        c.sendall(frame(4))
        receive(c)
        time.sleep(0.1)
        c.sendall(b"".join(frames))
        then(c)
    return act


# ---- the table

# certificate: of the TLS receiver. host: in the url. plain, tls: the outcome, its HTTP status (None), and
# how the delivery is judged; tls None: the same, "": there is no such row.
Row = collections.namedtuple("Row", "name does act plain tls certificate host alpn",
                             defaults=(None, None, "server", "127.0.0.1", None))


def response(status):
    return "response", status


TIMEOUT, BODY_TIMEOUT, BROKEN = ("timeout", None), ("body_timeout", 200), ("broken", None)
TLS, CUT, DELIVERED = ("tls", None), ("broken", 200), response(200)


def only_tls(name, does, act, tls, **more):
    return Row(name, does, act, None, tls, **more)


ROWS = [
    Row("refuse", "refuses the connection", None, ("refused", None)),
    Row("close", "closes the connection at once", at_once(end), BROKEN, TLS),
    Row("close-late", "closes it when it has the request", read_then(close), BROKEN),
    Row("reset", "resets it when it has the request", read_then(reset), BROKEN),
    Row("hang", "never answers", read_then(hang), TIMEOUT),
    Row("deaf", "does not even read the request", at_once(lambda c: time.sleep(15)), TIMEOUT),
    Row("hang-status", "answers half of a status line, then nothing", says(b"HTTP/1.1 20"), TIMEOUT),
    Row("hang-head", "answers half of the headers, then nothing", says(OK + b"Content-Le"),
        BODY_TIMEOUT),
    Row("hang-body", "answers the headers, then nothing", says(OK + b"Content-Length: 9\r\n\r\n"),
        BODY_TIMEOUT),
    Row("drip-head", "sends its headers a byte at a time", letters(EMPTY, 0.2), TIMEOUT),
    Row("drip", "sends a body of one byte a second", without_end(OK + b"\r\n", b".", 1),
        BODY_TIMEOUT),
    Row("endless", "sends a body without end", without_end(OK + b"\r\n", b"x" * 65536), DELIVERED),
    Row("endless-chunks", "sends chunks without end",
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
        DELIVERED),
    Row("bomb", "sends gzip that unpacks to gigabytes", without_end(*bomb()), DELIVERED),
    Row("no-gzip", "sends plain text as gzip",
        says(OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain"), DELIVERED),
    Row("encoding", "sends an encoding that nobody knows",
        says(OK + b"Content-Encoding: x-none\r\nContent-Length: 5\r\n\r\nplain"), DELIVERED),
    Row("mail", "speaks another protocol", says(b"220 mail ready\r\n"), BROKEN),
    Row("binary", "sends random bytes", says(bytes(range(256)) * 4, close), BROKEN),
    Row("word", "sends a status that is no number", says(b"HTTP/1.1 fine\r\n\r\n", close), BROKEN),
    Row("version", "speaks HTTP/7.3", says(b"HTTP/7.3 200 OK\r\n\r\n", close), BROKEN),
    Row("status-0", "answers the status 000", says(b"HTTP/1.1 000 No\r\n\r\n", close), BROKEN),
    Row("status-999", "answers the status 999",
        says(b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n"), response(999)),
    Row("large-header", "sends a header of 1 MiB",
        says(OK + b"X-Large: " + b"x" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n"), CUT),
    Row("headers", "sends headers without end", without_end(OK, b"X-Again: and again\r\n" * 100),
        CUT),
    Row("nul", "sends a header with a NUL", says(OK + b"X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n"),
        CUT),
    Row("continue", "answers 100 again and again",
        without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), BROKEN),
    Row("continue-hang", "answers 100, then nothing", says(b"HTTP/1.1 100 Continue\r\n\r\n"),
        TIMEOUT),
    Row("switch", "switches to another protocol",
        says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
        TIMEOUT),
    Row("short", "closes within the body", says(OK + b"Content-Length: 99\r\n\r\nshort", close), CUT),
    Row("long", "sends more than its Content-Length",
        says(OK + b"Content-Length: 2\r\n\r\nand much more", close), DELIVERED),
    Row("negative", "sends a negative Content-Length", says(OK + b"Content-Length: -5\r\n\r\n"), CUT),
    Row("huge", "sends a Content-Length beyond all numbers",
        says(OK + b"Content-Length: 99999999999999999999999\r\n\r\n", close), DELIVERED),
    Row("two-lengths", "sends two of them that differ",
        says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab", close), CUT),
    Row("bad-chunks", "sends chunks that are none",
        says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", close), CUT),
    Row("half-chunk", "closes within a chunk",
        says(OK + b"Transfer-Encoding: chunked\r\n\r\n50\r\nhello", close), CUT),
    Row("early", "answers 413 before it has read the request", before_the_body, response(413)),
    Row("first", "answers before there is a request", before_the_request, DELIVERED),
    Row("loop", "redirects to itself",
        says(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"), response(302)),
    Row("file", "redirects to a file",
        says(b"HTTP/1.1 307 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
        response(307)),
    Row("no-name", "has a name that does not exist", says(EMPTY), ("dns", None),
        host="nowhere.test"),
    # libcurl 7.88, Debian 12's, lets a second pass between two addresses.
    Row("many", "has a hundred addresses, of which the last answers", says(EMPTY),
        ("connect_timeout", None), host="many.test"),
    only_tls("wrong", "has a certificate for another name", says(EMPTY), TLS, certificate="wrong"),
    only_tls("expired", "has one that has expired", says(EMPTY), TLS, certificate="expired"),
    only_tls("self-signed", "has one that it has signed itself", says(EMPTY), TLS,
             certificate="own"),
    only_tls("no-tls", "speaks plain HTTP where TLS is due", None, TLS, certificate=None),
    only_tls("goaway", "speaks HTTP/2, and sends GOAWAY", two(frame(7, 0, bytes(8))),
             BROKEN, alpn="h2"),
    only_tls("rst", "speaks HTTP/2, and resets the stream",
             two(frame(3, 1, struct.pack(">I", 2))), BROKEN, alpn="h2"),
    only_tls("frames", "speaks HTTP/2, and sends frames that are none",
             two(b"\xff" * 4096), BROKEN, alpn="h2"),
]


# What libcurl 8.14, Debian 13's, sees in another way; the table of docs/faults.md is that of 7.88.
NEWER = {"huge-tls": CUT, "many": DELIVERED, "many-tls": TLS, "frames-tls": TIMEOUT}


def has_newer_curl():
    said = subprocess.run(["curl", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return not re.search(r" libcurl/7\.", said)


class Receiver:
    """One row over one of the two."""

    newer = has_newer_curl()

    def __init__(self, row, secure, certificates):
        self.row, self.secure = row, secure
        self.name = f"{row.name}{'-tls' if secure else ''}"
        self.expected = row.tls if secure and row.tls else row.plain
        if self.newer:
            self.expected = NEWER.get(self.name, self.expected)
        self.context = None
        if secure and row.certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{certificates}/{row.certificate}.pem",
                                         f"{certificates}/{row.certificate}.key")
            if row.alpn:
                self.context.set_alpn_protocols([row.alpn])
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        port = self.listening.getsockname()[1]
        self.url = f"{'https' if secure else 'http'}://{row.host}:{port}/{row.name}"
        if row.name != "refuse":
            self.listening.listen(64)
            threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        """What goes wrong here is what was wanted."""
        connection.settimeout(20)
        try:
            if self.row.act is None:
                connection.recv(10)
                connection.sendall(EMPTY)
            elif self.context and self.row.name != "close":
                connection = self.context.wrap_socket(connection, server_side=True)
            if self.row.act:
                self.row.act(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()


def make_certificates(directory):
    os.mkdir(directory)
    subprocess.run([f"{TREE}/tests/lib/certs.sh", directory], check=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    f"{directory}/own.key", "-out", f"{directory}/own.pem"],
                   stderr=subprocess.DEVNULL, check=True)
    return directory


def figures(rig):
    directory = f"/proc/{rig.process.pid}"
    return rig.memory_kib(), len(os.listdir(f"{directory}/fd")), len(os.listdir(f"{directory}/task"))


def found(rig, receiver):
    """The only attempt of the only delivery: state and attempt."""
    for state in ("delivered", "failed"):
        top = f"{rig.mnt}/hooks/{receiver.name}/{state}"
        for name in os.listdir(top):
            with open(f"{top}/{name}", encoding="utf8") as f:
                return state, json.load(f)["attempts"][0]
    return "none", {"outcome": "none", "http_status": None, "error": None}


def what_came(attempt):
    status = attempt["http_status"]
    return attempt["outcome"] + (f" {status}" if status else "")


def table(results):
    """A row for each receiver, with TLS's verdict where it is another one."""
    by_name = {r.name: (state, attempt) for r, state, attempt in results}
    lines = ["| the receiver | over | outcome | the delivery | recorded as |", "| --- | --- | --- | --- | --- |"]
    for row in ROWS:
        both = [(over, by_name[row.name + suffix]) for over, suffix in (("HTTP", ""), ("TLS", "-tls"))
                if row.name + suffix in by_name]
        if len(both) == 2 and both[0][1][0] == both[1][1][0] and \
           what_came(both[0][1][1]) == what_came(both[1][1][1]):
            both = [("both", both[0][1])]
        for over, (state, attempt) in both:
            words = re.sub(r":.*", "", attempt["error"] or "")
            lines.append(f"| {row.does} | {over} | `{what_came(attempt)}` | {state} | {words} |")
    return "\n".join(lines) + "\n"


def document(text, new=None):
    """The table that is there; with another one, the whole document with that."""
    begin, end = "<!-- begin receivers -->\n", "<!-- end receivers -->\n"
    before, _, rest = text.partition(begin)
    old, _, after = rest.partition(end)
    return old if new is None else before + begin + new + end + after


class Tap:
    def __init__(self):
        self.count, self.bad = 0, 0

    def __call__(self, good, name, *why):
        self.count += 1
        self.bad += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        for line in () if good else why:
            print(f"#   {line}")


def time_for(expected):
    """As a hook's timeout: those that end by it end soon, and no other by a machine that is slow."""
    return {"timeout": "3s", "connect_timeout": "3s", "body_timeout": "6s"}.get(expected[0], "20s")


def main():
    tap = Tap()
    with Rig() as rig:
        certificates = make_certificates(f"{rig.top}/certificates")
        receivers = [Receiver(row, secure, certificates) for row in ROWS for secure in (False, True)
                     if (row.tls if secure and row.tls else row.plain) and (row.plain or secure)]
        stuck = Receiver(Row("stuck", "", read_then(hang), TIMEOUT), False, certificates)
        healthy = rig.sink("healthy")
        environment = {**os.environ, "LD_PRELOAD": f"{BUILD}/resolver.so",
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                       ":verify_asan_link_order=0"}
        rig.start("-o", f"cacert={certificates}/ca.pem,max_inflight=200,grace=1", env=environment)
        for receiver in receivers:
            rig.hook(receiver.name, receiver.url, timeout=time_for(receiver.expected), retry="0",
                     object="deployment/one")
        rig.hook("stuck", stuck.url, timeout="30s", object="deployment/one")
        rig.hook("healthy", healthy.url, timeout="30s")
        rig.events(1)
        rig.wait("delivered", 1, "healthy")
        before = figures(rig)
        with open(f"{rig.mnt}/events", "w", encoding="utf8") as f:
            f.write("deployment/one completed\n")
        rig.events(HEALTHY, first=2, batch=1)
        rig.wait("delivered", HEALTHY + 2, "healthy", seconds=60)
        tap(rig.count("pending", "stuck") == 1, "a healthy hook goes on beside them")
        rig.wait("pending", 1, seconds=60)
        results = [(r, *found(rig, r)) for r in receivers]
        for receiver, _, attempt in results:
            came = attempt["outcome"], attempt["http_status"]
            tap(came == receiver.expected, f"{receiver.name}: {receiver.row.does}",
                f"{came}, not {receiver.expected}: {attempt['error']}")
        wait_for("the descriptors' end", 30, lambda: figures(rig)[1] <= before[1] + len(receivers))
        after = figures(rig)
        print(f"# KiB, descriptors, threads: {before} before, {after} behind it")
        if "san-" not in BUILD:
            tap(after[0] <= before[0] + GROWTH_KIB, "memory stays within bounds", after)
        rig.stop()
        new = table(results)
    with open(DOCUMENT, encoding="utf8") as f:
        text = f.read()
    if sys.argv[1:2] == ["--write"]:
        with open(DOCUMENT, "w", encoding="utf8") as f:
            f.write(document(text, new))
    elif not Receiver.newer:
        tap(document(text) == new, "docs/faults.md has this table", "make docs-faults puts it right")
    print(f"1..{tap.count}")
    return 1 if tap.bad else 0


if __name__ == "__main__":
    sys.exit(main())
