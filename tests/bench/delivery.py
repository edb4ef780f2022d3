"""Delivery: from the events file to the recorded 2xx, beside bare libcurl and HTTP by hand, which store nothing."""
import functools
import subprocess

from measure import WARM, Daemon, beside, json_lines, program
from rig import BUILD

EVENTS = 40000
SINGLE = ("-w", 64)
LARGE = ("-b", 131072)
CONFIGURATION = {
    "webhookfs": "one hook, bodies of 400 bytes, `sync=full`, everything else at its default",
    "bare libcurl": "curl_multi_socket_action, one thread, 64 connections, bodies of 400 bytes",
    "wire": "epoll, one thread, 64 connections, one request at a time on each, bodies of 400 bytes",
}


def bare(url, cacert=None, threads=1, events=EVENTS, name="bare"):
    args = ["-t", threads] + (["-a", cacert] if cacert else [])
    run = program(name, *args, url, events)
    return {"events": events, "seconds": run["seconds"], "cpu_s": run["cpu_s"],
            "rss_kib": run["rss_kib"]}


def delivered(url, writers=LARGE, options=(), events=EVENTS):
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


@functools.cache
def has_threads():
    """Does this webhookfs know more than one thread that sends?"""
    usage = subprocess.run([f"{BUILD}/webhookfs", "-h"], check=True, stdout=subprocess.PIPE).stdout
    return b"http_threads=" in usage


def rows(name, what, goal, sides, configuration=None):
    """The rate, and from the same runs what one delivery costs."""
    configuration = CONFIGURATION | (configuration or {})
    common = {"sides": sides, "configuration": {side: configuration[side] for side in sides}}
    return [{"name": name, "what": what, "goal": goal, "unit": "deliveries/s", **common},
            {"name": name.replace("delivery", "cpu"), "what": f"{what}: CPU of all threads for each",
             "goal": "≤ 1.5 × bare libcurl", "figures": ["cpu_us"], "unit": "µs", **common}]


def http(bench):
    url, events = bench.nginx.url, bench.events(EVENTS)
    return rows("delivery-http", "HTTP, one writer of 128 KiB a write", "≥ 0.90 × bare libcurl", beside(
        bench.runs, **{
            "webhookfs": lambda: delivered(url, events=events),
            "bare libcurl": lambda: bare(url, events=events),
            "wire": lambda: bare(url, events=events, name="wire"),
        }))


def http_writers(bench):
    url, events = bench.nginx.url, bench.events(EVENTS // 2)
    return rows("delivery-writers", "HTTP, 64 writers of single lines", "≥ 0.75 × bare libcurl", beside(
        bench.runs, **{
            "webhookfs": lambda: delivered(url, SINGLE, events=events),
            "bare libcurl": lambda: bare(url, events=events),
        }))


def https(bench):
    url, cacert, events = bench.nginx.tls_url, bench.nginx.cacert, bench.events(EVENTS)
    return rows("delivery-https", "HTTPS, one writer of 128 KiB a write", "≥ 0.85 × bare libcurl", beside(
        bench.runs, **{
            "webhookfs": lambda: delivered(url, events=events, options=("-o", f"cacert={cacert}")),
            "bare libcurl": lambda: bare(url, cacert, events=events),
        }))


def threads(bench, what, goal, name, url, cacert=None):
    """Nothing where the program has but one."""
    if not has_threads():
        return []
    events, options = bench.events(EVENTS), ("-o", f"cacert={cacert}") if cacert else ()
    return rows(name, f"{what}, two threads that send, one writer of 128 KiB a write", goal, beside(
        bench.runs, **{
            "webhookfs": lambda: delivered(url, events=events, options=(*options, "-o", "http_threads=2")),
            "webhookfs, 1 thread": lambda: delivered(url, events=events, options=options),
            "bare libcurl": lambda: bare(url, cacert, events=events),
            "bare libcurl, 2 threads": lambda: bare(url, cacert, threads=2, events=events),
        }), {"webhookfs": CONFIGURATION["webhookfs"] + ", but `http_threads=2`",
             "webhookfs, 1 thread": CONFIGURATION["webhookfs"],
             "bare libcurl, 2 threads": "the same with 2 threads, 32 connections each"})


def http_threads(bench):
    return threads(bench, "HTTP", "≥ 1.0 × bare libcurl", "delivery-threads", bench.nginx.url)


def https_threads(bench):
    nginx = bench.nginx
    return threads(bench, "HTTPS", "", "delivery-https-threads", nginx.tls_url, nginx.cacert)


ROWS = [("delivery-http", http), ("delivery-writers", http_writers), ("delivery-https", https),
        ("delivery-threads", http_threads), ("delivery-https-threads", https_threads)]
