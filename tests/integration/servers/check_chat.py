"""The receivers with an HTTP API of their own, the journal, and programs, against stand-ins."""
import base64
import email.utils
import hashlib
import hmac
import http.client
import json
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import time
import unittest
import urllib.parse

import api
import rig

INCIDENT = "feedfacefeedfacefeedfacefeedface"
NOW = 1795226400  # 2026-11-21T02:00:00Z
HOOK = "hook-that-nobody-may-see"
PLACE = "/services/T0/B0/" + HOOK
TOKEN = "xoxb-token-that-nobody-may-see"
SID = "AC" + "0123456789abcdef" * 2
KEY = "0123456789abcdef0123456789abcdef"

# Type, what its configuration has beside the address, its usual answer, what a good answer is.
SERVICES = {
    "slack": (lambda base: {"url": rig.secret(base + PLACE)}, api.raw(200, "ok")),
    "slack bot": (lambda base: {"type": "slack", "token": rig.secret(TOKEN), "channel": "C0123", "base": base},
                  api.say(200, ok=True, channel="C0123", ts="1700000000.000100")),
    "discord": (lambda base: {"url": rig.secret(base + PLACE)}, api.say(200, id="123456789012345678")),
    "teams": (lambda base: {"url": rig.secret(base + PLACE + "?sig=x")}, api.raw(202)),
    "pagerduty": (lambda base: {"routing_key": rig.secret(KEY), "base": base},
                  api.say(202, status="success", message="Event processed", dedup_key="x")),
    "opsgenie": (lambda base: {"key": rig.secret(TOKEN), "base": base},
                 api.say(202, result="Request will be processed", took=0.3, requestId="r-1")),
    "ntfy": (lambda base: {"topic": "alerts", "token": rig.secret(TOKEN), "base": base},
             api.say(200, id="xE73Iyuabi", time=1, event="message", topic="alerts")),
    "sms": (lambda base: {"account": SID, "token": rig.secret(TOKEN), "from": "+15550100", "base": base,
                          "to": "+15550199", "level": "informational"},
            api.say(201, sid="SM" + "0" * 32, status="queued", code=None, message=None)),
    "alertmanager": (lambda base: {"url": base}, api.raw(200)),
    "webhook": (lambda base: {"url": base + "/hook", "format": "alertmanager"}, api.raw(204)),
}
# Those whose own words make success: a page with 200 is none.
PARTICULAR = ("slack", "slack bot", "discord", "pagerduty", "opsgenie", "ntfy", "sms")


def config(name, base, **changes):
    c = {"type": name} | SERVICES[name][0](base) | changes
    return {k: v for k, v in c.items() if v is not None}


def notified(document, reason="first", status="firing", why=""):
    return document | {"incident": INCIDENT,
                       "notification": {"reason": reason, "status": status, "why": why}}


def resolved(**changes):
    return notified(rig.alert(**changes), "resolved", "resolved", "Nothing came for 1h.")


def summary(sign="y", **changes):
    sign = (sign * 300)[:300]
    rows = [{"name": sign, "value": sign} for _ in range(40)]
    return {"version": 1, "type": "summary", "id": "digest-7", "kind": "digest", "level": "high",
            "title": "17 alerts: Failed logins and 2 more rules", "why": "12 messages waited.",
            "alerts": 17, "from": "2026-11-21T01:00:00.000000Z", "to": "2026-11-21T01:38:59.123456Z",
            "tables": [{"title": f"Table {i} {sign}", "rows": rows, "more": 3} for i in range(12)],
            "newest": [{"id": rig.ALERT["id"], "level": "high", "title": sign, "group": sign,
                        "time": "2026-11-21T01:38:59.123456Z"}] * 30,
            "notification": {"reason": "digest", "status": "firing"}} | changes


HOSTILE = ("a\r\nBcc: x@example.net\r\n\r\nb", "\U0001f600" * 900, "x" * 65536, "\u06a9" * 700, "``` `x` ```",
           "<b>x</b> & <a href='http://e.example'>l</a> <!channel> <@U012> <#C1> </at> <at>all</at>",
           "{{subject}} {{document}} {{DATE(2017-02-14T06:08:39Z)}} %n%s%x%99999d $(reboot) `reboot` ; reboot",
           "@everyone @here <@&1> *b* _i_ ~s~ ||p|| # h [l](http://e.example) > q - l", '"}],"x":[{" \\" \\u0000 \\',
           "\u202eevil\u2066 \x1b[31m\x00\x07\x9b \ufeff\u2028\u2029")


def documents():
    """Each hostile value in as many places as a document has; each kind of document."""
    for i, value in enumerate(HOSTILE):
        group = [{"name": value[:60], "value": value}, {"name": "user.name", "value": value}]
        rule = dict(rig.ALERT["rule"], title=value, id=value[:80], description=value, author=value)
        lines = [dict(rig.ALERT["events"][0], raw=value) for _ in range(12)]
        document = rig.alert(rule=rule, group=None, events=lines, channel=value[:40]) | {"group": group}
        yield notified(document, why=value)
        if i % 3 == 0:
            yield resolved(rule=rule, group=None) | {"group": group}
        if i % 3 == 1 or i == 3:  # (3: signs of two bytes)
            yield summary(value, title=value, why=value)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for k, v in value.items():
            yield k
            yield from strings(v)
    elif isinstance(value, list):
        for v in value:
            yield from strings(v)


def units(text):
    return len(text.encode("utf-16-le")) // 2


