#!/usr/bin/env python3
"""mv failed/* pending/ of many entries while new events arrive: nothing is lost, nothing is doubled.

    replay.py [FAILED [NEW]]       10000 10000

As many deliveries fail as are wanted; then the receiver is well, one mv puts all of them back, in as
few calls as fit into a command line, and meanwhile new events are written. At the end each webhook-id
has arrived as often as it should.
"""
import collections
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, table  # noqa: E402


def main():
    failed = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    new = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    with Rig() as rig:
        sink = rig.sink("sink")
        sink.script("/ status 500\n")
        rig.start()
        rig.hook("h", sink.url, retry="0")
        rig.events(failed)
        rig.wait("failed", failed, "h")
        sink.script("/ status 200\n")
        writer = threading.Thread(target=rig.events, args=(new, failed + 1, 20))
        begin = time.monotonic()
        writer.start()
        subprocess.run("printf '%s\\0' failed/* | xargs -0 mv -t pending/", shell=True, check=True,
                       cwd=f"{rig.mnt}/hooks/h")
        moved = time.monotonic() - begin
        writer.join()
        rig.wait("pending", 0, "h")
        seconds = time.monotonic() - begin
        status = rig.status("h")
        requests = sink.requests()
        left = {name: len(os.listdir(f"{rig.mnt}/hooks/h/{name}"))
                for name in ("pending", "failed", "delivered")}
        rig.stop()
    ids = collections.Counter(r["headers"]["webhook-id"] for r in requests)
    by_count = collections.Counter(ids.values())
    table([("what", "count"), ("failed, then moved", failed), ("new meanwhile", new),
           ("webhook-ids that came once", by_count[1]), ("webhook-ids that came twice", by_count[2]),
           ("webhook-ids that came more often", len(ids) - by_count[1] - by_count[2]),
           ("delivered, by status", int(status["delivered"])),
           *((f"files in {name}/", count) for name, count in left.items())])
    print(f"mv took {moved:.1f} s, all was delivered after {seconds:.1f} s")
    # Each failed one came once in vain and once well, each new one once.
    good = (by_count == {1: new, 2: failed} and int(status["delivered"]) == failed + new and
            left == {"pending": 0, "failed": 0, "delivered": failed + new})
    print(f"{'ok' if good else 'not ok'} 1 - each delivery that was moved, and each new one, "
          "arrived exactly once")
    print("1..1")
    return not good


if __name__ == "__main__":
    sys.exit(main())
