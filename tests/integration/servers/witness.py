"""A small witness (C2SP tlog-witness) for tests, and what the tests need of notes and trees.

    witness.py SEED NAME VKEY-OF-THE-LOG FOLDER    serves; prints its URL and its vkey

FOLDER/mode, when it is there, holds how to misbehave: see ODD. FOLDER/size and FOLDER/root are
what it has signed. Signatures are made and checked by openssl, the tree by the text of RFC 9162.
"""
import base64
import hashlib
import http.server
import os
import subprocess
import sys
import tempfile
import threading
import time

DASH = "\u2014"
TIME = 1795226400


def openssl(*words, data=b""):
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        words = [f.name if w == "{}" else w for w in words]
        return subprocess.run(["openssl", *words], capture_output=True, check=False)


class Key:
    """An Ed25519 key from its seed."""

    def __init__(self, label, name, kind):
        seed = hashlib.sha256(label.encode()).digest()
        self.name = name
        self.kind = kind
        self.der = bytes.fromhex("302e020100300506032b657004220420") + seed
        handle, self.path = tempfile.mkstemp()
        os.write(handle, self.der)
        os.close(handle)
        run = openssl("pkey", "-inform", "DER", "-in", self.path, "-pubout", "-outform", "DER")
        self.public = run.stdout[-32:]
        self.id = key_id(name, kind, self.public)

    def vkey(self):
        typed = bytes([self.kind]) + self.public
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(typed).decode()}"

    def sign(self, message):
        run = openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", self.path, "-in", "{}",
                      data=message)
        assert len(run.stdout) == 64, run.stderr
        return run.stdout

    def cosign(self, text, at=TIME):
        signature = self.sign(f"cosignature/v1\ntime {at}\n".encode() + text)
        blob = base64.b64encode(self.id + at.to_bytes(8, "big") + signature).decode()
        return f"{DASH} {self.name} {blob}\n"

    def note(self, text):
        blob = base64.b64encode(self.id + self.sign(text)).decode()
        return text.decode() + "\n" + f"{DASH} {self.name} {blob}\n"


def key_id(name, kind, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def verify(public, message, signature):
    der = bytes.fromhex("302a300506032b6570032100") + public
    with tempfile.NamedTemporaryFile() as k, tempfile.NamedTemporaryFile() as s:
        k.write(der)
        k.flush()
        s.write(signature)
        s.flush()
        run = openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", k.name,
                      "-in", "{}", "-sigfile", s.name, data=message)
    return run.returncode == 0


def signed_by(vkey, note):
    """Does the note carry a good signature of this key of a log?"""
    name, _, rest = vkey.split("+", 2)
    typed = base64.b64decode(rest)
    text, _, lines = note.rpartition("\n\n")
    wanted = key_id(name, typed[0], typed[1:])
    for line in lines.splitlines():
        dash, who, blob = line.split(" ")
        blob = base64.b64decode(blob)
        if dash == DASH and who == name and blob[:4] == wanted:
            return verify(typed[1:], (text + "\n").encode(), blob[4:])
    return False


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def consistent(old, size, old_root, root, proof):
    """RFC 9162, section 2.1.4.2."""
    if old == size:
        return not proof and old_root == root
    if not proof:
        return False
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


ODD = {
    "500": lambda line: (500, b"no\n"),
    "404": lambda line: (404, b"unknown\n"),
    "403": lambda line: (403, b"unknown key\n"),
    "400": lambda line: (400, b"what\n"),
    "422": lambda line: (422, b"bad proof\n"),
    "409-text": lambda line: (409, b"<html>conflict</html>"),
    "409-huge": lambda line: (409, b"99999999999999999999999\n"),
    "409-more": lambda line: (409, b"1000000\n"),
    "empty": lambda line: (200, b""),
    "html": lambda line: (200, b"<html>hello</html>\n"),
    "huge": lambda line: (200, b"x" * (1 << 20)),
    "cut": lambda line: (200, line.encode()[:-20]),
    "short": lambda line: (200, (line[:60] + "=\n").encode()),
    "strangers": lambda line: (200, Key("stranger", "stranger.example/w", 4).cosign(b"x\n").encode()),
}


class Witness:
    def __init__(self, seed, name, vkey, folder):
        self.key = Key(seed, name, 4)
        self.log = vkey
        self.folder = folder
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    status, answer = outer.take(self.path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def get(self, name, fallback=""):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return fallback

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def take(self, path, body):
        self.put("requests", self.get("requests") + body.decode().splitlines()[0] + "\n")
        self.put("request", body.decode())
        mode = self.get("mode").strip()
        if mode == "slow":
            time.sleep(30)
        head, _, note = body.decode().partition("\n\n")
        lines = head.splitlines()
        old = int(lines[0].removeprefix("old "))
        text = note.rpartition("\n\n")[0] + "\n"
        origin, size, root = text.splitlines()
        line = self.key.cosign(text.encode())
        if mode in ODD:
            return ODD[mode](line)
        if path != "/add-checkpoint" or origin != self.log.split("+")[0]:
            return 404, b"unknown origin\n"
        if not signed_by(self.log, note):
            return 403, b"not signed\n"
        return self.judge(old, int(size), root, lines[1:], line, mode)

    def judge(self, old, size, root, proof, line, mode):
        mine = int(self.get("size", "0"))
        if mode == "409-moving":  # another size with each answer
            self.put("moving", str(int(self.get("moving", "1")) + 1))
            return 409, self.get("moving").encode() + b"\n"
        if old != mine:
            return 409, f"{mine}\n".encode()
        if old > size:
            return 400, b"old is larger\n"
        mine_root = base64.b64decode(self.get("root"))
        if old and not consistent(old, size, mine_root, base64.b64decode(root),
                                  [base64.b64decode(p) for p in proof]):
            return (409, f"{mine}\n".encode()) if old == size else (422, b"bad proof\n")
        if not old and proof:
            return 422, b"a proof from nothing\n"
        self.put("root", root)
        self.put("size", str(size))
        other = Key("stranger", "stranger.example/w", 4).cosign(b"another text\n")
        return 200, (other + line).encode()  # a client ignores keys that it does not know


def main():
    witness = Witness(*sys.argv[1:5])
    print(witness.url, witness.key.vkey(), flush=True)
    witness.server.serve_forever(0.05)


if __name__ == "__main__":
    main()
