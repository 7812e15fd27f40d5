"""No line that a stranger can shape bans anybody but the stranger.

    wrong-bans.py TRAILWARDEN SCRATCH [SEED [--daemon]]

Each channel has writers: what the service makes of what a client sends, with the service's own
escapes (docs/formats.md, docs/threat-model.md). Each trick goes through every writer, eleven times in
a minute and a half, from an address of its own; the addresses that the tricks name belong to victims. One
replay a channel; then

 - a ban of anybody but the attacker of a case is a wrong ban: there must be none;
 - a writer marked BAN must lead to a ban of the attacker for every trick, one marked TOLD to an
   alert that names the attacker, without a ban; CLAIM lines name nobody but the victim: nothing
   may come of them;
 - LIMIT is what one line cannot show (docs/threat-model.md): there the wrong ban must come, or the
   page is wrong.

With --daemon the same logs go through `run` as well, with all processes, default settings and bans
that are only written down: it bans whom replay names, and nobody else.
"""
import collections
import html
import json
import os
import random
import subprocess
import sys
import time
import urllib.parse

BAN, TOLD, CLAIM, QUIET, LIMIT = "ban", "told", "claim", "quiet", "limit"
T0 = 1795225200  # 2026-11-21 01:40:00 UTC
TIMES = 11
EVERY = 8


class Writer:
    """write(case, t) gives lines as the service writes them; case has a (attacker), v, p (payload)."""

    def __init__(self, channel, name, expect, write, file="log", only=None, told=None, lost=None):
        self.channel, self.name, self.expect, self.write = channel, name, expect, write
        self.file, self.only = file, only
        self.told = told  # tricks that make the line one that can be read in two ways
        self.lost = lost  # tricks that break it: it is none of the service's lines any more


class Case:
    def __init__(self, writer, trick, payload, a, v, port):
        self.writer, self.trick, self.p, self.a, self.v, self.port = \
            writer, trick, payload, a, v, port

    v6 = property(lambda self: ":" in self.a)

    def ep(self):
        return f"[{self.a}]:{self.port}" if self.v6 else f"{self.a}:{self.port}"

    def flat(self):
        """As uvicorn writes it."""
        return f"{self.a}:{self.port}"


# ---- what services do to a text ----

def visible(s):
    """sshd: control signs as \\012, other bytes of UTF-8 stay."""
    return "".join("\\%03o" % ord(c) if ord(c) < 32 or ord(c) == 127 else c for c in s)


def go_quote(s):
    return json.dumps(s)[1:-1].replace("/", "/")


def target(s):
    """A request target: what a client may send raw, all else in percent signs."""
    return "".join(c if "!" <= c <= "~" else urllib.parse.quote(c, safe="") for c in s)


def header(s):
    """A header's value has no line breaks and no NUL."""
    return "".join(c for c in s if c not in "\r\n\0")


def nginx(s):
    """nginx, escape=default."""
    return "".join("\\x%02X" % b if b < 32 or b > 126 or b in b"\"\\" else chr(b)
                   for b in s.encode("utf-8", "replace"))


def nginx_user(s):
    """Basic authentication ends the name at the first colon."""
    return s.split(":")[0].replace("\0", "")


def under(s):
    """OpenVPN: control signs of names become _."""
    return "".join("_" if ord(c) < 32 or ord(c) == 127 else c for c in s)


def monolog(s):
    """Laravel's LineFormatter: JSON in which line breaks come back."""
    return json.dumps(s, ensure_ascii=False)[1:-1].replace("\\n", "\n").replace("\\r", "\r")


def octal(s):
    """rsyslog writes control signs as #012."""
    return "".join("#%03o" % ord(c) if ord(c) < 32 else c for c in s)


# ---- times ----

def iso(t, f="%Y-%m-%d %H:%M:%S"):
    return time.strftime(f, time.gmtime(t))


def slash(t):
    return iso(t, "%Y/%m/%d %H:%M:%S")


def bsd(t):
    return iso(t, "%b %e %H:%M:%S")


def clf(t):
    return iso(t, "%d/%b/%Y:%H:%M:%S +0000")


# ---- one genuine failure of an address in each channel: what a stranger would like to write ----

def waf_record(a, p, t):
    """ModSecurity 3: headers may stand there twice, and a client names them."""
    name = json.dumps(header(p)[:900] or "x", ensure_ascii=False)  # a longer one hides the record
    value = json.dumps(p, ensure_ascii=False)
    return ('{"transaction":{"client_ip":"%s","time_stamp":"%s","client_port":40022,"request":{"method":'
            '"GET","uri":%s,"body":%s,"headers":{"X-Forwarded-For":%s,"X-Forwarded-For":%s,%s:%s}},'
            '"response":{"http_code":403},"producer":{"secrules_engine":"Enabled"},"messages":[{"message":'
            '"x","details":{"match":%s,"ruleId":"942100","data":%s,"severity":"2"}}]}}'
            % (a, iso(t, "%a %b %e %H:%M:%S %Y"), json.dumps(target(p)), value, value, value, name, value,
               value, value))


