#!/usr/bin/env python3
"""Random operations on a real mount, and on a model of what it must be.

    state.py [--seed N] [--steps N | --seconds N] [--program FILE]

Hooks, settings with their defaults, headers and what protects them, modes, owners and another user, renames,
files that editors leave and put in place, config.json, one hook's put into another, events, and
deliveries that are cancelled, sent again, copied and forgotten: each operation must end as the model
says, with the same errno; now and then, and after each restart, half of them kill -9, the whole tree is
compared. How far deliveries are is the one thing that the model is told: none is lost, and none comes of
itself. Each operation is done by a thread of its own, for the mount remembers for a moment what a thread
removes and makes.

What does not agree is told with the shortest program that shows it, as JSON that --program runs again.
With --seconds one seed follows the other. The program tested is $WEBHOOKFS, or build/webhookfs.
"""
import argparse
import ctypes
import errno
import json
import os
import random
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, wait_for  # noqa: E402

MASK = "********"
HOOKS = ["a", "b", "c", ".bad"]
HEADERS = ["X-A", "X-B", "x-a", "Authorization", "Host", "bad name"]
BORN = ["authorization"]
MODES = [0o600, 0o644, 0o640, 0o664]
NOBODY = "http://127.0.0.1:1"  # where nothing listens: what is sent there stays pending
SINK = "http://sink.test"  # stands for the receiver, whose port is known later
ME, OTHER = os.geteuid(), 1234  # another user, whom only root can be
TEMPLATE = '{"a": "{{text}}", "b": [1, {{metadata}}]}'
CERT, KEY = "the certificate", "its key"  # likewise
ALWAYS = ["secret", "tls/key"]  # protected
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# What is written, and what is then shown, or why it is refused.
VALUES = {
    "url": [(f"{NOBODY}/a", f"{NOBODY}/a"), (f"{NOBODY}/b?c", f"{NOBODY}/b?c"),
            (f"{SINK}/ok", f"{SINK}/ok"), (f"{SINK}/bad", f"{SINK}/bad"),
            ("ftp://x/", errno.EINVAL), (MASK, errno.EINVAL)],
    "event": [("deployment_request_failed", "deployment_request_failed"),
              ("deployment_request_failed deployment_request_started",
               "deployment_request_started\ndeployment_request_failed"),
              ("failled", errno.EINVAL)],
    "object": [("deployment/*", "deployment/*"), ("deployment/m/v1", "deployment/m/v1"),
               ("nothing/x", errno.EINVAL)],
    "enabled": [("0", "0"), ("paused", "paused"), ("yes", "1"), ("2", errno.EINVAL)],
    "description": [("some words", "some words"), ("x" * 2000, errno.E2BIG)],
    "labels": [("a:b", "a:b"), ("k:v\na:b", "k:v\na:b"), ("no colon", errno.EINVAL)],
    "include_result": [("yes", "1"), ("off", "0"), ("maybe", errno.EINVAL)],
    "timeout": [("15000ms", "15s"), ("1h", errno.ERANGE), ("x", errno.EINVAL)],
    "retry": [("5m\n1h", "5m 1h"), ("1", "1"), ("3", errno.EINVAL), ("2d", errno.ERANGE)],
    "max_age": [("48h", "2d"), ("1s", errno.ERANGE)],
    "max_inflight": [("4", "4"), ("5000", errno.ERANGE)],
    "rate": [("10/min", "10/m"), ("10/x", errno.EINVAL)],
    "ordered": [("1", "1"), ("?", errno.EINVAL)],
    "secret": [(SECRET, MASK), ("short", errno.EINVAL), (MASK, errno.EINVAL)],
    "signature": [("github", "github"), ("stripe", "stripe"), ("md5", errno.EINVAL)],
    "format": [("slack", "slack"), ("cloudevents", "cloudevents"), ("ubiops", "ubiops"),
               ("xml", errno.EINVAL)],
    "template": [(TEMPLATE, TEMPLATE), ('["{{hook}}"]', '["{{hook}}"]'),
                 ('{"a": {{nothing}}}', errno.EINVAL), ('{"a": ', errno.EINVAL),
                 ('{"{{hook}}": 1}', errno.EINVAL)],
    "tls/ca": [(CERT, CERT), (KEY, errno.EINVAL), ("x", errno.EINVAL)],
    "tls/cert": [(CERT, CERT), ("x", errno.EINVAL)],
    "tls/key": [(KEY, MASK), (CERT, errno.EINVAL), (MASK, errno.EINVAL)],
}
BESIDE = [name for name in VALUES if "/" not in name]  # where editors leave files
MINIMAL = {"url": f"{NOBODY}/z", "event": "deployment_request_failed",
           "object_type": "deployment", "object_name": "m"}


