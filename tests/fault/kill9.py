#!/usr/bin/env python3
"""kill -9 at random moments under load: what was acknowledged arrives, once, and is what it was.

    kill9.py [KILLS [SEED [DAEMON_OPTION...]]]        100 kills

The daemon is killed again and again, some times while it starts, and mounted over its dead mount point;
between the kills it is stopped and continued, and its clock is set by a day. Meanwhile events come by
every way in, receivers answer well, badly, late or not, hooks are renamed and configured anew, what
failed is put back and what waits is cancelled (actors.py). At the end, by the receivers' records, the
daemon's log and what each actor was told:

- no acknowledged event is lost, at any hook, and none that was cancelled comes;
- the webhook-id of an event at a hook never changes;
- what was answered with a 2xx comes again only if a kill came in between, at most as many for each kill
  as are in flight at once; never if its record stands in the log;
- no retry comes before its time, and none is held back;
- each configuration is the old or the new one, never half of each; an ordered hook keeps its order.

With -o keep it is the keeper that starts the daemon anew, on the same mount, and no writer of events may see
an error.

Prints the seed, figures and TAP. $BUILD, $WEBHOOKFS and $SINK say what is tested.
"""
import array
import bisect
import collections
import fcntl
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import actors  # noqa: E402
from rig import BUILD, Rig, wait_for  # noqa: E402

INFLIGHT = 2 * 128  # max_inflight are under way, and as many delivered and not recorded yet
LATE_MS = 1000
DAY = 86400
RETRY_S = 2
LIFE_S = 0.6
OPTIONS = "grace=20,log_size=0,retention=10d"

GOOD = "/ordered chance 20 status 500\n/ chance 10 delay 30 status 200\n/ status 200\n"
BAD = ("/ chance 20 status 500\n/ chance 10 reset\n/ chance 5 close\n/ chance 5 garbage\n"
       "/ chance 3 hang\n/ status 200\n")
DEAD = "/ chance 70 reset\n/ hang\n"
HOOKS = {"plain": {}, "moved": {}, "edited": {},
         "shaky": {"retry": " ".join([f"{RETRY_S}s"] * 64), "timeout": "2s"},
         "replayed": {"retry": "0", "timeout": "2s", "object": "deployment/fifo"},
         "ordered": {"retry": " ".join(["1s"] * 64), "ordered": "1", "object": "deployment/few"},
         "cancelled": {"enabled": "paused", "object": "deployment/few"}}
ON_BAD = ("shaky", "replayed")


class Torture:
    def __init__(self, rig, rng, options):
        self.rig, self.rng = rig, rng
        self.fifo, self.spool = f"{rig.top}/fifo", f"{rig.top}/spool"
        self.clock = f"{rig.top}/clock"
        os.mkfifo(self.fifo, 0o600)
        os.mkdir(self.spool)
        # Between two mounts the directory below is there, and a shell's >> would make a file in it.
        self.closed = subprocess.run(["chattr", "+i", rig.mnt], stderr=subprocess.DEVNULL,
                                     check=False).returncode == 0
        self.set_clock(0)
        self.keeps = "keep" in ",".join(options).split(",")
        self.options = ["-o", f"{OPTIONS},fifo={self.fifo},spool={self.spool}", *options]
        preload = f"{BUILD}/clockstep.so"
        self.environment = {**os.environ, "CLOCKSTEP": self.clock, "LD_PRELOAD": preload,
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                            ":verify_asan_link_order=0"}
        self.kills, self.stops, self.steps = [], 0, 0
        self.receivers = {"good": rig.sink("good"), "bad": rig.sink("bad")}
        self.receivers["good"].script(GOOD)
        self.receivers["bad"].script(BAD)

    def set_clock(self, ahead_s):
        """By one write into the file that the daemon has open."""
        fd = os.open(self.clock, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"%-60d\n" % ahead_s)
        os.close(fd)

    def start(self):
        self.rig.start(*self.options, env=self.environment)

    def kill(self):
        if self.keeps:
            self.rig.kill_kept()
        else:
            self.rig.kill()
        self.kills.append(time.time() * 1000)

    def disturb(self):
        """What is no kill."""
        rng = self.rng
        if rng.random() < 0.3:
            pid = self.rig.served_by() if self.keeps else self.rig.process.pid
            os.kill(pid, signal.SIGSTOP)
            time.sleep(rng.uniform(0, 0.2))
            os.kill(pid, signal.SIGCONT)
            self.stops += 1
        if rng.random() < 0.2:
            self.set_clock(rng.choice([-DAY, 0, DAY]))
            self.steps += 1
        if rng.random() < 0.2:
            self.receivers["bad"].script(rng.choice([BAD, BAD, DEAD]))

    def run(self, kills):
        while len(self.kills) < kills:
            self.disturb()
            # A keeper gives up daemons that live shorter than half a second, nine times in a row.
            rest = LIFE_S if self.keeps and len(self.kills) % 4 == 0 else 0
            time.sleep(rest + self.rng.uniform(0.02, 0.3))
            self.kill()
            if self.keeps:
                continue
            if self.rng.random() < 0.1 and len(self.kills) < kills:
                self.rig.launch(*self.options, env=self.environment)
                time.sleep(self.rng.uniform(0, 0.1))
                self.kill()
            self.start()

    def calm_down(self):
        self.receivers["bad"].script("/ status 200\n")
        self.receivers["good"].script("/ status 200\n")
        wait_for("an empty spool", 60, lambda: not self.spooled())
        wait_for("an empty pipe", 60, lambda: not self.piped())

    def spooled(self):
        return [name for top in (self.spool, f"{self.spool}/.taking") for name in os.listdir(top)
                if name not in (".taking", "rejected")]

    def piped(self):
        """Bytes that nobody has read away."""
        count = array.array("i", [0])
        fcntl.ioctl(self.pipe, termios.FIONREAD, count)
        return count[0]


