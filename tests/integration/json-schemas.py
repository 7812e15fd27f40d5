#!/usr/bin/env python3
"""Every document that the program prints in JSON validates against its schema."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError:
    print("skipped: python3-jsonschema and python3-yaml are not there")
    sys.exit(77)

program, source = os.environ["TW_BIN"], os.environ["TW_SOURCE"]
bad = 0
seen = 0


def schema(name):
    with open(os.path.join(source, "schemas", name + ".json")) as f:
        s = json.load(f)
    jsonschema.Draft202012Validator.check_schema(s)
    return jsonschema.Draft202012Validator(s)


def run(*args, stdin=None, code=0, err=False):
    r = subprocess.run([program, *args], input=stdin, capture_output=True, text=True)
    if r.returncode != code:
        print("FAIL:", args, "ended with", r.returncode, r.stderr[:500])
        sys.exit(1)
    return r.stderr if err else r.stdout


def validate(name, text, least=1):
    global bad, seen
    validator = schema(name)
    documents = [json.loads(line) for line in text.splitlines() if line.strip()]
    if len(documents) < least:
        print("FAIL: %s: %d documents, at least %d were expected" % (name, len(documents), least))
        bad += 1
    for d in documents:
        seen += 1
        for e in list(validator.iter_errors(d))[:3]:
            print("FAIL: %s: %s: %s" % (name, "/".join(map(str, e.path)), e.message[:300]))
            bad += 1


with tempfile.TemporaryDirectory() as folder:
    samples = [os.path.join(source, "contrib", "samples", c + ".log")
               for c in ("api", "hysteria", "laravel", "openvpn", "xray", "xui")]
    config = os.path.join(folder, "c.yaml")
    with open(config, "w") as f:
        f.write("state: %s/state\nhost: s.example\nchannels:\n" % folder)
        for s in samples:
            name = os.path.basename(s)[:-4]
            f.write("  %s: {audit: all, inputs: [{type: file, path: %s, from: begin}]}\n" % (name, s))
        f.write("notifiers:\n  mail: {type: email, from: a@b.example, to: [c@d.example], directory: %s/mail}\n" % folder)
        f.write("  disk: {type: file, path: %s/alerts.jsonl}\n" % folder)
        f.write("bans: {backend: dry-run, max_age: 0s}\n")
        f.write("trail: {anchors: [{type: file, path: %s}]}\n" % folder)
    validate("alert", run("replay", "--json", *samples), 15)
    validate("stats", run("replay", "--json", "--stats", *samples, err=True))
    validate("init", run("trail", "init", "--json", "--config", config))
    run("run", "--once", "--quiet", "--config", config)
    validate("alert", run("alerts", "list", "--json", "--config", config), 15)
    with open(os.path.join(folder, "alerts.jsonl")) as f:
        sent = f.read()
    validate("alert", sent, 15)  # with the trail's checkpoint
    if '"checkpoint":"' not in sent:
        print("FAIL: no alert in the file has a checkpoint")
        bad += 1
    validate("status", run("status", "--json", "--config", config))
    listed = run("alerts", "list", "--json", "--config", config).splitlines()
    for line in listed[:3]:
        assert json.loads(line)["state"] in ("open", "resolved"), line
        shown = run("alerts", "show", "--json", json.loads(line)["id"][:12], "--config", config)
        validate("alert-show", shown)
        validate("alert", json.dumps(json.loads(shown)["alert"]))
    validate("outbox", run("notify", "list", "--json", "--config", config), 15)
    validate("outbox-show", run("notify", "show", "1", "--json", "--config", config))
    validate("receiver", run("notify", "receivers", "--json", "--config", config), 3)
    validate("silence", run("silences", "list", "--json", "--config", config), 0)
    validate("ban", run("bans", "list", "--all", "--json", "--config", config), 1)
    validate("ban", run("bans", "export", "--format", "json", "--config", config), 0)
    banned = json.loads(run("bans", "history", "--json", "--config", config).splitlines()[0])
    shown = run("bans", "show", str(banned["id"]), "--json", "--config", config)
    validate("ban-show", shown)
    validate("alert", json.dumps(json.loads(shown)["alert"]))
    validate("ban-import", run("bans", "import", "-", "--list", "x", "--for", "1h", "--dry-run", "--json", "--config", config,
                               stdin="192.0.2.1\n"))
    validate("notify-test", run("notify", "test", "--json", "--config", config), 2)
    dry = run("notify", "test", "disk", "--dry-run", "--json", "--config", config)
    validate("notify-test", dry)
    validate("alert", json.loads(dry)["text"])
    validate("state", run("state", "show", "--json", "--config", config))
    validate("state-export", run("state", "export", "--config", config), 100)
    validate("verify", run("trail", "verify", "--json", "--config", config))
    validate("anchor", run("trail", "anchor", "--json", "--config", config))
    validate("trail-prune", run("trail", "prune", "--keep", "1d", "--json", "--config", config))
    validate("trail-erase", run("trail", "erase", "--subject", "user=admin", "--dry-run", "--json", "--config", config))
    entries = run("trail", "show", "--json", "--config", config)
    validate("entry", entries, 100)
    # `audit: all` keeps each event, whole, in the personal part of its entry.
    events = [json.loads(e)["pii"]["event"][1] for e in entries.splitlines() if '"type":"event"' in e]
    validate("event", "\n".join(events), 100)
    validate("version", run("version", "--json"))
    validate("rule", run("rules", "list", "--json"), 30)
    foreign = os.path.join(folder, "windows.yml")
    with open(foreign, "w") as f:
        f.write("title: W\nid: w\nlogsource: {product: windows}\n"
                "detection: {a: {User|expand: '%admins%'}, condition: a}\n")
    idle = run("rules", "list", "--json", "--no-library", foreign)
    assert json.loads(idle)["reason"], idle
    validate("rule", idle)
    rules = [json.loads(line) for line in run("rules", "list", "--json").splitlines()]
    for rule in rules[:12]:
        validate("rule-show", run("rules", "show", "--json", rule["id"]))
    validate("rule-test", run("rules", "test", "--json"), 50)
    validate("rule-stats", run("rules", "stats", "--json"))
    validate("rule-stats", run("rules", "stats", "--json", *samples))
    validate("check", run("rules", "lint", "--json"))
    validate("rule-import", run("rules", "import", "--json", foreign, "--all", "--to", folder + "/sigma"))
    line = '2026/11/21 01:38:59 WARNING - failed login: username="r", IP="203.0.113.66", reason="x"\n'
    validate("explain", run("explain", "--json", "--channel", "xui", stdin=line))
    followed = run("explain", "--json", "--config", config, stdin=line * 6)
    validate("explain", followed)
    explained = json.loads(followed)
    validate("alert", "\n".join(json.dumps(a["alert"]) for a in explained["alerts"]))
    assert explained["lines"] == 6 and explained["windows"] and explained["earlier"], followed
    first = next(r for r in rules if r["title"].startswith("xui: more than 5"))
    validate("explain-at", run("explain", "--json", "--config", config, "--at", "2026-11-21T01:45:00Z",
                               "--rule", first["id"]))
    changes = run("replay", "--json", "--against", foreign, *samples)
    validate("replay-against", changes)
    changes = run("replay", "--json", "--no-library", "--rules", foreign, "--against",
                  os.path.join(source, "rules", "library", "xui"), *samples)
    validate("replay-against", changes, 3)
    validate("alert", "\n".join(json.dumps(json.loads(c)["alert"]) for c in changes.splitlines()[:-1]), 2)
    routed = os.path.join(folder, "routed.yaml")
    with open(routed, "w") as f:
        f.write("notifiers:\n  a: {type: file, path: %s/a, quiet: '00:00-24:00', rate: 20/1m, digest_over: 3, rule_rate: none}\n" % folder)
        f.write("  b: {type: file, path: %s/b}\n" % folder)
        f.write("routes:\n  - {name: r, when: {level: critical, field: {source.ip: 10.0.0.0/8}}, notify: b}\n")
        f.write("  - {notify: a, group: [rule, source.ip], wait: 30s, repeat: 1h, escalate: [{after: 5m, notify: [b]}], continue: true}\n")
        f.write("inhibit: [{source: {rule: x}, target: {tag: '*'}}]\n")
        f.write("maintenance: [{hours: '00:00-24:00'}, {from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z'}]\n")
        f.write("digests: [{every: week, day: Tue, at: '06:30', notify: [a, b]}]\n")
    validate("notify-route", run("notify", "route", "--json", "--config", routed, "-", stdin=sent, code=10), 15)
    validate("notify-route", run("notify", "route", "--json", "--config", config, "-", stdin=sent), 15)
    validate("notify-route", run("notify", "route", "--json", "--config", routed, "--tree"))
    validate("check", run("check", "--json", "--config", config))
    broken = os.path.join(folder, "broken.yaml")
    with open(broken, "w") as f:
        f.write("notifers: 1\nchannels: {xui: {inputs: [{type: fiel}]}}\n")
    validate("check", run("check", "--json", "--config", broken, code=78))

    # The configuration's own schema: valid, up to date, and true of the example.
    text = run("config", "schema")
    stored = os.path.join(source, "schemas", "config.json")
    if os.environ.get("TW_BLESS"):
        with open(stored, "w") as f:
            f.write(text)
    with open(stored) as f:
        if f.read() != text:
            print("FAIL: schemas/config.json is stale: trailwarden config schema > schemas/config.json")
            bad += 1
    validator = schema("config")
    for path in (os.path.join(source, "contrib", "trailwarden.yaml"), config, routed):
        with open(path) as f:
            for e in list(validator.iter_errors(yaml.safe_load(f)))[:3]:
                print("FAIL: %s: %s: %s" % (path, "/".join(map(str, e.path)), e.message[:300]))
                bad += 1
    if validator.is_valid({"trail": {"anchors": [{"type": "fiel", "path": "/"}]}}):
        print("FAIL: the schema takes an anchor of an unknown type")
        bad += 1
    for wrong in ({"routes": [{"notify": "a", "escalate": [{"after": 5}]}]}, {"priorities": {"hgh": "a"}},
                  {"inhibit": [{"source": {}}]}, {"maintenance": [{"hour": "Sat"}]}, {"digests": [{"notify": "a", "every": "month"}]}):
        if validator.is_valid(wrong):
            print("FAIL: the schema takes", wrong)
            bad += 1
    with open(broken) as f:
        if validator.is_valid(yaml.safe_load(f)):
            print("FAIL: the schema takes a broken configuration")
            bad += 1
    shutil.rmtree(os.path.join(folder, "state"))

print("%d documents, %d faults" % (seen, bad))
sys.exit(1 if bad else 0)