class Header:
    def __init__(self, name, mode):
        self.name, self.value, self.mode = name, "", mode
        self.protected = name.lower() in BORN or not mode & 0o044
        if self.protected:
            self.mode = 0o600


class Hook:
    """`defaults` is what a new hook shows."""

    def __init__(self, defaults):
        self.values = dict(defaults)
        self.modes = {name: 0o600 if name in ALWAYS else 0o644 for name in defaults}
        self.owners = dict.fromkeys(defaults, ME)
        self.headers = {}
        self.scratch = {}
        self.deliveries = 0  # pending, delivered and failed

    def protected(self, name):
        return name in ALWAYS or (name == "url" and not self.modes[name] & 0o044)

    def complete(self):
        return all(self.values[name] for name in ("url", "event", "object"))

    def shown(self, name):
        value = self.values[name]
        if name == "url" and value and self.protected(name):
            return "/".join(value.split("/")[:3]) + f"/{MASK}"
        return value

    def secretive(self):
        return self.protected("url") or any(self.values[name] for name in ALWAYS) or \
            any(h.protected for h in self.headers.values())

    def judge(self, setting, value, result):
        """What a value comes to in this hook, or the errno."""
        if value == "short" and self.values["signature"] != "standard":
            return errno.ERANGE  # any text is a key there
        if setting == "template" and self.values["format"] != "ubiops":
            return errno.EINVAL  # only one of the two says what the body is
        if setting == "format" and self.values["template"] and value != "ubiops":
            return errno.EINVAL
        return result


def oserror(number):
    raise OSError(number, os.strerror(number))


