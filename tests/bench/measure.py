"""CPU time (user and system), time on the clock and peak memory of whole processes.

Commands that are compared take turns, so that a machine that slows down slows all of them:
the first turn is not counted, then the median of the others is."""
import os
import signal
import statistics
import subprocess
import sys

SPAWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "spawn.py")
UNTIL_S = 900


class Failed(Exception):
    pass


class Command:
    """argv, and how it ends: by itself, or by a signal when the file `until` has something in it.

    `before` is called ahead of each run; what the last run wrote is in `out` and `err`."""

    def __init__(self, argv, until=None, before=None, keep_out=False, good=(0,)):
        self.argv, self.until, self.before, self.keep_out = argv, until, before, keep_out
        self.good = good + ((-signal.SIGTERM,) if until else ())
        self.cpu, self.wall, self.rss = [], [], None
        self.out = self.err = ""

    def once(self, scratch):
        """Seconds of CPU, seconds on the clock, KiB (None: less than can be measured)."""
        out = os.path.join(scratch, "out") if self.keep_out else os.devnull
        err = os.path.join(scratch, "err")
        if self.before:
            self.before()
        told = subprocess.run([sys.executable, "-I", "-S", SPAWN, out, err, self.until or "", str(UNTIL_S)] + self.argv,
                              env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC"), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        with open(err, errors="replace") as f:
            self.err = f.read()
        if self.keep_out:
            with open(out, errors="replace") as f:
                self.out = f.read()
        if told.returncode:
            raise Failed(told.stderr.strip())
        cpu, wall, rss, floor, status = told.stdout.split()
        if int(status) not in self.good:
            said = self.err.strip().splitlines()
            raise Failed("%s ended with %s%s" % (os.path.basename(self.argv[0]), status,
                                                 ": " + said[-1][:150] if said else ""))
        return float(cpu), float(wall), int(rss) if int(rss) > int(floor) * 1.05 else None

    def count(self, figures):
        self.cpu.append(figures[0])
        self.wall.append(figures[1])
        self.rss = max(self.rss or 0, figures[2]) if figures[2] else self.rss

    def figures(self):
        return {"cpu_s": round(statistics.median(self.cpu), 4), "wall_s": round(statistics.median(self.wall), 4),
                "rss_kib": self.rss}


def in_turn(commands, runs, scratch):
    """Runs all of them runs + 1 times, one after the other. Returns their figures."""
    for turn in range(runs + 1):
        for c in commands:
            figures = c.once(scratch)
            if turn:
                c.count(figures)
    return [c.figures() for c in commands]
