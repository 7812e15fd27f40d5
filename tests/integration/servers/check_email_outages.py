"""
The e-mail receiver when the relay fails: the state that follows, in bounded time, and no secret
in what is told. Each check is for both libraries: libESMTP (STARTTLS) and libcurl (TLS from the
start).
"""
import base64
import email
import email.policy
import ssl
import time
import unittest

import parallel
import rig
from smtp_servers import (GOOD, GOOD_CA, HERE, OTHER, OTHER_CA, PASSWORD, Backlog, Broken, Nobody,
                          Server, dawdles, dribbles, hangs_up, long_line, make_certificate,
                          make_expired_certificate, never_ends, silent)

EXPIRED, EXPIRED_CA = make_expired_certificate(HERE)
# As they are, and as a login says them.
SECRETS = [PASSWORD, *(base64.b64encode(s).decode() for s in
                       (PASSWORD.encode(), b"\0alerts\0" + PASSWORD.encode()))]
SHORT = 2  # seconds for an attempt that will not end by itself
SLACK = 10  # more, on a busy machine


class Outage(unittest.TestCase):
    implicit = None  # which library

    def config(self, port, **changes):
        c = {"type": "email", "server": f"localhost:{port}", "from": "alerts@example.org",
             "to": ["sec@example.org"], "tls": "implicit" if self.implicit else "required",
             "ca_file": GOOD_CA, "timeout": "20s", "user": "alerts",
             "password": rig.secret(PASSWORD)}
        c.update(changes)
        return {k: v for k, v in c.items() if v is not None}

    def deliver(self, port, arguments=None, **changes):
        """The results of one run, which say nothing of the secrets."""
        start = time.monotonic()
        code, results, said = rig.deliver(self.config(port, **changes), **(arguments or {}))
        self.assertTrue(results, (code, said))
        self.seconds = time.monotonic() - start
        for secret in SECRETS:
            self.assertNotIn(secret, str(results) + said)
        for r in results:
            self.assertTrue(r["status"].isprintable() and len(r["status"]) > len("smtp: "), r)
        return results

    def broken(self, step, fault, state, text="", **changes):
        """A relay that fails at one step; SHORT holds for what has no end of its own."""
        endless = fault in (silent, dribbles, dawdles, never_ends)
        server = Broken(step, fault, self.implicit)
        if endless:
            changes.setdefault("timeout", f"{SHORT}s")
        results = self.deliver(server.port, **changes)
        server.stop()
        self.assertEqual(results[-1]["state"], state, results)
        self.assertIn(text, results[-1]["status"])
        self.assertLess(self.seconds, (SHORT if endless else 0) + SLACK)
        return server

    def sends_nothing(self, server):
        self.assertEqual(server.mails, [])


class Reaching:
    def test_nobody_listens(self):
        nobody = Nobody()
        result = self.deliver(nobody.port)[-1]
        nobody.stop()
        self.assertEqual(result["state"], "retry")
        self.assertRegex(result["status"], "[Rr]efused|[Cc]ouldn't connect")

    def test_a_connection_that_never_stands(self):
        backlog = Backlog()
        result = self.deliver(backlog.port, timeout=f"{SHORT}s")[-1]
        backlog.stop()
        self.assertEqual(result["state"], "retry")
        self.assertIn("deadline", result["status"])
        self.assertLess(self.seconds, SHORT + SLACK)

    def test_a_name_that_is_none(self):
        result = self.deliver(25, server=f"no-such-host.invalid:{465 if self.implicit else 25}")[-1]
        self.assertEqual(result["state"], "retry")

    def test_a_silent_relay(self):
        self.broken("greeting", silent, "retry", "deadline; waited for the greeting")

    def test_a_relay_that_says_a_byte_a_second(self):
        self.broken("greeting", dribbles, "retry", "deadline")

    def test_a_greeting_without_an_end(self):
        self.broken("greeting", never_ends, "retry")

    def test_a_greeting_that_goes_on_and_on(self):
        self.broken("greeting", dawdles, "retry", "deadline")

    def test_a_greeting_of_64_kib_ends_or_is_taken(self):
        server = Broken("greeting", long_line(b"220"), self.implicit)
        self.assertIn(self.deliver(server.port)[-1]["state"], ("retry", "sent"))
        self.assertLess(self.seconds, SLACK)
        server.stop()

    def test_a_greeting_that_is_no_smtp(self):
        self.broken("greeting", b"SSH-2.0-OpenSSH_9.2\r\n", "retry")

    def test_an_address_that_refuses_us_is_waited_for(self):
        for code in (b"421", b"451", b"554"):
            server = self.broken("greeting", code + b" not now\r\n", "retry", code.decode() + " not now")
            self.sends_nothing(server)


