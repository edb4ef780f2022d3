"""Beside what people send webhooks with today: the same bodies to the same receiver, in the same run.

A peer is either a command of the shell, timed from its start to its end, or a program of peers/ that says
"ready" when it is loaded and warm, begins at the line it gets then, and says "done" after the last 2xx. Each
fails unless all its answers are 2xx; and before it is timed, a receiver that keeps what it gets has
seen it send every body once.
"""
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Callable

from delivery import EVENTS, delivered
from measure import BUILD, HERE, WARM, beside, cpu_s
from rig import Sink, wait_for

WRITES = ("-b", 131072)
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's requests, whatever comes first in PATH
DIRECTORY = f"{BUILD}/bench/peers"
CHECKED = 100  # bodies that the keeping receiver wants to see
TOO_LONG = 300  # s
HEADER = "Content-Type: application/json"
AGAIN = "`make deps-bench` installs what the peers need"


def bodies(count):
    """Of 400 bytes, like those of json_lines."""
    return [b'{"event":"deployment_request_completed",'
            b'"deployment_id":"78ec1899-196d-551f-97cc-35c90941ebfc","deployment_name":"resnet",'
            b'"deployment_version_id":"8fcbd84c-573c-5b27-843a-7a78ae2fa6c1",'
            b'"deployment_version_name":"v2","request_id":"%032d","status":"completed",'
            b'"text":"Deployment request %032d finished for deployment resnet v2 in project default"}'
            % (i, i) for i in range(count)]


# ---- what a run costs

def family(pid):
    """A process, its children, theirs and so on."""
    found = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf8") as f:
            for child in f.read().split():
                found += family(int(child))
    except OSError:  # it has just ended
        pass
    return found


def peak_kib(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf8") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


class Memory:
    """The most that processes and their families had at once, as far as 20 looks a second see it."""

    def __init__(self, *pids):
        self.pids, self.kib = pids, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(0.05):
            self.look()

    def look(self):
        self.kib = max(self.kib, sum(peak_kib(one) for pid in self.pids for one in family(pid)))

    def __enter__(self):
        self.look()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.look()
        self.over.set()
        self.thread.join()


def too_long(process):
    timer = threading.Timer(TOO_LONG, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def result(events, seconds, cpu, memory):
    return {"events": events, "seconds": round(seconds, 6), "cpu_s": round(cpu, 3),
            "rss_kib": memory.kib}


def command(text, events, **variables):
    """A command line, from its start to its end, with all the processes that it starts."""
    begun = time.monotonic()
    with subprocess.Popen(["bash", "-c", text], env={**os.environ, **variables}) as process:
        timer = too_long(process)
        with Memory(process.pid) as memory:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begun
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"not ok - {text} ended with {process.returncode}")
    return result(events, seconds, usage.ru_utime + usage.ru_stime, memory)


def program(args, events, *servers):
    """A program of peers/, from "ready" to "done", with the servers that it needs (their pids)."""
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        timer = too_long(process)

        def hears(word):
            if process.stdout.readline() != f"{word}\n":
                process.kill()
                raise SystemExit(f"not ok - {args[1]} never said {word}")

        def tells():
            process.stdin.write("\n")
            process.stdin.flush()

        def cpu():
            return sum(cpu_s(one) for pid in (process.pid, *servers) for one in family(pid))

        with Memory(process.pid, *servers) as memory:
            hears("ready")
            cpu_before, begun = cpu(), time.monotonic()
            tells()
            hears("done")
            seconds = time.monotonic() - begun
            spent = cpu() - cpu_before
            memory.look()
        tells()
        process.wait()
        timer.cancel()
    return result(events, seconds, spent, memory)


# ---- the peers, each a function of (directory, url, events, warm) that makes one run

def body_file(directory, events):
    path = f"{directory}/bodies"
    with open(path, "wb") as f:
        f.write(b"".join(body + b"\n" for body in bodies(events)))
    return path


def by_shell(text):
    def run(directory, url, events, _):
        return command(text, events, URL=url, BODIES=body_file(directory, events))
    return run


def by_curl_parallel(text):
    def run(directory, url, events, _):
        path = f"{directory}/transfers"
        with open(path, "wb") as f:
            f.write(b"next\n".join(
                b'url = "%s"\nheader = "%s"\ndata = "%s"\noutput = "/dev/null"\nfail\n'
                % (url.encode(), HEADER.encode(), body.replace(b'"', b'\\"'))
                for body in bodies(events)))
        return command(text, events, TRANSFERS=path)
    return run


def by_python(trust_env):
    def run(directory, url, events, warm):
        return program([PYTHON, f"{HERE}/peers/session.py", url, body_file(directory, events),
                        str(warm), str(trust_env)], events)
    return run


def by_node(script, *more):
    def run(directory, url, events, warm):
        return program(["node", f"{DIRECTORY}/{script}", url, body_file(directory, events),
                        str(warm), *(word.format(directory=directory) for word in more)], events)
    return run


def by_bullmq(appendfsync):
    def run(directory, url, events, warm):
        path = f"{directory}/redis"
        with subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path,
                               "--dir", directory, "--save", "", "--appendonly", "yes",
                               "--appendfsync", appendfsync, "--logfile", f"{directory}/redis.log"],
                              stdout=subprocess.DEVNULL) as redis:
            try:
                wait_for("redis", 20, lambda: os.path.exists(path))
                return program(["node", f"{DIRECTORY}/bullmq.mjs", url,
                                body_file(directory, events), str(warm), path], events, redis.pid)
            finally:
                redis.terminate()
    return run


