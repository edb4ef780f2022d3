#!/usr/bin/env python3
"""Verifies a request's signature, written from the specifications and not from our source.

    verify.py standard|github|stripe KEY...  < REQUEST

REQUEST is a line of the sink's requests.jsonl. It is good, status 0, if one of its signatures fits
one of the keys: whsec_… (HMAC-SHA256) or whpk_… (an ed25519 public key, checked with openssl) for
https://github.com/standard-webhooks/standard-webhooks, else the text of the secret. A timestamp of more
than 5 minutes ago, or ahead, is refused.
"""
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import time

TOLERANCE_S = 300
# RFC 8410: SubjectPublicKeyInfo of an ed25519 key, up to its 32 bytes.
ED25519_DER = bytes.fromhex("302a300506032b6570032100")


def sha256(key, content):
    return hmac.new(key, content, hashlib.sha256)


def ed25519_fits(public, signature, content):
    with tempfile.TemporaryDirectory() as top:
        for name, data in (("key", ED25519_DER + public), ("sig", signature), ("data", content)):
            with open(f"{top}/{name}", "wb") as f:
                f.write(data)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", f"{top}/key",
             "-rawin", "-in", f"{top}/data", "-sigfile", f"{top}/sig"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def recent(seconds):
    return abs(time.time() - int(seconds)) <= TOLERANCE_S


def standard(headers, body, keys):
    seconds = headers["webhook-timestamp"]
    content = f"{headers['webhook-id']}.{seconds}.".encode() + body
    for signature in headers["webhook-signature"].split(" "):
        version, value = signature.split(",")
        value = base64.b64decode(value, validate=True)
        for key in keys:
            kind, material = key.split("_", 1)
            material = base64.b64decode(material, validate=True)
            if version == "v1" and kind == "whsec":
                fits = hmac.compare_digest(sha256(material, content).digest(), value)
            else:
                fits = (version == "v1a" and kind == "whpk" and
                        ed25519_fits(material, value, content))
            if fits and recent(seconds):
                return True
    return False


def github(headers, body, keys):
    given = headers["x-hub-signature-256"]
    return any(hmac.compare_digest("sha256=" + sha256(key.encode(), body).hexdigest(), given)
               for key in keys)


def stripe(headers, body, keys):
    parts = [part.split("=", 1) for part in headers["stripe-signature"].split(",")]
    seconds = next(value for name, value in parts if name == "t")
    good = [sha256(key.encode(), f"{seconds}.".encode() + body).hexdigest() for key in keys]
    return recent(seconds) and any(value in good for name, value in parts if name == "v1")


def main():
    style = {"standard": standard, "github": github, "stripe": stripe}[sys.argv[1]]
    request = json.load(sys.stdin)
    return not style(request["headers"], request["body"].encode(), sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
