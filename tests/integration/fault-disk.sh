#!/bin/sh
# A disk that goes on failing: three tries, then an end that says so, and never a signature over
# what may be gone. A file size limit: nothing is lost. The next start has the exact count.
. "$(dirname "$0")/lib.sh"
SHIM=$TW_BUILD/tests/fault/shim.so
[ -f "$SHIM" ] || skip "no shim: make check builds it"
export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
CONFIG=$SCRATCH/c.yaml
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: disk.example
channels:
  xui: {audit: all, inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}
EOF
SAMPLE=$TW_SOURCE/contrib/samples/xui.log
LOG=$SCRATCH/state/trail/log/00000000000000000000.jsonl
LINES_ALL=$(wc -l < "$SAMPLE")
run() { timeout 60 env "$@" "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out" 2> "$SCRATCH/err"; }
exact() {
    run A=b || { cat "$SCRATCH/err"; fail "the start $1"; }
    want "entries $1" "$LINES_ALL" "$(grep -c '"type":"event"' "$LOG")"
    want "doubled $1" "" "$(sed -n 's/.*"type":"event".*"key":"\([^"]*\)".*/\1/p' "$LOG" | sort | uniq -d)"
    "$TW_BIN" trail verify --quiet --config "$CONFIG" > "$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out"; fail "verify $1"; }
}
half() { rm -rf "$SCRATCH/state"; cp -a "$SCRATCH/half" "$SCRATCH/state"; }
head -5 "$SAMPLE" > "$SCRATCH/xui.log"
run A=b || fail "the first run"
tail -n +6 "$SAMPLE" >> "$SCRATCH/xui.log"
cp -a "$SCRATCH/state" "$SCRATCH/half"

# From the n-th sync on all fail: at the start, in the trail, before and in the checkpoint.
ends=0
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
    half
    run LD_PRELOAD="$SHIM" TW_SHIM_AFTER=trailwarden.db.lock TW_SHIM="sync:$n:EIO+"
    code=$?
    [ $code = 1 ] || { cat "$SCRATCH/err"; fail "sync $n: it ended with $code"; }
    grep -qE "the disk failed 3 times in a row|cannot sync|cannot cut|Input/output error|disk I/O error" "$SCRATCH/err" ||
        { cat "$SCRATCH/err"; fail "sync $n: it does not say why"; }
    grep -q "3 times in a row, nothing is signed any more" "$SCRATCH/err" && ends=$((ends + 1))
    size=$(sed -n 2p "$SCRATCH/state/trail/checkpoint")
    [ "$size" -le "$(wc -l < "$LOG")" ] || fail "sync $n: more was signed than there is"
    exact "after sync $n failed for good"
done
[ $ends -gt 0 ] || fail "no run ended after three tries"

# One failed sync is survived: the segment is opened anew and read back.
survived=0
for n in 2 3 4 5 6 7 8; do
    half
    run LD_PRELOAD="$SHIM" TW_SHIM_AFTER=trailwarden.db.lock TW_SHIM="sync:$n:EIO" && survived=$((survived + 1))
    exact "after sync $n failed once"
done
[ $survived -gt 0 ] || fail "no run survived one failed sync"

# RLIMIT_FSIZE: the trail and the database stop growing; the lines wait.
limited() { # BYTES: prlimit takes any number, ulimit -f has no common unit
    timeout 3 prlimit --fsize="$1" "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out" 2> "$SCRATCH/err"
}
if command -v prlimit > /dev/null; then
    for bytes in 4096 12000 20000 40000 120000; do
        half
        limited $bytes
        case $? in
        0 | 1 | 124) ;;
        *) cat "$SCRATCH/err"; fail "a file size limit of $bytes bytes: exit code" ;;
        esac
        exact "after a file size limit of $bytes bytes"
    done
fi
echo "$ends ended after three tries, $survived survived one failure"
