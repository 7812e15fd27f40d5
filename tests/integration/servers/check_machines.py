"""Machines against stand-ins with the odd answers that each service's documents name."""
import base64
import gzip
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

BUILD = os.environ["TW_BUILD"]
HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.join(BUILD, "tests/integration/machine-driver")
ENCODE = os.path.join(BUILD, "tests/integration/encode-driver")
ENTRIES = subprocess.run([sys.executable, os.path.join(HERE, "..", "siem-entries.py"), "60", "3"],
                         check=True, capture_output=True, text=True).stdout
SCRATCH = tempfile.mkdtemp()
IDS = [f"host.example/trail/1/{i}" for i in range(60)]


def scratch(name, text=None, mode=0o600):
    path = os.path.join(SCRATCH, name)
    if text is not None:
        with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, mode)) as f:
            f.write(text)
    return path


scratch("entries", ENTRIES)
scratch("token", "s3cr3t-t0ken\n")


def deliver(config, *arguments, code=0, entries="entries"):
    done = subprocess.run([DRIVER, scratch("config.json", json.dumps(config)), scratch(entries),
                           *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != code:
        raise AssertionError(f"exit {done.returncode}: {done.stdout[-600:]} {done.stderr[-600:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def encoded(fmt, *arguments):
    return subprocess.run([ENCODE, fmt, *arguments], input=ENTRIES, capture_output=True, text=True,
                          check=True).stdout.splitlines()


class Service:
    """answers: a function (path, headers, body text) -> (status, headers, body)."""

    def __init__(self, answers):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.requests.append((self.path, self.headers, body.decode()))
                status, headers, answer = answers(self.path, self.headers, body.decode())
                answer = answer if isinstance(answer, str) else json.dumps(answer)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def once(first, later):
    """The first request gets one answer, all others another."""
    seen = []

    def answer(path, headers, body):
        seen.append(path)
        return first(path, headers, body) if len(seen) == 1 else later(path, headers, body)
    return answer


def bulk_ids(body):
    return [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]


def stored(_path, _headers, body):
    return 200, {}, {"errors": False, "items": [{"create": {"status": 201}}
                                                for _ in bulk_ids(body)]}


class Elasticsearch(unittest.TestCase):
    def config(self, s, **changes):
        return {"type": "elasticsearch", "url": s.url, "token": {"file": scratch("token")},
                **changes}

    def test_documents_are_created_under_the_id_of_the_record(self):
        with Service(stored) as s:
            deliver(self.config(s))
            path, headers, body = s.requests[0]
        self.assertTrue(path.startswith("/_bulk"))
        self.assertEqual(headers["Content-Type"], "application/x-ndjson")
        self.assertEqual(headers["Authorization"], "ApiKey s3cr3t-t0ken")
        self.assertTrue(body.endswith("}\n"))
        self.assertEqual(bulk_ids(body), IDS)
        self.assertEqual(body.splitlines()[1::2], encoded("ecs", "max=262144"))

    def test_each_item_has_its_own_fate(self):
        def partly(_path, _headers, body):
            items = []
            for name in bulk_ids(body):
                number = int(name.split("/")[-1])
                status = {5: 409, 6: 429, 7: 400, 8: 503}.get(number, 201)
                items.append({"create": {"status": status, **({"error": {
                    "type": "mapper_parsing_exception", "reason": "no\x1b ip"}}
                    if status == 400 else {})}})
            return 200, {}, {"errors": True, "items": items}
        with Service(once(partly, stored)) as s:
            said = deliver(self.config(s), "rounds=3")
            again = bulk_ids(s.requests[1][2])
        self.assertEqual(said[0]["sent"], 57)
        self.assertEqual(said[0]["retry"], 2)
        self.assertIn("mapper_parsing_exception", said[0]["dead"]["7"])
        self.assertEqual(again, [IDS[6], IDS[8]])

    def test_a_batch_too_large_is_halved(self):
        def small(path, headers, body):
            return stored(path, headers, body) if len(bulk_ids(body)) <= 10 else (413, {}, "")
        with Service(small) as s:
            said = deliver(self.config(s))
            got = [i for _, _, body in s.requests if len(bulk_ids(body)) <= 10
                   for i in bulk_ids(body)]
        self.assertEqual(said[0]["sent"], 60)
        self.assertEqual(got, IDS)

    def test_a_pause_that_is_wished_for_is_told(self):
        with Service(lambda *_: (429, {"Retry-After": "17"}, "")) as s:
            said = deliver(self.config(s), code=1)
        self.assertEqual((said[0]["retry"], said[0]["retry_after_us"]), (60, 17000000))

    def test_a_key_that_is_refused_kills_no_record(self):
        for status in (401, 403, 404):
            with Service(lambda *_, s=status: (s, {}, "")) as s:
                said = deliver(self.config(s), code=1)
            self.assertEqual((said[0]["retry"], said[0]["broken"], said[0]["dead"]), (60, True, {}))

    def test_no_secret_in_any_status(self):
        said = deliver({"type": "elasticsearch", "url": "http://127.0.0.1:1", "user": "u",
                        "password": {"file": scratch("token")}}, code=1)
        self.assertNotIn("s3cr3t", json.dumps(said))

    def test_an_answer_that_is_none_is_no_success(self):
        for answer in ("", "[]", "<html>", '{"took":1}', '{"errors":true,"items":[]}'):
            with Service(lambda *_, a=answer: (200, {}, a)) as s:
                said = deliver(self.config(s), code=1)
            self.assertEqual(said[0]["sent"], 0, answer)


def hec_events(body):
    decoder, at, out = json.JSONDecoder(), 0, []
    while at < len(body):
        event, at = decoder.raw_decode(body, at)
        out.append(event)
    return out


class Splunk(unittest.TestCase):
    def config(self, s, **changes):
        return {"type": "splunk", "url": s.url, "token": {"file": scratch("token")}, **changes}

    def test_events_stand_one_behind_the_other_with_seconds(self):
        with Service(lambda *_: (200, {}, {"text": "Success", "code": 0})) as s:
            deliver(self.config(s, index="sec"))
            path, headers, body = s.requests[0]
        events = hec_events(body)
        self.assertEqual(path, "/services/collector/event")
        self.assertEqual(headers["Authorization"], "Splunk s3cr3t-t0ken")
        self.assertEqual([e["fields"]["event_id"] for e in events], IDS)
        self.assertEqual([e["event"] for e in events],
                         [json.loads(d) for d in encoded("ecs", "max=262144")])
        self.assertTrue(all(1.7e9 < e["time"] < 2e9 and e["index"] == "sec" for e in events))

    def test_busy_is_tried_again(self):
        with Service(lambda *_: (503, {}, {"text": "Server is busy", "code": 9})) as s:
            said = deliver(self.config(s), code=1)
        self.assertEqual(said[0]["retry"], 60)
        self.assertIn("Server is busy", said[0]["status"])

    def test_the_invalid_event_dies_and_the_others_go(self):
        def strict(_path, _headers, body):
            for k, e in enumerate(hec_events(body)):
                if e["fields"]["event_id"] == IDS[23]:
                    return 400, {}, {"text": "Incorrect data format", "code": 6,
                                     "invalid-event-number": k}
            return 200, {}, {"text": "Success", "code": 0}
        with Service(strict) as s:
            said = deliver(self.config(s))
        self.assertEqual(said[0]["sent"], 59)
        self.assertIn("Incorrect data format", said[0]["dead"]["23"])

    def test_with_acknowledgement_only_the_indexers_word_counts(self):
        asked = []

        def indexer(path, headers, body):
            self.assertRegex(headers["X-Splunk-Request-Channel"], r"^[0-9a-f-]{36}$")
            if path.endswith("/ack"):
                asked.append(json.loads(body)["acks"])
                return 200, {}, {"acks": {"7": len(asked) > 2}}
            return 200, {}, {"text": "Success", "code": 0, "ackId": 7}
        with Service(indexer) as s:
            said = deliver(self.config(s, acknowledge=True))
        self.assertEqual((said[0]["sent"], asked), (60, [[7]] * 3))

    def test_false_acknowledgements_are_no_success(self):
        def indexer(path, *_):
            return 200, {}, ({"acks": {"7": False}} if path.endswith("/ack")
                             else {"text": "Success", "code": 0, "ackId": 7})
        with Service(indexer) as s:
            said = deliver(self.config(s, acknowledge=True, timeout="1s"), code=1)
        self.assertEqual((said[0]["sent"], said[0]["retry"]), (0, 60))


class Loki(unittest.TestCase):
    def config(self, s, **changes):
        return {"type": "loki", "url": s.url, **changes}

    def test_labels_are_few_and_each_stream_is_in_order(self):
        with Service(lambda *_: (204, {}, "")) as s:
            deliver(self.config(s, tenant="ops"))
            path, headers, body = s.requests[0]
        self.assertEqual((path, headers["X-Scope-OrgID"]), ("/loki/api/v1/push", "ops"))
        ids = []
        for stream in json.loads(body)["streams"]:
            self.assertLessEqual(set(stream["stream"]),
                                 {"job", "host", "channel", "type", "severity"})
            times = [int(v[0]) for v in stream["values"]]
            self.assertEqual(times, sorted(times))
            self.assertTrue(all(isinstance(v[0], str) for v in stream["values"]))
            ids += [v[2]["event_id"] for v in stream["values"]]
        self.assertEqual(sorted(ids), sorted(IDS))

    def test_the_entry_that_is_out_of_order_dies_alone(self):
        def late(_path, _headers, body):
            values = [v for st in json.loads(body)["streams"] for v in st["values"]]
            if any(v[2]["event_id"] == IDS[9] for v in values):
                return 400, {}, "entry out of order for stream: {job=\"trailwarden\"}"
            return 204, {}, ""
        with Service(late) as s:
            said = deliver(self.config(s))
        self.assertEqual(said[0]["sent"], 59)
        self.assertIn("entry out of order", said[0]["dead"]["9"])


class Otlp(unittest.TestCase):
    def config(self, s, **changes):
        return {"type": "otlp", "url": s.url, **changes}

    def test_the_document_is_that_of_the_protocol(self):
        with Service(lambda *_: (200, {}, {})) as s:
            deliver(self.config(s))
            path, _, body = s.requests[0]
        self.assertEqual(path, "/v1/logs")
        logs = json.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        self.assertEqual(len(logs), 60)
        for log in logs:
            self.assertRegex(log["timeUnixNano"], r"^\d{19}$")
            self.assertIn(log["severityNumber"], (5, 9, 13, 17, 21))
            self.assertTrue(all(isinstance(v, str) for a in log["attributes"]
                                for v in a["value"].values()))
            self.assertTrue(json.loads(log["body"]["stringValue"]))

    def test_a_partial_success_is_told_and_not_sent_again(self):
        partial = {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too long"}}
        with Service(lambda *_: (200, {}, partial)) as s:
            said = deliver(self.config(s), "rounds=3")
            self.assertEqual(len(s.requests), 1)
        self.assertEqual((said[0]["sent"], said[0]["rejected"]), (60, 2))
        self.assertIn("too long", said[0]["status"])

    def test_only_some_failures_are_tried_again(self):
        for status, state in ((429, "retry"), (502, "retry"), (503, "retry"), (504, "retry")):
            with Service(lambda *_, s=status: (s, {}, "")) as s:
                self.assertEqual(deliver(self.config(s), code=1)[0][state], 60)
        with Service(lambda *_: (500, {}, "")) as s:
            self.assertEqual(len(deliver(self.config(s))[0]["dead"]), 60)


class Http(unittest.TestCase):
    def test_lines_are_the_entries_as_they_stand(self):
        with Service(lambda *_: (202, {}, "")) as s:
            deliver({"type": "http", "url": s.url + "/in", "gzip": False}, "batch=30", "rounds=9")
            first = s.requests[0]
            got = "".join(body for _, _, body in s.requests)
        self.assertEqual(got, ENTRIES)
        self.assertEqual(first[1]["Idempotency-Key"], "host.example/trail/1/0-29")

    def test_a_poisoned_record_dies_alone(self):
        def strict(_path, _headers, body):
            return (422 if '"i":31,' in body else 200), {}, ""
        with Service(strict) as s:
            said = deliver({"type": "http", "url": s.url})
        self.assertEqual((said[0]["sent"], list(said[0]["dead"])), (59, ["31"]))


class File(unittest.TestCase):
    def test_it_is_opened_anew_when_it_was_moved(self):
        path = scratch("out.jsonl")
        driver = subprocess.Popen([DRIVER, scratch("config.json", json.dumps(
            {"type": "file", "path": path, "sync": False})), scratch("entries"), "batch=20",
            "rounds=9", "step=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for turn in range(3):
            driver.stdin.write("\n")
            driver.stdin.flush()
            self.assertEqual(json.loads(driver.stdout.readline())["sent"], 20)
            os.rename(path, f"{path}.{turn}")
        driver.communicate()
        self.assertEqual(driver.returncode, 0)
        got = ""
        for turn in range(3):
            with open(f"{path}.{turn}", encoding="utf-8") as f:
                got += f.read()
        self.assertEqual(got, ENTRIES)

    def test_a_folder_that_is_missing_is_no_success(self):
        said = deliver({"type": "file", "path": scratch("nowhere") + "/x"}, code=1)
        self.assertEqual(said[0]["retry"], 60)


# ---- syslog ----

def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=SCRATCH)


def make_certificates():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "ca.key", "-out", "ca.pem", "-days", "3", "-subj", "/CN=test ca")
    for name, alt in (("server", "DNS:localhost,IP:127.0.0.1"), ("client", "DNS:client")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        scratch(f"{name}.ext", f"subjectAltName={alt}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "3", "-out", f"{name}.pem", "-extfile", f"{name}.ext")


def frames_of(data, framing):
    if framing != "octet":
        return [m for m in data.split(b"\n" if framing == "lf" else b"\0") if m]
    out = []
    while data:
        size, data = data.split(b" ", 1)
        out.append(data[:int(size)])
        data = data[int(size):]
    return out


class Listener:
    """Takes connections one after the other. `deaf`: reads nothing of the first one, until die()."""

    def __init__(self, context=None, deaf=False):
        self.data, self.faults, self.deaf, self.context = [], [], deaf, context
        self.dead = threading.Event()
        self.told = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            got = bytearray()
            self.data.append(got)
            try:
                if self.deaf and len(self.data) == 1:
                    self.dead.wait(30)
                    connection.close()
                    self.told.set()
                    continue
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                while part := connection.recv(4096):
                    got += part
            except (ssl.SSLError, OSError) as e:
                self.faults.append(e)
            connection.close()

    def die(self):
        self.dead.set()
        self.told.wait(10)

    def close(self):
        self.socket.close()


class Syslog(unittest.TestCase):
    def config(self, listener, **changes):
        return {"type": "syslog", "server": f"127.0.0.1:{listener.port}", "timeout": "5s",
                **changes}

    def tls(self, **changes):
        return {"protocol": "tls", "ca_file": scratch("ca.pem"), **changes}

    def context(self, client=False):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(scratch("server.pem"), scratch("server.key"))
        if client:
            c.load_verify_locations(scratch("ca.pem"))
            c.verify_mode = ssl.CERT_REQUIRED
        return c

    def wait_for(self, listener, count, framing):
        for _ in range(1000):
            try:
                if len(frames_of(bytes(listener.data[-1]), framing)) == count:
                    return
            except (IndexError, ValueError):
                pass
            threading.Event().wait(0.01)
        self.fail("not all came")

    def check(self, listener, fmt, framing, header="rfc5424", **changes):
        deliver(self.config(listener, format=fmt, framing=framing, header=header, **changes),
                "batch=25", "rounds=9")
        self.wait_for(listener, 60, framing)
        got = [m.decode() for m in frames_of(bytes(listener.data[-1]), framing)]
        self.assertEqual(got, encoded(fmt, f"header={header}"))
        listener.close()

    def test_what_arrives_is_what_was_encoded(self):
        for framing in ("octet", "lf"):
            for fmt in ("rfc5424", "cef", "leef", "ecs"):
                self.check(Listener(), fmt, framing, protocol="tcp")
        self.check(Listener(), "cef", "lf", "rfc3164", protocol="tcp")
        self.check(Listener(), "gelf", "nul", "none", protocol="tcp")

    def test_over_tls_too_with_a_certificate_of_ours(self):
        self.check(Listener(self.context()), "rfc5424", "octet", **self.tls())
        self.check(Listener(self.context(client=True)), "rfc5424", "octet", **self.tls(
            cert_file=scratch("client.pem"), key_file=scratch("client.key")))

    def test_a_wrong_name_gets_nothing(self):
        for changes, text in (({"peer_name": "other.example"}, "ostname mismatch"),
                              ({"ca_file": scratch("client.pem")}, "issuer")):
            listener = Listener(self.context())
            said = deliver(self.config(listener, **self.tls(**changes)), code=1)
            self.assertEqual(said[0]["sent"], 0)
            self.assertIn(text, said[0]["status"])
            self.assertEqual(b"".join(bytes(d) for d in listener.data), b"")
            listener.close()

    def test_without_our_certificate_nothing_counts_for_long(self):
        listener = Listener(self.context(client=True))
        said = deliver(self.config(listener, **self.tls()), "batch=20", "rounds=4", code=1)
        self.assertTrue(any(s["retry"] for s in said), said)
        self.assertEqual(b"".join(bytes(d) for d in listener.data), b"")
        listener.close()

    def test_a_receiver_that_dies_gets_what_it_may_not_have_had(self):
        listener = Listener(deaf=True)
        driver = subprocess.Popen([DRIVER, scratch("config.json", json.dumps(self.config(
            listener, protocol="tcp"))), scratch("entries"), "batch=20", "rounds=20", "step=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        driver.stdin.write("\n")
        driver.stdin.flush()
        self.assertEqual(json.loads(driver.stdout.readline())["sent"], 20)
        listener.die()
        out = driver.communicate("\n" * 20)[0].splitlines()
        self.assertEqual(json.loads(out[0])["again"], 0)
        self.assertEqual(driver.returncode, 0)
        self.wait_for_all(listener)
        self.assertEqual([m.decode() for m in frames_of(bytes(listener.data[1]), "octet")],
                         encoded("rfc5424"))
        listener.close()

    def wait_for_all(self, listener):
        end = encoded("rfc5424")[-1].encode()
        for _ in range(1000):
            if bytes(listener.data[-1]).endswith(end):
                return
            threading.Event().wait(0.01)
        self.fail("the last one did not come")

    def test_datagrams_are_one_message_each(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            s.bind(("127.0.0.1", 0))
            s.settimeout(5)
            deliver({"type": "syslog", "server": f"127.0.0.1:{s.getsockname()[1]}",
                     "protocol": "udp"})
            got = [s.recv(65536).decode() for _ in range(60)]
        self.assertEqual(got, encoded("rfc5424", "header=rfc5424"))

    def test_nobody_there_is_no_success(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            said = deliver({"type": "syslog", "server": f"127.0.0.1:{s.getsockname()[1]}",
                            "protocol": "tcp"}, code=1)
        self.assertEqual(said[0]["retry"], 60)


class Kafka(unittest.TestCase):
    def test_records_are_stored_by_a_mock_cluster(self):
        config = {"type": "kafka", "topic": "t", "settings": ["test.mock.num.brokers=3"],
                  "timeout": "20s"}
        try:
            said = deliver(config)
        except AssertionError as e:
            if "no such type" in str(e):
                self.skipTest("built without librdkafka")
            raise
        self.assertEqual((said[0]["sent"], said[0]["status"]), (60, "stored"))

    def test_nobody_there_is_no_success(self):
        config = {"type": "kafka", "brokers": "127.0.0.1:1", "timeout": "1s"}
        try:
            said = deliver(config, code=1)
        except AssertionError as e:
            if "no such type" in str(e):
                self.skipTest("built without librdkafka")
            raise
        self.assertEqual(said[0]["retry"], 60)


class Configuration(unittest.TestCase):
    def test_what_cannot_work_is_refused_before_it_is_tried(self):
        token = {"file": scratch("token")}
        for config in ({"type": "elasticsearch", "url": "http://198.51.100.1"},
                       {"type": "elasticsearch", "url": "http://127.0.0.1", "format": "cef"},
                       {"type": "splunk", "url": "http://127.0.0.1"},
                       {"type": "http", "url": "http://127.0.0.1", "user": "x"},
                       {"type": "http", "url": "http://127.0.0.1", "delimiter": "a"},
                       {"type": "loki", "url": "http://127.0.0.1", "tenant": "a\nb: c"},
                       {"type": "syslog", "server": "h:99999"},
                       {"type": "syslog", "server": "h", "cert_file": "/x"},
                       {"type": "syslog", "server": "h", "framing": "nul"},
                       {"type": "syslog", "server": "x", "protocol": "unix"},
                       {"type": "file", "path": "relative"},
                       {"type": "splunk", "url": "http://127.0.0.1", "token": token, "max_size": 9}):
            deliver(config, code=78)


if __name__ == "__main__":
    make_certificates()
    unittest.main(verbosity=1)