class Check(unittest.TestCase):
    maxDiff = 2000
    servers = {}

    def run_one(self, name, *answers, document=None, changes=None, **arguments):
        if name not in self.servers:  # one for all tests: starting and ending it takes longer than a delivery
            self.servers[name] = api.Api(SERVICES[name][1])
        server = self.servers[name]
        server.answers, server.requests = list(answers), []
        outcome = rig.deliver(config(name, server.base, **changes or {}), document, now=NOW, **arguments)
        for hidden in (TOKEN, PLACE, HOOK, KEY if name == "pagerduty" else TOKEN,
                       base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()):
            self.assertNotIn(hidden, str(outcome), name)
        return outcome, server.requests

    def expect(self, state, name, *answers, **more):
        outcome, requests = self.run_one(name, *answers, **more)
        self.assertEqual(rig.state(outcome), state, (name, outcome))
        return outcome[1][-1], requests

    def message(self, name, document=None, **more):
        return self.expect("sent", name, document=document, **more)[1][0].json

    def clean(self, value):
        for text in strings(value):
            self.assertFalse([c for c in text if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0
                              or c in "\u202e\u2066\u2028\u2029\ufeff"], ascii(text)[:300])


class Answers(Check):
    """What all of them have in common."""

    def each(self, state, make, broken=None, says="", names=SERVICES, **more):
        for name in names:
            with self.subTest(name):
                result, _ = self.expect(state, name, make() if make is not api.reset else make, **more)
                self.assertIn(says, result["status"], name)
                if broken is not None:
                    self.assertEqual(result["broken"], broken, name)

    def test_the_usual_answer_is_sent(self):
        for name in SERVICES:
            result, requests = self.expect("sent", name)
            self.assertEqual((len(requests), result["broken"]), (1, False), name)

    def test_a_revoked_key_and_a_removed_hook_break_the_receiver(self):
        for status in (401, 410):
            self.each("dead", lambda: api.raw(status, "no_service"), True, f"http {status}")

    def test_a_refusal_is_final_but_breaks_nothing(self):
        self.each("dead", lambda: api.say(400, message="this one is wrong", error="this one is wrong"), False)

    def test_too_many_wait_as_long_as_they_are_told(self):
        for name in SERVICES:
            result, _ = self.expect("retry", name, api.raw(429, "", Retry_After="7"))
            self.assertEqual((result["retry_after_us"], result["broken"]), (7_000_000, False), name)

    def test_a_pause_may_be_a_date_or_absurd(self):
        when = email.utils.formatdate(time.time() + 60, usegmt=True)
        result, _ = self.expect("retry", "ntfy", api.raw(503, "", Retry_After=when))
        self.assertTrue(30_000_000 <= result["retry_after_us"] <= 61_000_000, result)
        for absurd in ("99999999999999999999", "-5", "soon", "1e9"):
            result, _ = self.expect("retry", "ntfy", api.raw(503, "", Retry_After=absurd))
            self.assertLessEqual(result["retry_after_us"], 86400 * 10**6, absurd)

    def test_faults_of_the_server_are_tried_again(self):
        self.each("retry", lambda: api.raw(500, "<h1>oops</h1>"), False)
        self.each("retry", lambda: api.raw(503), False, names=("slack", "sms"))

    def test_a_page_of_somebody_else_is_no_success(self):
        self.each("retry", lambda: api.raw(200, "<html>welcome to this hotel</html>"),
                  names=[name for name in SERVICES if name != "webhook"])

    def test_garbage_is_no_success_where_the_service_has_words_for_it(self):
        for garbage in (b"\x00\xff" * 50, b'"' + b"[" * 5000, b'{"id":{}}'):
            self.each("retry", lambda: api.raw(200, garbage), names=PARTICULAR)

    def test_a_connection_that_breaks_is_tried_again(self):
        self.each("retry", api.reset)

    def test_nobody_there_is_tried_again(self):
        for name in SERVICES:
            outcome = rig.deliver(config(name, f"http://127.0.0.1:{rig.free_port()}"))
            self.assertEqual(rig.state(outcome), "retry", outcome)
            self.assertNotIn(PLACE, str(outcome))

    def test_a_body_that_never_ends_is_left_at_the_deadline(self):
        start = time.monotonic()
        self.expect("retry", "discord", api.slow, changes={"timeout": "1s"})
        self.assertLess(time.monotonic() - start, 12)

    def test_a_redirect_is_not_followed(self):
        for name in ("slack", "discord", "pagerduty", "webhook"):
            with api.Api(SERVICES[name][1]) as inside:
                self.expect("dead", name, api.raw(302, "", Location=inside.base + "/admin"))
                self.assertEqual(inside.requests, [], name)

    def test_a_gigabyte_is_not_taken(self):
        for name, status, state in (("slack bot", 200, "retry"), ("discord", 200, "retry"), ("ntfy", 500, "retry")):
            taken = []
            self.expect(state, name, api.flood(status, taken))
            self.assertLess(len(taken), 50)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 200 << 10)

    def test_secrets_that_an_answer_repeats_are_cut_out(self):
        result, _ = self.expect("dead", "slack bot", api.say(400, error=f"bad token {TOKEN}\x1b[31m\r\nx" + "y" * 900))
        self.assertIn("***", result["status"])
        self.assertTrue(result["status"].isprintable(), result)
        for name in ("slack", "discord", "teams"):
            result, _ = self.expect("dead", name, api.raw(404, f"Cannot POST {PLACE}"))
            self.assertIn("Cannot POST /services", result["status"])
        basic = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        self.expect("dead", "sms", api.say(400, message=f"Basic {basic} is wrong"))
        result, _ = self.expect("dead", "pagerduty", api.say(400, message=f"routing key {KEY} is wrong"))
        self.assertTrue("***" in result["status"] and result["broken"], result)

    def certificate(self, name):
        """Path of key and certificate, path of the certificate: self-signed, for this name alone."""
        key, own = os.path.join(rig.FOLDER, "key.pem"), os.path.join(rig.FOLDER, f"{name[:4]}.pem".replace(":", ""))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=x", "-addext", "subjectAltName=" + name, "-days", "2",
                        "-keyout", key, "-out", own], check=True, capture_output=True)
        with open(key, encoding="ascii") as a, open(own, encoding="ascii") as b:
            return rig.write("both.pem", a.read() + b.read()), own

    def test_another_name_in_the_certificate_is_refused(self):
        if not shutil.which("openssl"):
            self.skipTest("no openssl")
        for certified, state, n in (("IP:127.0.0.1", "sent", 1), ("DNS:other.example", "retry", 0)):
            both, own = self.certificate(certified)
            for name in ("slack", "webhook", "ntfy"):
                with api.Api(SERVICES[name][1], certificate=both) as server:
                    outcome = rig.deliver(config(name, server.base, ca_file=own))
                    self.assertEqual((rig.state(outcome), len(server.requests)), (state, n), outcome)
                    if state == "retry":
                        self.assertRegex(outcome[1][0]["status"], "(?i)certificate|ssl|peer")

    def test_a_folder_takes_the_request(self):
        folder = os.path.join(rig.FOLDER, "requests")
        for name in SERVICES:
            if name in ("webhook",):
                continue
            outcome = rig.deliver(config(name, "https://127.0.0.1:1", directory=folder, token=None, routing_key=None,
                                         **({"url": None} if name in ("slack", "discord", "teams") else {}),
                                         **({"key": None} if name == "opsgenie" else {})))
            self.assertEqual(rig.state(outcome), "sent", (name, outcome))
        self.assertGreater(len(os.listdir(folder)), 7)


