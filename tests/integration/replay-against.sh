#!/bin/sh
# replay --against: what another rule set would have told otherwise, alert by alert and in sum.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
for i in 1 2 3 4 5 6; do
    printf '2026/11/21 01:0%s:00 WARNING - failed login: username="root", IP="203.0.113.5", reason="x"\n' $i
done > xui.log
printf '2026/11/21 01:09:00 INFO - admin logged in successfully, Ip Address: 198.51.100.7\n' >> xui.log
cat > old.yml <<'EOF2'
title: Failed
id: 11111111-1111-4111-8111-111111111111
name: f
logsource: {product: xui}
detection: {selection: {event.action: login_failed}, condition: selection}
---
title: Many
id: 11111111-1111-4111-8111-111111111112
level: medium
correlation: {type: event_count, rules: [f], group-by: [source.ip], timespan: 10m, condition: {gte: 6}}
---
title: Admin
id: 11111111-1111-4111-8111-111111111113
level: medium
logsource: {product: xui}
detection: {selection: {event.action: login_ok}, condition: selection}
---
title: Gone
id: 11111111-1111-4111-8111-111111111114
logsource: {product: xui}
detection: {selection: {user.name: admin}, condition: selection}
EOF2
sed -e 's/gte: 6/gte: 3/' -e '/^title: Gone/,$d' -e 's/^title: Admin$/title: Admin renamed/' old.yml | sed '$d' > new.yml
replay() { "$TW_BIN" replay --no-library "$@" > out 2> err; }

replay --rules old.yml --against old.yml --fail-on-change xui.log || { cat err; fail "the same rules differ"; }
said out "3 alerts as before, 0 new (+), 0 gone (-), 0 of another level or ban (~)"
sed 's/^title: Failed$/title: Another word/' old.yml > same.yml
replay --rules same.yml --against old.yml --fail-on-change xui.log || { cat out; fail "another digest is no other alert"; }

replay --rules new.yml --against old.yml xui.log || { cat err; fail "replay --against"; }
grep -qE '^\+  2026-11-21T01:03:00Z  medium  xui  +3 +203.0.113.5 +Many$' out || { cat out; fail "what is new"; }
grep -qE '^-  2026-11-21T01:06:00Z  medium  xui  +6 +203.0.113.5 +Many$' out || { cat out; fail "what is gone"; }
grep -qE '^-  2026-11-21T01:09:00Z .* Gone$' out || { cat out; fail "a rule that is gone"; }
grep -qE '^1 +1 +1 +1 +0 +Many$' out || { cat out; fail "the sum of a rule"; }
grep -qE '^1 +0 +0 +1 +0 +Gone$' out || { cat out; fail "the sum of a rule that is gone"; }
said out "1 alerts as before, 1 new (+), 2 gone (-), 0 of another level or ban (~)"
replay --rules new.yml --against old.yml --fail-on-change --quiet xui.log
want "--fail-on-change" 10 $?
want "--quiet" 1 "$(wc -l < out)"

sed '/^title: Admin/,/^level/s/level: medium/level: high/' old.yml > louder.yml
replay --rules louder.yml --against old.yml --fail-on-change xui.log
want "another level" 10 $?
grep -qE '^~  2026-11-21T01:09:00Z  high .* Admin$' out || { cat out; fail "another level"; }

replay --rules new.yml --against old.yml --json xui.log || fail "--json"
want "lines of JSON" 4 "$(wc -l < out)"
want "gone, as JSON" 2 "$(grep -c '^{"change":"removed","alert":{"version":1' out)"
tail -1 out > last
said last '{"change":"summary","added":1,"removed":2,"changed":0,"same":1'

# What `replay` tells with each set alone is what is compared.
sum() { "$TW_BIN" replay --no-library --rules "$1" --json xui.log | wc -l; }
want "before" 3 "$(sum old.yml)"
want "after" 2 "$(sum new.yml)"
echo "title: broken" > broken.yml
replay --rules new.yml --against broken.yml xui.log
want "broken rules" 78 $?
exit 0
