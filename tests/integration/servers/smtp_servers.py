"""SMTP servers on loopback for the checks of the e-mail receiver: real ones, and broken ones."""
import base64
import logging
import os
import socket
import ssl
import subprocess
import time
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

import rig

logging.disable(logging.CRITICAL)  # refused handshakes are what some checks are for
warnings.simplefilter("ignore")  # so are logins without TLS, and old TLS

# A home that cannot be looked into, as root's for a daemon that is root no more: all checks
# hold there.
os.environ["HOME"] = os.environ["XDG_CONFIG_HOME"] = "/dev/null"

PASSWORD = "correct horse"


# ---- certificates ----

def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def server_context(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def make_certificate(name, names):
    key, cert = (os.path.join(rig.FOLDER, f"{name}.{end}") for end in ("key", "pem"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={names}")
    return server_context(cert, key), cert


def make_expired_certificate(names):
    """Self-signed and in order, but for its end in 2020; `openssl req` makes none of those."""
    key, cert, request = (os.path.join(rig.FOLDER, f"expired.{end}") for end in ("key", "pem", "csr"))
    database = rig.write("expired.db", "")
    settings = rig.write("expired.cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}\n"
                         f"new_certs_dir={rig.FOLDER}\nserial={database}.serial\ndefault_md=sha256\npolicy=p\n"
                         f"x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName={names}\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", key, "-out", request, "-subj", "/CN=expired")
    openssl("ca", "-config", settings, "-selfsign", "-batch", "-notext", "-rand_serial",
            "-in", request, "-keyfile", key, "-out", cert,
            "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    return server_context(cert, key), cert


HERE = "DNS:localhost,IP:127.0.0.1,IP:::1"
GOOD, GOOD_CA = make_certificate("good", HERE)
OTHER, OTHER_CA = make_certificate("other", "DNS:mail.example.net,IP:192.0.2.1")


# ---- a real server ----

class Handler:
    """Takes mails; answers{'MAIL'|'RCPT address'|'DATA'} are lists of refusals, used one by one."""

    def __init__(self, answers):
        self.answers = {k: list(v) for k, v in answers.items()}
        self.mails = []
        self.recipients = []
        self.logins = []
        self.tokens = []
        self.rcpt_options = []
        self.tls = []
        self.mail_commands = 0

    def answer(self, key):
        waiting = self.answers.get(key)
        return waiting.pop(0) if waiting else None

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data == LoginPassword(b"alerts", PASSWORD.encode()), handled=False)

    async def handle_MAIL(self, server, _session, envelope, address, options):
        self.mail_commands += 1
        secured = server.transport.get_extra_info("ssl_object")
        self.tls.append(secured.version() if secured else None)
        refusal = self.answer("MAIL")
        if refusal:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, options):
        refusal = self.answer("RCPT " + address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):
        refusal = self.answer("DATA")
        if refusal == "die":
            self.mails.append(envelope.original_content)
            server.transport.abort()
            return "250 never heard"
        if refusal:
            return refusal
        self.mails.append(envelope.original_content)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 2.0.0 Ok: queued as TEST1"


class OAuthHandler(Handler):
    """Takes no passwords, only the token "good-token"."""

    @staticmethod
    def on_token():
        """For checks to replace."""

    async def auth_OAUTHBEARER(self, server, args):
        data = args[1] if len(args) > 1 else await server.challenge_auth("")
        text = data if isinstance(data, bytes) else data.encode()
        self.tokens.append(base64.b64decode(text))
        good = b"auth=Bearer good-token\x01" in self.tokens[-1]
        self.on_token()
        return AuthResult(success=good, handled=False)


class Server:
    """aiosmtpd with STARTTLS, TLS from the start (`implicit`), or none (`context` is None)."""

    def __init__(self, context=GOOD, login=False, logins_work=True, implicit=False, host="127.0.0.1",
                 oauth=False, **answers):
        answers = {k.replace("_", " ", 1): v for k, v in answers.items()}
        self.handler = (OAuthHandler if oauth else Handler)(answers)
        self.options = {
            "hostname": host, "auth_required": login or oauth,
            "authenticator": self.handler.authenticate if logins_work else self.refuse}
        if implicit:
            self.options.update(ssl_context=context, auth_require_tls=False)
        else:
            self.options.update(tls_context=context, require_starttls=context is not None,
                                auth_require_tls=context is not None)
        if oauth:
            self.options["auth_exclude_mechanism"] = ["PLAIN", "LOGIN"]

    @staticmethod
    def refuse(*_):
        return AuthResult(success=False, handled=False)

    def __enter__(self):
        for _ in range(5):  # the port can be taken before the controller gets to it
            try:
                self.controller = Controller(self.handler, port=rig.free_port(), **self.options)
                self.controller.start()
                return self
            except OSError:
                continue
        raise OSError("no free port")

    def __exit__(self, *_):
        self.controller.stop()

    @property
    def port(self):
        return self.controller.port


# ---- a relay that fails at one step ----

ANSWERS = {
    "greeting": b"220 relay\r\n",
    "ehlo": b"250-relay\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n",
    "starttls": b"220 go\r\n",
    "auth": b"235 welcome\r\n",
    "mail": b"250 sender ok\r\n",
    "rcpt": b"250 recipient ok\r\n",
    "data": b"354 go\r\n",
    "dot": b"250 queued\r\n",
    "quit": b"221 bye\r\n",
}


class Gone(Exception):
    """The relay hangs up."""


class Broken(rig.Plain):
    """
    A relay, `implicit` or with STARTTLS, that does well but for one step: there it sends the
    bytes `fault` or calls it with the connection.
    """

    def __init__(self, step, fault, implicit, context=GOOD):
        self.step, self.fault, self.implicit, self.context = step, fault, implicit, context
        self.steps = []
        self.mails = []
        self.recipients = []
        self.answers = dict(ANSWERS)
        super().__init__(self.converse)

    def answer(self, connection, step):
        self.steps.append(step)
        fault = self.fault if step == self.step else self.answers[step]
        if callable(fault):
            fault(connection)
        else:
            connection.sendall(fault)

    def secured(self, connection):
        return self.context.wrap_socket(connection, server_side=True)

    def converse(self, _server, connection):
        connection.settimeout(15)
        try:
            if self.implicit:
                connection = self.secured(connection)
            self.answer(connection, "greeting")
            self.commands(connection)
        except (Gone, OSError):
            pass
        finally:
            connection.close()

    def commands(self, connection):
        reader = Reader(connection)
        tls, chunks = self.implicit, b""
        line = reader.line()
        while line:
            verb = line.strip().split(b" ")[0].lower().decode("ascii", "replace")
            if verb in ("ehlo", "helo") and not tls:
                if self.step == "stripped":
                    connection.sendall(ANSWERS["ehlo"])
                else:
                    connection.sendall(b"250-relay\r\n250 STARTTLS\r\n")
            elif verb == "starttls":
                self.answer(connection, "starttls")
                connection = self.secured(connection)
                reader = Reader(connection)
                tls = True
            elif verb == "data":
                self.answer(connection, "data")
                if self.step != "data":
                    self.mails.append(reader.message())
                    self.answer(connection, "dot")
            elif verb == "bdat":
                chunks += reader.bytes(int(line.split()[1]))
                if line.split()[-1] == b"LAST":
                    self.mails.append(chunks)
                self.answer(connection, "dot" if line.split()[-1] == b"LAST" else "rcpt")
            else:
                if verb == "rcpt":
                    self.recipients.append(line.strip())
                self.answer(connection, {"helo": "ehlo"}.get(verb, verb))
            line = reader.line()


class Reader:
    """Lines of a peer that may send several at once."""

    def __init__(self, connection):
        self.connection, self.rest = connection, b""

    def line(self):
        while b"\n" not in self.rest:
            more = self.connection.recv(65536)
            if not more:
                return b""
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line + b"\n"

    def bytes(self, n):
        while len(self.rest) < n:
            more = self.connection.recv(65536)
            if not more:
                raise Gone
            self.rest += more
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def message(self):
        lines = []
        while True:
            line = self.line()
            if line in (b"", b".\r\n"):
                return b"".join(lines)
            lines.append(line)


def silent(connection):
    """Until the peer has gone."""
    while connection.recv(4096):
        pass
    raise Gone


def hangs_up(_connection):
    raise Gone


def dribbles(connection):
    while True:
        connection.sendall(b"2")
        time.sleep(1)


def dawdles(connection):
    """Whole lines, and never the last."""
    while True:
        connection.sendall(b"220-wait\r\n")
        time.sleep(0.3)


def never_ends(connection):
    while True:
        connection.sendall(b"220-and more\r\n" * 100)


def long_line(code):
    return code + b" " + b"x" * 65536 + b"\r\n"


class Backlog:
    """A listener whose queue is full: connecting to it hangs."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.waiting.append(s)

    def stop(self):
        for s in (*self.waiting, self.listener):
            s.close()


class Nobody:
    """A port that nobody listens at and nobody else can get."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def stop(self):
        self.socket.close()
