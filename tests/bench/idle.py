"""Idle: a mount with hooks that nobody uses. What it holds, and that it never wakes.

`strace -f` watches every thread for a minute and counts their system calls; the context switches in
/proc/PID/task say the same without it. Memory is split by /proc/PID/smaps. Whoever mounts something
wakes all who watch the table of mounts, so this daemon has a table of its own, if we are root.
"""
import collections
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from measure import Daemon, wait_for

HOOKS = 10
DELIVERED = 100  # before it is idle: the thread of requests is there, and connections are open
WATCHED_S = 60
SETTLES_S = 600


def switches(pid):
    """Of each thread, so far: how often it gave up the processor or lost it."""
    return {task: sum(int(n) for n in re.findall(r"ctxt_switches:\s*(\d+)", text))
            for task, text in ((path, open(path, encoding="utf8").read())
                               for path in glob.glob(f"/proc/{pid}/task/*/status"))}


def system_calls(pid, seconds):
    """What strace sees of all threads in so many seconds: those that they sleep in are no calls."""
    with tempfile.NamedTemporaryFile("r", encoding="utf8") as out:
        tracer = subprocess.Popen(["strace", "-f", "-tt", "-o", out.name, "-p", str(pid)],
                                  stderr=subprocess.DEVNULL)
        try:
            attached = f"TracerPid:\t{tracer.pid}"
            wait_for("strace", 20, lambda: all(
                attached in open(path, encoding="utf8").read()
                for path in glob.glob(f"/proc/{pid}/task/*/status")))
            begin = time.monotonic()
            before = out_lines(out.name)
            time.sleep(seconds)
            calls = out_lines(out.name)[len(before):]
            watched = time.monotonic() - begin
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
    return calls, watched


def out_lines(path):
    """Without the calls that the threads were in when strace came, which it tells of first."""
    with open(path, encoding="utf8") as f:
        return f.read().splitlines()


def memory(pid):
    """KiB resident: all, and what of it is private and dirty, of libraries, of the heap, locked."""
    all_of = collections.Counter()
    kind = ""
    with open(f"/proc/{pid}/smaps", encoding="utf8") as f:
        for line in f:
            head = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)", line)
            if head:
                name = head.group(1)
                kind = ("libraries" if ".so" in name else "program" if "webhookfs" in name
                        else "heap" if name == "[heap]" else "other")
            elif line.startswith(("Rss:", "Locked:", "Anonymous:")):
                key, kib = line.split()[:2]
                all_of[key[:-1].lower() if key != "Rss:" else kind] += int(kib)
    rss = sum(all_of[k] for k in ("libraries", "program", "heap", "other"))
    return {"rss_kib": rss, **{k + "_kib": v for k, v in sorted(all_of.items())}}


def figure(key, facts):
    """A run whose figure is one of the facts: so many in one second, as rates are told."""
    return {"events": facts[key], "seconds": 1, "cpu_s": 0, **facts}


def settle(pid, quiet_s):
    """Until nothing has been switched for so long: what follows the last delivery is done, among it a look
    a minute later for what need not be kept any more."""
    end = time.monotonic() + SETTLES_S
    while time.monotonic() < end:
        before = switches(pid)
        time.sleep(quiet_s)
        if switches(pid) == before:
            return True
    return False


def fresh(*options):
    """A daemon just started."""
    with Daemon() as d:
        d.start(*options)
        settle(d.process.pid, 2)
        return figure("rss_kib", memory(d.process.pid))


def alone(url, seconds):
    """after_work in a mount namespace, without its copies of mounts that others may end meanwhile."""
    leave = 'umount -l -a -t fuse.webhookfs; exec "$@"'
    apart = ["unshare", "-m", "sh", "-c", leave, "sh"] if os.geteuid() == 0 else []
    done = subprocess.run([*apart, sys.executable, __file__, url, str(seconds)], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def after_work(url, seconds):
    with Daemon() as d:
        d.start()
        for i in range(HOOKS):
            d.hook(f"h{i}", url)
        d.events(DELIVERED)
        d.wait("delivered", HOOKS * DELIVERED)
        pid = d.process.pid
        settled = settle(pid, seconds + 2)
        before = switches(pid)
        begin = time.monotonic()
        time.sleep(seconds)
        after = switches(pid)
        watched = time.monotonic() - begin
        woken = sum(after.values()) - sum(before.get(t, 0) for t in after)
        calls, traced = system_calls(pid, seconds)
        return figure("switches", {"switches": woken, "watched_s": round(watched, 3),
                                   "settled": settled, "threads": len(after),
                                   "system_calls": len(calls), "traced_s": round(traced, 3),
                                   "first_calls": calls[:10], **memory(pid)})


def idle_memory(bench):
    sides = {"confined": [], "-o confine=0": []}
    for _ in range(bench.runs):
        sides["confined"].append(fresh())
        sides["-o confine=0"].append(fresh("-o", "confine=0"))
    return {"name": "idle-memory", "goal": "≤ 12 MiB", "unit": "KiB",
            "what": "resident memory of a mount that nobody has used yet; libraries are shared with "
                    "all programs that use them",
            "sides": sides,
            "configuration": {"confined": "no options",
                              "-o confine=0": "memory is not locked, and the code that only the start "
                                              "ran stays"}}


def idle_wakeups(bench):
    seconds = min(WATCHED_S, max(2, bench.events(WATCHED_S)))
    watched = alone(bench.nginx.url, seconds)
    if not watched["settled"]:
        raise SystemExit(f"not ok - the daemon was not idle within {SETTLES_S} s")
    common = {"goal": "0", "sides": {"webhookfs": [watched]},
              "configuration": {"webhookfs": "no options; an idle daemon that keeps deliveries looks once "
                                             "an hour for what has run out"}}
    return [{"name": "idle-wakeups", "unit": "context switches",
             "what": f"how often a thread of an idle daemon runs in {seconds} s, after {DELIVERED} events "
                     f"for each of {HOOKS} hooks", **common},
            {"name": "idle-calls", "unit": "system calls", "figures": ["system_calls"],
             "what": f"the calls of all its threads in {seconds} s, under strace -f", **common}]


ROWS = [("idle-memory", idle_memory), ("idle-wakeups", idle_wakeups)]

if __name__ == "__main__":
    print(json.dumps(after_work(sys.argv[1], int(sys.argv[2]))))
