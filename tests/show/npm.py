"""An npm package, asked as a receiver would use it; it needs node and npm, and is fetched from its registry."""
import json
import subprocess


def ask(package, program, directory, requests, *arguments):
    """What the JavaScript `program` answers in JSON: it reads the sink's file `requests` from stdin."""
    with open(f"{directory}/program.js", "w", encoding="utf8") as f:
        f.write(program)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--prefix", directory, package],
                   check=True)
    with open(requests, "rb") as f:
        said = subprocess.run(["node", f"{directory}/program.js", *arguments], stdin=f,
                              stdout=subprocess.PIPE, check=True)
    return json.loads(said.stdout)