@dataclass
class Peer:
    name: str
    side: str  # what it is called in a table
    goal: str  # so many times its rate
    events: int
    needs: tuple  # programs, and packages of peers/package.json
    run: Callable
    how: str


LOOP = (f"while read -r body; do curl -sSf -o /dev/null -H '{HEADER}' -d \"$body\" \"$URL\" || exit; "
        "done <\"$BODIES\"")
XARGS = f"xargs -P 8 -n 1 -d '\\n' curl -sSf -o /dev/null -H '{HEADER}' \"$URL\" -d <\"$BODIES\""
PARALLEL = "curl --no-progress-meter --parallel --parallel-max 64 --fail-early --config \"$TRANSFERS\""
POOL = "an undici Pool of 64 connections, 64 requests at once"
SESSION = "one Session, one request after another"
BULLMQ = (f"one process adds jobs, 400 in an addBulk, and works at them with concurrency 64; {POOL}; "
          "attempts: 5, removeOnComplete; redis over a Unix socket, save \"\", appendonly yes, appendfsync ")
WITH_BULLMQ = ("node", "bullmq", "undici", "redis-server")

PEERS = (
    Peer("curl-loop", "curl in a loop", "300", 300, ("curl",), by_shell(LOOP), LOOP),
    Peer("xargs-curl", "xargs -P8 curl", "150", 600, ("curl", "xargs"), by_shell(XARGS), XARGS),
    Peer("curl-parallel", "curl --parallel", "2.4", 20000, ("curl",), by_curl_parallel(PARALLEL),
         f"{PARALLEL} (one file with all transfers, written before)"),
    Peer("requests", "python requests", "25", 3000, ("requests",), by_python(True), SESSION),
    Peer("requests-tuned", "python requests, trust_env off", "25", 5000, ("requests",),
         by_python(False), f"{SESSION}; no look for proxies and .netrc at each (trust_env = False)"),
    Peer("bullmq", "BullMQ + Redis, everysec", "8", 10000, WITH_BULLMQ, by_bullmq("everysec"),
         f"{BULLMQ}everysec"),
    Peer("bullmq-always", "BullMQ + Redis, always", "10", 10000, WITH_BULLMQ, by_bullmq("always"),
         f"{BULLMQ}always"),
    Peer("sqlite", "node + better-sqlite3", "3", 20000, ("node", "better-sqlite3", "undici"),
         by_node("sqlite.mjs", "{directory}/queue.db"),
         "WAL, synchronous=FULL; 400 events put in a transaction, answers deleted 64 in one; "
         f"{POOL}"),
    Peer("undici", "node undici, storing nothing", "2", 20000, ("node", "undici"),
         by_node("send.mjs", "pool"), POOL),
    Peer("fetch", "node fetch, storing nothing", "2", 10000, ("node",),
         by_node("send.mjs", "fetch"), "node's own fetch as it comes, 64 requests at once"),
)