class Trusting:
    def refused(self, context, ca_file, text, **changes):
        server = Broken("none", None, self.implicit, context)
        results = self.deliver(server.port, ca_file=ca_file, **changes)
        server.stop()
        self.assertEqual(results[-1]["state"], "retry")
        self.assertRegex(results[-1]["status"], text)
        self.assertNotIn("ehlo", server.steps[1:])
        self.assertNotIn("auth", server.steps)
        self.sends_nothing(server)

    def test_an_expired_certificate(self):
        self.refused(EXPIRED, EXPIRED_CA, "expired")

    def test_a_certificate_of_another_name(self):
        self.refused(OTHER, OTHER_CA, "subject name|hostname mismatch")

    def test_a_certificate_of_another_address(self):
        server = Broken("none", None, self.implicit, OTHER)
        result = self.deliver(server.port, ca_file=OTHER_CA, server=f"127.0.0.1:{server.port}")[-1]
        server.stop()
        self.assertEqual((result["state"], server.mails), ("retry", []))

    def test_a_certificate_nobody_vouches_for(self):
        self.refused(OTHER, GOOD_CA, "self-signed")

    def test_a_certificate_that_the_ca_file_does_not_vouch_for(self):
        self.refused(GOOD, OTHER_CA, "self-signed")

    def test_tls_1_1_is_too_old(self):
        context, ca = make_certificate(f"old-{self.implicit}", HERE)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.refused(context, ca, "protocol")

    def test_a_relay_that_breaks_the_handshake_off(self):
        server = rig.Plain(lambda s, c: c.sendall(b"220 relay\r\n") if not self.implicit else None)
        result = self.deliver(server.port)[-1]
        server.stop()
        self.assertEqual(result["state"], "retry")


class LoggingIn:
    def test_a_refused_login_is_a_retry_and_sends_nothing(self):
        for answer in (b"535 5.7.8 no\r\n", b"454 later\r\n", b"421 busy\r\n"):
            server = self.broken("auth", answer, "retry", answer[:3].decode())
            self.sends_nothing(server)
            self.assertNotIn("mail", server.steps)

    def test_a_refusal_that_repeats_the_password_is_told_without_it(self):
        for secret in SECRETS:
            answer = f"535 what is '{secret}'?\r\n".encode()
            self.broken("auth", answer, "retry", "535 what is '***'?")

    def test_a_later_refusal_that_repeats_the_password_is_told_without_it(self):
        self.broken("mail", ("550 " + " ".join(SECRETS) + "\r\n").encode(), "dead", "550 *** *** ***")

    def test_no_login_offered(self):
        server = self.broken("ehlo", b"250-relay\r\n250 SIZE\r\n", "retry", "login refused")
        self.assertNotIn("mail", server.steps)

    def test_silent_at_the_login(self):
        self.broken("auth", silent, "retry", "deadline; waited for the login")


class Steps:
    def test_a_421_at_any_step_is_a_retry(self):
        for step in ("ehlo", "mail", "rcpt", "data", "dot"):
            server = self.broken(step, b"421 going down\r\n", "retry", "421")
            self.assertEqual(len([m for m in server.mails if m]), step == "dot")

    def test_a_451_at_any_step_is_a_retry(self):
        for step in ("ehlo", "mail", "rcpt", "data", "dot"):
            self.broken(step, b"451 local error\r\n", "retry", "451 local error")

    def test_a_550_from_mail_on_is_final(self):
        for step, state in (("ehlo", "retry"), ("mail", "dead"), ("rcpt", "dead"), ("data", "dead"),
                            ("dot", "dead")):
            self.broken(step, b"550-5.7.1 we do not like\r\n550 5.7.1 you\r\n", state, "550")

    def test_hanging_up_at_any_step_is_a_retry(self):
        for step in ("greeting", "ehlo", "auth", "mail", "rcpt", "data", "dot"):
            self.broken(step, hangs_up, "retry")

    def test_garbage_at_any_step_is_no_acceptance(self):
        for step in ("mail", "rcpt", "data", "dot"):
            self.broken(step, b"\x00\xff\x1b[2J\r\n", "retry")

    def test_silent_at_mail(self):
        self.broken("mail", silent, "retry", "deadline")

    def test_silent_at_rcpt(self):
        self.broken("rcpt", silent, "retry", "deadline")

    def test_silent_at_data(self):
        self.broken("data", silent, "retry", "deadline; waited for DATA")

    def test_silent_behind_the_dot(self):
        self.broken("dot", silent, "retry", "deadline; waited for the message")

    def test_a_byte_a_second_behind_the_dot(self):
        self.broken("dot", dribbles, "retry", "deadline; waited for the message")

    def test_an_answer_without_an_end(self):
        self.broken("rcpt", never_ends, "retry")

    def test_64_kib_in_one_answer(self):
        for step, code in (("mail", b"250"), ("rcpt", b"250"), ("dot", b"250")):
            server = Broken(step, long_line(code), self.implicit)
            self.assertIn(self.deliver(server.port)[-1]["state"], ("retry", "sent"))
            self.assertLess(self.seconds, SLACK)
            server.stop()

    def test_64_kib_of_refusal_are_final(self):
        server = Broken("rcpt", long_line(b"550"), self.implicit)
        self.assertIn(self.deliver(server.port)[-1]["state"], ("retry", "dead"))
        server.stop()

    def test_silent_at_the_end_of_all_was_sent_and_is_soon_left(self):
        server = Broken("quit", silent, self.implicit)
        result = self.deliver(server.port, timeout="60s")[-1]
        server.stop()
        self.assertEqual(result["state"], "sent")
        self.assertLess(self.seconds, 5 + SLACK)

    def test_a_death_behind_the_dot_is_repeated_with_the_same_message_id(self):
        server = Broken("dot", hangs_up, self.implicit)
        results = self.deliver(server.port, {"times": 2})
        server.stop()
        self.assertEqual([r["state"] for r in results], ["retry", "retry"])
        ids = {email.message_from_bytes(m, policy=email.policy.default)["Message-Id"]
               for m in server.mails}
        self.assertEqual((len(server.mails), len(ids)), (2, 1))