def waf_coraza(a, p, t):
    return json.dumps({"transaction": {
        "timestamp": slash(t), "client_ip": a, "client_port": 40022, "is_interrupted": True,
        "request": {"method": "GET", "uri": target(p), "headers": {header(p)[:900] or "x": [p]},
                    "args": {p[:900] or "x": [p], "client_ip": [p]}, "body": p},
        "response": {"status": 403}, "producer": {"rule_engine": "On"}},
        "messages": [{"message": "x", "data": {"id": 942100, "severity": 2, "data": p}}]},
        ensure_ascii=False)


def waf_error(a, p, uri, t):
    return (f"{slash(t)} [error] 812#812: *7 [client {a}] ModSecurity: Access denied with code 403 (phase 2). "
            f"Matched \"Operator `Rx' against variable `ARGS:x' (Value: `{p}' ) [file \"/etc/x.conf\"] "
            f"[line \"80\"] [id \"949110\"] [msg \"x\"] [data \"{p}\"] [severity \"2\"] [uri \"{uri}\"], "
            f'client: {a}, server: shop.example, request: "GET /x HTTP/1.1"')


def hexed(s):
    """ModSecurity: bytes that do not print as \\xhh."""
    return "".join("\\x%02x" % b if b < 32 or b > 126 else chr(b) for b in s.encode())


def genuine(channel, v, t):
    u = "uuid-of-nobody"
    return {
        "api": [f'INFO:     {v}:40001 - "POST /auth/login HTTP/1.1" 401 Unauthorized',
                json.dumps({"timestamp": iso(t) + ",000", "level": "WARNING",
                            "message": "login_failed", "username": "root", "client_ip": v}),
                f"level=warning msg=login_failed user=root ip={v}"],
        "hysteria": [json.dumps({"level": "debug", "time": t * 1000.0, "msg": "masquerade request",
                                 "addr": f"{v}:40001", "method": "POST", "host": "hysteria",
                                 "url": "/auth", "quic": True})],
        "xray": [f"{slash(t)}.000000 from {v}:40001 rejected  proxy/vless/encoding: invalid request "
                 f"user id: {u}"],
        "openvpn": [f"{iso(t)} {v}:40002 TLS Auth Error: Auth Username/Password verification failed "
                    "for peer",
                    f"{v}:40002 TLS Auth Error: Auth Username/Password verification failed for peer"],
        "xui": [f'{slash(t)} WARNING - failed login: username="root", IP="{v}", '
                'reason="invalid credentials"',
                f'WARNING - failed login: username="root", IP="{v}", reason="invalid credentials"'],
        "laravel": [f'[{iso(t)}] production.WARNING: Failed login attempt {{"email":"a@b.example",'
                    f'"ip":"{v}"}} ',
                    json.dumps({"message": "Failed login attempt",
                                "context": {"email": "a@b.example", "ip": v}, "level": 300,
                                "level_name": "WARNING", "channel": "production",
                                "datetime": iso(t, "%Y-%m-%dT%H:%M:%S") + ".000000+00:00",
                                "extra": {}}, separators=(",", ":"))],
        "sshd": [f"{bsd(t)} vpn1 sshd[812]: Failed password for root from {v} port 40022 ssh2",
                 f"Failed password for root from {v} port 40022 ssh2"],
        "nginx": [f'{v} - admin [{clf(t)}] "GET /.env HTTP/1.1" 401 153 "-" "x"',
                  f'{slash(t)} [error] 812#812: *7 user "admin": password mismatch, client: {v}, '
                  'server: shop.example, request: "GET / HTTP/1.1", host: "shop.example"'],
        "waf": [waf_record(v, "x", t), waf_error(v, "x", "x", t)],
        "fail2ban": [f"{iso(t)},123 fail2ban.actions        [812]: NOTICE  [sshd] Ban {v}"],
    }[channel]


