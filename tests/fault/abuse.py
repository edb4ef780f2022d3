#!/usr/bin/env python3
"""Abuse of the mount while events flow: nothing breaks, nothing leaks, nothing changes, all arrives.

    abuse.py [SECONDS [SEED [DAEMON_OPTION...]]]      600 seconds; as root

For two thirds of the time random operators (abuser.py) do all that a program can do to files, as root
and as a stranger; for the last one stress-ng's stressors of filesystems run in hooks/, where anybody may
make hooks, a second each at least as root and as a stranger. Meanwhile events go to the hook `kept`, which nobody may change who is not root and which root's
operator leaves alone. Afterwards its configuration and modes are what they were, every event has
arrived, no operator has hung or seen a protected value, and memory is flat. Prints the seed, what was
done, and TAP. $BUILD, $WEBHOOKFS and $SINK say what is tested.
"""
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import BUILD, Rig  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
STRANGER = 65534
SECRETS = ["h3ader-s3cret-value", "url-p4th-s3cret"]
GROWTH_KIB = 8192
# Those that find something to do here. The others need links, xattrs or large files, or directories in
# directories, which a mount of settings has not; they end at once, as they do on any such filesystem.
STRESSORS = """access chattr chmod chown dentry dirdeep dirmany dup fallocate fcntl file-ioctl filename
    flock fstat getdent handle inode-flags lease locka lockf lockofd mknod mmap open poll rename
    sendfile splice touch utime""".split()


