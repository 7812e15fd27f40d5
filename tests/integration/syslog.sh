#!/bin/sh
# Real senders over UDP, TCP and the local socket: logger, Python, rsyslog. Each tells of six failed
# logins from an address of its own, so each has its alert. Then the daemon is restarted: the same
# messages are new events with new keys.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "no python3"
command -v logger > /dev/null || skip "no logger"
logger --help 2>&1 | grep -q octet-count || skip "this logger knows no --octet-count"
cd "$SCRATCH" || exit 99
daemon='' rsyslog=''
# shellcheck disable=SC2086
trap 'kill $daemon $rsyslog 2> /dev/null; rm -rf "$SCRATCH"' EXIT

ports() { # free now, each of its own
    python3 -c '
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
t = socket.socket(); t.bind(("127.0.0.1", 0))
print(u.getsockname()[1], t.getsockname()[1])'
}
read -r udp tcp <<EOT
$(ports)
EOT
cat > c.yaml <<EOT
state: $SCRATCH/state
channels:
  xui:
    audit: all
    inputs:
      - {type: syslog, name: u, listen: "udp:127.0.0.1:$udp"}
      - {type: syslog, name: t, listen: "tcp:127.0.0.1:$tcp"}
      - {type: syslog, name: l, listen: "unix:$SCRATCH/log"}
notifiers:
  out: {type: file, path: $SCRATCH/out.jsonl}
EOT
"$TW_BIN" check --config c.yaml > out || { cat out; fail "the configuration"; }

# until CONDITION...: at most 20 s
until_true() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ $n -lt 200 ] || return 1
        sleep 0.1
    done
}
starts() { "$TW_BIN" trail show --type source.start --json --config c.yaml 2> /dev/null | wc -l; }
started() { [ "$(starts)" -ge "$1" ]; }
start() { # NUMBER of inputs that were ever started
    "$TW_BIN" run --config c.yaml > run.log 2>&1 &
    daemon=$!
    until_true started "$1" || { cat run.log; fail "the inputs did not start"; }
}
stop() {
    kill "$daemon"
    wait "$daemon" || { cat run.log; fail "the daemon's end"; }
    daemon=''
}
line() { printf 'WARNING - failed login: username="root", IP="203.0.113.%s", reason="invalid credentials"' "$1"; }
six() { # NUMBER COMMAND...: runs it with the text behind, six times
    number=$1
    shift
    for _ in 1 2 3 4 5 6; do
        "$@" "$(line "$number")" || fail "$*"
    done
}
alert_of() { grep -q "\"203.0.113.$1\"" out.jsonl 2> /dev/null; }
want_alert() { until_true alert_of "$1" || { cat run.log; fail "no alert of $2"; }; }
events() { "$TW_BIN" trail show --type event --json --config c.yaml; }

start 3
six 1 logger -t x-ui --udp -n 127.0.0.1 -P "$udp"
six 2 logger -t x-ui --udp --rfc3164 -n 127.0.0.1 -P "$udp"
six 3 logger -t x-ui --tcp -n 127.0.0.1 -P "$tcp"
six 4 logger -t x-ui --tcp --octet-count -n 127.0.0.1 -P "$tcp"
six 5 logger -t x-ui -i -u "$SCRATCH/log"
want_alert 1 "logger over UDP, RFC 5424"
want_alert 2 "logger over UDP, RFC 3164"
want_alert 3 "logger over TCP"
want_alert 4 "logger over TCP with counts"
want_alert 5 "logger on the local socket"

cat > send.py <<'EOT'
import logging, logging.handlers, socket, sys
udp, tcp, path, texts = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
ways = [
    logging.handlers.SysLogHandler(("127.0.0.1", udp)),
    logging.handlers.SysLogHandler(("127.0.0.1", tcp), socktype=socket.SOCK_STREAM),
    logging.handlers.SysLogHandler(path, socktype=socket.SOCK_DGRAM),
]
for way, text in zip(ways, texts):
    way.ident = "x-ui[7]: "
    log = logging.Logger("x")
    log.addHandler(way)
    for _ in range(6):
        log.warning(text)
    way.close()
