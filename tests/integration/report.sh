#!/bin/sh
# Reports over a real trail: all kinds and forms, made again to the byte, edits seen, figures counted by another program.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
S=$TW_SOURCE/contrib/samples
cat > c.yaml <<EOF2
state: $SCRATCH/state
host: t.example
channels:
  xui: {audit: all, inputs: [{type: file, path: $S/xui.log, from: begin}]}
  laravel: {audit: all, inputs: [{type: file, path: $S/laravel.log, from: begin}]}
  openvpn: {inputs: [{type: file, path: $S/openvpn.log, from: begin}]}
  api: {audit: all, inputs: [{type: file, path: $S/api.log, from: begin}]}
notifiers:
  out: {type: file, path: $SCRATCH/alerts.jsonl}
EOF2
"$TW_BIN" run --once --quiet --config c.yaml || fail "run"
report() { "$TW_BIN" report "$@" --config c.yaml; }
NOVEMBER="--from 2026-11-01 --to 2026-11-30"
mkdir out

# Each kind in each form, and each of them again.
forms="text html json"
# shellcheck disable=SC2086
if report security $NOVEMBER --format pdf --out probe.pdf -q 2> err; then forms="$forms pdf"; else said err "built"; fi
for kind in security "compliance --standard pci-dss" capacity access-review "user user=root"; do
    for form in $forms; do
        # shellcheck disable=SC2086
        report $kind $NOVEMBER --format $form --out out > list 2> err || { cat err; fail "$kind as $form"; }
    done