class Records:
    """What the receivers and the log have: of each hook and request_id the requests, in order, and
    of each webhook-id and hook the attempts."""

    def __init__(self, torture):
        self.requests = collections.defaultdict(list)
        for sink in torture.receivers.values():
            for request in sink.requests():
                hook = request["path"].strip("/")
                event = json.loads(request["body"])["request_id"]
                self.requests[hook, event].append(
                    (request["time"], request["headers"]["webhook-id"], request["answer"],
                     request["connection"]))
        self.attempts = collections.defaultdict(list)
        for line in torture.rig.log():
            if "request_id" not in line:
                continue  # of no event: what was dropped
            hook = "moved" if line["hook"].startswith("moved") else line["hook"]
            self.attempts[hook, line["request_id"]].append(line)

    def arrived(self, hook):
        return {event for (h, event), requests in self.requests.items()
                if h == hook and any(answer.endswith("status 200") for _, _, answer, _ in requests)}


def good(line):
    return 200 <= (line["http_status"] or 0) < 300


class Verdicts:
    def __init__(self):
        self.count, self.bad = 0, 0

    def __call__(self, name, problems):
        self.count += 1
        problems = list(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in problems[:10]:
            print(f"#   {problem}")
        if problems:
            print(f"#   {len(problems)} in all")
            self.bad += 1


def repeated(records, kills):
    """What came again behind a 2xx: (problems, how many a kill explains). A receiver may look at what
    it was sent only when the sender is dead, but on a connection that nobody uses again."""
    problems, explained = [], collections.Counter()
    for key, requests in records.requests.items():
        lines = records.attempts[key]
        unanswered = sum(line["http_status"] is None for line in lines)  # too slow a machine
        ends = [(at, connection) for at, _, answer, connection in requests
                if answer.endswith("status 200")]
        for (begin, old), (end, new) in itertools.pairwise(ends):
            kill = bisect.bisect_left(kills, begin)
            if kill == len(kills) or kills[kill] > end:
                kill = bisect.bisect_left(kills, begin - LATE_MS)
            if kill < len(kills) and kills[kill] <= end and old != new:
                explained[kill] += 1
            elif unanswered:
                unanswered -= 1
            else:
                problems.append(f"{key} at {begin} and at {end}, and no kill in between")
        seen = [good(line) for line in lines]
        if True in seen[:-1]:
            problems.append(f"{key} was sent again behind the record of its 2xx")
    problems += [f"kill {kill} explains {count}" for kill, count in explained.items()
                 if count > INFLIGHT]
    return problems, sum(explained.values())


def too_early(records):
    """Retries whose attempts are all recorded: none was cut off, so each waited for its time."""
    for (hook, event), requests in records.requests.items():
        lines = records.attempts[hook, event]
        if hook != "shaky" or len(lines) != len(requests):
            continue
        if any(line["http_status"] is None and line["outcome"] != "broken" for line in lines):
            continue  # it timed out, maybe before the receiver had even seen it
        for (before, *_), (after, *_) in itertools.pairwise(requests):
            if after - before < RETRY_S * 800:
                yield f"{event}: {after - before} ms"


def disorder(records, events):
    """Of an ordered hook: first arrivals are in the order in which they were written."""
    firsts = {event: min(at for at, _, answer, _ in requests if answer.endswith("status 200"))
              for (hook, event), requests in records.requests.items()
              if hook == "ordered" and event in records.arrived("ordered")}
    known = [e for e in events if e in firsts]
    for one, next_one in itertools.pairwise(known):
        if firsts[one] > firsts[next_one]:
            yield f"{next_one} came before {one}"


def judge(torture, writers, operators):
    records, verdict = Records(torture), Verdicts()
    lost, acknowledged = [], 0
    for writer in writers:
        acknowledged += len(writer.acknowledged)
        for hook in writer.hooks:
            missing = set(writer.acknowledged) - records.arrived(hook)
            if hook == "cancelled":
                missing -= operators["cancel"].touched
            lost += [f"{event} at {hook}" for event in sorted(missing)]
    problems, explained = repeated(records, sorted(torture.kills))
    sent = sum(len(r) for r in records.requests.values())
    print(f"# {len(torture.kills)} kills, {torture.stops} stops, {torture.steps} steps of the clock")
    print(f"# {acknowledged} events acknowledged, {sent} requests, {len(lost)} lost, "
          f"{explained} came again because of a kill")
    for operator in operators.values():
        print(f"# {operator.name}: {operator.done} done, {operator.undone} cut off")
    verdict("no acknowledged event is lost", lost)
    verdict("a webhook-id never changes",
            (key for key, requests in records.requests.items()
             if len({webhook_id for _, webhook_id, _, _ in requests}) > 1))
    verdict("only what was in flight is repeated", problems)
    verdict("no retry comes before its time", too_early(records))
    verdict("an ordered hook keeps its order",
            disorder(records, next(w for w in writers if w.name == "few").acknowledged))
    verdict("nothing cancelled arrives",
            sorted(operators["cancel"].cancelled & records.arrived("cancelled")))
    verdict("each configuration is the old or the new one",
            (p for operator in operators.values() for p in operator.problems))
    if torture.keeps:
        verdict("no writer saw an error",
                (f"{writer.name}: {dict(writer.errors)}" for writer in writers if writer.undone))
    print(f"1..{verdict.count}")
    return 1 if verdict.bad else 0


def make_hooks(torture):
    for name, settings in HOOKS.items():
        receiver = torture.receivers["bad" if name in ON_BAD else "good"]
        torture.rig.hook(name if name != "moved" else "moved-a", f"{receiver.url}{name}", **settings)


def settle(torture, operators):
    """All that waits goes out, and what failed goes back until it arrives."""
    rig = torture.rig
    torture.calm_down()
    rig.set("hooks/cancelled/enabled", 1)

    def empty():
        operators["replay"].all()
        return rig.count("pending") == 0 and not os.listdir(f"{rig.mnt}/hooks/replayed/failed")

    wait_for("the end of what waits", 400, empty)


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else random.randrange(1 << 32)
    print(f"# seed {seed}", flush=True)
    rng = random.Random(seed)
    with Rig() as rig:
        torture = Torture(rig, rng, sys.argv[3:])
        if not torture.closed:
            print("# no shell writes, since the mount point cannot be made immutable")
        torture.start()
        make_hooks(torture)
        writers, operators = actors.writers(torture), actors.operators(torture)
        cast = [*writers, *operators.values()]
        stop = threading.Event()
        threads = [threading.Thread(target=actor.run, args=(stop,)) for actor in cast]
        for thread in threads:
            thread.start()
        try:
            torture.run(kills)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for operator in operators.values():
            operator.look()
        settle(torture, operators)
        result = judge(torture, writers, operators)
        rig.stop()
        return result


if __name__ == "__main__":
    sys.exit(main())
