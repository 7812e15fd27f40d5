#!/usr/bin/env python3
"""Logs of a fleet of any size, from a seed: the same bytes for the same seed and size.

usage: generate.py FOLDER [--bytes SIZE] [--seed N]

A file for each of six channels (SHARES of the bytes). One record in MATTERS is a failed
login or a probe, the rest is what a service writes all day. Times go on evenly with the
bytes, in all files alike, so that the files are merged as a fleet's would be; a gigabyte
is six hours, whatever the size asked for. A record is never cut, so a file is longer than
asked for by less than one. Prints what was written as JSON, with the number of failed
logins: what a reader of the file must find."""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import time

SHARES = {"api": 30, "xray": 20, "nginx": 20, "openvpn": 10, "laravel": 10, "xui": 10}
MATTERS = 200
US_PER_GB = 6 * 3600 * 1000000
BEGIN = 1795219200  # 2026-11-21 00:00:00 UTC
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
]
PATHS = ["/v1/items/%d", "/v1/subscriptions/%d/usage", "/v1/nodes/%d/load", "/v1/orders/%d", "/static/app.%d.js"]
CODES = [200] * 930 + [304] * 49 + [404] * 20 + [502]  # drawn evenly


def size_of(text):
    """64MB, 1G, 300000: a number of bytes."""
    m = re.fullmatch(r"(\d+)\s*([KMG]?)B?", text.upper())
    if not m:
        raise argparse.ArgumentTypeError("'%s' is no size like 64MB" % text)
    return int(m.group(1)) * UNITS[m.group(2)]


