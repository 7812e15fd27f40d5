"""What the receivers' checks share: documents, configurations, the driver, plain servers."""
import copy
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading

DRIVER = os.path.join(os.environ["TW_BUILD"], "tests/integration/sink-driver")
FOLDER = tempfile.mkdtemp(prefix="trailwarden-sinks-", dir=os.environ.get("TMPDIR", "/tmp"))

ALERT = {
    "version": 1,
    "id": "0123456789abcdef0123456789abcdef",
    "rule": {
        "id": "openvpn-password-guessing",
        "title": "Failed logins from one address",
        "author": "trailwarden",
        "file": "openvpn/password-guessing.yml",
        "description": "Many failed logins in a short time from one address.",
        "digest": "00" * 32,
    },
    "level": "high",
    "tags": ["attack.t1110"],
    "channel": "openvpn",
    "time": "2026-11-21T01:38:59.123456Z",
    "first": "2026-11-21T01:35:10.000000Z",
    "window_s": 300,
    "count": 6,
    "threshold": 5,
    "lower_bound": False,
    "group": [{"name": "source.ip", "value": "203.0.113.7"}],
    "trust": "line",
    "backfill": False,
    "ban": {"address": "203.0.113.7", "for_s": 3600},
    "key": "aa-1",
    "events": [
        {
            "time": "2026-11-21T01:38:59.123456Z",
            "channel": "openvpn",
            "format": "openvpn.text",
            "raw": "203.0.113.7:50123 TLS Auth Error: verification failed for peer",
            "fields": {"source.ip": "203.0.113.7", "user.name": "alice"},
        }
    ],
}


def alert(**changes):
    """A copy of ALERT; group=VALUE and raw=[LINE...] are short forms."""
    document = copy.deepcopy(ALERT)
    if "group" in changes:
        document["group"] = [{"name": "user.name", "value": changes.pop("group")}]
    if "raw" in changes:
        lines = changes.pop("raw")
        document["events"] = [dict(ALERT["events"][0], raw=line) for line in lines]
    document.update(changes)
    return document


def write(name, text, mode=0o644):
    path = os.path.join(FOLDER, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def secret(text):
    return {"file": write(os.path.join(tempfile.mkdtemp(dir=FOLDER), "secret"), text + "\n", 0o600)}


def deliver(config, document=None, **arguments):
    """(exit status, list of results, standard error) of one run of the driver. JSON is YAML."""
    own = tempfile.mkdtemp(dir=FOLDER)  # checks may run side by side
    path = write(os.path.join(own, "config.yaml"), json.dumps(config, ensure_ascii=False) + "\n")
    data = write(os.path.join(own, "document.json"),
                 json.dumps(ALERT if document is None else document, ensure_ascii=False))
    words = [f"{name}={value}" for name, value in arguments.items()]
    run = subprocess.run(
        [DRIVER, path, data, *words], capture_output=True, text=True, timeout=60, check=False
    )
    results = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    if "Sanitizer" in run.stderr or "runtime error" in run.stderr:
        sys.exit(run.stderr)
    return run.returncode, results, run.stderr


class Listener:
    """The driver as a core that hears what people do: acts and results come out in their order."""

    def __init__(self, config, *words):
        environment = dict(os.environ)
        if "rights=1" in words:  # those to look for leaks are gone then
            environment["ASAN_OPTIONS"] = "detect_leaks=0"
        self.process = subprocess.Popen(
            [DRIVER, write("config.yaml", json.dumps(config) + "\n"), os.devnull, "listen=1", *words],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.said = ""
        self.heard = threading.Condition()
        self.threads = [threading.Thread(target=self.hear), threading.Thread(target=self.note)]
        for thread in self.threads:
            thread.start()

    def hear(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def note(self):
        for line in self.process.stderr:
            with self.heard:
                self.said += line
                self.heard.notify_all()

    def wait_for(self, text, seconds=10):
        """Until it has said so."""
        with self.heard:
            if not self.heard.wait_for(lambda: text in self.said, seconds):
                raise AssertionError(f"not said: {text}; but: {self.said}")

    def next(self, seconds=10):
        """The next act or result."""
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"nothing within {seconds} s; it said: {self.said}") from None

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def deliver(self, document=None):
        name = f"document-{len(os.listdir(FOLDER))}.json"
        self.tell("deliver " + write(name, json.dumps(ALERT if document is None else document)))

    def end(self, sig=None):
        """The exit status, after SIGNAL or the end of its input; what it said is complete then."""
        if sig and self.process.poll() is None:
            self.process.send_signal(sig)
        elif not sig:
            self.process.stdin.close()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        for thread in self.threads:
            thread.join(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        if "Sanitizer" in self.said or "runtime error" in self.said:
            sys.exit(self.said)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.process.stdout.closed:
            self.end(signal.SIGTERM)


def state(outcome):
    """The state of the last attempt."""
    return outcome[1][-1]["state"] if outcome[1] else f"exit {outcome[0]}: {outcome[2]}"


class Plain(threading.Thread):
    """A TCP server on a free port of 127.0.0.1 that gives each connection to `talk`."""

    def __init__(self, talk):
        super().__init__(daemon=True)
        self.talk = talk
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen = b""
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.talk(self, connection)
            except OSError:
                pass
            finally:
                connection.close()

    def line(self, connection):
        """One line from the peer, remembered in `seen`; empty at the end."""
        got = b""
        while not got.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                break
            got += byte
        self.seen += got
        return got

    def stop(self):
        self.listener.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]
