"""The daemon's checkpoints at a witness, a server, a folder and an authority; and who contradicts."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

program, scratch, source = sys.argv[1:4]
sys.path.insert(0, os.path.join(source, "tests/integration/servers"))
tempfile.tempdir = scratch  # keys and messages of openssl
os.environ.setdefault("TW_BUILD", os.path.dirname(program))
import rig  # noqa: E402
import witness  # noqa: E402
from check_anchors import Authority, Server  # noqa: E402

STATE = os.path.join(scratch, "state")
KEPT = os.path.join(STATE, "trail/checkpoints")
LOG = os.path.join(scratch, "xui.log")
CONFIG = os.path.join(scratch, "c.yaml")
FILE = os.path.join(scratch, "alerts.jsonl")
daemon = None


def fail(text):
    print("FAIL:", text)
    if daemon:
        daemon.kill()
        print(open(os.path.join(scratch, "log"), encoding="utf-8").read()[-3000:])
    sys.exit(1)


def want(what, expected, actual):
    if expected != actual:
        fail(f"{what}: expected {expected!r}, got {actual!r}")


def wait(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    return fail(f"waited for nothing: {what}")


def run(*words, config=CONFIG):
    return subprocess.run([program, *words, "--config", config], capture_output=True, text=True,
                          check=False, timeout=60)


def start():
    global daemon
    with open(os.path.join(scratch, "log"), "w", encoding="utf-8") as out:
        daemon = subprocess.Popen([program, "run", "--config", CONFIG], stderr=out)


def stop():
    global daemon
    daemon.send_signal(signal.SIGTERM)
    if daemon.wait(30) != 0:
        fail("the daemon did not end well")
    daemon = None
    with open(os.path.join(scratch, "log"), encoding="utf-8") as f:
        if re.search("Sanitizer|runtime error", f.read()):
            fail("a sanitizer spoke")


def entries(kind, **members):
    """Entries of the trail of this type that have these members."""
    out = run("trail", "show", "--json", "--type", kind).stdout
    found = [json.loads(line) for line in out.splitlines()]
    return [e for e in found if all(e.get(k) == v for k, v in members.items())]


def kept(size, suffix=""):
    try:
        with open(os.path.join(KEPT, f"{size:020d}{suffix}"), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


def requests():
    return [int(line.split()[1]) for line in w.get("requests").splitlines()]


def alerts():
    try:
        with open(FILE, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []


def contradictions():
    return [a for a in alerts() if a["rule"]["id"] == "trailwarden-trail-contradicted"]


def write_config(anchors, every="1s"):
    document = {
        "state": STATE,
        "host": "t.example",
        "channels": {"xui": {"inputs": [{"type": "file", "path": LOG, "from": "begin"}]}},
        "notifiers": {"out": {"type": "file", "path": FILE}},
        "trail": {"anchor_every": every, "heartbeat": "1s", "anchors": anchors},
    }
    with open(CONFIG, "w", encoding="utf-8") as f:
        json.dump(document, f)


def config_says(text, anchors):
    write_config(anchors)
    r = run("check", "--quiet")
    if r.returncode != 78 or text not in r.stdout + r.stderr:
        fail(f"no {text!r}: {r.returncode} {r.stdout} {r.stderr}")


# ---- a trail, a witness, an authority, a server, a folder ----

shutil.copy(os.path.join(source, "contrib/samples/xui.log"), LOG)
write_config([])
init = json.loads(run("trail", "init", "--json").stdout)
folder = os.path.join(scratch, "witness")
worm = os.path.join(scratch, "worm")
tsa = os.path.join(scratch, "tsa")
for path in (folder, worm, tsa):
    os.mkdir(path)
w = witness.Witness("seed", "w.example/w1", init["vkey"], folder)
threading.Thread(target=w.server.serve_forever, args=(0.05,), daemon=True).start()
authority = Authority(tsa)
taker = Server(lambda *_: (200, "text/plain", b""))
stamper = Server(lambda _, body: (200, "application/timestamp-reply", authority.stamp(body)))
WITNESS = {"type": "witness", "name": "w1", "url": w.url, "vkey": w.key.vkey()}
ALL = [
    WITNESS,
    {"type": "file", "path": worm},
    {"type": "post", "name": "taker", "url": taker.url},
    {"type": "timestamp", "name": "stamper", "url": stamper.url, "ca": authority.path("ca.pem")},
]

# ---- settings that are wrong are told with their place ----

config_says("no key of a witness", [dict(WITNESS, vkey=init["vkey"])])
config_says("did you mean 'witness'", [dict(WITNESS, type="witnes")])
config_says("two receivers are called 'w1'", [WITNESS, WITNESS])
config_says("two receivers are called 'out'", [dict(WITNESS, name="out")])
config_says("at most 12", [dict(WITNESS, name=f"w{i}") for i in range(13)])
config_says("two receivers are called 'post:x.example/a'", [
    {"type": "post", "url": f"https://{user}@x.example/a?{user}"} for user in ("me:one", "me:two")])
config_says("https", [dict(WITNESS, url="http://w.example/")])
config_says("missing", [{"type": "timestamp", "url": stamper.url}])

# ---- without any anchor: what goes along with alerts is kept ----

write_config([])
start()
documents = wait("alerts with a checkpoint", lambda: [a for a in alerts() if "checkpoint" in a])
wait("all alerts", lambda: len(alerts()) >= len(entries("alert")) > 0)
stop()
for a in documents:
    want("kept before it left", True, kept(int(a["checkpoint"].split("\n")[1])).decode() == a["checkpoint"])

# ---- all four get checkpoints, and what comes back is kept ----

write_config(ALL)
start()
for anchor in ("witness", "file", "post", "timestamp"):
    wait(f"two entries of {anchor}", lambda a=anchor: len(entries("trail.anchor", anchor=a)) >= 2)
stop()
last = entries("trail.anchor", anchor="witness")[-1]
size = last["size"]
text = kept(size).decode()
want("the root of the entry", text.split("\n")[2], last["root"])
want("signed by the log", True, witness.signed_by(init["vkey"], text.split(f"{witness.DASH} w.")[0]))
want("the witness's line", True, w.key.cosign("\n".join(text.split("\n")[:3]).encode() + b"\n") in text)
want("no line of a stranger", -1, text.find("stranger"))
for e in entries("trail.anchor", anchor="file"):
    name = f"t.example_trail_1-{e['size']:020d}.note"
    with open(os.path.join(worm, name), encoding="utf-8") as f:
        want("the folder's note", True, kept(e["size"]).decode().startswith(f.read()[:200]))
for body in {body for _, _, body in taker.requests}:
    sent = int(body.split(b"\n")[1])
    want("what was posted is kept", True, kept(sent).startswith(body))
for e in entries("trail.anchor", anchor="timestamp"):
    stamp, note = kept(e["size"], ".tsr"), kept(e["size"]).decode()
    authority.write("kept.tsr", stamp, "wb")
    whole = note.split("\n")
    good = 0
    for n in range(len(whole)):  # over the file, or over its beginning: lines may have come since
        authority.write("kept", "\n".join(whole[:n + 1]) + "\n")
        good += subprocess.run(["openssl", "ts", "-verify", "-data", "kept", "-in", "kept.tsr",
                                "-CAfile", "ca.pem"], cwd=tsa, capture_output=True,
                               check=False).returncode == 0
    want("the stamp is over the kept note", 1, good)
want("verified", 0, run("trail", "verify").returncode)

# ---- after a restart it goes on from the tree that the witness signed ----

write_config([WITNESS])
before = len(requests())
signed = int(w.get("size"))
start()
wait("a request", lambda: len(requests()) > before)
want("old of the first request", signed, requests()[before])

# ---- a witness that fell back is followed, at once ----

with w.lock:  # the two belong together
    shutil.copy(os.path.join(folder, "size"), os.path.join(folder, "size.old"))
    shutil.copy(os.path.join(folder, "root"), os.path.join(folder, "root.old"))
wait("a larger one", lambda: int(w.get("size")) > int(w.get("size.old")))
with w.lock:
    w.put("root", w.get("root.old"))
    w.put("size", w.get("size.old"))
    before = len(requests())
wait("it is signed again", lambda: int(w.get("size")) > int(w.get("size.old")))
if len(requests()) - before > 3 or w.get("size.old") not in [str(n) for n in requests()[before:]]:
    fail(f"it did not go on from {w.get('size.old')}: {requests()[before:]}")

# ---- odd answers: nothing is kept, nothing is believed, nothing spins; then it goes on ----

def misbehave(mode):
    w.put("mode", mode)
    before = len(requests())
    wait(f"a request in mode {mode}", lambda: len(requests()) > before + 1)
    begin = len(requests())
    time.sleep(1)  # nothing to wait for: that it does not come is the point
    if len(requests()) - begin > 4:
        fail(f"{mode}: {len(requests()) - begin} requests in a second")


for mode in ("cut", "strangers", "500"):
    misbehave(mode)
    have = len(entries("trail.anchor", anchor="witness"))
    w.put("mode", "")
    wait(f"recovery from {mode}", lambda h=have: len(entries("trail.anchor", anchor="witness")) > h)
misbehave("409-moving")
w.put("mode", "")
want("no contradiction", [], contradictions())
for name in os.listdir(KEPT):
    if len(name) == 20 and b"stranger" in kept(int(name)):
        fail("a stranger's line was kept")
want("verified", 0, run("trail", "verify").returncode)
stop()
WITNESS["name"] = "w2"  # the pause of the last one would be long by now
write_config([WITNESS])
start()

# ---- a witness that refuses, and one that has seen more: told once, as critical ----

w.put("mode", "422")
wait("an alarm", contradictions)
want("its level", "critical", contradictions()[0]["level"])
want("its anchor", "w2", contradictions()[0]["group"][0]["value"])
wait("three refusals", lambda: len(entries("trail.contradicted", receiver="w2")) >= 3)
want("alarms for one refusal", 1, len(contradictions()))
w.put("mode", "409-more")
wait("another alarm", lambda: len(contradictions()) > 1)
w.put("mode", "")
stop()

# ---- a trail that was rolled back ----

os.remove(FILE)
shutil.copytree(STATE, os.path.join(scratch, "older"))
have = len(entries("trail.anchor", anchor="witness"))
start()
wait("more entries", lambda: len(entries("trail.anchor", anchor="witness")) > have + 1)
stop()
shutil.move(KEPT, os.path.join(scratch, "newer"))
shutil.rmtree(STATE)
shutil.copytree(os.path.join(scratch, "older"), STATE)
want("by itself it is good", 0, run("trail", "verify").returncode)
start()
wait("the rollback is told", contradictions)
# Which of them depends on how far the trail has grown again when the witness is asked.
if not re.search("has signed (a checkpoint of|another checkpoint)|does not continue what it signed", contradictions()[0]["rule"]["description"]):
    fail(contradictions()[0]["rule"]["description"])
stop()

# ---- one whose kept notes were forgotten to be cut ----

os.remove(FILE)
shutil.rmtree(STATE)
shutil.copytree(os.path.join(scratch, "older"), STATE)
shutil.rmtree(KEPT)
shutil.move(os.path.join(scratch, "newer"), KEPT)
write_config([])
want("kept notes contradict it", 10, run("trail", "verify").returncode)
start()
wait("that is told", contradictions)
want("by whom", "kept notes", contradictions()[0]["group"][0]["value"])
wait("its entry", lambda: entries("trail.contradicted", receiver="kept notes"))
stop()
shutil.rmtree(KEPT)
write_config([WITNESS])

# ---- by hand ----

r = run("trail", "anchor")
want("exit of a contradiction", 10, r.returncode)
if "contradicted" not in r.stdout:
    fail(r.stdout + r.stderr)
write_config(ALL[1:])
r = run("trail", "anchor", "--json")
want("exit", 0, r.returncode)
lines = [json.loads(line) for line in r.stdout.splitlines()]
want("all of them", ["file", "post", "timestamp"], [a["type"] for a in lines])
want("states", {"sent"}, {a["state"] for a in lines})
other = os.path.join(scratch, "other")
os.mkdir(other)
r = run("trail", "anchor", "--to", other, "--to", taker.url, "--to", "stamper", "--to", "post")
want("exit", 0, r.returncode)
want("lines", 4, len(re.findall(": sent: ", r.stdout)))
want("files", 1, len(os.listdir(other)))
want("nobody of that name", 1, run("trail", "anchor", "--to", "nobody").returncode)
want("nobody there", 1, run("trail", "anchor", "--to",
                            f"http://127.0.0.1:{rig.free_port()}/").returncode)
write_config([])
r = run("trail", "anchor")
want("nobody configured", 1, r.returncode)
if "nobody is configured" not in r.stderr:
    fail(r.stderr)
