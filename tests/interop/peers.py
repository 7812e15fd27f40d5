#!/usr/bin/env python3
"""Who is banned: trailwarden, fail2ban and SEC on the same logs, of which the truth is known.

    peers.py TRAILWARDEN SCRATCH [--short] [--seed N] [--table]

Five services and one file of rsyslog that holds them all, each with
 - attackers: 6 to 12 failed logins within 4 minutes;
 - hostile ones: the same, with texts that name other addresses or hold whole lines (the tricks of
   tests/integration/wrong-bans.py);
 - people: 1 to 5 failed logins, some of them a login; slow ones: one failure every 5 minutes for
   an hour; and claims: lines whose address anybody can invent.
Attackers and hostile ones are to be banned (6 failures in 5 minutes), nobody else. fail2ban runs as
its own server (a socket of its own, an action that writes a file, its filter for sshd, and for the
others filters as their users write them, anchored); SEC with one SingleWithThreshold for a service.
--short: trailwarden alone. Exit 1 when trailwarden misses or adds one.
"""
import argparse
import collections
import importlib.util
import ipaddress
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location(
    "wrong_bans", os.path.join(HERE, "..", "integration", "wrong-bans.py"))
wb = importlib.util.module_from_spec(spec)
spec.loader.exec_module(wb)

SERVICES = ["sshd", "openvpn", "xray", "api", "laravel"]
MANY = {"attackers": 40, "hostile": 40, "people": 60, "slow": 10}
WINDOW, THRESHOLD = 300, 6
SENTINELS = {s: f"203.0.113.{200 + i}" for i, s in enumerate(SERVICES)}


class Who:
    def __init__(self, dice, n, base):
        self.v6 = dice.random() < 0.3
        self.a = f"2001:db8:{base:x}::{n:x}" if self.v6 else f"198.{18 + base % 2}.{base}.{n % 256}"
        self.v = f"192.0.2.{n % 250 + 1}" if n < 250 else f"198.51.100.{n % 250 + 1}"
        self.port = dice.randrange(1024, 65000)
        self.pid = dice.randrange(300, 30000)
        self.p = dice.choice(["root", "admin", "alice", "o'brien", "x y"])

    def ep(self):
        return f"[{self.a}]:{self.port}" if self.v6 else f"{self.a}:{self.port}"


# ---- one failure of each service: (tag of syslog, text without time, time in front of it) ----

def sshd(w, t):
    u = wb.visible(w.p)
    return [("sshd", f"Failed password for invalid user {u} from {w.a} port {w.port} ssh2")]


def sshd_first(w, t):
    return [("sshd", f"Invalid user {wb.visible(w.p)} from {w.a} port {w.port}")]


def openvpn(w, t):
    peer = w.a if w.v6 else f"{w.a}:{w.port}"
    return [("ovpn-server", f"{peer} peer info: UV_NAME={wb.under(w.p)}"),
            ("ovpn-server", "PLUGIN AUTH-PAM: BACKGROUND: user '%s' failed to authenticate: "
                            "Authentication failure" % wb.under(w.p)),
            ("ovpn-server", f"{peer} {wb.AUTH_FAILED}"),
            ("ovpn-server", f"{peer} SENT CONTROL [{wb.under(w.p)}]: 'AUTH_FAILED' (status=1)")]


def xray(w, t):
    stamp = f"{wb.slash(t)}.{w.port:06d} "
    return [("xray", f"{stamp}from {w.ep()} rejected  proxy/vless/encoding: invalid request user id: "
                     "99999999-2222-4333-8444-555555555555"),
            ("xray", f"{stamp}from {w.ep()} accepted http://{wb.target(w.p)}/ [in -> out]")]


def api(w, t):
    return [("api", json.dumps({"timestamp": wb.iso(t) + ",512", "level": "WARNING",
                                "message": "login_failed", "username": w.p, "user_agent": w.p,
                                "forwarded_for": f"{w.v}, 10.0.0.1", "client_ip": w.a}))]


