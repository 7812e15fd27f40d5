"""The e-mail receiver against a real SMTP server with STARTTLS and AUTH on loopback."""
import email
import email.policy
import os
import time
import unittest

import parallel
import rig
from smtp_servers import GOOD, GOOD_CA, OTHER, OTHER_CA, Server

def relay(ehlo):
    """A relay in clear that says `ehlo` and takes everything else."""
    def talk(server, connection):
        connection.sendall(b"220 relay\r\n")
        line = server.line(connection)
        while line:
            connection.sendall(ehlo if line.startswith(b"EHLO") else b"250 fine\r\n")
            line = server.line(connection)
    return talk


def config(port, **changes):
    c = {"type": "email", "server": f"localhost:{port}", "from": "alerts@example.org",
         "to": ["sec@example.org"], "tls": "required", "ca_file": GOOD_CA, "timeout": "20s"}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def parts(message):
    return (message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content())


def send(document=None, **arguments):
    """The parsed mail and its bytes of one delivery that must work."""
    with Server() as s:
        outcome = rig.deliver(config(s.port), document, **arguments)
        assert rig.state(outcome) == "sent", outcome
        return parse(s.handler.mails[0]), s.handler.mails[0]


class Arrival(unittest.TestCase):
    def test_a_mail_arrives_over_starttls_with_a_login(self):
        with Server(login=True) as s:
            outcome = rig.deliver(config(s.port, user="alerts", password=rig.secret("correct horse")))
            self.assertEqual(rig.state(outcome), "sent", outcome)
            self.assertEqual(s.handler.recipients, [["sec@example.org"]])
            self.assertEqual(s.handler.logins[-1], (b"alerts", b"correct horse"))
            self.assertIn("queued as TEST1", outcome[1][0]["remote"])

    def test_the_address_in_a_certificate_is_enough(self):
        with Server() as s:
            outcome = rig.deliver(config(s.port, server=f"127.0.0.1:{s.port}"))
            self.assertEqual(rig.state(outcome), "sent", outcome)

    def test_both_parts_say_what_happened(self):
        message, _ = send()
        for text in parts(message):
            for fact in ("Failed logins from one address", "203.0.113.7", "openvpn", "alice",
                         "Counted 6 within 5m; the threshold is 5.", "203.0.113.7 for 1h",
                         "verification failed for peer", "0123456789abcdef0123456789abcdef",
                         "2026-11-21 01:38:59 UTC", "edge-1.example.net"):
                self.assertIn(fact, text)

    def test_the_form_is_right(self):
        message, data = send()
        self.assertEqual([p.get_content_type() for p in message.walk()],
                         ["multipart/alternative", "text/plain", "text/html"])
        for part in message.walk():
            self.assertEqual(part.defects, [])
            self.assertEqual([h.defects for h in part.values() if h.defects], [])
        self.assertNotIn(b"\n", data.replace(b"\r\n", b""))
        self.assertLessEqual(max(len(line) for line in data.split(b"\r\n")), 78)
        self.assertTrue(all(byte < 128 for byte in data))

    def test_the_headers_are_there(self):
        message, _ = send(key="00aa")
        self.assertEqual(message["Subject"],
                         "[high] Failed logins from one address: 203.0.113.7")
        self.assertEqual(message["Message-Id"], "<00aa@example.org>")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        self.assertEqual(message["X-Trailwarden-Alert"], rig.ALERT["id"])
        self.assertEqual(message["X-Trailwarden-Rule"], "openvpn-password-guessing")
        self.assertEqual(message["X-Trailwarden-Level"], "high")
        self.assertEqual(message["X-Priority"], "2")
        self.assertEqual(message["Date"].datetime.timestamp(), 1795226400)
        self.assertIn("<alerts.example.org>", message["List-Id"])
        for name in ("From", "To", "Date", "Message-Id", "Subject", "MIME-Version"):
            self.assertEqual(len(message.get_all(name)), 1, name)

    def test_the_page_fetches_nothing(self):
        html = parts(send()[0])[1].lower()
        for word in ("src=", "href=", "<script", "<link", "url(", "@import", "http:", "https:"):
            self.assertNotIn(word, html)

    def test_the_checkpoint_stands_in_the_text_as_it_was(self):
        note = "example.org/trail\n1234\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u2014 example.org/trail az8Lk0Ab\n"
        message, _ = send(checkpoint=rig.write("note", note))
        self.assertIn(note.strip("\n"), parts(message)[0].replace("\r\n", "\n"))


