#!/usr/bin/env python3
"""The same Sigma rules and events through trailwarden and through RSigma.

usage: rsigma-compare.py [PROGRAM] [--rsigma PATH] [--only cases,correlations,public,speed]
                         [--archive sigmahq.tar.gz] [--events N] [--verbose]

cases         tests/sigma/*.yaml: what is refused, and what matches
correlations  streams with times: which windows fire, and when
public        the public rules over their own regression events
speed         CPU time of both over the same rules and JSON events

A difference that KNOWN (below) does not name is told as new and makes the exit code 1;
docs/sigma.md explains the kinds. Without `rsigma` nothing is compared: exit code 77.
Python 3 alone is needed."""
import argparse
import collections
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))

# Kinds of differences: where (file of cases, "correlation" or "public") and whose name shows it; the first that fits.
KNOWN = [(kind, re.compile(where), re.compile(name)) for kind, where, name in (
    # What is refused.
    ("documents: faults in the head of a rule are let pass", "^01", "title|without logsource|logsource of only|product that is a list|date|status that|level that|"
     "taxonomy|tag|a day|references|falsepositives|two rules of one|same rule twice|reset ends|name is no id"),
    ("documents: a fault takes more with it", "^01", "a fault tells|broken YAML"),
    ("documents: empty ones are faults", "^01", "empty documents"),
    ("collections: the rule wins over action: global", "^01", "global document wins"),
    ("log sources: what an event lacks fits anything", "^02", "must fit|no channel"),
    ("keywords: texts only, no numbers or booleans", "^03-key", "numbers|booleans"),
    ("keywords: with modifiers the whole value, and one alone", "^03-key", "all keywords|letter case|in a network|beside fields"),
    ("values, keywords, conditions, filters: what means nothing is let pass", "^03|^05|^06|^04-modifiers-text",
     "keyword.*error|field name without modifiers|keywords (cannot|have no)|null .*error|empty .*is an error|(map|list) .*is an error|without anything|exists takes|"
     "without a match|is an error|without (rules|logsource)|of an empty list|null takes|re comes first"),
    ("values: numbers are compared as doubles", "^03-values|^04-modifiers-numbers", "as it is written|beyond 64|2\\^53|signed|roughly"),
    ("values: null among the members of an array", "^03-values", "array with null"),
    ("values: keys with dots inside objects", "^03-values", "dots three"),
    ("values: letters beyond ASCII", "^03-values", "Greek|Kelvin"),
    ("values: wildcards stop at a line feed", "^03-wild", "star is any run|lone star|question mark is one"),
    ("base64, wide: order, wildcards, nothing", "^04-modifiers-encoded", "takes no|is an error|of nothing|not encoded"),
    ("base64: of a number", "^04-modifiers-encoded", "of a number"),
    ("base64offset: the last characters", "^04-modifiers-encoded", "base64offset"),
    ("wide without base64", "^04-modifiers-encoded", "^(wide|utf16be) alone"),
    ("windash: which dashes", "^04-modifiers-encoded", "^windash"),
    ("windash: which dashes", "^public, made", "^8d63dadf"),  # its value begins with a slash
    ("expand: lists, or fields of the event", "^04-modifiers-fields|^06", "expand|placeholder|percent|empty list matches"),
    ("fieldref: null, arrays, no name", "^04-modifiers-fields", "^fieldref"),
    ("numbers: how a bound or a text may look", "^04-modifiers-numbers", "no number does|hexadecimal|not a number"),
    ("dates: by UTC; a bare date is none; no bounds", "^04-modifiers-numbers", "hour|offset|day|month|year|week|date|minute"),
    ("re: another engine", "^04-modifiers-re", "look behind|back reference|named group|last line feed"),
    ("cidr: bare and mapped addresses, host bits", "^04-modifiers-re", "bare address|mapped|host bits"),
    ("startswith and wildcards", "^04-modifiers-text", "^startswith"),
    ("all over a single value", "^04-modifiers-text", "^all over"),
    ("exists: null", "^04-modifiers-text", "^exists (wants|false)"),
    ("neq: a missing field", "^04-modifiers-text|^06", "^neq"),
    ("modifiers that say the same twice, or nothing", "^04-modifiers-text", "error"),
    ("conditions: operators in capitals", "^05", "capitals|mixed letters"),
    ("conditions: patterns", "^05", "two stars|lone star|underscore"),
    ("conditions: a selection called all", "^05", "called all"),
    ("filters: them", "^06", "^them"),
    # Correlations.
    ("correlations: at each event, or once", "correlation", "goes on"),
    ("correlations: one timespan apart; whole seconds", "correlation", "exactly|a little too far|in one second"),
    ("correlations: a missing group field is a group", "correlation", "group field"),
    ("correlations: rules without an id", "correlation", "no id"),
    ("correlations: upper bounds, not", "correlation", "equal to|fewer|range|and not another"),
    ("correlations: temporal without a condition", "correlation", "all rules in any"),
    ("correlations: one event, two steps", "correlation", "two steps"),
    ("correlations: sums are doubles", "correlation", "2\\^53"),
    ("correlations: percentiles are not compared", "correlation", "percentile"),
    ("correlations: median", "correlation", "median"),
    ("correlations: who tells", "correlation", "of a correlation"),
)]