def laravel(w, t):
    return [("laravel", json.dumps(
        {"message": "Failed login attempt", "context": {"email": w.p, "forwarded_for": w.v, "ip": w.a},
         "level": 300, "level_name": "WARNING", "channel": "production",
         "datetime": wb.iso(t, "%Y-%m-%dT%H:%M:%S") + ".246951+00:00", "extra": {}},
        separators=(",", ":"), ensure_ascii=False))]


FAILURES = {"sshd": sshd, "openvpn": openvpn, "xray": xray, "api": api, "laravel": laravel}


def claims(service, w, t):
    """Lines that name w.v, and anybody can have them written."""
    if service == "openvpn":
        return [("ovpn-server", f"TLS Error: {x} from [AF_INET]{w.v}:40006") for x in
                ("tls-crypt unwrapping failed", "cannot locate HMAC in incoming packet")]
    if service == "xray":
        return [("xray", f"{wb.slash(t)}.000001 from {w.v}:0 rejected  proxy/vless/encoding: invalid "
                         "request user id: 9")]
    if service == "sshd":
        return [("sshd", f"Failed publickey for invalid user x from {w.v} port 22 ssh2: RSA-CERT "
                         f"SHA256:abc ID y from {w.a} port {w.port} ssh2: RSA-CERT SHA256:abc ID z "
                         "(serial 0) CA RSA SHA256:def")]
    return []


def own_line(service, tag, w, t, text):
    """As it stands in the service's own file."""
    if service == "sshd":
        return f"{wb.bsd(t)} vpn1 sshd[{w.pid}]: {text}"
    return f"{wb.iso(t)} {text}" if service == "openvpn" else text


def shared_line(tag, w, t, text):
    """As rsyslog writes it into one file for all."""
    return f"{wb.bsd(t)} vpn1 {tag}[{w.pid}]: {wb.octal(text)}"


# ---- the logs ----

class Set:
    def __init__(self, name):
        self.name, self.lines, self.truth, self.counts = name, [], set(), collections.Counter()
        self.kinds = {}  # of each address; none: the victim of a claim or of a trick

    def add(self, t, text):
        self.lines.append((t, len(self.lines), text))


def add_one(sets, service, w, t, records):
    for tag, text in records:
        sets[service].add(t, own_line(service, tag, w, t, text))
        sets["mixed"].add(t, shared_line(tag, w, t, text))


def people_of(dice, service, kind, n, base, now):
    """Yields (who, time, records) of one population."""
    harmless = [x for x, _ in wb.tricks(service, "192.0.2.1", "2001:db8::1", now)]
    for i in range(n):
        w = Who(dice, i + 1, base)
        if kind == "hostile":
            name = dice.choice(harmless)
            w.p = dict(wb.tricks(service, w.v, f"2001:db8:beef::{i:x}", now))[name] or "x"
        times = {"attackers": lambda: dice.randrange(6, 13), "hostile": lambda: dice.randrange(6, 9),
                 "people": lambda: dice.randrange(1, 6), "slow": lambda: 12}[kind]()
        begin, step = (now - 3600, 300) if kind == "slow" else (now - 240 + dice.randrange(0, 60), 14)
        if service == "sshd":
            yield w, begin, sshd_first(w, begin)
        for k in range(times):
            yield w, begin + k * step, FAILURES[service](w, begin + k * step)


