#!/usr/bin/env python3
"""A receiver that tells all that it was sent, in its headers and its body.

    echo.py DIR

Writes its port to DIR/port; answers with the status that stands in DIR/status.
"""
import http.server
import os
import sys


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        with open(os.path.join(sys.argv[1], "status")) as f:
            self.send_response(int(f.read()), "for " + self.path)
        body = f"{self.path}\n{self.headers}".encode()
        for name, value in self.headers.items():
            if not name.lower().startswith("content-"):
                self.send_header("got-" + name, value)
        self.send_header("got-path", self.path)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
with open(os.path.join(sys.argv[1], "port.new"), "w") as f:
    f.write(str(server.server_port))
os.rename(os.path.join(sys.argv[1], "port.new"), os.path.join(sys.argv[1], "port"))
server.serve_forever()
