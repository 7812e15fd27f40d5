"""Anchors: what they send, and odd answers of witnesses, authorities, servers and folders."""
import base64
import http.server
import os
import shutil
import ssl
import subprocess
import threading
import time
import unittest

import rig
import witness

LOG = witness.Key("log", "t.example/trail/1", 1)
ROOT = base64.b64encode(b"\x07" * 32).decode()
TEXT = f"t.example/trail/1\n5\n{ROOT}\n"
NOTE = LOG.note(TEXT.encode())
DOCUMENT = {"version": 1, "origin": "t.example/trail/1", "size": 5, "root": ROOT, "note": NOTE,
            "old": 0, "proof": []}
HOLDS, SIZE, REFUSES = 1, 2, 3


def anchor(config, document=None, **arguments):
    code, results, said = rig.deliver(config, document or DOCUMENT, kind="anchor", **arguments)
    return results[-1] if results else {"state": f"exit {code}: {said}"}


class Server:
    """Answers each POST with what `talk(headers, body)` gives: status, type, bytes."""

    def __init__(self, talk, tls=None):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, self.headers, body))
                status, kind, answer = talk(self.headers, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/a/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Asked(unittest.TestCase):
    """A real witness of ours that misbehaves on demand."""

    def setUp(self):
        self.folder = os.path.join(rig.FOLDER, self.id())
        os.mkdir(self.folder)
        self.witness = witness.Witness("seed", "w.example/w1", LOG.vkey(), self.folder)
        server = self.witness.server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def ask(self, mode="", document=None, **changes):
        self.witness.put("mode", mode)
        config = {"type": "witness", "url": self.witness.url, "vkey": self.witness.key.vkey()}
        return anchor({**config, **changes}, document)

    def test_the_request_is_old_size_proof_empty_line_note(self):
        proof = [base64.b64encode(bytes([n]) * 32).decode() for n in range(3)]
        self.ask("500", dict(DOCUMENT, old=3, proof=proof))
        self.assertEqual(self.witness.get("request"),
                         "old 3\n" + "".join(p + "\n" for p in proof) + "\n" + NOTE)

    def test_lines_come_back_for_a_checkpoint_of_the_logs_key(self):
        result = self.ask()
        self.assertEqual((result["state"], result["said"]), ("sent", HOLDS), result)
        self.assertGreater(result["reply"], 200)
        self.assertEqual(self.witness.get("size"), "5")

    def test_a_checkpoint_that_it_knows_already_is_signed_again(self):
        self.ask()
        self.assertEqual(self.ask("", dict(DOCUMENT, old=5))["state"], "sent")

    def test_another_size_is_told(self):
        self.witness.put("size", "3")
        result = self.ask()
        self.assertEqual((result["state"], result["said"], result["size"]), ("retry", SIZE, 3))

    def test_refusals_have_their_words(self):
        for mode, word in (("404", "does not know this trail"), ("403", "identity key"),
                           ("400", "does not understand"), ("422", "does not continue")):
            result = self.ask(mode)
            self.assertEqual(result["state"], "dead", result)
            self.assertIn(word, result["status"])
            self.assertEqual(result["said"], REFUSES if mode == "422" else 0)

    def test_odd_answers_are_a_retry_and_say_nothing(self):
        for mode in ("500", "409-text", "409-huge", "empty", "huge"):
            result = self.ask(mode)
            self.assertEqual((result["state"], result["said"], result["reply"]), ("retry", 0, 0),
                             (mode, result))

    def test_a_slow_witness_is_left_at_the_deadline(self):
        before = time.monotonic()
        result = self.ask("slow", timeout="1s")
        self.assertEqual(result["state"], "retry")
        self.assertLess(time.monotonic() - before, 10)

    def test_nobody_there_is_a_retry(self):
        config = {"type": "witness", "url": f"http://127.0.0.1:{rig.free_port()}/",
                  "vkey": self.witness.key.vkey()}
        self.assertEqual(anchor(config)["state"], "retry")

    def test_a_document_that_is_no_checkpoint_is_dead(self):
        self.assertEqual(self.ask("", {"version": 1})["state"], "dead")
        self.assertEqual(self.ask("", dict(DOCUMENT, proof=[ROOT] * 64))["state"], "dead")

    def test_clear_text_is_for_this_machine_only(self):
        code, _, said = rig.deliver({"type": "witness", "url": "http://w.example/", "vkey": "x"},
                                    DOCUMENT, kind="anchor")
        self.assertEqual(code, 78)
        self.assertIn("this machine", said)


class Posted(unittest.TestCase):
    def test_the_note_goes_out_as_text_with_the_header(self):
        with Server(lambda *_: (201, "text/plain", b"kept\n")) as s:
            header = rig.secret("Authorization: Bearer abc")
            result = anchor({"type": "post", "url": s.url, "header": header}, key="k1")
            path, headers, body = s.requests[0]
        self.assertEqual((result["state"], result["said"]), ("sent", HOLDS))
        self.assertEqual(path, "/a/")
        self.assertEqual(body.decode(), NOTE)
        self.assertEqual(headers["Authorization"], "Bearer abc")
        self.assertEqual(headers["Idempotency-Key"], "k1")
        self.assertTrue(headers["Content-Type"].startswith("text/plain"))

    def test_answers_have_their_states(self):
        for status, state in ((200, "sent"), (204, "sent"), (302, "dead"), (401, "dead"),
                              (429, "retry"), (500, "retry")):
            with Server(lambda *_, status=status: (status, "text/plain", b"")) as s:
                result = anchor({"type": "post", "url": s.url})
                self.assertEqual(result["state"], state, status)

    def test_a_header_that_is_none_is_a_fault_of_the_configuration(self):
        config = {"type": "post", "url": "https://x.example/", "header": rig.secret("no header")}
        self.assertEqual(rig.deliver(config, DOCUMENT, kind="anchor")[0], 78)


class Kept(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.join(rig.FOLDER, self.id())
        os.mkdir(self.folder)
        self.file = os.path.join(self.folder, "t.example_trail_1-00000000000000000005.note")
        self.config = {"type": "file", "path": self.folder}

    def test_each_checkpoint_gets_a_file_of_its_own(self):
        self.assertEqual(anchor(self.config)["state"], "sent")
        self.assertEqual(anchor(self.config)["state"], "sent")
        with open(self.file, encoding="utf-8") as f:
            self.assertEqual(f.read(), NOTE)
        self.assertEqual(os.listdir(self.folder), [os.path.basename(self.file)])

    def test_a_file_that_is_there_is_not_written_again(self):
        anchor(self.config)
        before = os.stat(self.file).st_ino
        cosigned = NOTE + witness.Key("w", "w.example/w", 4).cosign(TEXT.encode())
        self.assertEqual(anchor(self.config, dict(DOCUMENT, note=cosigned))["state"], "sent")
        self.assertEqual(os.stat(self.file).st_ino, before)

    def test_another_checkpoint_of_the_size_is_a_contradiction(self):
        anchor(self.config)
        other = LOG.note(TEXT.replace(ROOT, "A" * 43 + "=").encode())
        result = anchor(self.config, dict(DOCUMENT, note=other))
        self.assertEqual((result["state"], result["said"]), ("dead", REFUSES), result)

    def test_a_folder_that_is_not_there_is_a_retry(self):
        self.assertEqual(anchor({"type": "file", "path": self.folder + "/none"})["state"], "retry")


class Authority:
    """A time stamp authority by `openssl ts`, with a certificate of its own CA."""

    def __init__(self, folder):
        self.folder = folder
        self.write("ca.cnf", "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n"
                   "[dn]\nCN=test ca\n[v3]\nbasicConstraints=critical,CA:TRUE\n")
        self.write("tsa.ext", "extendedKeyUsage=critical,timeStamping\n")
        self.write("ts.cnf", f"[tsa]\ndefault_tsa=t\n[t]\nserial={folder}/serial\n"
                   f"signer_cert={folder}/tsa.pem\nsigner_key={folder}/tsa.key\n"
                   "signer_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\n"
                   "ess_cert_id_alg=sha256\n")
        self.write("serial", "01\n")
        self.ca("ca")
        self.ca("other")
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr",
                 "-subj", "/CN=test tsa", "-config", "ca.cnf")
        self.run("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", "tsa.ext", "-out", "tsa.pem")

    def ca(self, name):
        self.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
                 f"{name}.pem", "-days", "2", "-config", "ca.cnf")

    def write(self, name, text, mode="w"):
        with open(os.path.join(self.folder, name), mode) as f:
            f.write(text)

    def run(self, *words):
        run = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, check=False)
        assert run.returncode == 0, (words, run.stderr)

    def stamp(self, request):
        self.write("request.tsq", request, "wb")
        self.run("ts", "-reply", "-config", "ts.cnf", "-section", "t", "-queryfile", "request.tsq",
                 "-out", "reply.tsr")
        with open(os.path.join(self.folder, "reply.tsr"), "rb") as f:
            return f.read()

    def path(self, name):
        return os.path.join(self.folder, name)