class Model:
    """Each operation as a method: what it does to the tree, or the OSError that it ends with."""

    def __init__(self, defaults):
        self.defaults = defaults
        self.hooks = {}
        self.told = None  # how the mount's operation ended

    def hook(self, name):
        if name not in self.hooks:
            oserror(errno.ENOENT)
        return self.hooks[name]

    def header(self, hook, name):
        headers = self.hook(hook).headers
        if name.lower() not in headers:
            oserror(errno.ENOENT)
        return headers[name.lower()]

    def mkdir(self, name):
        if name.startswith("."):
            oserror(errno.EINVAL)
        if name in self.hooks:
            oserror(errno.EEXIST)
        self.hooks[name] = Hook(self.defaults)

    def rmdir(self, name):
        hook = self.hook(name)
        if self.told == "EBUSY" and hook.deliveries and hook.complete():
            oserror(errno.EBUSY)  # some of them are pending
        if hook.headers:
            oserror(errno.ENOTEMPTY)
        del self.hooks[name]

    def rename(self, old, new):
        self.hook(old)
        if old == new:
            return
        if new in self.hooks:
            oserror(errno.ENOTEMPTY)
        if new.startswith("."):
            oserror(errno.EINVAL)
        self.hooks[new] = self.hooks.pop(old)

    def write(self, name, setting, value, result):
        hook = self.hook(name)
        result = hook.judge(setting, value, result)
        if isinstance(result, int):
            oserror(result)
        hook.values[setting] = result

    def other_write(self, name, setting, value, result):
        if self.hook(name).owners[setting] != OTHER:
            oserror(errno.EACCES)
        self.write(name, setting, value, result)

    def other_read(self, name, setting):
        hook = self.hook(name)
        if hook.owners[setting] != OTHER and not hook.modes[setting] & 0o004:
            oserror(errno.EACCES)

    def other_chmod(self, name, setting, mode):
        if self.hook(name).owners[setting] != OTHER:
            oserror(errno.EPERM)
        self.chmod(name, setting, mode)

    def chown(self, name, setting, uid):
        self.hook(name).owners[setting] = uid

    def remove(self, name, setting):
        hook = self.hook(name)
        fresh = Hook(self.defaults)
        hook.values[setting] = fresh.values[setting]
        hook.modes[setting] = fresh.modes[setting]
        hook.owners[setting] = ME

    def chmod(self, name, setting, mode):
        hook = self.hook(name)
        closes = not mode & 0o044
        if setting in ALWAYS and not closes:
            oserror(errno.EPERM)
        if setting == "url" and not closes and hook.values["url"] and hook.protected("url"):
            oserror(errno.EPERM)
        hook.modes[setting] = mode

    def save(self, name, setting, value, result):
        """As editors do: a file beside it, which is renamed onto it."""
        hook = self.hook(name)
        result = hook.judge(setting, value, result)
        if isinstance(result, int):
            hook.scratch[f".{setting}.swp"] = value + "\n"
            oserror(errno.EBADMSG)
        hook.scratch.pop(f".{setting}.swp", None)
        hook.values[setting] = result
        hook.modes[setting] = 0o600 if setting in ALWAYS else 0o644
        hook.owners[setting] = ME

    def scratch(self, name, value):
        self.hook(name).scratch["note~"] = value

    def unscratch(self, name):
        if "note~" not in self.hook(name).scratch:
            oserror(errno.ENOENT)
        del self.hooks[name].scratch["note~"]

    def header_write(self, name, header, mode, value):
        hook = self.hook(name)
        if header.lower() not in hook.headers:
            if header == "Host":
                oserror(errno.EPERM)
            if " " in header:
                oserror(errno.EINVAL)
            hook.headers[header.lower()] = Header(header, mode)
        hook.headers[header.lower()].value = value

    def header_remove(self, name, header):
        self.header(name, header)
        del self.hooks[name].headers[header.lower()]

    def header_chmod(self, name, header, mode):
        h = self.header(name, header)
        closes = not mode & 0o044
        if not closes and h.protected and (h.value or header.lower() in BORN):
            oserror(errno.EPERM)
        h.mode, h.protected = mode, closes

    def header_rename(self, name, old, new):
        h = self.header(name, old)
        if old.lower() == new.lower():
            return  # one inode, for which the kernel asks nobody
        if new == "Host":
            oserror(errno.EPERM)
        if " " in new:
            oserror(errno.EINVAL)
        headers = self.hooks[name].headers
        del headers[old.lower()]
        moved = Header(new, h.mode)
        moved.value = h.value
        if h.protected:
            moved.protected, moved.mode = True, 0o600
        headers[new.lower()] = moved

    def config_same(self, name):
        """What config.json shows, written to it."""
        self.hook(name)

    def config_bad(self, name):
        self.hook(name)
        oserror(errno.EINVAL)

    def config_new(self, name):
        hook = self.hook(name)
        if hook.secretive():
            return  # what is protected stays by rules of its own
        hook.values = {**self.defaults, "url": MINIMAL["url"], "event": MINIMAL["event"],
                       "object": "deployment/m"}
        hook.headers = {}

    def config_copy(self, name, to):
        """cp a/config.json b/config.json, where neither has what would not be shown."""
        hook, target = self.hook(name), self.hook(to)
        if hook.secretive() or target.secretive():
            return
        target.values = dict(hook.values)
        headers = {}
        for key, h in hook.headers.items():
            headers[key] = Header(h.name, 0o644)
            headers[key].value = h.value
            if key in target.headers:
                headers[key].mode = target.headers[key].mode
        target.headers = headers

    def event(self):
        for hook in self.hooks.values():
            if hook.complete() and hook.values["enabled"] in ("1", "paused") and \
                    "deployment_request_failed" in hook.values["event"]:
                hook.deliveries += 1

    def event_bad(self):
        oserror(errno.EINVAL)

    def moved(self, name, by):
        """As told: there is one where it is taken from, or it has just gone on."""
        hook = self.hook(name)
        if self.told == "ENOENT" or not hook.deliveries:
            oserror(errno.ENOENT)
        hook.deliveries += by

    def cancel(self, name):
        self.moved(name, -1)

    def forget(self, name, _):
        self.moved(name, -1)

    def again(self, name, where):
        self.moved(name, 0)
        if where == "delivered":
            oserror(errno.EXDEV)  # mv makes a copy then

    def copy(self, name, _):
        self.moved(name, 1)

    def restart(self, _):
        for hook in self.hooks.values():
            hook.scratch = {}

    def tree(self):
        return {name: {
            "values": {s: hook.shown(s) + "\n" if hook.shown(s) else "" for s in hook.values},
            "modes": hook.modes,
            "owners": hook.owners,
            "headers": {h.name: ("" if not h.value else MASK + "\n" if h.protected
                                 else h.value + "\n", h.mode) for h in hook.headers.values()},
            "scratch": hook.scratch,
            "deliveries": hook.deliveries,
        } for name, hook in self.hooks.items()}


def put(path, text, flags=os.O_TRUNC, mode=0o644):
    fd = os.open(path, os.O_WRONLY | flags, mode)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def get(path):
    with open(path, encoding="utf8") as f:
        return f.read()


