#!/bin/sh
# rules list, show, test, stats, lint, import: what they say of the library and of rules of one's own.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
rules() { "$TW_BIN" rules "$@" > out 2> err; }
cat > own.yml <<'EOF2'
title: Shop login failed
id: 11111111-1111-4111-8111-111111111111
name: shop-failed
logsource: {product: xui}
detection:
    selection: {event.action: login_failed}
    other: {user.name|re: '^ro+t$'}
    condition: selection and not other
---
title: Many shop logins
id: 11111111-1111-4111-8111-111111111112
description: Somebody guesses.
references: [https://example.org/a]
falsepositives: [forgotten passwords]
level: high
tags: [attack.t1110.001]
correlation: {type: event_count, rules: [shop-failed], group-by: [source.ip], timespan: 5m, condition: {gte: 3}}
trailwarden:
    ban: {field: source.ip, for: 1h}
    suppress: 10m
    tests:
        - {name: three, expect: 1, repeat: 3, channel: xui, events: [{event.action: login_failed, source.ip: 203.0.113.5}]}
        - {name: two, expect: silent, repeat: 2, channel: xui, events: [{event.action: login_failed, source.ip: 203.0.113.5}]}
---
title: Not from the office
logsource: {product: xui}
filter:
    rules: [shop-failed]
    office: {source.ip: 198.51.100.1}
    condition: not office
---
title: Windows thing
id: 11111111-1111-4111-8111-111111111114
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
EOF2

# ---- the group itself ----
"$TW_BIN" rules > out 2> err
want "no verb" 2 $?
said err "rules needs a verb: list, show, test, stats, lint, import"
rules lits
want "a wrong verb" 2 $?
said err "did you mean 'list'?"

# ---- list ----
rules list || fail "rules list"
said out "LEVEL"
grep -q '^high  *correlation  *window  *xui  *[0-9] .*xui: more than 5 failed' out || { cat out; fail "a correlation's row"; }
grep -q '^info  *counted  *scan  *xui .*xui-login-failed' out || { cat out; fail "a counted rule's row"; }
all=$(rules list --json; wc -l < out)
rules list --channel xui --json
few=$(wc -l < out)
[ "$few" -gt 3 ] && [ "$few" -lt "$all" ] || fail "--channel: $few of $all"
grep -q '"source":"hysteria"' out && fail "--channel lets others through"
rules list --level high --json
grep -qE '"level":"(low|medium|informational)"' out && fail "--level lets lower ones through"
rules list --limit 2 --json
want "--limit" 2 "$(wc -l < out)"
rules list --level highest
want "a wrong level" 2 $?
rules list --channel nothing
want "a wrong channel" 2 $?
rules list --no-library own.yml || { cat err; fail "own rules"; }
said out "1 never evaluated:"
said out "Windows thing: no channel gives the log source windows/security"
grep -q ' never  *windows/security ' out || { cat out; fail "the lane of what is never evaluated"; }
rules list --no-library own.yml --rule 'Windows thing' --json
want "--rule" 1 "$(wc -l < out)"
said out '"reason":"no channel gives the log source windows/security"'

# ---- show ----
tw_show() { rules show --no-library --rules own.yml "$@"; }
tw_show 'Many shop logins' || { cat err; fail "rules show by title"; }
for text in "own.yml:10" "Somebody guesses." "https://example.org/a" "forgotten passwords" "attack.t1110.001" \
    "counts       Shop login failed (shop-failed)" "ban          {field: source.ip, for: 1h}" "suppress     10m" \
    "tests        2" "group-by     [source.ip]"; do
    said out "$text"
done
tw_show shop-failed || fail "rules show by name"
for text in "counted by   Many shop logins" "filtered by  Not from the office (own.yml:" "all of" \
    "    event.action is login_failed" "user.name matches the regex ^ro+t" "cost         moderate: 3 predicates, 0 keywords, 1 regexes" "lane         scan: a line must hold"; do
    said out "$text"
done
tw_show 11111111-1111-4111-8111-111111111112 || fail "rules show by id"
tw_show 1111
want "an id that several have" 1 $?
said err "several rules have an id that begins with"
tw_show shop-faild
want "no such rule" 1 $?
said err "did you mean 'shop-failed'?"

# ---- test ----
rules test || { cat out; fail "the library's tests"; }
grep -qE '^[0-9]+ tests, 0 failed$' out || { tail -1 out; fail "the count of the library's tests"; }
rules test own.yml || { cat out err; fail "tests of a file"; }
want "tests of a file alone" "2 tests, 0 failed" "$(tail -1 out)"
sed 's/expect: 1,/expect: 2,/' own.yml > wrong.yml
rules test wrong.yml
want "a test that fails" 10 $?
said out "FAILED  three"
said out "wrong.yml:22: expected 2, got 1 alerts"
said out "good  two"
said out "2 tests, 1 failed"
rules test --json wrong.yml
want "a test that fails, as JSON" 10 $?
said out '"good":false,"expected":"2","got":1'
rules test xui-login-failed 'xui: more than 5 failed logins from one address in 5 minutes'
tail -1 out | grep -qE '^[2-9] tests, 0 failed$' || { cat out; fail "by name"; }
rules test --quiet wrong.yml
want "--quiet tells failures only" 3 "$(wc -l < out)"

# ---- stats ----
rules stats || fail "rules stats"
grep -qE "^scan  *cheap  *[0-9]+  *0  *xui-login-failed  *'failed login: username='" out || { cat out; fail "a lane and its literals"; }
grep -E "^field " out && fail "a rule of the library puts its channel in the field lane"
printf 'title: Odd\nname: odd\nlogsource: {product: xui}\ndetection: {s: {message|contains: ab}, condition: s}\n' > field.yml
rules stats --no-library --rules field.yml || fail "rules stats of a file"
grep -qE "^field .*odd  *message: ab: too short" out || { cat out; fail "the field lane"; }
rules stats --json --channel xui "$TW_SOURCE/contrib/samples/xui.log" || { cat err; fail "rules stats of a log"; }
python3 - <<'EOF3' || fail "the numbers of rules stats"
import json
d = json.load(open("out"))
r = {x["name"]: x for x in d["rules"] if x["name"]}
f = r["xui-login-failed"]
assert d["lines"] == d["events"] == 26, d["lines"]
assert f["lane"] == "scan" and f["matches"] <= f["candidates"] < f["lines"] == 26, f
assert f["matches"] == 8, f
assert all(x["missed"] == 0 for x in d["rules"])
assert sum(x["alerts"] for x in d["rules"]) == d["alerts"] > 0
times = [x["time_us"] for x in d["rules"]]
assert times == sorted(times, reverse=True)
EOF3
if [ -d "$TW_SOURCE/../shared/corpus" ]; then
    find "$TW_SOURCE/../shared/corpus" -name '*.log' | sort | while read -r log; do
        rules stats --json "$log" || continue # no format knows it
        grep -q '"missed":[1-9]' out && echo "$log"
    done > missed
    [ ! -s missed ] || { cat missed; fail "the literals of a rule are not in a line that it matches"; }
fi

# ---- lint ----
rules lint --no-library own.yml
want "lint without errors" 0 $?
said err "never evaluated: no channel gives the log source windows/security"
said err "'Windows thing' has no description"
cat > bad.yml <<'EOF2'
title: Bad
id: none
status: test
falsepositive: [none]
logsource: {product: xui}
detection:
    selection: {event.action: loginfailed, user.nam|contains|all: root}
    expensive: {user_agent.original|re: '.*(a+)+b'}
    condition: selection or expensive
tags: [attack.t11, attack.t1110]
---
title: Bad
name: bad
logsource: {product: xui}
detection: {selection: {event.action: login_ok}, condition: selection}
trailwarden: {ban: {field: source.ip, for: 1h}}
---
title: Bad count
correlation: {type: event_count, rules: [bad], group-by: [sorce.ip], timespan: 5m, condition: {gt: 5}}
trailwarden: {ban: {field: source.ip, for: 1h}}
---
title: Worse
status: stabel
tags: [brute]
logsource: {product: xui}
detection: {selection: {event.action: login_ok}, condition: selection}
---
title: Bad filter
logsource: {product: xui}
filter: {rules: any, office: {source.ip: 198.51.100.1}, condition: office}
EOF2
rules lint --no-library bad.yml
want "lint with errors" 10 $?
while read -r text; do said err "$text"; done <<'EOF2'
bad.yml:2:5: warning: the standard wants a UUID as id
'stabel' is no status
did you mean 'stable'?
bad.yml:4:1: warning: unusual key 'falsepositive'
bad.yml:7:31: warning: no format gives the action 'loginfailed'
did you mean 'login_failed'?
bad.yml:7:44: warning: no format and no dictionary has a field 'user.nam'
bad.yml:7:44: warning: 'all' over a single value says nothing
the leading '.*' only costs time
a repetition inside a repeated group can hit the limit of steps
'attack.t11' is no ATT&CK technique
a tag is namespace.name, 'brute' is not
bad.yml:12:8: warning: the title is that of bad.yml:1, too
lines of 'xui' can be forged
no format and no dictionary has a field 'sorce.ip'
the group is not by 'source.ip': whoever sent the last event is banned
a filter without 'not' leaves only what it names
EOF2
rules lint --json --no-library bad.yml
want "lint as JSON" 10 $?
said out '"ok":false'
rules lint || { cat out err; fail "the library has errors"; }

# ---- import ----
mkdir -p set/web set/win
cp own.yml set/win/mixed.yml
cat > set/web/api.yml <<'EOF2'
title: A web thing
id: 11111111-1111-4111-8111-111111111121
author: Somebody Else
logsource: {category: webserver}
detection: {selection: {url.path|contains: /etc/passwd}, condition: selection}
EOF2
cat > set/win/only.yml <<'EOF2'
title: Not for us
id: 11111111-1111-4111-8111-111111111122
logsource: {product: windows}
detection: {selection: {User|expand: '%admins%'}, condition: selection}
EOF2
cat > set/web/old.yml <<'EOF2'
title: Given up
id: 11111111-1111-4111-8111-111111111123
status: deprecated
logsource: {category: webserver}
detection: {selection: {url.path: /x}, condition: selection}
EOF2
echo "a licence" > set/LICENSE
echo "nothing: of ours" > set/web/other.yml
rules import set || { cat err; fail "rules import without --to"; }
said out "6 rules: 5 load, 3 of them are evaluated here"
said out "1 other files are no rules"
said out "%admins% (1 rules)"
said out "2 files would be copied: say where with --to"
rules import set --to mine || { cat err; fail "rules import --to"; }
said out "3 files copied to 'mine'"
want "what was copied" "mine/LICENSE mine/web/api.yml mine/win/mixed.yml" "$(find mine -type f | sort | tr '\n' ' ' | sed 's/ $//')"
said mine/web/api.yml "# Imported from set: web/api.yml"
said mine/web/api.yml "author: Somebody Else"
rules list --no-library mine || { cat err; fail "the copies do not load"; }
rules import set --to mine
said out "0 files copied to 'mine', 3 were there already"
echo "# mine" >> mine/web/api.yml
rules import set --to mine
said out "1 differ there and were kept"
said mine/web/api.yml "# mine"
rules import set --to mine --force || fail "--force"
grep -q "# mine" mine/web/api.yml && fail "--force did not overwrite"
rules import set --to everything --all
want "--all" 4 "$(find everything -name '*.yml' | wc -l)"
for form in cz c; do
    tar -"$form"f set.tar set
    rules import set.tar --to "from-$form" || { cat err; fail "an archive ($form)"; }
    said "from-$form/set/web/api.yml" "# Imported from set.tar: set/web/api.yml"
done
long=$(printf 'd%.0s' $(seq 90))
mkdir -p "deep/$long/$long"
cp set/web/api.yml "deep/$long/$long/"
for format in gnu pax; do
    tar --format=$format -cf deep.tar deep
    rules import deep.tar --to "deep-$format" || { cat err; fail "long names ($format)"; }
    [ -f "deep-$format/deep/$long/$long/api.yml" ] || fail "a long name ($format)"
done
rules import set/web/api.yml --to single || { cat err; fail "one file"; }
[ -f single/api.yml ] || fail "one file is not there"
python3 - <<'EOF3'
import io, tarfile
text = open("set/web/api.yml", "rb").read()
with tarfile.open("evil.tar", "w") as t:
    for name in ("../outside.yml", "/tmp/../abs.yml", "a/../../b/.hidden.yml", "link.yml"):
        i = tarfile.TarInfo(name)
        i.size = len(text)
        t.addfile(i, io.BytesIO(text.replace(b"111121", b"1%05d" % abs(hash(name) % 99999))))
    i = tarfile.TarInfo("symlink.yml")
    i.type, i.linkname = tarfile.SYMTYPE, "/etc/passwd"
    t.addfile(i)
EOF3
mkdir jail
rules import evil.tar --to jail/in || { cat err; fail "a hostile archive"; }
want "nothing outside" "jail/in/a/b/hidden.yml jail/in/link.yml jail/in/outside.yml jail/in/tmp/abs.yml" \
    "$(find jail -type f -o -type l | sort | tr '\n' ' ' | sed 's/ $//')"
[ ! -e outside.yml ] && [ ! -e jail/outside.yml ] || fail "a file was written outside"
head -c 700 set.tar > cut.tar
rules import cut.tar && fail "an archive that is cut short"
said err "the archive is cut short"
tr 's' 'S' < set.tar > damaged.tar
rules import damaged.tar && fail "a damaged archive"
rules import nothing-there && fail "a source that is not there"
if [ -f "$TW_SOURCE/../shared/data/sigmahq.tar.gz" ]; then
    rules import "$TW_SOURCE/../shared/data/sigmahq.tar.gz" --to public || { cat err; fail "the public set"; }
    loaded=$(sed -n 's/.*rules: \([0-9]*\) load.*/\1/p' out)
    [ "$loaded" -gt 3900 ] || { cat out; fail "of the public set only $loaded load"; }
    rules list --no-library public || { cat err; fail "the copies of the public set do not load"; }
fi
exit 0
