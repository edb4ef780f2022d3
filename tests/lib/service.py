#!/usr/bin/env python3
"""service.py DIR [--sandbox] WEBHOOKFS [-o OPTIONS] STATE MNT: systemd's part for one service.

Starts the daemon with a store of descriptors, and starts it anew, with what it has stored, when it was killed
by a signal other than SIGTERM or has left its mount (status 3); else ends with its status. With --sandbox as
in webhookfs.service: before each start `webhookfs -m`, behind each end `webhookfs -u`, and the daemon as a
user without privileges (65534) in a mount namespace of its own.

What it is told goes to DIR/said, a line a message; the daemon's process is in DIR/pid; DIR/pipe is handed over,
if it is there.
"""

import array
import os
import select
import signal
import socket
import subprocess
import sys

NOBODY = 65534
LEFT = 3


class Service:
    def __init__(self, directory):
        self.directory = directory
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{directory}/notify")
        os.chmod(f"{directory}/notify", 0o777)
        os.environ["NOTIFY_SOCKET"] = f"{directory}/notify"
        self.said = open(f"{directory}/said", "w", encoding="utf8")
        self.store = {}

    def hear(self):
        data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4 * 16))
        text = data.decode()
        fds = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content)
        words = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        name = words.get("FDNAME")
        if "FDSTOREREMOVE" in words and name in self.store:
            os.close(self.store.pop(name))
        elif "FDSTORE" in words and name not in self.store:
            self.store[name] = fds.pop()
        for fd in fds:  # a barrier waits for this
            os.close(fd)
        print(text.strip().replace("\n", " "), file=self.said, flush=True)

    def hear_until_ended(self, process):
        while process.poll() is None:
            if select.select([self.socket], [], [], 0.01)[0]:
                self.hear()
        while select.select([self.socket], [], [], 0)[0]:
            self.hear()
        return process.returncode

    def run(self, *command, **environment):
        return self.hear_until_ended(subprocess.Popen(command, env=os.environ | environment))

    def hand_over(self):
        """In the new process, which LISTEN_PID names."""
        handed = list(self.store.items())
        if os.path.exists(f"{self.directory}/pipe"):
            handed.insert(0, ("webhookfs.socket", os.open(f"{self.directory}/pipe", os.O_RDWR | os.O_NONBLOCK)))
        high = [os.dup2(fd, 100 + i) for i, (_, fd) in enumerate(handed)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, inheritable=True)
        os.closerange(3 + len(handed), 256)
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(handed))
        os.environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in handed)

    def daemon(self, command):
        pid = os.fork()
        if not pid:
            self.hand_over()
            os.execvp(command[0], command)
        with open(f"{self.directory}/pid.new", "w", encoding="utf8") as f:
            f.write(f"{pid}\n")
        os.rename(f"{self.directory}/pid.new", f"{self.directory}/pid")
        process = Forked(pid)
        return self.hear_until_ended(process)


class Forked:
    """A process, as subprocess has it; negative codes are signals."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def outcome(code):
    """SERVICE_RESULT and what goes with it: systemd.exec(5)."""
    if code >= 0:
        return {"SERVICE_RESULT": "exit-code" if code not in (0, LEFT) else "success",
                "EXIT_CODE": "exited", "EXIT_STATUS": str(code)}
    ended = -code == signal.SIGTERM
    return {"SERVICE_RESULT": "success" if ended else "signal", "EXIT_CODE": "killed",
            "EXIT_STATUS": signal.Signals(-code).name[3:]}


def main():
    directory, *command = sys.argv[1:]
    sandbox = command[0] == "--sandbox"
    webhookfs, *arguments = command[1:] if sandbox else command
    state, mnt = arguments[-2:]
    daemon = [webhookfs, "-f", *arguments]
    if sandbox:
        os.makedirs(state, mode=0o700, exist_ok=True)
        os.chown(state, NOBODY, NOBODY)
        nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        daemon = ["unshare", "--mount", "--propagation=slave", "--", *nobody, "--bounding-set=-all", *daemon]
    service = Service(directory)
    code = LEFT
    while code == LEFT or code < 0 and -code != signal.SIGTERM:
        failed = sandbox and service.run(webhookfs, "-m", *arguments)
        result = {"SERVICE_RESULT": "exit-code"}
        if failed:
            code = failed
        else:
            code = service.daemon(daemon)
            result = outcome(code)
        if sandbox:
            service.run(webhookfs, "-u", state, mnt, **result)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
