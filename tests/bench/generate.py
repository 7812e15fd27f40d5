#!/usr/bin/env python3
"""A log of N lines for each of four channels, in the proportions of a quiet fleet:
most lines are accesses, one in two hundred is a failed login. The same bytes for
the same N. usage: generate.py FOLDER LINES"""
import os
import random
import sys

folder, lines = sys.argv[1], int(sys.argv[2])
rnd = random.Random(7)
users = ["user%d@example.net" % i for i in range(500)]
hosts = ["www%d.example.com" % i for i in range(2000)]


def ip():
    return "198.51.%d.%d" % (rnd.randrange(100, 120), rnd.randrange(1, 255))


def stamp(i, fmt):
    s = i // 50
    return fmt % (1 + s // 86400 % 28, s // 3600 % 24, s // 60 % 60, s % 60)


def xray(i):
    t = stamp(i, "2026/11/%02d %02d:%02d:%02d")
    if rnd.random() < 0.005:
        return "%s.%06d from %s:%d rejected  proxy/vless/encoding: invalid request user id" % (
            t, i % 1000000, ip(), rnd.randrange(1024, 65535))
    return "%s.%06d from %s:%d accepted tcp:%s:443 [inbound-443 >> direct] email: %s" % (
        t, i % 1000000, ip(), rnd.randrange(1024, 65535), rnd.choice(hosts), rnd.choice(users))


def openvpn(i):
    t = stamp(i, "2026-11-%02d %02d:%02d:%02d")
    a = "%s:%d" % (ip(), rnd.randrange(1024, 65535))
    if rnd.random() < 0.005:
        return "%s %s TLS Auth Error: Auth Username/Password verification failed for peer" % (t, a)
    return rnd.choice([
        "%s %s TLS: Initial packet from [AF_INET]%s, sid=12121212 34343434",
        "%s %s VERIFY OK: depth=0, O=Example Fleet, CN=client, peer=%s",
        "%s %s peer info: IV_VER=2.6.14 %s",
        "%s %s Data Channel: cipher 'AES-256-GCM', peer-id: 0 %s",
    ]) % (t, a, a)


def hysteria(i):
    if rnd.random() < 0.005:
        return ('{"level":"debug","time":%d.5,"msg":"masquerade request","addr":"%s:%d","method":"POST",'
                '"host":"hysteria","url":"/auth","quic":true}') % (1795225175000 + i * 20, ip(), 40000)
    return '{"level":"debug","time":%d.25,"msg":"TCP request","addr":"%s:%d","id":"%s","reqAddr":"%s:443"}' % (
        1795225175000 + i * 20, ip(), rnd.randrange(1024, 65535), rnd.choice(users), rnd.choice(hosts))


def api(i):
    code, path = ("401 Unauthorized", "/auth/login") if rnd.random() < 0.005 else ("200 OK", "/v1/items/%d" % i)
    return 'INFO:     %s:%d - "GET %s HTTP/1.1" %s' % (ip(), rnd.randrange(1024, 65535), path, code)


for name, make in (("xray", xray), ("openvpn", openvpn), ("hysteria", hysteria), ("api", api)):
    with open(os.path.join(folder, name + ".log"), "w") as f:
        for i in range(lines):
            f.write(make(i) + "\n")
