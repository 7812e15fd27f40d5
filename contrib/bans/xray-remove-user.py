#!/usr/bin/env python3
"""Takes an account out of a running Xray when an alert names it. It is back after Xray's next start, unless it is
taken out of the configuration, too.

Xray:         an inbound of the API with HandlerService (127.0.0.1:10085), and `email` set for each client
trailwarden:  notifiers: {xray: {type: command, command: [/usr/local/lib/trailwarden/xray-remove-user.py,
                                 /usr/local/bin/xray, 127.0.0.1:10085, vless-in]}}
"""
import re
import subprocess
import sys

import tw_action as tw

if len(sys.argv) not in (4, 5):
    tw.end(tw.FAILED, "usage: xray-remove-user.py XRAY SERVER INBOUND-TAG [NEVER-FILE]")
xray, server, tag = sys.argv[1:4]
names = tw.users(*sys.argv[4:5])
try:
    # A list of words, no shell; names begin with a letter or digit, so none is taken for an option.
    r = subprocess.run([xray, "api", "rmu", "--server=" + server, "-tag=" + tag, *names], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=8, check=False)
except (OSError, subprocess.TimeoutExpired) as e:
    tw.end(tw.LATER, f"{xray}: {e}")
# It ends with 0 also when nobody was removed: what it says counts.
told = re.search(r"Removed (\d+) user", r.stdout)
if r.returncode or not told:
    tw.end(tw.LATER, "xray: " + (r.stdout.strip().splitlines() or ["no answer"])[-1][:200])
if int(told.group(1)) == 0 and "not found" not in r.stdout:
    tw.end(tw.LATER, "xray removed nobody: " + r.stdout.strip()[:200])
tw.end(tw.DONE, f"removed {told.group(1)} of: {' '.join(names)}")
