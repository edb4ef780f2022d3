"""Scale: what hooks, waiting deliveries and kept records cost an event, a delivery, memory, a listing.

Each row has a side for each size; sides run in turn, each size in a daemon of its own. Hooks are laid
down as files of the state directory before the start, so that only what they cost is measured.
"""
import contextlib
import os
import subprocess
import sys
import time

from measure import HERE, WARM, Daemon, beside, json_lines, median_rate, rate, word_lines

sys.path.insert(0, os.path.join(HERE, "../show"))
import beside as company  # noqa: E402

HOOKS = (10, 1000, 100000)
BACKLOGS = (0, 10000, 1000000)
KEPT = (0, 100000, 1000000)
EVENTS = 20000        # a run of deliveries
MATCHED = 2000000     # a run of events that concern no hook: nothing but reading and matching
FAN = 1000
KEPT_BY_BOTH = 50000  # deliveries that are kept when directories are compared
BIG = ("-b", 131072)
HOOK = ('{"url":"http://127.0.0.1:9/","object_type":"deployment","object_name":"%s",'
        '"event":"completed"}\n')


def number(n):
    return f"{n:,}"


def curve(x, y, points):
    return {"points": [[a, round(b, 3)] for a, b in points], "x": x, "y": y}


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def cpu_us(runs):
    return median(run["cpu_s"] / run["events"] * 1e6 for run in runs)


def once(value, **more):
    """A run whose figure is the value: so many in one second, as rates are told."""
    return {"events": value, "seconds": 1, "cpu_s": 0, **more}


