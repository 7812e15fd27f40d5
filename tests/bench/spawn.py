"""Runs one command and prints what it used: CPU seconds, seconds on the clock, KiB, the least
KiB that can be told, exit status.

usage: python3 -I -S spawn.py OUT ERR UNTIL SECONDS COMMAND...

A program of its own, and one that imports nearly nothing, because a new process begins with
the peak memory of the one that forked it: what is measured must not have that of `run`.
UNTIL: when this file has something in it the command is told to end ('': it ends by itself)."""
import os
import signal
import sys
import time


WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def wait_for(pid, until, seconds):
    deadline = time.monotonic() + seconds
    while not (os.path.exists(until) and os.path.getsize(until)):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) or time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.005)
    os.kill(pid, signal.SIGTERM)


def own_peak():
    with open("/proc/self/status") as f:
        return next((line.split()[1] for line in f if line.startswith("VmHWM:")), 0)


def main():
    out, err, until, seconds = sys.argv[1:5]
    began = time.monotonic()
    files = [(os.POSIX_SPAWN_OPEN, fd, path, flags, 0o600) for fd, path, flags in (
        (0, os.devnull, os.O_RDONLY), (1, out, WRITE), (2, err, WRITE))]
    pid = os.posix_spawnp(sys.argv[5], sys.argv[5:], os.environ, file_actions=files)
    if until:
        wait_for(pid, until, float(seconds))
    _, status, used = os.wait4(pid, 0)
    print(used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss,
          own_peak(), os.waitstatus_to_exitcode(status))


main()
