"""Delivery: from the events file to the recorded 2xx, beside bare libcurl."""
from measure import WARM, Daemon, json_lines, program

EVENTS = 20000


def bare(url, cacert=None, threads=1, events=EVENTS):
    args = ["-t", threads] + (["-a", cacert] if cacert else [])
    run = program("bare", *args, url, events)
    return {"events": events, "seconds": run["seconds"], "cpu_s": run["cpu_s"],
            "rss_kib": run["rss_kib"]}


def delivered(url, writers, options=(), events=EVENTS):
    """writers: the options of tests/bench/writers.c"""
    with Daemon() as d:
        d.start("-o", "grace=0", *options)
        d.hook("h", url, object="deployment/resnet")
        lines = json_lines()
        d.write(lines, WARM, "-b", 131072)
        d.wait_all("delivered", WARM, "h")
        d.begin()
        wrote = d.write(lines, events, *writers)
        d.wait_all("delivered", WARM + wrote["lines"], "h")
        return d.end(wrote["lines"], acknowledged_s=wrote["seconds"])
