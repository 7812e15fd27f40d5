"""What the example actions share: who is meant, secrets from files, exit codes.

An action is a program that trailwarden runs without a shell:

    as a ban backend   bans: {backend: command, command: [...], unban: [...]}
                       TW_ACTION (ban, unban), TW_ADDRESS, TW_NETWORK, TW_SECONDS, TW_RULE ...
    as a notifier      notifiers: {NAME: {type: command, command: [...]}}
                       TW_TYPE, TW_STATUS, TW_RULE, TW_LEVEL ... and the alert as JSON on standard input

Exit 0: done. Exit 75: try again later. Anything else: it is given up, and the first line of the output stands
in the history (`trailwarden notify list`, `trailwarden bans show`).

Names come from logs, so from strangers. Two rules keep them from having anybody suspended:
only a name that the alert is grouped by, or that logged in (event.outcome: success), counts, never the name of a
failed login; and names in the file of --never are never touched.
"""
import ipaddress
import json
import os
import re
import stat
import sys
import urllib.error
import urllib.request

DONE, FAILED, LATER = 0, 1, 75
DOCUMENT_MAX = 4 << 20
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}\Z")  # no blank, no quote, no dash in front


def end(code, text):
    print(text, file=sys.stderr if code else sys.stdout)
    sys.exit(code)


def secret(path):
    """The first line of a file that is closed to all others."""
    try:
        with open(path, encoding="utf-8") as f:
            if os.fstat(f.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO) and not path.startswith("/run/credentials/"):
                end(FAILED, f"{path} is open to others: chmod 600")
            return f.readline().strip()
    except OSError as e:
        end(FAILED, f"{path}: {e.strerror}")


def alert():
    """Of a notifier: the alert; ends quietly when there is nothing to do."""
    if os.environ.get("TW_TYPE", "alert") != "alert":
        end(DONE, "a summary: nothing to do")
    if os.environ.get("TW_STATUS", "firing") != "firing":
        end(DONE, "it is over: nothing to do")
    try:
        document = json.loads(sys.stdin.buffer.read(DOCUMENT_MAX))
    except ValueError:
        end(FAILED, "no alert on standard input: this is run as a notifier")
    if not isinstance(document, dict):
        end(FAILED, "no alert on standard input")
    if document.get("trust") == "forgeable":
        end(DONE, "its lines can be forged: nothing is done on their word")
    return document


def address():
    """Of a ban backend: what is banned, checked once more (a network is its first address). Of a notifier: what the
    alert wanted to have banned; an allow list may have kept it from that."""
    text = os.environ.get("TW_ADDRESS")
    if text is None:
        text = (alert().get("ban") or {}).get("address")
        if text is None:
            end(DONE, "the alert wants no ban: nothing to do")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        end(FAILED, "that is no address")


def names_of(document):
    """Names that are proven, each once."""
    found = [g.get("value") for g in document.get("group", []) if g.get("name") == "user.name"]
    for event in document.get("events", []):
        fields = event.get("fields", {})
        if fields.get("event.outcome") == "success":
            value = fields.get("user.name")
            found += value if isinstance(value, list) else [value]
    return [n for n in dict.fromkeys(found) if isinstance(n, str)]


def never_of(path):
    try:
        with open(path, encoding="utf-8") as f:
            return {line.strip() for line in f if line.strip() and not line.startswith("#")}
    except OSError as e:
        end(FAILED, f"{path}: {e.strerror}")


def users(never=None, most=3):
    """The accounts that an alert is about. More than `most` at once is more likely a fault of the rule."""
    document = alert()
    spared = never_of(never) if never else set()
    names = [n for n in names_of(document) if n not in spared]
    if not names:
        end(DONE, "no name is proven, or all are spared: nothing to do")
    if len(names) > most:
        end(FAILED, f"{len(names)} accounts at once: a person has to look at that")
    for n in names:
        if not NAME.match(n):
            end(FAILED, "a name that is no plain word is left alone")
    return names


class Stay(urllib.request.HTTPRedirectHandler):
    """No redirect is followed: our secret would go along."""

    def redirect_request(self, *_):
        return None


def opener(*handlers):
    return urllib.request.build_opener(Stay, *handlers)


def http(url, body=None, headers=None, form=False, through=None):
    """POST with a body, else GET. The answer as text."""
    data, kind = None, "application/json"
    if body is not None:
        kind = "application/x-www-form-urlencoded" if form else kind
        data = body.encode() if form else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": kind, **(headers or {})})
    try:
        with (through or opener()).open(request, timeout=8) as answer:
            return answer.read(DOCUMENT_MAX).decode("utf-8", "replace")
    except urllib.error.HTTPError as e:
        end(LATER if e.code >= 500 or e.code == 429 else FAILED, f"http {e.code}")
    except (urllib.error.URLError, OSError) as e:
        end(LATER, f"no answer: {getattr(e, 'reason', e)}")
