"""Forwarding by the daemon: all of it, in order, whatever dies in between; repeats have the id.

TW_FORWARD_LINES=100000 is the long form.
"""
import gzip
import http.server
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

TW = os.environ.get("TW_BIN") or os.path.join(os.environ["TW_BUILD"], "trailwarden")
LINES = int(os.environ.get("TW_FORWARD_LINES", "600"))
PATIENCE = 60 + LINES / 200 * int(os.environ.get("TW_SLOW", "1"))


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("not in time: " + what)


class Receiver:
    """Takes lines by POST; can be killed and comes back at the same port. `answer` judges lines."""

    def __init__(self, answer=lambda lines: 200):
        self.lines, self.answer, self.port, self.server = [], answer, 0, None
        self.start()

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                lines = body.decode().splitlines()
                status = outer.answer(lines)
                if status == 200:
                    outer.lines += lines
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def indexes(self):
        return [json.loads(line)["i"] for line in list(self.lines)]


class Daemon:
    def __init__(self, forward):
        self.folder = tempfile.mkdtemp()
        self.log = os.path.join(self.folder, "xui.log")
        self.config = os.path.join(self.folder, "tw.json")
        self.n = 0
        with open(self.log, "w", encoding="utf-8"):
            pass
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump({"state": os.path.join(self.folder, "state"), "host": "h.example",
                       "rules": {"library": False},
                       "channels": {"xui": {"audit": "all", "inputs": [
                           {"type": "file", "path": self.log, "from": "begin"}]}},
                       "forward": forward}, f)
        self.process = None
        self.out = open(os.path.join(self.folder, "out"), "w+", encoding="utf-8")
        self.start()

    def start(self):
        self.process = subprocess.Popen([TW, "run", "--config", self.config], stdout=self.out,
                                        stderr=self.out)

    def write(self, n):
        with open(self.log, "a", encoding="utf-8") as f:
            for _ in range(n):
                f.write(f"2026/11/21 01:38:59 INFO - Starting x-ui {self.n}.6.0\n")
                self.n += 1

    def trail(self):
        folder = os.path.join(self.folder, "state/trail/log")
        out = []
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            opener = gzip.open if name.endswith(".gz") else open
            with opener(path, "rt", encoding="utf-8") as f:
                out += f.read().split("\n")[:-1]
        return out

    def status(self):
        done = subprocess.run([TW, "status", "--json", "--config", self.config],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def child(self, name):
        found = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)],
                               capture_output=True, text=True, check=False).stdout
        for line in found.splitlines():
            pid, comm = line.split(None, 1)
            if comm.strip() == name:
                return int(pid)
        return None

    def kill_child(self, name):
        until(lambda: self.child(name), name)
        try:
            os.kill(self.child(name), signal.SIGKILL)
        except (ProcessLookupError, TypeError):
            pass

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        self.out.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def said(self):
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as f:
            return f.read()


class Forward(unittest.TestCase):
    def setUp(self):
        self.ends = []

    def tearDown(self):
        for end in reversed(self.ends):
            end()

    def daemon(self, forward):
        d = Daemon(forward)
        self.ends.append(d.close)
        return d

    def receiver(self, *arguments):
        r = Receiver(*arguments)
        self.ends.append(r.stop)
        return r

    @staticmethod
    def http(receiver, **changes):
        return {"type": "http", "url": f"http://127.0.0.1:{receiver.port}", "timeout": "5s",
                "batch": 50, **changes}

    def all_there(self, daemon, receiver):
        trail = daemon.trail()
        until(lambda: len(set(receiver.indexes())) >= len(trail), "all entries: "
              + daemon.said()[-800:])
        lines = list(receiver.lines)
        self.assertLessEqual(set(trail), set(lines))  # a repeat is the very same line
        first = list(dict.fromkeys(json.loads(line)["i"] for line in lines))
        self.assertEqual(first, sorted(first))

    def test_all_of_it_arrives_in_order_whatever_dies(self):
        rng = random.Random(5)
        receiver = self.receiver()
        daemon = self.daemon({"siem": self.http(receiver)})
        for turn in range(4):
            daemon.write(LINES // 4)
            until(lambda: receiver.lines, "the first lines")
            if turn == 0:
                receiver.stop()
                daemon.kill_child("tw-core")
                time.sleep(rng.random() / 4)
                receiver.start()
            elif turn == 1:
                daemon.kill_child("tw-forward")
            elif turn == 2:
                daemon.process.kill()
                daemon.process.wait()
                daemon.start()
        until(lambda: sum('"type":"event"' in line for line in daemon.trail()) >= daemon.n,
              "all events: " + daemon.said()[-800:])
        self.all_there(daemon, receiver)
        until(lambda: daemon.status()["forward"][0]["lag_entries"] == 0, "no lag")

    def test_a_receiver_that_was_away_gets_all_of_it_and_nobody_waits(self):
        receiver = self.receiver()
        receiver.stop()
        there = self.receiver()
        daemon = self.daemon({"away": self.http(receiver), "there": self.http(there)})
        daemon.write(300)
        until(lambda: sum('"type":"event"' in line for line in there.lines) == 300, "the other one")
        until(lambda: daemon.status()["forward"][0]["lag_entries"] >= 300, "the lag")
        lag = {f["receiver"]: f for f in daemon.status()["forward"]}
        self.assertEqual(lag["away"]["type"], "http")
        until(lambda: any("forward.failed" in line for line in daemon.trail()), "its entry")
        receiver.start()
        daemon.stop()  # and begin again: the pause is over
        daemon.start()
        self.all_there(daemon, receiver)

    def test_a_record_that_is_refused_becomes_an_entry_and_the_others_go_on(self):
        receiver = self.receiver(lambda lines: 422 if any(
            "x-ui 17.6.0" in line or '"type":"forward.dead"' in line for line in lines) else 200)
        daemon = self.daemon({"picky": self.http(receiver, format="ecs")})
        daemon.write(40)
        until(lambda: sum("Starting x-ui" in line for line in receiver.lines) == 39, "the others: "
              + daemon.said()[-500:])
        until(lambda: any('"forward.dead"' in line for line in daemon.trail()), "the entry")
        until(lambda: daemon.status()["forward"][0]["lag_entries"] == 0, "no lag")
        dead = [json.loads(line) for line in daemon.trail() if '"forward.dead"' in line]
        self.assertEqual(len(dead), 1)  # that it is refused itself is no news
        self.assertEqual((dead[0]["receiver"], dead[0]["count"]), ("picky", 1))
        self.assertIn("422", dead[0]["status"])
        which = json.loads(daemon.trail()[dead[0]["entries"][0]])
        self.assertIn("x-ui 17.6.0", json.dumps(which))

    def test_the_filter_says_which_entries_leave(self):
        receiver = self.receiver()
        daemon = self.daemon({"few": self.http(receiver, filter={"type": ["daemon.*"]}),
                              "new": self.http(receiver, filter={"type": "event"})})
        daemon.write(20)
        until(lambda: len(receiver.lines) == 21, "them")
        until(lambda: all(f["lag_entries"] == 0 for f in daemon.status()["forward"]), "no lag")
        types = [json.loads(line)["type"] for line in receiver.lines]
        self.assertEqual(sorted(types), ["daemon.start"] + ["event"] * 20)


if __name__ == "__main__":
    unittest.main(verbosity=1)
