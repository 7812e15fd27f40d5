#!/usr/bin/env python3
"""The storm of journald.sh: runs in mounts of its own.

usage: journald.py JOURNALD TRAILWARDEN FOLDER ROUNDS SEED
       journald.py write UNIT

What was ever in the journal is known from copies: every file is copied right
before something may delete it. journald takes a unit's name from root on its
stdout socket, as it does from the service manager; it takes the boot's id from
a file in /proc that is mounted over; its clock is libfaketime's, when that is
installed.
"""
import collections
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

BOOT_ID = "/proc/sys/kernel/random/boot_id"
OURS = ("storm.service", "vpn@one.service", "vpn@two.service")
UNITS = OURS + ("noise.service",)
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
CHANNEL = "xui"


def write(unit):
    """Numbers every line; connects again when journald went away. Ends with its standard input."""
    os.set_blocking(0, False)
    n = 0
    s = None
    while True:
        try:
            if os.read(0, 1) == b"":
                return
        except BlockingIOError:
            pass
        try:
            if not s:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.connect("/run/systemd/journal/stdout")
                s.sendall(f"writer\n{unit}\n6\n0\n0\n0\n0\n".encode())
            for _ in range(10):
                s.sendall(f"{unit} {n:08d}\n".encode())
                n += 1
        except OSError:
            s = None
        time.sleep(0.03)


