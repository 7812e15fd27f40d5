"""Entries of every kind, as the trail has them: siem-entries.py [COUNT [SEED]]."""
import json
import random
import sys

ACTIONS = """login_failed login_ok logout auth_blocked cert_rejected account_locked password_reset
user_added user_removed user_changed priv_change admin_action provision_ok provision_failed
conn_open conn_close conn_status session_replaced handshake_done tcp_accept conn_rejected
tls_failure probe rate_limited ip_limit suspicious ip_blocked ip_unblocked access access_denied
access_blocked access_error access_notfound config_changed service_start service_stop
service_error job_failed something_new""".split()
TYPES = """alert ban.order ban.skipped delivery act silence.add daemon.start daemon.stop
daemon.restart daemon.reload config.refused heartbeat clock.step trail.contradicted trail.prune
trail.anchor key.epoch pii.erase disk.full disk.room source.start source.lost source.gap
source.silent source.blind source.unreadable source.resync input.failed forward.dead x.y""".split()
SALT = "AAAAAAAAAAAAAAAAAAAAAA"


def fields(rng, action):
    out = {"event.action": action, "event.module": "api", "trailwarden.trust": "line"}
    maybe = {
        "user.name": "alice", "user.target.name": "bob", "user.roles": ["admin", "ops"],
        "source.ip": rng.choice(["203.0.113.7", "2001:db8::7"]), "source.port": "40001",
        "source.geo.country_iso_code": "DE", "source.geo.city_name": "Berlin",
        "source.geo.location.lat": "52.52", "source.geo.location.lon": "-13.4",
        "source.as.number": "64500", "source.as.organization.name": "Example AS",
        "event.outcome": rng.choice(["success", "failure", "unknown"]),
        "event.reason": "bad password", "destination.address": "203.0.113.1",
        "destination.port": "443", "http.request.method": rng.choice(["GET", "PATCH", "BREW"]),
        "http.response.status_code": "403", "url.original": "/a?b=c|d", "url.path": "/a",
        "user_agent.original": "curl/8", "log.level": "warning", "host.name": "vpn1",
        "message": "a message", "service.name": "api.service", "geo.speed_kmh": "900.5",
        "trailwarden.session": "s1", "trailwarden.until": "2026-11-21T02:00:00Z",
        "something.else": "x", "odd\"name\\": "y", "process.pid": "12",
    }
    for name, value in maybe.items():
        if rng.random() < 0.6:
            out[name] = value
    return out


def event(rng, action, second):
    return {"time": f"2026-11-21T01:42:{second % 60:02}.000000Z", "channel": "api",
            "format": "api", "input": "/var/log/api.log", "key": f"{'ab' * 16}-{second}",
            "trust": rng.choice(["line", "record", "forgeable"]), "flags": [],
            "raw": f'{{"n":{second},"message":"raw \\" text"}}', "fields": fields(rng, action)}


def entry(rng, i):
    kind = rng.choice(["event"] * 40 + TYPES)
    out = {"i": i, "t": f"2026-11-21T23:{i // 60 % 60:02}:{i % 60:02}.000000Z", "type": kind}
    pii = {}
    if kind == "event":
        action = ACTIONS[i % len(ACTIONS)]
        e = event(rng, action, i)
        out.update(channel="api", time=e["time"], action=action, key=e["key"])
        pii["event"] = json.dumps(e, separators=(",", ":"))
    elif kind == "alert":
        out.update(id="0f" * 16, rule="474c647e-d637-555b-8363-870820d2884c", title="A rule",
                   rule_sha256="ab" * 32, level=rng.choice(["informational", "low", "medium",
                                                            "high", "critical"]),
                   channel="api", time="2026-11-21T01:42:39.565000Z", count=6, backfill=False,
                   key=f"{'ab' * 16}-9", tags=["attack.t1110", "attack.credential-access"])
        pii["source.ip"] = "203.0.113.66"
        pii["events"] = json.dumps([event(rng, "login_failed", k) for k in range(3)],
                                   separators=(",", ":"))
    elif kind.startswith("ban."):
        out.update(id="0f" * 16, receiver="bans", state="sent", attempt=1)
        pii["address"] = "203.0.113.66"
    elif kind == "delivery":
        out.update(id="0f" * 16, receiver="ops", state=rng.choice(["sent", "dead"]), attempt=2,
                   status="http 400")
    line = json.dumps(out, separators=(",", ":"))
    if not pii:
        return line
    sd = json.dumps({n: "A" * 43 + "=" for n in pii}, separators=(",", ":"))
    behind = json.dumps({n: [SALT, v] for n, v in pii.items()}, separators=(",", ":"))
    return f'{line[:-1]},"sd":{sd}\t,"pii":{behind}}}'


count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
dice = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
for number in range(count):
    print(entry(dice, number))
