"""What all benches share: a receiver that costs little, a daemon whose work is counted, runs side by side.

Every figure is a run: {"events": 20000, "seconds": 0.61, "cpu_s": 0.4, "rss_kib": 12000}. `beside` takes the sides of a
comparison in turn, so that whatever else the machine does hits each; what is told of a side is the
median, and of two sides the ratio of the medians.
"""
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from rig import BUILD, TREE, Rig, wait_for  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
WARM = 2000  # events before the measured ones: connections are open, windows wide, memory is there


def cpu_s(pid):
    """Of all its threads, so far."""
    with open(f"/proc/{pid}/stat", encoding="utf8") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    """The receiver of all sides: one worker that answers 204 and logs nothing, HTTP and HTTPS."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        subprocess.run([f"{TREE}/tests/lib/certs.sh", directory], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port, self.tls_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.tls_url = f"https://localhost:{self.tls_port}/"
        self.cacert = f"{directory}/ca.pem"
        with open(f"{directory}/nginx.conf", "w", encoding="utf8") as f:
            f.write(self.configuration())
        self.process = subprocess.Popen(["nginx", "-p", directory, "-e", f"{directory}/errors",
                                         "-c", f"{directory}/nginx.conf"])
        wait_for("nginx", 20, self.listens)

    def configuration(self):
        return f"""\
daemon off;
master_process off;
pid {self.directory}/pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path {self.directory}/tmp;
  proxy_temp_path {self.directory}/tmp;
  fastcgi_temp_path {self.directory}/tmp;
  uwsgi_temp_path {self.directory}/tmp;
  scgi_temp_path {self.directory}/tmp;
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    listen 127.0.0.1:{self.tls_port} ssl backlog=4096;
    ssl_certificate {self.directory}/server.pem;
    ssl_certificate_key {self.directory}/server.key;
    return 204;
  }}
}}
"""

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Daemon(Rig):
    """A mount, and what serving it cost."""

    def begin(self):
        self.cpu_before = cpu_s(self.process.pid)
        self.begun = time.monotonic()

    def end(self, events, **more):
        return {"events": events, "seconds": round(time.monotonic() - self.begun, 6),
                "cpu_s": round(cpu_s(self.process.pid) - self.cpu_before, 3),
                "rss_kib": self.memory_kib("VmHWM"), **more}

    def wait_all(self, key, value, hook=None, seconds=600):
        """Like wait, asking less often: whoever asks costs the daemon time."""
        end = time.monotonic() + seconds
        while self.count(key, hook) < value:
            if time.monotonic() > end:
                raise SystemExit(f"not ok - {key} is {self.count(key, hook)}, not {value}")
            time.sleep(0.02)

    def write(self, lines, count, *options):
        """By tests/bench/writers.c: its line of JSON. `lines` is what it writes again and again."""
        return program("writers", *options, f"{self.mnt}/events", count, data=lines)


def program(name, *args, data=None):
    done = subprocess.run([f"{BUILD}/bench/{name}", *map(str, args)], input=data, check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def json_lines(count=1000, stamped=False):
    """Lines of some 300 bytes, whose requests have bodies of 400."""
    return b"".join(b'{"object":"deployment/resnet/v2","event":"deployment_request_completed",'
                    b'"request_id":"%s","result":{"label":"tabby cat","score":0.93%04d,'
                    b'"boxes":[[12,40,180,220],[8,16,90,130]],"model":"resnet-152-imagenet",'
                    b'"note":"%s"}}\n'
                    % (b"@" * 20 if stamped else b"%020d" % i, i % 10000, b"x" * 60)
                    for i in range(count))


def word_lines(count=1000):
    return b"".join(b"deployment/resnet/v2 completed request_id=%08d\n" % i for i in range(count))


def beside(runs, **sides):
    """The sides, each a function that makes one run, in turn; whose turn is first changes."""
    results = {name: [] for name in sides}
    for run in range(runs):
        names = list(sides)
        for name in names if run % 2 == 0 else reversed(names):
            results[name].append(sides[name]())
    return results


def rate(run):
    return run["events"] / run["seconds"]


def median_rate(runs):
    return statistics.median(rate(run) for run in runs)


def machine():
    return {"cores": os.cpu_count(), "kernel": platform.release().split("-")[0],
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20}