# Our replay reads the raw line too, tells nothing for what only a correlation counts, and has no list of channels here.
OTHERWISE = ("a keyword is not looked for in field names", "null is no keyword's value", "a keyword may have wildcards",
             "a correlation is no part of a collection", "a source that no channel gives is never evaluated")

# ---- the case files: YAML's flow style and one level of blocks are all they use ----


class Flow:
    """Reads {...}, [...], 'single', "double" and plain scalars; every scalar is text."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def blanks(self):
        while self.at < len(self.text) and self.text[self.at] in " \n\t":
            self.at += 1

    def value(self, stops):
        self.blanks()
        c = self.text[self.at] if self.at < len(self.text) else ""
        if c == "{":
            return self.members()
        if c == "[":
            return self.items()
        if c == "'":
            return self.single()
        if c == '"':
            return self.double()
        return self.plain(stops)

    def members(self):
        out = {}
        self.at += 1
        self.blanks()
        while self.text[self.at] != "}":
            key = self.value(":")
            self.blanks()
            self.at += 1  # the colon
            out[key] = self.value(",}")
            self.comma()
        self.at += 1
        return out

    def items(self):
        out = []
        self.at += 1
        self.blanks()
        while self.text[self.at] != "]":
            out.append(self.value(",]"))
            self.comma()
        self.at += 1
        return out

    def comma(self):
        self.blanks()
        if self.text[self.at] == ",":
            self.at += 1
            self.blanks()

    def single(self):
        m = re.compile(r"'((?:[^']|'')*)'").match(self.text, self.at)
        self.at = m.end()
        return m.group(1).replace("''", "'")

    def double(self):
        m = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S).match(self.text, self.at)
        self.at = m.end()
        # YAML's own escapes that JSON lacks.
        names = {"0": "\0", "a": "\a", "v": "\v", "e": "\x1b", " ": " ", "'": "'"}
        body = re.sub(r'\\x([0-9a-fA-F]{2})', r'\\u00\1', m.group(1))
        body = re.sub(r'\\U([0-9a-fA-F]{8})', lambda u: chr(int(u.group(1), 16)), body)
        out, i = [], 0
        while i < len(body):
            if body[i] == "\\" and body[i + 1] in names:
                out.append(names[body[i + 1]])
                i += 2
            elif body[i] == "\\" and body[i + 1] == "u":
                out.append(chr(int(body[i + 2:i + 6], 16)))
                i += 6
            elif body[i] == "\\":
                out.append({"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(body[i + 1], body[i + 1]))
                i += 2
            else:
                out.append(body[i])
                i += 1
        return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16")

    def plain(self, stops):
        start = self.at
        while self.at < len(self.text):
            c = self.text[self.at]
            if c in stops and (c != ":" or self.text[self.at + 1:self.at + 2] in (" ", "\n")):
                break
            self.at += 1
        return self.text[start:self.at].strip()


def read_cases(path):
    """A list of cases: `- {...}` in one line, or `- name: ...` with indented lines."""
    cases = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.startswith("- {"):
                case = Flow(line[2:]).value("")
            elif line.startswith("- "):
                case = {}
                line = "  " + line[2:]
            if line.startswith("  ") and isinstance(case, dict):
                key, _, rest = line.strip().partition(":")
                case[key] = Flow(rest).value("")
            if line.startswith("- ") or "name" not in case or not line.startswith("  "):
                case["where"] = "%s:%d" % (os.path.basename(path), number)
                cases.append(case)
            elif line.startswith("  ") and len(case) == 1:
                case["where"] = "%s:%d" % (os.path.basename(path), number)
                cases.append(case)
    return cases


def indented(text, by):
    return "".join(by + line + "\n" for line in text.split("\n"))


def rule_text(case):
    """As tests/unit/test_sigma_cases.c makes it."""
    if "rules" in case:
        return case["rules"]
    head = "title: t\nlogsource: {product: test}\ndetection:\n"
    if "detection" in case:
        return head + indented(case["detection"], "    ")
    return head + "    s:\n" + indented(case.get("item", ""), "        ") + \
        "    condition: " + case.get("condition", "s") + "\n"


def watched_title(case, text):
    """The title of the rule that the case looks at."""
    documents = re.split(r"(?m)^---\s*$", text)
    key = case.get("rule")
    value = {}
    if re.search(r"(?m)^action: *global\ntitle:", text):
        return None  # the title itself is in question
    for d in documents:
        value.update({k: v.strip().strip("'\"") for k, v in re.findall(r"(?m)^(title|id|name): *(.*)$", d)})
        if key is None and not re.search(r"(?m)^(filter|action: *global)", d) or key is not None and key in value.values():
            return value.get("title")
    return None


# ---- the two programs ----


MARK = "\ue000"


def marked(event, number):
    """A field that names the event, in characters that no rule asks for."""
    text = event.strip()
    mark = json.dumps({MARK: "".join(chr(0xe100 + int(d)) for d in str(number))})[1:-1]
    return "{" + mark + ("" if text[1:].strip() == "}" else ",") + text[1:]


def number_of(event):
    return int("".join(str(ord(c) - 0xe100) for c in event[MARK]))


def number_of_raw(text):
    """From the beginning of a line, which may be cut."""
    return int("".join(c[-1] for c in re.findall(r"\\ue10\d", text[:text.index(",") if "," in text else None])))


class Result:
    def __init__(self):
        self.hits = collections.defaultdict(set)  # number of the event -> titles of rules
        self.ids = collections.defaultdict(set)  # the same with ids
        self.fired = []  # correlations: "title@second:value[group]"
        self.told = ""  # what the program said of the rules
        self.refused = False


def seconds(text):
    """Of the day: all streams here stay within one."""
    return sum(int(x) * f for x, f in zip(text[11:19].split(":"), (3600, 60, 1)))


def pairs(group):
    return group.items() if isinstance(group, dict) else group


class Trailwarden:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def prepare(self, rules, source, placeholders=None):
        """A configuration with one format: JSON lines of this log source."""
        formats = os.path.join(self.folder, "formats")
        os.makedirs(formats, exist_ok=True)
        with open(os.path.join(formats, "cases.yaml"), "w", encoding="utf-8") as f:
            f.write("format: cases\nsummary: JSON events\ntrust: record\nlogsource: %s\n"
                    "layouts:\n  - {name: json, kind: json}\nfields: {'@timestamp': time}\n" % json.dumps(source))
        config = os.path.join(self.folder, "config.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write("formats: {paths: [%s]}\nrules:\n  library: false\n  paths: %s\n" % (formats, json.dumps(rules)))
            if placeholders:
                f.write("  placeholders: %s\n" % json.dumps([placeholders]))
        return config

    def argv(self, config, events):
        return [self.program, "replay", "-c", config, "--channel", "cases", "--json", "--quiet", events]

    def check(self, config):
        return subprocess.run([self.program, "check", "-c", config], capture_output=True, text=True)

    def run(self, rules, events, source, placeholders=None):
        r = Result()
        config = self.prepare(rules, source, placeholders)
        done = subprocess.run(self.argv(config, events), capture_output=True, text=True)
        r.refused = done.returncode == 78
        if r.refused:
            r.told = done.stdout + done.stderr
            return r
        if done.returncode:
            sys.exit("trailwarden ended with %d: %s" % (done.returncode, done.stderr))
        for line in done.stdout.splitlines():
            alert = json.loads(line)
            rule = alert["rule"]
            if alert["window_s"]:
                group = ",".join(g["value"] for g in alert["group"])
                r.fired.append("%s@%d:%g[%s]" % (rule["title"], seconds(alert["time"]), alert["count"], group))
                continue
            for event in alert["events"]:
                number = number_of_raw(event["raw"])
                r.hits[number].add(rule["title"])
                r.ids[number].add(rule["id"])
        return r


class RSigma:
    def __init__(self, program):
        self.program = program

    def argv(self, rules, events, source, more=()):
        at = ",".join("%s=%s" % (k, v) for k, v in source.items() if v)
        return [self.program, "--output-format", "ndjson", "engine", "eval", "--rules", rules,
                "--event", "@" + events, "--logsource-routing", "--event-logsource", at] + list(more)

    def run(self, rules, events, source):
        r = Result()
        done = subprocess.run(self.argv(rules, events, source, ["--include-event"]), capture_output=True, text=True)
        r.told = done.stderr
        r.refused = bool(re.search(r"parse errors while loading|Error (loading|compiling)", done.stderr)) or done.returncode not in (0, 1)
        at = 0
        for line in done.stdout.splitlines():
            hit = json.loads(line)
            if "aggregated_value" in hit:  # it stands behind the matches of the event that it fired at
                group = ",".join(str(v) for _, v in pairs(hit["group_key"]))
                r.fired.append("%s@%d:%g[%s]" % (hit["rule_title"], at, hit["aggregated_value"], group))
                continue
            event = hit["event"]
            number = number_of(event)
            r.hits[number].add(hit["rule_title"])
            r.ids[number].add(hit.get("rule_id") or hit["rule_title"])
            at = seconds(event["@timestamp"]) if "@timestamp" in event else 0
        return r

    def lint(self, rules):
        """Whether its lint finds more than keys that a rule might have."""
        done = subprocess.run([self.program, "rule", "lint", rules], capture_output=True, text=True)
        return re.search(r"(error|warning)\[(?!missing_(level|description|author|status|id|date|tags|falsepositives))", done.stdout + done.stderr)


# ---- the cases ----


def events_of(case):
    """(text of the event, expected, log source or None) and how many cannot be written as a JSON line."""
    out, left = [], 0
    for key, want in (("yes", True), ("no", False)):
        for y in case.get(key, []):
            if isinstance(y, dict):
                if "raw" in y:
                    left += 1
                    continue
                out.append((y["event"], want, y.get("logsource")))
            else:
                out.append((y, want, None))
    for key, want in (("hit", True), ("miss", False)):
        for y in case.get(key, []):
            out.append((json.dumps({"f": y}), want, None))
    return out, left


def source_of(text):
    parts = (text or "test").split("/") + ["", ""]
    return {k: v for k, v in zip(("product", "category", "service"), parts) if v}


class Tally:
    def __init__(self, verbose):
        self.verbose = verbose
        self.kinds = collections.defaultdict(list)
        self.new = 0

    def difference(self, what, name, text):
        kind = next((k for k, at, of in KNOWN if at.search(what) and of.search(name)), None)
        if kind is None:
            self.new += 1
            print("  NEW %s: '%s': %s" % (what, name, text))
        elif self.verbose:
            print("  %s: '%s': %s" % (kind, name, text))
        self.kinds[kind or "not explained"].append(name)

    def table(self):
        for kind, names in sorted(self.kinds.items(), key=lambda i: -len(i[1])):
            print("  %4d  %s" % (len(names), kind))


def compare_cases(own, other, folder, tally):
    rules, events_path = os.path.join(folder, "t.yml"), os.path.join(folder, "e.ndjson")
    lists = os.path.join(folder, "placeholders.yaml")
    counts = collections.Counter()
    files = sorted(f for f in os.listdir(os.path.join(SOURCE, "tests/sigma")) if f.endswith(".yaml"))
    for case in [c for f in files for c in read_cases(os.path.join(SOURCE, "tests/sigma", f))]:
        counts["cases"] += 1
        text = rule_text(case)
        with open(rules, "w", encoding="utf-8", newline="") as f:
            f.write(text)
        with open(lists, "w", encoding="utf-8") as f:
            json.dump(case.get("placeholders", {}), f)
        title = watched_title(case, text)
        events, left = events_of(case)
        counts["events that are no JSON line"] += left
        wrong = []
        by_source = collections.defaultdict(list)
        for e in events:
            by_source[e[2]].append(e)
        if not events:
            by_source[None] = []
        for at, group in by_source.items():
            with open(events_path, "w", encoding="utf-8", newline="") as f:
                f.write("".join(marked(e[0], i) + "\n" for i, e in enumerate(group)))
            ours = own.run([rules], events_path, source_of(at), lists)
            theirs = other.run(rules, events_path, source_of(at))
            if bool(case.get("error")) != ours.refused:
                counts["load otherwise than the case says (ours)"] += 1
                print("  OURS %s '%s': %s" % (case["where"], case["name"], ours.told))
            for i, (event, want, _) in enumerate(group):
                counts["events"] += 1
                got = title in theirs.hits[i] if title else bool(theirs.hits[i])
                mine = title in ours.hits[i] if title else bool(ours.hits[i])
                if not ours.refused and mine != want and case["name"] not in OTHERWISE:
                    counts["events otherwise than the case says (ours)"] += 1
                    print("  OURS %s '%s': %s gives %s" % (case["where"], case["name"], event, mine))
                if got != want:
                    wrong.append("%s %s" % ("only ours matches" if want else "only RSigma matches", event))
                else:
                    counts["events judged alike"] += 1
        if case.get("error"):
            counts["faulty rules"] += 1
            if theirs.refused:
                counts["faulty rules refused by both"] += 1
            else:
                counts["faulty rules that only its lint tells of"] += bool(other.lint(rules))
                wrong.insert(0, "only ours refuses (%s)" % (case["error"],))
        elif theirs.refused:
            wrong.insert(0, "only RSigma refuses: " + " ".join(theirs.told.split())[:200])
        if wrong:
            tally.difference(case["where"], case["name"], "; ".join(wrong))
        else:
            counts["cases alike"] += 1
    for k, v in counts.items():
        print("  %5d  %s" % (v, k))


# ---- correlations ----

BASE = "".join(
    "title: %s\nid: 00000000-0000-4000-8000-00000000000%d\nname: %s\nlogsource: {product: test}\n"
    "detection: {s: {action: %s}, condition: s}\n---\n" % (n, i, n, n) for i, n in enumerate(("f", "ok", "x")))
COUNT3 = "correlation: {type: event_count, rules: [f], group-by: [ip], timespan: 60s, condition: {gte: 3}}"
CORRELATION_ID = "id: 00000000-0000-4000-8000-000000000010\n"


def stream(text):
    """'1000 f ip=a; 1001.5 ok': seconds of the day, action, fields (a number stays one)."""
    out = []
    for step in text.split(";"):
        words = step.split()
        at = float(words[0])
        event = {"@timestamp": "2026-11-21T%02d:%02d:%06.3fZ" % (at // 3600, at % 3600 // 60, at % 60), "action": words[1]}
        for word in words[2:]:
            key, value = word.split("=")
            event[key] = json.loads(value) if re.fullmatch(r"-?[\d.]+", value) else value
        out.append(event)
    return out


# name, the correlation (title r), the stream
CORRELATIONS = [
    ("a count is reached", COUNT3, "1000 f ip=a; 1001 f ip=a; 1002 f ip=b; 1003 f ip=a"),
    ("a count goes on being reached", COUNT3, "1000 f ip=a; 1001 f ip=a; 1002 f ip=a; 1003 f ip=a; 1004 f ip=a"),
    ("events that are exactly the timespan apart", COUNT3, "1000 f ip=a; 1030 f ip=a; 1060 f ip=a"),
    ("parts of a second", COUNT3, "1000.9 f ip=a; 1030 f ip=a; 1060.5 f ip=a"),
    ("parts of a second, a little too far apart", COUNT3, "1000.1 f ip=a; 1030 f ip=a; 1060.8 f ip=a"),
    ("a group field is missing", COUNT3, "1000 f; 1001 f; 1002 f"),
    ("an event comes late", COUNT3, "1000 f ip=a; 1004 f ip=a; 1002 f ip=a"),
    ("an event comes late and two stand around it", COUNT3, "1000 f ip=a; 1062 f ip=a; 1059 f ip=a; 1061 f ip=a"),
    ("rules by name that have no id", "correlation: {type: event_count, rules: [noid], timespan: 60s, condition: {gte: 2}}\n---\n"
     "title: noid\nname: noid\nlogsource: {product: test}\ndetection: {s: {action: n}, condition: s}", "1000 n; 1001 n"),
    ("without group-by", "correlation: {type: event_count, rules: [f], timespan: 60s, condition: {gt: 1}}", "1000 f ip=a; 1001 f ip=b"),
    ("equal to a number", "correlation: {type: event_count, rules: [f], timespan: 60s, condition: {eq: 2}}",
     "1000 f; 1001 f; 1002 f; 1100 ok; 1200 f; 1201 f; 1300 ok"),
    ("fewer than a number", "correlation: {type: event_count, rules: [f], timespan: 60s, condition: {lt: 3}}", "1000 f; 1001 f; 1002 f; 1100 ok"),
    ("a range", "correlation: {type: event_count, rules: [f], timespan: 60s, condition: {gte: 2, lt: 4}}", "1000 f; 1001 f; 1100 ok"),
    ("different values", "correlation: {type: value_count, rules: [f], group-by: [ip], timespan: 60s, condition: {field: user, gte: 3}}",
     "1000 f ip=a user=u; 1001 f ip=a user=v; 1002 f ip=a user=v; 1003 f ip=a user=w"),
    ("different values in two letter cases", "correlation: {type: value_count, rules: [f], timespan: 60s, condition: {field: user, gte: 2}}",
     "1000 f user=Bob; 1001 f user=bob"),
    ("different pairs of values", "correlation: {type: value_count, rules: [f], timespan: 60s, condition: {field: [user, ip], gte: 2}}",
     "1000 f user=a ip=b; 1001 f user=a ip=c"),
    ("a value is missing", "correlation: {type: value_count, rules: [f], timespan: 60s, condition: {field: user, gte: 2}}", "1000 f user=a; 1001 f; 1002 f"),
    ("all rules in any order", "correlation: {type: temporal, rules: [f, ok], group-by: [ip], timespan: 60s}", "1000 ok ip=a; 1001 f ip=b; 1002 f ip=a"),
    ("rules in order", "correlation: {type: temporal_ordered, rules: [f, ok, x], group-by: [ip], timespan: 60s}",
     "1000 f ip=a; 1001 ok ip=a; 1002 x ip=a"),
    ("rules in another order", "correlation: {type: temporal_ordered, rules: [f, ok], timespan: 60s}", "1000 ok; 1001 f"),
    ("rules in another order in one second", "correlation: {type: temporal_ordered, rules: [f, ok], timespan: 60s}", "1000.2 ok; 1000.7 f"),
    ("one event is not two steps", "correlation: {type: temporal_ordered, rules: [two, f], timespan: 60s}\n---\n"
     "title: two\nid: 00000000-0000-4000-8000-000000000020\nname: two\nlogsource: {product: test}\ndetection: {s: {action: [f, ok]}, condition: s}", "1000 f"),
    ("two of three rules", "correlation: {type: temporal, rules: [f, ok, x], timespan: 60s, condition: {gte: 2}}", "1000 f; 1001 x"),
    ("a condition in words", "correlation: {type: temporal, rules: [f, ok, x], timespan: 60s, condition: f and (ok or x)}", "1000 f; 1001 x"),
    ("one rule and not another", "correlation: {type: temporal, rules: [f, ok], timespan: 60s, condition: f and not ok}", "1000 f; 1001 ok; 1100 f; 1200 x"),
    ("a sum", "correlation: {type: value_sum, rules: [f], timespan: 60s, condition: {field: n, gte: 10}}", "1000 f n=4; 1001 f n=5; 1002 f n=1"),
    ("a sum of texts that are numbers and of others", "correlation: {type: value_sum, rules: [f], timespan: 60s, condition: {field: n, gt: 8}}",
     "1000 f n=4; 1001 f n=many; 1002 f n=5"),
    ("a sum of whole numbers beyond 2^53", "correlation: {type: value_sum, rules: [f], timespan: 60s, condition: {field: n, gte: 9007199254740993}}",
     "1000 f n=9007199254740992; 1001 f n=1"),
    ("an average", "correlation: {type: value_avg, rules: [f], timespan: 60s, condition: {field: n, gt: 2}}", "1000 f n=2; 1001 f n=4"),
    ("a percentile that is reached", "correlation: {type: value_percentile, rules: [f], timespan: 60s, condition: {field: n, percentile: 90, gte: 10}}",
     "1000 f n=1; 1001 f n=20"),
    ("a percentile that is not reached", "correlation: {type: value_percentile, rules: [f], timespan: 60s, condition: {field: n, percentile: 90, gte: 100}}",
     "1000 f n=1; 1001 f n=20"),
    ("a median", "correlation: {type: value_median, rules: [f], timespan: 60s, condition: {field: n, gte: 3}}", "1000 f n=1; 1001 f n=5; 1002 f n=3"),
    ("an alias", "correlation: {type: event_count, rules: [f, ok], group-by: [who], timespan: 60s, condition: {gte: 2}, "
     "aliases: {who: {f: ip, ok: addr}}}", "1000 f ip=a; 1001 ok addr=a"),
    ("a correlation of a correlation", "correlation: {type: event_count, rules: [many], group-by: [net], timespan: 1h, condition: {gte: 2}}\n---\n"
     "title: many\nid: 00000000-0000-4000-8000-000000000021\nname: many\ncorrelation: {type: event_count, rules: [f], group-by: [net, ip], "
     "timespan: 60s, condition: {gte: 2}}", "1000 f net=n ip=a; 1001 f net=n ip=a; 1100 f net=n ip=b; 1101 f net=n ip=b"),
    ("a rule that is not there", "correlation: {type: event_count, rules: [nobody], timespan: 60s, condition: {gte: 2}}", "1000 f"),
]


def compare_correlations(own, other, folder, tally):
    rules, events = os.path.join(folder, "c.yml"), os.path.join(folder, "c.ndjson")
    alike = 0
    for name, text, steps in CORRELATIONS:
        with open(rules, "w", encoding="utf-8") as f:
            f.write(BASE + "title: r\n" + CORRELATION_ID + text + "\n")
        with open(events, "w", encoding="utf-8") as f:
            f.write("".join(marked(json.dumps(e), i) + "\n" for i, e in enumerate(stream(steps))))
        ours, theirs = own.run([rules], events, {"product": "test"}), other.run(rules, events, {"product": "test"})
        a = "refused" if ours.refused else " ".join(ours.fired) or "nothing"
        b = "refused" if theirs.refused else " ".join(theirs.fired) or "nothing"
        if a == b:
            alike += 1
            if tally.verbose:
                print("  alike: '%s': %s" % (name, a))
        else:
            tally.difference("correlation", name, "ours %s; RSigma %s" % (a, b))
    print("  %5d  streams\n  %5d  fire alike" % (len(CORRELATIONS), alike))


# ---- the public rules ----

PARTS = ("rules", "rules-emerging-threats", "rules-threat-hunting", "rules-compliance", "rules-placeholder")


def scalars(value, path=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from scalars(v, path + "." + k if path else k)
    elif isinstance(value, list):
        for v in value:
            yield from scalars(v, path)
    else:
        yield path, value


def windows_event(tree):
    """As tests/unit/test_sigma_public.c names the fields."""
    out = {}
    for path, value in scalars(tree):
        if path == "Event.System.Provider.#attributes.Name":
            name = "Provider_Name"
        elif path.startswith(("Event.EventData.", "Event.System.")):
            name = path.split(".", 2)[2]
        else:
            name = path.rsplit(".", 1)[-1]
        name = name.replace(" ", "")
        if name in out:
            out[name] = (out[name] if isinstance(out[name], list) else [out[name]]) + [value]
        else:
            out[name] = value
    return out


def public_events(folder):
    """(id of the rule, its log source, event) of the regression data."""
    sources = {}
    for part in PARTS:
        for at, _, files in os.walk(os.path.join(folder, part)):
            for name in files:
                with open(os.path.join(at, name), encoding="utf-8") as f:
                    for text in re.split(r"(?m)^---\s*$", f.read()):
                        rule = re.search(r"(?m)^id: *['\"]?([0-9a-f-]{36})", text)
                        source = re.search(r"(?m)^logsource:\n((?: +.*\n?)+)", text)
                        if rule and source:
                            sources[rule.group(1)] = dict(re.findall(r"(?m)^ +(product|category|service): *([^\s#]+)", source.group(1)))
    for at, _, files in os.walk(os.path.join(folder, "regression_data")):
        if "info.yml" not in files:
            continue
        with open(os.path.join(at, "info.yml"), encoding="utf-8") as f:
            info = f.read()
        rule = re.search(r"rule_metadata:\s*\n\s*- id: *([0-9a-f-]{36})", info).group(1)
        if rule + ".json" not in files:
            continue
        with open(os.path.join(at, rule + ".json"), encoding="utf-8") as f:
            for text in re.findall(r"(?ms)^\{.*?^\}", f.read()):
                yield rule, sources[rule], windows_event(json.loads(text))


def strict(source):
    """RSigma takes a part that an event lacks for any: a made-up one makes both route alike."""
    return {k: source.get(k, "-") for k in ("product", "category", "service")}


def compare_public(own, other, folder, tree, tally):
    lists = os.path.join(SOURCE, "contrib/placeholders.yaml")
    events_path = os.path.join(folder, "p.ndjson")
    rules = os.path.join(folder, "public")
    os.makedirs(rules, exist_ok=True)
    for part in PARTS:
        shutil.copytree(os.path.join(tree, part), os.path.join(rules, part))
    by_source = collections.defaultdict(list)
    for rule, source, event in public_events(tree):
        by_source[json.dumps(source, sort_keys=True)].append((rule, event))
    counts = collections.Counter()
    for source, group in sorted(by_source.items()):
        source = json.loads(source)
        with open(events_path, "w", encoding="utf-8") as f:
            f.write("".join(marked(json.dumps(e, ensure_ascii=False), i) + "\n" for i, (_, e) in enumerate(group)))
        ours = own.run([rules], events_path, source, lists)
        theirs = other.run(rules, events_path, strict(source))
        wide = other.run(rules, events_path, source)
        if ours.refused or theirs.refused and not theirs.hits:
            sys.exit("the public rules do not load: " + (ours.told or theirs.told)[:2000])
        for i, (rule, _) in enumerate(group):
            counts["events"] += 1
            counts["matches, both"] += len(ours.ids[i] & theirs.ids[i])
            counts["events that match their rule, ours"] += rule in ours.ids[i]
            counts["events that match their rule, RSigma"] += rule in theirs.ids[i]
            counts["RSigma's matches when parts that an event lacks fit anything"] += len(wide.ids[i])
            for only, a, b in (("ours", ours, theirs), ("RSigma", theirs, ours)):
                for extra in sorted(a.ids[i] - b.ids[i]):
                    counts["matches, only " + only] += 1
                    tally.difference("public, event of %s" % rule, extra, "only %s matches" % only)
    counts["log sources"] = len(by_source)
    everything = [e for group in by_source.values() for _, e in group]
    with open(events_path, "w", encoding="utf-8") as f:
        f.write("".join(marked(json.dumps(e, ensure_ascii=False), i) + "\n" for i, e in enumerate(everything)))
    counts["RSigma's matches without log sources"] = sum(len(v) for v in other.run(rules, events_path, {}).ids.values())
    for k, v in counts.items():
        print("  %5d  %s" % (v, k))
    print("  RSigma said: " + " ".join(theirs.told.split())[:300])


def items_of(text):
    """(field, modifiers, values) of a rule's selections, as far as lines tell them."""
    inside, item = False, None
    for line in text.split("\n"):
        if re.match(r"\S", line):
            inside = line.startswith("detection:")
        key = re.match(r"\s+(?:- )?([A-Za-z][\w.]*)((?:\|\w+)*):\s*(.*)$", line) if inside else None
        value = re.match(r"\s+- (.*)$", line) if inside and not key else None
        if key and key.group(1) not in ("condition", "timeframe"):
            item = (key.group(1), key.group(2), [])
            yield item
            value = re.match(r"(.+)", key.group(3))
        elif key:
            item = None
        if value and item:
            v = value.group(1).split(" # ")[0].strip()
            item[2].append(v[1:-1].replace("''", "'") if v[:1] == "'" and v[-1:] == "'" else v)