def make(dice, now):
    sets = {s: Set(s) for s in SERVICES + ["mixed"]}
    for number, service in enumerate(SERVICES):
        for k, (kind, n) in enumerate(MANY.items()):
            base = 16 + number * 8 + k
            for w, t, records in people_of(dice, service, kind, n, base, now):
                add_one(sets, service, w, t, records)
                for s in (sets[service], sets["mixed"]):
                    s.kinds[w.a] = kind
                    if kind in ("attackers", "hostile"):
                        s.truth.add(w.a)
            for s in (sets[service], sets["mixed"]):
                s.counts[kind] += n
        for i in range(8):
            w = Who(dice, 200 + number * 8 + i, 90 + number)  # victims of their own
            for k in range(8):
                add_one(sets, service, w, now - 200 + k * 10, claims(service, w, now - 200 + k * 10))
        w = Who(dice, 0, 99)  # the last: who waits for a ban of it has seen all
        w.v6, w.a, w.p = False, SENTINELS[service], "z"
        for k in range(8):
            add_one(sets, service, w, now - 1, FAILURES[service](w, now - 1))
    return sets


def write(sets, folder):
    for s in sets.values():
        s.path = os.path.join(folder, s.name + ".log")
        with open(s.path, "w", encoding="utf-8", newline="") as f:
            f.write("".join(text + "\n" for _, _, text in sorted(s.lines)))


# ---- trailwarden ----

def trailwarden(binary, s, folder, now):
    banned, took = set(), 0.0
    for channel in SERVICES if s.name == "mixed" else [s.name]:
        begin = time.monotonic()
        done = subprocess.run([binary, "replay", "--json", "--channel", channel, s.path],
                              capture_output=True)
        took += time.monotonic() - begin
        if done.returncode:
            sys.exit(f"replay of {s.path}: {done.stderr.decode()[:400]}")
        for line in done.stdout.decode().split("\n"):
            alert = json.loads(line) if line else {}
            if alert.get("ban", {}).get("address") and alert.get("trust") != "forgeable":
                banned.add(alert["ban"]["address"])
    return banned, took


# ---- fail2ban: its own filter for sshd, and anchored ones for the others ----

HEAD = {"file": r"^\s*", "mixed": r"^\s*\S+ %s\[\d+\]: "}
F2B = {
    "openvpn": ("ovpn-server", r"<ADDR>(?::\d+)? TLS Auth Error: Auth Username/Password verification "
                               r"failed for peer$", ""),
    "xray": ("xray", r"(?:%(stamp)s )?from (?:tcp:)?\[?<ADDR>\]?:\d+ rejected  proxy/(?:vless/encoding: invalid "
                     r"request user id|trojan: not a valid user)", ""),
    "api": ("api", r'\{.*"message": "login_failed".*"client_ip": "<ADDR>"\}$',
            r'"timestamp": "%%Y-%%m-%%d %%H:%%M:%%S'),
    "laravel": ("laravel", r'\{"message":"Failed login attempt","context":\{.*"ip":"<ADDR>"\},"level"',
                r'"datetime":"%%Y-%%m-%%dT%%H:%%M:%%S'),
}


def fail2ban_filter(service, mixed):
    tag, text, date = F2B[service]
    text = text.replace("%(stamp)s", r"\S+ \S+")
    head = HEAD["mixed"] % tag if mixed else HEAD["file"]
    out = "[Definition]\nfailregex = " + (head + text).replace("%", "%%") + "\n"
    if date and not mixed:
        out += f"datepattern = {date}\n"
    return out