class Stamped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = os.path.join(rig.FOLDER, "tsa")
        os.mkdir(folder)
        cls.authority = Authority(folder)

    def ask(self, talk, ca="ca.pem"):
        with Server(lambda _, body: (200, "application/timestamp-reply", talk(body))) as s:
            config = {"type": "timestamp", "url": s.url, "ca": self.authority.path(ca)}
            return anchor(config), s.requests[0] if s.requests else None

    def test_a_stamp_over_the_note_holds(self):
        result, request = self.ask(self.authority.stamp)
        self.assertEqual((result["state"], result["said"]), ("sent", HOLDS), result)
        self.assertGreater(result["reply"], 500)
        self.assertIn("stamped 20", result["status"])
        self.assertEqual(request[1]["Content-Type"], "application/timestamp-query")
        self.authority.write("note", NOTE)
        self.authority.run("ts", "-verify", "-data", "note", "-in", "reply.tsr", "-CAfile", "ca.pem")

    def test_another_authority_is_not_believed(self):
        result, _ = self.ask(self.authority.stamp, "other.pem")
        self.assertEqual((result["state"], result["said"]), ("retry", 0), result)
        self.assertIn("does not hold", result["status"])

    def test_an_older_answer_does_not_fit(self):
        old = []

        def talk(body):
            old.append(self.authority.stamp(body))
            return old[0]

        self.assertEqual(self.ask(talk)[0]["state"], "sent")
        result, _ = self.ask(talk)
        self.assertEqual((result["state"], result["said"]), ("retry", 0), result)

    def test_odd_answers_say_nothing(self):
        def flipped(body):
            reply = bytearray(self.authority.stamp(body))
            reply[-20] ^= 1
            return bytes(reply)

        for talk in (lambda _: b"", lambda _: b"<html>", lambda _: b"0" * (1 << 20), flipped,
                     lambda b: self.authority.stamp(b)[:-7], lambda b: self.authority.stamp(b) + b"x"):
            result, _ = self.ask(talk)
            self.assertEqual((result["state"], result["said"], result["reply"]), ("retry", 0, 0))

    def test_a_refusal_is_dead(self):
        # PKIStatusInfo with status 2, rejection, as RFC 3161 has it
        result, _ = self.ask(lambda _: bytes.fromhex("30053003020102"))
        self.assertEqual(result["state"], "dead", result)
        self.assertIn("refused", result["status"])

    def test_certificates_that_cannot_be_read_are_told(self):
        result, _ = self.ask(self.authority.stamp, "none.pem")
        self.assertEqual(result["state"], "retry")
        self.assertIn("cannot read certificates", result["status"])

    def test_a_certificate_of_nobody_is_refused(self):
        tls = (self.authority.path("tsa.pem"), self.authority.path("tsa.key"))
        with Server(lambda *_: (200, "text/plain", b""), tls) as s:
            for config in ({"type": "witness", "vkey": "x"}, {"type": "post"}):
                result = anchor(dict(config, url=s.url, ca_file=self.authority.path("other.pem")))
                self.assertEqual(result["state"], "retry", result)
                self.assertRegex(result["status"].lower(), "ssl|certificate")
            self.assertEqual(s.requests, [])


if __name__ == "__main__":
    try:
        unittest.main(verbosity=2)
    finally:
        shutil.rmtree(rig.FOLDER, ignore_errors=True)
