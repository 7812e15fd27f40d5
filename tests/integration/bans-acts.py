"""What the commands on bans ask of the daemon, word for word, and what they make of its answers."""
import json
import os
import socket
import subprocess
import sys
import threading
import time

program, scratch = sys.argv[1:3]
config = os.path.join(scratch, "acts.yaml")
state = os.path.join(scratch, "acts-state")
with open(config, "w") as f:
    f.write(f"state: {state}\nrules: {{library: false}}\n")
subprocess.run([program, "run", "--once", "--quiet", "--config", config], check=True)
os.chdir(state)  # a socket's address is short
asked = []
answers = []
DONE = {"ok": True, "text": "done"}


def serve(listener):
    while True:
        peer = listener.accept()[0]
        asked.append(peer.recv(65536).decode())
        answer = answers.pop(0) if answers else DONE
        try:
            peer.send(json.dumps(answer).encode())
        except BrokenPipeError:  # who asked has gone
            pass
        peer.close()


def start():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("control")
    listener.listen(8)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()


def run(code, *args, says="", stdin=None, **env):
    """Runs `bans ...`; its requests as objects, and what it printed."""
    asked.clear()
    e = {k: v for k, v in os.environ.items() if k != "SSH_CONNECTION"}
    r = subprocess.run([program, "bans", *args, "--config", config], capture_output=True, text=True,
                       input=stdin, env=dict(e, SUDO_USER="alice", **env))
    text = r.stdout + r.stderr
    if r.returncode != code or says not in text:
        print(f"FAIL: {args}: exit {r.returncode}, expected {code}; '{says}' expected in: {text}")
        sys.exit(1)
    return [json.loads(a) for a in asked], text


def want(what, expected, seen):
    if expected != seen:
        print(f"FAIL: {what}\n  expected {expected}\n  seen     {seen}")
        sys.exit(1)


def act(verb, **members):
    return {"act": verb, **members, "by": "alice", "via": "cli"}


def file(name, text):
    path = os.path.join(scratch, name)
    with open(path, "w") as f:
        f.write(text)
    return path


# Without a daemon nothing is done, and it is said what to do.
run(5, "add", "192.0.2.1", "--for", "1h", says="start it")
run(5, "remove", "--all", says="start it")
run(5, "import", file("one.txt", "192.0.2.1\n"), "--list", "x", "--for", "1h", says="start it")
run(0, "list", says="NETWORK")
os.path.exists("control") and os.remove("control")
start()

# add
seen, _ = run(0, "add", "192.0.2.1", "2001:db8::/32", "--for", "1h", "--reason", 'scans "us" ü', "--comment", "t", says="done")
want("added", [dict(act("ban.add", for_s=3600, reason='scans "us" ü', targets=["192.0.2.1", "2001:db8::/32"]), comment="t")], seen)
want("ports", [act("ban.add", for_s=0, targets=["192.0.2.1 tcp 22,80"])],
     run(0, "add", "192.0.2.1", "--for", "forever", "--ports", "80,22")[0])
want("a whole target", [act("ban.add", for_s=60, list="mine", dry_run=True, targets=["192.0.2.0/24 udp", "192.0.2.9 udp 53"])],
     run(0, "add", "192.0.2.0/24 udp", "192.0.2.9 udp 53", "--for", "1m", "--list", "mine", "--dry-run")[0])
want("its protocol", [act("ban.add", for_s=60, targets=["192.0.2.9 udp"])],
     run(0, "add", "192.0.2.9", "--protocol", "udp", "--for", "1m")[0])

# Many are several requests, and no request is longer than the daemon takes.
many = [f"2001:db8:{i:x}:ffff:eeee:dddd:cccc:bbbb tcp 10001,10002,10003,10004,10005,10006,10007,10008" for i in range(130)]
seen, _ = run(0, "add", *many, "--for", "1h", "--comment", '"' * 500)
want("all of them", many, [t for a in seen for t in a["targets"]])
assert max(len(json.dumps(a, separators=(",", ":"))) for a in seen) <= 3500, "a request is too long"
seen, _ = run(0, "add", *[f"192.0.2.{i}" for i in range(130)], "--for", "1h")
want("sixty at a time", [60, 60, 10], [len(a["targets"]) for a in seen])

# The answer, each ban on a line of its own, made safe.
answers += [{"ok": True, "text": "1 of 2 banned", "bans": [
    {"id": 1, "target": "192.0.2.1", "text": "banned for 1h"},
    {"id": 0, "target": "10.1.2.3", "text": "refused: \x1b[2J allowed by 10.0.0.0/8"}]}] * 2
