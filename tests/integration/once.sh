#!/bin/sh
# `run --once` ends when all was read: also what waits because it is young, like an archive that
# gzip may still be writing.
. "$(dirname "$0")/lib.sh"
CONFIG=$SCRATCH/c.yaml
LOG=$SCRATCH/a.log
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
channels: {xui: {inputs: [{type: file, path: $LOG, from: begin}]}}
EOF
lines() { # FROM TO
    for i in $(seq "$1" "$2"); do
        printf '2026/11/21 01:%02d:%02d INFO - line %d\n' $((i / 60 % 60)) $((i % 60)) "$i"
    done
}
counted() { "$TW_BIN" status --json --config "$CONFIG" | sed 's/.*"channel":"xui","lines":\([0-9]*\).*/\1/'; }
lines 1 20 > "$LOG"
"$TW_BIN" run --once --quiet --config "$CONFIG" || fail "the first run"
want "lines of the first run" 20 "$(counted)"
# While we are away: more lines, a rotation that compresses, and new lines.
lines 21 30 >> "$LOG"
mv "$LOG" "$LOG.1" && gzip "$LOG.1"
lines 31 40 > "$LOG"
"$TW_BIN" run --once --quiet --config "$CONFIG" || fail "the second run"
want "lines of the second run" 40 "$(counted)"
"$TW_BIN" run --once --quiet --config "$CONFIG" || fail "the third run"
want "lines of the third run" 40 "$(counted)"
"$TW_BIN" run --single --once --quiet --config "$CONFIG" || fail "a run in one process"
want "lines of a run in one process" 40 "$(counted)"