def pems(directory):
    """A certificate and its key."""
    cert, key = f"{directory}/cert.pem", f"{directory}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-subj", "/CN=x", "-days", "30", "-keyout", key, "-out", cert],
                   stderr=subprocess.DEVNULL, check=True)
    return get(cert).rstrip("\n"), get(key).rstrip("\n")


def become(uid):
    """This thread alone, for good; libc would take all along."""
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {"x86_64": (116, 119, 117), "aarch64": (159, 149, 147)}[os.uname().machine]
    for number, arguments in zip(numbers, ((0, 0, 0), (uid, uid, uid), (uid, uid, uid))):
        if libc.syscall(number, *arguments):
            raise RuntimeError(f"cannot become {uid}")


class Mount:
    """The same operations, as system calls."""

    def __init__(self, rig):
        self.rig, self.top = rig, f"{rig.mnt}/hooks"
        os.chmod(rig.top, 0o711)
        sink = rig.sink("sink")
        sink.script("/bad status 400\n")
        cert, key = pems(rig.top)
        self.words = {f"{SINK}/": sink.url, CERT: cert, KEY: key}

    def meant(self, text):
        for word, meaning in self.words.items():
            text = text.replace(word, meaning)
        return text

    def shown(self, path):
        text = get(path)
        for word, meaning in self.words.items():
            text = text.replace(meaning, word)
        return text

    def mkdir(self, name):
        os.mkdir(f"{self.top}/{name}")

    def rmdir(self, name):
        os.rmdir(f"{self.top}/{name}")

    def rename(self, old, new):
        os.rename(f"{self.top}/{old}", f"{self.top}/{new}")

    def write(self, name, setting, value, _):
        put(f"{self.top}/{name}/{setting}", self.meant(value) + "\n")

    def other_write(self, name, setting, value, result):
        become(OTHER)
        self.write(name, setting, value, result)

    def other_read(self, name, setting):
        become(OTHER)
        get(f"{self.top}/{name}/{setting}")

    def other_chmod(self, name, setting, mode):
        become(OTHER)
        self.chmod(name, setting, mode)

    def chown(self, name, setting, uid):
        os.chown(f"{self.top}/{name}/{setting}", uid, -1)

    def remove(self, name, setting):
        os.unlink(f"{self.top}/{name}/{setting}")

    def chmod(self, name, setting, mode):
        os.chmod(f"{self.top}/{name}/{setting}", mode)

    def save(self, name, setting, value, _):
        beside = f"{self.top}/{name}/.{setting}.swp"
        put(beside, self.meant(value) + "\n", os.O_CREAT | os.O_TRUNC)
        os.rename(beside, f"{self.top}/{name}/{setting}")

    def scratch(self, name, value):
        put(f"{self.top}/{name}/note~", value, os.O_CREAT | os.O_TRUNC)

    def unscratch(self, name):
        os.unlink(f"{self.top}/{name}/note~")

    def header_write(self, name, header, mode, value):
        put(f"{self.top}/{name}/headers/{header}", value + "\n", os.O_CREAT | os.O_TRUNC, mode)

    def header_remove(self, name, header):
        os.unlink(f"{self.top}/{name}/headers/{header}")

    def header_chmod(self, name, header, mode):
        os.chmod(f"{self.top}/{name}/headers/{header}", mode)

    def header_rename(self, name, old, new):
        os.rename(f"{self.top}/{name}/headers/{old}", f"{self.top}/{name}/headers/{new}")

    def config_same(self, name):
        put(f"{self.top}/{name}/config.json", get(f"{self.top}/{name}/config.json"))

    def config_bad(self, name):
        put(f"{self.top}/{name}/config.json", '{"url": 7}\n')

    def config_new(self, name):
        if not self.secretive(name):
            put(f"{self.top}/{name}/config.json", json.dumps(MINIMAL) + "\n")

    def config_copy(self, name, to):
        text = get(f"{self.top}/{name}/config.json")
        if not self.secretive(to) and not self.secretive(name):
            put(f"{self.top}/{to}/config.json", text)

    def secretive(self, name):
        shown = json.loads(get(f"{self.top}/{name}/config.json"))
        return 'protected": true' in json.dumps(shown)

    def event(self):
        put(f"{self.rig.mnt}/events", "deployment/m/v1 failed\n", 0)

    def event_bad(self):
        put(f"{self.rig.mnt}/events", "deployment/m/v1 failled\n", 0)

    def first(self, name, where):
        names = sorted(os.listdir(f"{self.top}/{name}/{where}"))
        return names[0] if names else oserror(errno.ENOENT)

    def cancel(self, name):
        os.unlink(f"{self.top}/{name}/pending/{self.first(name, 'pending')}")

    def forget(self, name, where):
        os.unlink(f"{self.top}/{name}/{where}/{self.first(name, where)}")

    def again(self, name, where):
        first = self.first(name, where)
        os.rename(f"{self.top}/{name}/{where}/{first}", f"{self.top}/{name}/pending/{first}")

    def copy(self, name, where):
        first = self.first(name, where)
        text = get(f"{self.top}/{name}/{where}/{first}")
        put(f"{self.top}/{name}/pending/{first}", text, os.O_CREAT | os.O_TRUNC)

    def restart(self, kills):
        if kills:
            self.rig.kill()
        else:
            self.rig.stop()
        self.start()

    def start(self):
        self.rig.start("-o", "grace=0" if ME else "grace=0,allow_other")

    def tree(self):
        return {name: self.hook_tree(f"{self.top}/{name}") for name in os.listdir(self.top)}

    def hook_tree(self, top):
        files = set(os.listdir(top))
        known = set(VALUES) | {"config.json", "headers", "tls", "pending", "delivered", "failed",
                               "status", "test", "README"}
        files |= {f"tls/{name}" for name in os.listdir(f"{top}/tls")} - {"tls/status"}
        missing = set(VALUES) - files
        if missing:
            raise AssertionError(f"{top} has no {missing}")
        return {
            "values": {name: self.shown(f"{top}/{name}") for name in VALUES},
            "modes": {name: stat.S_IMODE(os.stat(f"{top}/{name}").st_mode) for name in VALUES},
            "owners": {name: os.stat(f"{top}/{name}").st_uid for name in VALUES},
            "headers": {name: (get(f"{top}/headers/{name}"),
                               stat.S_IMODE(os.stat(f"{top}/headers/{name}").st_mode))
                        for name in os.listdir(f"{top}/headers")},
            "scratch": {name: get(f"{top}/{name}") for name in files - known},
            "deliveries": len({name for where in ("pending", "delivered", "failed")
                               for name in os.listdir(f"{top}/{where}")}),
        }



