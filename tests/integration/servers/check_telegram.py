"""The Telegram receiver against a stand-in for the Bot API on loopback."""
import html.parser
import http.server
import json
import os
import socket
import struct
import threading
import time
import unittest

import rig

TOKEN = "123456:TEST-token_x"


class BotApi:
    """Answers each request with the next of `answers`; keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, self.headers, json.loads(body)))
                answer = outer.answers.pop(0) if outer.answers else ok()
                answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a peer that hangs up is what is checked
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def messages(self):
        return [request[2] for request in self.requests]


def raw(status, body, **headers):
    def answer(handler):
        data = body if isinstance(body, bytes) else body.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)
    return answer


def ok():
    return raw(200, json.dumps({"ok": True, "result": {"message_id": 4711, "chat": {"id": -1001234567890}}}))


def refusal(code, description, **parameters):
    answer = {"ok": False, "error_code": code, "description": description}
    if parameters:
        answer["parameters"] = parameters
    return raw(code, json.dumps(answer))


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.connection.close()
    handler.close_connection = True


def config(base, **changes):
    c = {"type": "telegram", "token": rig.secret(TOKEN), "chat": "-1001234567890", "base": base}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


class Markup(html.parser.HTMLParser):
    """Fails on what the Bot API would refuse: an unknown tag, or one that is not closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ("b", "code") and not attrs, tag
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


def units(text):
    return len(text.encode("utf-16-le")) // 2


class Check(unittest.TestCase):
    def run_one(self, *answers, document=None, **changes):
        with BotApi(*answers) as api:
            outcome = rig.deliver(config(api.base, **changes), document)
            self.assertNotIn(TOKEN, str(outcome))
            return outcome, api

    def expect(self, state, text, *answers, **changes):
        outcome, api = self.run_one(*answers, **changes)
        self.assertEqual(rig.state(outcome), state, outcome)
        self.assertIn(text, outcome[1][0]["status"])
        return outcome[1][0], api