def fail2ban_config(sets, folder):
    conf = os.path.join(folder, "fail2ban")
    for d in ("filter.d", "action.d"):
        os.makedirs(os.path.join(conf, d), exist_ok=True)
    for f in ("common.conf", "sshd.conf"):
        shutil.copy(os.path.join("/etc/fail2ban/filter.d", f), os.path.join(conf, "filter.d"))

    def put(name, text):
        with open(os.path.join(conf, name), "w", encoding="utf-8") as f:
            f.write(text)
    put("action.d/write.conf", "[Definition]\nactionban = echo <name> <ip> >> " +
        os.path.join(folder, "fail2ban.banned") + "\nactionunban =\nactionstart =\nactionstop =\n")
    put("fail2ban.conf", "[Definition]\nloglevel = ERROR\nlogtarget = %s\nsyslogsocket = auto\n"
        "socket = %s\npidfile = %s\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 1\n[Thread]\n"
        "stacksize = 0\n" % tuple(os.path.join(folder, "fail2ban." + x) for x in ("log", "sock", "pid")))
    jails = ["[DEFAULT]\nmaxretry = %d\nfindtime = %d\nbantime = 1h\nbackend = polling\nusedns = no\n"
             "ignoreself = false\nlogencoding = utf-8\nenabled = true\naction = write[name=%%(__name__)s]\n"
             % (THRESHOLD, WINDOW)]
    for s in sets.values():
        for service in SERVICES if s.name == "mixed" else [s.name]:
            jail = f"{s.name}-{service}"
            if service == "sshd":
                name = "sshd"
            else:
                name = jail
                put(f"filter.d/{jail}.conf", fail2ban_filter(service, s.name == "mixed"))
            jails.append(f"[{jail}]\nfilter = {name}\nlogpath = {s.path} head\n")
    put("jail.conf", "\n".join(jails))
    return conf


def read_bans(folder):
    path, out = os.path.join(folder, "fail2ban.banned"), collections.defaultdict(set)
    for line in open(path, encoding="utf-8") if os.path.exists(path) else []:
        if len(line.split()) == 2:
            jail, ip = line.split()
            out[jail].add(str(ipaddress.ip_address(ip)))
    return out