# Pieces that end what a channel's text stands in, and go on as its own.
CLOSERS = {
    "api": ['"%20HTTP/1.1"%20401', '" 401 Unauthorized', ' HTTP/1.1" 401 Unauthorized\t{v}:1 - "',
            '","client_ip":"{v}","x":"', '\\","client_ip":"{v}", "', '\\u0022,"ip":"{v}'],
    "hysteria": ['","addr":"{v}:1","x":"', '\\","addr":"{v}:1', '\t{{"addr": "{v}:1"}}'],
    "xray": ["{v}:1 rejected  proxy/trojan: not a valid user", "[Info] from {v}:1 rejected  x"],
    "openvpn": ["x/{v}:4444 TLS Auth Error: Auth Username/Password verification failed for peer",
                "{v}:4444 TLS Auth Error: Auth Username/Password verification failed for peer",
                "udp4:{v}:4444 TLS Auth Error: Auth Username/Password verification failed for peer",
                "a/udp6:[{w}]:4 TLS Auth Error: Auth Username/Password verification failed for peer",
                "[AF_INET]{v}:4444 TLS Auth Error: peer provided a blank username",
                "/{v}:4 VERIFY ERROR: depth=0, error=x: CN=y, serial=1",
                ", CN=z, serial=1' /{v}:9 VERIFY ERROR: depth=0, error=a: CN=b, serial=2",
                "{v}:1 Peer Connection Initiated with root"],
    "xui": ['", IP="{v}", reason="invalid credentials"', '\\", IP="{v}", reason="x',
            '", password: "x", IP: "{v}"'],
    "laravel": ['","ip":"{v}","x":"', '\\","ip":"{v}', '"}} {{"ip":"{v}"}} ', ' {{"ip":"{v}"}} '],
    "sshd": ["x from {v} port 22 ssh2", "x from {v} port 22 ssh2: RSA SHA256:abc",
             "x from {v} port 22 ssh2: RSA-CERT SHA256:abc ID y",
             "x from {v} port 22 ssh2: RSA-CERT SHA256:abc ID y (serial 0) CA RSA SHA256:d",
             "root rhost={v}", "x {v} port 22: Too many authentication failures [preauth]",
             "x from {v} not allowed because listed in DenyUsers"],
    "nginx": ['": password mismatch, client: {v}, server: x', '" was not found in "/x", client: {v}, s',
              "x, client: {v}, server: y", '" 401 0 "-" "-"', '\\x22,"remote_addr":"{v}'],
    "waf": ['"}},"client_ip":"{v}","x":{{"y":"', '\\"}},"transaction":{{"client_ip":"{v}"',
            '[client {v}] ModSecurity: Access denied with code 403 (phase 2). x [file "x"] [line "1"] '
            '[id "1"] [msg "y"]', '] [client {v}] [', '"] [hostname "{v}"], client: {v}'],
    "fail2ban": ["[sshd] Ban {v}"],
}


def tricks(channel, v, w, t):
    """(name, text): w is the victim's IPv6 address."""
    a = [int(x) for x in v.split(".")]
    number = a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3]
    yield "plain", "root"
    yield "empty", ""
    for name, text in [
            ("address", v), ("address and port", f"{v}:4444"), ("IPv6", w), ("brackets", f"[{w}]:443"),
            ("v4-mapped", f"::ffff:{v}"), ("v4-mapped in hex", f"::ffff:{number >> 16:x}:{number & 65535:x}"),
            ("octal", ".".join("0%o" % x for x in a)), ("hex", "0x%08x" % number),
            ("integer", str(number)), ("short form", f"{a[0]}.{number & 0xffffff}"),
            ("zone", f"fe80::1%eth0 {w}%eth0"), ("masked", f"{a[0]}.{a[1]}.*.*"),
            ("key=value", f"ip={v} client_ip={v} addr={v}:1 rhost={v} client: {v},"),
            ("forwarded first", f"{v}, 10.0.0.1"), ("forwarded last", f"10.0.0.1, {v}"),
            ("forwarded header", f'for={v};proto=https, for="[{w}]:1"'),
            ("from", f"x from {v}"), ("from and port", f"x from {v} port 22"),
            ("quotes", "\"'`\\"), ("quote at the end", f'{v}"'), ("backslash", "x\\"),
            ("braces", f'{{"ip":"{v}","client_ip":"{v}","addr":"{v}:1"}}'),
            ("half an object", f'{{"ip":"{v}"'), ("format signs", "%s%n%d{{.}}${jndi:ldap://" + v + "}"),
            ("long", "x" * 5000 + f" from {v} port 22 ssh2")]:
        yield name, text
    for i, text in enumerate(CLOSERS[channel]):
        yield f"closer {i + 1}", text.format(v=v, w=w)
    breaks = {"LF": "\n", "CR": "\r", "CRLF": "\r\n", "U+2028": "\u2028", "NEL": "\x85", "VT": "\v",
              "FF": "\f", "NUL": "\0", "ESC": "\x1b[2K\x1b[1G", "blanks": "   ", "literal \\n": "\\n"}
    for i, line in enumerate(genuine(channel, v, t)):
        yield f"a whole line {i + 1}", line
        for name, sign in breaks.items():
            yield f"{name} and a whole line {i + 1}", f"x{sign}{line}"
        yield f"LF around a whole line {i + 1}", f"x\n{line}\n"
        yield f"LF, a whole line {i + 1}, LF and a beginning", f"x\n{line}\n{BEGINS[channel]}"
        yield f"6 LF and whole lines {i + 1}", "x" + f"\n{line}" * 6 + f"\n{BEGINS[channel]}"
        yield f"300 LF and a whole line {i + 1}", "x" + "\n" * 300 + line
        yield f"quote, LF and a whole line {i + 1}", f'x"\n{line}'
        yield f"closed object, LF and a whole line {i + 1}", f'x"}} \n{line}'
    for other in CLOSERS:
        if other != channel:
            for i, line in enumerate(genuine(other, v, t)):
                yield f"LF and a line of {other} {i + 1}", f"x\n{line}"