class Messages(Check):
    def message(self, document=None, **changes):
        _, api = self.expect("sent", "http 200", document=document, **changes)
        return api.messages[0]

    def test_a_message_arrives(self):
        result, api = self.expect("sent", "http 200")
        path, headers, message = api.requests[0]
        self.assertEqual(path, f"/bot{TOKEN}/sendMessage")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(message["chat_id"], -1001234567890)
        self.assertEqual(message["parse_mode"], "HTML")
        self.assertEqual(message["link_preview_options"], {"is_disabled": True})
        self.assertFalse(message["disable_notification"])
        self.assertNotIn("message_thread_id", message)
        self.assertEqual(result["remote"], "4711@-1001234567890")
        text = Markup(message["text"]).text
        for fact in ("[high] Failed logins from one address: 203.0.113.7", "openvpn", "alice",
                     "Counted 6 within 5m; the threshold is 5.", "verification failed for peer",
                     rig.ALERT["id"]):
            self.assertIn(fact, text)

    def test_low_levels_make_no_sound(self):
        for level, silent in (("informational", True), ("low", True), ("medium", False),
                              ("critical", False)):
            self.assertEqual(self.message(rig.alert(level=level))["disable_notification"], silent)

    def test_channels_and_topics_can_be_named(self):
        message = self.message(chat="@alerts", thread=7)
        self.assertEqual((message["chat_id"], message["message_thread_id"]), ("@alerts", 7))

    def test_a_slash_behind_the_server_does_no_harm(self):
        with BotApi() as api:
            rig.deliver(config(api.base + "/"))
            self.assertEqual(api.requests[0][0], f"/bot{TOKEN}/sendMessage")

    def test_markup_in_a_name_is_text(self):
        value = "<b>x</b> & <a href='http://example.net'>\"quoted\"</a> &amp; </code>"
        text = self.message(rig.alert(group=value, raw=[value]))["text"]
        self.assertEqual(Markup(text).text.count(value), 3)

    def test_long_values_keep_the_limit_and_the_newest_line(self):
        for sign in ("x", "<", "\U0001f600", "\u06a9"):
            lines = [f"{i} " + sign * 10000 for i in range(10)] + ["the newest line"]
            message = self.message(rig.alert(group=sign * 10000, raw=lines))
            self.assertLessEqual(units(message["text"]), 3900)
            text = Markup(message["text"]).text
            self.assertIn("the newest line", text)
            self.assertIn("more not shown", text)
            self.assertIn(rig.ALERT["id"], text)

    def test_many_long_facts_leave_room_for_the_newest_line(self):
        group = [{"name": f"f{i}", "value": "y" * 200} for i in range(24)]
        text = Markup(self.message(rig.alert(group=None, raw=["z" * 399]) | {"group": group})["text"]).text
        self.assertIn("z" * 399, text)
        self.assertIn("more not shown", text)

    def test_what_is_left_out_is_counted(self):
        lines = [f"line {i} " + "x" * 390 for i in range(30)]
        text = Markup(self.message(rig.alert(raw=lines))["text"]).text
        shown = sum(line[:300] in text for line in lines)
        self.assertGreater(shown, 3)
        self.assertIn(f"{30 - shown} more not shown", text)
        self.assertIn("line 29 ", text)

    def test_control_signs_are_gone(self):
        text = self.message(rig.alert(group="a\x1b[31m\x07\u202eb\r\nc\x00", raw=["\x1b]0;t\x07"]))["text"]
        self.assertFalse([c for c in text if ord(c) < 32 and c != "\n" or c == "\u202e"])

    def test_a_folder_takes_the_request(self):
        folder = os.path.join(rig.FOLDER, "telegram")
        outcome = rig.deliver(config("https://127.0.0.1:1", directory=folder, token=None), key="k1")
        self.assertEqual(rig.state(outcome), "sent", outcome)
        with open(os.path.join(folder, "k1.telegram.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["parse_mode"], "HTML")


class Answers(Check):
    def test_markup_that_is_refused_goes_again_as_plain_text(self):
        _, api = self.expect("sent", "plain text",
                             refusal(400, "Bad Request: can't parse entities: byte offset 3"),
                             document=rig.alert(group="<x>"))
        self.assertEqual(["parse_mode" in m for m in api.messages], [True, False])
        self.assertIn("<x>", api.messages[1]["text"])
        self.assertNotIn("<b>", api.messages[1]["text"])

    def test_plain_text_that_is_refused_is_dead(self):
        entities = refusal(400, "Bad Request: can't parse entities")
        _, api = self.expect("dead", "parse entities", entities, entities)
        self.assertEqual(len(api.requests), 2)

    def test_a_message_too_long_goes_again_with_half_of_the_lines(self):
        document = rig.alert(raw=[f"line {i}." for i in range(10)])
        _, api = self.expect("sent", "shortened", refusal(400, "Bad Request: message is too long"),
                             document=document)
        self.assertEqual([m["text"].count("line ") for m in api.messages], [10, 5])
        self.assertIn("line 9.", api.messages[1]["text"])
        self.assertIn("5 more not shown", api.messages[1]["text"])

    def test_too_long_for_ever_ends(self):
        _, api = self.expect("dead", "too long", *[refusal(400, "message is too long")] * 9)
        self.assertLessEqual(len(api.requests), 5)

    def test_a_group_that_moved_is_followed_and_told(self):
        result, api = self.expect("sent", "-1009999999999",
                                  refusal(400, "Bad Request: group chat was upgraded to a supergroup chat",
                                          migrate_to_chat_id=-1009999999999))
        self.assertEqual([m["chat_id"] for m in api.messages], [-1001234567890, -1009999999999])
        self.assertIn("configuration", result["status"])

    def test_a_group_that_moves_for_ever_ends(self):
        answers = [refusal(400, "upgraded", migrate_to_chat_id=-i) for i in range(1, 9)]
        _, api = self.expect("dead", "upgraded", *answers)
        self.assertEqual(len(api.requests), 2)

    def test_a_new_chat_that_is_no_number_is_not_followed(self):
        _, api = self.expect("dead", "upgraded",
                             refusal(400, "upgraded", migrate_to_chat_id='1,"x":2'))
        self.assertEqual(len(api.requests), 1)

    def test_refusals_for_good_are_dead(self):
        for code, text in ((401, "Unauthorized"), (403, "Forbidden: bot was blocked by the user"),
                           (400, "Bad Request: chat not found"), (404, "Not Found")):
            _, api = self.expect("dead", text, refusal(code, text))
            self.assertEqual(len(api.requests), 1)

    def test_too_many_requests_waits_as_long_as_it_is_told(self):
        result, _ = self.expect("retry", "429", refusal(429, "Too Many Requests", retry_after=17))
        self.assertEqual(result["retry_after_us"], 18_000_000)
        result, _ = self.expect("retry", "429", raw(429, "", Retry_After="9"))
        self.assertEqual(result["retry_after_us"], 10_000_000)

    def test_nobody_makes_us_wait_longer_than_a_day(self):
        for wait in (10**7, 2**64 - 1, -5, "x", 1e300):
            result, _ = self.expect("retry", "429", refusal(429, "Too Many", retry_after=wait))
            self.assertLessEqual(result["retry_after_us"], 86401 * 10**6)

    def test_faults_of_the_server_are_a_retry(self):
        for code in (500, 502, 503):
            self.expect("retry", str(code), refusal(code, "Internal Server Error"))

    def test_answers_that_are_none_are_a_retry(self):
        for body in ("<html>welcome to this hotel</html>", "", "[]", "{", "\x00" * 9, '{"ok":false}',
                     '"' + "[" * 5000):
            self.expect("retry", "200", raw(200, body))

    def test_a_huge_answer_is_cut_off(self):
        self.expect("retry", "200", raw(200, b"x" * 10_000_000))

    def test_hostile_descriptions_stay_one_printable_line(self):
        text = f"\x1b[31m\r\n{TOKEN} " + "y" * 10000
        result, _ = self.expect("dead", "***", refusal(403, text))
        self.assertTrue(result["status"].isprintable(), result)

    def test_a_redirect_is_not_followed(self):
        self.expect("dead", "302", raw(302, "", Location="http://127.0.0.1:1/"))

    def test_a_connection_that_breaks_is_a_retry(self):
        self.expect("retry", "", reset)

    def test_nobody_there_is_a_retry(self):
        outcome = rig.deliver(config(f"http://127.0.0.1:{rig.free_port()}"))
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertNotIn(TOKEN, str(outcome))
        self.assertGreater(len(outcome[1][0]["status"]), 5)

    def test_a_silent_server_is_left_at_the_deadline(self):
        def talk(server, connection):
            while server.line(connection):
                pass

        server = rig.Plain(talk)
        start = time.monotonic()
        outcome = rig.deliver(config(f"http://127.0.0.1:{server.port}", timeout="1s"))
        server.stop()
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertLess(time.monotonic() - start, 8)


class Configuration(unittest.TestCase):
    def fault(self, text, **changes):
        code, _, said = rig.deliver(config(**{"base": "https://127.0.0.1:1", **changes}))
        self.assertEqual(code, 78, said)
        self.assertIn(text, said)

    def test_faults_are_told(self):
        self.fault("is no chat", chat="alerts")
        self.fault("is no chat", chat="12 34")
        self.fault("this machine", base="http://api.example.org")
        self.fault("https://", base="ftp://127.0.0.1")
        self.fault("no user name", base="http://127.0.0.1:80@example.org/")
        path = rig.secret("no/token:hunter2")
        self.fault("token", token=path)
        self.assertNotIn("hunter2", rig.deliver(config("https://127.0.0.1:1", token=path))[2])
        self.fault("secrets do not stand", token="123:hunter2")


if __name__ == "__main__":
    unittest.main(verbosity=2)
