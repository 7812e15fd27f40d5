#!/bin/sh
# Windows survive any restart: a run that ends, cleanly or not, after each line tells exactly the
# alerts of an undisturbed one, and holds the same signals.
. "$(dirname "$0")/lib.sh"
CONFIG=$SCRATCH/c.yaml
LOG=$SCRATCH/xui.log
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: windows.example
channels:
  xui: {inputs: [{type: file, path: $LOG, from: begin}]}
EOF
# Three addresses over and over: windows fill, slide, and fire again.
i=0
while [ $i -lt 45 ]; do
    printf '2026/11/21 01:%02d:%02d WARNING - failed login: username="u%d", IP="203.0.113.%d", reason="invalid credentials"\n' \
        $((10 + i * 17 / 60)) $((i * 17 % 60)) $((i % 5)) $((i % 3 + 1))
    i=$((i + 1))
done > "$SCRATCH/all"
run() { "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out" 2>&1; }
alerts() { "$TW_BIN" alerts list --json --limit 10000 --config "$CONFIG" | sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort; }
# The stream of a file shorter than 1 KiB grows its name: what is counted is compared, not the key.
signals() { "$TW_BIN" state export --config "$CONFIG" | grep '"kind":"signal"' | sed 's/,"key":.*//'; }
cp "$SCRATCH/all" "$LOG"
run || fail "the undisturbed run"
alerts > "$SCRATCH/alerts"
signals > "$SCRATCH/signals"
[ -s "$SCRATCH/alerts" ] && [ -s "$SCRATCH/signals" ] || fail "nothing to compare"
for how in clean "store: after commit" "store: in txn" "trail: after fdatasync" "trail: before sign"; do
    rm -rf "$SCRATCH/state" "$LOG"
    : > "$LOG"
    n=0
    while read -r line; do
        n=$((n + 1))
        printf '%s\n' "$line" >> "$LOG"
        if [ "$how" = clean ]; then
            run || { cat "$SCRATCH/out"; fail "the run after line $n"; }
        else
            TW_FAULT="$how:$((n % 3 + 1))" "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out" 2>&1
        fi
    done < "$SCRATCH/all"
    run || { cat "$SCRATCH/out"; fail "the last run"; }
    alerts | cmp -s - "$SCRATCH/alerts" || fail "other alerts when ended by: $how"
    signals | cmp -s - "$SCRATCH/signals" || { signals | diff - "$SCRATCH/signals" | head -5; fail "other signals when ended by: $how"; }
done
echo "$(wc -l < "$SCRATCH/alerts") alerts, $(wc -l < "$SCRATCH/signals") signals, the same after 225 restarts"
