#!/usr/bin/env python3
"""Floods a unit beyond journald's rate limit, and forges entries by the native protocol.

usage: journald-limit.py UNIT MESSAGES
"""
import os
import socket
import struct
import subprocess
import sys
import time


def stream(unit):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect("/run/systemd/journal/stdout")
    s.sendall(f"flood\n{unit}\n6\n0\n0\n0\n0\n".encode())
    return s


def field(name, value):
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def main():
    unit, count = sys.argv[1], int(sys.argv[2])
    if os.fork() == 0:  # journald keeps what it learned of a process
        forge(unit)
        os._exit(0)
    os.wait()
    s = stream(unit)
    for i in range(count):
        s.sendall(f"message {i}\n".encode())
    time.sleep(2.5)  # journald's interval is two seconds: only then it tells
    s.sendall(b"the last\n")
    for _ in range(200):
        out = subprocess.run(["journalctl", "-q", "-o", "cat", f"_SYSTEMD_UNIT={unit}"], stdout=subprocess.PIPE,
                             check=False).stdout
        if b"the last\n" in out:
            return
        time.sleep(0.1)
    sys.exit("the last message did not come")


def forge(unit):
    native = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    native.connect("/run/systemd/journal/socket")
    native.send(field(b"MESSAGE", b"forged") + field(b"_SYSTEMD_UNIT", unit.encode()) +
                field(b"UNIT", unit.encode()) + field(b"SYSLOG_IDENTIFIER", unit.encode()))
    # A suppression that journald never told.
    native.send(field(b"MESSAGE", b"Suppressed 7 messages from " + unit.encode()) + field(b"N_DROPPED", b"7") +
                field(b"MESSAGE_ID", b"a596d6fe7bfa4994828e72309e95d61e") + field(b"_TRANSPORT", b"driver"))
    time.sleep(0.1)


main()