# How a record begins: with one behind it, a line in the middle stands alone.
BEGINS = {"api": "INFO:     x", "hysteria": "x", "xray": "2026/11/21 01:40:00.000000 [Info] x",
          "openvpn": "2026-11-21 01:40:00 x", "xui": "2026/11/21 01:40:00 INFO - x",
          "laravel": "[2026-11-21 01:40:00] production.INFO: x", "sshd": "x",
          "nginx": "2026/11/21 01:40:00 [error] 812#812: x",
          "waf": "2026/11/21 01:40:00 [error] 812#812: x", "fail2ban": "x"}


def broken(name):
    return "LF" in name


# ---- the writers ----

def sshd_line(t, c, text):
    return f"{bsd(t)} vpn1 sshd[{c.port}]: {text}"


def api_json(c, t):
    return json.dumps({"timestamp": iso(t) + ",512", "level": "WARNING", "name": "app.security",
                       "message": "login_failed", "username": c.p, "client_ip": c.a,
                       "user_agent": c.p, "reason": "bad_password"})


def api_structlog(c, t):
    return json.dumps({"username": c.p, "user_agent": c.p, "forwarded_for": f"{c.v}, 10.0.0.1",
                       "client_ip": c.a, "event": "login_failed", "level": "warning",
                       "timestamp": iso(t, "%Y-%m-%dT%H:%M:%S") + ".000000Z"}, ensure_ascii=False)


def hysteria_json(c, t, msg, **more):
    return json.dumps({"level": "debug", "time": t * 1000.5, "msg": msg, "addr": c.ep(), **more},
                      ensure_ascii=False)


def hysteria_console(c, t, msg, **more):
    return (f"{iso(t, '%Y-%m-%dT%H:%M:%SZ')}\t\x1b[35mDEBUG\x1b[0m\t{msg}\t" +
            json.dumps({"addr": c.ep(), **more}, ensure_ascii=False))


def hysteria(form):
    def write(c, t):
        auth = {"method": "POST", "host": "hysteria", "url": "/auth", "quic": True}
        return [form(c, t, "masquerade request", method=header(c.p), host=header(c.p), url=target(c.p),
                     quic=False),
                form(c, t, "TCP error", id=c.p, reqAddr=c.p, error=c.p),
                form(c, t, "masquerade request", **auth)]
    return write


def openvpn_peer(c, version):
    if version == 27:
        return f"udp6:[{c.a}]:{c.port}" if c.v6 else f"udp4:{c.a}:{c.port}"
    return c.a if c.v6 else f"{c.a}:{c.port}"


AUTH_FAILED = "TLS Auth Error: Auth Username/Password verification failed for peer"


def openvpn(version, before):
    """`before`: what stands around the failure; {peer} {p}."""
    def write(c, t):
        peer = openvpn_peer(c, version)
        lines = [x.format(peer=peer, p=under(c.p)) for x in before] + [f"{peer} {AUTH_FAILED}"]
        return [f"{iso(t)} {x}" for x in lines]
    return write


def openvpn_cert(c, t):
    return (f"{iso(t)} {openvpn_peer(c, 26)} VERIFY ERROR: depth=0, error=certificate has expired: "
            f"O=x, CN={under(c.p)}, serial=1234")


def openvpn_named(c, t):
    """Somebody who has an account, and a name that the server took from the login."""
    peer = f"{under(c.p)}/{openvpn_peer(c, 26)}"
    return [f"{iso(t)} {peer} {x}" for x in
            ("AEAD Decrypt error: bad packet ID (may be a replay): [ #1 ]",
             "MULTI: bad source address from client [10.0.0.1], packet dropped",
             "TLS: soft reset sec=3600/3600 bytes=1/-1 pkts=1/0", "tun packet too large",
             AUTH_FAILED)]


def xui3(c, t):
    return (f'{slash(t)} WARNING - failed login: username="{go_quote(html.escape(c.p))}", '
            f'IP="{c.a}", reason="invalid credentials"')


def xui2(address):
    def write(c, t):
        name = c.p.replace("&", "&amp;").replace('"', "&#34;").replace("<", "&lt;")
        return f'{slash(t)} WARNING - wrong username: "{name}", password: "{name}", IP: "{address(c)}"'
    return write


