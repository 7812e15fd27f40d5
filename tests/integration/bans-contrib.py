"""The example actions of contrib/bans, each against a stand-in of what it talks to."""
import hashlib
import hmac
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.parse

folder, scratch = os.path.join(sys.argv[1], "contrib", "bans"), sys.argv[2]
seen = []
status = [200]


class Server(http.server.BaseHTTPRequestHandler):
    inbounds = [{"id": 3, "settings": json.dumps({"clients": [
        {"id": "u-1", "email": "alice", "enable": True}, {"id": "u-2", "email": "bob", "enable": True}]})}]

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        seen.append((self.command, self.path, body, dict(self.headers)))
        answer = {"success": True, "obj": None}
        if self.path.endswith("/inbounds/list"):
            answer["obj"] = self.inbounds
        if "/clients/get/" in self.path:
            answer["obj"] = {"client": {}, "inboundIds": [3, 4]}
        if self.path.endswith("/login") and "right" not in body:
            answer = {"success": False, "msg": "wrong"}
        self.send_response(status[0])
        if self.path.endswith("/login"):
            self.send_header("Set-Cookie", "3x-ui=abc; Path=/")
        if status[0] == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def want(what, expected, got):
    if expected != got:
        print(f"FAIL: {what}\n  expected {expected}\n  seen     {got}")
        sys.exit(1)


