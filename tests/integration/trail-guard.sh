#!/bin/sh
# The daemon verifies its own trail: what is good is an entry, what is not ends it, until it is good again.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
cat > c.yaml <<EOF2
state: $SCRATCH/state
host: guard.example
channels: {xui: {inputs: [{type: file, path: $TW_SOURCE/contrib/samples/xui.log, from: begin}]}}
trail: {verify: 1s}
notifiers:
  out: {type: file, path: $SCRATCH/out.jsonl}
  other: {type: file, path: $SCRATCH/other.jsonl}
bans: {backend: dry-run, file: $SCRATCH/bans}
EOF2
wait_for() { # TEXT CONDITION...
    text=$1
    shift
    n=0
    until "$@" > /dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 200 ] || { cat run.log; fail "never: $text"; }
        sleep 0.1
    done
}
log=state/trail/log/00000000000000000000.jsonl
"$TW_BIN" run --config c.yaml > run.log 2>&1 &
daemon=$!
wait_for "an entry of a good verification" grep -q '"type":"trail.verify","good":true,"size":' "$log"
"$TW_BIN" status --config c.yaml > status || fail "status"
grep -q '^verified .*: good' status || { cat status; fail "status does not show it"; }
"$TW_BIN" status --config c.yaml --json | grep -q '"verified":{"time":"[^"]*","good":true,"size":' || fail "status --json"

# One byte of the first entry, in place.
byte() { printf '%s' "$1" | dd of="$log" bs=1 seek=25 conv=notrunc 2> dd.log; }
was=$(dd if="$log" bs=1 skip=25 count=1 2> dd.log)
[ "$was" = 0 ] && other=1 || other=0
byte $other
wait "$daemon"
want "exit of a daemon whose trail was changed" 10 $?
said run.log "does not verify (EDITED"
for f in out other; do
    grep -q 'The audit trail does not verify' $f.jsonl || { cat run.log; fail "the receiver '$f' was not told"; }
done
"$TW_BIN" status --config c.yaml > status || fail "status afterwards"
grep -q '^verified .*: NOT GOOD EDITED' status || { cat status; fail "status does not show the fault"; }

# It signs nothing more, also not after a new start.
cp state/trail/checkpoint before
"$TW_BIN" run --config c.yaml > run.log 2>&1
want "exit of the next start" 10 $?
said run.log "does not verify (EDITED"
cmp before state/trail/checkpoint || fail "it signed"
want "tellings" 1 "$(grep -c 'does not verify' out.jsonl)"

# Mended: it goes on, and the whole verifies.
byte "$was"
"$TW_BIN" run --config c.yaml > run.log 2>&1 &
daemon=$!
wait_for "ready" test -S state/control
wait_for "signing again" sh -c "! cmp -s before state/trail/checkpoint"
kill "$daemon"
wait "$daemon"
want "exit" 0 $?
"$TW_BIN" trail verify --config c.yaml > out || { cat out; fail "verify"; }
exit 0
