#!/bin/sh
# Routes, what calms them, and manners of receivers: every fault is told at once, and `notify route`
# says who would hear of an alert, when, and why not the others.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
LC_ALL=C
export LC_ALL

# ---- faults, all at once, with their places ----
cat > bad.yaml <<'EOF'
notifiers:
  ops: {type: file, path: /tmp/o, quiet: "22-7", rate: 20, digest_over: many, rule_rate: 3/0s}
  mail: {type: file, path: /tmp/m, qiet: x, zone: Europe/Berlinn, quiet: "22:00-07:00"}
  broken: {type: fiel}
routes:
  - {when: {level: hihg, field: {source.ip: 10.0.0.1/8, user.nmae: [a]}}, notify: [opss, broken]}
  - {notify: ops, group: [chanel], escalate: [{after: 5m, notify: bos}, {after: 5m, notify: ops}]}
  - {notify: ops, wait: 3s, escalate: 5}
  - {when: {field: {a: []}}, notify: ops, continu: true}
priorities: {critical: [osp], hgh: ops}
inhibit:
  - {source: {rule: a}}
  - {source: {rule: ""}, target: {level: l}, equal: [source.pi]}
maintenance:
  - {hours: "Mo 3:00-4:00"}
  - {from: 2026-01-01, until: 2026-01-01T00:00:00Z}
  - {from: 2026-01-01T00:00:00Z, until: 2025-01-01T00:00:00Z}
  - {hours: Sat, from: 2026-01-01T00:00:00Z}
digests:
  - {every: month, notify: ops}
  - {at: "25:00", day: Mon, notify: osp, zone: X/Y}
  - {every: week, day: Mo, notify: ops}
EOF
"$TW_BIN" check --config bad.yaml > out 2> faults
want "exit code of a bad configuration" 78 $?
while read -r fault; do
    said faults "bad.yaml:$fault"
done <<'EOF'
2:42: error: '22-7' are no times: write 22:00-07:00, Mon-Fri 18:00-08:00 or Sat,Sun
2:56: error: '20' is no rate: write it like 20/1m
2:73: error: 'many' is neither a number from 1 to 1000000 nor never
2:90: error: '3/0s' is no rate
3:36: error: unknown key 'qiet'
3:51: error: no time zone is called 'Europe/Berlinn'
4:18: error: unknown type of notifier 'fiel'
6:20: error: unknown level 'hihg'
6:45: error: '10.0.0.1/8' has host bits set
6:57: warning: nothing known is called 'user.nmae'
6:84: error: unknown receiver 'opss'
7:27: warning: nothing known is called 'chanel'
7:67: error: unknown receiver 'bos'
7:74: error: each step of an escalation is later than the one before it
8:6: warning: wait and interval do nothing without a group
8:29: error: escalate must be a list of at most 8
9:21: error: no values: an empty list fits nothing
9:43: error: unknown key 'continu'
10:1: error: there are routes and priorities
10:25: error: unknown receiver 'osp'
10:31: error: unknown key 'hgh'
12:6: error: 'target' is missing
13:21: error: an empty text fits nothing
13:42: error: unknown level 'l'
13:54: warning: nothing known is called 'source.pi'
15:13: error: 'Mo 3:00-4:00' are no times
16:12: error: '2026-01-01' is no time with a zone
17:41: error: it ends before it begins
18:6: error: maintenance needs hours, or a time from which and one until which it lasts
20:13: error: 'every' does not know 'month'
21:10: error: '25:00' is no time of day
21:19: error: a day is for a weekly one
21:37: error: unknown receiver 'osp'
21:48: error: no time zone is called 'X/Y'
22:24: error: 'Mo' is no day
EOF
for hint in quiet file high user.name ops channel boss continue source.ip; do
    [ $hint = boss ] || said faults "did you mean '$hint'?"
done
want "findings" 35 "$(grep -c '^bad.yaml:' faults)"
grep -q "unknown receiver 'broken'" faults && fail "a receiver with a fault of its own is known"

