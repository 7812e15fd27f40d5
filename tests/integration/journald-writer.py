#!/usr/bin/env python3
"""Writes numbered lines to journald as the standard output of a unit.

journald takes the unit's name from root on its stdout socket, as it does from
the service manager. usage: journald-writer.py UNIT LINES
"""
import socket
import subprocess
import sys
import time


def main():
    unit, lines = sys.argv[1], int(sys.argv[2])
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect("/run/systemd/journal/stdout")
    s.sendall(f"writer\n{unit}\n6\n0\n0\n0\n0\n".encode())
    for i in range(lines):
        s.sendall(f"{i:08d} line\n".encode())
        if i == lines // 2:  # longer than a part of 48 KiB
            s.sendall(b"long " + b"x" * 60000 + b"\n")
        if i % (lines // 4) == lines // 8:
            subprocess.run(["journalctl", "--rotate"], check=True)
        if i % 50 == 0:
            time.sleep(0.005)
    s.close()


main()
