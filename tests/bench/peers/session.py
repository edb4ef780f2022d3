"""python requests, one Session: session.py URL BODIES WARM TRUST_ENV (see ../peers.py)"""
import sys

import requests


def send(session, url, bodies):
    for body in bodies:
        session.post(url, data=body).raise_for_status()


def main():
    url, path, warm, trust_env = sys.argv[1:]
    with open(path, "rb") as f:
        bodies = f.read().splitlines()
    with requests.Session() as session:
        session.trust_env = trust_env == "True"
        session.headers["Content-Type"] = "application/json"
        send(session, url, bodies[:int(warm)])
        print("ready", flush=True)
        sys.stdin.readline()
        send(session, url, bodies)
        print("done", flush=True)
        sys.stdin.readline()


main()
