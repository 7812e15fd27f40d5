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
"$TW_BIN" trail init --config c.yaml > out 2> err && fail "a second init"
said err "holds a trail already"
"$TW_BIN" run --once --quiet --config c.yaml || fail "run"
cp state/trail/checkpoint note1
"$TW_BIN" run --once --quiet --config c.yaml || fail "second run"
verify() { "$TW_BIN" trail verify --config c.yaml --vkey "$vkey" --epoch-vkey "$epoch" --against note1 > out 2> err; }
verify || { cat out err; fail "verify"; }
said out "good"
grep -q NO_ANCHOR out && fail "the anchors were given"
log=state/trail/log/00000000000000000000.jsonl
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