def laravel_json(c, t):
    return json.dumps({"message": "Failed login attempt",
                       "context": {"email": c.p, "user_agent": c.p, "forwarded_for": c.v, "real_ip": c.v,
                                   "ip": c.a},
                       "level": 300, "level_name": "WARNING", "channel": "production",
                       "datetime": iso(t, "%Y-%m-%dT%H:%M:%S") + ".246951+00:00", "extra": {}},
                      separators=(",", ":"), ensure_ascii=False)


def laravel_text(c, t):
    return (f'[{iso(t)}] production.WARNING: Failed login attempt {{"email":"{monolog(c.p)}",'
            f'"forwarded_for":"{c.v}","ip":"{c.a}"}} ')


def laravel_message(c, t):
    """A query's text in the message of an exception: as it came."""
    return (f"[{iso(t)}] production.ERROR: SQLSTATE[HY000]: no such table (SQL: select * from users "
            f"where email = {c.p}) {{\"exception\":\"[object] (QueryException(code: 0): at /a.php:1)\n"
            f'[stacktrace]\n#0 /b.php(2): c()\n#1 {{main}}\n"}} ')


def nginx_access(c, t):
    p = nginx(c.p)
    path = target(c.p).replace('"', "\\x22").replace("\\", "\\x5C")
    return (f'{c.a} - - [{clf(t)}] "GET /.env?{path} HTTP/1.1" 404 153 "{p}" "{p}" "{p}"')


def nginx_basic(c, t):
    return f'{c.a} - {nginx(nginx_user(c.p)) or "-"} [{clf(t)}] "GET /admin/ HTTP/1.1" 401 188 "-" "x"'


def nginx_json(c, t):
    return json.dumps({"time_iso8601": iso(t, "%Y-%m-%dT%H:%M:%S+00:00"), "remote_addr": c.a,
                       "http_x_forwarded_for": header(c.p), "request_method": "GET",
                       "request_uri": "/.env?" + target(c.p), "status": 404, "body_bytes_sent": 1,
                       "http_user_agent": header(c.p)})


def nginx_error(text):
    def write(c, t):
        return (f"{slash(t)} [error] 812#812: *{c.port} " +
                text.format(a=c.a, u=nginx_user(c.p), h=header(c.p), p=c.p) +
                f', client: {c.a}, server: shop.example, request: "GET /x HTTP/1.1", '
                f'host: "shop.example", referrer: "{header(c.p)}"')
    return write


