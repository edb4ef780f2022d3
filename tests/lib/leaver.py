#!/usr/bin/env python3
"""A receiver that speaks HTTP/2 and leaves within its second request, answers nothing to it, and each time otherwise.

    leaver.py DIR CERTIFICATE KEY

Listens on 127.0.0.1, writes the port to DIR/port, and a line for each request to DIR/requests: the number of the
connection, the stream, and what it did.
"""
import os
import socket
import ssl
import struct
import sys
import threading

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
STATUS_200 = b"\x88"  # RFC 7541, appendix A
INTERNAL_ERROR = struct.pack(">I", 2)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def take(c, n):
    data = b""
    while len(data) < n:
        piece = c.recv(n - len(data))
        if not piece:
            raise OSError("closed")
        data += piece
    return data


def requests(c):
    """The stream of each, when all of it has come."""
    take(c, 24)  # the preface
    c.sendall(frame(SETTINGS, 0, 0))
    while True:
        head = take(c, 9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        take(c, int.from_bytes(head[:3], "big"))
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            yield stream


def close(c, stream):
    c.unwrap()


def reset(c, stream):
    c.sendall(frame(RST_STREAM, 0, stream, INTERNAL_ERROR) + frame(GOAWAY, 0, 0, bytes(8)))


WAYS = [close, reset]


def serve(c, number, log):
    try:
        for stream in requests(c):
            if stream > 1 and number < len(WAYS):
                print(number, stream, WAYS[number].__name__, file=log, flush=True)
                WAYS[number](c, stream)
                return
            print(number, stream, "answer", file=log, flush=True)
            c.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, STATUS_200))
    except OSError:
        pass
    finally:
        c.close()


def main():
    directory, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    listening = socket.create_server(("127.0.0.1", 0))
    with open(f"{directory}/port.new", "w", encoding="utf8") as f:
        f.write(str(listening.getsockname()[1]))
    os.rename(f"{directory}/port.new", f"{directory}/port")
    with open(f"{directory}/requests", "w", encoding="utf8") as log:
        number = 0
        while True:
            c = context.wrap_socket(listening.accept()[0], server_side=True)
            threading.Thread(target=serve, args=(c, number, log), daemon=True).start()
            number += 1


if __name__ == "__main__":
    main()