def fail2ban(sets, folder):
    """{set: banned}; every jail has banned its sentinel, or the wait is over."""
    conf = fail2ban_config(sets, folder)
    names = ["-s", os.path.join(folder, "fail2ban.sock"), "-p", os.path.join(folder, "fail2ban.pid")]
    begin = time.monotonic()
    server = subprocess.Popen(["fail2ban-server", "-f", "-c", conf, *names, "start"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=dict(os.environ, TZ="UTC"))
    jails = [(s.name, x) for s in sets.values() for x in (SERVICES if s.name == "mixed" else [s.name])]
    waiting, seen, quiet = set(jails), None, 0
    try:
        while time.monotonic() - begin < 240 and server.poll() is None and quiet < 4:
            time.sleep(1)
            bans = read_bans(folder)
            waiting = {j for j in waiting if SENTINELS[j[1]] not in bans["-".join(j)]}
            total = sum(map(len, bans.values()))
            quiet = quiet + 1 if not waiting and total == seen else 0
            seen = total
        took = time.monotonic() - begin
    finally:
        server.terminate()
        server.wait(30)
    if waiting:
        log = os.path.join(folder, "fail2ban.log")
        print(f"fail2ban did not ban the last of {sorted(waiting)}: "
              + (open(log, encoding="utf-8").read()[-600:] if os.path.exists(log) else "no log"))
    bans = read_bans(folder)
    return {s.name: set().union(*(bans[f"{s.name}-{x}"] for j, x in jails if j == s.name))
            for s in sets.values()}, took


# ---- SEC: one rule for a service ----

SEC_PATTERNS = {
    "sshd": r"sshd\[\d+\]: Failed \S+ for (?:invalid user )?.* from (\S+) port \d+ ssh2$",
    "openvpn": r"(?:^\S+ \S+ |ovpn-server\[\d+\]: )((?:\d+\.){3}\d+|[0-9a-fA-F:]+)(?::\d+)? TLS Auth Error: Auth "
               r"Username\/Password verification failed for peer$",
    "xray": r"(?:^|xray\[\d+\]: )\S+ \S+ from (?:tcp:)?\[?([0-9a-fA-F.:]+?)\]?:\d+ rejected  proxy\/",
    "api": r'(?:^|api\[\d+\]: )\{.*"message": "login_failed".*"client_ip": "([^"]*)"\}$',
    "laravel": r'(?:^|laravel\[\d+\]: )\{"message":"Failed login attempt","context":\{.*"ip":"([^"]*)"\},"level"',
}


def sec(s, folder):
    conf, out = (os.path.join(folder, f"sec-{s.name}.{x}") for x in ("conf", "out"))
    with open(conf, "w", encoding="utf-8") as f:
        for service in SERVICES if s.name == "mixed" else [s.name]:
            f.write(f"type=SingleWithThreshold\nptype=RegExp\npattern={SEC_PATTERNS[service]}\n"
                    f"desc={service} $1\naction=write {out} $1\nwindow={WINDOW}\nthresh={THRESHOLD}\n\n")
    begin = time.monotonic()
    done = subprocess.run(["sec", f"--conf={conf}", f"--input={s.path}", "--fromstart", "--notail",
                           "--intevents"], capture_output=True, timeout=240)
    took = time.monotonic() - begin
    if done.returncode:
        print(f"sec ended with {done.returncode}: {done.stderr.decode()[-300:]}")
    found = set()
    for line in open(out, encoding="utf-8", errors="replace") if os.path.exists(out) else []:
        try:
            found.add(str(ipaddress.ip_address(line.strip())))
        except ValueError:
            found.add(line.strip())
    return found, took


# ---- the whole ----

def score(s, banned, tool, reasons):
    banned = {x for x in banned if x not in SENTINELS.values()}
    missed, extra = s.truth - banned, banned - s.truth
    kinds = collections.Counter("missed " + s.kinds[x] for x in missed) + \
        collections.Counter("extra " + s.kinds.get(x, "victims") for x in extra)
    if kinds:
        reasons.append(f"{tool}, {s.name}: " + ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())))
    return len(missed), len(extra)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("scratch")
    p.add_argument("--short", action="store_true")
    p.add_argument("--seed", type=int, default=20261121)
    p.add_argument("--table", action="store_true", help="print it for docs/fail2ban.md")
    a = p.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    now = int(time.time()) - 2
    sets = make(random.Random(a.seed), now)
    write(sets, a.scratch)
    results, reasons = {"trailwarden": {}}, []
    for s in sets.values():
        banned, took = trailwarden(a.binary, s, a.scratch, now)
        results["trailwarden"][s.name] = (*score(s, banned, "trailwarden", reasons), took)
    if not a.short:
        if shutil.which("fail2ban-server") and os.path.exists("/etc/fail2ban/filter.d/sshd.conf"):
            bans, took = fail2ban(sets, a.scratch)
            results["fail2ban"] = {n: (*score(sets[n], bans[n], "fail2ban", reasons), took) for n in sets}
        else:
            reasons.append("fail2ban is not installed")
        if shutil.which("sec"):
            results["SEC"] = {}
            for s in sets.values():
                banned, took = sec(s, a.scratch)
                results["SEC"][s.name] = (*score(s, banned, "SEC", reasons), took)
        else:
            reasons.append("SEC is not installed")
    form = "| %s |" if a.table else "%s"
    cells = ["log", "lines", "to be banned", "not to be banned"] + \
        [f"{t}: missed, extra" for t in results]
    print(form % " | ".join(cells))
    if a.table:
        print(form % " | ".join("---" for _ in cells))
    for s in sets.values():
        row = [s.name, str(len(s.lines)), str(len(s.truth)),
               str(s.counts["people"] + s.counts["slow"])]
        row += ["%d, %d" % r[s.name][:2] for r in results.values()]
        print(form % " | ".join(row))
    for r in reasons:
        print(r)
    print(f"seed {a.seed}; seconds: " + ", ".join(
        "%s %.1f" % (t, max(x[2] for x in r.values()) if t == "fail2ban" else sum(x[2] for x in r.values()))
        for t, r in results.items()))
    mine = results["trailwarden"].values()
    return 1 if any(m or e for m, e, _ in mine) else 0


if __name__ == "__main__":
    sys.exit(main())
