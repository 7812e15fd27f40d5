"""What the commands ask of the daemon, word for word, and what they make of its answers."""
import json
import os
import socket
import subprocess
import sys
import threading

program, scratch, rule = sys.argv[1:4]
config = os.path.join(scratch, "c.yaml")
state = os.path.join(scratch, "state")
log = os.path.join(scratch, "xui.log")
open(log, "w").close()
with open(config, "w") as f:
    f.write(f"state: {state}\nchannels:\n  xui: {{inputs: [{{type: file, path: {log}, from: begin}}]}}\n"
            f"rules: {{library: false, paths: [{rule}]}}\n")
subprocess.run([program, "run", "--once", "--quiet", "--config", config], check=True)
os.chdir(state)  # a socket's address is short
asked = []
answers = []


def serve(listener):
    while True:
        peer = listener.accept()[0]
        asked.append(peer.recv(65536).decode())
        answer = answers.pop(0) if answers else '{"ok":true,"text":"done"}'
        if answer is not None:
            peer.send(answer.encode())
        peer.close()


def start():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("control")
    listener.listen(8)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()


def run(code, *args, says=""):
    """Runs a command; its requests as objects, and what it printed."""
    asked.clear()
    r = subprocess.run([program, *args, "--config", config], capture_output=True, text=True,
                       env=dict(os.environ, SUDO_USER="alice"))
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


# Without a daemon nothing is done, and it is said what to do.
run(5, "alerts", "ack", "abcd", says="start it")
os.path.exists("control") and os.remove("control")
start()

# Each id is an act of its own.
seen, _ = run(0, "alerts", "ack", "abcd1234", "ffff0000", "--comment", "our own scanner", says="done")
want("two acks", [dict(act("ack", id=i), comment="our own scanner") for i in ("abcd1234", "ffff0000")], seen)
want("members in order", ["act", "id", "by", "comment", "via"], list(seen[0]))
want("close", [act("close", id="abcd")], run(0, "alerts", "close", "abcd")[0])
want("reopen", [act("reopen", id="abcd")], run(0, "alerts", "reopen", "abcd")[0])
want("comment", [dict(act("comment", id="abcd"), comment='say "hi" \\ ü')],
     run(0, "alerts", "comment", "abcd", 'say "hi" \\ ü')[0])

# One refusal does not keep the others from being asked, but the exit code tells.
answers += ['{"ok":false,"text":"no alert begins with \'aaaa\'"}', '{"ok":true,"text":"acknowledged"}']
seen, text = run(1, "alerts", "ack", "aaaa", "bbbb", says="trailwarden: no alert begins with 'aaaa'")
want("both asked", 2, len(seen))
assert "acknowledged" in text, text

# Nothing of an answer reaches the terminal as it came.
answers += [json.dumps({"ok": True, "text": "\x1b[2Jgone\x07"})]
_, text = run(0, "alerts", "ack", "abcd", says="gone")
want("control characters", [], [c for c in text if ord(c) < 32 and c != "\n"])
answers += [json.dumps({"ok": True, "text": "silenced", "id": 7})]
_, text = run(0, "alerts", "ack", "abcd", "--json")
want("as JSON", {"ok": True, "text": "silenced", "id": 7}, json.loads(text))

# What cannot be meant is not asked.
for args in (["ack"], ["ack", "abc"], ["ack", "xyzw"], ["ack", "ABCD"], ["ack", "a" * 33], ["ack", "abcd", "zz"],
             ["ack", "abcd", "--comment", "two\nlines"], ["ack", "abcd", "--comment", "x" * 4000],
             ["comment", "abcd"], ["comment", "abcd", "a", "b"]):
    want(f"alerts {args}", [], run(2, "alerts", *args)[0])

# Answers that are none.
answers += ["failed: no such request, or not now"]
run(1, "alerts", "ack", "abcd", says="the daemon says: failed: no such request")
answers += [None]
run(5, "alerts", "ack", "abcd", says="look before you repeat it")

# Silences.
answers += ['{"ok":true,"text":"silenced","id":3}']
seen, text = run(0, "silences", "add", "--for", "2h", "--rule", "xui-*", "--level", "high,critical",
                 "--field", "source.ip=192.0.2.0/24", "--field", "user.name=bob",
                 "--field", "source.ip=2001:db8::/32", "--channel", "xui", "--comment", "works", says="it ends 20")
want("a silence", [dict(act("silence.add", when={
    "rule": ["xui-*"], "level": ["high", "critical"], "source.ip": ["192.0.2.0/24", "2001:db8::/32"],
    "user.name": ["bob"], "channel": ["xui"]}, for_s=7200), comment="works")], seen)
assert "0 open incidents fit now" in text, text
seen, _ = run(0, "silences", "add", "--for", "1s", "--rule", 
                 "xui: more than 5 failed logins from one address in 5 minutes", "--rule", "no, such rule")
assert seen[0]["when"]["rule"][1] == "no, such rule" and len(seen[0]["when"]["rule"][0]) == 36, seen
want("a silence of an alert", [act("silence.add", id="abcd", for_s=1800)],
     run(0, "silences", "add", "abcd", "--for", "30m")[0])
want("expired", [act("silence.expire", id=3), act("silence.expire", id=12)],
     run(0, "silences", "expire", "3", "12")[0])
for args, says in ((["--for", "2h"], "what is to be silenced"), (["--rule", "x"], "for how long"),
                   (["--for", "0s", "--rule", "x"], "--for is"), (["--for", "400d", "--rule", "x"], "--for is"),
                   (["--for", "1h", "--level", "worst"], "level"), (["--for", "1h", "--field", "source.ip"], "NAME=VALUE"),
                   (["--for", "1h", "--field", "source.ip=192.0.2.1/24"], "192.0.2.0/24"),
                   (["abcd", "--for", "1h", "--rule", "x"], "either"), (["x", "--for", "1h"], "hex digits")):
    want(f"silences add {args}", [], run(2, "silences", "add", *args, says=says)[0])
want("no number", [], run(2, "silences", "expire", "x")[0])

# Messages.
want("retry", [act("retry", id=57), act("retry", id=58)], run(0, "notify", "retry", "57", "58")[0])
want("retry all", [act("retry", receiver="ops")], run(0, "notify", "retry", "--receiver", "ops")[0])
want("drop", [dict(act("drop", id=57), comment="gone")], run(0, "notify", "drop", "57", "--comment", "gone")[0])
want("drop all", [act("drop", receiver="ops")], run(0, "notify", "drop", "--receiver", "ops")[0])
for args in (["retry"], ["drop"], ["retry", "0"], ["retry", "-1"], ["drop", "5", "--receiver", "ops"]):
    want(f"notify {args}", [], run(2, "notify", *args)[0])
print("acts, answers and refusals: as they should be")
