"""Alerts by the thousand to receivers that hang, refuse, break off and are away.

The daemon and one of its receivers are killed meanwhile. In the end each receiver has heard of each
alert: in a message of its own or in one summary, never in two; the paced one within its rate.
TW_ALERTS: how many (default 600; the long form is 10000).
"""
import json
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ALERTS = int(os.environ.get("TW_ALERTS", "600"))
PROGRAM = os.environ.get("TW_BIN") or os.path.join(os.environ["TW_BUILD"], "trailwarden")
FOLDER = os.environ["TMPDIR"]
LOG = os.path.join(FOLDER, "xui.log")
CONFIG = os.path.join(FOLDER, "c.yaml")
DISK = os.path.join(FOLDER, "disk.jsonl")
BURST, EVERY = 5, 2.0  # of the paced receiver
PATIENCE = 60 + ALERTS // 20  # a commit for each message that is delivered alone

dice = random.Random(7)
seen = {"/odd": {}, "/calm": {}, "/away": {}}  # path: webhook-id to document
times = []
away = threading.Event()
lock = threading.Lock()


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def say(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path
        if path == "/hang":
            time.sleep(60)
            self.close_connection = True
            return
        with lock:
            throw = dice.randrange(300) if path == "/odd" else 99
        if path == "/away" and away.is_set():
            self.close_connection = True
            return
        if throw == 0:
            return self.say(500)
        if throw == 1:
            return self.say(429, Retry_After="1")
        with lock:
            document = json.loads(body)
            old = seen[path].setdefault(self.headers["webhook-id"], document)
            if path == "/calm":
                times.append(time.monotonic())
            if old.get("alerts") != document.get("alerts"):
                print("not ok: one key, two messages")
                os._exit(1)
        if throw == 2:  # taken, but nobody hears that
            self.close_connection = True
            self.connection.close()
            return
        if throw == 3:
            return self.say(200, b"\xff garbage {")
        self.say(204)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


def fail(text):
    print("not ok:", text)
    os._exit(1)


def start():
    return subprocess.Popen(
        [PROGRAM, "run", "--quiet", "--config", CONFIG],
        stdout=subprocess.DEVNULL,
        stderr=open(os.path.join(FOLDER, "run.log"), "ab"),
    )


def ask(*words):
    r = subprocess.run([PROGRAM, *words, "--config", CONFIG], capture_output=True, text=True)
    return r.stdout


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def wait_until(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            with open(os.path.join(FOLDER, "run.log")) as f:
                print(f.read()[-2000:])
            fail(what)
        time.sleep(0.1)


def lines_of(path):
    try:
        with open(path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []


def write(log, first, last):
    for i in range(first, last):
        log.write(
            f'2026/11/21 01:10:00 WARNING - storm-probe {i} username="u{i % 50}",'
            f' IP="203.0.113.{i % 200}"\n'
        )
    log.flush()


def setup(port):
    with open(os.path.join(FOLDER, "storm.yml"), "w") as f:
        f.write(
            "title: A probe of the storm\nid: 3f0a7a54-0000-4000-8000-000000000001\n"
            "status: test\nlogsource: {product: xui}\n"
            "detection: {k: [storm-probe], condition: k}\nlevel: medium\n"
        )
    hook = f"type: webhook, url: 'http://127.0.0.1:{port}"
    with open(CONFIG, "w") as f:
        f.write(
            f"state: {FOLDER}/state\nhost: storm.example\n"
            f"rules: {{library: false, paths: [{FOLDER}/storm.yml]}}\n"
            f"channels: {{xui: {{inputs: [{{type: file, path: {LOG}, from: begin}}]}}}}\n"
            "notifiers:\n"
            f"  odd: {{{hook}/odd'}}\n"
            f"  away: {{{hook}/away', digest_over: 5, rate: 20/1s}}\n"
            f"  hang: {{{hook}/hang', timeout: 60s}}\n"
            f"  calm: {{{hook}/calm', rate: {BURST}/{int(BURST * EVERY)}s, digest_over: 5}}\n"
            f"  disk: {{type: file, path: {DISK}}}\n"
        )


def told(path):
    with lock:
        return sum(d.get("alerts", 1) for d in seen[path].values())


def waiting(name):
    rows = [json.loads(line) for line in ask("notify", "receivers", "--json").splitlines()]
    return next(r["waiting"] for r in rows if r["receiver"] == name)


def main():
    server = Server(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    setup(server.server_address[1])
    away.set()
    begun = time.monotonic()
    with open(LOG, "w") as log:
        daemon = start()
        steps = 12
        for step in range(steps):
            write(log, ALERTS * step // steps, ALERTS * (step + 1) // steps)
            time.sleep(0.4)
            if step in (3, 7):
                daemon.send_signal(signal.SIGKILL)
                daemon.wait()
                daemon = start()
            if step == 5 and children(daemon.pid):
                os.kill(children(daemon.pid)[-1], signal.SIGKILL)
    wait_until("the file has not all", PATIENCE, lambda: len({d["id"] for d in lines_of(DISK)}) == ALERTS)
    # Detection is not late, whoever hangs.
    with open(LOG, "a") as log:
        then = time.monotonic()
        write(log, ALERTS, ALERTS + 1)
        wait_until("an alert is late", 10, lambda: len({d["id"] for d in lines_of(DISK)}) > ALERTS)
        late = time.monotonic() - then
    away.clear()
    total = ALERTS + 1
    # The ones whose pauses have grown are asked again at once.
    ask("notify", "drop", "--receiver", "hang")
    wait_until("odd has not all", PATIENCE + 30, lambda: told("/odd") >= total)
    # Its last summary comes a minute after the first: only the long form waits for it.
    left = 0 if ALERTS > 1000 else None
    wait_until("calm has not all", PATIENCE + 30, lambda: told("/calm") + (waiting("calm") if left is None else 0) == total)
    left = total - told("/calm")
    wait_until("away has not all", PATIENCE + 30, lambda: told("/away") >= total)
    for path in seen:
        if told(path) != total - (left if path == "/calm" else 0):
            fail(f"{path}: told of {told(path)} of {total} alerts")
    if any("alerts" in d for d in seen["/odd"].values()):
        fail("who has no digests got one")
    with lock:
        messages, seconds = len(times), time.monotonic() - begun
    if len(seen["/calm"]) > BURST + seconds / EVERY + 2:
        fail(f"the paced one got {len(seen['/calm'])} messages in {seconds:.0f} s")
    if len(seen["/away"]) > total / 4:
        fail(f"who was away got {len(seen['/away'])} messages")
    rss = max(
        int(line.split()[1])
        for pid in children(daemon.pid)
        for line in open(f"/proc/{pid}/status")
        if line.startswith("VmHWM")
    )
    daemon.send_signal(signal.SIGTERM)
    daemon.wait()
    if subprocess.run([PROGRAM, "trail", "verify", "--quiet", "--config", CONFIG]).returncode:
        fail("the trail is not good")
    print(
        f"{total} alerts to 5 receivers, 3 kills: each told once, {left} wait for a summary;"
        f" paced {messages} messages, after the outage {len(seen['/away'])};"
        f" an alert beside it {late:.2f} s; largest process {rss // 1024} MiB"
    )


main()
