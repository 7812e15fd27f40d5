"""The Telegram receiver against a stand-in for the Bot API on loopback: what people press."""
import json
import os
import signal
import subprocess
import time
import unittest

import rig
from bot_api import (ACK, CHAT, CONFLICT, HOSTILE, SILENCE, TOKEN, UNBAN, BotApi, button_data, config, raw, refusal,
                     reset, result, units)
from rig import Listener

PROGRAM = os.path.join(os.environ["TW_BUILD"], "trailwarden")
LINE = '2026/11/21 01:10:00 WARNING - button-probe, IP="203.0.113.7"\n'


class Daemon:
    """`run` with one rule and one receiver."""

    def __init__(self, receiver):
        self.folder = os.path.join(rig.FOLDER, f"daemon-{time.monotonic_ns()}")
        os.mkdir(self.folder)
        self.log = open(f"{self.folder}/xui.log", "w", encoding="utf-8")
        self.log.write(LINE)
        self.log.flush()
        with open(f"{self.folder}/probe.yml", "w", encoding="utf-8") as f:
            f.write("title: A probe\nid: 3f0a7a54-0000-4000-8000-000000000002\nstatus: test\n"
                    "logsource: {product: xui}\ndetection: {k: [button-probe], condition: k}\nlevel: high\n")
        with open(f"{self.folder}/c.yaml", "w", encoding="utf-8") as f:
            json.dump({
                "state": f"{self.folder}/state", "host": "buttons.example",
                "rules": {"library": False, "paths": [f"{self.folder}/probe.yml"]},
                "channels": {"xui": {"inputs": [{"type": "file", "path": f"{self.folder}/xui.log", "from": "begin"}]}},
                "notifiers": {"test": receiver},
            }, f)
        self.process = subprocess.Popen([PROGRAM, "run", "--config", f"{self.folder}/c.yaml"])

    def ask(self, *words):
        words = [PROGRAM, *words, "--config", f"{self.folder}/c.yaml"]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def incidents(self):
        return [json.loads(line)["state"] for line in self.ask("alerts", "list", "--json").splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()


KEYBOARD = {"inline_keyboard": [[{"text": "Ack", "callback_data": ACK}, {"text": "S", "callback_data": SILENCE}],
                                [{"text": "Unban", "callback_data": UNBAN}]]}


class Listening(unittest.TestCase):
    def listen(self, api, **changes):
        return Listener(config(api.base, **{"buttons": True, "operators": [42, 7], **changes}))

    def ends(self, api, listener, sig=None):
        self.assertEqual(listener.end(sig), 0, listener.said)
        self.assertEqual(api.faults, [])
        self.assertNotIn(TOKEN, listener.said)

    def test_a_press_becomes_an_act_and_is_answered(self):
        with BotApi() as api, self.listen(api, thread=9, protect_content=True) as listener:
            api.wait_for_poll()
            start = time.monotonic()
            query = api.press(ACK, markup=KEYBOARD)
            act = listener.next()
            self.assertLess(time.monotonic() - start, 1)
            self.assertEqual({k: act[k] for k in ("act", "id", "for_s", "who")},
                             {"act": "ack", "id": rig.ALERT["id"], "for_s": 0, "who": "42 @alice"})
            listener.tell("done acknowledged: Failed logins <b>")
            message = api.wait("sendMessage")[0]
            self.assertEqual(api.calls("answerCallbackQuery"),
                             [{"callback_query_id": query, "text": "acknowledged: Failed logins <b>"}])
            edit = api.calls("editMessageReplyMarkup")[0]
            self.assertEqual((edit["chat_id"], edit["message_id"]), (CHAT, 4711))
            self.assertEqual(button_data(edit), [[UNBAN]])
            self.assertEqual((message["chat_id"], message["text"], message["disable_notification"]),
                             (CHAT, "acknowledged: Failed logins <b> (alice)", True))
            self.assertEqual(message["reply_parameters"]["message_id"], 4711)
            self.assertEqual((message["message_thread_id"], message["protect_content"]), (9, True))
            self.ends(api, listener)

    def test_silence_and_unban_are_acts_and_all_buttons_can_go(self):
        with BotApi() as api, self.listen(api) as listener:
            api.press(SILENCE, user=7, username=None, first_name="Bo\nb\u202e")
            act = listener.next()
            self.assertEqual((act["act"], act["for_s"], act["who"]), ("silence.add", 3600, "7 Bo b"))
            listener.tell("done silenced for 1h")
            self.assertEqual(button_data(api.wait("editMessageReplyMarkup")[0]), [])
            api.press(UNBAN)
            self.assertEqual(listener.next()["act"], "unban")
            self.ends(api, listener)

    def test_what_did_not_work_is_told_and_leaves_the_buttons(self):
        with BotApi() as api, self.listen(api) as listener:
            api.press(ACK, markup=KEYBOARD)
            listener.next()
            listener.tell("failed no alert begins with '0123' " + "\U0001f600" * 300)
            answer = api.wait("answerCallbackQuery")[0]
            self.assertTrue(answer["show_alert"])
            self.assertEqual(units(answer["text"]), 200)
            listener.deliver()
            listener.next()
            self.assertEqual(api.calls("editMessageReplyMarkup"), [])
            self.ends(api, listener)

    def test_an_answer_that_comes_too_late_is_no_trouble(self):
        old = refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        gone = refusal(400, "Bad Request: message to edit not found")
        with BotApi(old, gone) as api, self.listen(api) as listener:
            api.press(ACK)
            listener.next()
            listener.tell("done acknowledged")
            api.wait("sendMessage")
            self.ends(api, listener)
            self.assertNotIn("too old", listener.said)

    def test_the_polls_are_as_documented(self):
        with BotApi() as api, self.listen(api) as listener:
            api.wait_for_poll()
            first, second = api.calls("getUpdates")
            self.assertNotIn("offset", first)
            self.assertEqual((first["timeout"], second["timeout"]), (0, 50))
            self.assertEqual(second["allowed_updates"], ["callback_query"])
            api.press(ACK)
            listener.next()
            api.wait_for_poll()
            self.assertEqual(api.calls("getUpdates")[-1]["offset"], api.next_update + 1)
            self.ends(api, listener)

    def test_what_was_pressed_meanwhile_is_not_lost(self):
        with BotApi() as api:
            for i in range(60):  # more than one answer holds
                api.press(ACK, message_id=100 + i)
            with self.listen(api) as listener:
                places = [listener.next()["place"].split()[2] for _ in range(60)]
                self.assertEqual(places, [str(100 + i) for i in range(60)])
                self.ends(api, listener)

    def test_messages_come_along_with_presses(self):
        with BotApi() as api:
            for i in range(12):
                api.press(ACK, message_id=100 + i, text="\U0001f600" * 4096)  # 48 KiB in JSON
            with self.listen(api) as listener:
                places = [listener.next()["place"].split()[2] for _ in range(12)]
                self.assertEqual(places, [str(100 + i) for i in range(12)])
                self.assertLess(len(api.calls("getUpdates")), 6)
                self.ends(api, listener)

    def test_an_answer_too_long_to_read_is_asked_for_in_parts(self):
        with BotApi() as api:
            for i in range(3):
                api.press(ACK, message_id=100 + i, text="x" * 500_000)
            with self.listen(api) as listener:
                self.assertEqual([listener.next()["place"].split()[2] for _ in range(3)], ["100", "101", "102"])
                self.assertEqual([c["limit"] for c in api.calls("getUpdates")][:2], [10, 1])
                self.ends(api, listener)

    def test_what_was_pressed_nobody_knows_when_is_to_be_pressed_again(self):
        with BotApi() as api:
            api.press(ACK, age_s=7200)
            with self.listen(api) as listener:
                self.assertIn("press again", api.wait("answerCallbackQuery")[0]["text"])
                api.wait_for_poll()
                api.press(SILENCE, age_s=7200)
                self.assertEqual(listener.next()["act"], "silence.add")
                self.ends(api, listener)

    def test_strangers_are_refused(self):
        with BotApi() as api, self.listen(api) as listener:
            api.press(ACK, user=43, first_name="Eve\nfalse line", username="eve")
            api.press(ACK, chat=-1)
            api.press("a:" + "0" * 31, user=44)
            query = api.press(ACK)
            self.assertEqual(listener.next()["place"].split()[0], query)
            self.assertEqual({a["text"] for a in api.wait("answerCallbackQuery", 3)}, {"not allowed"})
            self.ends(api, listener)
            self.assertIn("user 43", listener.said)
            self.assertNotIn("eve", listener.said.lower())
            self.assertEqual(listener.said.count("refused"), 1)

    def test_forged_data_is_refused(self):
        forged = ("s:" + rig.ALERT["id"] + ":99999999", "x:" + rig.ALERT["id"], ACK + " ", "", HOSTILE, "a" * 65536)
        for some in (forged[:3], forged[3:]):
            with BotApi() as api, self.listen(api) as listener:
                for data in some:
                    api.press(data)
                texts = [a["text"] for a in api.wait("answerCallbackQuery", len(some))]
                self.assertEqual(set(texts), {"unknown button"})
                api.press(UNBAN)
                self.assertEqual(listener.next()["act"], "unban")
                self.ends(api, listener)

    def test_written_commands_are_not_accepted(self):
        with BotApi() as api, self.listen(api) as listener:
            api.put(message={"message_id": 1, "from": {"id": 42}, "chat": {"id": CHAT}, "text": "/ack " + ACK})
            api.put(edited_message={"text": ACK})
            api.put(callback_query=None)
            api.press(ACK)
            self.assertEqual(listener.next()["act"], "ack")
            self.ends(api, listener)

    def test_a_delivery_does_not_wait_for_the_poll(self):
        with BotApi() as api, self.listen(api) as listener:
            for _ in range(3):
                api.wait_for_poll()
                start = time.monotonic()
                listener.deliver()
                self.assertEqual(listener.next()["state"], "sent")
                self.assertLess(time.monotonic() - start, 1)
            self.assertEqual(len(api.calls("getUpdates")), 2)  # the poll goes on behind it
            api.press(ACK)
            self.assertEqual(listener.next()["act"], "ack")
            self.ends(api, listener)

    def test_a_delivery_does_not_wait_for_refusals(self):
        with BotApi() as api, self.listen(api) as listener:
            api.silent.add("answerCallbackQuery")
            for i in range(40):
                api.press(ACK, user=1000 + i)
            api.wait("answerCallbackQuery", 4)
            api.wait_for_poll()
            start = time.monotonic()
            listener.deliver()
            self.assertEqual(listener.next()["state"], "sent")
            api.press(ACK)
            self.assertEqual(listener.next()["act"], "ack")
            self.assertLess(time.monotonic() - start, 1)
            self.assertEqual(len(api.calls("answerCallbackQuery")), 4)
            self.ends(api, listener)

    def test_another_poller_is_told_once_and_left_alone(self):
        with BotApi(polls=[refusal(409, CONFLICT)] * 9) as api, self.listen(api) as listener:
            listener.wait_for("another program asks with this token")
            for _ in range(2):
                listener.deliver()
                self.assertEqual(listener.next()["state"], "sent")
            self.assertEqual(len(api.calls("getUpdates")), 1)
            self.ends(api, listener)
            self.assertEqual(listener.said.count("another program"), 1)

    def test_a_token_that_is_refused_ends_the_listening_alone(self):
        for code in (401, 404):
            with BotApi(polls=[refusal(code, "Unauthorized")]) as api, self.listen(api) as listener:
                listener.wait_for("until the next start")
                api.press(ACK)
                listener.deliver()
                self.assertEqual(listener.next()["state"], "sent")
                self.assertEqual(len(api.calls("getUpdates")), 1)
                self.ends(api, listener)

    def test_too_many_requests_are_waited_out(self):
        with BotApi(polls=[refusal(429, "Too Many Requests", retry_after=1)]) as api, self.listen(api) as listener:
            start = time.monotonic()
            api.wait("getUpdates", 2)
            self.assertGreater(time.monotonic() - start, 1.9)
            self.ends(api, listener)

    def test_faults_of_the_server_are_waited_out(self):
        with BotApi(polls=[refusal(502, "Bad Gateway")] * 2) as api, self.listen(api) as listener:
            api.press(ACK)
            self.assertEqual(listener.next()["act"], "ack")
            self.ends(api, listener)
            self.assertEqual(listener.said.count("http 502"), 1)
            self.assertIn("listened to again", listener.said)

    def test_answers_that_are_none_do_no_harm(self):
        bodies = ("", "{", '{"ok":true}', '{"ok":true,"result":{"update_id":5}}', "\x00" * 9, "[" * 5000)
        for body in (*bodies, b"x" * 10_000_000):
            with BotApi(polls=[raw(200, body)]) as api, self.listen(api) as listener:
                listener.wait_for("buttons cannot be asked for")
                listener.deliver()
                self.assertEqual(listener.next()["state"], "sent")
                self.ends(api, listener)
        with BotApi(polls=[reset]) as api, self.listen(api) as listener:
            listener.wait_for("http 0")
            listener.deliver()
            self.assertEqual(listener.next()["state"], "sent")
            self.ends(api, listener)

    def test_updates_that_are_none_are_passed_over(self):
        odd = [1, "x", None, [], {}, {"update_id": -1}, {"update_id": 2**70}, {"update_id": 7, "callback_query": 1},
               {"update_id": 8, "callback_query": {"id": "1", "from": [], "message": "x", "data": {}}}]
        with BotApi(polls=[result(odd)]) as api, self.listen(api) as listener:
            api.wait_for_poll()
            self.assertEqual(api.calls("getUpdates")[1]["offset"], 9)
            api.press(ACK)
            self.assertEqual(listener.next()["act"], "ack")
            self.ends(api, listener)

    def test_what_was_confirmed_is_not_done_again(self):
        with BotApi() as api:
            api.press(ACK)
            same = result(list(api.updates))
            api.polls = [same] * 9
            with self.listen(api) as listener:
                self.assertEqual(listener.next()["act"], "ack")
                api.wait("getUpdates", 2)  # gives it again
                for _ in range(2):
                    listener.deliver()
                    self.assertEqual(listener.next()["state"], "sent")
                self.assertEqual(len(api.calls("getUpdates")), 2)
                self.ends(api, listener)

    def test_numbers_of_updates_may_begin_anew(self):
        with BotApi() as api, self.listen(api) as listener:
            api.press(ACK)
            self.assertEqual(listener.next()["act"], "ack")
            api.wait_for_poll()
            api.next_update = 5
            api.press(UNBAN)
            self.assertEqual(listener.next()["act"], "unban")
            api.wait_for_poll()
            self.assertEqual(api.calls("getUpdates")[-1]["offset"], 7)
            self.ends(api, listener)

    def test_the_chat_that_a_group_became_is_ours(self):
        moved = refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1009)
        with BotApi(moved) as api, self.listen(api) as listener:
            listener.deliver()
            self.assertEqual(listener.next()["remote"], "4711@-1009")
            api.press(ACK, chat=-1009)
            self.assertEqual(listener.next()["act"], "ack")
            listener.deliver()
            self.assertEqual(listener.next()["state"], "sent")
            self.assertEqual([m["chat_id"] for m in api.calls("sendMessage")], [CHAT, -1009, -1009])
            self.ends(api, listener)

    def test_the_rights_of_a_receiver_are_enough(self):
        with BotApi() as api:
            c = config(api.base.replace("127.0.0.1", "localhost"), buttons=True, operators=[42],
                       ca_file=rig.write("ca.pem", ""))  # so it may read its folder
            with Listener(c, "rights=1") as listener:
                api.wait_for_poll()
                api.press(ACK, user=1)
                api.press(ACK)
                self.assertEqual(listener.next()["act"], "ack", listener.said)
                listener.tell("done acknowledged")
                api.wait("sendMessage")
                listener.deliver()
                self.assertEqual(listener.next()["state"], "sent", listener.said)
                with open(f"/proc/{listener.process.pid}/status", encoding="utf-8") as f:
                    self.assertIn("Seccomp:\t2\n", f.read())
                self.ends(api, listener)

    def test_a_signal_ends_the_poll(self):
        with BotApi() as api, self.listen(api) as listener:
            api.wait_for_poll()
            start = time.monotonic()
            self.ends(api, listener, signal.SIGTERM)
            self.assertLess(time.monotonic() - start, 1)

    def test_a_button_reaches_the_core_of_a_running_daemon(self):
        with BotApi() as api, Daemon(config(api.base, buttons=True, operators=[42])) as daemon:
            api.wait("sendMessage")
            ack, silence = button_data(api.calls("sendMessage")[0])[0]
            api.wait_for_poll()
            api.press(ack, user=7)  # nobody that we know
            api.wait("answerCallbackQuery")
            self.assertEqual(daemon.incidents(), ["open"])
            api.press(ack)
            api.wait("answerCallbackQuery", 2)
            self.assertEqual(daemon.incidents(), ["acked"])
            self.assertIn("acknowledged", api.calls("answerCallbackQuery")[1]["text"])
            api.press(silence)
            api.wait("answerCallbackQuery", 3)
            self.assertEqual(len(daemon.ask("silences", "list", "--json").splitlines()), 1)
            acts = [json.loads(line) for line in daemon.ask("trail", "show", "--type", "act", "--json").splitlines()]
            self.assertEqual([(a["act"], a["via"], a["done"]) for a in acts],
                             [("ack", "telegram:test", True), ("silence.add", "telegram:test", True)])
            daemon.log.write(LINE.replace("203.0.113.7", "203.0.113.8"))
            daemon.log.flush()
            api.wait("sendMessage", 2)  # beside the long poll

    def test_without_buttons_or_a_token_nobody_listens(self):
        with BotApi() as api:
            for changes in ({"buttons": False}, {"token": None}, {"directory": rig.FOLDER}):
                with self.listen(api, **changes) as listener:
                    self.assertEqual(listener.process.wait(10), 70)
            self.assertEqual(api.requests, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
