"""The Telegram receiver against a stand-in for the Bot API on loopback: messages."""
import json
import os
import time
import unittest

import rig
from bot_api import (ACK, CHAT, HOSTILE, SILENCE, TOKEN, UNBAN, BotApi, Markup, button_data, config, ok, raw, refusal,
                     reset, units)

INCIDENT = "fedcba9876543210fedcba9876543210"


class Check(unittest.TestCase):
    def run_one(self, *answers, document=None, first=None, **changes):
        arguments = {"first": first} if first else {}
        with BotApi(*answers) as api:
            outcome = rig.deliver(config(api.base, **changes), document, **arguments)
            self.assertNotIn(TOKEN, str(outcome))
            self.assertEqual(api.faults, [])
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
                           (400, "Bad Request: chat not found"), (404, "Not Found"),
                           (400, "Bad Request: message thread not found"),
                           (403, "Forbidden: bot was kicked from the supergroup chat")):
            result, api = self.expect("dead", text, refusal(code, text))
            self.assertEqual(len(api.requests), 1)
            self.assertTrue(result["broken"], text)

    def test_a_message_that_is_refused_breaks_nothing_else(self):
        for code, text in ((400, "Bad Request: message text is empty"), (400, "Bad Request: can't parse entities"),
                           (429, "Too Many Requests"), (500, "Internal Server Error")):
            outcome, _ = self.run_one(*[refusal(code, text)] * 2)
            self.assertFalse(outcome[1][0]["broken"], text)

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


LONG = ((HOSTILE * 2000)[:65536], "\U0001f600" * 16384, "&" * 65536)


class Hostile(Check):
    def send(self, document):
        _, api = self.expect("sent", "http 200", document=document, buttons=True, operators=[42])
        self.assertLessEqual(units(api.messages[0]["text"]), 3900)
        return api.messages[0]["text"]

    def hostile(self, value):
        """Each is one field with this value."""
        return {
            "rule": {k: value for k in rig.ALERT["rule"]}, "level": value, "channel": value, "time": value,
            "group": value, "raw": [value], "ban": {"address": value, "for_s": 60}, "tags": [value],
            "notification": {"reason": value, "status": "firing", "why": value}, "incident": value}

    def test_every_field_may_hold_anything(self):
        text = self.send(rig.alert(**self.hostile(HOSTILE)))
        self.assertIn("&lt;b&gt;&amp;amp;&lt;/code&gt;{{7*7}}{% x %}%n%s${x}", text)
        self.assertIn(rig.ALERT["id"], text)

    def test_every_field_may_be_64_kib_long(self):
        for i, (name, _) in enumerate(self.hostile("").items()):
            value = LONG[i % 3]
            self.assertIn(rig.ALERT["id"], self.send(rig.alert(**{name: self.hostile(value)[name]})))
        for value in LONG:
            text = self.send(rig.alert(group=value, raw=["x", value, "the newest line"]))
            self.assertIn("the newest line", text)

    def test_summaries_may_hold_anything(self):
        for value in (HOSTILE, *LONG):
            self.send(summary(title=value))
            self.send(summary(tables=[{"title": value, "rows": [], "more": 3}]))
            rows = [{"name": value, "value": "1"}, {"name": "bob", "value": value}, {"name": "eve", "value": "2"}]
            self.assertIn("eve: 2", self.send(summary(tables=[{"title": "By user", "rows": rows, "more": 0}])))

    def test_ids_that_are_none_get_no_buttons(self):
        for value in ("x" * 32, "A" * 32, "0" * 31, "0" * 33, "", HOSTILE):
            _, api = self.run_one(document=rig.alert(id=value), buttons=True, operators=[42])
            self.assertNotIn("reply_markup", api.messages[0])


def summary(**changes):
    document = {
        "version": 1, "type": "summary", "id": "s-1", "kind": "digest", "title": "40 alerts", "level": "high",
        "why": "Too many to tell one by one.", "alerts": 40, "from": "2026-11-21T01:00:00.000000Z",
        "to": "2026-11-21T02:00:00.000000Z",
        "tables": [{"title": "By rule", "rows": [{"name": f"rule-{i}", "value": "2"} for i in range(18)], "more": 0}],
    }
    document.update(changes)
    return document


def over(reason="resolved", **changes):
    """The document of an incident that is over."""
    return rig.alert(incident=INCIDENT, notification={
        "reason": reason, "status": "resolved", "why": "Quiet for 1h."}, **changes)


FIRST = f"77@{CHAT}"


