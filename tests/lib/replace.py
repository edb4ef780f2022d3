#!/usr/bin/env python3
"""replace.py MNT FILE COUNT VALUE...: replaces hooks/h/FILE as install does, while events come in.

One thread removes the file and makes it anew, with one of the values in turn; between the two another
thread writes an event, which is taken. Prints the ids of the events.
"""
import os
import sys
import threading


def main():
    mnt, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    values = sys.argv[4:]
    path = "%s/hooks/h/%s" % (mnt, name)
    events = os.open(mnt + "/events", os.O_WRONLY)
    gone, taken = threading.Semaphore(0), threading.Semaphore(0)

    def write():
        for i in range(count):
            gone.acquire()
            os.write(events, b"deployment/m failed request_id=%s-%d\n" % (name.encode(), i))
            taken.release()

    writer = threading.Thread(target=write)
    writer.start()
    for i in range(count):
        os.unlink(path)
        gone.release()
        taken.acquire()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, values[i % len(values)].encode() + b"\n")
        os.close(fd)
        print("%s-%d" % (name, i))
    writer.join()
    os.close(events)


main()