class Threading(unittest.TestCase):
    def roots(self, *documents):
        messages = [send(d, key=f"{i:032x}")[0] for i, d in enumerate(documents)]
        for m in messages:
            self.assertEqual(m["In-Reply-To"], m["References"])
        self.assertEqual(len({m["Message-Id"] for m in messages}), len(messages))
        return len({m["References"] for m in messages})

    def test_mails_of_one_matter_hang_together(self):
        self.assertEqual(self.roots(rig.alert(), rig.alert(time="2026-11-21T20:00:00.000000Z",
                                                           count=50)), 1)

    def test_another_group_rule_or_day_is_another_matter(self):
        other_rule = rig.alert(rule=dict(rig.ALERT["rule"], id="other"))
        self.assertEqual(self.roots(rig.alert(), rig.alert(group="bob"), other_rule,
                                    rig.alert(time="2026-11-22T01:00:00.000000Z")), 4)

    def test_a_repeat_has_the_same_message_id(self):
        with Server(DATA=["die", None]) as s:
            outcome = rig.deliver(config(s.port), times=2)
            self.assertEqual([r["state"] for r in outcome[1]], ["retry", "sent"])
            ids = {parse(m)["Message-Id"] for m in s.handler.mails}
            self.assertEqual((len(s.handler.mails), len(ids)), (2, 1))


class Hostile(unittest.TestCase):
    def check(self, value):
        message, data = send(rig.alert(group=value, raw=["a", value]))
        self.assertEqual(sorted(k.lower() for k in message.keys()),
                         sorted(k.lower() for k in send()[0].keys()))
        self.assertEqual([p.defects for p in message.walk() if p.defects], [])
        self.assertLessEqual(max(len(line) for line in data.split(b"\r\n")), 78)
        self.assertNotIn(b"\n", data.replace(b"\r\n", b""))
        return message

    def test_a_line_break_in_a_user_name_makes_no_header(self):
        message = self.check("bob\r\nBcc: evil@example.net\r\n\r\n<b>body</b>")
        self.assertIsNone(message["Bcc"])
        self.assertIn("Bcc: evil@example.net", message["Subject"])

    def test_emoji_and_foreign_scripts_come_through(self):
        value = "\U0001f600\u0438\u0432\u0430\u043d \u738b\u5c0f\u660e \u06a9\u0627\u0631\u0628\u0631" * 3
        message = self.check(value)
        self.assertIn(value[:8], message["Subject"])
        for text in parts(message):
            self.assertIn(" ".join(value.split()), " ".join(text.split()))

    def test_signs_that_reorder_text_are_gone(self):
        message = self.check("user\u202egnp.exe\u2066\u200f\u2028x")
        for text in (*parts(message), message["Subject"]):
            self.assertIn("usergnp.exex", text)

    def test_terminal_escapes_are_gone(self):
        message = self.check("a\x1b[31mred\x1b[0m\x07\x9b2Jb\x00c")
        for text in (*parts(message), message["Subject"]):
            self.assertFalse([c for c in text if c in "\x1b\x07\x00\x9b"])

    def test_ten_thousand_signs_are_cut(self):
        message = self.check("x" * 10000)
        self.assertLess(len(message["Subject"]), 300)
        self.assertLess(len(parts(message)[0]), 3000)

    def test_markup_is_text(self):
        html = parts(self.check("<script>alert(1)</script>\"'&<img src=x onerror=y>"))[1]
        self.assertNotIn("<script", html)
        self.assertNotIn("<img", html)
        self.assertIn("&lt;script&gt;", html)

    def test_an_encoded_word_shows_as_written(self):
        word = "=?utf-8?q?=41=42?="
        self.assertIn(word, self.check(word)["Subject"])

    def test_dots_and_from_at_a_lines_start_survive(self):
        document = rig.alert()
        document["rule"]["description"] = ".\n..two\nFrom here\n.\nQUIT\n end "
        message, data = send(document)
        self.assertIn("\n.\n..two\nFrom here\n.\nQUIT\n end", parts(message)[0].replace("\r\n", "\n"))
        self.assertNotIn(b"\n.", data)

    def test_field_names_are_escaped_too(self):
        document = rig.alert(group="x")
        document["group"][0]["name"] = "<i>name"
        self.assertNotIn("<i>", parts(send(document)[0])[1])