# ---- who hears of it ----
cat > good.yaml <<EOF
rules: {library: false}
notifiers:
  ops: {type: file, path: $SCRATCH/ops}
  sms: {type: file, path: $SCRATCH/sms}
  mail: {type: file, path: $SCRATCH/mail, quiet: "22:00-07:00", zone: Europe/Berlin}
  boss: {type: file, path: $SCRATCH/boss}
routes:
  - {name: vip, when: {level: critical}, notify: [ops, sms], repeat: 4h, continue: true,
     escalate: [{after: 15m, notify: boss}, {after: 8h, notify: [boss, mail]}]}
  - {when: {level: high, rule: "xray-*", field: {source.ip: 203.0.113.0/24}}, notify: [ops, mail],
     group: [rule, source.ip], wait: 30s, resolved: false}
  - {when: {channel: openvpn}, notify: ops}
  - {when: {level: [critical, medium]}, notify: [mail, ops], group: channel, interval: 1h}
inhibit:
  - {name: outage, source: {level: critical}, target: {level: [high, medium]}, equal: source.ip}
maintenance:
  - {name: sundays, hours: "Sun 02:00-04:00", zone: Europe/Berlin}
EOF
cat > high.json <<'EOF'
{"rule": {"id": "xray-login-failed", "title": "Failed \u001b[2Jlogins"}, "level": "high", "channel": "xray",
 "group": [{"name": "source.ip", "value": "203.0.113.7"}]}
