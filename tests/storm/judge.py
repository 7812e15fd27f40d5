"""What came of a storm, against what was written.

    lost      lines without an entry            doubled   lines with more than one
    order     entries before an earlier line    changed   entries with another text
    told      what the trail says of long lines and holes, alerts against a replay

A verdict is the list of what is wrong; empty is good."""
import glob
import json
import os
import subprocess
import zlib
from collections import Counter

from content import MAX_LINE


# No storm gives reason to tell these: what is cut was copied before.
TROUBLES = ("source.truncated", "source.unreadable", "source.bad_cursor", "source.limit")


class Trail:
    """The entries of a trail, as `trail show` prints them."""

    def __init__(self, daemon):
        self.events, self.alerts, self.strange = [], [], 0
        self.long_lines, self.hole_bytes, self.starts = [], 0, 0
        self.troubles = Counter()
        code, out, said = daemon.ask("trail", "show", "--json")
        if code:
            raise RuntimeError("trail show ended with %d: %s" % (code, said))
        for line in out.splitlines():
            self.take(json.loads(line))

    def take(self, entry):
        kind = entry["type"]
        if kind == "event":
            self.take_event(entry)
        elif kind == "alert":
            self.alerts.append(entry["id"])
        elif kind == "source.long_line":
            self.long_lines.append(entry.get("bytes"))
        elif kind == "source.nulls":
            self.hole_bytes += entry["bytes"]
        elif kind == "daemon.start":
            self.starts += 1
        elif kind in TROUBLES:
            self.troubles[kind] += 1

    def take_event(self, entry):
        raw = json.loads(entry["pii"]["event"][1])["raw"]
        mark = raw.find("storm=")
        if mark < 0:
            self.strange += 1
            return
        stream, number = raw[mark + 6], int(raw[mark + 7:mark + 15])
        self.events.append((stream, number, zlib.crc32(raw.encode()), entry["key"]))


def out_of_order(events):
    latest, n = {}, 0
    for stream, number, _, _ in events:
        n += number < latest.get(stream, -1)
        latest[stream] = max(number, latest.get(stream, -1))
    return n


def replayed_alerts(daemon, archive, channel):
    files = [f for f in sorted(glob.glob(os.path.join(archive, "*.log"))) if os.path.getsize(f)]
    out = subprocess.run([daemon.program, "replay", "--json", "--quiet", "--config", daemon.config,
                          "--channel", channel] + files,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return sorted(json.loads(line)["id"] for line in out.splitlines())


def listed_alerts(daemon):
    _, out, _ = daemon.ask("alerts", "list", "--json", "--limit", "1000000")
    return sorted(json.loads(line)["id"] for line in out.splitlines())


def told_alerts(path):
    """What the receiver got: at least once each, the id is the key."""
    try:
        with open(path) as f:
            return sorted({json.loads(line)["id"] for line in f if line.endswith("\n")})
    except OSError:
        return []


def ranges(keys, most=5):
    """A0..378, A900, ..."""
    found = []
    for stream, n in sorted(keys):
        if found and found[-1][0] == stream and found[-1][2] == n - 1:
            found[-1][2] = n
        else:
            found.append([stream, n, n])
    text = ["%s%d..%d" % (s, a, b) if b > a else "%s%d" % (s, a) for s, a, b in found[:most]]
    return ", ".join(text + ["..."] * (len(found) > most))


def count_lines(written, trail, row):
    expected = {(s, n): crc for s, n, crc, _ in written}
    seen = Counter((s, n) for s, n, _, _ in trail.events)
    keys = Counter(key for _, _, _, key in trail.events)
    row["lines"] = len(expected)
    row["lost"] = sum(k not in seen for k in expected)
    row["doubled"] = sum(n - 1 for n in seen.values()) + sum(n - 1 for n in keys.values() if n > 1
                                                              and len(seen) == len(trail.events))
    row["order"] = out_of_order(trail.events)
    row["changed"] = trail.strange + sum(expected.get((s, n)) != crc
                                         for s, n, crc, _ in trail.events)
    row["where lost"] = ranges(k for k in expected if k not in seen)
    row["where doubled"] = ranges(k for k, n in seen.items() if n > 1)


def told_long_lines(written, trail):
    """One notice for each; one that was cut through by a restart knows no length."""
    expected = Counter(n for _, _, _, n in written if n > MAX_LINE)
    told = Counter(n for n in trail.long_lines if n is not None)
    return len(trail.long_lines) == sum(expected.values()) and not told - expected


def compare(report, daemon, archive, channel, out):
    """The row of the table, and what is wrong."""
    row, wrong = {}, []
    trail = Trail(daemon)
    count_lines(report["lines"], trail, row)
    wrong += ["%d %s %s" % (row[k], k, row.get("where " + k, ""))
              for k in ("lost", "doubled", "order", "changed") if row[k]]
    counted = daemon.counted(channel)
    if counted != row["lines"]:
        wrong.append("status counts %d lines" % counted)
    if trail.hole_bytes != report["hole_bytes"]:
        wrong.append("%d bytes of holes told, %d written" % (trail.hole_bytes, report["hole_bytes"]))
    if not told_long_lines(report["lines"], trail):
        wrong.append("%d long lines told, %d written" % (
            len(trail.long_lines), sum(n > MAX_LINE for _, _, _, n in report["lines"])))
    wrong += ["%d times %s, and nobody did that" % (n, kind) for kind, n in trail.troubles.items()]
    expected = replayed_alerts(daemon, archive, channel)
    row["alerts"] = len(expected)
    for name, ids in (("trail", sorted(trail.alerts)), ("alerts list", listed_alerts(daemon)),
                      ("receiver", told_alerts(out))):
        if ids != expected:
            wrong.append("alerts of %s differ from the replay's: %d missing, %d more" % (
                name, len(Counter(expected) - Counter(ids)), len(Counter(ids) - Counter(expected))))
    code, _, said = daemon.ask("trail", "verify", "--quiet")
    if code:
        wrong.append("trail verify: %s" % (said or code))
    if report["stalled"]:
        wrong.append("reading stood still for a minute")
    row["starts"] = trail.starts
    return row, wrong
