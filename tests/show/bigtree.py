#!/usr/bin/env python3
"""How long a big tree takes, side by side with the same tree on tmpfs.

    tests/show/bigtree.py [--hooks N] [--sample N] [--deliveries N] [--tmpfs DIR]
    tests/show/bigtree.py --check      a small one: fails unless both sides are the same; no times

Prints a table: what ran, on the mount, on tmpfs, ratio. Most hooks are laid down as files in the state
directory before the start; a sample of them is made with mkdir, and only this is what the tools read
through that open every file. A time is that of one run. $WEBHOOKFS is the program, by default that of
this tree; the state directory is in $TMPDIR, so this should not be a tmpfs.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("WEBHOOKFS", TREE / "build" / "webhookfs")
HOOK = '{"url":"http://127.0.0.1:9/","object_type":"deployment","object_name":"m%d","event":"completed"}\n'


class Mount:
    def __init__(self, home):
        self.point, self.state = home / "mnt", home / "state"
        self.point.mkdir()
        self.hooks = self.point / "hooks"

    def start(self):
        began = time.monotonic()
        command = [PROGRAM, "-f", self.state, self.point]
        self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        while not (self.point / "README").exists():
            if self.daemon.poll() is not None:
                raise SystemExit("the daemon has ended")
            time.sleep(0.005)
        return time.monotonic() - began

    def stop(self):
        subprocess.run(["fusermount3", "-u", self.point], check=True)
        if self.daemon.wait(60):
            raise SystemExit("the daemon failed")

    def memory(self, which):
        text = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(text.split(which + ":")[1].split()[0])

    def value(self, key):
        text = (self.point / "status").read_text()
        return int(text.split(key + " ")[1].split()[0])


def run(command, cwd):
    """Seconds, and what it printed."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, shell=True, text=True, stdout=subprocess.PIPE)
    if done.returncode > 1:  # grep: 1 is nothing found
        raise SystemExit(f"{command} ended with {done.returncode}")
    return time.monotonic() - began, done.stdout


def make(directory, names):
    began = time.monotonic()
    for name in names:
        os.mkdir(directory / name)
    return time.monotonic() - began


def row(what, here, there):
    what = what.replace("|", r"\|")
    print(f"| {what} | {here:.3f} | {there:.3f} | {here / there:.1f} |", flush=True)


def compare(what, command, mount, twin, check, same=None):
    here, on_mount = run(command, mount)
    there, on_tmpfs = run(command, twin)
    if same and same(on_mount) != same(on_tmpfs):
        raise SystemExit(f"{what}: the two sides differ")
    if what and not check:
        row(what, here, there)


def twins(mount, twin, names):
    """The same files on tmpfs as the mount shows in the first of them: names, content, modes."""
    shutil.copytree(mount / names[0], twin / names[0], copy_function=shutil.copyfile, dirs_exist_ok=True)
    for name in names[1:]:
        shutil.copytree(twin / names[0], twin / name, dirs_exist_ok=True)


def lines(text):
    return sorted(text.splitlines())


def show_hooks(mount, twin, options):
    rest = [f"h{i:06d}" for i in range(options.hooks - options.sample)]
    sample = [f"s{i:06d}" for i in range(options.sample)]
    (mount.state / "hooks").mkdir(parents=True, mode=0o700)
    mount.state.chmod(0o700)
    for i, name in enumerate(rest):
        path = mount.state / "hooks" / (name + ".json")
        path.write_text(HOOK % i)
        path.chmod(0o600)
    first = mount.start()
    for name in rest:
        os.mkdir(twin / name)
    made, base = make(mount.hooks, sample), make(twin, sample)
    if not options.check:
        row(f"mkdir, {len(sample)}", made, base)
    mount.stop()
    again = mount.start()
    memory = mount.memory("VmRSS")
    check = options.check

    def both(what, command, same=None):
        compare(what, command, mount.hooks, twin, check, same)

    count = len(rest) + len(sample)
    both(f"ls, {count} hooks", "ls", lines)
    both(f"ls -f, {count} hooks", "ls -f", lines)
    both(f"ls -l, {count} hooks", "ls -l", lambda text: len(text.splitlines()))
    both(f"find, {count} hooks, 1 level", "find . -mindepth 1 -maxdepth 1 -printf '%f %y\n'", lines)
    twins(mount.hooks, twin, sample)
    if check:
        both("", "for d in s*; do (cd $d && find . -printf '%P %y\n'); done", lines)
    both(f"find, {len(sample)} hooks, all files", "find s* -printf ''")
    both(f"grep -r, {len(sample)} hooks", "grep -rs no-such-text s*")
    both(f"tar, {len(sample)} hooks", "tar cf - s* | tar tf - | sort", lines)
    both(f"rm -r, {len(sample)} hooks", "rm -r s*")
    both("", "ls", lines)
    if not check:
        print(f"\nstart: {first:.2f} s the first time, then {again:.2f} s; memory: {memory} kB")


def show_deliveries(mount, twin, options):
    hook, count = mount.hooks / "big", options.deliveries
    hook.mkdir()
    for name, value in (("url", "http://127.0.0.1:9/"), ("event", "completed"), ("object", "deployment/big"),
                        ("enabled", "paused")):
        (hook / name).write_text(value + "\n")
    with open(mount.point / "events", "wb", buffering=131072) as events:
        for i in range(count):
            events.write(b"deployment/big completed request_id=%d\n" % i)
    twin = twin / "pending"
    twin.mkdir()
    pending = hook / "pending"
    for entry in os.scandir(pending):
        open(twin / entry.name, "w").close()
    mount.stop()
    again = mount.start()
    for command in ("ls -f | wc -l", "ls", "find . -type f"):
        compare(f"{command}, {count} deliveries", command, pending, twin, options.check, lines)
    some = max(count // 50, 1)
    command = f"ls -f | grep json | tail -n {some} | xargs rm"
    compare(f"rm, {some} of {count}", command, pending, twin, options.check)
    if mount.value("pending") != count - some:
        raise SystemExit("rm has removed others, or none")
    (hook / "url").unlink()
    began = time.monotonic()
    hook.rmdir()
    removed = time.monotonic() - began
    while mount.value("backlog_bytes"):
        time.sleep(0.1)
    swept = time.monotonic() - began
    if not options.check:
        print(f"\nstart with {count} pending: {again:.2f} s; rmdir of the hook: {removed:.3f} s, all of it "
              f"swept after {swept:.1f} s; most memory ever: {mount.memory('VmHWM')} kB")


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--hooks", type=int, default=100000)
    options.add_argument("--sample", type=int, default=1000)
    options.add_argument("--deliveries", type=int, default=1000000)
    options.add_argument("--tmpfs", default="/dev/shm")
    options.add_argument("--check", action="store_true")
    options = options.parse_args()
    if options.check:
        options.hooks, options.sample, options.deliveries = 2000, 60, 3000
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory(dir=options.tmpfs) as twin:
        for what, show in (("hooks", show_hooks), ("deliveries", show_deliveries)):
            (pathlib.Path(home) / what).mkdir()
            mount = Mount(pathlib.Path(home) / what)
            below = pathlib.Path(twin) / what
            below.mkdir()
            if not options.check:
                print("\n| what | webhookfs, s | tmpfs, s | ratio |\n| --- | --- | --- | --- |")
            if what == "deliveries":
                mount.start()
            try:
                show(mount, below, options)
            finally:
                mount.stop()


main()
