#!/bin/sh
# explain goes on past matching: windows after the last of several lines, filters, suppression,
# routes, bans; and moments of the past from the stored signals.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
line() { # MINUTE:SECOND [ADDRESS] [USER]
    printf '2026/11/21 01:%s WARNING - failed login: username="%s", IP="%s", reason="x"\n' "$1" "${3:-root}" "${2:-203.0.113.5}"
}
cat > rules.yml <<'EOF2'
title: Login failed
id: 11111111-1111-4111-8111-111111111111
name: failed
logsource: {product: xui}
detection: {selection: {event.action: login_failed}, condition: selection}
---
title: Guessing
id: 11111111-1111-4111-8111-111111111112
level: high
correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 300s, condition: {gte: 3}}
trailwarden: {ban: {field: source.ip, for: 1h}, suppress: 10m}
---
title: Many users
id: 11111111-1111-4111-8111-111111111113
correlation: {type: value_count, rules: [failed], group-by: [source.ip], timespan: 300s, condition: {field: user.name, gte: 4}}
---
title: Failed and got in
id: 11111111-1111-4111-8111-111111111114
correlation: {type: temporal, rules: [failed, ok], group-by: [source.ip], timespan: 300s}
---
title: Login
id: 11111111-1111-4111-8111-111111111115
name: ok
logsource: {product: xui}
detection: {selection: {event.action: login_ok}, condition: selection}
---
title: Not from the office
logsource: {product: xui}
filter: {rules: [failed], office: {source.ip: 198.51.100.1}, condition: not office}
---
title: Root tried
id: 11111111-1111-4111-8111-111111111116
name: root
level: low
logsource: {product: xui}
detection: {selection: {user.name: toor}, condition: selection}
trailwarden: {suppress: 5m}
EOF2
explain() { "$TW_BIN" explain --no-library --rules rules.yml "$@" > out 2> err; }

# ---- windows ----
{ line 00:00; line 00:10; } | explain || { cat err; fail "two lines"; }
said out "line     the last of 2"
said out "    2 of 3 in 5m from 203.0.113.5; next would be due by 01:05:00"
said out "    1 of 4 different values in 5m from 203.0.113.5; next would be due by 01:05:10"
said out "    1 of 2 rules in 5m from 203.0.113.5; next would be due by 01:05:10; missing: 'Login'"
said out "  no alert"
{ line 00:00; line 00:10; line 00:20 203.0.113.6; } | explain
said out "    1 of 3 in 5m from 203.0.113.6"
{ line 00:00; line 00:10; line 06:00; } | explain
said out "    1 of 3 in 5m from 203.0.113.5; next would be due by 01:11:00"
{ line 00:00; line 00:10; line 00:20; } > three
explain --file three || { cat err; fail "--file"; }
said out "    3 of 3 in 5m from 203.0.113.5; an alert now"
said out "  alert, high: Guessing"
said out "    told      not known: no configuration names receivers"
said out "    suppress  the next of this group not before 01:10:20 (10m)"
{ cat three; line 00:30; } | explain
said out "    4 of 3 in 5m from 203.0.113.5; suppressed until 01:10:20"
said out "  line 3: Guessing, 203.0.113.5"
said out "  no alert"
explain "$(line 00:00)" || fail "a line as argument"
said out "    1 of 3 in 5m from 203.0.113.5"
explain --file three --rule Guessing || fail "--rule"
explain --file nothing && fail "a file that is not there"
explain < /dev/null
want "no line" 2 $?

# ---- filters and suppression ----
line 00:00 198.51.100.1 | explain
said out "rules that a filter kept out"
said out "  Login failed: would match, but a filter removed it"
said out "    filter 'Not from the office' (rules.yml:27)"
grep -q "counted by" out && fail "counted in spite of a filter"
{ line 00:00 203.0.113.7 toor; line 01:00 203.0.113.7 toor; } | explain
said out "  no alert: Root tried: suppressed until 01:05:00, line 1 told it"
printf '2026/11/21 01:00:00 WARNING - failed login: username="root", IP="unknown", reason="x"\n' | explain
said out "    not counted: the event lacks a field of its group-by [source.ip]"