class Recipients:
    THREE = ["a@example.org", "b@example.org", "c@example.org"]

    def server(self, **answers):
        return Server(implicit=self.implicit, login=True, **answers)

    def test_each_is_judged_alone(self):
        with self.server(**{"RCPT_b@example.org": ["550 gone"],
                            "RCPT_c@example.org": ["451 later", None]}) as s:
            results = self.deliver(s.port, {"times": 2}, to=self.THREE)
            self.assertEqual([r["state"] for r in results], ["retry", "sent"])
            self.assertEqual(s.handler.recipients, [["a@example.org"], ["c@example.org"]])
            self.assertIn("accepted for 1 of 3: 550 gone", results[0]["status"])

    def test_all_refused_is_dead(self):
        with self.server(**{f"RCPT_{p}": ["550 gone"] for p in self.THREE}) as s:
            self.assertEqual(self.deliver(s.port, to=self.THREE)[-1]["state"], "dead")

    def test_copies_go_to_all_and_name_only_who_may_be_named(self):
        with self.server() as s:
            result = self.deliver(s.port, to=["a@example.org"], cc=["b@example.org"],
                                  bcc=["c@example.org"], reply_to="desk@example.org")[-1]
            self.assertEqual(result["state"], "sent")
            self.assertEqual(s.handler.recipients, [self.THREE])
            mail = email.message_from_bytes(s.handler.mails[0], policy=email.policy.default)
            self.assertEqual((mail["To"], mail["Cc"], mail["Bcc"], mail["Reply-To"]),
                             ("a@example.org", "b@example.org", None, "desk@example.org"))
            self.assertNotIn(b"c@example.org", s.handler.mails[0])

    def test_tls_is_of_this_decade(self):
        with self.server() as s:
            self.deliver(s.port)
            self.assertEqual(s.handler.tls, ["TLSv1.3" if self.implicit else "TLSv1.2"])


class ReachingByEsmtp(Reaching, Outage):
    implicit = False

    def test_starttls_stripped(self):
        server = Broken("stripped", None, False)
        result = self.deliver(server.port)[-1]
        server.stop()
        self.assertEqual(result["state"], "retry")
        self.assertNotIn("auth", server.steps)
        self.assertNotIn("mail", server.steps)

    def test_starttls_refused(self):
        for code in (b"454", b"421", b"501"):
            server = self.broken("starttls", code + b" no\r\n", "retry", code.decode())
            self.assertNotIn("auth", server.steps)


class ReachingByCurl(Reaching, Outage):
    implicit = True

    def test_a_relay_that_knows_no_tls(self):
        server = rig.Plain(lambda s, c: (c.sendall(b"220 relay\r\n"), s.line(c)))
        result = self.deliver(server.port)[-1]
        server.stop()
        self.assertEqual(result["state"], "retry")
        self.assertIn("wrong version number", result["status"])


class TrustingByEsmtp(Trusting, Outage):
    implicit = False


class TrustingByCurl(Trusting, Outage):
    implicit = True


class LoggingInByEsmtp(LoggingIn, Outage):
    implicit = False


class LoggingInByCurl(LoggingIn, Outage):
    implicit = True


class StepsByEsmtp(Steps, Outage):
    implicit = False


