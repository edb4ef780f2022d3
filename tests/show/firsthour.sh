#!/bin/sh
# docs/firsthour.md, done again in a fresh Debian: its commands are typed there, and it is written anew.
#
#   tests/show/firsthour.sh [DIRECTORY]   the chroot is made in DIRECTORY, by default build/chroot, and removed
#
# As root. `make deb` comes first.
# shellcheck disable=SC2154 # inside is chroot.sh's
set -u
cd "$(dirname "$0")/../.." || exit 1
root=${1:-$PWD/build/chroot}
package=$(echo build/deb/webhookfs_*.deb)
. tests/lib/chroot.sh

cat >"$root/root/receiver.py" <<'END'
import http.server

class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.path, self.headers["webhook-id"], body.decode(), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Receiver).serve_forever()
END
python3 tests/show/firsthour.py --script docs/firsthour.md >"$root/root/typed"
inside 'cd /root; exec bash /root/typed' >"$root/root/printed" || { cat "$root/root/printed"; exit 1; }
python3 tests/show/firsthour.py --fill docs/firsthour.md <"$root/root/printed"
