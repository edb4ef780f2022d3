#!/usr/bin/env python3
"""A receiver whose answers are headers without end.

    headers.py FILE     writes its port into FILE once it listens
"""
import os
import socket
import sys

listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
with open(sys.argv[1] + ".new", "w") as port:
    print(listening.getsockname()[1], file=port)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    connection, _ = listening.accept()
    connection.recv(65536)
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Again: and again\r\n" * 100)
    except OSError:
        connection.close()
