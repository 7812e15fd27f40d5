"""notify test against servers on loopback: what it says, what it keeps to itself, how it ends."""
import base64
import http.server
import json
import os
import socket
import subprocess
import sys
import threading

program, scratch = sys.argv[1:3]
os.environ["HOME"] = scratch  # libesmtp looks there for what a user may have
config = os.path.join(scratch, "c.yaml")
PASSWORD = "correct-horse-battery"
TOKEN = "123456:AAbbCCddEEffGG-hh"
SIGNING = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmnop").decode()
BEFORE = "whsec_" + base64.b64encode(b"zyxwvutsrqponmlkjihgfedcba").decode()
requests = []
mails = []
status, body = 200, "thank you"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        requests.append((self.path, dict(self.headers), text))
        answer = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass


def smtp_line(peer):
    line = b""
    while not line.endswith(b"\n"):
        byte = peer.recv(1)
        if not byte:
            return ""
        line += byte
    return line.decode().strip()


def smtp_talk(peer):
    say = lambda text: peer.sendall(text.encode() + b"\r\n")
    say("220 relay.example ready")
    while line := smtp_line(peer):
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            say("250-relay.example\r\n250 AUTH PLAIN LOGIN")
        elif verb == "AUTH":
            # A relay that repeats what it was told, as some do.
            say(f"235 2.7.0 accepted {line.split(' ')[-1]}" if refuse != "AUTH" else "535 5.7.8 no")
        elif verb == "RCPT" and refuse == "RCPT":
            say("550 5.1.1 \x1b[31mno such user")
        elif verb == "DATA" and refuse == "RCPT":
            say("554 5.5.1 nobody to send it to")
        elif verb == "DATA":
            say("354 go on")
            mail = []
            while (line := smtp_line(peer)) != ".":
                mail.append(line)
            mails.append("\n".join(mail))
            say("250 2.0.0 queued as 42")
        elif verb == "QUIT":
            say("221 bye")
            break
        else:
            say("250 2.1.0 fine")
    peer.close()


def smtp_serve(listener):
    while True:
        smtp_talk(listener.accept()[0])


refuse = ""
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=web.serve_forever, daemon=True).start()
relay = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=smtp_serve, args=(relay,), daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as closed:
    nobody = closed.getsockname()[1]


def secret(name, text):
    path = os.path.join(scratch, name)
    with open(path, "w") as f:
        f.write(text + "\n")
    os.chmod(path, 0o600)
    return "{file: %s}" % path


with open(config, "w") as f:
    f.write(f"""state: {scratch}/state
host: test.example
channels: {{xui: {{inputs: [{{type: file, path: {scratch}/xui.log}}]}}}}
rules: {{library: false}}
notifiers:
  hook: {{type: webhook, url: "http://127.0.0.1:{web.server_port}/path-is-a-secret", secret: {secret("s", SIGNING)},
          secret_before: {secret("b", BEFORE)}}}
  mail: {{type: email, server: "127.0.0.1:{relay.getsockname()[1]}", tls: none, user: bob,
          password: {secret("p", PASSWORD)}, from: a@b.example, to: [c@d.example]}}
  chat: {{type: telegram, token: {secret("t", TOKEN)}, chat: "-1001", base: "http://127.0.0.1:{web.server_port}"}}
  dead: {{type: webhook, url: "http://127.0.0.1:{nobody}/x"}}
  disk: {{type: file, path: {scratch}/out.jsonl}}
""")


def run(code, *args):
    r = subprocess.run([program, "notify", "test", *args, "--config", config], capture_output=True, text=True)
    text = r.stdout + r.stderr
    if r.returncode != code:
        sys.exit(f"FAIL: notify test {args}: exit {r.returncode}, expected {code}: {text}")
    for kept in (PASSWORD, BEFORE, base64.b64encode(PASSWORD.encode()).decode(), TOKEN, SIGNING, "path-is-a-secret",
                 base64.b64encode(f"\0bob\0{PASSWORD}".encode()).decode()):
        if kept in text:
            sys.exit(f"FAIL: notify test {args}: '{kept}' is in: {text}")
    bad = [c for c in text if ord(c) < 32 and c != "\n"]
    if bad:
        sys.exit(f"FAIL: notify test {args}: control characters {bad}")
    return text