class Dice:
    """Numbers of a seed; random() is the one method whose numbers Python promises to keep."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def below(self, n):
        return int(self.random() * n)

    def of(self, pool):
        return pool[int(self.random() * len(pool))]


class Fleet:
    """Who is there: users, hosts, their addresses, and strangers."""

    def __init__(self, dice):
        self.users = ["user%d@example.net" % i for i in range(3000)]  # each from an address of its own
        self.hosts = ["www%d.example.com" % i for i in range(2000)]
        self.clients = ["198.51.%d.%d" % (100 + i // 250, 1 + i % 250) for i in range(3000)]
        self.strangers = ["203.0.%d.%d" % (113 + dice.below(4), 1 + dice.below(254)) for _ in range(400)]
        self.ids = ["%032x" % int(dice.random() * 2**52) for _ in range(4096)]


def api(d, f, day, second, us, matters):
    ip = d.of(f.strangers if matters else f.clients)
    if matters:
        what = '"level":"warning","logger":"panel.security","message":"login_failed","username":"%s","reason":"bad_password"' \
            % d.of(f.users)
    else:
        path, code = d.of(PATHS) % d.below(100000), d.of(CODES)
        what = ('"level":"info","logger":"uvicorn.access","message":"%s:%d - \\"GET %s HTTP/1.1\\" %d",'
                '"method":"GET","path":"%s","status_code":%d,"duration_ms":%d.%03d,"bytes":%d' % (
                    ip, 1024 + us % 60000, path, code, path, code, 1 + us % 97, us % 1000, 200 + us % 40000))
    return '{"timestamp":"%sT%s.%06dZ",%s,"client_ip":"%s","request_id":"%s","node":"fra-%d","user_agent":"%s"}\n' % (
        day, second, us, what, ip, d.of(f.ids), us % 12, AGENTS[us % 3])


def xray(d, f, day, second, us, matters):
    t = "%s %s.%06d" % (day.replace("-", "/"), second, us)
    if matters:
        return "%s from %s:%d rejected  proxy/vless/encoding: invalid request user id\n" % (
            t, d.of(f.strangers), 1024 + us % 60000)
    who = d.below(len(f.clients))
    return "%s from %s:%d accepted tcp:%s:443 [inbound-443 >> direct] email: %s\n" % (
        t, f.clients[who], 1024 + us % 60000, d.of(f.hosts), f.users[who])


OPENVPN = [
    "%s %s:%d VERIFY OK: depth=0, O=Example Fleet, CN=%s\n",
    "%s %s:%d peer info: IV_VER=2.6.14 # %s\n",
    "%s %s:%d TLS: tls_multi_process: initial untrusted session promoted to trusted, %s\n",
    "%s %s:%d Data Channel: cipher 'AES-256-GCM', peer-id: 0, %s\n",
    "%s %s:%d Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384, peer certificate: 256 bits %s\n",
]


def openvpn(d, f, day, second, us, matters):
    t = day + " " + second
    if matters:
        return "%s %s:%d TLS Auth Error: Auth Username/Password verification failed for peer\n" % (
            t, d.of(f.strangers), 1024 + us % 60000)
    return d.of(OPENVPN) % (t, d.of(f.clients), 1024 + us % 60000, f.users[us % 3000])


LARAVEL = [
    '[%s %s] production.INFO: Order synchronised {"order_id":%d,"user_id":%d,"server":"fra-3"} \n',
    '[%s %s] production.DEBUG: Query ran {"ms":%d.25,"rows":%d} \n',
    '[%s %s] production.INFO: Traffic collected {"inbound":%d,"clients":%d,"panel":"https://panel.example.net"} \n',
]
STACK = ('[%s %s] production.ERROR: Undefined array key "plan" {"userId":%d,"exception":"[object] (ErrorException'
         '(code: 0): Undefined array key \\"plan\\" at /var/www/app/app/Services/Orders.php:%d)\n[stacktrace]\n'
         + "".join("#%d /var/www/app/vendor/framework/src/Pipeline/Pipeline.php(%d): handle()\n" % (n, 30 + n)
                   for n in range(24)) + '#24 {main}\n"} \n')


def laravel(d, f, day, second, us, matters):
    if matters:
        return ('[%s %s] production.WARNING: Failed login attempt {"email":"%s","ip":"%s","user_agent":"curl/8.0"} \n'
                % (day, second, d.of(f.users), d.of(f.strangers)))
    text = STACK if d.below(100) == 0 else d.of(LARAVEL)
    return text % (day, second, 1 + us % 90000, d.below(1000))


XUI = [
    "%s %s INFO - XRAY: infra/conf/serial: Reading config: stdin: %s\n",
    "%s %s DEBUG - traffic collected for client %s\n",
    "%s %s INFO - subscription served to %s\n",
    "%s %s DEBUG - online clients refreshed, last %s\n",
]


def xui(d, f, day, second, us, matters):
    day = day.replace("-", "/")
    if matters:
        return '%s %s WARNING - failed login: username="root", IP="%s", reason="invalid credentials"\n' % (
            day, second, d.of(f.strangers))
    return d.of(XUI) % (day, second, f.users[us % 3000])


def nginx(d, f, day, second, us, matters):
    t = "%s/Nov/%s:%s +0000" % (day[8:], day[:4], second)
    if matters:
        return '%s - - [%s] "GET /.env HTTP/1.1" 404 153 "-" "Mozilla/5.0"\n' % (d.of(f.strangers), t)
    return '%s - - [%s] "GET %s HTTP/2.0" %d %d "https://%s/" "%s"\n' % (
        d.of(f.clients), t, d.of(PATHS) % d.below(100000), d.of(CODES), 200 + us % 40000, d.of(f.hosts),
        AGENTS[us % 3])


def write(path, make, size, us_per_byte, seed):
    """One file; how many bytes, lines, and records that matter."""
    dice, fleet = Dice(seed), Fleet(Dice(seed))
    written = lines = found = 0
    last, day, second = -1, "", ""
    with open(path, "w", newline="\n") as out:
        while written < size:
            s, us = divmod(int(written * us_per_byte), 1000000)
            if s != last:
                last, now = s, time.gmtime(BEGIN + s)
                day, second = time.strftime("%Y-%m-%d", now), time.strftime("%H:%M:%S", now)
            matters = dice.below(MATTERS) == 0 or written == 0  # the first one tells the format
            text = make(dice, fleet, day, second, us, matters)
            out.write(text)
            written += len(text)  # ASCII alone
            lines += text.count("\n")
            found += matters
    return {"bytes": written, "lines": lines, "matter": found}


def seed_of(channel, seed):
    return seed * 100 + list(SHARES).index(channel)


def generate(folder, size, seed):
    told = {}
    for channel, share in SHARES.items():
        told[channel] = write(os.path.join(folder, channel + ".log"), globals()[channel], size * share // 100,
                              US_PER_GB * 100 / share / 1e9, seed_of(channel, seed))
    with open(os.path.join(folder, "manifest.json"), "w") as f:
        json.dump(told, f)
    return told


def version():
    """Changes whenever this file does: data of another generator is never taken for its own."""
    with open(os.path.abspath(__file__), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:12]


def forget_former(where):
    """Data of another generator is of no use to anybody."""
    for name in os.listdir(where):
        m = re.fullmatch(r"\d+-\d+-([0-9a-f]{12})", name)
        if m and m.group(1) != version():
            shutil.rmtree(os.path.join(where, name), ignore_errors=True)


def cached(size, seed, where=None):
    """The folder with the files, made at the first call; and what is in it."""
    where = where or os.environ.get("TW_BENCH_DATA") or os.path.join(
        os.environ.get("TMPDIR", "/tmp"), "trailwarden-bench-%d" % os.getuid())
    folder = os.path.join(where, "%d-%d-%s" % (size, seed, version()))
    manifest = os.path.join(folder, "manifest.json")
    if not os.path.exists(manifest):
        os.makedirs(where, mode=0o700, exist_ok=True)
        forget_former(where)
        part = "%s.%d.part" % (folder, os.getpid())
        os.mkdir(part)
        generate(part, size, seed)
        os.rename(part, folder)  # whole or not at all
    with open(manifest) as f:
        return folder, json.load(f)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--bytes", type=size_of, default=10**9, metavar="SIZE", help="default 1G")
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    print(json.dumps(generate(a.folder, a.bytes, a.seed)))


if __name__ == "__main__":
    main()
