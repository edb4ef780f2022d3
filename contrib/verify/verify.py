#!/usr/bin/env python3
"""verify.py PORT SECRETS: a receiver that takes only what is signed as Standard Webhooks say.

SECRETS is a file of whsec_ lines; more than one while a secret is changed. What is good is printed, a body a line,
and answered with 204, all else with 401. Who must not do things twice remembers the webhook-id of each.
"""
import base64
import hashlib
import hmac
import http.server
import sys
import time

TOLERANCE_S = 300
BODY_MAX = 4 << 20


def why_not(headers, body, keys):
    """None, or what is wrong with the request."""
    message_id, seconds = headers["webhook-id"], headers["webhook-timestamp"]
    if not message_id or not seconds or not seconds.isdecimal():
        return "it is not signed"
    if abs(time.time() - int(seconds)) > TOLERANCE_S:
        return "its timestamp is too old, or ahead"
    signed = f"{message_id}.{seconds}.".encode() + body
    good = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    for entry in headers.get("webhook-signature", "").split():
        version, _, text = entry.partition(",")
        try:
            given = base64.b64decode(text, validate=True)
        except ValueError:
            continue
        if version == "v1" and any(hmac.compare_digest(given, one) for one in good):
            return None
    return "no signature fits"


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > BODY_MAX:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(int(length))
        why = why_not(self.headers, body, KEYS)
        if why:
            print("refused:", why, file=sys.stderr, flush=True)
            return self.answer(401)
        sys.stdout.buffer.write(body + b"\n")
        sys.stdout.flush()
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


with open(sys.argv[2]) as secrets:
    KEYS = [base64.b64decode(line[6:]) for line in secrets.read().split() if line.startswith("whsec_")]
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
