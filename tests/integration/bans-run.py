"""The commands on bans with a daemon that runs, and the state after it: what stands in the book and in files."""
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

program, scratch, rule, schemas = sys.argv[1:5]
config = os.path.join(scratch, "run.yaml")
log = os.path.join(scratch, "run.log")
open(log, "w").close()
with open(config, "w") as f:
    f.write(f"state: {scratch}/run-state\nchannels:\n  xui: {{inputs: [{{type: file, path: {log}, from: begin}}]}}\n"
            f"rules: {{library: false, paths: [{rule}]}}\n"
            "bans: {backend: dry-run, max_age: 0s, allow: [10.0.0.0/8], escalate: [1h, 1d]}\n")
try:
    import jsonschema
except ImportError:
    jsonschema = None


def bans(code, *args, says="", stdin=None):
    r = subprocess.run([program, "bans", *args, "--config", config], capture_output=True, text=True, input=stdin,
                       env={k: v for k, v in os.environ.items() if k != "SSH_CONNECTION"})
    text = r.stdout + r.stderr
    if r.returncode != code or says not in text:
        print(f"FAIL: bans {args}: exit {r.returncode}, expected {code}; '{says}' expected in: {text}")
        sys.exit(1)
    return text


def documents(name, *args):
    """What --json prints, true to its schema."""
    found = [json.loads(line) for line in bans(0, *args, "--json" if "export" not in args else "--format=json").splitlines()]
    if jsonschema:
        with open(os.path.join(schemas, name + ".json")) as f:
            validator = jsonschema.Draft202012Validator(json.load(f))
        for d in found:
            for e in validator.iter_errors(d):
                print(f"FAIL: {name}: {list(e.path)}: {e.message}")
                sys.exit(1)
    return found


def networks(*args):
    return [d["network"] for d in documents("ban", *args)]


def want(what, expected, seen):
    if expected != seen:
        print(f"FAIL: {what}\n  expected {expected}\n  seen     {seen}")
        sys.exit(1)


def until(what, done):
    end = time.monotonic() + 60
    while not done():
        if time.monotonic() > end:
            print("FAIL: it never came that", what)
            sys.exit(1)
        time.sleep(0.05)


def is_up():
    return subprocess.run([program, "bans", "remove", "198.19.7.255", "--config", config], capture_output=True).returncode == 1