class Everywhere(unittest.TestCase):
    """One hostile value in all fields at once: the headers are those of any mail."""

    VALUES = ("x\r\nBcc: evil@example.net\r\n\r\n<b>body</b>", "=?utf-8?q?=0D=0ABcc=3A?= evil@example.net",
              "<script>{{x}}%n%s</script>", "\u202egnp.exe\u2066\u200f", "\U0001f600" * 1500, "\x1b]0;x\x07\x00\x9b",
              "--=_\r\n--=_\r\nContent-Type: text/html", "a" * 8192, " ", ".\r\n.\r\nQUIT\r\n")

    def test_no_field_changes_the_headers(self):
        plain = send(rig.alert(level="medium"))[0]
        folder = os.path.join(rig.FOLDER, "everywhere")
        for i, value in enumerate(self.VALUES):
            document = rig.alert(level="medium", channel=value, id=value, tags=[value], time=value, first=value)
            document["rule"].update({k: value for k in ("id", "title", "author", "description")})
            document["group"] = [{"name": value, "value": value}] * 5
            document["events"] = [{"time": value, "channel": value, "format": value, "raw": value,
                                   "fields": {"source.ip": value, "user.name": value, value: value}}] * 11
            document["ban"] = {"address": value, "for_s": 1}
            outcome = rig.deliver(config(25, directory=folder), document, key=f"k{i}")
            self.assertEqual(rig.state(outcome), "sent", outcome)
            with open(os.path.join(folder, f"k{i}.eml"), "rb") as f:
                data = f.read()
            message = parse(data)
            self.assertEqual(list(message.keys()), list(plain.keys()))
            self.assertEqual([p.get_content_type() for p in message.walk()],
                             ["multipart/alternative", "text/plain", "text/html"])
            self.assertEqual([p.defects for p in message.walk() if p.defects], [])
            self.assertEqual((message["From"], message["To"]), (plain["From"], plain["To"]))
            self.assertNotIn(b"\n", data.replace(b"\r\n", b""))
            self.assertNotIn(b"\n.", data)
            self.assertLessEqual(max(len(line) for line in data.split(b"\r\n")), 78)
            html = parts(message)[1]
            self.assertEqual(html.lower().count("<script"), 0)
            self.assertEqual(html.count("<h1"), 1)


class Libraries(unittest.TestCase):
    def test_both_carry_the_same_bytes(self):
        folder = os.path.join(rig.FOLDER, "same")
        document = rig.alert(group="\u0438\u0432\u0430\u043d")
        document["rule"]["description"] = ".\n..\nFrom here\n" + "x" * 2000
        rig.deliver(config(25, directory=folder), document, key="same")
        with open(os.path.join(folder, "same.eml"), "rb") as f:
            expected = f.read()
        for implicit in (False, True):
            with Server(implicit=implicit) as s:
                tls = "implicit" if implicit else "required"
                outcome = rig.deliver(config(s.port, tls=tls), document, key="same")
                self.assertEqual(rig.state(outcome), "sent", outcome)
                self.assertEqual(s.handler.mails, [expected])


