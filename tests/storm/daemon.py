"""The program under test: its processes, how they are killed, what it says.

The program may be one process with senders below it, or a parent with the roles
tw-reader, tw-core and tw-send. Nothing here depends on which: what is looked for
is found in /proc, and the processes that a kill leaves behind come to us
(subreaper), so the next start never meets the last one's lock."""
import ctypes
import json
import os
import re
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
# What a kill of one process may hit; the names are those of /proc/PID/comm.
ROLES = {"reader": "tw-reader", "core": "tw-core", "sender": "tw-send"}


class Failure(Exception):
    """The program did what it must never do."""


def become_subreaper():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fault_points(source):
    """Every name that TW_FAULT knows, from the one table of them."""
    with open(os.path.join(source, "base", "fault.h"), encoding="utf-8") as f:
        return sorted(re.findall(r'X\([A-Z_]+, "([^"]+)",', f.read()))


def children(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                found += [int(p) for p in f.read().split()]
    except OSError:
        pass
    return found


def comm(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return ""


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(what, seconds, step=0.005):
    """True as soon as it holds."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() >= end:
            return False
        time.sleep(step)
    return True


class Daemon:
    def __init__(self, program, config, log, arguments=()):
        self.program, self.config, self.log = program, config, log
        self.arguments = list(arguments)
        self.process = None

    def start(self, fault=None):
        environment = {k: v for k, v in os.environ.items() if k != "TW_FAULT"}
        if fault:
            environment["TW_FAULT"] = fault
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "run", "--quiet", "--config", self.config] + self.arguments,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def tree(self):
        """All its processes, the parent first."""
        pids = [self.process.pid] if alive(self.process.pid) else []
        for pid in pids:
            pids += children(pid)
        return pids

    def running(self):
        return self.process is not None and self.process.poll() is None

    def must_run(self):
        if not self.running():
            raise Failure("the program ended by itself with %d: %s" % (
                self.process.returncode, self.last_words()))

    def last_words(self):
        with open(self.log, errors="replace") as f:
            return " | ".join(f.read().splitlines()[-4:])

    @staticmethod
    def reap(pids):
        for pid in pids:
            def gone(pid=pid):
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
                return not alive(pid)
            if not wait_until(gone, 10):
                raise Failure("process %d (%s) outlived its parent" % (pid, comm(pid)))

    def kill_all(self):
        """The whole program, as a power cut ends it."""
        pids = self.tree()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.reap(p for p in pids if p != self.process.pid)

    def victims(self, role):
        """Processes of that role; any of them, the parent too, for None."""
        pids = self.tree()
        if role is None:
            return pids
        named = [p for p in pids if comm(p).startswith(ROLES[role])]
        if named or any(comm(p).startswith("tw-") for p in pids):
            return named
        # One process with senders below it.
        return pids[1:] if role == "sender" else pids[:1]

    def kill_one(self, role, dice):
        """One process. Its parent starts it again, or the program ends: both are fine, but when
        the parent goes all must go."""
        pids = self.tree()
        victims = self.victims(role)
        if not victims:
            return None
        victim = dice.choice(victims)
        name = "parent" if victim == self.process.pid else comm(victim)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return None
        if victim == self.process.pid:
            self.process.wait()
            self.reap(p for p in pids if p != victim)
        return name

    def stop(self):
        """As the service manager does it."""
        pids = self.tree()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise Failure("it does not end on SIGTERM")
        self.reap(p for p in pids if p != self.process.pid)
        if code not in (0, -signal.SIGTERM): # the signal may come before it can be taken
            raise Failure("it ended on SIGTERM with %d: %s" % (code, self.last_words()))

    def pss_kib(self):
        """Memory of all processes, what they share counted once."""
        total = 0
        for pid in self.tree():
            try:
                with open("/proc/%d/smaps_rollup" % pid) as f:
                    total += int(re.search(r"^Pss: +(\d+)", f.read(), re.M).group(1))
            except (OSError, AttributeError):
                pass
        return total

    # ---- what it says ----

    def ask(self, *words):
        done = subprocess.run([self.program, *words, "--config", self.config],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()

    def once(self):
        code, _, said = self.ask("run", "--once", "--quiet")
        if code:
            raise Failure("run --once ended with %d: %s" % (code, said))

    def status(self):
        code, out, _ = self.ask("status", "--json")
        return json.loads(out) if code == 0 else None

    def counted(self, channel, what="lines"):
        """What the state says was read; it is true at each commit."""
        for row in (self.status() or {}).get("channels", []):
            if row["channel"] == channel:
                return row[what]
        return 0
