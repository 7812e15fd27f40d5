#!/bin/sh
# trail prune, erase, rotate-identity, recover, and compressing in the daemon; each killed at every step of its
# own, and finished by the next start.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
SAMPLE=$TW_SOURCE/contrib/samples/xui.log
cat > c.yaml <<EOT
state: $SCRATCH/state
host: keep.example
channels:
  xui: {audit: all, inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}
notifiers:
  out: {type: file, path: $SCRATCH/out.jsonl}
bans: {backend: dry-run, max_age: 0s, file: $SCRATCH/bans}
EOT
cp "$SAMPLE" xui.log
LINES_ALL=$(wc -l < xui.log)
tw() { command=$1; shift; "$TW_BIN" trail "$command" --config c.yaml "$@" > out 2> err; }
once() { "$TW_BIN" run --single --once --quiet --config c.yaml > out 2> err; }
good() { "$TW_BIN" trail verify --config c.yaml --quiet "$@" > out 2> err || { cat out err; fail "the trail is not good, $WHAT"; }; }
entries() { cat "$1"/log/*.jsonl | grep -c "\"type\":\"$2\""; }
people() { # TEXT: how many files of the state hold it
    find state -type f -print0 | xargs -0 grep -laF -- "$1" | wc -l
}
reset() { rm -rf state; cp -a saved state; }
once || { cat err; fail "the first run"; }
cp -a state saved
want "entries" "$LINES_ALL" "$(entries state/trail event)"

# ---- erase ----
WHAT="erase"
tw erase --subject user=admin && fail "erased without a reason"
want "usage" 2 "$(tw erase --subject user=admin; echo $?)"
tw erase --subject user=admin --reason "admin asked" && fail "the reason names the person"
tw erase --subject nobody=admin --reason x && fail "no such kind"
tw erase --subject ip=admin --reason x && fail "no address"
tw erase --subject user=admin --dry-run --json || { cat err; fail "erase --dry-run"; }
said out '"done":false'
[ "$(people admin)" -gt 0 ] || fail "nobody to erase"
tw erase --subject user=admin --reason "request 17" || { cat err; fail "erase"; }
said out "not reached: messages that were sent"
want "files that name the person" 0 "$(people admin)"
[ "$(people 198.51.100.7)" -gt 0 ] || fail "others were erased, too"
tw show --type pii.erase --json
said out '"names":["event"],"reason":"request 17","by":"uid '
good
tw erase --subject ip=198.51.100.7 --name user.name=root --reason "request 18" || { cat err; fail "erase of an address"; }
want "files that hold the address" 0 "$(people 198.51.100.7)"
good
tw show --type ban.order --json
said out '"status":"would ban (address) for 3600s"'
tw erase --subject ip=203.0.113.66 --reason "request 19" || { cat err; fail "erase of an address that was banned"; }
want "files that hold the banned address" 0 "$(people 203.0.113.66)"
good
once || { cat err; fail "the run after it"; }
want "entries after it" "$LINES_ALL" "$(entries state/trail event)"
want "alerts doubled after it" "" "$(sed -n 's/.*"type":"alert","id":"\([^"]*\)".*/\1/p' state/trail/log/*.jsonl | sort | uniq -d)"
good
for step in "keep: erase begun" "keep: erase written" "keep: erase renamed" "keep: erase rewritten" \
    "trail: before pwrite" "trail: after fdatasync" "store: in txn" "store: after commit" "trail: after checkpoint" "keep: erase over"; do
    reset
    WHAT="erase killed at '$step'"
    TW_FAULT="$step:1" "$TW_BIN" trail erase --config c.yaml --subject user=admin --reason r > out 2> err
    want "exit, $WHAT" 86 $?
    once || { cat err; fail "the next start, $WHAT"; }
    want "files that name the person, $WHAT" 0 "$(people admin)"
    [ "$(entries state/trail pii.erase)" -gt 0 ] || fail "nothing says so, $WHAT"
    want "declared twice, $WHAT" "" "$(grep -h '"type":"pii.erase"' state/trail/log/*.jsonl | sed 's/.*"entries"//' | sort | uniq -d)"
    want "entries, $WHAT" "$LINES_ALL" "$(entries state/trail event)"
    [ ! -e state/keys/keep.todo ] || fail "still written down, $WHAT"
    good
done

# ---- rotate-identity ----
reset
WHAT="rotate"
tw rotate-identity < /dev/null && fail "rotated without being told to"
tw rotate-identity --yes --json || { cat err; fail "rotate-identity"; }
said out '"origin":"keep.example/trail/2"'
good
good --trail state/trail.closed-*
said state/trail/log/00000000000000000000.jsonl '"prev":{"origin":"keep.example/trail/1"'
for step in "keep: rotate begun" "trail: before pwrite" "store: in txn" "store: after commit" "trail: after checkpoint" "keep: rotate closed" \
    "keep: move begun" "keep: move aside" "keep: move keys" "trail: in init" "keep: move made" "keep: erase over"; do
    reset
    WHAT="rotate killed at '$step'"
    TW_FAULT="$step:1" "$TW_BIN" trail rotate-identity --yes --config c.yaml > out 2> err
    want "exit, $WHAT" 86 $?
    once || { cat err; fail "the next start, $WHAT"; }
    once || { cat err; fail "the start after it, $WHAT"; }
    [ ! -e state/keys/keep.todo ] || fail "still written down, $WHAT"
    good
    closed=$(find state -maxdepth 1 -name 'trail.closed-*')
    case $step in
    "keep: rotate begun" | "trail: before pwrite" | "store: in txn")
        want "moved, $WHAT" "" "$closed"
        want "entries, $WHAT" "$LINES_ALL" "$(entries state/trail event)"
        ;;
    *)
        want "moved once, $WHAT" 1 "$(entries state/trail trail.moved)"
        want "entries, $WHAT" "$LINES_ALL" "$(entries "$closed" event)"
        want "entries that came again, $WHAT" 0 "$(entries state/trail event)"
        good --trail "$closed"
        ;;
    esac
