#!/bin/sh
# check: findings in a fixed order however many threads run the tests, and a bar on a terminal alone.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
{
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        cat <<EOF2
title: Rule $i
id: 11111111-1111-4111-8111-1111111111$((i + 10))
logsource: {product: xui}
detection: {selection: {event.action: login_failed, user.name: u$i}, condition: selection}
trailwarden:
    tests:
        - {name: good $i, expect: 1, events: [{event.action: login_failed, user.name: u$i}]}
        - {name: bad $i, expect: $i, repeat: 30, events: [{event.action: login_failed, user.name: u$i}]}
---
EOF2
    done
    cat <<EOF2
title: Counted by others
id: 11111111-1111-4111-8111-111111111199
name: counted
logsource: {product: xui}
detection: {selection: {event.action: login_ok}, condition: selection}
trailwarden:
    tests:
        - {name: its own matches, expect: 2, repeat: 2, events: [{event.action: login_ok}]}
---
title: Counts
id: 11111111-1111-4111-8111-111111111198
correlation: {type: event_count, rules: [counted], timespan: 5m, condition: {gte: 2}}
trailwarden:
    tests:
        - {name: two, expect: fire, repeat: 2, events: [{event.action: login_ok}]}
EOF2
} > rules.yml

"$TW_BIN" check --no-library rules.yml > out 2> first
want "exit code with failed tests" 78 $?
said out "22 rules with 42 tests: faults, see above"
want "failed tests" 20 "$(grep -c "error: test 'bad" first)"
grep "error: test" first | sed "s/.*test 'bad \([0-9]*\)'.*/\1/" > order
want "the order of the rules" "$(seq 20 | tr '\n' ' ')" "$(tr '\n' ' ' < order)"
said first "error: test 'bad 3' of rule 'Rule 3': expected 3, got 30 alerts"
n=0
while [ $n -lt 10 ]; do
    n=$((n + 1))
    "$TW_BIN" check --no-library rules.yml > out2 2> again
    cmp -s first again || { diff first again; fail "another order in run $n"; }
done
if command -v taskset > /dev/null; then
    taskset -c 0 "$TW_BIN" check --no-library rules.yml > out2 2> one || true
    cmp -s first one || { diff first one; fail "one thread says otherwise"; }
    cmp -s out out2 || fail "one thread counts otherwise"
fi
"$TW_BIN" check --no-library --json rules.yml > json 2> err
want "exit code, as JSON" 78 $?
said json '"ok":false'
grep -q 'tests \[' first && fail "a bar off a terminal"

# ---- lists for placeholders ----
cat > names.yaml <<'EOT'
Admins: [root, toor]
EOT
cat > admins.yml <<'EOT'
title: An admin of ours
logsource: {product: xui}
detection: {s: {event.action: login_ok, user.name|expand: '%Admins%'}, condition: s}
level: low
trailwarden:
    tests:
        - {expect: fire, events: [{event.action: login_ok, user.name: toor}]}
        - {expect: silent, events: [{event.action: login_ok, user.name: somebody}]}
EOT
printf 'state: state\nrules: {library: false, paths: [%s/admins.yml], placeholders: [%s/names.yaml]}\n' "$PWD" "$PWD" > lists.yaml
"$TW_BIN" check --config lists.yaml > out 2> err || { cat out err; fail "a list for a placeholder"; }
said out "1 rules with 2 tests: good"
sed 's/, placeholders: .*]}/}/' lists.yaml > nolists.yaml
"$TW_BIN" check --config nolists.yaml > out 2> err
said err "placeholder 'Admins' has no list: the rule is not evaluated"

# ---- on a terminal: the bar is on stderr, and leaves nothing behind ----
"$TW_BIN" check > out 2> err || { cat err; fail "the library"; }
said out "good"
[ ! -s err ] || fail "something on stderr off a terminal"
if command -v script > /dev/null; then
    TERM=xterm script -qec "'$TW_BIN' check --no-library rules.yml" typescript > /dev/null 2>&1
    grep -q 'tests \[' typescript || fail "no bar on a terminal"
    tr '\r' '\n' < typescript | tail -1 | grep -q 'tests \[' && fail "the bar stayed"
    NO_COLOR=1 TERM=xterm script -qec "'$TW_BIN' check --no-library rules.yml" plain > /dev/null 2>&1
    grep -q "$(printf '\033\[[0-9;]*m')" plain && fail "colours in spite of NO_COLOR"
    TERM=dumb script -qec "'$TW_BIN' check --no-library rules.yml" dumb > /dev/null 2>&1
    grep -q 'tests \[' dumb && fail "a bar on a dumb terminal"
fi
exit 0
