#!/bin/sh
# More addresses than a rule may remember: the trail, our log and `status` say so.
. "$(dirname "$0")/lib.sh"
CONFIG=$SCRATCH/c.yaml
LOG=$SCRATCH/xui.log
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: evicted.example
limits: {groups: 16}
channels:
  xui: {inputs: [{type: file, path: $LOG, from: begin}]}
EOF
lines() { # FROM TO
    i=$1
    while [ "$i" -lt "$2" ]; do
        printf '2026/11/21 01:%02d:%02d WARNING - failed login: username="u%d", IP="203.0.113.%d", reason="invalid credentials"\n' \
            $((i / 60)) $((i % 60)) "$i" $((i % 250))
        i=$((i + 1))
    done
}
run() { "$TW_BIN" run --single --once --config "$CONFIG" > "$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out"; fail "the run"; }; }
status() { "$TW_BIN" status --config "$CONFIG" "$@"; }
evicted() { status --json | sed 's/.*"windows":{"groups":[0-9]*,"evicted":\([0-9]*\),.*/\1/'; }
told() { cat "$SCRATCH"/state/trail/log/* | grep -c '"type":"windows.evicted"'; }

lines 0 10 > "$LOG"
run
[ "$(evicted)" = 0 ] || fail "ten addresses are no reason: $(status --json)"
[ "$(told)" = 0 ] || fail "told without a reason"
status | grep -q '^windows  [1-9][0-9]* groups, 0 forgotten by the limit' || { status; fail "status in words"; }

lines 10 200 >> "$LOG"
run
[ "$(evicted)" -ge 100 ] || fail "groups that went are not counted: $(status --json)"
[ "$(told)" = 1 ] || fail "told $(told) times"
cat "$SCRATCH"/state/trail/log/* | grep '"type":"windows.evicted"' | grep -q '"title":".*"limit":16,"evicted":[1-9]' ||
    fail "the entry does not say which rule"
grep -q "has more groups than limits.groups (16)" "$SCRATCH/out" || { cat "$SCRATCH/out"; fail "no warning"; }
status | grep -q " [1-9][0-9]* forgotten by the limit" || { status; fail "status in words"; }
"$TW_BIN" trail verify --config "$CONFIG" > "$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out"; fail "the trail"; }
echo "$(evicted) groups evicted, told once"