class Slack(Check):
    def test_a_message_has_blocks(self):
        m = self.message("slack", notified(rig.alert(), "repeat", why="It goes on."))
        self.assertNotIn("channel", m)
        self.assertIn("[high] Failed logins from one address: 203.0.113.7", m["text"])
        self.assertEqual([b["type"] for b in m["blocks"]], ["header", "section", "section", "context"])
        for text in ("Counted 6 within 5m; the threshold is 5. It goes on.", "*Source address*: 203.0.113.7", "alice"):
            self.assertIn(text, m["blocks"][1]["text"]["text"])
        self.assertIn("verification failed", m["blocks"][2]["text"]["text"])
        self.assertIn("trailwarden alerts show 0123456789ab", m["blocks"][3]["elements"][0]["text"])

    def test_nothing_hostile_gets_through_and_limits_hold(self):
        for document in documents():
            m = self.message("slack", document)
            self.clean(m)
            self.assertLessEqual(len(m["blocks"]), 50)
            self.assertLess(sum(map(units, strings(m["blocks"]))), 8000)
            for block in m["blocks"]:
                texts = block["elements"] if block["type"] == "context" else [block["text"]]
                for text in texts:
                    self.assertTrue(1 <= units(text["text"]) <= (150 if block["type"] == "header" else 3000))
                    self.assertNotRegex(text["text"], "[<>]")
                    self.assertEqual(re.findall("&(?!amp;|lt;|gt;)", text["text"]), [])
                    self.assertEqual(text.get("verbatim"), None if text["type"] == "plain_text" else True)

    def test_a_bot_writes_answers_and_edits(self):
        result, (r,) = self.expect("sent", "slack bot")
        self.assertEqual((r.path, r.headers["Authorization"]), ("/chat.postMessage", "Bearer " + TOKEN))
        self.assertEqual(r.json["channel"], "C0123")
        self.assertEqual(result["remote"], "C0123 1700000000.000100")
        _, (r,) = self.expect("sent", "slack bot", document=resolved(), first=result["remote"])
        self.assertEqual((r.path, r.json["ts"]), ("/chat.update", "1700000000.000100"))
        self.assertIn("[resolved]", r.json["text"])
        _, (r,) = self.expect("sent", "slack bot", document=notified(rig.alert(), "escalated"), first=result["remote"])
        self.assertEqual((r.path, r.json["thread_ts"], r.json["reply_broadcast"]),
                         ("/chat.postMessage", "1700000000.000100", True))

    def test_a_first_message_that_is_gone_is_replaced(self):
        _, requests = self.expect("sent", "slack bot", api.say(200, ok=False, error="message_not_found"),
                                  document=resolved(), first="C0123 1700000000.000100")
        self.assertEqual([r.path for r in requests], ["/chat.update", "/chat.postMessage"])

    def test_a_first_message_of_another_form_is_not_used(self):
        for first in ("C0123", 'C0123 1"', "../x 1", " "):
            _, (r,) = self.expect("sent", "slack bot", document=resolved(), first=first)
            self.assertEqual(r.path, "/chat.postMessage", first)

    def test_ok_false_is_a_failure(self):
        for error, state, broken in (("invalid_auth", "dead", True), ("channel_not_found", "dead", True),
                                     ("is_archived", "dead", True), ("invalid_blocks", "dead", False),
                                     ("msg_too_long", "dead", False), ("ratelimited", "retry", False),
                                     ("internal_error", "retry", False), ("something new", "dead", False)):
            result, _ = self.expect(state, "slack bot", api.say(200, ok=False, error=error))
            self.assertEqual(result["broken"], broken, error)
            self.assertIn(error, result["status"])

    def test_a_webhook_says_ok_and_nothing_else(self):
        self.expect("retry", "slack", api.raw(200, "okay"))
        self.expect("dead", "slack", api.raw(400, "invalid_payload"))