# ---- routes and bans ----
config() { # BANS
    cat > c.yaml <<EOF2
state: $SCRATCH/state
host: x.example
channels:
  xui: {inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}
rules: {paths: [$SCRATCH/rules.yml]}
notifiers:
  ops: {type: file, path: $SCRATCH/ops.jsonl}
  sec: {type: file, path: $SCRATCH/sec.jsonl}
routes:
  - {when: {level: [critical]}, notify: [sec]}
  - {when: {level: [high]}, notify: [sec, ops], continue: true}
  - {notify: [ops]}
bans: $1
EOF2
}
follow() { "$TW_BIN" explain --config c.yaml --file three > out 2> err || { cat err; fail "explain --config"; }; }
config '{backend: dry-run}'
follow
said out "    told      by route 2 of 3: sec, ops"
said out "    told      by route 3 of 3: ops"
grep -q "by route 1" out && fail "a route that does not fit"
said out "    ban       203.0.113.5 for 1h: only written down, bans are dry-run"
config '{backend: command, command: [/bin/true, "{address}"]}'
follow
said out "    ban       203.0.113.5 for 1h: ordered, by 'command'"
config '{backend: command, command: [/bin/true, "{address}"], allow: [203.0.113.0/24]}'
follow
said out "    ban       203.0.113.5 for 1h: refused: allowed by 203.0.113.0/24"
sed -i 's/203\.0\.113\.5/127.0.0.1/' three
follow
said out "    ban       127.0.0.1 for 1h: refused: a special address is never banned"
sed -i '/^bans/d' c.yaml
follow
said out "    ban       127.0.0.1 for 1h: refused: no backend (no bans are configured)"
for s in 00 10 20; do
    printf '2025/06/01 10:00:%s WARNING - wrong username: "admin", password: "x", IP: "203.0.113.81"\n' $s
done > three
config '{backend: dry-run}'
follow
said out "    ban       203.0.113.81 for 1h: refused: forgeable (a stranger can write such a line)"
[ ! -e ops.jsonl ] && [ ! -e state ] || fail "explain did something"
"$TW_BIN" explain --config c.yaml --json --file three > out || fail "--json"
said out '"told":[{"route":2,"receivers":["sec","ops"]},{"route":3,"receivers":["ops"]}],"ban":{"address":"203.0.113.81","for_s":3600,"ordered":false,"dry_run":false,"why":"refused: forgeable'

# ---- the past ----
{ line 00:00; line 00:10; line 00:30 203.0.113.6; line 02:00; line 09:00; } > xui.log
at() { "$TW_BIN" explain --config c.yaml --rule Guessing --at "$@" > out 2> err; }
at 2026-11-21T01:00:20Z
want "nothing was recorded" 5 $?
"$TW_BIN" run --single --once --quiet --config c.yaml > out 2>&1 || { cat out; fail "run"; }
at 2026-11-21T01:00:20Z || { cat err; fail "--at"; }
said out "    2 of 3 in 5m from 203.0.113.5; next would be due by 01:05:00"
grep -q 203.0.113.6 out && fail "the future is in the past"
at 2026-11-21T01:00:40Z
said out "    1 of 3 in 5m from 203.0.113.6"
at 2026-11-21T01:02:30Z --group 203.0.113.5
said out "    3 of 3 in 5m from 203.0.113.5"
grep -q 203.0.113.6 out && fail "--group lets others through"
want "events of the group" 3 "$(grep -c 'failed login: username=' out)"
said out "  alert at 2026-11-21T01:02:00"
at 2026-11-21T01:07:30Z
said out "  nothing in the window"
at 2026-11-21T01:09:30Z --json
said out '"group":"203.0.113.5","span_s":300,"unit":"events","count":1,"need":3'
"$TW_BIN" explain --config c.yaml --rule failed --at 30m > out 2> err
want "a rule without a window" 1 $?
at yesterday
want "a time that is none" 2 $?
"$TW_BIN" explain --config c.yaml --at 30m > out 2> err
want "--at without a rule" 2 $?
exit 0