done

# ---- recover ----
reset
WHAT="recover"
tw recover --new-origin keep.example/other --yes && fail "a good trail was recovered"
said err "the trail is not damaged"
damage() { reset; sed -i '$d' state/trail/log/00000000000000000000.jsonl; }
damage
once && fail "it ran on a damaged trail"
tw recover --new-origin keep.example/other < /dev/null && fail "recovered without being told to"
tw recover --new-origin keep.example/trail/1 --yes && fail "the old name again"
tw recover --new-origin keep.example/other --yes || { cat err; fail "recover"; }
said err "the log is shorter than"
once || { cat err; fail "the run after it"; }
good
size=$(sed -n 2p saved/trail/checkpoint)
said state/trail/log/00000000000000000000.jsonl "\"prev\":{\"origin\":\"keep.example/trail/1\",\"size\":$size,"
[ -n "$(find state/keys/damaged-* -name identity.key)" ] || fail "the old key is gone"
for step in "keep: move begun" "keep: move aside" "keep: move keys" "trail: in init" "keep: move made" "store: in txn" "store: after commit"; do
    damage
    WHAT="recover killed at '$step'"
    TW_FAULT="$step:1" "$TW_BIN" trail recover --new-origin keep.example/other --yes --config c.yaml > out 2> err
    want "exit, $WHAT" 86 $?
    once || { cat err; fail "the next start, $WHAT"; }
    once || { cat err; fail "the start after it, $WHAT"; }
    good
    want "moved once, $WHAT" 1 "$(entries state/trail trail.moved)"
    [ ! -e state/keys/keep.todo ] || fail "still written down, $WHAT"
