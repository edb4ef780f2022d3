#!/usr/bin/env python3
"""Events told by `curl` in a script and by webhookfs, while things go wrong: what arrives, and what the script
that has something to tell notices. The table in README.md is the output.

    againstcurl.py [EVENTS [SITUATION...]]       60 slow down crash

  curl            curl -fsS -m 10 for each event, the script waits for it
  curl --retry    the same with --retry 4 --retry-all-errors
  curl --retry &  the same in the background, so that the script goes on
  webhookfs       echo EVENT > events

A receiver that is down refuses connections, and comes back on the same port after ten seconds. A slow one takes
half a second for each answer. In the crash, nobody listens at first, and after five seconds all that sends is killed
by SIGKILL, as by a power cut; it starts anew, as far as something is there to start, the receiver comes back, and
the script, which is spared, goes on. Ten events come in a second, unless the script is held. Held is how long the slowest
call took the script; noticed, how many calls failed: those events the script could tell again, if it were written so. The last comes so long after the
last call.
"""
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, wait_for  # noqa: E402

DOWN_S = 10
CRASH_S = 5
DRAIN_S = 450  # above the second wait of the standard schedule
CURL = ["curl", "-fsS", "-o", "/dev/null", "-m", "10"]
RETRY = CURL + ["--retry", "4", "--retry-all-errors"]


def body(number):
    return f'{{"object":"deployment/m/v1","status":"completed","request_id":"{number}"}}'


class Curl:
    """A command for each event."""

    def __init__(self, words, background):
        self.words, self.background = words, background
        self.running = []

    def open(self, rig, url):
        self.url = url

    def tell(self, number):
        child = subprocess.Popen(self.words + ["-d", body(number), self.url], stderr=subprocess.DEVNULL)
        self.running.append(child)
        return self.background or child.wait() == 0

    def crash(self):
        for child in self.running:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)

    def drain(self, arrived, events):
        for child in self.running:
            child.wait()


class Mount:
    """The file events."""

    def open(self, rig, url):
        self.rig = rig
        rig.start("-o", "grace=0")
        rig.hook("h", url)

    def tell(self, number):
        line = body(number)
        return subprocess.run(["sh", "-c", f"echo '{line}' > {self.rig.mnt}/events"],
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    def crash(self):
        self.rig.kill()
        self.rig.start("-o", "grace=0")

    def drain(self, arrived, events):
        wait_for("the last delivery", DRAIN_S, lambda: self.rig.count("pending") == 0)


SENDERS = {
    "`curl`": lambda: Curl(CURL, False),
    "`curl --retry`": lambda: Curl(RETRY, False),
    "`curl --retry &`": lambda: Curl(RETRY, True),
    "webhookfs": Mount,
}


def numbers(sink):
    found = []
    for request in sink.requests():
        text = request["body"]
        found.append(text.split('"request_id":"')[1].split('"')[0])
    return found


def measure(make, situation, events):
    with Rig() as rig:
        sink, sender, timer = rig.sink("r"), make(), None
        sender.open(rig, sink.url)

        def crash():
            sender.crash()
            sink.start(sink.port)

        if situation == "slow":
            sink.script("/ delay 500 status 200\n")
        elif situation == "crash":
            sink.stop()
            timer = threading.Timer(CRASH_S, crash)
            timer.start()
        held, noticed = 0.0, 0
        for number in range(events):
            if number == events // 3 and situation == "down":
                sink.stop()
                timer = threading.Timer(DOWN_S, lambda: sink.start(sink.port))
                timer.start()
            begin = time.monotonic()
            noticed += not sender.tell(number)
            held = max(held, time.monotonic() - begin)
            time.sleep(0.1)
        told = time.time()
        if timer:
            timer.join()
        sender.drain(sink, events)
        got = numbers(sink)
        last = max(0, sink.requests()[-1]["time"] / 1000 - told)
    return len(set(got)), len(got) - len(set(got)), noticed, held, last


SITUATIONS = {
    "slow": "the receiver takes 0.5 s",
    "down": f"the receiver is down for {DOWN_S} s",
    "crash": f"the receiver is down, and after {CRASH_S} s all is killed",
}


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"| of {events} events | by | arrived | lost | of these noticed by the script | the script is held, at most | the last comes after |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for situation in sys.argv[2:] or SITUATIONS:
        words = SITUATIONS[situation]
        for name, make in SENDERS.items():
            arrived, twice, noticed, held, last = measure(make, situation, events)
            lost = events - arrived
            more = f", {twice} twice" if twice else ""
            print(f"| {words} | {name} | {arrived}{more} | {lost} | {min(noticed, lost)} | {held:.2f} s | {last:.0f} s |",
                  flush=True)


if __name__ == "__main__":
    main()