class Incidents(Check):
    """What follows on the first message."""

    def test_what_is_over_is_marked_in_the_first_message(self):
        result, api = self.expect("sent", "first message marked", document=over(), first=FIRST, buttons=True,
                                  operators=[42])
        self.assertEqual(api.requests[0][0], f"/bot{TOKEN}/editMessageText")
        message = api.messages[0]
        self.assertEqual((message["chat_id"], message["message_id"]), (CHAT, 77))
        self.assertTrue(message["text"].startswith("\u2705 <b>[resolved] Failed logins from one address"))
        self.assertIn("Quiet for 1h.", message["text"])
        self.assertIn("verification failed for peer", message["text"])
        self.assertNotIn("reply_markup", message)  # so the server takes the keyboard away
        self.assertEqual(result["remote"], FIRST)
        self.assertEqual(len(api.requests), 1)

    def test_a_reply_or_both_can_be_had_instead(self):
        _, api = self.expect("sent", "http 200", document=over("closed"), first=FIRST, on_resolve="reply")
        self.assertEqual([r[0].rsplit("/")[-1] for r in api.requests], ["sendMessage"])
        reply = {"message_id": 77, "allow_sending_without_reply": True}
        self.assertEqual(api.messages[0]["reply_parameters"], reply)
        self.assertNotIn("verification failed for peer", api.messages[0]["text"])
        _, api = self.expect("sent", "http 200", document=over(), first=FIRST, on_resolve="both")
        self.assertEqual([r[0].rsplit("/")[-1] for r in api.requests], ["editMessageText", "sendMessage"])
        self.assertEqual(api.messages[1]["reply_parameters"], reply)

    def test_both_goes_on_with_the_reply_when_the_mark_is_there_already(self):
        same = refusal(400, "Bad Request: message is not modified: specified new message content and reply markup "
                            "are exactly the same as a current content and reply markup of the message")
        _, api = self.expect("retry", "502", ok(), refusal(502, "Bad Gateway"), document=over(), first=FIRST,
                             on_resolve="both")
        self.assertEqual(len(api.requests), 2)
        result, api = self.expect("sent", "http 200", same, document=over(), first=FIRST, on_resolve="both")
        self.assertEqual(len(api.requests), 2)
        self.assertEqual(result["remote"], f"4711@{CHAT}")

    def test_a_mark_that_is_there_already_is_success(self):
        result, api = self.expect("sent", "marked", refusal(400, "Bad Request: message is not modified"),
                                  document=over(), first=FIRST)
        self.assertEqual((result["remote"], len(api.requests)), (FIRST, 1))

    def test_a_first_message_that_is_gone_is_followed_by_a_new_one(self):
        for text in ("message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID"):
            result, api = self.expect("sent", "gone", refusal(400, "Bad Request: " + text), document=over(),
                                      first=FIRST)
            self.assertEqual([r[0].rsplit("/")[-1] for r in api.requests], ["editMessageText", "sendMessage"])
            self.assertIn("verification failed for peer", api.messages[1]["text"])
            self.assertEqual(result["remote"], f"4711@{CHAT}")

    def test_an_edit_that_cannot_be_parsed_goes_again_as_plain_text(self):
        _, api = self.expect("sent", "plain text", refusal(400, "Bad Request: can't parse entities: x"),
                             document=over(), first=FIRST)
        self.assertEqual(["parse_mode" in m for m in api.messages], [True, False])
        self.assertTrue(all(r[0].endswith("editMessageText") for r in api.requests))

    def test_what_is_over_without_a_first_message_is_a_message(self):
        for first in (None, "x", "0", "-7", "77@", "77@x", "77777777777777777777"):
            _, api = self.expect("sent", "http 200", document=over(), first=first)
            self.assertEqual([r[0].rsplit("/")[-1] for r in api.requests], ["sendMessage"])
            self.assertNotIn("reply_parameters", api.messages[0])
            self.assertIn("\u2705", api.messages[0]["text"])

    def test_repeats_and_escalations_reply_to_the_first(self):
        for reason in ("repeat", "escalated"):
            document = rig.alert(incident=INCIDENT, notification={
                "reason": reason, "status": "firing", "why": "Nobody acknowledged within 15m."})
            result, api = self.expect("sent", "http 200", document=document, first=FIRST)
            self.assertEqual(api.messages[0]["reply_parameters"]["message_id"], 77)
            self.assertIn("Nobody acknowledged within 15m.", api.messages[0]["text"])
            self.assertEqual(result["remote"], f"4711@{CHAT}")

    def test_a_message_to_reply_to_that_is_gone_costs_nothing(self):
        _, api = self.expect("sent", "http 200", refusal(400, "Bad Request: message to be replied not found"),
                             first=FIRST)
        self.assertEqual(["reply_parameters" in m for m in api.messages], [True, False])

    def test_the_number_of_a_message_elsewhere_names_none_here(self):
        _, api = self.expect("sent", "http 200", first="77@-999")
        self.assertNotIn("reply_parameters", api.messages[0])
        _, api = self.expect("sent", "http 200", first="77")
        self.assertIn("reply_parameters", api.messages[0])
        _, api = self.expect("sent", "marked", document=over(), first="77@-999")
        self.assertEqual(api.messages[0]["chat_id"], -999)  # where it is

    def test_a_group_that_moved_takes_its_messages_out_of_reach(self):
        moved = refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1009)
        _, api = self.expect("sent", "-1009", moved, document=rig.alert(), first="77")
        self.assertEqual(["reply_parameters" in m for m in api.messages], [True, False])
        result, api = self.expect("sent", "-1009", moved, document=over(), first=FIRST)
        self.assertEqual([r[0].rsplit("/")[-1] for r in api.requests], ["editMessageText", "sendMessage"])
        self.assertEqual(api.messages[1]["chat_id"], -1009)
        self.assertNotIn("reply_parameters", api.messages[1])
        self.assertIn("put chat -1009 into the configuration", result["status"])

    def test_a_summary_has_its_tables_and_an_id(self):
        result, api = self.expect("sent", "http 200", document=summary())
        text = Markup(api.messages[0]["text"]).text
        for piece in ("[high] 40 alerts", "Too many to tell one by one.", "By rule\nrule-0: 2\nrule-1: 2",
                      "rule-17: 2", "trailwarden notify list --since"):
            self.assertIn(piece, text)
        self.assertEqual(result["remote"], f"4711@{CHAT}")

    def test_a_summary_too_long_for_the_server_loses_rows(self):
        rows = [{"name": f"rule-{i} " + "x" * 60, "value": "2"} for i in range(20)]
        document = summary(tables=[{"title": f"Table {i}", "rows": rows, "more": 0} for i in range(3)])
        _, api = self.expect("sent", "shortened", refusal(400, "Bad Request: message is too long"), document=document)
        sizes = [units(m["text"]) for m in api.messages]
        self.assertGreater(sizes[0], 3000)
        self.assertLess(sizes[1], 1951)
        self.assertRegex(api.messages[1]["text"], r"and \d+ more")