EOF
route() { # FILE TIME CODE: the answer in `out`
    "$TW_BIN" notify route --config good.yaml --at "$2" "$1" > out 2> err
    want "exit code for $1 at $2" "$3" $?
}
route high.json 2026-11-21T21:30:00Z 0
cat > expected <<'EOF'
[high] Failed \x1b[2Jlogins
  rule xray-login-failed, channel xray, source.ip=203.0.113.7
  as of 2026-11-21 21:30 UTC
  inhibition 'outage': held back while an alert is open that fits: level critical; with source.ip=203.0.113.7
  -  vip: level is high, not critical
  +  routes[1]: level high, rule xray-*, source.ip 203.0.113.0/24
    told       ops, mail (quiet until 2026-11-22 07:00 Europe/Berlin)
    group      rule=xray-login-failed source.ip=203.0.113.7
    when       the first waits 30s for others; the group is told at most every 5m
    its end    is not told
  -  routes[2]: not asked, an earlier route took it
  -  routes[3]: not asked, an earlier route took it
EOF
diff expected out || fail "the answer for a high alert"

sed 's/"high"/"critical"/' high.json > critical.json
route critical.json 2026-11-21T21:30:00Z 0 # critical ones come at any hour
cat > expected <<'EOF'
  +  vip: level critical; the next ones are asked, too
    told       ops, sms
    group      none: it goes alone
    when       one incident at most every 4h
    after 15m  boss, unless somebody acknowledges it
    after 8h   boss, mail, unless somebody acknowledges it
    its end    is told, too
  -  routes[1]: level is critical, not high
  -  routes[2]: channel is xray, not openvpn
  +  routes[3]: level critical or medium
    told       mail; already by another route: ops
    group      channel=xray
    when       the group is told at most every 1h
    its end    is told, too
EOF
tail -n +4 out | diff expected - || fail "the answer for a critical alert"

sed 's/203/198/' high.json > other.json
route other.json 2026-11-21T12:00:00Z 10
said out "routes[1]: source.ip is 198.0.113.7, not 203.0.113.0/24"
said out "nobody hears of it"
route high.json 2026-11-22T01:00:00Z 10 # 02:00 in Berlin
said out "maintenance 'sundays' until 2026-11-22 04:00 Europe/Berlin: nobody is told"
route high.json 2026-11-22T00:59:59Z 0
route high.json 2026-11-22T03:00:00Z 0
cat high.json > several
echo '{"rule":{"id":"a"},"level":"medium"}' | tee -a one > two
tr -d '\n' < high.json > several && echo >> several && cat one >> several
"$TW_BIN" notify route --config good.yaml --at 2026-11-21T12:00:00Z - < several > out || fail "several alerts"
want "alerts" 2 "$(grep -c '^\[' out)"

# A rule that names its receivers itself; without routes everyone hears of it.
cat > own.yml <<'EOF'
title: Own
id: 11111111-1111-4111-8111-111111111111
logsource: {product: xui}
detection: {selection: {event.action: login_failed}, condition: selection}
trailwarden: {notify: [boss, nobody]}
EOF
{ sed 1d good.yaml; echo "rules: {library: false, paths: [$SCRATCH/own.yml]}"; } > own.yaml
echo '{"rule":{"id":"11111111-1111-4111-8111-111111111111"},"level":"low"}' > own.json
"$TW_BIN" notify route --config own.yaml --at 2026-11-21T12:00:00Z own.json > out || fail "a rule with receivers of its own"
said out "the rule names its receivers itself, no route is asked"
said out "told       boss"
sed '/^routes/,$d' good.yaml > without.yaml
"$TW_BIN" notify route --config without.yaml --at 2026-11-21T12:00:00Z own.json > out || fail "without routes"
said out "there are no routes: everyone hears of everything"
said out "told       ops, sms, mail"

# What is no alert, and what was not asked properly.
for bad in '' '[]' '{' '{"rule":{"id":"x"}}' '{"rule":{"id":"x"},"level":"hihg"}' '{"level":"high"}' \
    '{"rule":{"id":"x"},"level":"high","group":[1]}' '{"rule":{"id":"x"},"level":"high","id":"x"}'; do
    echo "$bad" | "$TW_BIN" notify route --config good.yaml - > out 2> err
    want "exit code for '$bad'" 1 $?
    [ -s err ] || fail "nothing said about '$bad'"
done
"$TW_BIN" notify route --config good.yaml missing.json 2> err && fail "a file that is not there"
said err "missing.json"
for args in "" "--tree high.json" "high.json high.json" "--at now high.json"; do
    # shellcheck disable=SC2086
    "$TW_BIN" notify route --config good.yaml $args > out 2> err
    want "exit code for '$args'" 2 $?
done

# ---- the tree ----
"$TW_BIN" notify route --config good.yaml --tree > out || fail "a tree"
cat > expected <<'EOF'
alerts
|- vip: level critical; the next ones are asked, too
|  |- one incident at most every 4h
|  |- ops, sms
|  |- after 15m: boss
|  `- after 8h: boss, mail (quiet 22:00-07:00 Europe/Berlin)
|- routes[1]: level high, rule xray-*, source.ip 203.0.113.0/24
|  |- by rule, source.ip: the first waits 30s for others; the group is told at most every 5m
|  `- ops, mail (quiet 22:00-07:00 Europe/Berlin)
|- routes[2]: channel openvpn
|  `- ops
|- routes[3]: level critical or medium
|  |- by channel: the group is told at most every 1h
|  `- mail (quiet 22:00-07:00 Europe/Berlin), ops
`- any other: nobody
EOF
diff expected out || fail "the tree"
LC_ALL=C.UTF-8 "$TW_BIN" notify route --config good.yaml --tree > out || fail "a tree of lines"
said out "└─ any other: nobody"
cat > priorities.yaml <<EOF
rules: {library: false}
notifiers: {ops: {type: file, path: $SCRATCH/ops}, sms: {type: file, path: $SCRATCH/sms}}
priorities: {low: ops, critical: [ops, sms], high: [ops], medium: ops, informational: []}
EOF
"$TW_BIN" notify route --config priorities.yaml --tree > out || fail "a tree of priorities"
cat > expected <<'EOF'
alerts
|- priorities.critical: level critical
|  `- ops, sms
|- priorities.high: level high
|  `- ops
|- priorities.medium: level medium
|  `- ops
|- priorities.low: level low
|  `- ops
`- priorities.informational: level informational
   `- nobody
EOF
diff expected out || fail "the tree of priorities"
echo '{"rule":{"id":"x"},"level":"informational"}' > info.json
"$TW_BIN" notify route --config priorities.yaml info.json > out
want "exit code when a level goes to nobody" 10 $?
