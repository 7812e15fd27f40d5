#!/usr/bin/env python3
"""The generator of a storm: writes numbered lines and rotates its log, until told to stop.

It loses nothing itself: with copytruncate it does not write between copy and cut,
and what is deleted or compressed was read before (the state says so), as with a
rotation that keeps enough files. Every generation is kept beside the log, byte for
byte, for the undisturbed replay.

usage: writer.py JOB.json   (made by run: folder, rotation, content, seed, ...)"""
import sys
sys.dont_write_bytecode = True
import gzip
import json
import os
import random
import shutil
import time

from content import HEAD, Lines
from daemon import Daemon, wait_until

KEEP = 5           # rotated files that stay
WAIT_S = 60        # for what is to be deleted to be read
A_ROUND = 25       # lines between two looks at the clock


class Writer:
    def __init__(self, job):
        self.job = job
        self.logs, self.archive = job["logs"], job["archive"]
        self.dice = random.Random("%s writer" % job["seed"])
        self.lines = Lines(job["content"], job["seed"])
        self.daemon = Daemon(job["program"], job["config"], os.devnull)
        self.written = []
        self.ends = []          # lines written at the end of each generation
        self.stalled = False
        self.hole_bytes = 0
        self.rotation = ROTATIONS[job["rotation"]](self)
        self.fd = self.rotation.open()
        self.copy = self.new_archive()

    def path(self, name):
        return os.path.join(self.logs, name)

    def open(self, name):
        return os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def new_archive(self):
        return open(os.path.join(self.archive, "%06d.log" % len(self.ends)), "wb")

    # ---- writing ----

    def put(self, fd, data):
        """In one write, or in several at any place."""
        rest = data
        if self.dice.random() < self.lines.split:
            for _ in range(self.dice.randrange(1, 4)):
                n = self.dice.randrange(len(rest)) if rest else 0
                os.write(fd, rest[:n])
                rest = rest[n:]
                if self.dice.random() < 0.1:
                    time.sleep(self.dice.random() * 0.01)
        while rest:
            rest = rest[os.write(fd, rest):]

    def line(self, fd=None, copy=None, stream="A", login=True):
        fd, copy = fd or self.fd, copy or self.copy
        head = 0 < copy.tell() < HEAD
        hole = 0 if head else self.lines.hole()
        if hole:
            if self.dice.random() < 0.5:   # as a cut under a writer that does not append
                os.ftruncate(fd, os.fstat(fd).st_size + hole)
            else:
                self.put(fd, b"\0" * hole)
            copy.write(b"\0" * hole)
            self.hole_bytes += hole
        data, record = self.lines.make(stream, login, copy.tell() < HEAD)
        self.put(fd, data)
        copy.write(data)
        self.written.append(record)

    def read_up_to(self, lines):
        """Waits until that many lines are counted as read."""
        if self.stalled or lines <= 0:
            return
        self.stalled = not wait_until(
            lambda: self.daemon.counted(self.job["channel"]) >= lines, WAIT_S, 0.02)

    def be_seen(self):
        """What was rotated away before the program has seen the log for the first time is no part of
        it; and a link that was turned twice since then says nothing of the file in between."""
        self.read_up_to(self.ends[-1] + 1 if self.ends and self.rotation.seen_each else 1)

    def end_generation(self):
        self.copy.close()
        self.ends.append(len(self.written))
        self.copy = self.new_archive()

    # ---- the storm ----

    def run(self):
        began = time.monotonic()
        next_rotation = self.dice.randrange(200, 900)
        while not self.done():
            for _ in range(A_ROUND):
                self.rotation.line()
            ahead = len(self.written) / self.job["rate"] - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(min(ahead, 0.2))
            if len(self.written) >= next_rotation:
                self.be_seen()
                self.rotation.rotate()
                next_rotation = len(self.written) + self.dice.randrange(200, 900)
                # What was waited for is not made up for.
                began = time.monotonic() - len(self.written) / self.job["rate"]
        self.rotation.finish()
        self.copy.close()
        self.report()

    def done(self):
        return os.path.exists(self.job["stop"]) and len(self.written) >= self.job["lines"] and \
            (len(self.ends) >= self.job["rotations"] or self.job["rotation"] == "none")

    def report(self):
        with open(self.job["report"] + ".new", "w") as f:
            json.dump({"lines": [w.row() for w in self.written], "rotations": len(self.ends),
                       "hole_bytes": self.hole_bytes, "stalled": self.stalled}, f)
        os.rename(self.job["report"] + ".new", self.job["report"])


# ---- rotations ----

class Rotation:
    """One file, never rotated; the others differ in what they say here."""
    path = "a.log"
    seen_each = False   # a generation must have been looked at before the next one begins

    def __init__(self, writer):
        self.w = writer

    def open(self):
        return self.w.open("a.log")

    def line(self):
        self.w.line()

    def rotate(self):
        pass

    def finish(self):
        pass

    def shift(self, keep=KEEP):
        """a.log.1 to a.log.2 and so on; the last one goes. It was read: two later ones were."""
        w = self.w
        old = self.name(keep)
        if os.path.exists(old):
            w.read_up_to(w.ends[-keep + 2] if len(w.ends) >= keep else 0)
            if not w.stalled:
                os.unlink(old)
        for i in range(keep - 1, 0, -1):
            if os.path.exists(self.name(i)):
                os.rename(self.name(i), self.name(i + 1))

    def name(self, i):
        return self.w.path("a.log.%d" % i)

    def late_lines(self):
        """The writer goes on in the old file until it has noticed."""
        for _ in range(self.w.dice.randrange(20)):
            self.w.line()

    def reopen(self, name):
        os.close(self.w.fd)
        self.w.fd = self.w.open(name)
        self.w.end_generation()