WRITERS = [
    Writer("api", "uvicorn, path and query", BAN, lambda c, t:
           f'INFO:     {c.flat()} - "POST /login?{target(c.p)} HTTP/1.1" 401 Unauthorized'),
    Writer("api", "python-json-logger", BAN, api_json),
    Writer("api", "structlog, with X-Forwarded-For", BAN, api_structlog),
    Writer("api", "uvicorn, address of a header", CLAIM, lambda c, t:
           f'INFO:     {c.v}:0 - "POST /login HTTP/1.1" 401 Unauthorized', only="plain"),
    Writer("api", "two members with addresses", CLAIM, lambda c, t: json.dumps(
        {"event": "login_failed", "client_ip": c.v, "remote_addr": c.a}), only="plain"),
    Writer("api", "JSON that is not escaped", CLAIM, lambda c, t:
           f'{{"event":"login_failed","user":"{c.p}","ip":"{c.a}"}}',
           only=lambda n: n in ("closer 4", "closer 5", "closer 6")),
    Writer("api", "text of the application between JSON", LIMIT, lambda c, t:
           f"{iso(t)},512 - app - WARNING - no such user {c.p}",
           only=lambda n: n in ("LF and a whole line 1", "LF and a whole line 2")),
    Writer("api", "rsyslog's file", BAN, lambda c, t: f"{bsd(t)} {c.v} api[1]: " + octal(api_json(c, t))),
    Writer("hysteria", "JSON", BAN, hysteria(hysteria_json)),
    Writer("hysteria", "console", BAN, hysteria(hysteria_console)),
    Writer("xray", "access log", BAN, lambda c, t: [
        f"{slash(t)}.000001 from {c.ep()} accepted http://{target(c.p) or 'x'}/ [in -> out] email: a@b",
        f"{slash(t)}.000002 from {c.ep()} rejected  proxy/vless/encoding: invalid request user id: 9"],
        file="access.log"),
    Writer("xray", "name of the server (SNI), error log", QUIET, lambda c, t:
           f"{slash(t)}.000003 [Info] transport/internet/tcp: REALITY: processed invalid connection "
           f"from {c.ep()}: server name mismatch: {c.p}", file="error.log"),
    Writer("xray", "forwarded header, error log", QUIET, lambda c, t:
           f'{slash(t)}.000004 [Error] common/protocol/http: ignored potentially forged '
           f'"X-Forwarded-For" from {c.ep()}: {header(c.p)}', file="error.log"),
    Writer("xray", "address of a header", CLAIM, lambda c, t:
           f"{slash(t)}.000005 from {c.v}:0 rejected  proxy/vless/encoding: invalid request user id: 9",
           file="access.log", only="plain"),
    Writer("xray", "address of a header among true ones", BAN, lambda c, t: [
        f"{slash(t)}.000005 from {x} rejected  proxy/vless/encoding: invalid request user id: 9"
        for x in (c.ep(), c.ep().rsplit(":", 1)[0] + ":0")], file="access.log", only="plain"),
    Writer("xray", "error log and access log on one output", LIMIT, lambda c, t:
           f"{slash(t)}.000006 [Info] transport/internet/tcp: REALITY: processed invalid connection "
           f"from {c.ep()}: server name mismatch: {c.p}", file="both.log",
           only="LF around a whole line 1"),
    Writer("openvpn", "2.6: peer info", BAN, openvpn(26, ["{peer} peer info: UV_X={p}"]),),
    Writer("openvpn", "2.7: peer info", BAN, openvpn(27, ["{peer} peer info: UV_X={p}"])),
    Writer("openvpn", "PAM", BAN, openvpn(26, [
        "PLUGIN AUTH-PAM: BACKGROUND: user '{p}' failed to authenticate: Authentication failure",
        "AUTH-PAM: BACKGROUND: user '{p}' failed to authenticate: Authentication failure"])),
    Writer("openvpn", "prefix of another client", BAN, openvpn(26, [
        "198.51.100.250:42003 TCP connection established with [AF_INET]{peer}",
        "Connection Attempt MULTI: Connection from {peer} would exceed new connection frequency limit"])),
    Writer("openvpn", "certificate", BAN, openvpn_cert, told=lambda n: n.startswith("closer")),
    Writer("openvpn", "name of somebody with an account", QUIET, openvpn_named),
    Writer("openvpn", "datagrams from an invented address", CLAIM, lambda c, t: [
        f"{iso(t)} TLS Error: {x} from [AF_INET]{c.v}:40006" for x in
        ("tls-crypt unwrapping failed", "incoming packet authentication failed",
         "cannot locate HMAC in incoming packet")] * 3, only="plain"),
    Writer("xui", "3.x", BAN, xui3),
    Writer("xui", "2.x", TOLD, xui2(lambda c: c.a), lost=broken),
    Writer("xui", "2.x, X-Real-IP", CLAIM, xui2(lambda c: c.v), only="plain"),
    Writer("xui", "3.0.0 and 3.0.1, X-Real-IP", LIMIT, lambda c, t:
           f'{slash(t)} WARNING - failed login: username="x", IP="{c.v}", reason="invalid credentials"',
           only="plain"),
    Writer("laravel", "JsonFormatter", BAN, laravel_json, file="json.log"),
    Writer("laravel", "LineFormatter, a value", TOLD, laravel_text),
    Writer("laravel", "LineFormatter, behind the address", TOLD, lambda c, t:
           f'[{iso(t)}] production.WARNING: Failed login attempt {{"ip":"{c.a}","email":"{monolog(c.p)}"}} '),
    Writer("laravel", "LineFormatter, a message", QUIET, laravel_message),
    Writer("laravel", "LineFormatter, 100 KB of a message", LIMIT, lambda c, t:
           f"[{iso(t)}] production.ERROR: no such user x" + "\n{}" * 33000 + "\n" +
           genuine("laravel", c.v, t)[1] + "\n" + BEGINS["laravel"], file="large.log", only="plain"),
    Writer("sshd", "user", BAN, lambda c, t: [
        sshd_line(t, c, f"Invalid user {visible(c.p)} from {c.a} port {c.port}"),
        sshd_line(t, c, f"Failed password for invalid user {visible(c.p)} from {c.a} port {c.port} ssh2"),
        sshd_line(t, c, "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh "
                        f"ruser= rhost={c.a}  user={visible(c.p)}"),
        sshd_line(t, c, f"Connection closed by invalid user {visible(c.p)} {c.a} port {c.port} [preauth]"),
    ]),
    Writer("sshd", "key", BAN, lambda c, t: sshd_line(
        t, c, f"Failed publickey for invalid user {visible(c.p)} from {c.a} port {c.port} ssh2: "
              "ED25519 SHA256:abcdef")),
    Writer("sshd", "ID of a certificate", TOLD, lambda c, t: sshd_line(
        t, c, f"Failed publickey for root from {c.a} port {c.port} ssh2: RSA-CERT SHA256:abc ID "
              f"{visible(c.p)} (serial 0) CA RSA SHA256:def")),
    Writer("sshd", "user with a certificate", QUIET, lambda c, t: sshd_line(
        t, c, f"Failed publickey for invalid user {visible(c.p)} from {c.a} port {c.port} ssh2: RSA-CERT "
              f"SHA256:abc ID {visible(c.p)} (serial 0) CA RSA SHA256:def")),
    Writer("sshd", "texts of a client", BAN, lambda c, t: [
        sshd_line(t, c, f"Received disconnect from {c.a} port {c.port}:11: {visible(c.p)} [preauth]"),
        sshd_line(t, c, f"Bad protocol version identification '{visible(c.p)}' from {c.a} port {c.port}"),
        sshd_line(t, c, 'error: kex_exchange_identification: client sent invalid protocol identifier '
                        f'"{visible(c.p)}"'),
        sshd_line(t, c, f"Failed password for root from {c.a} port {c.port} ssh2")]),
    Writer("sshd", "lines that can be forged among true ones", BAN, lambda c, t: [
        sshd_line(t, c, f"Failed password for root from {c.a} port {c.port} ssh2"),
        sshd_line(t, c, f"Failed publickey for root from {c.a} port {c.port} ssh2: RSA-CERT SHA256:abc ID x "
                        "(serial 0) CA RSA SHA256:def")], only="plain"),
    Writer("sshd", "a forged host in front", BAN, lambda c, t:
           f"<38>{bsd(t)} {c.v} sshd[1]: Failed password for root from {c.a} port {c.port} ssh2",
           only="plain"),
    Writer("nginx", "access log: path, referrer, agent, forwarded", BAN, nginx_access, file="access.log"),
    Writer("nginx", "access log: user", BAN, nginx_basic, file="access.log",
           only=lambda n: n not in ("empty", "v4-mapped", "v4-mapped in hex")),  # no name is left
    Writer("nginx", "access log in JSON", BAN, nginx_json, file="access.log"),
    Writer("nginx", "error log: user", TOLD, nginx_error('user "{u}": password mismatch'),
           file="error.log", lost=broken),
    Writer("nginx", "an error log under another name", LIMIT, nginx_error(
        'FastCGI sent in stderr: "PHP message: no such user {p}" while reading response header from '
        'upstream'), file="php.log", only="LF, a whole line 1, LF and a beginning"),
    Writer("waf", "ModSecurity, audit log", BAN, lambda c, t: waf_record(c.a, c.p, t)),
    Writer("waf", "ModSecurity, 300 headers", TOLD, lambda c, t: waf_record(c.a, c.p, t).replace(
        '"headers":{', '"headers":{' + "".join(f'"x{i}":"1",' for i in range(300))), only="plain"),
    Writer("waf", "Coraza, audit log", BAN, lambda c, t: waf_coraza(c.a, c.p, t)),
    Writer("waf", "error log", TOLD, lambda c, t: waf_error(c.a, hexed(c.p), hexed(c.p), t),
           file="error.log"),
    Writer("waf", "error log: errors of PHP", QUIET, nginx_error(
        'FastCGI sent in stderr: "PHP message: no such user {p}" while reading response header from '
        'upstream'), file="error.log"),
    Writer("nginx", "error log: errors of PHP", QUIET, nginx_error(
        'FastCGI sent in stderr: "PHP message: no such user {p}" while reading response header from '
        'upstream'), file="error.log"),
]