# ---- what they need

@functools.cache
def packages():
    with open(f"{HERE}/peers/package.json", encoding="utf8") as f:
        return json.load(f)["dependencies"]


@functools.cache
def version(tool):
    """As the table names it; the end where it is missing."""
    if tool in packages():
        return f"{tool} {packages()[tool]}"
    args = [tool, "--version"]
    if tool == "requests":
        args = [PYTHON, "-c", "import requests; print(requests.__version__)"]
    try:
        said = subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise SystemExit(f"not ok - {tool} is missing: {AGAIN}") from e
    return f"{tool} " + re.search(r"\d+(\.\d+)+", said.decode())[0]


def content(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf8") as f:
        return f.read()


@functools.cache
def install():
    """The programs of peers/, with their packages beside them, in a directory under build/."""
    wanted = f"{version('node')}\n" + content(f"{HERE}/peers/package.json")
    installed = f"{DIRECTORY}/installed"
    version("npm")
    os.makedirs(DIRECTORY, exist_ok=True)
    for name in os.listdir(f"{HERE}/peers"):
        if name.endswith((".mjs", ".json")):
            shutil.copy(f"{HERE}/peers/{name}", DIRECTORY)
    if content(installed) == wanted:
        return
    print("# npm install; better-sqlite3 may have to be compiled, which takes a minute", flush=True)
    # The headers that lie beside node, if any do; node-gyp would want to download them.
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("node"))))
    headers = {"npm_config_nodedir": prefix} if os.path.exists(f"{prefix}/include/node/node.h") else {}
    shutil.rmtree(f"{DIRECTORY}/node_modules", ignore_errors=True)
    if subprocess.run(["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
                       "--loglevel=error"], cwd=DIRECTORY, env={**os.environ, **headers},
                      stdout=subprocess.DEVNULL, check=False).returncode:
        raise SystemExit("not ok - npm could not install what tests/bench/peers/package.json names: it "
                         f"needs its registry, and better-sqlite3 a C++ compiler; {AGAIN}")
    with open(installed, "w", encoding="utf8") as f:
        f.write(wanted)


# ---- the rows

def one(peer, url, events, warm=WARM):
    with tempfile.TemporaryDirectory(prefix="webhookfs-peer.") as directory:
        return peer.run(directory, url, events, warm)


def sends_every_body(peer):
    with tempfile.TemporaryDirectory(prefix="webhookfs-peer.") as directory:
        sink = Sink(os.environ.get("SINK", f"{BUILD}/sink"), directory)
        try:
            one(peer, sink.url, CHECKED, 0)
            got = sorted(request["body"].encode() for request in sink.requests())
        finally:
            sink.stop()
    if got != bodies(CHECKED):
        raise SystemExit(f"not ok - {peer.side} sent {len(got)} bodies that are not the {CHECKED} it was given")


def row(peer, bench):
    needs = ", ".join(version(tool) for tool in peer.needs)
    if "node" in peer.needs:
        install()
    sends_every_body(peer)
    url = bench.nginx.url
    return {
        "name": f"peer-{peer.name}",
        "what": f"webhookfs and {peer.side}: bodies of some 400 bytes to the same receiver",
        "goal": f"≥ {peer.goal} × {peer.side}", "unit": "deliveries/s",
        "sides": beside(bench.runs, **{
            "webhookfs": lambda: delivered(url, WRITES, events=bench.events(EVENTS)),
            peer.side: lambda: one(peer, url, bench.events(peer.events))}),
        "configuration": {
            "webhookfs": "events written 128 KiB at once; each stored with fdatasync before the "
                         "writer goes on, each delivery tried again if it fails, and recorded",
            peer.side: f"{peer.how}; {needs}"}}


ROWS = [(f"peer-{peer.name}", functools.partial(row, peer)) for peer in PEERS]