def make_hooks(rig):
    receiver = rig.sink("kept")
    rig.hook("kept", f"{receiver.url}{SECRETS[1]}")
    top = f"{rig.mnt}/hooks"
    os.chmod(top, 0o1777)
    os.chmod(f"{top}/kept/url", 0o600)
    with open(os.open(f"{top}/kept/headers/Authorization", os.O_CREAT | os.O_WRONLY, 0o600), "w",
              encoding="utf8") as f:
        f.write(f"Token {SECRETS[0]}\n")
    rig.set("hooks/kept/secret", "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    for name in ("play", "other"):
        os.mkdir(f"{top}/{name}")
    os.chown(f"{top}/play", STRANGER, STRANGER)
    for name in os.listdir(f"{top}/play"):
        try:
            os.chown(f"{top}/play/{name}", STRANGER, STRANGER)
        except PermissionError:
            pass  # directories and files of its state
    return receiver


def configuration(rig):
    """All of the hook that can be seen, and the modes of the root."""
    top = f"{rig.mnt}/hooks/kept"
    shown = {}
    for directory, _, names in os.walk(top):
        for name in [".", *names]:
            path = os.path.normpath(f"{directory}/{name}")
            if re.search("/(pending|delivered|failed)/|/status$|/test$", path):
                continue
            st = os.stat(path)
            shown[path] = st.st_mode, st.st_uid, st.st_gid
            if name != ".":
                with open(path, encoding="utf8") as f:
                    shown[path] += (f.read(),)
    for name in ("", "hooks", "events"):
        st = os.stat(f"{rig.mnt}/{name}")
        shown[name] = st.st_mode, st.st_uid, st.st_gid
    with open(f"{rig.state}/hooks/kept.json", encoding="utf8") as f:
        shown["kept.json"] = f.read()
    return shown


class Flow:
    """Events at a slow pace, until it is told to stop."""

    def __init__(self, rig):
        self.rig, self.sent, self.stopped, self.memory = rig, 0, threading.Event(), []
        self.error = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.stopped.wait(0.1):
                self.rig.events(10, first=self.sent + 1)
                self.sent += 10
                self.memory.append(self.rig.memory_kib())
        except (OSError, ValueError) as e:
            self.error = e

    def stop(self):
        self.stopped.set()
        self.thread.join()


def operate(rig, seconds, rng):
    """Two operators of each kind; their counts and what went wrong."""
    counts, problems = collections.defaultdict(collections.Counter), []
    jobs = [subprocess.Popen([sys.executable, f"{HERE}/abuser.py", rig.mnt, str(rng.random()),
                              str(seconds), str(uid), *SECRETS], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
            for uid in (0, 0, STRANGER, STRANGER)]
    for job in jobs:
        out, errors = job.communicate()
        if job.returncode:
            problems.append(errors.strip()[-500:])
            continue
        said = json.loads(out)
        problems += said["problems"]
        for operation, results in said["counts"].items():
            counts[operation].update(results)
    return counts, problems


def stress(rig, seconds):
    """stress-ng's word on each: none may fail, though some of what they try is not supported."""
    problems, done, well = [], 0, 0
    pause = max(1, int(seconds / len(STRESSORS) / 2))
    for name in STRESSORS[:max(1, int(seconds / 2))]:
        for uid in (0, STRANGER):
            job = subprocess.run(["stress-ng", "--temp-path", f"{rig.mnt}/hooks", f"--{name}", "1", "-t",
                                  str(pause)], capture_output=True, text=True, check=False,
                                 timeout=pause + 120, cwd="/", user=uid, group=uid, extra_groups=[])
            done += 1
            well += job.returncode == 0
            if job.returncode not in (0, 3):  # 3: it is not supported
                problems.append(f"{name} of {uid} ended with {job.returncode}: {job.stderr[-300:]}")
    print(f"# stress-ng: {done} runs of {pause} s, {well} of them found what they need")
    return problems if well else [*problems, "none found what it needs"]


class Tap:
    count = bad = 0

    def __call__(self, name, problems):
        self.count += 1
        self.bad += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in list(problems)[:10]:
            print(f"#   {problem}")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600
    seed = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else random.randrange(1 << 32)
    print(f"# seed {seed}", flush=True)
    tap = Tap()
    with Rig() as rig:
        os.chmod(rig.top, 0o711)
        rig.start("-o", "allow_other,retention=1m,log_size=4M", *sys.argv[3:])
        receiver = make_hooks(rig)
        before = configuration(rig)
        flow = Flow(rig)
        counts, problems = operate(rig, seconds * 2 / 3, random.Random(seed))
        stressed = stress(rig, seconds / 3) if shutil.which("stress-ng") else None
        flow.stop()
        rig.wait("pending", 0, "kept", seconds=120)
        after = configuration(rig)
        operations = sum(sum(c.values()) for c in counts.values())
        well = sum(c["well"] for c in counts.values())
        print(f"# {operations} operations of {len(counts)} kinds, {well} of them went well; "
              f"{flow.sent} events")
        errors = sum(counts.values(), collections.Counter())
        print("# " + ", ".join(f"{n} {e}" for e, n in errors.most_common()))
        tap("no operation hangs, breaks the mount, or shows a protected value", problems)
        tap("no stressor fails" + (" # SKIP there is no stress-ng" if stressed is None else ""), stressed)
        tap("the configuration is what it was",
            [f"{k}: {before.get(k)}, now {after.get(k)}" for k in {**before, **after}
             if before.get(k) != after.get(k)])
        arrived = {json.loads(r["body"])["request_id"] for r in receiver.requests()}
        missing = [n for n in range(1, flow.sent + 1) if str(n) not in arrived]
        tap("every event has arrived", [flow.error] if flow.error else missing)
        quarter = max(1, len(flow.memory) // 4)
        early, late = max(flow.memory[quarter:2 * quarter]), max(flow.memory[-quarter:])
        print(f"# memory, KiB: {early} in the second quarter, {late} in the last")
        tap("memory is flat", [f"{early}, then {late}"]
            if "san-" not in BUILD and late > early + GROWTH_KIB else [])
        rig.stop()
    print(f"1..{tap.count}")
    return 1 if tap.bad else 0


if __name__ == "__main__":
    sys.exit(main())