_, text = run(0, "add", "192.0.2.1", "10.1.2.3", "--for", "1h")
want("told", "1 of 2 banned\n  192.0.2.1: banned for 1h\n  10.1.2.3: refused: \\x1b[2J allowed by 10.0.0.0/8\n", text)
_, text = run(0, "add", "192.0.2.1", "10.1.2.3", "--for", "1h", "--json")
want("as JSON", "10.1.2.3", json.loads(text)["bans"][1]["target"])
answers += [{"ok": False, "text": "the book is full"}]
run(1, "add", "192.0.2.1", "--for", "1h", says="trailwarden: the book is full")

# What cannot be meant is not asked.
for args, says in ((["192.0.2.1"], "for how long"), (["--for", "1h"], "which address"),
                   (["192.0.2.1", "--for", "0s"], "--for is"), (["192.0.2.1", "--for", "4000d"], "--for is"),
                   (["example.com", "--for", "1h"], "no address or network"),
                   (["192.0.2.1/24", "--for", "1h"], "did you mean 192.0.2.0/24?"),
                   (["127.0.0.1", "--for", "1h"], "never banned"), (["0.0.0.0/0", "--for", "1h"], "never banned"),
                   (["::/0", "--for", "1h"], "never banned"), (["fe80::1", "--for", "1h"], "never banned"),
                   (["192.0.2.1", "--for", "1h", "--ports", "0"], "--ports is"),
                   (["192.0.2.1", "--for", "1h", "--ports", "1,2,3,4,5,6,7,8,9"], "--ports is"),
                   (["192.0.2.1", "--for", "1h", "--protocol", "foo"], "--protocol is"),
                   (["192.0.2.1", "--for", "1h", "--protocol", "all", "--ports", "1"], "ports need"),
                   (["192.0.2.1", "--for", "1h", "--protocol", "icmp", "--ports", "1"], "ports need"),
                   (["192.0.2.1 tcp 1", "--for", "1h", "--ports", "1"], "twice"),
                   (["192.0.2.1", "--for", "1h", "--reason", "a\nb"], "--reason is"),
                   (["192.0.2.1", "--for", "1h", "--list", "a b"], "--list is a name")):
    want(f"bans add {args}", [], run(2, "add", *args, says=says)[0])

# Whoever is logged in over SSH is asked first; nobody can be asked here.
ssh = "198.51.100.7 50022 192.0.2.1 22"
want("own", [], run(1, "add", "198.51.100.7", "--for", "1h", says="logged in over SSH", SSH_CONNECTION=ssh, stdin="yes\n")[0])
want("own network", [], run(1, "add", "198.51.100.0/24", "--for", "1h", says="say --yes", SSH_CONNECTION=ssh)[0])
want("meant", 1, len(run(0, "add", "198.51.100.7", "--for", "1h", "--yes", SSH_CONNECTION=ssh)[0]))
want("another", 1, len(run(0, "add", "198.51.100.8", "--for", "1h", SSH_CONNECTION=ssh)[0]))
want("nonsense", 1, len(run(0, "add", "198.51.100.7", "--for", "1h", SSH_CONNECTION="x")[0]))
# sudo drops the variable: what started us still has it.
asked.clear()
r = subprocess.run(["sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "x", program, "bans", "add", "198.51.100.7", "--for", "1h",
                    "--config", config], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                   env=dict(os.environ, SSH_CONNECTION=ssh))
want("behind sudo", (1, []), (r.returncode, asked))

# remove
want("removed", [act("ban.remove", targets=["192.0.2.1", "198.51.100.0/24"])],
     run(0, "remove", "192.0.2.1", "198.51.100.0/24")[0])
want("by number", [dict(act("ban.remove", id="17"), comment="c"), dict(act("ban.remove", id="4"), comment="c")],
     run(0, "remove", "17", "4", "--comment", "c")[0])
want("by list", [act("ban.remove", list="spam")], run(0, "remove", "--list", "spam")[0])
want("by alert", [act("ban.remove", alert="abcd12")], run(0, "remove", "--alert", "abcd12")[0])
want("all", [act("ban.remove", all=True)], run(0, "remove", "--all")[0])
want("special ones, too", [act("ban.remove", targets=["127.0.0.1"])], run(0, "remove", "127.0.0.1")[0])
answers += [{"ok": False, "text": "no such ban holds"}] * 2
run(1, "remove", "192.0.2.1", says="a wider network may hold it")
run(1, "remove", "--all", says="trailwarden: no such ban holds")
for args, says in (([], "which?"), (["--all", "192.0.2.1"], "which?"), (["--all", "--list", "x"], "which?"),
                   (["--alert", "xyz"], "an id is"), (["17", "192.0.2.1"], "either"), (["0"], "no address")):
    want(f"bans remove {args}", [], run(2, "remove", *args, says=says)[0])