def setting(rng, names=tuple(VALUES)):
    name = rng.choice(names)
    return [name, *rng.choice(VALUES[name])]


def value(rng):
    return rng.choice(["v1", "v2 and more", ""])


OPERATIONS = {  # how often, and with what
    "mkdir": (4, lambda r: [r.choice(HOOKS)]),
    "rmdir": (1, lambda r: [r.choice(HOOKS[:3])]),
    "rename": (2, lambda r: [r.choice(HOOKS[:3]), r.choice(HOOKS)]),
    "write": (14, lambda r: [r.choice(HOOKS[:3]), *setting(r)]),
    "remove": (4, lambda r: [r.choice(HOOKS[:3]), r.choice(list(VALUES))]),
    "chmod": (4, lambda r: [r.choice(HOOKS[:3]), r.choice(list(VALUES)), r.choice(MODES)]),
    "save": (6, lambda r: [r.choice(HOOKS[:3]), *setting(r, BESIDE)]),
    "chown": (3, lambda r: [r.choice(HOOKS[:3]), r.choice(list(VALUES)), r.choice([ME, OTHER])]),
    "other_write": (3, lambda r: [r.choice(HOOKS[:3]), *setting(r)]),
    "other_read": (2, lambda r: [r.choice(HOOKS[:3]), r.choice(list(VALUES))]),
    "other_chmod": (2, lambda r: [r.choice(HOOKS[:3]), r.choice(list(VALUES)), r.choice(MODES)]),
    "scratch": (1, lambda r: [r.choice(HOOKS[:3]), value(r)]),
    "unscratch": (1, lambda r: [r.choice(HOOKS[:3])]),
    "header_write": (6, lambda r: [r.choice(HOOKS[:3]), r.choice(HEADERS), r.choice(MODES),
                                   value(r)]),
    "header_remove": (3, lambda r: [r.choice(HOOKS[:3]), r.choice(HEADERS[:4])]),
    "header_chmod": (3, lambda r: [r.choice(HOOKS[:3]), r.choice(HEADERS[:4]), r.choice(MODES)]),
    "header_rename": (3, lambda r: [r.choice(HOOKS[:3]), r.choice(HEADERS[:4]),
                                    r.choice(HEADERS)]),
    "config_same": (3, lambda r: [r.choice(HOOKS[:3])]),
    "config_bad": (1, lambda r: [r.choice(HOOKS[:3])]),
    "config_new": (2, lambda r: [r.choice(HOOKS[:3])]),
    "config_copy": (2, lambda r: [r.choice(HOOKS[:3]), r.choice(HOOKS[:3])]),
    "event": (6, lambda r: []),
    "event_bad": (1, lambda r: []),
    "cancel": (2, lambda r: [r.choice(HOOKS[:3])]),
    "forget": (1, lambda r: [r.choice(HOOKS[:3]), r.choice(["delivered", "failed"])]),
    "again": (2, lambda r: [r.choice(HOOKS[:3]), r.choice(["delivered", "failed"])]),
    "copy": (2, lambda r: [r.choice(HOOKS[:3]), r.choice(["delivered", "failed"])]),
    "restart": (1, lambda r: [r.random() < 0.5]),
}