class Buttons(Check):
    def message(self, document=None, **changes):
        _, api = self.expect("sent", "http 200", document=document, buttons=True, operators=[42, "7"], **changes)
        return api.messages[0]

    def test_an_alert_has_buttons_when_wanted(self):
        message = self.message()
        self.assertEqual(button_data(message), [[ACK, SILENCE], [UNBAN]])
        _, api = self.expect("sent", "http 200")
        self.assertNotIn("reply_markup", api.messages[0])

    def test_unban_is_there_only_for_a_ban(self):
        document = rig.alert()
        del document["ban"]
        self.assertEqual(button_data(self.message(document)), [[ACK, SILENCE]])

    def test_summaries_have_buttons_when_they_are_of_one_incident(self):
        self.assertNotIn("reply_markup", self.message(summary()))
        message = self.message(summary(incident=INCIDENT, ban={"address": "203.0.113.7", "for_s": 60}))
        self.assertEqual(button_data(message), [[f"a:{INCIDENT}", f"s:{INCIDENT}:3600"]])

    def test_what_is_over_has_none(self):
        self.assertNotIn("reply_markup", self.message(over()))
        self.assertNotIn("reply_markup", self.message(over(), first=FIRST, on_resolve="reply"))

    def test_a_message_matters_more_than_its_buttons(self):
        _, api = self.expect("sent", "http 200", refusal(400, "Bad Request: BUTTON_DATA_INVALID"), buttons=True,
                             operators=[42])
        self.assertEqual(["reply_markup" in m for m in api.messages], [True, False])

    def test_messages_can_be_protected(self):
        self.assertTrue(self.message(protect_content=True)["protect_content"])
        self.assertNotIn("protect_content", self.message())


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
        self.fault("buttons need operators", buttons=True)
        self.fault("buttons need operators", buttons=True, operators=[])
        for operator in ("alice", "@alice", "-42", "0", "42x", "4 2", "", 4.5, "99999999999999999999"):
            self.fault("is no operator", buttons=True, operators=[42, operator])
        self.fault("on_resolve", on_resolve="shout")


if __name__ == "__main__":
    unittest.main(verbosity=2)