def said(text, *what):
    for w in what:
        if w not in text:
            sys.exit(f"FAIL: no '{w}' in: {text}")


def unsaid(text, *what):
    for w in what:
        if w in text:
            sys.exit(f"FAIL: '{w}' in: {text}")


# HTTP: method, host, status, the beginning of the answer, without what the path holds.
text = run(0, "hook")
said(text, "receiver   hook (webhook)", f"url=http://127.0.0.1:{web.server_port}/...", "> POST http://127.0.0.1:",
     "< status 200 after", "< thank you", "result     accepted after", "http 200")
assert len(requests) == 1 and requests[0][0] == "/path-is-a-secret", requests
document = json.loads(requests[0][2])
assert document["notification"]["reason"] == "test" and document["rule"]["title"].startswith("Test: "), document
assert document["id"] in requests[0][1]["webhook-id"], requests
first = document["id"]
run(0, "hook")
assert json.loads(requests[1][2])["id"] != first, "two tests have one id"
status, body = 401, f"no such hook {SIGNING} {BEFORE} \x1b]0;x\x07" + "y" * 2000
text = run(1, "hook")
said(text, "< status 401", "no such hook *** ***", "NOT ACCEPTED", "yyy...")
unsaid(text, "y" * 600)
status, body = 200, "thank you"

# SMTP: both sides, but neither the login nor the mail.
text = run(0, "mail")
said(text, "< 220 relay.example ready", "> EHLO", "> AUTH (login)", "< 235 2.7.0 accepted ***", "> MAIL FROM:<a@b.example>",
     "> RCPT TO:<c@d.example>", "> (the mail)", "< 250 2.0.0 queued as 42", "accepted after")
unsaid(text, "Subject:", "only a test")
assert len(mails) == 1 and "Test: failed logins" in mails[0], mails
refuse = "RCPT"
said(run(1, "mail"), "< 550 5.1.1 \\x1b[31mno such user", "NOT ACCEPTED")
refuse = "AUTH"
said(run(1, "mail"), "< 535 5.7.8 no", "NOT ACCEPTED", "login refused")
refuse = ""
assert len(mails) == 1, "a mail left without its recipient or login"

# Several, a table, and one of them fails.
body = json.dumps({"ok": True, "result": {"message_id": 17}})
text = run(0, "chat", "disk")
said(text, "4096 UTF-16 units", "remote id  17", "written to")
text = run(1)
said(text, "RECEIVER", "NOT ACCEPTED")
table = text[text.index("RECEIVER  "):].splitlines()[1:]
assert [line.split()[0] for line in table] == ["hook", "mail", "chat", "dead", "disk"], table
assert ["NOT ACCEPTED" in line for line in table] == [False, False, False, True, False], table

# JSON says the same.
text = run(1, "dead", "--json")
one = json.loads(text)
assert one["accepted"] is False and one["state"] == "retry" and "no answer" in one["dialogue"], one

# Rendered, and nothing leaves.
counts = len(requests), len(mails), open(os.path.join(scratch, "out.jsonl")).read()
text = run(0, "--dry-run")
said(text, "Subject: ", '"parse_mode":"HTML"', '"version":1', "[test]")
unsaid(text, "dialogue", "result ")
for line in run(0, "--dry-run", "--json").splitlines():
    one = json.loads(line)
    assert one["exact"] and one["dry_run"] and "accepted" not in one and len(one["text"].encode()) == one["bytes"], one
assert counts == (len(requests), len(mails), open(os.path.join(scratch, "out.jsonl")).read()), "something was sent"
left = [n for n in os.listdir(os.environ.get("TMPDIR", "/tmp")) if n.startswith("trailwarden-test-")]
assert not left, left

# Who is meant must be known before anybody hears anything.
sent = len(requests)
said(run(2, "hook", "hok"), "did you mean 'hook'?")
assert len(requests) == sent, "one was sent before the other was known"
print("receivers tried out: as it should be")
