"""The same log through fail2ban-regex and through our reader of its filters: the same failures.

    fail2ban.py DRIVER SCRATCH

The lines are made here, some of them damaged at random; the filters are those of the machine.
"""
import json
import os
import random
import re
import subprocess
import sys
import time

PATTERNS = {
    "sshd": [
        "{s} host sshd[{n}]: Failed password for {u} from {a} port {p} ssh2",
        "{s} host sshd[{n}]: Failed publickey for invalid user {u} from {a} port {p} ssh2: RSA SHA256:x",
        "{s} host sshd[{n}]: error: PAM: Authentication failure for {u} from {a}",
        "{s} host sshd[{n}]: Invalid user {u} from {a} port {p}",
        "{s} host sshd[{n}]: User {u} from {a} not allowed because not listed in AllowUsers",
        "{s} host sshd[{n}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={a}  user={u}",
        "{s} host sshd[{n}]: Disconnecting: Too many authentication failures for {u} [preauth]",
        "{s} host sshd[{n}]: Connection closed by {a} port {p} [preauth]",
        "{s} host sshd[{n}]: Connection from {a} port {p}",
        "{s} host sshd[{n}]: Received disconnect from {a} port {p}:11: Bye Bye [preauth]",
        "{s} host sshd[{n}]: Accepted password for {u} from {a} port {p} ssh2",
        "{s} host sshd[{n}]: Did not receive identification string from {a}",
        "{i} host sshd[{n}]: Bad protocol version identification '\\026\\003' from {a} port {p}",
        "{s} host CRON[{n}]: pam_unix(cron:session): session opened for user {u}",
    ],
    "postfix": [
        "{s} mx postfix/smtpd[{n}]: NOQUEUE: reject: RCPT from unknown[{a}]: 554 5.7.1 <{u}@example.org>: Relay access denied; from=<x@y> to=<{u}@z> proto=ESMTP helo=<h>",
        "{s} mx postfix/smtpd[{n}]: warning: unknown[{a}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        "{s} mx postfix/submission/smtpd[{n}]: warning: unknown[{a}]: SASL PLAIN authentication failed: Connection lost to authentication server",
        "{s} mx postfix/smtpd[{n}]: improper command pipelining after EHLO from unknown[{a}]: QUIT",
        "{s} mx postfix/smtpd[{n}]: lost connection after AUTH from unknown[{a}]",
        "{s} mx postfix/smtpd[{n}]: connect from unknown[{a}]",
        "{s} mx postfix/postscreen[{n}]: NOQUEUE: reject: RCPT from [{a}]:{p}: 550 5.7.1 Service unavailable; client [{a}] blocked using rbl; from=<>, to=<>, proto=SMTP",
    ],
    "dovecot": [
        "{s} mx dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<{u}>, method=PLAIN, rip={a}, lip=198.51.100.1, TLS",
        "{s} mx dovecot: pop3-login: Aborted login (tried to use disallowed plaintext auth): user=<{u}>, rip={a}, lip=198.51.100.1, session=<x>",
        "{s} mx auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser={u} rhost={a}",
        "{s} mx dovecot: auth-worker({n}): pam({u},{a}): unknown user",
        "{s} mx dovecot: imap-login: Login: user=<{u}>, method=PLAIN, rip={a}, lip=198.51.100.1",
    ],
    "nginx-http-auth": [
        "{w} [error] {n}#0: *7 user \"{u}\": password mismatch, client: {a}, server: www.example.org, request: \"GET / HTTP/1.1\", host: \"x\"",
        "{w} [error] {n}#0: *7 user \"{u}\" was not found in \"/etc/nginx/pw\", client: {a}, server: _, request: \"GET / HTTP/1.1\"",
        "{w} [crit] {n}#0: *9 SSL_do_handshake() failed while SSL handshaking, client: {a}, server: 0.0.0.0:443",
        "{w} [error] {n}#0: *9 open() \"/x\" failed (2: No such file), client: {a}",
    ],
    "recidive": [
        "{i},123 fail2ban.actions [{n}]: NOTICE  [sshd] Ban {a}",
        "{i},123 fail2ban.actions [{n}]: NOTICE  [recidive] Ban {a}",
        "{i},123 fail2ban.actions [{n}]: NOTICE  [sshd] Unban {a}",
        "{s} host fail2ban.actions[{n}]: NOTICE [web] Ban {a}",
    ],
    "slapd": [
        "{s} ldap slapd[{n}]: conn={c} fd=12 ACCEPT from IP={a}:{p} (IP=0.0.0.0:389)",
        "{s} ldap slapd[{n}]: conn={c} op=0 BIND dn=\"uid={u},dc=example\" method=128",
        "{s} ldap slapd[{n}]: conn={c} op=0 RESULT tag=97 err=49 text=",
        "{s} ldap slapd[{n}]: conn={c} fd=12 closed",
    ],
    "mongodb-auth": [
        "{i}.123+0000 I ACCESS   [conn{c}] SCRAM-SHA-1 authentication failed for {u} on admin from client {a}:{p} ; x",
        "{m} [conn{c}] Failed to authenticate {u}@db with mechanism MONGODB-CR: AuthenticationFailed UserNotFound x",
        "{m} [conn{c}] end connection {a}:{p} (0 connections now open)",
        "{m} [initandlisten] connection accepted from {a}:{p} #{c} (1 connection now open)",
    ],
}
RUNS = [("sshd", ""), ("sshd", "mode=aggressive"), ("postfix", "mode=aggressive"), ("postfix", ""),
        ("dovecot", ""), ("nginx-http-auth", ""), ("recidive", ""), ("slapd", ""),
        ("mongodb-auth", "")]