class Discord(Check):
    def test_a_message_is_an_embed(self):
        result, (r,) = self.expect("sent", "discord", document=notified(rig.alert(level="critical")))
        self.assertEqual((r.method, r.path), ("POST", PLACE + "?wait=true"))
        embed, = r.json["embeds"]
        self.assertEqual(embed["color"], 0xb00020)
        self.assertEqual(embed["title"], "\\[critical\\] Failed logins from one address\\: 203.0.113.7")
        self.assertIn({"name": "User", "value": "alice", "inline": True}, embed["fields"])
        self.assertNotIn("flags", r.json)
        self.assertEqual(result["remote"], "123456789012345678")

    def test_nothing_hostile_gets_through_and_limits_hold(self):
        for document in documents():
            m = self.message("discord", document)
            self.clean(m)
            self.assertEqual(m["allowed_mentions"], {"parse": []})
            embed, = m["embeds"]
            self.assertTrue(1 <= units(embed["title"]) <= 256)
            self.assertTrue(1 <= units(embed["description"]) <= 4096)
            self.assertLessEqual(units(embed["footer"]["text"]), 2048)
            self.assertLessEqual(len(embed["fields"]), 25)
            total = units(embed["title"]) + units(embed["description"]) + units(embed["footer"]["text"])
            for field in embed["fields"]:
                self.assertTrue(1 <= units(field["name"]) <= 256 and 1 <= units(field["value"]) <= 1024)
                total += units(field["name"]) + units(field["value"])
                self.assertNotRegex(field["value"], r"(?<!\\)[@<`|\[]")
            self.assertLessEqual(total, 6000)
            self.assertNotRegex(re.sub(r"(?<!\\)`[^`]*`", "", embed["description"]), r"(?<!\\)[@<|\[#]")

    def test_low_levels_make_no_sound(self):
        for level, flags in (("informational", 4096), ("low", 4096), ("medium", None), ("critical", None)):
            self.assertEqual(self.message("discord", rig.alert(level=level)).get("flags"), flags)

    def test_a_resolved_one_edits_the_first(self):
        _, (r,) = self.expect("sent", "discord", document=resolved(), first="42", changes={"thread": "7"})
        self.assertEqual((r.method, r.path), ("PATCH", PLACE + "/messages/42?wait=true&thread_id=7"))
        self.assertNotIn("flags", r.json)
        for first in ("", "../../1", "4x"):
            _, (r,) = self.expect("sent", "discord", document=resolved(), first=first)
            self.assertEqual(r.method, "POST", first)

    def test_an_edited_message_that_is_gone_is_replaced_but_not_a_hook(self):
        _, requests = self.expect("sent", "discord", api.say(404, message="Unknown Message", code=10008),
                                  document=resolved(), first="42")
        self.assertEqual([r.method for r in requests], ["PATCH", "POST"])
        result, requests = self.expect("dead", "discord", api.say(404, message="Unknown Webhook", code=10015),
                                       document=resolved(), first="42")
        self.assertEqual((len(requests), result["broken"]), (1, True))

    def test_a_pause_with_a_fraction_is_heard(self):
        result, _ = self.expect("retry", "discord", api.say(429, message="rate limited", retry_after=2.75))
        self.assertEqual(result["retry_after_us"], 2_750_000)
        for absurd in (1e300, -3, "x", 10**30, None):
            result, _ = self.expect("retry", "discord", api.say(429, retry_after=absurd))
            self.assertLessEqual(result["retry_after_us"], 86400 * 10**6)


class Teams(Check):
    def test_a_message_is_a_card(self):
        _, (r,) = self.expect("sent", "teams", document=notified(rig.alert(), why="It goes on."))
        attachment, = r.json["attachments"]
        card = attachment["content"]
        self.assertEqual((r.json["type"], attachment["contentType"], card["type"], card["version"]),
                         ("message", "application/vnd.microsoft.card.adaptive", "AdaptiveCard", "1.4"))
        text = "\n".join("".join(run["text"] for run in block["inlines"]) for block in card["body"])
        for part in ("[high] Failed logins from one address: 203.0.113.7", "It goes on.", "User: alice",
                     "verification failed", rig.ALERT["id"]):
            self.assertIn(part, text)

    def test_limits_hold_and_no_text_is_markup(self):
        for document in documents():
            _, (r,) = self.expect("sent", "teams", document=document)
            self.assertLessEqual(len(r.body), 28 << 10)
            self.clean(r.json)
            body = r.json["attachments"][0]["content"]["body"]
            self.assertGreater(len(body), 3)
            for block in body:
                self.assertEqual(block["type"], "RichTextBlock")
                self.assertTrue(block["inlines"])
                for run in block["inlines"]:
                    self.assertEqual(run["type"], "TextRun")
                    self.assertTrue(run["text"])

    def test_what_is_left_out_is_counted(self):
        self.assertIn("more not shown", str(self.message("teams", summary("\u06a9"))))

    def test_old_connectors_fail_with_200(self):
        self.expect("retry", "teams", api.raw(200, "Webhook message delivery failed with error: HTTP error 429"))
        self.expect("dead", "teams", api.raw(200, "Webhook message delivery failed with error: 413"))
        self.expect("sent", "teams", api.raw(200, "1"))


class PagerDuty(Check):
    def test_the_incident_is_the_key_of_trigger_and_resolve(self):
        first = self.message("pagerduty", notified(rig.alert()))
        last = self.message("pagerduty", resolved())
        self.assertEqual((first["event_action"], last["event_action"]), ("trigger", "resolve"))
        self.assertEqual((first["dedup_key"], last["dedup_key"]), (INCIDENT, INCIDENT))
        self.assertEqual(first["routing_key"], KEY)
        self.assertEqual(first["payload"]["severity"], "error")
        self.assertEqual(first["payload"]["timestamp"], "2026-11-21T01:38:59.123456Z")
        self.assertEqual(first["payload"]["custom_details"]["User"], "alice")
        self.assertNotIn("payload", last)

    def test_levels_have_their_words(self):
        for level, word in (("informational", "info"), ("low", "info"), ("medium", "warning"), ("critical", "critical")):
            self.assertEqual(self.message("pagerduty", rig.alert(level=level))["payload"]["severity"], word)

    def test_limits_hold(self):
        for document in documents():
            _, (r,) = self.expect("sent", "pagerduty", document=document)
            self.clean(r.json)
            self.assertLess(len(r.body), 512_000)
            self.assertTrue(1 <= len(r.json["dedup_key"]) <= 255)
            if r.json["event_action"] == "trigger":
                self.assertTrue(1 <= len(r.json["payload"]["summary"]) <= 1024)
                self.assertTrue(r.json["payload"]["source"])