# import: what is bad is told, what is repeated is asked once, what is left is asked sixty at a time.
lines = [f"10.{i // 250}.{i % 250}.1" for i in range(500)]
path = file("list.txt", "# list\n" + "\n".join(lines) + "\nbad line\n10.0.0.1 ; again\n127.0.0.1\n")
seen, text = run(0, "import", path, "--list", "spam", "--for", "2d", "--reason", "drop", "--replace")
want("requests", 10, len(seen))
want("members", act("ban.add", for_s=172800, reason="drop", list="spam", targets=seen[0]["targets"]), seen[0])
want("each once", sorted(lines), sorted(t for a in seen[:-1] for t in a["targets"]))
want("the last one", ["act", "list", "stamp", "by", "via"], list(seen[-1]))
want("the list", ("ban.sync", "spam"), (seen[-1]["act"], seen[-1]["list"]))
assert f"{path}:502:1: 'bad' is no address or network" in text or f"{path}:502:1: 'bad line'" in text, text
assert f"{path}:504:1: it holds addresses that are never banned" in text, text
assert "list spam: 500 networks: 0 banned, 0 held already, 0 refused; 1 repeated, 2 bad lines left out\ndone" in text, text
seen, _ = run(0, "import", "-", "--list", "spam", "--for", "2d", stdin="192.0.2.1\n", says="1 network: ")
want("no sync without --replace", ["ban.add"], [a["act"] for a in seen])
_, text = run(0, "import", "-", "--list", "spam", "--for", "2d", "--json", "--replace", stdin="192.0.2.1\n")
want("as JSON", {"list": "spam", "dry_run": False, "networks": 1, "banned": 0, "held": 0, "refused": 0, "repeated": 0, "bad_lines": 0,
                 "replaced": "done"}, json.loads(text))
want("dry", [], run(0, "import", "-", "--list", "spam", "--for", "2d", "--dry-run", stdin="192.0.2.1\n", says="1 network;")[0])
want("csv", ["192.0.2.1"], run(0, "import", "-", "--list", "s", "--for", "1h", "--format", "csv", stdin="ip,x\n192.0.2.1,1\n")[0][0]["targets"])
want("json", ["192.0.2.1"], run(0, "import", "-", "--list", "s", "--for", "1h", "--format", "json", stdin='["192.0.2.1"]')[0][0]["targets"])
# An empty list, or a page with an error, empties nothing.
for stdin in ("", "# nothing\n", "<html>\n<body>502 Bad Gateway</body>\n"):
    want("nothing asked", [], run(1, "import", "-", "--list", "s", "--for", "1h", "--replace", stdin=stdin, says="nothing was changed")[0])
# One that breaks off takes nothing back.
answers += [DONE, {"ok": False, "text": "the book is full"}]
run(1, "import", path, "--list", "spam", "--for", "2d", "--replace", says="it ended after 60 of 500")
while len(asked) < 9:  # all that were on their way
    time.sleep(0.01)
want("no sync", {"ban.add"}, {json.loads(a)["act"] for a in asked})
# Numbers add up over all requests.
answers += [{"ok": True, "text": "x", "banned": 50, "held": 6, "refused": 4}] * 9
run(0, "import", path, "--list", "spam", "--for", "2d", says="450 banned, 54 held already, 36 refused")
# A daemon that is busy is asked again; what it refuses is counted.
answers += [{"ok": False, "text": "not now: try again"},
            {"ok": False, "text": "0 banned, 0 held already, 1 refused", "banned": 0, "held": 0, "refused": 1}]
seen, _ = run(0, "import", "-", "--list", "s", "--for", "1h", stdin="192.0.2.1\n", says="0 banned, 0 held already, 1 refused")
want("asked again", 2, len(seen))
for args, says in (([path, "--for", "1h"], "which list"), ([path, "--list", "a"], "for how long"), (["--list", "a", "--for", "1h"], "one file"),
                   ([path, "--list", "a/b", "--for", "1h"], "--list is"), ([path, "--list", "a", "--for", "1h", "--format", "nft"], "--format is")):
    want(f"bans import {args}", [], run(2, "import", *args, says=says)[0])
run(1, "import", os.path.join(scratch, "none"), "--list", "a", "--for", "1h", says="cannot open")
print("requests of bans: as they should be")
