"""A stand-in for the Bot API on loopback, as its documentation has it."""
import html.parser
import http.server
import json
import socket
import struct
import threading
import time

import rig

TOKEN = "123456:TEST-token_x"
CHAT = -1001234567890
POLL_MAX = 50
HOSTILE = "<b>&amp;</code>{{7*7}}{% x %}%n%s${x}\"'`*_[a](http://x)\\\u202e\x1b[31m\U0001f600"
ACK, SILENCE, UNBAN = (f"a:{rig.ALERT['id']}", f"s:{rig.ALERT['id']}:3600", f"u:{rig.ALERT['id']}")

# What the methods that are used know of: a member that is not here would be a mistake of ours.
MEMBERS = {
    "getUpdates": {"offset", "limit", "timeout", "allowed_updates"},
    "answerCallbackQuery": {"callback_query_id", "text", "show_alert"},
    "sendMessage": {"chat_id", "message_thread_id", "text", "parse_mode", "link_preview_options",
                    "disable_notification", "protect_content", "reply_parameters", "reply_markup"},
    "editMessageText": {"chat_id", "message_id", "text", "parse_mode", "link_preview_options",
                        "reply_markup"},
    "editMessageReplyMarkup": {"chat_id", "message_id", "reply_markup"},
}


class Markup(html.parser.HTMLParser):
    """Fails on what the Bot API would refuse: an unknown tag, or one that is not closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ("b", "code") and not attrs, tag
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


def units(text):
    return len(text.encode("utf-16-le")) // 2


def fault(method, message):
    """What the server would find wrong with a request; None: nothing."""
    strange = set(message) - MEMBERS.get(method, set())
    if strange or method not in MEMBERS:
        return f"{method}: {strange}"
    if "text" in message and method != "answerCallbackQuery":
        text = message["text"]
        if message.get("parse_mode") == "HTML":
            text = Markup(text).text
        elif "parse_mode" in message:
            return "parse_mode"
        if not 1 <= units(text) <= 4096 or len(message["text"].encode()) > 32768:
            return f"{method}: a text of {units(text)} units"
    if method == "answerCallbackQuery" and units(message.get("text", "")) > 200:
        return "an answer of more than 200 characters"
    for row in message.get("reply_markup", {}).get("inline_keyboard", []):
        for button in row:
            if not 1 <= len(button["callback_data"].encode()) <= 64 or not button["text"]:
                return f"button {button}"
        if not row:
            return "a row without buttons"
    return None


def raw(status, body, **headers):
    def answer(handler):
        data = body if isinstance(body, bytes) else body.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)
    return answer


def result(value):
    return raw(200, json.dumps({"ok": True, "result": value}))


def ok(message_id=4711, chat=CHAT):
    return result({"message_id": message_id, "chat": {"id": chat}})


def refusal(code, description, **parameters):
    answer = {"ok": False, "error_code": code, "description": description}
    if parameters:
        answer["parameters"] = parameters
    return raw(code, json.dumps(answer))


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.connection.close()
    handler.close_connection = True


CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


class BotApi:
    """
    Answers each request with the next of `answers` (getUpdates: of `polls`), then as all is
    well; keeps what it was asked. press() puts a callback into the queue that getUpdates serves.
    """

    def __init__(self, *answers, polls=()):
        self.answers = list(answers)
        self.polls = list(polls)
        self.requests = []
        self.faults = []
        self.updates = []
        self.next_update = 1000
        self.next_message = 4711
        self.poller = None
        self.silent = set()  # methods that get no answer
        self.changed = threading.Condition()
        self.over = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.serve(self, self.path.rsplit("/", 1)[-1], json.loads(body))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.handle_error = lambda *_: None  # a peer that hangs up is what is checked
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.changed:
            self.over = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def messages(self):
        return [request[2] for request in self.requests]

    def calls(self, method):
        """What was asked of one method."""
        with self.changed:
            return [body for path, _, body in self.requests if path.endswith("/" + method)]

    def wait(self, method, n=1, seconds=10):
        """The calls of a method, once there are n."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(self.calls(method)) < n:
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"{len(self.calls(method))} calls of {method}, not {n}: {self.requests}")
        return self.calls(method)

    def serve(self, handler, method, message):
        try:
            wrong = fault(method, message)
        except AssertionError as e:
            wrong = f"{method}: markup {e}"
        with self.changed:
            self.requests.append((handler.path, handler.headers, message))
            if wrong:
                self.faults.append(wrong)
            self.changed.notify_all()
            if method in self.silent:
                while not self.over:
                    self.changed.wait()
                return
        if method == "getUpdates":
            answer = self.polls.pop(0) if self.polls else self.poll(message)
        elif self.answers:
            answer = self.answers.pop(0)
        elif method == "answerCallbackQuery":
            answer = result(True)
        elif method == "sendMessage":
            answer = ok(self.next_message, message["chat_id"] if isinstance(message["chat_id"], int) else CHAT)
            self.next_message += 1
        else:
            answer = ok(message["message_id"], message["chat_id"])
        answer(handler)

    def poll(self, message):
        """getUpdates: an offset confirms what is before it; a second poller ends the first."""
        me = object()
        deadline = time.monotonic() + min(message.get("timeout", 0), POLL_MAX)
        with self.changed:
            self.poller = me
            self.changed.notify_all()
            offset = message.get("offset", 0)
            self.updates = [u for u in self.updates if u["update_id"] >= offset]
            while not self.updates and not self.over:
                if self.poller is not me:
                    return refusal(409, CONFLICT)
                if not self.changed.wait(max(0, deadline - time.monotonic())):
                    break
            self.poller = None
            return result(self.updates[: message.get("limit", 100)])

    def wait_for_poll(self, seconds=10):
        """Until somebody waits in a long poll."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not (self.poller and self.calls("getUpdates")[-1]["timeout"]):
                assert self.changed.wait(deadline - time.monotonic()), self.requests

    def put(self, **update):
        with self.changed:
            self.next_update += 1
            self.updates.append({"update_id": self.next_update, **update})
            self.changed.notify_all()
            return self.next_update

    def press(self, data, user=42, chat=CHAT, message_id=4711, age_s=60, markup=None, text="...", **person):
        """A button is pressed; the id of the query."""
        query = str(4611686018427387904 + self.next_update)
        message = {"message_id": message_id, "date": int(time.time()) - age_s,
                   "chat": {"id": chat, "type": "supergroup", "title": "ops"}, "text": text}
        if markup:
            message["reply_markup"] = markup
        self.put(callback_query={
            "id": query, "chat_instance": "1", "data": data, "message": message,
            "from": {"id": user, "is_bot": False, "first_name": "Al", "username": "alice", **person},
        })
        return query


def config(base, **changes):
    c = {"type": "telegram", "token": rig.secret(TOKEN), "chat": "-1001234567890", "base": base}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


def button_data(message):
    return [[b["callback_data"] for b in row] for row in message["reply_markup"]["inline_keyboard"]]
