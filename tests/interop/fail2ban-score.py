#!/usr/bin/env python3
"""How many of fail2ban's own annotated log lines are judged as it says they must be.

    fail2ban-score.py DRIVER LOGS FILTERS...

DRIVER is tests/interop/fail2ban-driver of the build, LOGS the folder fail2ban/tests/files/logs of
fail2ban's sources, FILTERS folders with *.conf (config/filter.d, fail2ban/tests/config/filter.d;
the first that has a filter gives it). The logs say in comments before a line what is expected:
whether it matches, the host, the time, the user. Every line is judged under every set of
parameters that its log names. Prints the sum and every line that differs with what differs; exit 1
when less than 98 of 100 are equal.
"""
import datetime
import ipaddress
import json
import os
import re
import subprocess
import sys
import time

NOW = 1124013600  # what the samples take for the present
NOTE = re.compile(r"^#+ ?(failJSON|(?:file|filter)Options|addFILE):(.+)$")
OWN = ("time", "match", "desc", "constraint")


def sessions(logs, name):
    """Yields (options, expected, line, place) in the order of the file and of what it adds."""
    files, common, tests, skipped = [name], {}, None, False
    for file in files:
        skipped, expected = False, None
        with open(os.path.join(logs, file), encoding="utf-8", errors="replace", newline="\n") as f:
            for number, line in enumerate(f, 1):
                note = NOTE.match(line)
                if note:
                    value = json.loads(note.group(2))
                    if note.group(1) == "fileOptions":
                        common = value
                    elif note.group(1) == "addFILE":
                        files.append(value)
                    elif note.group(1) == "filterOptions":
                        tests, skipped = [], False
                        for options in value if isinstance(value, list) else [value]:
                            options = dict(common, **options)
                            condition = options.get("test.condition")
                            if condition:
                                skipped = not eval(condition, {"name": name})
                            if not skipped:
                                tests.append(options)
                    else:
                        expected = value
                    continue
                if expected is None and (line.startswith("#") or not line.strip()):
                    continue
                expected = expected or {}
                for options in [] if skipped else tests or [{}]:
                    if eval(expected.get("constraint", "True"), {"opts": options, "name": name}):
                        yield options, expected, line.rstrip("\r\n"), f"{file}:{number}"
                expected = None


def parameters(options):
    return ", ".join(f'{k}="{v}"' for k, v in options.items() if not k.startswith("test."))


def same_address(a, b):
    try:
        return ipaddress.ip_address(a) == ipaddress.ip_address(b)
    except ValueError:
        return a == b


def seconds(text):
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in text else "%Y-%m-%dT%H:%M:%S"
    when = datetime.datetime.strptime(text, form)
    return time.mktime(when.timetuple()) + when.microsecond / 1e6


def difference(expected, got):
    """None, or what is not as expected."""
    if expected.get("match", False) != (got["verdict"] == "failure"):
        return f"match: {expected.get('match', False)}, got {got['verdict']}"
    if got["verdict"] != "failure":
        return None
    for key, value in expected.items():
        if key in OWN:
            continue
        have = got["fields"].get(key)
        if key == "host" and have is None:
            have = got["id"]
        elif key == "attempts":
            have = got["attempts"]
        elif key == "users":
            have, value = sorted(got["users"]), sorted(value)
        if have != value and not (isinstance(value, str) and same_address(have or "", value)):
            return f"{key}: {value!r}, got {have!r}"
    if expected.get("time") is not None and seconds(expected["time"]) * 1e6 != got["time_us"]:
        return f"time: {expected['time']}, got {time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(got['time_us'] / 1e6))}"
    return None


def judge(driver, path, options, lines):
    command = [driver, f"{path}[{parameters(options)}]", f"now={NOW}", "zone=Europe/Zurich"]
    prefix = ""
    if options.get("logtype") == "journal":
        command.append(f"given={NOW}")
        prefix = options.get("test.prefix-line", "")
    done = subprocess.run(command, input="".join(prefix + line + "\n" for line in lines).encode(),
                          capture_output=True)
    if done.returncode:
        return None, done.stderr.decode(errors="replace").strip()
    return [json.loads(line) for line in done.stdout.decode().splitlines()], ""


def main():
    driver, logs, filters = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.environ["TZ"] = "Europe/Zurich"
    time.tzset()
    every = annotated = equal = annotated_equal = 0
    wrong = []
    names = [n for n in sorted(os.listdir(logs)) if os.path.isfile(os.path.join(logs, n))]
    for name in names:
        path = next((p for p in (os.path.join(f, name + ".conf") for f in filters)
                     if os.path.exists(p)), None)
        if not path:
            continue
        sets = {}
        for options, expected, line, place in sessions(logs, name):
            sets.setdefault(json.dumps(options), []).append((options, expected, line, place))
        for members in sets.values():
            options = members[0][0]
            got, why = judge(driver, path, options, [m[2] for m in members])
            for i, (_, expected, line, place) in enumerate(members):
                why_not = f"the filter did not load: {why}" if got is None else \
                    difference(expected, got[i])
                every += 1
                annotated += bool(expected)
                if why_not is None:
                    equal += 1
                    annotated_equal += bool(expected)
                else:
                    wrong.append(f"{place} [{name} {parameters(options)}] {why_not}\n    {line[:200]}")
    for text in wrong:
        print(text)
    print(f"annotated lines {annotated_equal} / {annotated}; all lines {equal} / {every}")
    return 0 if annotated and annotated_equal >= 0.98 * annotated else 1


sys.exit(main())