EOT
python3 send.py "$udp" "$tcp" "$SCRATCH/log" "$(line 6)" "$(line 7)" "$(line 8)" || fail "SysLogHandler"
want_alert 6 "Python over UDP"
want_alert 7 "Python over TCP"
want_alert 8 "Python on the local socket"
sent=48

if command -v rsyslogd > /dev/null; then
    cat > rsyslog.conf <<EOT
global(workDirectory="$SCRATCH")
module(load="imuxsock" SysSock.Use="off")
module(load="omuxsock")
input(type="imuxsock" Socket="$SCRATCH/rsyslog-in" RateLimit.Interval="0")
\$OMUxSockSocket $SCRATCH/log
if \$programname == 'rs-udp' then
    action(type="omfwd" target="127.0.0.1" port="$udp" protocol="udp")
if \$programname == 'rs-lines' then
    action(type="omfwd" target="127.0.0.1" port="$tcp" protocol="tcp" TCP_Framing="traditional")
if \$programname == 'rs-counted' then
    action(type="omfwd" target="127.0.0.1" port="$tcp" protocol="tcp" TCP_Framing="octet-counted"
           template="RSYSLOG_SyslogProtocol23Format")
if \$programname == 'rs-local' then
    :omuxsock:
EOT
    rsyslogd -n -f rsyslog.conf -i "$SCRATCH/rsyslog.pid" > rsyslog.log 2>&1 &
    rsyslog=$!
    until_true test -S "$SCRATCH/rsyslog-in" || { cat rsyslog.log; fail "rsyslog did not start"; }
    six 9 logger -i -t rs-udp -u "$SCRATCH/rsyslog-in"
    six 10 logger -i -t rs-lines -u "$SCRATCH/rsyslog-in"
    six 11 logger -i -t rs-counted -u "$SCRATCH/rsyslog-in"
    six 12 logger -i -t rs-local -u "$SCRATCH/rsyslog-in"
    want_alert 9 "rsyslog over UDP"
    want_alert 10 "rsyslog over TCP"
    want_alert 11 "rsyslog over TCP with counts"
    want_alert 12 "rsyslog on the local socket"
    kill "$rsyslog"
    wait "$rsyslog"
    rsyslog=''
    sent=$((sent + 24))
else
    echo "no rsyslogd here: left out"
fi

# What a forged datagram could say is marked so; what came over the others is not.
events > events
want "events" "$sent" "$(wc -l < events)"
want "keys" "$sent" "$(sed 's/.*"key":"\([^"]*\)".*/\1/' events | sort -u | wc -l)"
grep -F '203.0.113.1\"' events > of; said of '\"trust\":\"forgeable\"'
grep -F '203.0.113.4\"' events > of; said of '\"trust\":\"line\"'
grep -F '203.0.113.5\"' events > of; said of '\"trust\":\"line\"'
for n in 1 2 3 4 5 6 7 8; do
    grep -F "203.0.113.$n"'\"' events > of
    said of '\"process.name\":\"x-ui\"'
done
if [ $sent -gt 48 ]; then
    grep -F '203.0.113.11\"' events > of
    said of '\"process.name\":\"rs-counted\"'
    said of "\\\"host.name\\\":\\\"$(hostname)"
fi

# Over the daemon's end and back: the same words again are other events.
stop
[ -S "$SCRATCH/log" ] || fail "the socket's file went away"
start 6
six 1 logger -t x-ui --udp -n 127.0.0.1 -P "$udp"
six 5 logger -t x-ui -i -u "$SCRATCH/log"
more() { [ "$(events | wc -l)" -ge $((sent + 12)) ]; }
until_true more || { cat run.log; fail "no events after the restart"; }
stop
events > events
want "keys after the restart" $((sent + 12)) "$(sed 's/.*"key":"\([^"]*\)".*/\1/' events | sort -u | wc -l)"
"$TW_BIN" trail show --type source.dropped --json --config c.yaml > of
[ ! -s of ] || { cat of; fail "something was dropped"; }
"$TW_BIN" trail verify --config c.yaml > out 2>&1 || { cat out; fail "the trail"; }
