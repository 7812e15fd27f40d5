"""The webhook receiver: signature as Standard Webhooks has it, states, nothing followed."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import unittest

import rig

KEY = b"\x01\x02trailwarden test key \xff" * 2


class Hook:
    def __init__(self, status=204, headers=()):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.headers, body))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def config(self, **changes):
        return {"type": "webhook", "url": f"http://127.0.0.1:{self.server.server_port}/hook", **changes}


class Webhook(unittest.TestCase):
    def signed(self, text, key):
        with Hook() as hook:
            outcome = rig.deliver(hook.config(secret=rig.secret(text)), now=1795226400, key="00ff")
            self.assertEqual(rig.state(outcome), "sent", outcome)
            headers, body = hook.requests[0]
        self.assertEqual(headers["webhook-id"], "msg_00ff")
        self.assertEqual(headers["webhook-timestamp"], "1795226400")
        mac = hmac.new(key, b"msg_00ff.1795226400." + body, hashlib.sha256).digest()
        self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(mac).decode())

    def test_the_signature_is_that_of_standard_webhooks(self):
        self.signed("whsec_" + base64.b64encode(KEY).decode(), KEY)

    def test_a_secret_of_another_form_is_the_key_itself(self):
        self.signed("plain words", b"plain words")

    def test_the_document_goes_out_as_it_is(self):
        with Hook() as hook:
            rig.deliver(hook.config())
            headers, body = hook.requests[0]
        self.assertEqual(json.loads(body), rig.ALERT)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Idempotency-Key"], "000102030405060708090a0b0c0d0e0f")
        self.assertIsNone(headers["webhook-signature"])

    def test_answers_have_their_states(self):
        for status, state in ((200, "sent"), (202, "sent"), (302, "dead"), (400, "dead"),
                              (401, "dead"), (408, "retry"), (410, "dead"), (429, "retry"),
                              (500, "retry"), (503, "retry")):
            with Hook(status) as hook:
                self.assertEqual(rig.state(rig.deliver(hook.config())), state, status)

    def test_the_wish_for_a_pause_is_heard(self):
        with Hook(503, [("Retry-After", "30")]) as hook:
            self.assertEqual(rig.deliver(hook.config())[1][0]["retry_after_us"], 30_000_000)

    def test_redirects_are_not_followed(self):
        with Hook() as other, Hook(302, [("Location", other.config()["url"])]) as hook:
            rig.deliver(hook.config())
            self.assertEqual((len(hook.requests), len(other.requests)), (1, 0))

    def test_clear_text_is_for_this_machine_only(self):
        code, _, said = rig.deliver({"type": "webhook", "url": "http://example.org/"})
        self.assertEqual(code, 78)
        self.assertIn("this machine", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
