#!/usr/bin/env python3
"""Writes access lines as fast as it can into one file or many, until told to stop.

The disk is finite: when a generation is full all files are renamed, once the last
one was read; so at most two generations wait to be read.

usage: flooder.py JOB.json   (made by flood)"""
import sys
sys.dont_write_bytecode = True
import json
import os
import time

from daemon import Daemon, wait_until

BLOCK_LINES = 4000
GENERATION_BYTES = 256 << 20


def block():
    lines = ["2026/11/21 %02d:%02d:%02d.%06d from 198.51.%d.%d:%d accepted tcp:www%d.example.com:443 "
             "[inbound-443 >> direct] email: user%d@example.net\n" % (
                 i // 3600 % 24, i // 60 % 60, i % 60, i, 100 + i % 20, i % 254 + 1, 1024 + i, i % 2000, i % 500)
             for i in range(BLOCK_LINES)]
    return "".join(lines).encode()


class Flooder:
    def __init__(self, job):
        self.job = job
        self.daemon = Daemon(job["program"], job["config"], os.devnull)
        self.paths = [os.path.join(job["folder"], "flood-%03d.log" % i) for i in range(job["files"])]
        self.lines = self.last_end = 0
        self.bytes = self.all_bytes = 0

    def open(self):
        """Each file begins in its own way: equal ones would be copies of one another."""
        self.fds = [os.open(p, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640) for p in self.paths]
        for fd, path in zip(self.fds, self.paths):
            os.write(fd, b"%s: %d lines were written\n" % (path.encode(), self.lines))
            self.lines += 1

    def rotate(self):
        if not wait_until(lambda: self.daemon.counted(self.job["channel"]) >= self.last_end, 60, 0.2):
            sys.exit("the flood is not read")
        for fd, path in zip(self.fds, self.paths):
            os.rename(path, path + ".1")
            os.close(fd)
        self.last_end, self.bytes = self.lines, 0
        self.open()

    def run(self):
        self.open()
        data = block()
        # Each file gets whole lines; with many files each write is smaller.
        cut = data[:data.index(b"\n", len(data) // min(self.job["files"], 16) - 1) + 1]
        n = cut.count(b"\n")
        began = time.monotonic()
        while not os.path.exists(self.job["stop"]):
            for fd in self.fds:
                os.write(fd, cut)
                self.lines += n
                self.bytes += len(cut)
                self.all_bytes += len(cut)
            if self.bytes >= GENERATION_BYTES:
                self.rotate()
        with open(self.job["report"], "w") as f:
            json.dump({"lines": self.lines, "bytes": self.all_bytes,
                       "seconds": time.monotonic() - began}, f)


if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        Flooder(json.load(job_file)).run()
