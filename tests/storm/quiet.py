"""A quiet log whose every line is an alert and an order to a command: how long does that take?

The command is tests/bench/hook, which writes down when it began. Each line has an
address of its own, by which both ends are put together."""
import json
import os
import time

RULE = """\
title: Every failed login of the quiet log
id: 7c1e5a52-9d0e-4a3c-8c3f-0f8f3c1d9e11
logsource: {product: xui}
detection:
    selection: {event.action: login_failed}
    condition: selection
level: high
trailwarden:
    ban: {field: source.ip, for: 1h}
"""
CONFIG = """\
state: {folder}/state
host: quiet.example
rules: {{library: false, paths: ["{folder}/rules.yml"]}}
channels:
  xui:
    inputs: [{{type: file, path: "{folder}/quiet.log", from: begin}}]
{more}
bans: {{backend: command, max_age: 0s, command: ["{hook}", "{folder}/hooked", "{{address}}"]}}
"""


def address(n):
    return "45.%d.%d.%d" % (n >> 16 & 255, n >> 8 & 255, n & 255)


def quantile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def in_ms(values):
    """p50, p90, p99 and the largest, as text."""
    v = sorted(values)
    return ["%.1f" % (x * 1000) for x in (quantile(v, 0.5), quantile(v, 0.9), quantile(v, 0.99), v[-1])] \
        if v else ["-"] * 4


class Quiet:
    def __init__(self, folder, hook, more=""):
        self.folder, self.written = folder, {}
        self.config = os.path.join(folder, "c.yaml")
        with open(os.path.join(folder, "rules.yml"), "w") as f:
            f.write(RULE)
        with open(self.config, "w") as f:
            f.write(CONFIG.format(folder=folder, hook=hook, more=more))
        self.fd = os.open(os.path.join(folder, "quiet.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def line(self):
        who = address(len(self.written))
        stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
        data = '%s WARNING - failed login: username="quiet", IP="%s", reason="invalid credentials"\n' % (stamp, who)
        self.written[who] = time.time()
        os.write(self.fd, data.encode())

    def told(self):
        """Seconds from a line to the start of its command, by address."""
        times = {}
        try:
            with open(os.path.join(self.folder, "hooked")) as f:
                for line in f:
                    when, _, who = line.strip().partition(" ")
                    times.setdefault(who, float(when) - self.written[who])
        except FileNotFoundError:
            pass
        return times

    def committed(self, daemon):
        """Seconds from a line to the commit of its alert (the time its entry bears)."""
        times = []
        _, out, _ = daemon.ask("trail", "show", "--json", "--type", "alert")
        for line in out.splitlines():
            entry = json.loads(line)
            event = json.loads(entry["pii"]["events"][1])[0]
            when = time.strptime(entry["t"][:19], "%Y-%m-%dT%H:%M:%S")
            seconds = (time.mktime(when) - time.timezone) + float("0" + entry["t"][19:-1])
            times.append(seconds - self.written[event["fields"]["source.ip"]])
        return times
