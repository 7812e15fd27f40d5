"""The figures of a security report once more, out of the segments alone, by another program.

usage: report.py TRAIL REPORT.json       compares
       report.py --oscal FILE SCHEMA     validates OSCAL; exit 77 without jsonschema
"""
import collections
import glob
import json
import re
import sys


def entries(trail):
    for path in sorted(glob.glob(trail + "/log/*.jsonl")):
        with open(path, encoding="utf-8") as f:
            for line in f:
                yield json.loads(line)


def personal(entry, name):
    return json.loads(entry["pii"][name][1]) if name in entry.get("pii", {}) else None


def first(value):
    return value[0] if isinstance(value, list) else value


FAILED = {"login_failed", "auth_blocked", "cert_rejected"}
ACCOUNT = {"user_added", "user_changed", "user_removed", "account_locked"}


def survey(trail, begin, end):
    out = collections.Counter()
    levels, rules, sources = (collections.Counter() for _ in range(3))
    channels = collections.defaultdict(collections.Counter)
    for e in entries(trail):
        when = e["time"] if e["type"] in ("alert", "event") else e["t"]
        if not begin <= when < end:
            continue
        out["type " + e["type"]] += 1
        if e["type"] == "alert":
            levels[e["level"]] += 1
            rules[e["rule"]] += 1
            source = first(personal(e, "events")[-1]["fields"].get("source.ip"))
            if source:
                sources[source] += 1
        if e["type"] == "event":
            action = e["action"]
            kind = "failed" if action in FAILED else "good" if action == "login_ok" else \
                "account" if action in ACCOUNT else action
            out[kind] += 1
            channels[e["channel"]][kind] += 1
        if e["type"] in ("ban.order", "ban.add") and e.get("state", "sent") == "sent":
            out["bans"] += 1
    return out, levels, rules, sources, channels


def blocks(report):
    return {b["name"]: b for s in report["sections"] for b in s["blocks"]}


def value(cell):
    return cell["number"] if cell["number"] is not None else cell["text"]


def compare(trail, path):
    with open(path, encoding="utf-8") as f:
        report = json.load(f)
    out, levels, rules, sources, channels = survey(trail, report["from"], report["to"])
    found = blocks(report)
    figures = found["figures"]["figures"]
    wanted = {
        "alerts": sum(levels.values()),
        "alerts_high": levels["high"] + levels["critical"],
        "logins_failed": out["failed"],
        "logins_good": out["good"],
        "bans": out["bans"],
        "privileges": out["priv_change"],
        "accounts": out["account"],
    }
    assert sum(wanted.values()) > 20, wanted
    for name, n in wanted.items():
        assert figures[name]["number"] == n, (name, figures[name], n)
    rows = lambda table: [{k: value(v) for k, v in r["cells"].items()} for r in found[table]["rows"]]
    assert {r["level"]: r["alerts"] for r in rows("levels") if r["alerts"]} == dict(levels)
    told = {r["id"]: r["alerts"] for r in rows("rules")}
    assert told and all(rules[k] == n for k, n in told.items()), told
    assert sum(told.values()) + found["rules"]["rows_left"] == sum(rules.values()) or len(told) < len(rules)
    for r in rows("sources"):
        assert sources[r["source"]] == r["alerts"], r
    for r in rows("logins"):
        if r["known"] == "each event":
            assert channels[r["channel"]]["failed"] == r["failed"], r
            assert channels[r["channel"]]["good"] == r["good"], r
    print("the same:", wanted)


def oscal(path, schema):
    try:
        import jsonschema
    except ImportError:
        print("no python3-jsonschema")
        return 77
    def plain(o):  # Python's expressions have no classes of Unicode
        if isinstance(o, dict):
            return {k: re.sub(r"\(\\p\{L\}\|\\p\{N\}\|\[(.*?)\]\)", r"[\\w\1]", v).replace(r"(\p{L}|_)", r"[^\W\d]")
                    if k == "pattern" and isinstance(v, str) else plain(v) for k, v in o.items()}
        return [plain(x) for x in o] if isinstance(o, list) else o
    with open(schema, encoding="utf-8") as f, open(path, encoding="utf-8") as g:
        validator, document = jsonschema.Draft7Validator(plain(json.load(f))), json.load(g)
    faults = [(list(e.path), e.message[:200]) for e in validator.iter_errors(document)]
    assert not faults, faults[:5]
    del document["assessment-results"]["import-ap"]
    assert list(validator.iter_errors(document)), "the schema takes everything"
    print("valid")
    return 0


if sys.argv[1] == "--oscal":
    sys.exit(oscal(sys.argv[2], sys.argv[3]))
compare(sys.argv[1], sys.argv[2])