class Opsgenie(Check):
    def test_an_alert_is_created_and_closed_by_its_alias(self):
        _, (r,) = self.expect("sent", "opsgenie", document=notified(rig.alert()))
        self.assertEqual((r.path, r.headers["Authorization"]), ("/v2/alerts", "GenieKey " + TOKEN))
        self.assertEqual((r.json["alias"], r.json["priority"]), (INCIDENT, "P2"))
        self.assertIn("203.0.113.7", r.json["description"])
        _, (r,) = self.expect("sent", "opsgenie", document=resolved())
        self.assertEqual(r.path, f"/v2/alerts/{INCIDENT}/close?identifierType=alias")
        self.assertEqual(r.json["note"], "Nothing came for 1h.")

    def test_limits_hold(self):
        for document in documents():
            _, (r,) = self.expect("sent", "opsgenie", document=document)
            m = r.json
            self.clean(m)
            if r.path != "/v2/alerts":
                continue
            self.assertTrue(1 <= units(m["message"]) <= 130 and 1 <= len(m["alias"]) <= 512)
            self.assertLessEqual(units(m["description"]), 15000)
            self.assertLessEqual(sum(map(units, strings(m["details"]))), 8000)
            self.assertTrue(len(m["tags"]) <= 20 and max(map(len, m["tags"])) <= 50)
            self.assertLessEqual(len(m["entity"]), 512)

    def test_not_implemented_is_final(self):
        self.expect("dead", "opsgenie", api.raw(501))


class Ntfy(Check):
    def test_a_message_is_published_as_json(self):
        result, (r,) = self.expect("sent", "ntfy", document=notified(rig.alert(level="critical")))
        self.assertEqual((r.path, r.headers["Authorization"]), ("/", "Bearer " + TOKEN))
        self.assertEqual((r.json["topic"], r.json["priority"]), ("alerts", 5))
        self.assertIn("User: alice", r.json["message"])
        self.assertEqual(result["remote"], "xE73Iyuabi")
        self.assertEqual(self.message("ntfy", resolved(level="critical"))["priority"], 2)

    def test_a_user_has_a_password(self):
        _, (r,) = self.expect("sent", "ntfy", changes={"token": None, "user": "bob", "password": rig.secret("p:w")})
        self.assertEqual(r.headers["Authorization"], "Basic " + base64.b64encode(b"bob:p:w").decode())

    def test_limits_hold_and_the_newest_line_stays(self):
        for document in documents():
            m = self.message("ntfy", document)
            self.clean(m)
            self.assertTrue(1 <= len(m["message"].encode()) <= 4096)
            self.assertLessEqual(len(m["title"].encode()), 250)
        lines = [f"{i} " + "\u06a9" * 10000 for i in range(10)] + ["the newest line"]
        m = self.message("ntfy", rig.alert(raw=lines, group="y" * 10000))
        self.assertIn("the newest line", m["message"])
        self.assertIn("more not shown", m["message"])


class Sms(Check):
    def fields(self, document=None, **more):
        _, requests = self.expect("sent", "sms", document=document, **more)
        return [dict(urllib.parse.parse_qsl(r.body.decode(), strict_parsing=True)) for r in requests]

    def test_a_message_is_one_line(self):
        f, = self.fields(notified(rig.alert(level="critical")))
        self.assertEqual(f["Body"], "(critical) Failed logins from one address: 203.0.113.7, edge-1.example.net, "
                                    "0123456789ab")
        self.assertEqual((f["To"], f["From"], f["ValidityPeriod"]), ("+15550199", "+15550100", "3600"))

    def test_each_message_is_one_on_the_bill(self):
        gsm = re.compile(r"[A-Za-z0-9 @$_!\"#%&'()*+,\-./:;<=>?]{1,160}\Z")
        for document in documents():
            f, = self.fields(document)
            self.assertRegex(f["Body"], gsm)
            self.assertIn("edge-1.example.net", f["Body"])

    def test_only_what_is_critical_is_worth_it(self):
        for level, state in (("high", "held"), ("critical", "sent")):
            result, requests = self.expect(state, "sms", document=rig.alert(level=level), changes={"level": "critical"})
            self.assertEqual((len(requests), result["broken"]), (int(state == "sent"), False))

    def test_a_day_has_its_cap(self):
        result, requests = self.expect("held", "sms", changes={"per_day": 3, "to": [f"+1555010{i}" for i in range(5)]})
        self.assertEqual(len(requests), 3)
        self.assertIn("3 went out today", result["status"])

    def test_who_has_it_does_not_get_it_again(self):
        outcome, requests = self.run_one("sms", SERVICES["sms"][1], api.raw(503), times=2,
                                         changes={"to": ["+15550101", "+15550102", "+15550103"]})
        self.assertEqual([r["state"] for r in outcome[1]], ["retry", "sent"])
        to = [urllib.parse.parse_qs(r.body.decode())["To"][0] for r in requests]
        self.assertEqual(to, ["+15550101", "+15550102", "+15550102", "+15550103"])

    def test_one_wrong_number_keeps_nobody_else_from_it(self):
        self.expect("sent", "sms", api.say(400, code=21211, message="Invalid 'To' Phone Number"),
                    changes={"to": ["+15550101", "+15550102"]})