def timed(command, cwd):
    begin = time.monotonic()
    subprocess.run(command, cwd=cwd, shell=True, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def start(d, *options):
    """Seconds until its files can be read."""
    begin = time.monotonic()
    d.start("-o", "grace=0", *options)
    d.status()
    return round(time.monotonic() - begin, 3)


# ---- hooks

def lay_hooks(state, count):
    """One in ten has a wildcard."""
    os.makedirs(f"{state}/hooks", mode=0o700)
    os.chmod(state, 0o700)
    for i in range(count):
        fd = os.open(f"{state}/hooks/h{i:06d}.json", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, (HOOK % (f"m{i}" if i % 10 else f"m{i}-*")).encode())
        os.close(fd)


def matched(d, events, lines):
    d.begin()
    wrote = d.write(lines, events, *BIG)
    return d.end(wrote["lines"])


def hooks_rows(bench):
    sizes = [max(10, bench.events(n)) for n in HOOKS]
    events, lines = bench.events(MATCHED), word_lines()
    with contextlib.ExitStack() as stack:
        daemons, facts = {}, {}
        for n in sizes:
            d = daemons[n] = stack.enter_context(Daemon())
            lay_hooks(d.state, n)
            facts[n] = {"first_start_s": start(d), "start_s": [], "rss_kib": []}
            for _ in range(bench.runs):
                d.stop()
                facts[n]["start_s"].append(start(d))
                facts[n]["rss_kib"].append(d.memory_kib())
        for n, d in daemons.items():
            hooks = f"{d.mnt}/hooks"
            facts[n] |= {"ls_s": [timed("ls", hooks) for _ in range(bench.runs)],
                         "ls_l_s": [timed("ls -l", hooks) for _ in range(bench.runs)]}
        runs = beside(bench.runs, **{number(n): lambda d=d: matched(d, events, lines)
                                     for n, d in daemons.items()})
    few = sizes[0]
    least_kib = median(facts[few]["rss_kib"])
    each = {n: [once(round((kib - least_kib) * 1024 / (n - few)), rss_kib=kib) for kib in facts[n]["rss_kib"]]
            for n in sizes[1:] if n > few}

    def row(name, what, goal, unit, key):
        values = {n: facts[n][key] if isinstance(facts[n][key], list) else [facts[n][key]]
                  for n in sizes}
        return {"name": name, "what": what, "goal": goal, "unit": unit,
                "sides": {f"{number(n)} hooks": [once(v) for v in values[n]] for n in sizes},
                "curves": {what: curve("hooks", unit, [(n, median(values[n])) for n in sizes])},
                "configuration": {}}

    return [
        {"name": "hooks-matching", "unit": "events/s", "goal": f"cpu ≤ 1.1 × {sizes[0]} hooks",
         "figures": ["rate", "cpu_us"],
         "what": "events that concern none of the hooks, written 128 KiB at a time",
         "sides": {f"{n} hooks": r for n, r in runs.items()},
         "curves": {"events/s": curve("hooks", "events/s",
                                      [(n, median_rate(runs[number(n)])) for n in sizes]),
                    "CPU": curve("hooks", "µs of CPU an event",
                                 [(n, cpu_us(runs[number(n)])) for n in sizes])},
         "configuration": {"all": "nine of ten hooks name an object, the tenth has a wildcard"}},
        {"name": "hooks-memory", "what": "memory of a hook: what the resident size is above that with "
         f"{few} hooks, by the number of hooks", "goal": "≤ 2,048", "unit": "bytes/hook",
         "sides": {f"{number(n)} hooks": runs for n, runs in each.items()},
         "curves": {"resident": curve("hooks", "KiB resident",
                                      [(n, median(facts[n]["rss_kib"])) for n in sizes])},
         "configuration": {"all": "hooks with a url, a name and an event"}},
        row("hooks-ls", "ls hooks", "≤ 0.2", "s", "ls_s"),
        row("hooks-ls-l", "ls -l hooks", "≤ 2", "s", "ls_l_s"),
        row("hooks-start", "start until status can be read", "≤ 3", "s", "start_s"),
        row("hooks-first-start", "the first start, on files that it does not know yet", "≤ 3", "s",
            "first_start_s"),
    ]


# ---- one event to many hooks

def deliveries(d, hook_lines, events, each, hook=None):
    """Of events that make so many deliveries each; the daemon has just been warmed up, or has worked before."""
    before = d.count("delivered", hook)
    few = hook_lines[:events * len(hook_lines.splitlines(True)[0])]  # a write is of whole lines that fit
    d.begin()
    wrote = d.write(few, events, *BIG)
    d.wait_all("delivered", before + wrote["lines"] * each, hook)
    return d.end(wrote["lines"] * each)


def lay_fan(d, url, count):
    os.makedirs(f"{d.state}/hooks", mode=0o700)
    os.chmod(d.state, 0o700)
    text = HOOK.replace("http://127.0.0.1:9/", url) % "resnet"
    for i in range(count):
        with open(f"{d.state}/hooks/f{i:04d}.json", "w", encoding="utf8") as f:
            f.write(text)
            os.fchmod(f.fileno(), 0o600)


def fan_out(bench, hooks):
    total = bench.events(EVENTS)
    events = max(1, total // hooks)
    with Daemon() as d:
        lay_fan(d, bench.nginx.url, hooks)
        start(d)
        deliveries(d, json_lines(), max(1, WARM // hooks), hooks)
        return deliveries(d, json_lines(), events, hooks)


def fan_rows(bench):
    sides = {f"one event to {number(FAN)} hooks": lambda: fan_out(bench, FAN),
             f"{number(FAN)} events to one hook": lambda: fan_out(bench, 1)}
    return {"name": "fan-out", "unit": "deliveries/s", "goal": f"≥ 0.9 × {number(FAN)} events to one hook",
            "what": f"{number(EVENTS)} deliveries, from the first write to the last recorded 2xx",
            "sides": beside(bench.runs, **sides), "configuration": {"all": "sync=full, one receiver"}}


# ---- what waits for another

def held_lines():
    return json_lines().replace(b"deployment/resnet/v2", b"deployment/held/v2")


def with_backlog(stack, bench, waiting):
    d = stack.enter_context(Daemon())
    start(d, "-o", "max_backlog=8G")
    d.hook("h", bench.nginx.url, object="deployment/resnet")
    d.hook("held", bench.nginx.url, object="deployment/held", enabled="paused")
    if waiting:
        d.write(held_lines(), waiting, *BIG)
    deliveries(d, json_lines(), WARM, 1, "h")
    return d


def list_pending(d):
    """KiB that it took."""
    before = d.memory_kib("VmHWM")
    took = timed("ls -f | wc -l", f"{d.mnt}/hooks/held/pending")
    return {"ls_s": round(took, 3), "vmhwm_before_kib": before, "vmhwm_after_kib": d.memory_kib("VmHWM")}


def drained(d, count):
    d.set("hooks/held/enabled", "on")
    d.begin()
    d.wait_all("delivered", count, "held")
    run = d.end(count)
    d.set("hooks/held/enabled", "paused")
    return run


def backlog_rows(bench):
    sizes = [bench.events(n) if n else 0 for n in BACKLOGS]
    events = bench.events(EVENTS)
    facts = {}
    with contextlib.ExitStack() as stack:
        daemons = {n: with_backlog(stack, bench, n) for n in sizes}
        runs = beside(bench.runs, **{number(n): lambda d=d: deliveries(d, json_lines(), events, 1, "h")
                                     for n, d in daemons.items()})
        for n, d in daemons.items():
            facts[n] = {"start_s": []}
            for _ in range(bench.runs):
                d.stop()
                facts[n]["start_s"].append(start(d, "-o", "max_backlog=8G"))
            facts[n]["rss_kib"] = d.memory_kib()
            if n:
                facts[n] |= list_pending(d)
                facts[n]["drain"] = drained(d, min(n, 5 * events))
            facts[n]["vmhwm_kib"] = d.memory_kib("VmHWM")
    some = [n for n in sizes if n]

    def row(name, what, goal, unit, of, of_sizes):
        values = {n: v if isinstance(v := of(facts[n]), list) else [v] for n in of_sizes}
        return {"name": name, "what": what, "goal": goal, "unit": unit,
                "sides": {f"{number(n)} wait": [once(v, rss_kib=facts[n]["rss_kib"]) for v in values[n]]
                          for n in of_sizes},
                "curves": {what: curve("waiting", unit, [(n, median(values[n])) for n in of_sizes])},
                "configuration": {}}

    return [
        {"name": "backlog-delivery", "unit": "deliveries/s", "goal": "≥ 0.9 × with an empty queue",
         "what": "deliveries of a hook while others wait for a paused one",
         "sides": {f"{n} wait": r for n, r in runs.items()},
         "curves": {"deliveries/s": curve("waiting", "deliveries/s",
                                          [(n, median_rate(runs[number(n)])) for n in sizes]),
                    "CPU": curve("waiting", "µs of CPU a delivery",
                                 [(n, cpu_us(runs[number(n)])) for n in sizes])},
         "configuration": {"all": "max_backlog=8G"}},
        row("backlog-memory", "most that was ever resident: start, listing, draining", "≤ 65,536", "KiB",
            lambda f: f["vmhwm_kib"], sizes),
        row("backlog-start", "start until status can be read", "≤ 2", "s", lambda f: f["start_s"], sizes),
        row("backlog-listing", "memory that listing pending/ took", "≤ 1.1 × 10,000 wait", "KiB",
            lambda f: f["vmhwm_after_kib"] - f["vmhwm_before_kib"], some),
        {"name": "backlog-drain", "unit": "deliveries/s", "goal": "",
         "what": "the first of what waits, once its hook is on again",
         "sides": {f"{number(n)} wait": [facts[n]["drain"]] for n in some},
         "curves": {"deliveries/s": curve("waiting", "deliveries/s",
                                          [(n, rate(facts[n]["drain"])) for n in some])},
         "configuration": {}},
    ]


# ---- what is kept

KEEPS = ("-o", "retention=7d,retention_bytes=64G")


def directory_bytes(path):
    return sum(os.stat(os.path.join(at, name)).st_blocks * 512
               for at, _, names in os.walk(path) for name in names)


def with_kept(stack, bench, kept):
    d = stack.enter_context(Daemon())
    start(d, *KEEPS)
    d.hook("h", bench.nginx.url, object="deployment/resnet")
    deliveries(d, json_lines(), max(kept, WARM), 1, "h")
    return d


def kept_row(bench):
    sizes = [bench.events(n) if n else 0 for n in KEPT]
    events = bench.events(EVENTS)
    with contextlib.ExitStack() as stack:
        daemons = {n: with_kept(stack, bench, n) for n in sizes}
        runs = beside(bench.runs, **{number(n): lambda d=d: deliveries(d, json_lines(), events, 1, "h")
                                     for n, d in daemons.items()})
    return {"name": "kept-delivery", "unit": "deliveries/s", "goal": f"≥ 0.9 × {sizes[0]} kept",
            "what": "deliveries while records of so many earlier ones are kept",
            "sides": {f"{n} kept": r for n, r in runs.items()},
            "curves": {"deliveries/s": curve("kept", "deliveries/s",
                                             [(n, median_rate(runs[number(n)])) for n in sizes]),
                       "CPU": curve("kept", "µs of CPU a delivery",
                                    [(n, cpu_us(runs[number(n)])) for n in sizes])},
            "configuration": {"all": " ".join(KEEPS)}}


def swept(state):
    """The last has run out, and whoever looks for that once a minute has given back what he will."""
    time.sleep(130)
    end, size = time.monotonic() + 300, -1
    while time.monotonic() < end and size != directory_bytes(state):
        size = directory_bytes(state)
        time.sleep(10)


def disk_of(bench, through, kept):
    """Bytes of the state directory without its log, and with it: `through` deliveries that were kept for a
    minute, then `kept` that stay."""
    with Daemon() as d:
        start(d, "-o", "retention=1m")
        d.hook("h", bench.nginx.url, object="deployment/resnet")
        if through:
            deliveries(d, json_lines(), through, 1, "h")
            swept(d.state)
        before = {name: os.stat(f"{d.state}/{name}").st_size for name in os.listdir(d.state)
                  if os.path.isfile(f"{d.state}/{name}")}
        d.stop()
        start(d, *KEEPS)
        deliveries(d, json_lines(), kept, 1, "h")
        d.stop()  # the write-ahead log is part of the database now
        log = sum(os.stat(f"{d.state}/{name}").st_blocks * 512 for name in os.listdir(d.state)
                  if name.startswith("log.jsonl"))
        all_bytes = directory_bytes(d.state)
        return once(all_bytes - log, log=log, all=all_bytes, swept=before)


def disk_row(bench):
    through, kept = bench.events(KEPT[-1]), bench.events(KEPT_BY_BOTH)
    common = {"unit": "bytes",
              "sides": {"after": [disk_of(bench, through, kept)], "new": [disk_of(bench, 0, kept)]},
              "configuration": {"all": "retention=1m while they go through, 7d after it"}}
    what = f"with {number(kept)} deliveries kept, after {number(through)} went through, and without them"
    return [{"name": "disk", "goal": "≤ 2 × new", **common,
             "what": f"the state directory but for the log, whose bound is log_size, {what}"},
            {"name": "disk-with-log", "goal": "", "figures": ["all"], **common,
             "what": f"the same with its log, a line for each attempt: {what}"}]


# ---- beside a dead and a slow one

def healthy(bench, with_company):
    events = bench.events(10000)
    seconds, dead_attempts, dead_waiting, slow_most = company.measure(events, with_company)
    return {"events": events, "seconds": seconds, "cpu_s": 0, "dead_attempts": dead_attempts,
            "dead_waiting": dead_waiting, "slow_most": slow_most}


def beside_row(bench):
    sides = {"beside a dead and a slow one": lambda: healthy(bench, True),
             "alone": lambda: healthy(bench, False)}
    return {"name": "beside", "unit": "deliveries/s", "goal": "≥ 0.91 × alone",
            "what": "a healthy destination alone, and beside one where nobody listens and one that takes "
                    "200 ms; the same events for all",
            "sides": beside(bench.runs, **sides),
            "configuration": {"all": "a receiver of the tests, which keeps a log of its requests"}}


ROWS = [("hooks", hooks_rows), ("fan-out", fan_rows), ("backlog", backlog_rows), ("kept", kept_row),
        ("disk", disk_row), ("beside", beside_row)]
