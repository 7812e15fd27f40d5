"""What rsyslog and syslog-ng make of our messages: over UDP, TCP and TLS they hold what was sent.

TW_RSYSLOGD and TW_RSYSLOG_MODULES, TW_SYSLOG_NG name programs that are not installed, only
unpacked. TW_SIEM_RECORDS=100000 is the long form. Exit 77 when there is neither.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ["TW_BUILD"]
HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.join(BUILD, "tests/integration/machine-driver")
ENCODE = os.path.join(BUILD, "tests/integration/encode-driver")
RECORDS = int(os.environ.get("TW_SIEM_RECORDS", "400"))
SCRATCH = tempfile.mkdtemp()
RSYSLOGD = os.environ.get("TW_RSYSLOGD") or shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin")
MODULES = os.environ.get("TW_RSYSLOG_MODULES", "")
SYSLOG_NG = os.environ.get("TW_SYSLOG_NG") or shutil.which("syslog-ng", path="/usr/sbin:/usr/bin")


def scratch(name, text=None):
    path = os.path.join(SCRATCH, name)
    if text is not None:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    return path


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=SCRATCH)


def make_certificates():
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3",
            "-subj", "/CN=test ca")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    scratch("server.ext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "3", "-out", "server.pem", "-extfile", "server.ext")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SENT = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (\[(?:[^\"\]]|\"(?:[^\"\\]|\\.)*\")*\])"
                  r" (.*)", re.DOTALL)


def sent(lines):
    """As the daemons write it down: host, program, message id, structured data, text."""
    out = []
    for line in lines:
        pri, _, host, app, _, msgid, sd, msg = SENT.fullmatch(line).groups()
        out.append((pri, host, app, msgid, sd, msg))
    return out


class Daemon:
    """kind: udp, tcp, lf or tls."""

    def __init__(self, kind):
        self.kind = kind
        self.port = free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        self.out = scratch(f"{type(self).__name__}-{kind}.out", "")
        self.log = open(self.out + ".log", "w+", encoding="utf-8")
        config = scratch(f"{type(self).__name__}-{kind}.conf", self.config())
        self.process = subprocess.Popen(self.command(config), stdout=self.log, stderr=self.log,
                                        cwd=SCRATCH)
        self.wait_until_it_listens()

    def wait_until_it_listens(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if self.kind == "udp":
                with open("/proc/net/udp", encoding="ascii") as f:
                    if f":{self.port:04X} " in f.read():
                        return
            else:
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
            time.sleep(0.02)
        self.log.seek(0)
        raise AssertionError(f"{type(self).__name__} does not listen: {self.log.read()[-800:]}")

    def got(self, count):
        """Until all are there; datagrams may be lost: until no more come."""
        patience = 2 if self.kind == "udp" else 30
        lines, since = [], time.monotonic()
        while len(lines) < count and time.monotonic() < since + patience:
            with open(self.out, encoding="utf-8") as f:
                now = f.read().split("\n")[:-1]
            if len(now) > len(lines):
                lines, since = now, time.monotonic()
            time.sleep(0.05)
        return [self.parsed(line) for line in lines]

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            words = f.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class Rsyslog(Daemon):
    TEMPLATE = ('template(name="t" type="list") {\n'
                + "constant(value=\",\")\n".join(
                    f'property(outname="{n}" name="{p}" format="jsonf")\n' for n, p in (
                        ("pri", "pri"), ("host", "hostname"), ("app", "app-name"),
                        ("msgid", "msgid"), ("sd", "structured-data"), ("msg", "msg")))
                + 'constant(value="\\n")\n}\n')

    def config(self):
        driver = ('global(defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="%s"\n'
                  'defaultNetstreamDriverCertFile="%s" defaultNetstreamDriverKeyFile="%s")\n'
                  % tuple(scratch(n) for n in ("ca.pem", "server.pem", "server.key"))
                  if self.kind == "tls" else "")
        module = {"udp": 'module(load="imudp")\ninput(type="imudp" address="127.0.0.1" port="%d")',
                  "tls": 'module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1"'
                         ' streamDriver.authMode="anon")\ninput(type="imtcp" port="%d")'
                  }.get(self.kind, 'module(load="imtcp")\ninput(type="imtcp" port="%d")') % self.port
        return (f'global(workDirectory="{SCRATCH}" maxMessageSize="8k")\n{driver}{module}\n'
                f'{self.TEMPLATE}action(type="omfile" file="{self.out}" template="t")\n')

    def command(self, config):
        modules = ["-M", MODULES] if MODULES else []
        return [RSYSLOGD, "-n", "-f", config, "-i", config + ".pid", *modules]

    @staticmethod
    def parsed(line):
        d = json.loads("{" + line + "}")
        return (d["pri"], d["host"], d["app"], d["msgid"], d["sd"], d["msg"].removeprefix(" "))


class SyslogNg(Daemon):
    def config(self):
        transport = {"udp": "udp", "tls": "tls"}.get(self.kind, "tcp")
        tls = ('tls(key-file("%s") cert-file("%s") peer-verify(optional-untrusted))' % tuple(
            scratch(n) for n in ("server.key", "server.pem")) if self.kind == "tls" else "")
        source = (f'network(ip("127.0.0.1") port({self.port}) transport(tcp) flags(syslog-protocol)'
                  " log-msg-size(65536))" if self.kind == "lf" else
                  f'syslog(ip("127.0.0.1") port({self.port}) transport({transport}) {tls})')
        return ('@version: 3.38\noptions { stats-freq(0); keep-hostname(yes); chain-hostnames(no); '
                'log-msg-size(65536); };\n'
                f'source s {{ {source}; }};\n'
                f'destination d {{ file("{self.out}" template("$(format-json pri=$PRI host=$HOST '
                'app=$PROGRAM msgid=$MSGID sd=$SDATA msg=$MSG)\\n")); };\n'
                'log { source(s); destination(d); };\n')

    def command(self, config):
        own = [f"--{n}={scratch('ng.' + n)}" for n in ("persist-file", "pidfile", "control")]
        return [SYSLOG_NG, "-F", "-f", config, *own]

    @staticmethod
    def parsed(line):
        d = json.loads(line)
        return (d["pri"], d["host"], d["app"], d["msgid"], d["sd"], d["msg"])


def sorted_sd(row):
    """syslog-ng writes the parameters in an order of its own."""
    params = sorted(re.findall(r' ([^= ]+)="((?:[^"\\]|\\.)*)"', row[4]))
    return (*row[:4], params, row[5])


class Received(unittest.TestCase):
    longMessage = False

    def check(self, daemon, kind):
        d = daemon(kind)
        try:
            config = scratch("forward.json", json.dumps({
                "type": "syslog", "server": f"127.0.0.1:{d.port}", "resend": "64KiB",
                "protocol": {"lf": "tcp"}.get(kind, kind), "ca_file": scratch("ca.pem"),
                "framing": "lf" if kind == "lf" else "octet"}))
            subprocess.run([DRIVER, config, scratch("entries"), "batch=200", "rounds=100000"],
                           check=True, stdout=subprocess.DEVNULL, timeout=600)
            got = d.got(RECORDS)
        finally:
            d.close()
        if kind == "udp":
            self.assertGreater(len(got), RECORDS / 4)
            got_set = {str(sorted_sd(g)) for g in got}
            self.assertLessEqual(got_set, {str(sorted_sd(s)) for s in self.expected})
            return
        self.assertEqual(len(got), RECORDS, f"{daemon.__name__} {kind}: {len(got)}")
        for want, have in zip(self.expected, got):
            self.assertEqual(sorted_sd(want), sorted_sd(have),
                             f"{daemon.__name__} {kind}:\n{want}\n{have}")

    @classmethod
    def setUpClass(cls):
        entries = subprocess.run([sys.executable, os.path.join(HERE, "..", "siem-entries.py"),
                                  str(RECORDS), "7"], check=True, capture_output=True,
                                 text=True).stdout
        scratch("entries", entries)
        lines = subprocess.run([ENCODE, "rfc5424"], input=entries, capture_output=True, text=True,
                               check=True).stdout.splitlines()
        cls.expected = sent(lines)

    @unittest.skipUnless(RSYSLOGD, "no rsyslogd")
    def test_rsyslog_holds_what_was_sent(self):
        for kind in ("tcp", "lf", "udp"):
            self.check(Rsyslog, kind)

    @unittest.skipUnless(RSYSLOGD, "no rsyslogd")
    def test_rsyslog_over_tls(self):
        folder = MODULES or os.path.join("/usr/lib", os.uname().machine + "-linux-gnu", "rsyslog")
        if not os.path.exists(os.path.join(folder, "lmnsd_ossl.so")):
            self.skipTest("no rsyslog-openssl")
        self.check(Rsyslog, "tls")

    @unittest.skipUnless(SYSLOG_NG, "no syslog-ng")
    def test_syslog_ng_holds_what_was_sent(self):
        for kind in ("tcp", "lf", "udp", "tls"):
            self.check(SyslogNg, kind)


if __name__ == "__main__":
    if not RSYSLOGD and not SYSLOG_NG:
        print("skipped: neither rsyslogd nor syslog-ng is here")
        sys.exit(77)
    make_certificates()
    try:
        unittest.main(verbosity=1)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