class Alertmanager(Check):
    def check_alert(self, alert):
        for name, value in alert["labels"].items():
            self.assertRegex(name, r"\A[a-zA-Z_][a-zA-Z0-9_]*\Z")
            self.assertTrue(value)
        self.assertLess(alert["startsAt"], alert["endsAt"])

    def test_an_alert_is_pushed_and_ends(self):
        _, (r,) = self.expect("sent", "alertmanager", document=notified(rig.alert()))
        self.assertEqual(r.path, "/api/v2/alerts")
        first, = r.json
        last, = self.message("alertmanager", resolved())
        self.assertEqual(first["labels"], last["labels"])
        self.assertEqual(first["labels"]["source_ip"], "203.0.113.7")
        self.assertEqual(first["labels"]["alertname"], "Failed logins from one address")
        self.assertEqual(first["endsAt"], "2026-11-21T06:00:00.000000Z")
        self.assertEqual(last["endsAt"], "2026-11-21T02:00:00.000000Z")

    def test_labels_are_labels(self):
        for document in documents():
            for name in ("alertmanager", "webhook"):
                m = self.message(name, document)
                self.clean(m)
                alerts = m if name == "alertmanager" else m["alerts"]
                if name == "alertmanager":
                    self.check_alert(alerts[0])

    def test_the_webhook_speaks_version_4(self):
        m = self.message("webhook", resolved())
        self.assertEqual((m["version"], m["status"], m["groupKey"], m["notification_reason"]),
                         ("4", "resolved", INCIDENT, "resolved"))
        for member in ("receiver", "truncatedAlerts", "groupLabels", "commonLabels", "commonAnnotations", "externalURL"):
            self.assertIn(member, m)
        alert, = m["alerts"]
        self.assertEqual((alert["status"], len(alert["fingerprint"])), ("resolved", 16))


class Template(Check):
    def with_template(self, text, document=None, **more):
        path = rig.write("template.json", text)
        return self.run_one("webhook", document=document, changes={"format": None, "template": path}, **more)

    def test_a_template_makes_the_body(self):
        _, (r,) = self.with_template('{"t": "{{ subject }}", "n": {{document.count}}, "b": {{document.backfill}},\n'
                                     ' "ip": "{{group.source.ip}}", "none": {{group.x}}, "all": {{document}},\n'
                                     ' "q": "say \\"{{level}}\\"", "k": {{key}}, "s": "{{status}}"}', resolved())
        self.assertEqual(r.json["t"], "[resolved] Failed logins from one address: 203.0.113.7")
        self.assertEqual((r.json["n"], r.json["b"], r.json["ip"], r.json["none"]), (6, False, "203.0.113.7", None))
        self.assertEqual(r.json["all"]["rule"], rig.ALERT["rule"])
        self.assertEqual((r.json["q"], r.json["s"]), ('say "high"', "resolved"))

    def test_no_value_becomes_part_of_the_template(self):
        text = '{"a":"{{title}}|{{group.user.name}}|{{document.rule.title}}","b":{{why}},"c":{{document.events}}}'
        for document in documents():
            _, (r,) = self.with_template(text, document)
            self.assertEqual(sorted(r.json), ["a", "b", "c"])

    def test_faults_have_a_place(self):
        for text, place, says in (('{"a":1,\n "b":"{{levle}}"}', "template.json:2:7", "did you mean 'level'?"),
                                  ('{"a":"{{document.rule.ide}}"}', "template.json:1:7", "unknown placeholder"),
                                  ('{"a":"{{title}"}', "template.json:1:7", "without"),
                                  ('{"a":"{{}}"}', "template.json:1:7", "placeholder"),
                                  ('{"a":{{title}}', "template.json", "no JSON"),
                                  ('', "template.json", "no JSON")):
            (code, _, said), _ = self.with_template(text)
            self.assertEqual(code, 78, text)
            self.assertTrue(place in said and says in said, said)

    def test_a_missing_file_is_a_fault(self):
        (code, _, said), _ = self.run_one("webhook", changes={"format": None, "template": "/nonexistent"})
        self.assertEqual(code, 78, said)


class Webhook(Check):
    def test_two_secrets_sign_while_one_is_replaced(self):
        _, (r,) = self.expect("sent", "webhook", key="00ff", changes={
            "format": None, "secret": rig.secret("the new one"), "secret_before": rig.secret("the old one")})
        signatures = [base64.b64encode(hmac.new(key, f"msg_00ff.{NOW}.".encode() + r.body, hashlib.sha256).digest())
                      for key in (b"the new one", b"the old one")]
        self.assertEqual(r.headers["webhook-signature"], " ".join("v1," + s.decode() for s in signatures))


class Socket:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(10)

    def take(self):
        with self.socket:
            return self.socket.recv(1 << 20)


def journal_fields(entry):
    """As systemd reads it: NAME=VALUE, or NAME, 64 bits of length, value."""
    fields = {}
    while entry:
        line, _, rest = entry.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
        else:
            name, n = line, struct.unpack("<Q", rest[:8])[0]
            value, rest = rest[8:8 + n], rest[8 + n:]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        assert re.fullmatch(b"[A-Z][A-Z0-9_]*", name), name
        assert name not in fields, name
        fields[name.decode()] = value
        entry = rest
    return fields