class Journald:
    """The daemon, its clock and its boot."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.offset, self.process = 0, None
        self.boot = os.path.join(folder, "boot_id")
        self.new_boot()
        subprocess.run(["mount", "--bind", self.boot, BOOT_ID], check=True)
        self.start()

    def new_boot(self):
        with open(self.boot, "w", encoding="ascii") as f:
            f.write(str(uuid.uuid4()) + "\n")

    def start(self):
        env = dict(os.environ)
        if FAKETIME and self.offset:
            env.update(LD_PRELOAD=FAKETIME[0], FAKETIME=f"{self.offset:+d}s", DONT_FAKE_MONOTONIC="1")
        with open(os.path.join(self.folder, "journald.log"), "ab") as log:
            self.process = subprocess.Popen([self.program], env=env, stderr=log)
        for _ in range(400):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                s.connect("/run/systemd/journal/stdout")
                break
            except OSError:
                time.sleep(0.02)
            finally:
                s.close()
        ctl("--flush")

    def stop(self, how):
        self.process.send_signal(how)
        self.process.wait()

    def restart(self, how):
        self.stop(how)
        self.start()


def ctl(*args):
    subprocess.run(["journalctl", "-q", *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=30, check=False)


class Storm:
    def __init__(self, journald, program, folder, seed):
        self.random = random.Random(seed)
        self.folder, self.program = folder, program
        self.copies = os.path.join(folder, "copies")
        os.mkdir(self.copies)
        self.copied, self.count = set(), collections.Counter()
        self.config = os.path.join(folder, "c.yaml")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"state: {folder}/state\nhost: storm.example\nchannels:\n  {CHANNEL}:\n"
                    "    audit: all\n    inputs:\n      - {type: journald, from: begin, name: storm,\n"
                    "         unit: [storm.service, 'vpn@*.service']}\n")
        self.daemon = None
        self.journald = Journald(journald, folder)
        self.writers = []

    # ---- trailwarden ----

    def run(self):
        with open(os.path.join(self.folder, "run.log"), "ab") as log:
            self.daemon = subprocess.Popen([self.program, "run", "--single", "--config", self.config],
                                           stdout=log, stderr=log)

    def wait_for_the_first(self):
        """What goes away before the first commit was never ours."""
        for _ in range(100):
            time.sleep(0.1)
            self.told = collections.Counter()
            if os.path.exists(f"{self.folder}/state/trail/checkpoint") and self.trail()[0]:
                return
        sys.exit("FAIL: nothing was read")

    def kill(self):
        if not self.daemon:
            return
        if self.daemon.poll() is not None:
            sys.exit(f"FAIL: trailwarden ended by itself with {self.daemon.returncode}")
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None
        self.count["kill -9 of trailwarden"] += 1

    def trail(self):
        """Entries' keys in order, and the gaps: (sequence, from, to)."""
        keys, gaps = [], []
        out = subprocess.run([self.program, "trail", "show", "--json", "--config", self.config],
                             stdout=subprocess.PIPE, check=True).stdout
        for line in out.splitlines():
            e = json.loads(line)
            if e["type"] == "event":
                stream, number = e["key"].split("-")
                keys.append((stream, int(number)))
            elif e["type"] == "source.gap":
                gaps.append((e["stream"], e["from"], e.get("to", 1 << 62)))
            elif e["type"].startswith("source."):
                self.told[e["type"]] += 1
        return keys, gaps

    # ---- what happens ----

    def files(self):
        return glob.glob("/var/log/journal/*/*.journal*") + glob.glob("/run/log/journal/*/*.journal*")

    def copy_archived(self):
        """Archived files never change; the names of new ones are unique."""
        for path in self.files():
            name = os.path.basename(path)
            if "@" in name and name not in self.copied:
                shutil.copy(path, os.path.join(self.copies, name))
                self.copied.add(name)

    def rotate(self):
        ctl("--rotate")
        self.count["rotate"] += 1

    def vacuum(self):
        self.copy_archived()
        if self.random.random() < 0.5:
            ctl(f"--vacuum-files={self.random.randint(1, 4)}")
        else:
            ctl("--vacuum-size=1M")
        self.count["vacuum"] += 1

    def restart(self):
        self.journald.restart(signal.SIGTERM)
        self.count["restart of journald"] += 1

    def crash(self):
        self.journald.restart(signal.SIGKILL)
        self.count["kill -9 of journald"] += 1

    def clock(self):
        self.journald.offset -= self.random.choice((1, 60, 3600, 86400))
        self.journald.restart(signal.SIGTERM)
        self.count["clock set back"] += 1

    def boot(self):
        """Power is cut, and the clock comes up wrong."""
        self.journald.offset += self.random.choice((-86400, -3600, 0, 7200))
        self.journald.stop(signal.SIGKILL)
        self.journald.new_boot()
        self.journald.start()
        self.count["boot with a wrong clock"] += 1

    def anew(self):
        """As after a broken file: a new sequence, in a new boot with a wrong clock."""
        self.journald.offset += self.random.choice((-86400, -3600, 7200))
        self.journald.stop(signal.SIGTERM)
        for path in glob.glob("/var/log/journal/*/system.journal"):
            os.rename(path, path[:-8] + f"@{time.time_ns():016x}-{self.random.getrandbits(64):016x}.journal~")
        self.journald.new_boot()
        self.journald.start()
        self.count["new sequence, boot, wrong clock"] += 1

    def away(self):
        """Deleted while nobody reads: this must become a gap."""
        self.kill()
        time.sleep(0.3)
        self.rotate()
        time.sleep(0.1)
        self.rotate()
        self.copy_archived()
        ctl("--vacuum-files=1")
        self.count["vacuum while away"] += 1
        self.run()

    def storm(self, rounds):
        things = [self.rotate] * 4 + [self.vacuum] * 4 + [self.restart, self.crash, self.away] * 2
        things += [self.boot, self.anew] + ([self.clock] * 2 if FAKETIME else [])
        once = [self.vacuum, self.crash, self.away, self.boot, self.anew, self.rotate] + ([self.clock] if FAKETIME else [])
        self.random.shuffle(once)
        todo = once + [self.random.choice(things) for _ in range(rounds - len(once))]
        for thing in todo:
            if self.random.random() < 0.5:
                self.kill()
            time.sleep(self.random.uniform(0.02, 0.5))
            thing()
            time.sleep(self.random.uniform(0.02, 0.5))
            if not self.daemon:
                self.run()

    def start_writers(self):
        for unit in UNITS:
            self.writers.append(subprocess.Popen([sys.executable, __file__, "write", unit],
                                                 stdin=subprocess.PIPE))

    def stop_writers(self):
        for w in self.writers:
            w.stdin.close()
            w.wait()

    # ---- the end ----

    def journal(self):
        """Every entry of our units that was ever there, as journalctl reads it."""
        there = set()
        self.journald.restart(signal.SIGTERM)
        for path in self.files():
            if os.path.basename(path) not in self.copied:
                shutil.copy(path, self.copies)
        for path in glob.glob(self.copies + "/*"):
            out = subprocess.run(["journalctl", "-q", "-o", "export", "--output-fields=MESSAGE",
                                  *[f"_SYSTEMD_UNIT={u}" for u in OURS], f"--file={path}"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
            for m in re.finditer(rb"^__CURSOR=s=([0-9a-f]{32});i=([0-9a-f]+);", out, re.M):
                there.add((m[1].decode(), int(m[2], 16)))
        return there

    def finish(self):
        self.stop_writers()
        time.sleep(0.3)
        there = self.journal()
        if not self.daemon:
            self.run()
        deadline = time.monotonic() + 20
        while True:
            self.told = collections.Counter()
            keys, gaps = self.trail()
            missing = [k for k in there - set(keys) if not in_gap(k, gaps)]
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        self.kill()
        return there, keys, gaps, missing


def in_gap(key, gaps):
    return any(s == key[0] and a <= key[1] <= b for s, a, b in gaps)


def out_of_order(keys):
    last, bad = {}, 0
    for stream, number in keys:
        bad += number <= last.get(stream, 0)
        last[stream] = number
    return bad


def ranges(keys):
    """Runs of lost numbers, for finding out why."""
    runs = []
    for stream, number in sorted(keys):
        if runs and runs[-1][0] == stream and number - runs[-1][2] < 100:
            runs[-1][2] = number
        else:
            runs.append([stream, number, number])
    return runs


def table(storm, there, keys, gaps, missing):
    entries = set(keys)
    rows = [(what, n) for what, n in sorted(storm.count.items())]
    rows += [(f"told: {what}", n) for what, n in sorted(storm.told.items())]
    rows += [
        ("sequences", len({s for s, _ in there})),
        ("messages that were in the journal", len(there)),
        ("entries of the trail", len(keys)),
        ("told: source.gap", len(gaps)),
        ("messages inside gaps", len([k for k in there - entries if in_gap(k, gaps)])),
        ("LOST", len(missing)),
        ("DOUBLE", len(keys) - len(entries)),
        ("NEVER WRITTEN", len(entries - there)),
        ("OUT OF ORDER", out_of_order(keys)),
        ("IN A GAP AND READ", len([k for k in entries if in_gap(k, gaps)])),
    ]
    for what, n in rows:
        print(f"{what:36} {n:8}")
    for stream, first, last in ranges(missing):
        print(f"lost of {stream}: {first} to {last}")
    return not any(n for what, n in rows if what.isupper())


def prepare(folder):
    for path in ("/run", "/var/log"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    with open("/etc/machine-id", encoding="ascii") as f:
        machine = f.read().strip()
    for path in ("/run/systemd/journal", "/run/systemd/journald.conf.d", "/run/log/journal",
                 "/var/log/journal/" + machine):
        os.makedirs(path)
    with open("/run/systemd/journald.conf.d/test.conf", "w", encoding="ascii") as f:
        f.write("[Journal]\nRateLimitBurst=0\nRateLimitIntervalSec=0\nStorage=persistent\n"
                "SystemMaxFileSize=8M\nSystemKeepFree=1M\nForwardToWall=no\nReadKMsg=no\nAudit=no\n")
    for name in ("state", "copies"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def main():
    if sys.argv[1] == "write":
        write(sys.argv[2])
        return 0
    journald, program, folder, rounds, seed = sys.argv[1:]
    print(f"{rounds} rounds, seed {seed}, clock: " + ("libfaketime" if FAKETIME else "not set back (no libfaketime)"))
    begin = time.monotonic()
    prepare(folder)
    storm = Storm(journald, program, folder, int(seed))
    storm.start_writers()
    storm.run()
    storm.wait_for_the_first()
    storm.storm(int(rounds))
    good = table(storm, *storm.finish())
    storm.journald.stop(signal.SIGTERM)
    print(f"{'seconds':36} {time.monotonic() - begin:8.0f}")
    print("every message is in the trail once, in order, or in a gap" if good else "FAIL")
    return 0 if good else 1


sys.exit(main())