done
# The same command again goes on with what was begun.
damage
WHAT="recover killed, and again"
TW_FAULT="keep: move aside:1" "$TW_BIN" trail recover --new-origin keep.example/other --yes --config c.yaml > out 2> err
tw recover --new-origin keep.example/third --yes --json || { cat err; fail "$WHAT"; }
said out '"origin":"keep.example/other"'
said state/trail/log/00000000000000000000.jsonl "\"prev\":{\"origin\":\"keep.example/trail/1\",\"size\":$size,"
good
reset
WHAT="rotate killed, and again"
TW_FAULT="keep: move keys:1" "$TW_BIN" trail rotate-identity --yes --config c.yaml > out 2> err
tw rotate-identity --yes --json || { cat err; fail "$WHAT"; }
said out '"origin":"keep.example/trail/2"'
want "closed trails" 1 "$(find state -maxdepth 1 -name 'trail.closed-*' | wc -l)"
good
# Without its keys, and with a checkpoint that nobody signed: the newest epoch's proof is believed.
damage
rm state/keys/identity.key
tw recover --new-origin keep.example/other --yes || { cat err; fail "recover without keys"; }
WHAT="recover without keys"
good

# ---- prune, and compressing in the daemon: three segments ----
rm -rf state out.jsonl
WHAT="prune"
# Short lines only: a segment ends at 64 MiB, too, and an entry names the input's path.
awk -v n=131500 'length($0) < 90 { l[k++] = $0 } END { for (i = 0; i < n; i++) print l[i % k] }' "$SAMPLE" > xui.log
cp c.yaml plain.yaml
echo 'trail: {compress: false}' >> plain.yaml
TW_FAULT="trail: new segment:1" "$TW_BIN" run --single --once --quiet --config plain.yaml > out 2> err
want "exit when a new segment begins" 86 $?
"$TW_BIN" run --single --once --quiet --config plain.yaml > out 2> err || { cat err; fail "the long run"; }
want "entries, killed where a segment began" 131500 "$(entries state/trail event)"
WHAT="a new segment"
good
WHAT="prune"
want "segments" 3 "$(find state/trail/log -name '*.jsonl' | wc -l)"
tw prune && fail "pruned without a limit"
want "usage" 2 "$(tw prune; echo $?)"
tw prune --keep 1d --json || fail "prune --keep"
said out '"done":false,"first":0,"min":0,'
"$TW_BIN" run --quiet --config c.yaml > daemon.log 2>&1 &
daemon=$!
n=0
until [ -f state/trail/log/00000000000000000000.jsonl.gz ] && [ ! -f state/trail/log/00000000000000000000.jsonl ]; do
    n=$((n + 1))
    [ $n -lt 600 ] || { cat daemon.log; ls state/trail/log; fail "nothing was compressed"; }
    sleep 0.1
done
kill -TERM $daemon
wait $daemon || { cat daemon.log; fail "the daemon's end"; }
good
TW_FAULT="keep: prune segment:1" "$TW_BIN" trail prune --config c.yaml --before-entry 70000 > out 2> err
want "exit of a killed prune" 86 $?
[ -f state/trail/tile/0/000 ] || fail "the tiles are gone already"
tw prune --before-entry 70000 --json || { cat err; fail "prune"; }
said out '"done":false,"first":65536,"min":65536,'
[ ! -e state/keys/keep.todo ] || fail "still written down"
[ ! -f state/trail/tile/0/255 ] || fail "the tiles are not gone"
[ -f state/trail/tile/0/256 ] || fail "tiles that are needed are gone"
tw show --type trail.prune --json
want "declared once" 1 "$(wc -l < out)"
once || { cat err; fail "a start on a pruned trail"; }
WHAT="pruned"
good
tw prove --index 65537 --out proof || { cat err; fail "a proof out of a pruned trail"; }
vkey=$("$TW_BIN" trail anchors --json --config c.yaml | sed 's/.*"vkey":"\([^"]*\)","epoch.*/\1/')
"$TW_BIN" trail check-proof proof --vkey "$vkey" --quiet || fail "the proof out of a pruned trail does not hold"
tw prove --index 7 && fail "a proof of what was pruned"
said err "was pruned"
tw export static || { cat err; fail "the export of a pruned trail"; }
echo good