class Syslog(Check):
    def one(self, document, **changes):
        path = os.path.join(rig.FOLDER, f"socket-{len(os.listdir(rig.FOLDER))}")
        server = Socket(path)
        outcome = rig.deliver({"type": "syslog", "socket": path} | changes, document, now=NOW)
        self.assertEqual(rig.state(outcome), "sent", outcome)
        return server.take()

    def test_the_journal_gets_fields(self):
        f = journal_fields(self.one(notified(rig.alert(), why="w")))
        self.assertEqual((f["PRIORITY"], f["TRAILWARDEN_ALERT"].decode(), f["TRAILWARDEN_INCIDENT"].decode()),
                         (b"3", rig.ALERT["id"], INCIDENT))
        self.assertIn(b"[high] Failed logins", f["MESSAGE"])
        self.assertEqual(json.loads(f["TRAILWARDEN_DOCUMENT"])["id"], rig.ALERT["id"])

    def test_no_value_makes_a_field_or_a_line(self):
        for document in documents():
            f = journal_fields(self.one(document))
            self.assertEqual([n for n in f if not n.startswith("TRAILWARDEN_")],
                             ["MESSAGE", "PRIORITY", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER"])
            for name in ("rfc5424", "rfc3164"):
                line = self.one(document, format=name)
                self.assertNotRegex(line, rb"[\x00-\x1f\x7f]")
                self.assertLess(len(line), 4096)

    def test_a_document_of_several_lines_is_one_field(self):
        path = os.path.join(rig.FOLDER, "lines")
        server = Socket(path)
        c = rig.write("lines.yaml", json.dumps({"type": "syslog", "socket": path}))
        text = json.dumps(rig.alert(raw=["PRIORITY=0"]), indent=1)
        subprocess.run([rig.DRIVER, c, rig.write("lines.json", text)], check=True, capture_output=True)
        f = journal_fields(server.take())
        self.assertEqual((f["TRAILWARDEN_DOCUMENT"].decode(), f["PRIORITY"]), (text, b"3"))

    def test_a_line_of_rfc_5424(self):
        line = self.one(notified(rig.alert(level="critical")), format="rfc5424").decode()
        self.assertRegex(line, r"\A<82>1 2026-11-21T02:00:00\.000000Z edge-1\.example\.net trailwarden - alert "
                               r'\[trailwarden@32473( [a-z]+="([^"\\\]]|\\["\\\]])*")+\] \[critical\] Failed logins')
        self.assertIn(' level="critical"', line)

    def test_a_line_of_rfc_3164(self):
        line = self.one(rig.alert(), format="rfc3164").decode()
        self.assertRegex(line, r"\A<83>Nov 21 02:00:00 trailwarden: \[high\] Failed logins")

    def test_a_real_journald_keeps_every_field(self):
        daemon = "/lib/systemd/systemd-journald"
        if os.geteuid() != 0 or not os.path.exists(daemon) or not shutil.which("journalctl") \
                or not os.path.exists("/etc/machine-id") or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
            self.skipTest("no journald of our own")
        document = notified(rig.alert(), why="w")
        native = rig.write("journal.yaml", '{"type": "syslog"}')
        local = rig.write("local.yaml", '{"type": "syslog", "format": "rfc3164", "socket": "/run/systemd/journal/dev-log"}')
        data = rig.write("journal.json", json.dumps(document))
        script = rig.write("journal.sh", f"""
            mount -t tmpfs none /run && mkdir -p /run/systemd/journal "/run/log/journal/$(cat /etc/machine-id)" || exit 1
            {daemon} 2>/dev/null &
            for i in $(seq 100); do [ -S /run/systemd/journal/socket ] && break; sleep 0.05; done
            {rig.DRIVER} {native} {data} >&2 && {rig.DRIVER} {local} {data} >&2
            for i in $(seq 100); do
                journalctl -q -D /run/log/journal -t trailwarden -o json --no-pager >/run/out
                [ "$(wc -l </run/out)" -ge 2 ] && break
                sleep 0.05
            done
            cat /run/out
            kill $!""")
        run = subprocess.run(["unshare", "-m", "sh", script], capture_output=True, text=True, timeout=60, check=False)
        first, second = map(json.loads, run.stdout.splitlines())
        self.assertEqual((first["_TRANSPORT"], first["PRIORITY"], first["TRAILWARDEN_INCIDENT"]), ("journal", "3", INCIDENT))
        self.assertEqual(json.loads(first["TRAILWARDEN_DOCUMENT"]), document)
        self.assertEqual((second["_TRANSPORT"], second["PRIORITY"], second["SYSLOG_FACILITY"]), ("syslog", "3", "10"))
        self.assertTrue(second["MESSAGE"].startswith(first["MESSAGE"]))

    def test_nobody_there_is_tried_again(self):
        outcome = rig.deliver({"type": "syslog", "socket": os.path.join(rig.FOLDER, "nobody")})
        self.assertEqual(rig.state(outcome), "retry", outcome)


class Command(Check):
    def program(self, script):
        path = rig.write(f"program-{len(os.listdir(rig.FOLDER))}", "#!/bin/sh\n" + script, 0o755)
        return {"type": "command", "command": [path, "word; $(id)"], "timeout": "20s"}

    def test_the_document_is_on_its_input_and_pieces_in_the_environment(self):
        seen = os.path.join(rig.FOLDER, "seen")
        c = self.program(f'cat > {seen}; env > {seen}.env; printf "%s" "$1" > {seen}.word\n')
        for document in documents():
            outcome = rig.deliver(c, document)
            self.assertEqual(rig.state(outcome), "sent", outcome)
            with open(seen, encoding="utf-8") as f:
                self.assertEqual(json.load(f), document)
            with open(seen + ".env", encoding="utf-8") as f:
                env = dict(line.rstrip("\n").split("=", 1) for line in f)
            self.assertLessEqual({n for n in env if not n.startswith("TW_")},
                                 {"PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD"})
            for name in ("TW_ID", "TW_LEVEL", "TW_RULE", "TW_CHANNEL", "TW_STATUS", "TW_REASON", "TW_HOST"):
                self.assertRegex(env[name], r"\A[A-Za-z0-9._-]*\Z")
        with open(seen + ".word", encoding="utf-8") as f:
            self.assertEqual(f.read(), "word; $(id)")

    def test_its_end_says_how_it_went(self):
        for script, state, says in (("exit 0", "sent", "exit 0"), ("exit 75", "retry", "exit 75"),
                                    ("echo no; exit 3", "dead", "exit 3: no"), ("kill -9 $$", "retry", "signal 9")):
            outcome = rig.deliver(self.program(script))
            self.assertEqual(rig.state(outcome), state, outcome)
            self.assertIn(says, outcome[1][0]["status"])

    def test_one_that_does_not_read_or_hangs_does_no_harm(self):
        self.assertEqual(rig.state(rig.deliver(self.program("exit 0"), rig.alert(group="x" * 500000))), "sent")
        outcome = rig.deliver(self.program("sleep 60") | {"timeout": "1s"})
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertIn("too long", outcome[1][0]["status"])


class Configuration(Check):
    def fault(self, text, **c):
        code, _, said = rig.deliver(c)
        self.assertEqual(code, 78, (c, said))
        self.assertIn(text, said)

    def test_faults_are_told(self):
        hook = rig.secret("https://127.0.0.1:1" + PLACE)
        self.fault("either 'url' or 'token'", type="slack")
        self.fault("either 'url' or 'token'", type="slack", url=hook, token=hook, channel="C1")
        self.fault("'channel'", type="slack", token=hook)
        self.fault("this machine", type="slack", url=rig.secret("http://example.org/x"))
        self.fault("more than an address", type="discord", url=rig.secret("https://example.org/x y"))
        self.fault("'url' is missing", type="discord")
        self.fault("no id of a thread", type="discord", url=hook, thread="x/y")
        self.fault("'url' is missing", type="teams")
        self.fault("32 signs", type="pagerduty", routing_key=rig.secret("short"))
        self.fault("'key' is missing", type="opsgenie")
        self.fault("no topic", type="ntfy", topic="a/b")
        self.fault("go together", type="ntfy", topic="a", user="u")
        self.fault("no account", type="sms", account="AC1", to="+15550100", token=hook)
        self.fault("either 'from' or 'service'", type="sms", account=SID, to="+15550100", token=hook)
        self.fault("no number", type="sms", account=SID, to=["+15550100", "0170 1"], token=hook, **{"from": "x"})
        self.fault("this machine", type="alertmanager", url="http://example.org")
        self.fault("no absolute path", type="command", command="sh -c x")
        self.fault("no path of a socket", type="syslog", socket="relative")
        self.fault("'template' or 'format'", type="webhook", url="https://e.example", format="alertmanager", template="/x")
        self.fault("needs a 'secret'", type="webhook", url="https://e.example", secret_before=hook)

    def test_addresses_that_hold_a_token_do_not_stand_in_the_configuration(self):
        for name in ("slack", "discord", "teams"):
            code, _, said = rig.deliver({"type": name, "url": "https://e.example" + PLACE})
            self.assertEqual(code, 78)
            self.assertIn("secrets do not stand", said)
            self.assertNotIn(PLACE, said)


class Daemon(unittest.TestCase):
    """Each in its own process with the rights that `run` leaves it."""

    def test_all_of_them_tell_of_an_alert(self):
        program = os.environ.get("TW_BIN") or os.path.join(os.environ["TW_BUILD"], "trailwarden")
        folder = os.path.join(rig.FOLDER, "daemon")
        os.mkdir(folder)
        servers = {name: api.Api(usual) for name, (_, usual) in SERVICES.items()}
        journal = Socket(os.path.join(folder, "journal"))
        told = os.path.join(folder, "told")
        script = rig.write("daemon-program", f"#!/bin/sh\ncat > {told}.new && mv {told}.new {told}\n", 0o755)
        template = rig.write("daemon-template", '{"text": "{{subject}}"}')
        line = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime()) + \
            ' WARNING - failed login: username="r", IP="203.0.113.66", reason="x"\n'
        log = rig.write("daemon-log", line * 8)
        receivers = {name.replace(" ", "-"): config(name, server.base) for name, server in servers.items()}
        servers["template"] = api.Api(api.raw(204))
        receivers |= {"journal": {"type": "syslog", "socket": os.path.join(folder, "journal")},
                      "program": {"type": "command", "command": script},
                      "template": {"type": "webhook", "url": servers["template"].base, "template": template}}
        path = rig.write("daemon.yaml", json.dumps({
            "state": os.path.join(folder, "state"), "host": "edge", "notifiers": receivers,
            "channels": {"xui": {"inputs": [{"type": "file", "path": log, "from": "begin"}]}}}))
        with open(os.path.join(folder, "errors"), "w+", encoding="utf-8") as errors:
            daemon = subprocess.Popen([program, "run", "--config", path], stderr=errors)
            try:
                end = time.monotonic() + 30
                while time.monotonic() < end and not (os.path.exists(told)
                                                      and all(s.requests for s in servers.values())):
                    time.sleep(0.05)
                entry = journal_fields(journal.take())
            finally:
                daemon.terminate()
                daemon.wait(20)
            errors.seek(0)
            said = errors.read()
        self.assertEqual([name for name, server in servers.items() if not server.requests], [], said)
        self.assertTrue(os.path.exists(told), said)
        self.assertIn(b"failed panel logins", entry["MESSAGE"])
        for hidden in (TOKEN, PLACE, KEY):
            self.assertNotIn(hidden, said)


class Documents(unittest.TestCase):
    def test_the_summary_here_is_one_of_the_schema(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("no jsonschema")
        source = os.environ.get("TW_SOURCE") or os.path.join(os.path.dirname(__file__), "../../..")
        with open(os.path.join(source, "schemas/summary.json"), encoding="utf-8") as f:
            schema = json.load(f)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(summary(incident=INCIDENT))


if __name__ == "__main__":
    unittest.main(verbosity=2)