done
# shellcheck disable=SC2086
report compliance --standard nist-800-53 $NOVEMBER --format oscal --out out 2> err || fail "OSCAL"
said err "is not noted in the trail: no daemon runs on it"
# shellcheck disable=SC2086
report security $NOVEMBER --format csv --out out 2> err || fail "CSV"
[ -L out/security-latest.html ] || fail "no link to the latest"
cmp -s out/security-latest.html out/security-2026-11-01..2026-11-30.html || fail "the link leads elsewhere"
n=0
for f in out/*2026*; do
    case $f in *.csv.json) continue ;; *rules.csv | *levels.csv) ;; *.csv) continue ;; esac
    "$TW_BIN" report verify "$f" --trail state/trail > told || { cat told; fail "$f does not verify"; }
    said told "come to exactly this report"
    n=$((n + 1))
done
[ $n -ge 18 ] || fail "only $n files"
"$TW_BIN" report verify --help | grep -q vkey || fail "no --vkey"

# The same command gives the same bytes; other zones and channels are other reports.
# shellcheck disable=SC2086
report security $NOVEMBER --format json -q > one && report security $NOVEMBER --format json -q > two
cmp -s one two || fail "the same command gave other bytes"
# shellcheck disable=SC2086
report security $NOVEMBER --tz Europe/Berlin --format text -q > berlin
said berlin "(Europe/Berlin)"
# shellcheck disable=SC2086
report security $NOVEMBER --channel openvpn --format json -q > openvpn
python3 -c 'import json; r = json.load(open("openvpn")); b = [b for s in r["sections"] for b in s["blocks"] if b["name"] == "rules"][0]
assert b["rows"] and {x["cells"]["channel"]["text"] for x in b["rows"]} == {"openvpn"}' || fail "another channel"

# Another program counts the same.
python3 "$TW_SOURCE/tests/integration/report.py" state/trail one || fail "figures"

# A file that was edited, and a trail that was.
for f in html json txt; do
    sed '0,/203.0.113.66/s//203.0.113.65/' "out/security-2026-11-01..2026-11-30.$f" > "edited.$f"
    "$TW_BIN" report verify "edited.$f" --trail state/trail > told
    want "an edited $f" 10 $?
    said told "DIFFERS from what the trail says, first at byte"
    said told "203.0.113.65"
done
sed '0,/login/s//logon/' out/security-2026-11-01..2026-11-30.rules.csv > "out/security-2026-11-01..2026-11-30.rulez.csv"
"$TW_BIN" report verify "out/security-2026-11-01..2026-11-30.rulez.csv" --trail state/trail > told
want "an edited table" 10 $?
"$TW_BIN" report verify c.yaml --trail state/trail 2> err; want "a file that is no report" 1 $?
"$TW_BIN" report verify one --trail state/trail --vkey other > told 2> err; want "another key" 10 $?
cp -a state/trail edited-trail
sed '0,/"level":"high"/s//"level":"low"/' state/trail/log/00000000000000000000.jsonl > edited-trail/log/00000000000000000000.jsonl
"$TW_BIN" report verify one --trail edited-trail > told 2> err; want "an edited trail" 10 $?
said err "the trail does not verify: EDITED"
# shellcheck disable=SC2086
"$TW_BIN" report security $NOVEMBER --trail edited-trail > told 2> err; want "a report of an edited trail" 10 $?

# The trail goes on: what was made is still what it says, and the daemon notes what is made.
"$TW_BIN" run --config c.yaml > run.log 2>&1 &
daemon=$!
wait_for() { # TEXT CONDITION...
    text=$1
    shift
    n=0
    until "$@" > /dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 300 ] || { cat run.log; fail "never: $text"; }
        sleep 0.1
    done
}
noted() { report security 2026-11 --format html --out noted.html 2> err && ! grep -q 'not noted' err; }
wait_for "a report that is noted" noted
digest=$(sha256sum noted.html | cut -d' ' -f1)
wait_for "its entry" grep -q "\"type\":\"report.made\".*\"digest\":\"$digest\"" state/trail/log/*.jsonl
"$TW_BIN" report verify noted.html --trail state/trail > told || { cat told; fail "a report beside the daemon"; }
said told "that it was made is entry"
kill "$daemon"
wait "$daemon"
report access-review 2026-11 --json -q > review
said review "form html, digest $digest"
"$TW_BIN" report verify one --trail state/trail > told || { cat told; fail "after the trail went on"; }

# With a person erased it is not what it says, and why is told.
"$TW_BIN" trail erase --subject user=root --reason test --yes --config c.yaml > told 2>&1 ||
    "$TW_BIN" trail erase --subject user=root --reason test --config c.yaml > told 2>&1 || { cat told; fail "erase"; }
"$TW_BIN" report verify one --trail state/trail > told; want "after an erasure" 10 $?
said told "personal values were erased since it was made"
# shellcheck disable=SC2086
report user user=root $NOVEMBER -q > held
grep -q 'Values  *0' held || fail "something is still held"
# shellcheck disable=SC2086
report security $NOVEMBER -q > erased
said erased "(erased)"

# By mail: the attachment is the file, whole.
printf '#!/bin/sh\ncat > "%s/mail"\n' "$SCRATCH" > sendmail
chmod +x sendmail
SENDMAIL=$SCRATCH/sendmail sh "$TW_SOURCE/contrib/reports/trailwarden-mail-report" out/security-latest.html a@example.org || fail "mail"
python3 -c 'import email, email.policy
m = email.message_from_binary_file(open("mail", "rb"), policy=email.policy.default)
a = list(m.iter_attachments())
assert m["To"] == "a@example.org" and len(a) == 1 and a[0].get_filename() == "security-2026-11-01..2026-11-30.html", a
assert a[0].get_payload(decode=True) == open("out/security-latest.html", "rb").read()' || fail "what was mailed"
rm mail
REPORT_TO='' SENDMAIL=$SCRATCH/sendmail sh "$TW_SOURCE/contrib/reports/trailwarden-mail-report" out/security-latest.html || fail "nobody to mail to"
[ ! -f mail ] || fail "a mail to nobody"

# Words that are wrong.
report 2> err; want "no kind" 2 $?
said err "report needs a kind: security, compliance, capacity, access-review, user"
report securty 2> err; want "a wrong kind" 2 $?
said err "did you mean 'security'?"
report compliance --standard pci-3 2> err; want "an unknown standard" 2 $?
report security last-moth 2> err; want "a wrong period" 2 $?
report security --from 2026-11-02 --to 2026-11-01 2> err; want "a period that ends first" 2 $?
report security --tz Nowhere 2> err; want "an unknown zone" 2 $?
report user 2> err; want "nobody" 2 $?
report security --format csv 2> err; want "CSV without a table" 2 $?
said err "rules"
report security --format doc 2> err; want "an unknown form" 2 $?

schema=$TW_SOURCE/../shared/data/oscal_complete_schema-1.2.2.json
if [ -f "$schema" ]; then
    python3 "$TW_SOURCE/tests/integration/report.py" --oscal out/compliance-nist-800-53-2026-11-01..2026-11-30.oscal.json "$schema"
    r=$?
    [ $r = 0 ] || [ $r = 77 ] || fail "OSCAL does not validate"
fi
exit 0