class Answers(unittest.TestCase):
    TWO = ["a@example.org", "b@example.org"]

    def run_one(self, changes=None, arguments=None, **answers):
        with Server(**answers) as s:
            outcome = rig.deliver(config(s.port, **(changes or {})), **(arguments or {}))
            return outcome, s.handler

    def expect(self, state, text, **answers):
        outcome, handler = self.run_one(**answers)
        self.assertEqual(rig.state(outcome), state, outcome)
        self.assertIn(text, outcome[1][-1]["status"])
        return handler

    def test_a_recipient_refused_for_now_is_a_retry(self):
        self.expect("retry", "451 later", **{"RCPT_sec@example.org": ["451 later"]})

    def test_a_recipient_refused_for_good_is_dead(self):
        self.expect("dead", "550 no such user", **{"RCPT_sec@example.org": ["550 no such user"]})

    def test_a_message_refused_for_now_is_a_retry(self):
        self.expect("retry", "452 full", DATA=["452 full"])

    def test_a_message_refused_for_good_is_dead(self):
        self.expect("dead", "554 spam", DATA=["554 spam"])

    def test_a_sender_refused_for_good_is_dead(self):
        self.expect("dead", "550 who", MAIL=["550 who"])

    def test_a_sender_refused_for_now_is_a_retry(self):
        self.expect("retry", "421 busy", MAIL=["421 busy"])

    def test_an_end_behind_the_dot_is_a_retry(self):
        handler = self.expect("retry", "smtp: ", DATA=["die"])
        self.assertEqual(len(handler.mails), 1)

    def test_one_of_two_refused_for_good_is_sent_and_told(self):
        outcome, handler = self.run_one({"to": self.TWO}, **{"RCPT_b@example.org": ["550 gone"]})
        self.assertEqual(rig.state(outcome), "sent", outcome)
        self.assertEqual(handler.recipients, [["a@example.org"]])
        self.assertEqual(outcome[1][0]["status"], "smtp: accepted for 1 of 2: 550 gone")

    def test_the_next_attempt_goes_only_to_who_has_not_got_it(self):
        outcome, handler = self.run_one({"to": self.TWO}, {"times": 2},
                                        **{"RCPT_b@example.org": ["451 greylisted"]})
        self.assertEqual([r["state"] for r in outcome[1]], ["retry", "sent"])
        self.assertEqual(handler.recipients, [["a@example.org"], ["b@example.org"]])
        self.assertEqual([parse(m)["To"] for m in handler.mails],
                         ["a@example.org, b@example.org"] * 2)

    def test_both_refused_one_after_the_other_is_dead(self):
        outcome, _ = self.run_one({"to": self.TWO}, {"times": 2},
                                  **{"RCPT_a@example.org": ["550 gone"],
                                     "RCPT_b@example.org": ["451 later", "550 gone"]})
        self.assertEqual([r["state"] for r in outcome[1]], ["retry", "dead"])

    def test_hostile_answers_stay_one_printable_line(self):
        def talk(server, connection):
            connection.sendall(b"220 \x1b[31mhi\r\n")
            server.line(connection)
            connection.sendall(b"250 hi\r\n")
            server.line(connection)
            connection.sendall(b"550 @@transfer 0 250\x1b]0;x\x07 " + b"x" * 5000 + b"\r\n")
            server.line(connection)

        server = rig.Plain(talk)
        outcome = rig.deliver(config(server.port, tls="none", ca_file=None))
        server.stop()
        self.assertIn(rig.state(outcome), ("dead", "retry"))
        self.assertTrue(outcome[1][0]["status"].isprintable())


