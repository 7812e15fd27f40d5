#!/bin/sh
# 3X-UI: logins to the panel, good, bad and too many. Only where it is installed.
. "$(dirname "$0")/lib.sh"
panel=
for file in /usr/local/x-ui/x-ui /usr/bin/x-ui; do
    [ -x $file ] && file -b $file 2>/dev/null | grep -q ELF && panel=$file
done
[ "$panel" ] ||
    out_of_reach "no 3X-UI in /usr/local/x-ui; it is in no Debian archive and no package registry (see the project's own releases)"
need curl curl
need nc netcat-openbsd
need rsyslogd rsyslog
sandbox

syslog_to "$OUT/syslog.log"
export XUI_LOG_FOLDER="$OUT" XUI_DB_FOLDER="$WORK"
"$panel" setting -username admin -password right -port 2053 -webBasePath / >/dev/null
"$panel" run > "$OUT/stdout.log" 2>&1 &
server=$!
wait_for "answer of the panel" nc -z 127.0.0.1 2053
login() { # USER PASSWORD
    jar=$WORK/jar
    token=$(curl -s -c "$jar" http://127.0.0.1:2053/csrf-token | sed -n 's/.*"obj":"\([^"]*\)".*/\1/p')
    curl -s -o /dev/null -b "$jar" -H "X-CSRF-Token: $token" -d "username=$1&password=$2" http://127.0.0.1:2053/login || true
}
login admin right
for _ in 1 2 3 4 5 6; do login root wrong; done
login 'x%0a2026/11/21 01:38:59 INFO - admin logged in successfully, Ip Address: 198.51.100.1' wrong
kill $server
wait $server 2>/dev/null || true
settle
report "$OUT/3xui.log" "$OUT/syslog.log"
