#!/usr/bin/env python3
"""The npm package `standardwebhooks` verifies live deliveries, a change of the secret included.

    standardwebhooks.py        needs node and npm, and fetches the package from its registry

Three deliveries: signed with the old secret, with both, with the new one. The package, as a receiver
would use it, must take the second with either secret and each of the others with its own only.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from npm import ask  # noqa: E402
from rig import Rig, table, wait_for  # noqa: E402

PACKAGE = "standardwebhooks@1.1.1"
OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
VERIFY = """
const { Webhook } = require('standardwebhooks');
const requests = require('fs').readFileSync(0, 'utf8').trim().split('\\n').map(JSON.parse);
console.log(JSON.stringify(requests.map((r) => process.argv.slice(2).map((secret) => {
  try {
    return new Webhook(secret).verify(r.body, r.headers).status;
  } catch (e) {
    return e.message;
  }
}))));
"""


def main():
    with Rig() as rig:
        sink = rig.sink("sink")
        rig.start()
        rig.hook("h", sink.url)
        for n, secrets in enumerate((OLD, f"{NEW}\n{OLD}", NEW), 1):
            rig.set("hooks/h/secret", secrets)
            rig.events(1, first=n)
            wait_for("the delivery", 20, lambda: len(sink.requests()) == n)
        rig.stop()
        answers = ask(PACKAGE, VERIFY, rig.top, sink.log, OLD, NEW)
    table([("signed with", "old secret says", "new secret says"),
           *((name, *row) for name, row in zip(("old", "new and old", "new"), answers))])
    good, bad = "completed", "No matching signature found"
    right = answers == [[good, bad], [good, good], [bad, good]]
    print(f"{'ok' if right else 'not ok'} 1 - {PACKAGE} takes what it should, and nothing else\n1..1")
    return not right


if __name__ == "__main__":
    sys.exit(main())