class Extensions(Outage):
    """What libESMTP uses where it is offered."""
    implicit = False

    def relay(self, offer, step="none", fault=None):
        server = Broken(step, fault, False)
        server.answers["ehlo"] = b"250-relay\r\n250-" + offer + b"\r\n250 AUTH PLAIN\r\n"
        return server

    def chunked(self, step, fault, state):
        server = self.relay(b"CHUNKING", step, fault)
        result = self.deliver(server.port, timeout=f"{SHORT}s" if fault is silent else "20s")[-1]
        server.stop()
        self.assertEqual((result["state"], len(server.mails)), (state, 1), result)
        self.assertNotIn("data", server.steps)
        return server, result

    def test_a_mail_in_chunks_is_whole(self):
        whole = Broken("none", None, False)
        self.deliver(whole.port)
        whole.stop()
        server, _ = self.chunked("none", None, "sent")
        self.assertEqual(server.mails, whole.mails)

    def test_what_is_said_to_the_last_chunk_counts(self):
        for fault, state in ((b"451 later\r\n", "retry"), (b"554 spam\r\n", "dead"),
                             (hangs_up, "retry")):
            self.chunked("dot", fault, state)

    def test_silent_behind_the_last_chunk(self):
        _, result = self.chunked("dot", silent, "retry")
        self.assertIn("deadline", result["status"])

    def test_failures_alone_are_asked_for(self):
        for offer, there in ((b"DSN", True), (b"SIZE", False)):
            server = self.relay(offer)
            self.assertEqual(self.deliver(server.port)[-1]["state"], "sent")
            server.stop()
            self.assertEqual(b"NOTIFY=FAILURE" in server.recipients[0], there, server.recipients)


class StepsByCurl(Steps, Outage):
    implicit = True


class RecipientsByEsmtp(Recipients, Outage):
    implicit = False


class RecipientsByCurl(Recipients, Outage):
    implicit = True


class Tokens(Outage):
    """OAuth, always by libcurl: with STARTTLS, too."""
    implicit = False

    def config(self, port, **changes):
        return super().config(port, **{"password": None, **changes})

    def test_a_token_logs_in(self):
        with Server(oauth=True) as s:
            result = self.deliver(s.port, token_file=rig.secret("good-token")["file"])[-1]
            self.assertEqual(result["state"], "sent", result)
            self.assertIn(b"auth=Bearer good-token\x01", s.handler.tokens[0])

    def test_a_token_from_the_start_of_tls(self):
        with Server(oauth=True, implicit=True) as s:
            result = self.deliver(s.port, tls="implicit",
                                  token_file=rig.secret("good-token")["file"])[-1]
            self.assertEqual(result["state"], "sent", result)

    def test_a_stale_token_is_a_retry_and_not_told(self):
        with Server(oauth=True) as s:
            result = self.deliver(s.port, token_file=rig.secret("stale-token")["file"])[-1]
            self.assertEqual((result["state"], s.handler.mails), ("retry", []))
            self.assertIn("login refused: 535", result["status"])
            self.assertNotIn("stale-token", str(result))

    def test_the_file_is_read_for_each_attempt(self):
        path = rig.secret("stale-token")["file"]

        def renew():
            with open(path, "w", encoding="ascii") as f:
                f.write("good-token\n")

        with Server(oauth=True) as s:
            s.handler.on_token = renew
            results = self.deliver(s.port, {"times": 2}, token_file=path)
            self.assertEqual([r["state"] for r in results], ["retry", "sent"])

    def test_a_file_that_others_may_read_or_that_is_not_there_is_a_retry(self):
        for path in (rig.write("open-token", "good-token\n"), "/nonexistent/token"):
            result = self.deliver(1, token_file=path)[-1]
            self.assertEqual(result["state"], "retry")
            self.assertIn("token_file: ", result["status"])

    def test_starttls_stripped(self):
        server = Broken("stripped", None, False)
        result = self.deliver(server.port, token_file=rig.secret("good-token")["file"])[-1]
        server.stop()
        self.assertEqual((result["state"], server.steps), ("retry", ["greeting"]))

    def test_answers_before_the_handshake_end_the_session(self):
        server = self.broken("starttls", b"220 go\r\n250-relay\r\n250 AUTH OAUTHBEARER\r\n", "retry",
                             token_file=rig.secret("good-token")["file"])
        self.assertNotIn("auth", server.steps)


class Addresses(Outage):
    """IPv6, always by libcurl."""
    implicit = False

    def test_an_ipv6_relay_takes_mail(self):
        try:
            with Server(host="::1", login=True) as s:
                result = self.deliver(s.port, server=f"[::1]:{s.port}")[-1]
                self.assertEqual((result["state"], s.handler.tls), ("sent", ["TLSv1.3"]))
            with Server(host="::1", context=None) as s:
                result = self.deliver(s.port, server=f"[::1]:{s.port}", tls="auto", ca_file=None,
                                      user=None, password=None)[-1]
                self.assertEqual((result["state"], s.handler.tls), ("sent", [None]))
        except OSError as e:
            self.skipTest(f"no IPv6 here: {e}")


if __name__ == "__main__":
    parallel.main(12)
