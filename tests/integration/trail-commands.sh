#!/bin/sh
# The trail's commands: anchors, verification against a kept note, and what tampering is called.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
cat > c.yaml <<EOF
state: $SCRATCH/state
host: t.example
channels: {xui: {inputs: [{type: file, path: $TW_SOURCE/contrib/samples/xui.log, from: begin}]}}
EOF
"$TW_BIN" trail init --json --config c.yaml > init.json || fail "init"
vkey=$(sed 's/.*"vkey":"\([^"]*\)","epoch.*/\1/' init.json)
epoch=$(sed 's/.*"epoch_vkey":"\([^"]*\)".*/\1/' init.json)
"$TW_BIN" trail anchors --json --config c.yaml > again.json || fail "anchors"
cmp -s init.json again.json || fail "the anchors differ when they are asked again"
"$TW_BIN" trail init --config c.yaml > out 2> err && fail "a second init"
said err "holds a trail already"
"$TW_BIN" run --once --quiet --config c.yaml || fail "run"
cp state/trail/checkpoint note1
"$TW_BIN" run --once --quiet --config c.yaml || fail "second run"
verify() { "$TW_BIN" trail verify --config c.yaml --vkey "$vkey" --epoch-vkey "$epoch" --against note1 > out 2> err; }
verify || { cat out err; fail "verify"; }
said out "good"
grep -q NO_ANCHOR out && fail "the anchors were given"
# A note is found in what it was sent in.
{ printf 'From: tw@example.org\nSubject: alert\n\nSome words.\n\n'; cat note1; printf '\nBye\n'; } > mail
"$TW_BIN" trail verify --config c.yaml --vkey "$vkey" --against mail > out || fail "a note in a mail"
said out "good"
echo "no note at all" > mail
"$TW_BIN" trail verify --config c.yaml --vkey "$vkey" --against mail > out && fail "a mail without a note"
said out "CHECKPOINT_FORMAT"
log=state/trail/log/00000000000000000000.jsonl
# What a third party gets: proofs that hold without the trail, and for nothing else.
t() { verb=$1; shift; "$TW_BIN" trail "$verb" --config c.yaml "$@"; }
t prove 3 --out p3 > out || fail "prove"
said out "check-proof"
"$TW_BIN" trail check-proof p3 --vkey "$vkey" > out || fail "check-proof"
said out "good: entry 3"
"$TW_BIN" trail check-proof p3 --vkey "$vkey" --json > out || fail "check-proof --json"
said out '"good":true,"origin":"t.example/trail/1","entry":3,'
other=$("$TW_BIN" trail init --config c.yaml --state "$SCRATCH/other" | sed -n 2p)
"$TW_BIN" trail check-proof p3 --vkey "$other" > out 2> err; want "another key" 10 $?
sed '3s/3/4/' p3 > p4
"$TW_BIN" trail check-proof p4 --vkey "$vkey" > out 2> err; want "another entry" 10 $?
echo nothing > p5
"$TW_BIN" trail check-proof p5 --vkey "$vkey" > out 2> err; want "no proof" 1 $?
t prove --index 3 > p7 || fail "prove --index"
cmp -s p3 p7 || fail "--index is another entry"
t prove 3 --index 3 > out 2> err; want "two entries" 2 $?
t prove > out 2> err; want "no entry" 2 $?
t prove 999999 > out 2> err; want "an entry that is not there" 1 $?
said err "there is no entry"
id=$(t show --type alert --limit 1 --json | sed 's/.*"id":"\([^"]*\)".*/\1/')
t prove --grep "$id" > p6 || fail "prove --grep"
grep -q '^index ' p6 || fail "no proof came out"
t prove --grep "$id" --type alert > p8 || fail "prove --grep --type"
cmp -s p6 p8 || fail "--type leads to another entry"
t prove --grep "$id" --type heartbeat > out 2> err; want "no entry of that type" 3 $?
t prove --grep '"type"' > out 2> err; want "a text of many entries" 2 $?
t checkpoint --out note2 || fail "checkpoint"
t consistency note1 note2 --out c12 || fail "consistency"
"$TW_BIN" trail consistency note1 note2 --proof c12 --vkey "$vkey" > out || fail "its check"
"$TW_BIN" trail consistency note2 note1 --proof c12 --vkey "$vkey" > out 2> err
want "the other way round" 10 $?
t consistency 5 2 > out 2> err; want "sizes that are none" 2 $?
t export --tiles static > out || fail "export"
cmp -s static/checkpoint note2 || fail "the export has another checkpoint"
find static/tile/entries/000.p -type f -size +0 | grep -q . || fail "no entries were exported"
t export static > out 2> err && fail "an export over another"
[ "$(t show --type alert --since 1h | wc -l)" -gt 3 ] || fail "show --since"
t show --since 2100-01-01T00:00:00Z --fail-empty; want "the future" 3 $?
[ "$(t show --until 2020-01-01T00:00:00Z | wc -l)" = 0 ] || fail "show --until"
[ "$(t show --field "id=$id" | wc -l)" = 1 ] || fail "show --field"
[ "$(t grep "$id" --type alert | wc -l)" = 1 ] || fail "grep"
# What names people is behind the TAB; what does is a setting.
t show --type alert --json > alerts
grep -q '"sd":{.*"source.ip":.*"pii":' alerts || fail "an address is not among the personal values"
cut -f1 alerts | grep -q '203\.0\.113' && fail "an address is in a leaf"
sed 's/^host:/trail: {public: [source.ip]}\nhost:/' c.yaml > public.yaml
"$TW_BIN" run --once --quiet --config public.yaml --state "$SCRATCH/public" || fail "run"
"$TW_BIN" trail show --type alert --json --trail public/trail > alerts
cut -f1 alerts | grep -q '"group":{"source.ip":"203' || fail "a public field is not in the leaf"
"$TW_BIN" trail verify --quiet --trail public/trail || fail "it does not verify"
cp -a state/trail good
try() { # CODE: what was done to the copy has this name
    verify && { cat out; fail "$1 was not seen"; }
    want "exit for $1" 10 $?
    grep -q "$1" out || { cat out; fail "it was not called $1"; }
    rm -rf state/trail
    cp -a good state/trail
}
sed -i "5s/\"version\"/\"versoin\"/; 2s/0\.1/0.2/" "$log"; try EDITED
sed -i 4d "$log"; try DELETED
sed -i '$d' "$log"; try TRUNCATED
tile=$(echo state/trail/tile/0/000.p/*); printf xxxxxxxx | dd of="$tile" bs=1 seek=40 conv=notrunc 2>/dev/null; try TILE_BAD
sed -i "1s/t.example/u.example/" state/trail/checkpoint; try ORIGIN
sed -i "2s/.*/1/" state/trail/checkpoint; try SIG_BAD
rm state/trail/epochs/000000.tlog-proof; try EPOCH
verify || fail "the good copy is good again"
# Read from later on: by number, by time, by a note that was kept.
for since in 5 1h note1; do
    "$TW_BIN" trail verify --config c.yaml --vkey "$vkey" --since $since > out 2> err || { cat out err; fail "--since $since"; }
done
"$TW_BIN" trail verify --config c.yaml --since nowhere > out 2> err
want "exit for a note that is not there" 1 $?
# The state and a shorter log do not go together: nothing is signed, and it says why.
sed -i '$d' "$log"
"$TW_BIN" run --once --config c.yaml > out 2> err && fail "it ran on a cut trail"
said err "shorter"
echo good