ROOTS = ["chown", "other_write", "other_read", "other_chmod"]


def ending(side, name, arguments):
    """None, or the errno's name."""
    try:
        getattr(side, name)(*arguments)
    except OSError as e:
        return errno.errorcode[e.errno]
    return None


def by_a_thread(side, name, arguments):
    """The mount knows a thread for as long as it is there."""
    result = []
    thread = threading.Thread(target=lambda: result.append(ending(side, name, arguments)))
    thread.start()
    task = f"/proc/self/task/{thread.native_id}"
    thread.join()
    wait_for("the thread's end", 20, lambda: not os.path.exists(task))
    if not result:
        raise SystemExit(1)
    return result[0]


def differences(is_, should, path=""):
    if isinstance(is_, dict) and isinstance(should, dict):
        for key in sorted(is_.keys() | should.keys()):
            yield from differences(is_.get(key), should.get(key), f"{path}/{key}")
    elif is_ != should:
        yield f"{path} is {is_!r}, and should be {should!r}"


def run(program):
    """None, or how many operations were done and what did not agree then."""
    with Rig() as rig:
        mount = Mount(rig)
        mount.start()
        mount.mkdir("z")
        defaults = {name: text.rstrip("\n")
                    for name, text in mount.hook_tree(f"{mount.top}/z")["values"].items()}
        mount.rmdir("z")
        model = Model(defaults)
        for n, (name, *arguments) in enumerate(program):
            model.told = is_ = by_a_thread(mount, name, arguments)
            should = ending(model, name, arguments)
            if is_ != should:
                return n + 1, [f"{name} {arguments} ended with {is_}, and should with {should}"]
            if name == "restart" or n % 16 == 15 or n + 1 == len(program):
                wrong = list(differences(mount.tree(), model.tree()))
                if wrong:
                    return n + 1, wrong
        rig.stop()
    return None


def shrink(program, seconds=120):
    """Leaves out what is not needed to see that something does not agree."""
    end = time.monotonic() + seconds
    part = len(program) // 2
    while part and time.monotonic() < end:
        start = 0
        while start < len(program) and time.monotonic() < end:
            shorter = program[:start] + program[start + part:]
            found = run(shorter) if shorter else None
            if found:
                program = shorter[:found[0]]
            else:
                start += part
        part = min(part // 2, len(program) // 2)
    return program


def made(seed, steps):
    rng = random.Random(seed)
    names = [name for name, (often, _) in OPERATIONS.items() for _ in range(often)
             if not ME or name not in ROOTS]
    return [["mkdir", "a"], ["mkdir", "b"]] + [
        [name, *OPERATIONS[name][1](rng)] for name in rng.choices(names, k=steps)]


def test(number, title, program):
    """TAP: one line a program."""
    found = run(program)
    if not found:
        print(f"ok {number} - {title}: {len(program)} operations", flush=True)
        return True
    print(f"not ok {number} - {title}", flush=True)
    program = shrink(program[:found[0]])
    for line in (run(program) or found)[1]:
        print(f"# {line}")
    print(json.dumps(program), flush=True)
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--program")
    options = parser.parse_args()
    os.umask(0)
    if options.program:
        with open(options.program, encoding="utf8") as f:
            return 0 if test(1, options.program, json.load(f)) else 1
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    number = operations = 0
    good = True
    while good and (not number or time.monotonic() < end):
        number += 1
        good = test(number, f"seed {seed}", made(seed, options.steps))
        operations += options.steps + 2
        seed += 1
    print(f"1..{number}\n# {operations} operations")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