def a_line(dice, texts, when):
    t = time.gmtime(when)
    line = dice.choice(texts).format(
        s=time.strftime("%b %d %H:%M:%S", t), i=time.strftime("%Y-%m-%d %H:%M:%S", t),
        w=time.strftime("%Y/%m/%d %H:%M:%S", t), m=time.strftime("%a %b %d %H:%M:%S.123", t),
        n=dice.randrange(100, 130), p=dice.randrange(1024, 65536), c=dice.randrange(1, 8),
        a=dice.choice(["192.0.2.%d", "2001:db8::%x"]) % dice.randrange(1, 255),
        u=dice.choice(["root", "bob", "a b", "x from 203.0.113.1", "\u00e9va", "-", "\"q"]))
    if dice.random() < 0.25:
        at = dice.randrange(len(line))
        line = dice.choice([line[:at] + line[at + 1:], line[:at],
                            line[:at] + dice.choice(" [](){}:;,<>\"'%a1") + line[at:]])
    return line or "-"


def theirs(log, name):
    done = subprocess.run(["fail2ban-regex", "--no-check-all", "-r", "-o", "row", log, name],
                          capture_output=True, text=True, timeout=60)
    rows = []
    for line in done.stdout.splitlines():
        got = re.match(r"\['([^']*)',\t([\d.]+|None),\t", line)
        if got:
            rows.append((got.group(1), got.group(2) if got.group(2) == "None" else float(got.group(2))))
    return rows


def ours(driver, log, name):
    with open(log, "rb") as f:
        done = subprocess.run([driver, "/etc/fail2ban/filter.d/" + name], stdin=f,
                              capture_output=True, text=True, timeout=60)
    if done.returncode:
        sys.exit(f"FAIL: {name}: {done.stderr}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(r["id"], r["time_us"] / 1e6 if r["time_known"] else "None")
            for r in rows if r["verdict"] == "failure"]


def main():
    driver, scratch = sys.argv[1:]
    seed = int(os.environ.get("TW_SEED", "7"))
    print("seed", seed)
    for filter_name, parameters in RUNS:
        if not os.path.exists(f"/etc/fail2ban/filter.d/{filter_name}.conf"):
            continue
        dice = random.Random(f"{seed} {filter_name}")
        log = os.path.join(scratch, filter_name + ".log")
        begin = time.time() - 90000
        with open(log, "w", encoding="utf-8") as f:
            for i in range(1500):
                # 200 seconds in all: it forgets connections after five minutes by the clock on the
                # wall, we by that of the log
                f.write(a_line(dice, PATTERNS[filter_name], begin + i * 2 // 15) + "\n")
        name = f"{filter_name}[{parameters}]" if parameters else filter_name
        want, got = theirs(log, name), ours(driver, log, name)
        if len(want) < 5:
            sys.exit(f"FAIL: {name}: fail2ban-regex found {len(want)} failures only")
        if want != got:
            at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b),
                      min(len(want), len(got)))
            sys.exit(f"FAIL: {name}: {len(want)} failures, we have {len(got)}; the first that differs: "
                     f"{want[at:at + 1]} {got[at:at + 1]}")
        print(f"{name}: {len(want)} failures of 1500 lines")


if __name__ == "__main__":
    main()