def made_event(text, dice):
    """An event out of a rule's own values: most of its selections hold, and some of its filters."""
    parts = collections.defaultdict(lambda: ["", "", ""])
    for field, modifiers, values in list(items_of(text)):
        if not values or re.search(r"\|(re|cidr|expand|base64\w*|wide|exists|fieldref)", modifiers) or dice.random() < 0.15:
            continue
        plain = [re.sub(r"\\([*?\\])", r"\1", v.replace("*", "xx").replace("?", "y")) for v in (values if "|all" in modifiers else [dice.choice(values)])]
        if "null" in plain:
            continue
        at = 0 if "startswith" in modifiers else 2 if "endswith" in modifiers or not modifiers else 1
        parts[field][at] += (" " if at == 1 else "").join(plain)
    return {f: "".join(p) for f, p in parts.items()}


def compare_made(own, other, folder, tree, tally):
    """Events made of the values of each rule for process starts: which rules match them?"""
    dice, events = random.Random(3), []
    for at, dirs, files in sorted(os.walk(os.path.join(tree, "rules/windows/process_creation"))):
        for name in sorted(files):
            with open(os.path.join(at, name), encoding="utf-8") as f:
                text = f.read()
            events += [made_event(text, dice) for _ in range(3)]
    path = os.path.join(folder, "m.ndjson")
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(marked(json.dumps(e, ensure_ascii=False), i) + "\n" for i, e in enumerate(events)))
    source = {"product": "windows", "category": "process_creation"}
    rules, lists = os.path.join(folder, "public"), os.path.join(SOURCE, "contrib/placeholders.yaml")
    ours, theirs = own.run([rules], path, source, lists), other.run(rules, path, strict(source))
    both = 0
    for i, event in enumerate(events):
        both += len(ours.ids[i] & theirs.ids[i])
        for only, extra in [("ours", x) for x in ours.ids[i] - theirs.ids[i]] + [("RSigma", x) for x in theirs.ids[i] - ours.ids[i]]:
            tally.difference("public, made", extra, "only %s matches %s" % (only, json.dumps(event)))
    print("  %5d  events made of rules' own values\n  %5d  matches, both" % (len(events), both))


