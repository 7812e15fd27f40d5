#!/usr/bin/env python3
"""Filters of fail2ban in a channel of ours beside fail2ban-regex: CPU time for each line.

    tests/bench/filters.py TRAILWARDEN [LINES]

Needs fail2ban and its filters in /etc/fail2ban. The lines are made here: a share of them are what
the filter looks for, the others what else stands in such a log. What both need to start is measured
with an empty log and taken off. `replay` also matches and counts: the rule of the channel fires for
nobody, for fail2ban-regex does not count either. Both must find the same number of failures. (No number of a
process comes twice in a short time: fail2ban-regex forgets connections by the clock on the wall.)
"""
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from fail2ban import PATTERNS  # noqa: E402

OTHERS = {
    "sshd": ["{s} host CRON[{n}]: pam_unix(cron:session): session opened for user {u} by (uid=0)",
             "{s} host systemd[1]: Started Session {n} of user {u}.",
             "{s} host sudo[{n}]: {u} : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/ls",
             "{s} host sshd[{n}]: Connection closed by authenticating user {u} {a} port {p} [preauth]"],
    "postfix": ["{s} mx postfix/qmgr[{n}]: 4F1: from=<{u}@example.org>, size=1234, nrcpt=1 (queue active)",
                "{s} mx postfix/smtp[{n}]: 4F1: to=<{u}@example.org>, relay=x[{a}]:25, status=sent (250 ok)"],
    "dovecot": ["{s} mx dovecot: imap({u})<{n}><x>: Disconnected: Logged out in=12 out=512"],
    "nginx-http-auth": ["{w} [warn] {n}#0: *9 a client request body is buffered to a temporary file, client: {a}"],
    "recidive": ["{i},123 fail2ban.filter [{n}]: INFO    [sshd] Found {a} - {i}"],
}
RUNS = [("sshd", 0.2, 50), ("sshd", 0.5, 50), ("sshd", 0.2, 1), ("postfix", 0.2, 50),
        ("dovecot", 0.2, 50), ("nginx-http-auth", 0.2, 50), ("recidive", 0.2, 50)]


def make_log(path, name, share, each_second, count):
    dice = random.Random(f"{name} {share}")
    begin = time.time() - 90000
    with open(path, "w", encoding="utf-8") as log:
        for i in range(count):
            t = time.gmtime(begin + i / each_second)
            texts = PATTERNS[name] if dice.random() < share else OTHERS[name]
            log.write(dice.choice(texts).format(
                s=time.strftime("%b %d %H:%M:%S", t), i=time.strftime("%Y-%m-%d %H:%M:%S", t),
                w=time.strftime("%Y/%m/%d %H:%M:%S", t), n=100 + i % 30000, c=1,
                p=dice.randrange(1024, 65536), u=dice.choice(["root", "bob", "admin"]),
                a=dice.choice(["192.0.2.%d", "2001:db8::%x"]) % dice.randrange(1, 255)) + "\n")


def run(command):
    """Its output and the CPU seconds it took, the least of three."""
    best, out = None, ""
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True,
                              env=dict(os.environ, TZ="UTC"), check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = used if best is None else min(best, used)
        out = done.stdout
    return out, best


def configure(folder, name):
    rules, config = os.path.join(folder, "rules.yml"), os.path.join(folder, "config.yaml")
    with open(rules, "w", encoding="utf-8") as f:
        f.write(f"""title: failure
id: 6a1e7fb6-0000-4000-8000-000000000001
logsource: {{product: fail2ban, service: {name}}}
detection: {{failure: {{event.outcome: failure}}, condition: failure}}
---
title: many
id: 6a1e7fb6-0000-4000-8000-000000000002
correlation: {{type: event_count, rules: [6a1e7fb6-0000-4000-8000-000000000001], group-by: [source.ip],
  timespan: 10m, condition: {{gte: 1000000}}}}
""")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"rules: {{paths: [{rules}], library: false}}\n"
                f"channels: {{{name}: {{filter: {name}, inputs: [{{type: file, path: /none}}]}}}}\n")
    return config


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    print("filter            hits  lines/s of log   theirs us   ours us   ratio")
    with tempfile.TemporaryDirectory() as folder:
        log, empty = os.path.join(folder, "log"), os.path.join(folder, "empty")
        open(empty, "w", encoding="utf-8").close()
        for name, share, each_second in RUNS:
            make_log(log, name, share, each_second, count)
            config = configure(folder, name)
            theirs = ["fail2ban-regex", "--no-check-all", "-r", "-o", "row"]
            ours = [program, "replay", "--config", config, "--workers", "0", "--digest", "--channel", name]
            rows, used = run(theirs + [log, name])
            used -= run(theirs + [empty, name])[1]
            told, own = run(ours + [log])
            own -= run(ours + [empty])[1]
            found, wanted = int(told.split(" alerts, ")[1].split()[0]), rows.count("\n[") + rows.startswith("[")
            if found != wanted:
                sys.exit(f"{name}: {wanted} failures, we have {found}")
            print(f"{name:16} {share:5.0%} {each_second:12}/s {used * 1e6 / count:11.2f} "
                  f"{own * 1e6 / count:9.2f} {used / own:7.0f}", flush=True)


main()