class Transport(unittest.TestCase):
    def refused(self, outcome, handler):
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertEqual((handler.mails, handler.logins, handler.mail_commands), ([], [], 0))

    def test_a_certificate_of_another_name_is_refused(self):
        with Server(context=OTHER, login=True) as s:
            outcome = rig.deliver(config(s.port, ca_file=OTHER_CA, user="alerts",
                                         password=rig.secret("correct horse")))
            self.refused(outcome, s.handler)

    def test_a_certificate_of_another_address_is_refused(self):
        with Server(context=OTHER) as s:
            self.refused(rig.deliver(config(s.port, ca_file=OTHER_CA,
                                            server=f"127.0.0.1:{s.port}")), s.handler)

    def test_a_certificate_nobody_vouches_for_is_refused(self):
        with Server() as s:
            self.refused(rig.deliver(config(s.port, ca_file=None)), s.handler)

    def test_without_starttls_nothing_is_said(self):
        server = rig.Plain(relay(b"250-relay\r\n250 AUTH PLAIN LOGIN\r\n"))
        outcome = rig.deliver(config(server.port, user="alerts", password=rig.secret("correct horse")))
        server.stop()
        self.assertEqual(rig.state(outcome), "retry", outcome)
        for word in (b"MAIL", b"AUTH", b"RCPT", b"DATA"):
            self.assertNotIn(word, server.seen)

    def test_what_was_said_before_tls_does_not_count_behind_it(self):
        """A man in the middle adds answers behind the 220 of STARTTLS, before the handshake."""
        inside = []

        def talk(server, connection):
            connection.sendall(b"220 relay\r\n")
            server.line(connection)
            connection.sendall(b"250-relay\r\n250 STARTTLS\r\n")
            server.line(connection)
            connection.sendall(b"220 go\r\n250-relay\r\n250 AUTH LOGIN PLAIN\r\n"
                               b"334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n")
            with GOOD.wrap_socket(connection, server_side=True) as tls:
                tls.settimeout(3)
                inside.append(tls.recv(4096))
                inside.append(tls.recv(4096))

        server = rig.Plain(talk)
        outcome = rig.deliver(config(server.port, timeout="4s", user="alerts",
                                     password=rig.secret("correct horse")))
        server.stop()
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertFalse([x for x in inside if b"AUTH" in x], inside)

    def test_on_this_machine_a_certificate_of_its_own_making_will_do(self):
        with Server(context=OTHER) as s:
            outcome = rig.deliver(config(s.port, tls=None, ca_file=None))
            self.assertEqual(rig.state(outcome), "sent", outcome)

    def test_on_this_machine_no_tls_will_do(self):
        for mode in ("none", "opportunistic", "auto"):
            with Server(context=None) as s:
                outcome = rig.deliver(config(s.port, tls=mode, ca_file=None))
                self.assertEqual(rig.state(outcome), "sent", outcome)

    def test_a_wrong_password_is_a_retry_and_not_told(self):
        with Server(login=True) as s:
            outcome = rig.deliver(config(s.port, user="alerts", password=rig.secret("wrong horse")))
            self.assertEqual(rig.state(outcome), "retry", outcome)
            self.assertNotIn("wrong horse", str(outcome))
            self.assertEqual(s.handler.mails, [])
            self.assertIn("535", outcome[1][0]["status"])

    def test_a_refused_login_sends_no_mail_even_where_none_is_needed(self):
        with Server(logins_work=False) as s:
            outcome = rig.deliver(config(s.port, user="alerts", password=rig.secret("wrong horse")))
            self.refused(outcome, s.handler)
            self.assertIn("login refused: 535", outcome[1][0]["status"])

    def test_sixty_four_long_refusals_are_all_heard(self):
        people = [f"u{i}@example.org" for i in range(64)]
        answers = {f"RCPT_{p}": ["550 " + "\u00fc" * 300] for p in people[1:]}
        with Server(**answers) as s:
            outcome = rig.deliver(config(s.port, to=people))
            self.assertEqual(rig.state(outcome), "sent", outcome)
            self.assertIn("accepted for 1 of 64", outcome[1][0]["status"])

    def test_a_relay_without_login_gets_no_mail_that_needs_one(self):
        server = rig.Plain(relay(b"250 relay\r\n"))
        outcome = rig.deliver(config(server.port, tls="none", ca_file=None, user="alerts",
                                     password=rig.secret("correct horse")))
        server.stop()
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertIn("login refused", outcome[1][0]["status"])
        self.assertNotIn(b"MAIL", server.seen)

    def test_a_relay_that_wants_a_login_is_a_retry(self):
        with Server(login=True) as s:
            outcome = rig.deliver(config(s.port))
            self.refused(outcome, s.handler)
            self.assertIn("530", outcome[1][0]["status"])

    def test_a_silent_server_is_left_at_the_deadline(self):
        server = rig.Plain(lambda server, connection: server.line(connection))
        start = time.monotonic()
        outcome = rig.deliver(config(server.port, timeout="2s"))
        server.stop()
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertIn("deadline", outcome[1][0]["status"])
        self.assertLess(time.monotonic() - start, 10)

    def test_a_mail_that_was_accepted_is_sent_though_the_server_is_silent_at_the_end(self):
        def talk(server, connection):
            connection.sendall(b"220 relay\r\n")
            while True:
                line = server.line(connection)
                if not line:
                    return
                if line == b"DATA\r\n":
                    connection.sendall(b"354 go\r\n")
                    while server.line(connection) not in (b".\r\n", b""):
                        pass
                if line != b"QUIT\r\n":
                    connection.sendall(b"250 taken\r\n")

        server = rig.Plain(talk)
        outcome = rig.deliver(config(server.port, tls="none", ca_file=None, timeout="2s"))
        server.stop()
        self.assertEqual(rig.state(outcome), "sent", outcome)

    def test_nobody_there_is_a_retry(self):
        outcome = rig.deliver(config(rig.free_port()))
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertIn("refused", outcome[1][0]["status"].lower())

    def test_a_server_that_hangs_up_is_a_retry(self):
        server = rig.Plain(lambda server, connection: None)
        outcome = rig.deliver(config(server.port))
        server.stop()
        self.assertEqual(rig.state(outcome), "retry", outcome)
        self.assertGreater(len(outcome[1][0]["status"]), len("smtp: "))