def chosen(writer, name):
    if writer.only is None:
        return True
    return writer.only(name) if callable(writer.only) else writer.only == name


class Addresses:
    """Attackers and victims, in v4 and v6, none twice."""

    def __init__(self):
        self.n = 0

    def next(self, dice):
        self.n += 1
        a = f"198.18.{self.n >> 8}.{self.n & 255}" if dice.random() < 0.7 else f"2001:db8:a::{self.n:x}"
        v = f"192.0.{2 + (self.n >> 8)}.{self.n & 255}" if self.n < 256 else \
            f"198.51.{100 + (self.n >> 8)}.{self.n & 255}"
        return a, v, f"2001:db8:beef::{self.n:x}"


def cases(channel, dice, addresses):
    for writer in WRITERS:
        if writer.channel != channel:
            continue
        names = [n for n, _ in tricks(channel, "192.0.2.1", "2001:db8::1", T0) if chosen(writer, n)]
        for name in names:
            a, v, w = addresses.next(dice)
            port = dice.randrange(1024, 65000)
            start = T0 + addresses.n * 2
            text = dict(tricks(channel, v, w, start + 10))[name]
            yield Case(writer, name, text, a, v, port), start


def write_logs(folder, channel, dice, addresses):
    made, lines = [], []
    for case, start in cases(channel, dice, addresses):
        made.append(case)
        for i in range(TIMES):
            out = case.writer.write(case, start + i * EVERY)
            for text in [out] if isinstance(out, str) else out:
                lines.append((start + i * EVERY, len(lines), case.writer.file, text))
    lines.sort()
    files = collections.defaultdict(list)
    for _, _, file, text in lines:
        files[file].append(text)
    paths = []
    for file, texts in files.items():
        path = os.path.join(folder, f"{channel}-{file}")
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write("".join(t + "\n" for t in texts))
        paths.append(path)
    return made, paths