def file(name, text, mode=0o600):
    path = os.path.join(scratch, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def run(code, program, *args, doc=None, says="", **env):
    seen.clear()
    r = subprocess.run([sys.executable, os.path.join(folder, program), *args], capture_output=True, text=True,
                       input="" if doc is None else json.dumps(doc), env={"PATH": os.environ["PATH"], "LANG": "C", **env})
    text = r.stdout + r.stderr
    if r.returncode != code or says not in text:
        print(f"FAIL: {program} {args}: exit {r.returncode}, expected {code}; '{says}' expected in: {text}")
        sys.exit(1)
    return list(seen)


def about(name, **more):
    return {"trust": "line", "group": [{"name": "user.name", "value": name}], "events": [], **more}


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
secret = file("secret", "s3cret\nmore\n")

# Whose account: only a proven name, no names of ours, nothing that is no word.
kick = ("hysteria-kick.py", url + "/", secret)
got = run(0, *kick, doc=about("alice"), says="kicked: alice")
want("kick", ("POST", "/kick", '["alice"]', "s3cret"), (*got[0][:3], got[0][3]["Authorization"]))
failed = {"trust": "line", "group": [{"name": "source.ip", "value": "192.0.2.1"}],
          "events": [{"fields": {"user.name": "admin", "event.outcome": "failure"}}]}
want("a failed login", [], run(0, *kick, doc=failed, says="nothing to do"))
failed["events"].append({"fields": {"user.name": "mallory", "event.outcome": "success"}})
want("a login", '["mallory"]', run(0, *kick, doc=failed)[0][2])
want("forgeable", [], run(0, *kick, doc=about("alice", trust="forgeable"), says="forged"))
want("spared", [], run(0, *kick, file("never", "# ours\nalice\n"), doc=about("alice"), says="spared"))
want("over", [], run(0, *kick, doc=about("alice"), TW_STATUS="resolved"))
want("a summary", [], run(0, *kick, doc=about("alice"), TW_TYPE="summary"))
for name in ("-x", "a b", "$(id)", "a;b", "a\nb", "x" * 200, "--server=evil", ""):
    want(f"name {name!r}", [], run(1, *kick, doc=about(name), says="left alone"))
many = {"group": [], "events": [{"fields": {"user.name": f"u{i}", "event.outcome": "success"}} for i in range(9)]}
want("many", [], run(1, *kick, doc=many, says="a person"))
want("no document", [], run(1, *kick, says="no alert"))
want("an open secret", [], run(1, "hysteria-kick.py", url, file("open", "x", 0o644), doc=about("alice"), says="chmod 600"))
for code, http_status in ((75, 503), (75, 429), (1, 401), (1, 302)):
    status[0] = http_status
    want("no redirect is followed", 1, len(run(code, *kick, doc=about("alice"), says=f"http {http_status}")))
status[0] = 200
run(75, "hysteria-kick.py", "http://127.0.0.1:1", secret, doc=about("alice"), says="no answer")

# 3X-UI.
got = run(0, "xui-disable-client.py", url + "/base/", "--login", "admin", file("pw", "right"), doc=about("alice"), says="1 client(s)")
want("paths", ["/base/login", "/base/panel/api/inbounds/list", "/base/panel/api/inbounds/updateClient/u-1"], [g[1] for g in got])
want("cookie", "3x-ui=abc", got[2][3]["Cookie"])
form = urllib.parse.parse_qs(got[2][2])
want("disabled", (["3"], [{"id": "u-1", "email": "alice", "enable": False}]), (form["id"], json.loads(form["settings"][0])["clients"]))
run(1, "xui-disable-client.py", url, "--login", "admin", secret, doc=about("alice"), says="the panel says: wrong")
got = run(0, "xui-disable-client.py", url, "--token", secret, doc=about("a@b"), says="2 client(s)")
want("3.x", [("/panel/api/clients/get/a%40b", ""), ("/panel/api/clients/a%40b/detach", '{"inboundIds": [3, 4]}')], [(g[1], g[2]) for g in got])
want("token", "Bearer s3cret", got[1][3]["Authorization"])

# Laravel.
got = run(0, "laravel-suspend-user.py", "--url", url + "/s", "--secret", secret, doc=about("a@b"), TW_RULE="r-1", TW_ID="abc")
want("signed", hmac.new(b"s3cret", got[0][2].encode(), hashlib.sha256).hexdigest(), got[0][3]["X-Signature"])
want("user", ("a@b", "r-1", "abc"), tuple(json.loads(got[0][2])[k] for k in ("user", "rule", "alert")))

# Xray.
xray = file("xray", '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.args"\necho "Removed $(cat "$0.n") user(s) in total."\n', 0o700)
file("xray.n", "1")
run(0, "xray-remove-user.py", xray, "127.0.0.1:1", "vless-in", doc=about("alice"), says="removed 1")
with open(xray + ".args") as f:
    want("words", "api rmu --server=127.0.0.1:1 -tag=vless-in alice".split(), f.read().split())
file("xray.n", "0")
run(75, "xray-remove-user.py", xray, "127.0.0.1:1", "vless-in", doc=about("alice"), says="removed nobody")
run(75, "xray-remove-user.py", "/nowhere/xray", "127.0.0.1:1", "vless-in", doc=about("alice"))

# OpenVPN's management interface, with news in between.
os.chdir(scratch)
listener = socket.socket(socket.AF_UNIX)
listener.bind("ovpn")
listener.listen(1)
commands = []


def manage():
    s = listener.accept()[0]
    f = s.makefile("rw", newline="\n")
    f.write(">INFO:OpenVPN Management Interface Version 5\r\n")
    f.flush()
    for line in f:
        commands.append(line.strip())
        if line.startswith("status"):
            f.write("TITLE\tOpenVPN\r\n>LOG:news\r\nHEADER\tCLIENT_LIST\tCommon Name\tReal Address\tUsername\tClient ID\r\n"
                    "CLIENT_LIST\ta\t192.0.2.1:5000\tx\t7\r\nCLIENT_LIST\tb\t192.0.2.10:5000\tx\t8\r\n"
                    "CLIENT_LIST\tc\tudp4:192.0.2.1:77\tx\t9\r\nCLIENT_LIST\td\t[2001:db8::1]:5\tx\t10\r\n"
                    "CLIENT_LIST\te\t192.0.2.1:1\tx\t11; kill b\r\nEND\r\n")
        elif line.startswith("client-kill"):
            f.write("SUCCESS: client-kill command succeeded\r\n")
        else:
            break
        f.flush()
    s.close()


t = threading.Thread(target=manage, daemon=True)
t.start()
run(0, "openvpn-kill.py", "ovpn", says="2 session(s) of 192.0.2.1 ended", TW_ACTION="ban", TW_ADDRESS="192.0.2.1")
t.join(5)
want("killed", ["status 3", "client-kill 7", "client-kill 9", "quit"], commands)
run(0, "openvpn-kill.py", "ovpn", TW_ACTION="unban", TW_ADDRESS="192.0.2.1", says="nothing to take back")
run(1, "openvpn-kill.py", "ovpn", TW_ACTION="ban", TW_ADDRESS="192.0.2.1; quit", says="no address")
run(75, "openvpn-kill.py", "none", TW_ACTION="ban", TW_ADDRESS="192.0.2.1")
run(0, "openvpn-kill.py", "none", doc=about("alice"), says="wants no ban")
run(75, "openvpn-kill.py", "none", doc=about("alice", ban={"address": "192.0.2.1", "for_s": 60}))
print("examples: as they should be")