daemon = subprocess.Popen([program, "run", "--quiet", "--config", config])
try:
    until("the daemon runs", is_up)

    # By hand.
    text = bans(0, "add", "198.19.7.1", "2001:db8::/64", "10.1.2.3", "--for", "1h", "--reason", "=scans")
    for line in ("  198.19.7.1: banned for ", "  2001:db8::/64: banned for ", "  10.1.2.3: refused: "):
        assert line in text, text
    bans(1, "add", "10.1.2.3", "--for", "1h", says="10.0.0.0/8")
    bans(0, "add", "198.51.100.0/24", "--for", "forever", "--ports", "80,22", says="for good")
    bans(0, "add", "198.19.7.1", "--for", "1m", says="198.19.7.1: ")
    want("the book", ["198.51.100.0/24", "2001:db8::/64", "198.19.7.1"], networks("list"))
    want("inside", ["198.19.7.1"], networks("list", "--ip", "198.19.0.0/16"))
    want("nobody", [], networks("list", "--origin", "rule"))
    bans(3, "list", "--rule", "none", "--fail-empty")
    one = documents("ban", "list", "--ip", "198.51.100.7")[0]
    want("ports", ("tcp", [22, 80], False), (one["protocol"], one["ports"], "until" in one))

    # By a rule, and how it is shown.
    with open(log, "a") as f:
        for i in range(6):
            now = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
            f.write(f'{now} WARNING - failed login: username="r{i}", IP="203.0.113.66", reason="x"\n')
    until("the rule bans", lambda: networks("list", "--origin", "rule") == ["203.0.113.66"])
    number = documents("ban", "list", "--origin", "rule")[0]["id"]
    shown = documents("ban-show", "show", "203.0.113.66")[0]
    want("the alert behind it", (shown["bans"][0]["alert"], 6), (shown["alert"]["id"], len(shown["alert"]["events"])))
    text = bans(0, "show", str(number))
    assert 'username="r5"' in text and "1h" not in text.splitlines()[0], text
    want("not banned", (False, []), [(d["banned"], d["bans"]) for d in documents("ban-show", "show", "203.0.113.67")][0])
    bans(3, "show", "203.0.113.67", "--fail-empty", says="203.0.113.67 is not banned")
    bans(0, "show", "127.0.0.1", says="never")
    bans(0, "show", "10.1.2.3", says="10.0.0.0/8")
    bans(1, "show", "99", says="there is no ban 99")

    # A list, and the same list again with less in it.
    many = [f"203.0.{i // 200}.{i % 200}" for i in range(400)]
    path = os.path.join(scratch, "list.txt")
    with open(path, "w") as f:
        f.write("\n".join(many) + "\nnonsense\n")
    bans(0, "import", path, "--list", "spam", "--for", "1d", says=f"{path}:401:1:")
    want("all of it", 400, len(networks("list", "--list", "spam", "--limit", "1000")))
    with open(path, "w") as f:
        f.write("\n".join(many[:100]) + "\n10.9.9.9\n")
    bans(0, "import", path, "--list", "spam", "--for", "1d", "--replace", says="0 banned, 100 held already, 1 refused")
    want("what is left", sorted(many[:100]), sorted(networks("list", "--list", "spam", "--limit", "1000")))
    want("the others were not touched", 4, len(networks("list", "--limit", "1000")) - 100)

    # Files.
    exported = documents("ban", "export", "--with-dry-run")
    want("json", 104, len(exported))
    rows = list(csv.DictReader(io.StringIO(bans(0, "export", "--format", "csv", "--with-dry-run"), newline="")))
    want("csv", (104, 1), (len(rows), len([r for r in rows if r["reason"] == "'=scans" and r["network"] == "198.19.7.1"])))
    nft = os.path.join(scratch, "bans.nft")
    bans(0, "export", "--out", nft, "--with-dry-run", says="1 left out")
    with open(nft) as f:
        nft_text = f.read()
    assert "198.19.7.1 timeout 3" in nft_text and "2001:db8::/64 timeout" in nft_text, nft_text
    assert "198.51.100.0" not in nft_text and not os.path.exists(nft + ".tmp"), nft_text
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0 and \
       subprocess.run(["sh", "-c", "command -v nft"], capture_output=True).returncode == 0:
        loads = ("nft add table inet filter && nft add set inet filter banned4 '{ type ipv4_addr; flags interval, timeout; }' &&"
                 " nft add set inet filter banned6 '{ type ipv6_addr; flags interval, timeout; }' && nft -f \"$0\" && nft -f \"$0\" &&"
                 " nft list set inet filter banned4")
        r = subprocess.run(["unshare", "-rn", "sh", "-c", loads, nft], capture_output=True, text=True)
        if "Operation not permitted" not in r.stderr:
            want("nft loads it", (0, True), (r.returncode, "198.19.7.1 timeout" in r.stdout or r.stderr))
    bans(1, "export", "--out", os.path.join(scratch, "no", "folder"), says="cannot write")

    # Taken back, and told.
    text = bans(0, "remove", str(number))
    assert "203.0.113.66: removed" in text, text
    want("removed", ["removed"], [d["state"] for d in documents("ban", "history", "203.0.113.66")])
    bans(1, "remove", "203.0.113.66", says="a wider network may hold it")
    text = bans(0, "remove", "--list", "spam")
    want("a line each", 100, len([line for line in text.splitlines() if ": removed, " in line]))
    assert text.endswith("100 removed\n"), text
    bans(0, "remove", "198.19.7.1", "--comment", "ours", says="198.19.7.1: removed")
    # A second ban is longer; a short one ends by itself.
    bans(0, "add", "198.19.7.1", "--for", "1h")
    again = documents("ban", "list", "--ip", "198.19.7.1")[0]
    want("the second", (2, True), (again["times"], again["remaining_s"] > 80000))
    with open(config) as f:
        short = f.read().replace(", escalate: [1h, 1d]", "")
    bans(0, "remove", "--all", says="3 removed")
    with open(config, "w") as f:
        f.write(short)
    subprocess.run([program, "reload", "--config", config], check=True, capture_output=True)
    bans(0, "add", "198.19.7.7", "--for", "1s")
    until("it ends", lambda: [d["state"] for d in documents("ban", "history", "198.19.7.7")] == ["ended"])
    # Who follows hears of new ones, and only of those that were asked for.
    follower = subprocess.Popen([program, "bans", "list", "--follow", "--json", "--origin", "manual", "--config", config],
                                stdout=subprocess.PIPE, text=True)
    first = subprocess.Popen([program, "bans", "list", "--follow", "--list", "none", "--config", config], stdout=subprocess.PIPE, text=True)
    want("nothing yet", "N  NETWORK", first.stdout.readline()[:10])
    bans(0, "add", "198.19.7.9", "--for", "1h", "--list", "other")
    bans(0, "add", "198.19.7.8", "--for", "1h")
    want("the new one", "198.19.7.8", json.loads(follower.stdout.readline())["network"])
    for p in (follower, first):
        p.kill()
        p.communicate()
    bans(0, "remove", "198.19.7.9")
finally:
    daemon.send_signal(signal.SIGTERM)
    code = daemon.wait(30)
want("the daemon's end", 0, code)

# Without it: what only looks needs nobody.
want("after the end", ["198.19.7.8"], networks("list"))
bans(0, "show", "198.19.7.8", says="198.19.7.8 is ")
bans(0, "export", "--with-dry-run", says="198.19.7.8")
bans(5, "add", "198.19.7.9", "--for", "1h", says="start it")
bans(5, "remove", "198.19.7.8", says="start it")
trail = subprocess.run([program, "trail", "show", "--json", "--type", "act", "--limit", "1000", "--config", config], capture_output=True, text=True).stdout
assert '"ban.add"' in trail and '"ban.remove"' in trail, trail
print("bans of a daemon: as they should be")