def replay(binary, channel, path):
    done = subprocess.run([binary, "replay", "--json", "--channel", channel, path],
                          capture_output=True)
    if done.returncode not in (0,):
        sys.exit(f"replay of {path}: {done.returncode} {done.stderr.decode()[:500]}")
    return [json.loads(x) for x in done.stdout.decode().split("\n") if x]


def banned(alerts):
    return {a["ban"]["address"]: a for a in alerts if a.get("ban", {}).get("address")}


def named(alerts):
    return {g["value"] for a in alerts for g in a.get("group", []) if g["name"] == "source.ip"} | \
           {e.get("fields", {}).get("source.ip") for a in alerts for e in a.get("events", [])}


def run_daemon(binary, scratch, channels):
    """Whom `run` would ban: {address}. Refused ones (forgeable) are not among them."""
    config, out = os.path.join(scratch, "config.yaml"), os.path.join(scratch, "would-ban")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"state: {scratch}/state\nbans: {{backend: dry-run, max_age: 0s, ipv6_prefix: 128, rate: 1000000, file: {out}}}\nchannels:\n")
        for channel, paths in channels.items():
            f.write(f"  {channel}:\n    inputs:\n")
            f.writelines(f"      - {{type: file, path: {p}, from: begin}}\n" for p in paths)
    done = subprocess.run([binary, "run", "--once", "--quiet", "--config", config], capture_output=True,
                          timeout=300)
    if done.returncode:
        sys.exit(f"run: {done.returncode} {done.stderr.decode()[:500]}")
    text = open(out, encoding="utf-8").read() if os.path.exists(out) else ""
    return {line.split("would ban ")[1].split()[0] for line in text.split("\n") if "would ban " in line}


def judge(case, bans, names):
    """None, or what is wrong with it."""
    w, own = case.writer, case.a in bans
    expect = w.expect
    if w.told and w.told(case.trick):
        expect = TOLD
    if w.lost and w.lost(case.trick):
        expect = QUIET
    if expect == LIMIT:
        return None if case.v in bans else "the limit is none: nobody was banned"
    if expect == BAN and not own:
        return "the attacker is not banned"
    if expect == TOLD and not own and case.a not in names:
        return "the attacker is not told"
    if expect == TOLD and own and w.expect == TOLD:
        return "a ban where the line can be forged"
    return None


def main():
    binary, scratch = sys.argv[1], sys.argv[2]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20261121
    dice, addresses = random.Random(seed), Addresses()
    wrong = faults = total = 0
    table, files, all_bans = [], {}, set()
    for channel in CLOSERS:
        made, paths = write_logs(scratch, channel, dice, addresses)
        if not made:
            continue
        alerts = [a for p in paths for a in replay(binary, channel, p)]
        bans, names = banned(alerts), named(alerts)
        files[channel] = paths
        all_bans |= set(bans)
        allowed = {c.a for c in made if c.writer.expect in (BAN, TOLD, QUIET)} | \
                  {c.v for c in made if c.writer.expect == LIMIT}
        owner = {c.v: c for c in made}
        for address, alert in bans.items():
            if address not in allowed:
                wrong += 1
                c = owner.get(address)
                print(f"WRONG BAN {channel}: {address} by '{alert['rule']['title']}'" +
                      (f" ({c.writer.name}: {c.trick})" if c else "") +
                      f"\n    {alert['events'][-1].get('raw', '')[:300]!r}")
        for c in made:
            total += 1
            fault = judge(c, bans, names)
            if fault:
                faults += 1
                print(f"FAULT {channel}, {c.writer.name}: {c.trick} ({c.a}): {fault}")
        for w in (w for w in WRITERS if w.channel == channel):
            mine = [c for c in made if c.writer is w]
            table.append((channel, w.name, w.expect, len(mine), sum(c.a in bans for c in mine)))
    if "--daemon" in sys.argv:
        for address in run_daemon(binary, scratch, files) ^ all_bans:
            faults += 1
            print(f"FAULT {address} is banned by " + ("replay alone" if address in all_bans else "run alone"))
    for row in table:
        print("%-10s %-48s %-6s %3d tricks, %3d attackers banned" % row)
    print(f"seed {seed}: {total} cases, {wrong} wrong bans, {faults} faults")
    return 1 if wrong or faults or not total else 0


if __name__ == "__main__":
    sys.exit(main())
