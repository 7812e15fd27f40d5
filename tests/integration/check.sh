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

# ---- rules that have every line parsed ----
"$TW_BIN" check > out 2> err || { cat err; fail "the library alone"; }
grep -q "every line" err && fail "a rule of the library"
if ldd "$TW_BIN" | grep -q 'libhs\.'; then # without Vectorscan every line is parsed anyway
    cat > field.yml <<'EOT'
title: Short
logsource: {product: xui}
detection:
    s: {message|contains: ab}
    condition: s
---
title: Long
logsource: {product: xui}
detection:
    s: {message|contains: abcd}
    condition: s
---
title: Not alone
logsource: {category: webserver}
detection:
    s: {user.name|exists: true}
    condition: s
EOT
    "$TW_BIN" check field.yml > out 2> err || fail "a warning is no error"
    want "warnings of lanes" 2 "$(grep -c 'every line of' err)"
    said err "field.yml:3:1: warning: rule 'Short' has every line of 'xui' parsed, for it has no literal: message: ab: too short"
    said err "^~~~~~~~~ ask also for a text of 4 or more bytes that every match holds"
    said err "field.yml:15:1: warning: rule 'Not alone' has every line of 'api', 'nginx', 'waf' parsed"
    "$TW_BIN" check --quiet field.yml > out 2> err || fail "check --quiet"
    want "--quiet says errors only" 0 "$(wc -c < err)"
    "$TW_BIN" check --json field.yml > out 2> err || fail "check --json"
    said out '"ok":true'
    said out '"level":"warning","file":"field.yml","line":3,"column":1,"message":"rule '
    n=0
    while [ $n -lt 40 ]; do
        n=$((n + 1))
        printf 'title: Short %d\nlogsource: {product: xui}\ndetection: {s: {message|contains: ab}, condition: s}\n---\n' $n
    done > many.yml
    "$TW_BIN" check many.yml > out 2> err || fail "many warnings"
    want "not all of many" 10 "$(grep -c 'has every line of' err)"
    said err "30 more rules have every line of a channel parsed"
    # only channels that are followed by their lines; keywords where places are looked up
    printf 'title: Word\nlogsource: {product: xui}\ndetection: {s: [hello-word], condition: s}\n' > word.yml
    check_with() { # CHANNELS, LINE...
        {
            printf 'state: state\nrules: {library: false, paths: [%s/field.yml, %s/word.yml]}\n' "$PWD" "$PWD"
            printf '%s\n' "$@"
        } > lanes.yaml
        "$TW_BIN" check --config lanes.yaml > out 2> err || { cat out err; fail "check of a configuration"; }
        grep -c 'every line of' err
    }
    file="inputs: [{type: file, path: $PWD/x.log}]"
    want "one channel" 1 "$(check_with 'channels:' "  xui: {$file}")"
    want "both" 2 "$(check_with 'channels:' "  xui: {$file}" "  nginx: {$file}")"
    want "a journal" 0 "$(check_with 'channels:' '  xui: {inputs: [{type: journald}]}')"
    want "all is audited" 0 "$(check_with 'channels:' "  xui: {$file, audit: all}")"
    want "the name of a service" 2 "$(check_with 'channels:' "  xui: {inputs: [{type: file, path: $PWD/x.log, service: hello-word}]}")"
    places=$TW_SOURCE/../shared/data/mmdb/test-data/GeoLite2-City-Test.mmdb
    if [ -r "$places" ]; then
        want "places" 2 "$(check_with "geo: {database: ['$places']}" 'channels:' "  xui: {$file}")"
        said err "'Word' has every line of 'xui' parsed, for it has no literal: hello-word: it may come from the place of an address"
    fi
fi

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
