#!/bin/sh
# Files that are no logs: each with its message and the state afterwards.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
tw() { "$TW_BIN" "$@" > out 2> err; }

tw replay --channel xui missing.log && fail "a missing file was fine"
said err "missing.log"
said err "does not exist"

mkdir folder
tw replay --channel xui folder && fail "a directory was fine"
said err "folder"

: > empty.log
tw replay --channel xui empty.log || { cat err; fail "an empty file is no fault"; }
said out "0 alerts from 0 lines"

if [ "$(id -u)" != 0 ]; then
    echo x > secret.log
    chmod 000 secret.log
    tw replay --channel xui secret.log && fail "an unreadable file was fine"
    said err "Permission denied"
fi

head -c 100000 /dev/zero > binary.log
tw replay --channel xui binary.log
said err "binary.log"

# What a stranger gives as his name looks like the beginning of an object: each record stays one.
for name in 'x {' 'x {"y' 'a\\ {"b":{"c' '} {"'; do
    for context in ' {"email":"a@example.com"}' ''; do
        i=0
        while [ $i -lt 10 ]; do
            printf '[2026-11-21 01:41:3%d] production.INFO: Failed login attempt %s%s \n' $i "$name" "$context"
            i=$((i + 1))
        done > text.log
        tw replay --channel laravel text.log
        [ -z "$context" ] || said out " from 10 lines (" || { cat out; fail "text: '$name'"; }
        [ -z "$context" ] || said out ", 10 events, "
    done
    name=$(printf %s "$name" | sed 's/\\/\\\\/g; s/"/\\"/g')
    i=0
    while [ $i -lt 10 ]; do
        printf '{"message":"Failed login attempt","context":{"email":"%s","ip":"203.0.113.66"},"level":300,"level_name":"WARNING","channel":"production","datetime":"2026-11-21T01:41:3%d.000000+00:00","extra":{}}\n' "$name" $i
        i=$((i + 1))
    done > json.log
    tw replay --channel laravel json.log
    said out ", 10 events, 0 unparsed"
done

# A line of 100 MB: read to its end in bounded memory, marked, and what follows is read.
{ head -c 100000000 /dev/zero | tr '\0' 'x'; echo
  for i in 1 2 3 4 5 6; do echo "2026/11/21 01:38:0$i WARNING - failed login: username=\"root\", IP=\"203.0.113.66\", reason=\"invalid credentials\""; done
} > long.log
if command -v prlimit >/dev/null && ! grep -q fsanitize "${TW_BUILD:-.}/Makefile"; then
    prlimit --as=400000000 "$TW_BIN" replay --channel xui --json long.log > out 2> err || { cat err; fail "a long line"; }
else
    tw replay --channel xui --json long.log || { cat err; fail "a long line"; }
fi
said out '"value":"203.0.113.66"'

# Hostile bytes inside lines reach no terminal.
printf '2026/11/21 01:38:01 WARNING - Unauthorized WebSocket connection attempt from 203.0.113.69\n\033[2J\033]0;pwned\007\n' > esc.log
tw replay --channel xui esc.log || fail "escape sequences"
grep -q "$(printf '\033')" out && fail "an escape byte reached the output"

# A broken rule: all faults at once, with place and suggestion, exit 78.
cat > bad.yml <<'EOF'
title: Broken
id: 11111111-2222-4333-8444-555555555555
logsource: {product: xui}
detection:
    selection:
        event.action|startwith: login
        user.name|re: '(unclosed'
    condition: selektion
level: hihg
EOF
"$TW_BIN" check bad.yml > out 2> err
want "exit of check" 78 $?
said err "bad.yml:6:22: error: unknown modifier 'startwith'"
said err "did you mean 'startswith'?"
said err "bad.yml:9:8: error: 'hihg' is no level"
said err "did you mean 'high'?"

cat > bad.yaml <<'EOF'
channels:
  xray:
    inputs:
      - {type: fiel, path: /tmp/x}
  nosuch:
    inputs: [{type: file, path: /tmp/y}]
notifers: {}
EOF
"$TW_BIN" check --config bad.yaml > out 2> err
want "exit of check" 78 $?
said err "bad.yaml:4:16: error: unknown type of input 'fiel'"
said err "did you mean 'file'?"
said err "no format is called 'nosuch'"
said err "unknown key 'notifers'"
said err "did you mean 'notifiers'?"
cat > syslog.yaml <<'EOF'
channels:
  xui:
    inputs:
      - {type: syslog, listen: "udp:nowhere:99999"}
      - {type: syslog, listen: "tcp:127.0.0.1:5514", senders: [300.1.1.1]}
EOF
"$TW_BIN" check --config syslog.yaml > /dev/null 2> err
want "exit of check with a wrong address" 78 $?
said err "syslog.yaml:4:10: error: listen 'udp:nowhere:99999'"
said err "syslog.yaml:5:10: error: senders: '300.1.1.1' is no address"
printf 'a: [1\nb: 2\n' > worse.yaml
"$TW_BIN" check --config worse.yaml > out 2> err
want "exit for bad YAML" 78 $?
said err "worse.yaml:"
"$TW_BIN" check --config "$SCRATCH" > out 2> err
want "exit for a folder" 78 $?
said err "directory"

# A missing log of a running daemon is told once and waited for.
cat > c.yaml <<EOF
state: $SCRATCH/state
channels: {xui: {inputs: [{type: file, path: $SCRATCH/later.log, from: begin}]}}
EOF
tw run --once --config c.yaml || { cat err; fail "a log that is not there yet"; }
cp long.log later.log
sed -i 1d later.log
tw run --once --config c.yaml || { cat err; fail "the log that came later"; }
"$TW_BIN" alerts list --config c.yaml --fail-empty > out || fail "no alert of the log that came later"
echo good

# Values that make an expression give up: the rule rests, which is told, and the other rules go on.
cat > slow.yml <<'EOF2'
title: Slow expression
id: 5b0c3c5e-0000-4000-8000-000000000001
logsource: {product: xui}
detection: {s: {user.name|re: '^(a+)+$'}, condition: s}
EOF2
bad=$(printf %0300d 0 | tr 0 a)!
for _ in $(seq 150); do
    echo "2026/11/21 01:38:06 WARNING - failed login: username=\"$bad\", IP=\"203.0.113.66\", reason=\"invalid credentials\""
done > slow.log
cat > slow.yaml <<EOF2
state: $SCRATCH/slow
rules: {paths: [$SCRATCH/slow.yml]}
channels: {xui: {inputs: [{type: file, path: $SCRATCH/slow.log, from: begin}]}}
EOF2
tw run --once --quiet --config slow.yaml || { cat err; fail "a slow expression"; }
tw alerts list --json --limit 1000 --config slow.yaml
want "alerts of a rule that rests" 1 "$(grep -c '"id":"37d65cfb-0072-5911-816e-f5deb64d4b40"' out)"
said out 'Slow expression'
grep -q rule.rests slow/trail/log/* || fail "no entry says that a rule rests"