class Configuration(unittest.TestCase):
    def fault(self, text, **changes):
        code, _, said = rig.deliver(config(25, **changes))
        self.assertEqual(code, 78)
        self.assertIn(text, said)

    def test_faults_are_told(self):
        self.fault("is no mail address", **{"from": "no address"})
        self.fault("is no mail address", to=["a@b\r\nBcc: c@d"])
        self.fault("is no mail address", to=["Sec <a@example.org>"])
        self.fault("465 wants TLS from the start", server="mail.example.org:465")
        self.fault("HOST:PORT", server="mail.example.org")
        self.fault("HOST:PORT", server=":25")
        self.fault("HOST:PORT", server="mail.example.org:0")
        self.fault("HOST:PORT", server="::1:25")
        self.fault("HOST:PORT", server="[mail.example.org]:25")
        self.fault("HOST:PORT", server="user@mail.example.org:25")
        self.fault("HOST:PORT", server="mail.example.org/x:25")
        self.fault("only to this machine", server="[2001:db8::1]:25", tls="none")
        self.fault("has no password", user="alerts")
        self.fault("option user", password=rig.secret("x"))
        self.fault("not both", user="alerts", password=rig.secret("x"), token_file="/x")
        self.fault("is no mail address", cc=["x"])
        self.fault("is no mail address", bcc=["x@y\r\nA: b"])
        self.fault("is no mail address", reply_to="a, b@c")
        self.fault("only to this machine", server="mail.example.org:25", tls="none")
        self.fault("only to this machine", server="mail.example.org:25", tls="opportunistic")
        self.fault("1 to 64", to=[])
        self.fault("1 to 64", to=["a@b"] * 60, cc=["a@b"] * 5)
        self.fault("secrets do not stand in the configuration", password="hunter2")

    def test_a_wrong_ca_file_is_told(self):
        outcome = rig.deliver(config(25, ca_file="/nonexistent.pem"))
        self.assertEqual(rig.state(outcome), "retry")
        self.assertIn("ca_file", outcome[1][0]["status"])

    def test_a_folder_takes_mails_under_their_keys(self):
        folder = os.path.join(rig.FOLDER, "mails")
        for _ in range(2):
            outcome = rig.deliver(config(25, directory=folder), key="abc123")
            self.assertEqual(rig.state(outcome), "sent", outcome)
        self.assertEqual(os.listdir(folder), ["abc123.eml"])
        with open(os.path.join(folder, "abc123.eml"), "rb") as f:
            self.assertEqual(parse(f.read())["Message-Id"], "<abc123@example.org>")

    def test_a_key_is_no_path(self):
        outcome = rig.deliver(config(25, directory=os.path.join(rig.FOLDER, "x")), key="../y")
        self.assertEqual(rig.state(outcome), "dead")
        self.assertFalse(os.path.exists(os.path.join(rig.FOLDER, "y.eml")))

    def test_a_document_that_is_no_alert_is_dead(self):
        self.assertEqual(rig.state(rig.deliver(config(25), {"version": 1})), "dead")


if __name__ == "__main__":
    parallel.main(4)
