#!/bin/sh
# uvicorn with FastAPI, its own access log and python-json-logger; from PyPI, in a folder of its own.
. "$(dirname "$0")/lib.sh"
need python3 python3
need curl curl
need nc netcat-openbsd
if [ -z "${TW_CAPTURE_INSIDE:-}" ]; then
    TW_CAPTURE_PYTHON=$(mktemp -d "${TMPDIR:-/tmp}/capture-py.XXXXXX")
    export TW_CAPTURE_PYTHON
    trap 'rm -rf "$TW_CAPTURE_PYTHON"' EXIT
    say "installing fastapi, uvicorn, websockets, python-json-logger"
    python3 -m pip install -q --disable-pip-version-check --target "$TW_CAPTURE_PYTHON" fastapi uvicorn websockets python-json-logger >/dev/null 2>&1 ||
        out_of_reach "no PyPI in reach (python3 -m pip install fastapi uvicorn)"
fi
sandbox

export PYTHONPATH="$TW_CAPTURE_PYTHON:$WORK"
cat > "$WORK/app.py" <<'END'
import logging, os
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.middleware.cors import CORSMiddleware
try:
    from pythonjsonlogger.json import JsonFormatter
except ImportError:
    from pythonjsonlogger.jsonlogger import JsonFormatter
handler = logging.FileHandler(os.environ["OUT"] + "/app-json.log")
handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
log = logging.getLogger("shop.security")
log.addHandler(handler)
log.setLevel(logging.INFO)
app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
@app.get("/")
def index(): return "hello"
@app.post("/auth/login")
async def login(request: Request, user: str = "", password: str = ""):
    good = password == "right"
    log.log(logging.INFO if good else logging.WARNING, "login_success" if good else "login_failed",
            extra={"username": user, "client_ip": request.client.host, "user_agent": request.headers.get("user-agent")})
    if not good: raise HTTPException(401)
    return "welcome"
@app.get("/admin/users")
def admin(): raise HTTPException(403)
@app.get("/limited")
def limited(): raise HTTPException(429)
@app.get("/boom")
def boom(): raise RuntimeError("unexpected\nsecond line")
@app.websocket("/ws")
async def ws(socket: WebSocket): await socket.close()
END
OUT="$OUT" python3 -m uvicorn app:app --host $SERVER --port 8000 > "$OUT/uvicorn.log" 2>&1 &
server=$!
wait_for "answer of uvicorn" nc -z $SERVER 8000
get() {
    address=$1
    shift
    curl -s -o /dev/null --max-time 5 --path-as-is --interface "$address" "$@" || true
}
U=http://$SERVER:8000
get $GUEST -X POST "$U/auth/login?user=alice&password=right"
get $STRANGER -X POST "$U/auth/login?user=admin&password=wrong"
get $STRANGER -A 'sqlmap/1.7' -X POST "$U/auth/login?user=admin%0aINFO&password=wrong"
for path in / /docs /.env '/q?a="%20HTTP/1.1"%20200' '/..%2f..%2fetc/passwd' '/?id=1%20union%20select%201' /admin/users /limited /boom; do
    get $STRANGER "$U$path"
done
get $STRANGER -X PROPFIND $U/
get $STRANGER -X OPTIONS -H 'Origin: https://evil.example' -H 'Access-Control-Request-Method: POST' $U/auth/login
get $STRANGER -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' $U/ws
printf '\026\003\001\000\356garbage\r\n\r\n' | nc -q1 -s $STRANGER $SERVER 8000 >/dev/null || true
kill $server
wait $server 2>/dev/null || true
settle
report "$OUT/uvicorn.log" "$OUT/app-json.log"