class Rename(Rotation):
    def rotate(self):
        self.shift()
        os.rename(self.w.path("a.log"), self.name(1))
        self.late_lines()
        self.reopen("a.log")


class RenameGlob(Rename):
    path = "a.log*"


class CopyTruncate(Rotation):
    def rotate(self):
        self.shift()
        self.slow_copy()
        os.ftruncate(self.w.fd, 0)
        self.w.end_generation()

    def slow_copy(self):
        """In small steps: a reader sees a copy that is still being written."""
        with open(self.w.path("a.log"), "rb") as old, open(self.name(1), "wb", buffering=0) as new:
            while True:
                part = old.read(32768)
                if not part:
                    break
                new.write(part)
                if self.w.dice.random() < 0.5:
                    time.sleep(0.0005)


class CopyTruncateGlob(CopyTruncate):
    path = "a.log*"


class Unlink(Rotation):
    """Files that go at once, so that their inodes are used again at once."""

    def rotate(self):
        w = self.w
        if w.dice.random() < 0.5:
            w.read_up_to(len(w.written))
            if not w.stalled:
                os.unlink(w.path("a.log"))
        else:
            if os.path.exists(self.name(1)):
                w.read_up_to(len(w.written))
                if not w.stalled:
                    os.unlink(self.name(1))
            os.rename(w.path("a.log"), self.name(1))
            self.late_lines()
        self.reopen("a.log")


class Gzip(Rotation):
    """logrotate with compress and delaycompress."""

    def rotate(self):
        w = self.w
        if os.path.exists(self.name(1)):
            w.read_up_to(w.ends[-1])
            for i in range(KEEP - 1, 1, -1):
                if os.path.exists(self.name(i) + ".gz"):
                    os.rename(self.name(i) + ".gz", self.name(i + 1) + ".gz")
            if not w.stalled:
                self.compress(self.name(1), self.name(2))
        os.rename(w.path("a.log"), self.name(1))
        self.late_lines()
        self.reopen("a.log")

    @staticmethod
    def compress(path, name):
        with open(path, "rb") as old, gzip.open(name + ".gz", "wb", 1) as new:
            shutil.copyfileobj(old, new)
        shutil.copystat(path, name + ".gz")     # as gzip does it
        os.unlink(path)


class GzipAtOnce(Gzip):
    """compress without delaycompress: what was not read yet is in the compressed file only."""

    def rotate(self):
        w = self.w
        if os.path.exists(self.name(KEEP) + ".gz"):     # it goes
            w.read_up_to(w.ends[-KEEP + 1])
            if w.stalled:
                return
        os.rename(w.path("a.log"), self.name(1))
        for i in range(KEEP - 1, 0, -1):
            if os.path.exists(self.name(i) + ".gz"):
                os.rename(self.name(i) + ".gz", self.name(i + 1) + ".gz")
        self.reopen("a.log")
        self.compress(self.name(1), self.name(1))


class Dated(Rotation):
    """A new name each day, as Laravel's daily channel has it; days are short here."""
    path = "a-2*.log"

    def name(self, i):
        return "a-%s.log" % time.strftime("%Y-%m-%d", time.gmtime(1750000000 + 86400 * i))

    def open(self):
        return self.w.open(self.name(0))

    def rotate(self):
        w, day = self.w, len(self.w.ends) + 1
        if day > KEEP:
            w.read_up_to(w.ends[-KEEP + 2])
            if not w.stalled:
                os.unlink(w.path(self.name(day - KEEP - 1)))
        self.reopen(self.name(day))


class Symlink(Rotation):
    """current.log leads to the newest file."""
    path = "current.log"
    seen_each = True

    def name(self, i):
        return "a-%04d.log" % i

    def turn(self, name):
        os.symlink(name, self.w.path("new"))
        os.rename(self.w.path("new"), self.w.path("current.log"))

    def open(self):
        fd = self.w.open(self.name(0))
        self.turn(self.name(0))
        return fd

    def rotate(self):
        w, n = self.w, len(self.w.ends) + 1
        if n > KEEP:
            w.read_up_to(w.ends[-KEEP + 2])
            if not w.stalled:
                os.unlink(w.path(self.name(n - KEEP - 1)))
        self.reopen(self.name(n))
        self.turn(self.name(n))


class TwoWriters(Rename):
    """Two programs append to one log; after a rename the second stays in the old file for a while.
    Its late lines are no logins: between two files of one time there is no order that
    windows could rely on."""

    def __init__(self, writer):
        super().__init__(writer)
        self.second = writer.open("a.log")

    def line(self):
        if self.w.dice.random() < 0.5:
            self.w.line()
        else:
            self.w.line(fd=self.second, stream="B")

    def rotate(self):
        w = self.w
        self.shift()
        os.rename(w.path("a.log"), self.name(1))
        old = w.copy
        w.copy = open(os.devnull, "wb")     # end_generation() closes that one
        self.reopen("a.log")
        for _ in range(w.dice.randrange(40)):
            if w.dice.random() < 0.5:
                w.line(login=False)
            else:
                w.line(fd=self.second, copy=old, stream="B", login=False)
        old.close()
        os.close(self.second)
        self.second = w.open("a.log")


ROTATIONS = {
    "none": Rotation, "rename": Rename, "rename-glob": RenameGlob, "copytruncate": CopyTruncate,
    "copytruncate-glob": CopyTruncateGlob, "unlink": Unlink, "gzip": Gzip, "gzip-at-once": GzipAtOnce,
    "dated": Dated, "symlink": Symlink, "two-writers": TwoWriters,
}

if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        Writer(json.load(job_file)).run()