# ---- speed ----

RUNS = 5


def measure(argv):
    """Median wall and CPU seconds, peak memory: of RUNS after one that is not counted."""
    wall, cpu, rss = [], [], 0
    for run in range(RUNS + 1):
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.execv(argv[0], argv)
        _, status, used = os.wait4(pid, 0)
        if status:
            sys.exit("%s ended with %d" % (argv[0], status))
        if run:
            wall.append(time.monotonic() - start)
            cpu.append(used.ru_utime + used.ru_stime)
        rss = max(rss, used.ru_maxrss)
    return statistics.median(wall), statistics.median(cpu), rss


def process_events(tree, count):
    """Process starts of an ordinary day, and one of the regression events in each 500."""
    dice = random.Random(1)
    known = [e for _, s, e in public_events(tree) if s.get("category") == "process_creation"]
    names = ["svchost", "chrome", "explorer", "outlook", "teams", "code", "git", "python", "conhost", "notepad", "backup", "agent"]
    for i in range(count):
        if known and i % 500 == 499:
            yield dice.choice(known)
            continue
        name, parent = dice.choice(names), dice.choice(names)
        yield {"EventID": 1, "UtcTime": "2026-11-21 10:%02d:%02d.%03d" % (i // 60000 % 60, i // 1000 % 60, i % 1000),
               "ProcessId": dice.randrange(4, 20000), "Image": "C:\\Program Files\\%s\\%s.exe" % (name.title(), name),
               "CommandLine": "\"C:\\Program Files\\%s\\%s.exe\" --type=%s --id=%d" % (name.title(), name, dice.choice("abc"), dice.randrange(10**6)),
               "CurrentDirectory": "C:\\Users\\user%d\\" % dice.randrange(200), "User": "CORP\\user%d" % dice.randrange(200),
               "IntegrityLevel": "Medium", "ParentImage": "C:\\Program Files\\%s\\%s.exe" % (parent.title(), parent),
               "ParentCommandLine": "\"C:\\Program Files\\%s\\%s.exe\"" % (parent.title(), parent), "OriginalFileName": name + ".exe",
               "Hashes": "SHA256=%064x" % dice.getrandbits(256), "Computer": "pc%d.corp.example" % dice.randrange(300)}


def speed_row(name, own, other, rules, events, source, lists, count, more=()):
    """Times and results of both."""
    def results(argv):
        return subprocess.run(argv, capture_output=True).stdout.count(b"\n")
    config = own.prepare([rules], source, lists)
    argvs = (("trailwarden", own.argv(config, events)), ("rsigma", other.argv(rules, events, strict(source), more)),
             ("rsigma --bloom-prefilter", other.argv(rules, events, strict(source), list(more) + ["--bloom-prefilter"])))
    print("  %s" % name)
    for who, argv in argvs:
        wall, cpu, rss = measure(argv)
        print("    %-26s %8.3f s  CPU %8.3f s  %10s events/s  %6d KiB  %d results" % (
            who, wall, cpu, "%d" % (count / cpu) if count else "-", rss, results(argv)))


def compare_speed(own, other, folder, tree, count):
    lists = os.path.join(SOURCE, "contrib/placeholders.yaml")
    source = {"product": "windows", "category": "process_creation"}
    none, events, streams = (os.path.join(folder, n) for n in ("none.ndjson", "s.ndjson", "g.ndjson"))
    public, few, one = os.path.join(folder, "public-speed"), os.path.join(folder, "few"), os.path.join(folder, "one.yml")
    os.makedirs(public), os.makedirs(few)
    for part in PARTS:
        shutil.copytree(os.path.join(tree, part), os.path.join(public, part))
    for name in sorted(os.listdir(os.path.join(tree, "rules/windows/process_creation")))[:10]:
        shutil.copy(os.path.join(tree, "rules/windows/process_creation", name), few)
    open(none, "w").close()
    with open(events, "w", encoding="utf-8") as f:
        f.write("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in process_events(tree, count)))
    dice = random.Random(2)
    with open(streams, "w", encoding="utf-8") as f:
        for i in range(count):
            f.write(json.dumps({"@timestamp": "2026-11-21T%02d:%02d:%02dZ" % (i // 360000 % 24, i // 6000 % 60, i // 100 % 60),
                                "action": "f", "ip": "192.0.2.%d" % dice.randrange(5000)}) + "\n")
    with open(one, "w", encoding="utf-8") as f:
        f.write(BASE + "title: r\n" + CORRELATION_ID + COUNT3.replace("gte: 3", "gte: 1000000").replace("[f]", "[00000000-0000-4000-8000-000000000000]") + "\n")
    speed_row("start: the public rules, no event", own, other, public, none, source, lists, 0)
    speed_row("%d process starts, the public rules" % count, own, other, public, events, source, lists, count)
    speed_row("%d process starts, ten rules" % count, own, other, few, events, source, lists, count)
    speed_row("%d events counted for 5,000 addresses" % count, own, other, one, streams, {"product": "test"}, lists, count, ["--no-detections"])


def unpack(archive, folder):
    if not os.access(archive, os.R_OK):
        return None
    with tarfile.open(archive) as t:
        t.extractall(folder)
    return os.path.join(folder, "sigmahq")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program", nargs="?", default="./trailwarden")
    p.add_argument("--rsigma", default=shutil.which("rsigma"))
    p.add_argument("--only", default="cases,correlations,public,speed")
    p.add_argument("--archive", default=os.path.join(SOURCE, "../shared/data/sigmahq.tar.gz"))
    p.add_argument("--events", type=int, default=20000)
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    if not args.rsigma or not os.access(args.rsigma, os.X_OK):
        print("skipped: there is no 'rsigma' here; name one with --rsigma")
        return 77
    version = subprocess.run([args.rsigma, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    only = args.only.split(",")
    tally = Tally(args.verbose)
    with tempfile.TemporaryDirectory() as folder:
        own, other = Trailwarden(os.path.abspath(args.program), folder), RSigma(os.path.abspath(args.rsigma))
        print("trailwarden and " + version)
        if "cases" in only:
            print("cases")
            compare_cases(own, other, folder, tally)
        if "correlations" in only:
            print("correlations")
            compare_correlations(own, other, folder, tally)
        tree = unpack(args.archive, folder) if {"public", "speed"} & set(only) else None
        for part, run in (("public", lambda: (compare_public(own, other, folder, tree, tally), compare_made(own, other, folder, tree, tally))),
                          ("speed", lambda: compare_speed(own, other, folder, tree, args.events))):
            if part in only:
                print(part)
                if tree:
                    run()
                else:
                    print("  skipped: '%s' cannot be read" % args.archive)
    print("differences by kind")
    tally.table()
    return 1 if tally.new else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main())
