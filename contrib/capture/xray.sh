#!/bin/sh
# Xray where it is installed, else v2ray of Debian: VLESS and SOCKS; good and bad clients, scanners.
. "$(dirname "$0")/lib.sh"
if command -v xray >/dev/null; then
    program=xray
    arguments="run -config"
else
    [ "${TW_CAPTURE_INSIDE:-}" ] || say "no xray here (it is in no Debian archive): v2ray instead"
    need v2ray v2ray
    program=v2ray
    arguments="-config"
fi
need curl curl
need nc netcat-openbsd
need python3 python3
sandbox

id=11111111-2222-4333-8444-555555555555
cat > "$WORK/server.json" <<END
{"log": {"loglevel": "info", "access": "$OUT/access.log", "error": "$OUT/error.log"},
 "inbounds": [
  {"tag": "in-vless", "listen": "$SERVER", "port": 4431, "protocol": "vless", "settings": {"decryption": "none", "clients": [{"id": "$id", "email": "alice@example.net"}]}},
  {"tag": "in-socks", "listen": "$SERVER", "port": 1080, "protocol": "socks", "settings": {"auth": "password", "accounts": [{"user": "alice", "pass": "right"}]}}],
 "outbounds": [{"tag": "direct", "protocol": "freedom"}, {"tag": "blocked", "protocol": "blackhole"}],
 "routing": {"rules": [{"type": "field", "domain": ["blocked.example.com"], "outboundTag": "blocked"}]}}
END
# shellcheck disable=SC2086
$program $arguments "$WORK/server.json" > "$OUT/stdout.log" 2>&1 &
server=$!
python3 -m http.server --bind $SERVER 8080 --directory /etc/ssl >/dev/null 2>&1 &
wait_for "answer of $program" nc -z $SERVER 1080
wait_for "web server" nc -z $SERVER 8080
socks() { curl -s -o /dev/null --max-time 5 --interface "$1" -x "socks5h://$2@$SERVER:1080" "$3" || true; }
socks $GUEST alice:right http://$SERVER:8080/
socks $GUEST alice:right http://blocked.example.com/
socks $GUEST alice:right http://$SERVER:9/
socks $STRANGER alice:wrong http://$SERVER:8080/
curl -s -o /dev/null --max-time 5 --interface $STRANGER -x "socks5h://$SERVER:1080" http://$SERVER:8080/ || true
vless() { # ADDRESS ID
    python3 - "$1" "$2" $SERVER <<'END'
import socket, sys, uuid
source, identity, server = sys.argv[1:]
s = socket.create_connection((server, 4431), 5, (source, 0))
target = b"\x01\x1f\x90\x01" + socket.inet_aton(server) # tcp, port 8080, IPv4
s.sendall(b"\x00" + uuid.UUID(identity).bytes + b"\x00" + target + b"GET / HTTP/1.0\r\n\r\n")
s.settimeout(2)
try:
    s.recv(100)
except OSError:
    pass
END
}
vless $GUEST $id
vless $STRANGER 99999999-2222-4333-8444-555555555555
for port in 4431 1080; do
    printf 'GET / HTTP/1.0\r\n\r\n' | nc -q1 -s $STRANGER $SERVER $port >/dev/null || true
    printf '\026\003\001\000\356garbage' | nc -q1 -s $STRANGER $SERVER $port >/dev/null || true
done
kill $server
settle
report "$OUT/access.log" "$OUT/error.log" "$OUT/stdout.log"
