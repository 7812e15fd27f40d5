#!/usr/bin/env python3
"""Ends the OpenVPN sessions of a banned address: a firewall drops packets, the session would wait for its timeout.

OpenVPN:      management /run/openvpn/server.sock unix      (its group may use it: management-client-group)
trailwarden:  notifiers: {kill: {type: command, command: [/usr/local/lib/trailwarden/openvpn-kill.py,
                                 /run/openvpn/server.sock]}}
              routes:    - {when: {channel: openvpn}, notify: [kill], continue: true}
              or with these words as bans: {backend: command}, or from your own ban command.
"""
import ipaddress
import re
import socket
import sys

import tw_action as tw

LINES_MAX = 100000


def ask(stream, command, until):
    """The lines of an answer; the management interface tells news (">...") in between."""
    stream.write(command + "\n")
    stream.flush()
    lines = []
    for line in stream:
        line = line.rstrip("\r\n")
        if line.startswith(">"):
            continue
        lines.append(line)
        if line == until or line.startswith(("SUCCESS:", "ERROR:")) or len(lines) > LINES_MAX:
            break
    return lines


def is_from(real, address):
    """Real addresses are written 192.0.2.1:1194, [2001:db8::1]:1194, udp4:192.0.2.1:1194 or without a port."""
    real = re.sub(r"^(udp|tcp)[46]?(-server)?:", "", real)
    match = re.match(r"\[(.*)\](:\d+)?\Z", real) or re.match(r"([0-9.]+)(:\d+)?\Z", real)
    for text in (match.group(1) if match else real, real.rsplit(":", 1)[0]):
        try:
            return ipaddress.ip_address(text) == ipaddress.ip_address(address)
        except ValueError:
            continue
    return False


def main():
    if len(sys.argv) != 2:
        tw.end(tw.FAILED, "usage: openvpn-kill.py SOCKET")
    if tw.os.environ.get("TW_ACTION") == "unban":
        tw.end(tw.DONE, "nothing to take back: the client may connect again")
    address = tw.address()
    killed = 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(8)
            s.connect(sys.argv[1])
            stream = s.makefile("rw", encoding="utf-8", errors="replace", newline="\n")
            header = []
            for line in ask(stream, "status 3", "END"):
                cells = line.split("\t")
                if cells[0] == "HEADER" and cells[1:2] == ["CLIENT_LIST"]:
                    header = cells[1:]
                if cells[0] != "CLIENT_LIST" or "Client ID" not in header or len(cells) < len(header):
                    continue
                client = dict(zip(header, cells))
                if is_from(client["Real Address"], address) and client["Client ID"].isdigit():
                    killed += ask(stream, "client-kill " + client["Client ID"], None)[-1].startswith("SUCCESS")
            stream.write("quit\n")
            stream.flush()
    except OSError as e:
        tw.end(tw.LATER, f"{sys.argv[1]}: {e.strerror or e}")
    tw.end(tw.DONE, f"{killed} session(s) of {address} ended")


main()
